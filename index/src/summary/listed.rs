//! The header fields that clients ask for in lists, kept in the summary byte for byte.
//!
//! `BODY[HEADER.FIELDS (…)]` of these names alone is answered without reading, inflating and searching the header. Not a
//! header parser: whole lines are copied, folding, case and order kept. What must hold: selecting from what is kept gives
//! the bytes that selecting from the header gives (RFC 3501 6.4.5), or nothing is kept.

use memchr::memchr;

use crate::limits::{LISTED_BYTES_MAX, LISTED_NAME_BYTES_MAX};
use crate::mime::header::header_end;

/// What mail clients fetch to show and to thread a list. A name whose field is not there costs nothing.
const NAMES: [&[u8]; 33] = [
    b"from",
    b"to",
    b"cc",
    b"bcc",
    b"subject",
    b"date",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"reply-to",
    b"sender",
    b"content-type",
    b"content-description",
    b"importance",
    b"priority",
    b"x-priority",
    b"list-id",
    b"list-post",
    b"list-subscribe",
    b"list-unsubscribe",
    b"newsgroups",
    b"lines",
    b"mail-followup-to",
    b"mail-reply-to",
    b"disposition-notification-to",
    b"return-receipt-to",
    b"x-label",
    b"x-original-to",
    b"x-universally-unique-identifier",
    b"x-uniform-type-identifier",
    b"x-k9mail-identity",
    b"chat-version",
    b"x-draft-info",
];

/// Whether the fields of this name are among those that summaries keep.
pub fn is_listed(name: &[u8]) -> bool {
    NAMES.iter().any(|listed| listed.eq_ignore_ascii_case(name))
}

/// The listed fields of a message; `None` if they are too long, or if no empty line ends the header (what HEADER.FIELDS
/// answers then depends on more than its fields).
pub(super) fn of(message: &[u8]) -> Option<Vec<u8>> {
    let header = &message[..header_end(message)];
    let fields = header.strip_suffix(b"\n")?;
    let fields = fields.strip_suffix(b"\r").unwrap_or(fields);
    if !fields.is_empty() && !fields.ends_with(b"\n") {
        return None;
    }
    let mut listed = Vec::new();
    select(fields, is_listed, &mut listed);
    (listed.len() <= LISTED_BYTES_MAX).then_some(listed)
}

/// Appends the fields whose names are wanted, with the lines that continue them.
pub fn select(fields: &[u8], wanted: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
    let (mut rest, mut keeping) = (fields, false);
    while let Some(first) = rest.first() {
        let (line, after) = rest.split_at(memchr(b'\n', rest).map_or(rest.len(), |at| at + 1));
        if !matches!(first, b' ' | b'\t') {
            // White space before the colon is the obsolete form of RFC 5322 4.5.
            let colon = memchr(b':', &line[..line.len().min(LISTED_NAME_BYTES_MAX)]);
            keeping = colon.is_some_and(|colon| wanted(line[..colon].trim_ascii_end()));
        }
        if keeping {
            out.extend_from_slice(line);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_kept_as_written() {
        let kept = |message: &[u8]| of(message).map(|kept| String::from_utf8(kept).unwrap());
        assert_eq!(
            kept(b" lead\r\nReceived: a\r\n b\r\nSUBJECT : x\r\n\ty\nbroken\r\n z\r\nfrom:q\r\n\r\nTo: not\r\n").unwrap(),
            "SUBJECT : x\r\n\ty\nfrom:q\r\n"
        );
        assert_eq!(kept(b"\r\n").as_deref(), Some(""));
        assert_eq!(kept(b"From\r\n : x\r\n\n").as_deref(), Some(""));
        for without_end in [&b""[..], b"To: a", b"To: a\r\n"] {
            assert_eq!(kept(without_end), None);
        }
    }

    #[test]
    fn long_fields_are_not_kept() {
        let message = |len: usize| [b"To: ", &vec![b'x'; len - 6][..], b"\r\n\r\n"].concat();
        assert_eq!(of(&message(LISTED_BYTES_MAX)).map(|kept| kept.len()), Some(LISTED_BYTES_MAX));
        assert_eq!(of(&message(LISTED_BYTES_MAX + 1)), None);
    }
}
