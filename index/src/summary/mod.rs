//! The summary of a message: all that listing a mailbox and threading need, computed once when it is stored.

use std::ops::Range;

use trawl_store::types::ZonedTime;

use crate::mime::Encoding;

/// Layout and meaning of the encoded form; recorded beside it.
pub const VERSION: u16 = 1;

/// What clients are told about a message without reading it. Byte strings are valid IMAP as they are, for rev1 and
/// rev2 alike (strings with 8-bit, NUL, CR, LF are literals; NUL is shown as 0x80).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// RFC822.SIZE: octets of the stored message.
    pub size: u32,
    /// Octets of the header with the empty line that ends it.
    pub header_len: u32,
    /// The Date field, if it holds a date; its day as written is [`ZonedTime::day`].
    pub sent: Option<ZonedTime>,
    /// The Message-ID without angle brackets.
    pub message_id: Option<Vec<u8>>,
    pub in_reply_to: Vec<Vec<u8>>,
    pub references: Vec<Vec<u8>>,
    /// RFC 5256 2.1 base subject of the decoded Subject.
    pub base_subject: String,
    /// RFC 5256 2.1: something was removed that marks a reply or a forward.
    pub is_reply: bool,
    /// The value of FETCH ENVELOPE, with its parentheses.
    pub envelope: Vec<u8>,
    /// The value of FETCH BODY (no extension data).
    pub body: Vec<u8>,
    /// The value of FETCH BODYSTRUCTURE.
    pub body_structure: Vec<u8>,
    /// Every part that a section number can name, in order of their numbers.
    pub parts: Vec<PartEntry>,
}

/// A body part as sections name it (RFC 3501 6.4.5, RFC 9051 6.4.5.1). All ranges are octets of the stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartEntry {
    /// `1.2` is `[1, 2]`; never empty.
    pub path: Vec<u32>,
    /// `BODY[path.MIME]`: the part's own header with its empty line.
    pub mime: Range<u32>,
    /// `BODY[path]`.
    pub body: Range<u32>,
    /// For BINARY: how `body` is encoded. Multiparts and messages are never encoded.
    pub encoding: Encoding,
    /// The media type is text/*: BINARY sends its lines with CRLF (RFC 9051 7.5.2).
    pub text: bool,
    /// For message/rfc822 parts: `BODY[path.HEADER]` and `BODY[path.TEXT]`.
    pub message: Option<NestedMessage>,
}

/// The header and text of a message/rfc822 part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestedMessage {
    pub header: Range<u32>,
    pub text: Range<u32>,
}

/// What listing a mailbox needs of an encoded summary, borrowed: nothing is allocated and the part table and thread keys are
/// not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummaryView<'a> {
    pub size: u32,
    pub header_len: u32,
    pub envelope: &'a [u8],
    pub body: &'a [u8],
    pub body_structure: &'a [u8],
}

impl<'a> SummaryView<'a> {
    /// Reads what [`Summary::encode`] wrote.
    pub fn new(_encoded: &'a [u8]) -> Result<SummaryView<'a>, DecodeError> {
        Err(DecodeError::Damaged)
    }
}

/// Why an encoded summary cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Of a version this program does not know.
    Version(u16),
    /// Not what [`Summary::encode`] writes.
    Damaged,
}

impl Summary {
    /// Reads a whole message; every message has a summary.
    pub fn build(message: &[u8]) -> Summary {
        Summary { size: u32::try_from(message.len()).unwrap_or(u32::MAX), ..Summary::default() }
    }

    /// The part that a section number names: `BODY[1.2]` is `section(&[1, 2])`.
    pub fn section(&self, path: &[u32]) -> Option<&PartEntry> {
        self.parts.iter().find(|part| part.path == path)
    }

    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }

    pub fn decode(_bytes: &[u8]) -> Result<Summary, DecodeError> {
        Err(DecodeError::Damaged)
    }
}

/// A stable 64-bit hash of a message id or base subject, for threading (FNV-1a; recorded in the store, never changed).
pub fn thread_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
