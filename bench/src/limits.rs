//! Every bound of the generator.

/// Messages back to which a reply may refer.
pub const REPLY_DISTANCE_MAX: u64 = 400;
/// Length of a reply chain; a longer one starts a new thread.
pub const THREAD_DEPTH_MAX: usize = 40;
/// Message-IDs in one References field.
pub const REFERENCES_MAX: usize = 20;
/// Words of one language.
pub const VOCABULARY_MAX: u64 = 60_000;
/// Distinct attachments; the popular ones come again and again.
pub const ATTACHMENTS_MAX: u64 = 5_000;
/// Octets of a base64 or quoted-printable line (RFC 2045 6.7, 6.8).
pub const ENCODED_LINE_BYTES_MAX: usize = 76;
/// Octets of one encoded word (RFC 2047 2).
pub const ENCODED_WORD_BYTES_MAX: usize = 75;

const _: () = assert!(REFERENCES_MAX <= THREAD_DEPTH_MAX);
