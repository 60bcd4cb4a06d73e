//! What is kept of every message: enough to judge FETCH without the message at hand.

use crate::corpus::Flag;
use crate::mail::Letter;

/// Octets of `BODY[TEXT]<0.4096>`.
pub const PARTIAL_BYTES: usize = 4096;

/// The header fields that lists of messages are made of.
pub const LIST_FIELDS: [&str; 6] = ["FROM", "TO", "CC", "SUBJECT", "DATE", "MESSAGE-ID"];

/// One message, 40 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Octets (RFC822.SIZE).
    pub size: u32,
    /// CRC-32 of the whole, of the first [`PARTIAL_BYTES`] of the body, of the fields of [`LIST_FIELDS`] with the empty line.
    pub whole: u32,
    pub partial: u32,
    pub fields: u32,
    pub seconds: i64,
    flags: u8,
}

const ALL: [Flag; 5] = [Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft];

impl Facts {
    pub fn of(letter: &Letter) -> Facts {
        let bytes = &letter.bytes;
        let body = header_end(bytes);
        let mut flags = 0;
        for (n, flag) in ALL.iter().enumerate() {
            flags |= u8::from(letter.flags.contains(flag)) << n;
        }
        Facts {
            size: bytes.len() as u32,
            whole: crc32fast::hash(bytes),
            partial: crc32fast::hash(&bytes[body..bytes.len().min(body + PARTIAL_BYTES)]),
            fields: crc32fast::hash(&list_fields(&bytes[..body])),
            seconds: letter.seconds,
            flags,
        }
    }

    pub fn has(&self, flag: Flag) -> bool {
        ALL.iter().position(|f| *f == flag).is_some_and(|n| self.flags >> n & 1 == 1)
    }
}

/// Where the body starts: behind the first empty line, or at the end.
pub fn header_end(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") {
        return 2;
    }
    memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4)
}

/// Fields of a header with their folding, each up to and with its CRLF.
pub fn split_fields(header: &[u8]) -> Vec<&[u8]> {
    let (mut fields, mut start) = (Vec::new(), 0);
    let mut at = 0;
    while at < header.len() {
        let end = memchr::memchr(b'\n', &header[at..]).map_or(header.len(), |n| at + n + 1);
        if !matches!(header.get(end), Some(b' ' | b'\t')) {
            fields.push(&header[start..end]);
            start = end;
        }
        at = end;
    }
    fields
}

/// Name and value of a field, the value without the last line end.
pub fn name_and_value(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = field.iter().position(|&b| b == b':')?;
    let value = field[colon + 1..].strip_suffix(b"\r\n").unwrap_or(&field[colon + 1..]);
    Some((field[..colon].trim_ascii_end(), value))
}

/// What `BODY[HEADER.FIELDS (...)]` of [`LIST_FIELDS`] is.
pub fn list_fields(header: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in split_fields(header) {
        if name_and_value(field)
            .is_some_and(|(name, _)| LIST_FIELDS.iter().any(|f| f.as_bytes().eq_ignore_ascii_case(name)))
        {
            out.extend_from_slice(field);
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_folding() {
        let header = b"From: a@b\r\nX-Y: 1\r\n 2\r\nSubject: s\r\n\tt\r\n\r\n";
        assert_eq!(list_fields(header), b"From: a@b\r\nSubject: s\r\n\tt\r\n\r\n");
        let letter = Letter {
            bytes: [&header[..], b"text"].concat(),
            flags: vec![Flag::Flagged],
            ..Letter::default()
        };
        let facts = Facts::of(&letter);
        assert_eq!(facts.partial, crc32fast::hash(b"text"));
        assert!(facts.has(Flag::Flagged) && !facts.has(Flag::Seen));
        assert_eq!(header_end(b"\r\nx"), 2);
    }
}
