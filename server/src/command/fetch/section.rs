//! Where a section of BODY[…] or BINARY[…] lies in the stored message (RFC 3501 6.4.5, RFC 9051 6.4.5.1).
//!
//! Pure: from the summary's part table to byte ranges; the message is not read. A section that the
//! message does not have is `None`, which is shown as NIL.

use std::ops::Range;

use trawl_index::mime::Encoding;
use trawl_index::summary::Summary;

/// What of the message or part that a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// `BODY[]`, `BODY[1.2]`
    Whole,
    /// `BODY[HEADER]`, `BODY[1.HEADER]` and, before selection, HEADER.FIELDS
    Header,
    /// `BODY[TEXT]`, `BODY[1.TEXT]`
    Text,
    /// `BODY[1.MIME]`
    Mime,
}

/// A range of the stored message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    pub range: Range<u64>,
    /// For [`Of::Header`]: the message goes on behind this header.
    pub has_body: bool,
}

/// The bytes of `of` at `path`; the empty path is the message itself.
pub fn locate(summary: &Summary, path: &[u32], of: Of) -> Option<Located> {
    let located = |range: Range<u64>, has_body| Some(Located { range, has_body });
    if path.is_empty() {
        let size = u64::from(summary.size);
        let header = u64::from(summary.header_len).min(size);
        let has_body = header < size;
        return match of {
            Of::Whole => located(0..size, has_body),
            Of::Header => located(0..header, has_body),
            Of::Text => located(header..size, has_body),
            Of::Mime => None,
        };
    }
    let part = summary.section(path)?;
    let wide = |range: &Range<u32>| u64::from(range.start)..u64::from(range.end);
    match (of, &part.message) {
        (Of::Whole, _) => located(wide(&part.body), true),
        (Of::Mime, _) => located(wide(&part.mime), true),
        (Of::Header, Some(message)) => located(wide(&message.header), !message.text.is_empty()),
        (Of::Text, Some(message)) => located(wide(&message.text), true),
        (Of::Header | Of::Text, None) => None,
    }
}

/// What BINARY gives: where the encoded bytes are and how to decode them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BinaryPart {
    pub range: Range<u64>,
    pub encoding: Encoding,
    /// Its lines are sent with CRLF.
    pub text: bool,
}

/// The part of `BINARY[path]`. The empty path is the whole message, as it is stored.
pub fn locate_binary(summary: &Summary, path: &[u32]) -> Option<BinaryPart> {
    if path.is_empty() {
        return Some(BinaryPart {
            range: 0..u64::from(summary.size),
            encoding: Encoding::Identity,
            text: false,
        });
    }
    let part = summary.section(path)?;
    let range = u64::from(part.body.start)..u64::from(part.body.end);
    Some(BinaryPart { range, encoding: part.encoding, text: part.text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use trawl_index::summary::{NestedMessage, PartEntry};

    fn summary() -> Summary {
        let part = |path: &[u32], mime, body, message| PartEntry {
            path: path.to_vec(),
            mime,
            body,
            encoding: Encoding::Base64,
            text: true,
            message,
        };
        Summary {
            size: 100,
            header_len: 20,
            parts: vec![
                part(&[1], 25..30, 30..40, None),
                part(&[2], 45..50, 50..90, Some(NestedMessage { header: 50..60, text: 60..90 })),
                part(&[2, 1], 50..60, 60..90, None),
            ],
            ..Summary::default()
        }
    }

    fn range(path: &[u32], of: Of) -> Option<Range<u64>> {
        locate(&summary(), path, of).map(|located| located.range)
    }

    #[test]
    fn sections_of_the_message() {
        assert_eq!(range(&[], Of::Whole), Some(0..100));
        assert_eq!(range(&[], Of::Header), Some(0..20));
        assert_eq!(range(&[], Of::Text), Some(20..100));
        assert_eq!(range(&[], Of::Mime), None);
    }

    #[test]
    fn sections_of_parts() {
        assert_eq!(range(&[1], Of::Whole), Some(30..40));
        assert_eq!(range(&[1], Of::Mime), Some(25..30));
        assert_eq!(range(&[1], Of::Header), None);
        assert_eq!(range(&[1], Of::Text), None);
        assert_eq!(range(&[2], Of::Header), Some(50..60));
        assert_eq!(range(&[2], Of::Text), Some(60..90));
        assert_eq!(range(&[2, 1], Of::Whole), Some(60..90));
        assert_eq!(range(&[3], Of::Whole), None);
        assert_eq!(range(&[1, 1], Of::Whole), None);
    }

    #[test]
    fn the_rfc_asks_for_no_blank_line_in_a_header_without_body() {
        let bare = Summary { size: 20, header_len: 20, ..Summary::default() };
        assert_eq!(locate(&bare, &[], Of::Header), Some(Located { range: 0..20, has_body: false }));
        assert_eq!(locate(&summary(), &[], Of::Header).map(|located| located.has_body), Some(true));
    }

    #[test]
    fn binary_of_the_whole_message_is_not_decoded() {
        assert_eq!(
            locate_binary(&summary(), &[]),
            Some(BinaryPart { range: 0..100, encoding: Encoding::Identity, text: false })
        );
        assert_eq!(
            locate_binary(&summary(), &[1]),
            Some(BinaryPart { range: 30..40, encoding: Encoding::Base64, text: true })
        );
        assert_eq!(locate_binary(&summary(), &[9]), None);
    }
}
