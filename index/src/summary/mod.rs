//! The summary of a message: all that listing a mailbox and threading need, computed once when it is stored.

mod address;
mod body;
mod codec;
mod envelope;
mod imap;
pub mod listed;
mod thread;

use std::ops::Range;

use trawl_store::types::ZonedTime;

use crate::mime::{self, Encoding, words};
pub use address::{EnvelopeAddress, EnvelopeField, envelope_address};
use envelope::Envelope;
use imap::Writer;

/// Layout and meaning of the encoded form; recorded beside it. Version 1 was in no release. A version that was in one stays
/// readable as it is: what a client was told once never changes (RFC 9051 2.3.1.1). Only a damaged summary is built again.
pub const VERSION: u16 = 2;

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
    /// The header fields that lists need, as written (see [`listed`]); `None` when they were not kept.
    pub listed: Option<Vec<u8>>,
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
    pub listed: Option<&'a [u8]>,
}

impl<'a> SummaryView<'a> {
    /// Reads what [`Summary::encode`] wrote.
    pub fn new(encoded: &'a [u8]) -> Result<SummaryView<'a>, DecodeError> {
        codec::view(encoded)
    }
}

/// What sorting and threading need of an encoded summary, borrowed; the fields are those of [`Summary`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SummaryKeys<'a> {
    pub envelope: &'a [u8],
    pub sent: Option<ZonedTime>,
    pub is_reply: bool,
    pub message_id: Option<&'a [u8]>,
    pub in_reply_to: Vec<&'a [u8]>,
    pub references: Vec<&'a [u8]>,
    pub base_subject: &'a str,
}

impl<'a> SummaryKeys<'a> {
    /// Reads what [`Summary::encode`] wrote; the part table is not looked at.
    pub fn new(encoded: &'a [u8]) -> Result<SummaryKeys<'a>, DecodeError> {
        codec::keys(encoded)
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
        let structure = mime::parse(message);
        let header_len = mime::header_end(message);
        let header = &message[..header_len];
        let shown = Envelope::of(header);
        let item = |write: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::default();
            write(&mut writer);
            writer.out
        };
        let (base_subject, is_reply) =
            thread::base_subject(&words::decode(shown.subject().unwrap_or_default()));
        let references = mime::header::fields(header).find(|field| field.is(b"references"));
        let ids = |value: Option<&[u8]>| thread::ids(value.unwrap_or_default());
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Summary {
            size: clip(message.len()),
            header_len: clip(header_len),
            sent: shown.date().and_then(mime::date::parse),
            message_id: ids(shown.message_id()).into_iter().next(),
            in_reply_to: ids(shown.in_reply_to()),
            references: ids(references.map(|field| field.unfolded()).as_deref()),
            base_subject,
            is_reply,
            envelope: item(&|writer| shown.write(writer)),
            body: item(&|writer| body::write(message, &structure, 0, false, writer)),
            body_structure: item(&|writer| body::write(message, &structure, 0, true, writer)),
            listed: listed::of(message),
            parts: body::table(&structure),
        }
    }

    /// The part that a section number names: `BODY[1.2]` is `section(&[1, 2])`.
    pub fn section(&self, path: &[u32]) -> Option<&PartEntry> {
        // Parts stand in the order of their numbers.
        self.parts
            .binary_search_by(|part| part.path.as_slice().cmp(path))
            .ok()
            .map(|index| &self.parts[index])
    }

    /// The stored form (laid out in `codec.rs`).
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`Summary::encode`] wrote; any octets are safe to read.
    pub fn decode(encoded: &[u8]) -> Result<Summary, DecodeError> {
        codec::decode(encoded)
    }
}

/// A stable 64-bit hash of a message id or base subject, for threading (FNV-1a; recorded in the store, never changed).
pub fn thread_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    const NESTED: &str = "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <m@x>\r\nReferences: <a@x> <b@x>\r\n\
        In-Reply-To: <b@x>\r\nSubject: Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
        Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\nContent-Type: text/html; charset=utf-8\r\n\
        Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename*=utf-8''%C3%BC.html\r\n\
        Content-Language: de, en\r\nContent-ID: <c@x>\r\nContent-MD5: abc\r\nContent-Location: l\r\n\r\nPGI+\r\n--q\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nline\r\nline\r\n--q--\r\n";

    #[test]
    fn structures() {
        let summary = Summary::build(NESTED.as_bytes());
        let message = "\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 28 (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) \
            (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 10 1";
        assert_eq!(
            text(&summary.body_structure),
            format!(
                "((\"TEXT\" \"HTML\" (\"CHARSET\" \"utf-8\") \"<c@x>\" NIL \"BASE64\" 4 0 \"abc\" (\"ATTACHMENT\" (\"FILENAME\" \
                 {{7}}\r\nü.html)) (\"de\" \"en\") \"l\")({message} NIL NIL NIL NIL) 3 NIL NIL NIL NIL) \"MIXED\" \
                 (\"BOUNDARY\" \"q\") NIL NIL NIL)"
            )
        );
        assert_eq!(
            text(&summary.body),
            format!(
                "((\"TEXT\" \"HTML\" (\"CHARSET\" \"utf-8\") \"<c@x>\" NIL \"BASE64\" 4 0)({message}) 3) \"MIXED\")"
            )
        );
        assert_eq!(summary.sent.map(|sent| (sent.seconds, sent.zone_minutes)), Some((880_127_706, -360)));
        assert_eq!((summary.base_subject.as_str(), summary.is_reply), ("Grüße", true));
        assert_eq!(summary.message_id.as_deref(), Some(&b"m@x"[..]));
        assert_eq!(summary.references, [b"a@x".to_vec(), b"b@x".to_vec()]);
        assert_eq!(summary.in_reply_to, [b"b@x".to_vec()]);
    }

    #[test]
    fn sections() {
        let summary = Summary::build(NESTED.as_bytes());
        let slice = |range: &Range<u32>| &NESTED[range.start as usize..range.end as usize];
        let paths: Vec<_> = summary.parts.iter().map(|part| part.path.clone()).collect();
        assert_eq!(paths, [vec![1], vec![2], vec![2, 1]]);
        let first = summary.section(&[1]).unwrap();
        assert_eq!((slice(&first.body), first.encoding), ("PGI+", Encoding::Base64));
        assert!(
            slice(&first.mime).starts_with("Content-Type: text/html")
                && slice(&first.mime).ends_with("\r\n\r\n")
        );
        let second = summary.section(&[2]).unwrap();
        let nested = second.message.as_ref().unwrap();
        assert_eq!(slice(&nested.header), "Subject: inner\r\n\r\n");
        assert_eq!(slice(&nested.text), "line\r\nline");
        assert_eq!(slice(&summary.section(&[2, 1]).unwrap().body), "line\r\nline");
        assert!(summary.section(&[3]).is_none() && summary.section(&[]).is_none());
        let plain = Summary::build(b"A: b\r\n\r\nx");
        assert_eq!(plain.section(&[1]).unwrap().body, 8..9);
        assert_eq!((plain.size, plain.header_len), (9, 8));
    }

    /// RFC 2046 5.2.1 forbids to encode a message; mail does it. What BODYSTRUCTURE shows below it is there, and empty.
    #[test]
    fn sections_of_an_encoded_message_are_empty() {
        let message =
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeAo=\r\n";
        let summary = Summary::build(message);
        let nested = summary.section(&[1]).unwrap().message.clone().unwrap();
        assert!(nested.header.is_empty() && nested.text.is_empty());
        assert!(summary.section(&[1, 1]).unwrap().body.is_empty());
        assert_eq!(summary.section(&[1]).unwrap().encoding, Encoding::Base64);
        assert_eq!(Summary::decode(&summary.encode()), Ok(summary));
    }

    #[test]
    fn a_summary_survives_its_byte_form() {
        for message in [NESTED, "", "\r\n", "x", "Date: 1 Jan 1960 00:00:00 +0100\r\n\r\n"] {
            let summary = Summary::build(message.as_bytes());
            let encoded = summary.encode();
            assert_eq!(Summary::decode(&encoded).as_ref(), Ok(&summary), "{message:?}");
            let keys = SummaryKeys::new(&encoded).unwrap();
            let own = |ids: Vec<&[u8]>| ids.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
            assert_eq!(
                (keys.envelope, keys.sent, keys.is_reply),
                (&summary.envelope[..], summary.sent, summary.is_reply)
            );
            assert_eq!(
                (keys.message_id, keys.base_subject),
                (summary.message_id.as_deref(), summary.base_subject.as_str())
            );
            assert_eq!(
                (own(keys.in_reply_to), own(keys.references)),
                (summary.in_reply_to.clone(), summary.references.clone())
            );
            let view = SummaryView::new(&encoded).unwrap();
            assert_eq!(
                (view.envelope, view.body_structure, view.listed),
                (&summary.envelope[..], &summary.body_structure[..], summary.listed.as_deref())
            );
            for cut in 0..encoded.len() {
                assert!(Summary::decode(&encoded[..cut]).is_err(), "{message:?} cut at {cut}");
            }
        }
        assert_eq!(Summary::decode(&[1]), Err(DecodeError::Version(1)));
    }
}
