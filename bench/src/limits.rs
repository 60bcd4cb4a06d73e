//! Every bound of the generator and of the driver.

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

/// Octets read from a socket at once.
pub const READ_BYTES: usize = 64 << 10;
/// Octets of one response line with its literals; larger than any message that is fetched.
pub const LINE_BYTES_MAX: usize = 1 << 30;
/// Octets of one message that is loaded from files; larger ones are left out and counted.
pub const MESSAGE_BYTES_MAX: usize = 100 << 20;
/// Messages in one APPEND while loading, and their octets: what any server takes at once.
pub const LOAD_MESSAGES_MAX: usize = 50;
pub const LOAD_BYTES_MAX: usize = 8 << 20;
/// Wrong answers that are kept as examples, of each class.
pub const EXAMPLES_MAX: usize = 5;
/// Reads of one socket before the event loop looks at the schedule again.
pub const READS_MAX: usize = 4;

/// A driver thread that computes for more than this part of the time is saturated.
pub const DRIVER_CPU_MAX: f64 = 0.85;
/// A driver thread that did not run for longer than this measured something else than the server.
pub const DRIVER_STOOD_SECONDS: f64 = 1.0;
/// Lag behind the schedule (p99, nanoseconds) that is never held against the driver.
pub const DRIVER_LAG_NANOS: u64 = 1_000_000;
/// Lag beyond that is, where it is more than this part of the measured p99.
pub const DRIVER_LAG_PART: f64 = 0.1;

const _: () = assert!(REFERENCES_MAX <= THREAD_DEPTH_MAX);
const _: () = assert!(READ_BYTES * 16 < LINE_BYTES_MAX && LOAD_BYTES_MAX < MESSAGE_BYTES_MAX);
