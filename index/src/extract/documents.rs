//! The documents in a message: parts of which not MIME but a file format says where their text is.
//!
//! Not here: which media types those are, and reading them. What is attached as text is no document: it is text already.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use memchr::memmem;

use super::{attachments, decode_until, running};
use crate::limits::NESTING_DEPTH_MAX;
use crate::mime::{Kind, Part, Structure, header_end, params, parse_until};

/// A document as it is in a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attached<K> {
    /// The part, as FETCH names it (RFC 9051 6.4.5.1). In a message that is encoded against the rules, which FETCH does not look into, as if it
    /// were not.
    pub part: String,
    /// What `wants` made of its media type and file name.
    pub kind: K,
    /// The parameter of its Content-Type.
    pub charset: Option<String>,
    /// Decoded; `None`: more octets than asked for.
    pub content: Option<Vec<u8>>,
}

/// Whether a message with this BODYSTRUCTURE can have documents: never wrong when it says no.
pub fn are_possible(body_structure: &[u8]) -> bool {
    let lower = body_structure.to_ascii_lowercase();
    let has = |token: &[u8]| memmem::find(&lower, token).is_some();
    has(b"\"application\"")
        || has(b"rtf\"")
        // Names that programs give to what they do not know.
        || has(b"\"binary\"")
        || has(b"\"unknown\"")
        || has(b"\"*\"")
        || has(b"\"message\"") && (has(b"base64") || has(b"quoted-printable"))
}

/// Hands out the parts that `wants` (media type, file name) takes for documents, in the order of the message. Those of more than `bytes_max`
/// octets come without content.
pub fn each<K>(
    (header, body): (&[u8], &[u8]),
    wants: &dyn Fn(&str, Option<&str>) -> Option<K>,
    bytes_max: usize,
    stop: &AtomicBool,
    found: &mut dyn FnMut(Attached<K>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut search = Search { wants, bytes_max, stop, found };
    search.message(header, body, String::new(), 0)
}

struct Search<'a, K> {
    wants: &'a dyn Fn(&str, Option<&str>) -> Option<K>,
    bytes_max: usize,
    stop: &'a AtomicBool,
    found: &'a mut dyn FnMut(Attached<K>) -> ControlFlow<()>,
}

fn below(path: &str, number: usize) -> String {
    if path.is_empty() { number.to_string() } else { format!("{path}.{number}") }
}

impl<K> Search<'_, K> {
    fn message(&mut self, header: &[u8], body: &[u8], path: String, depth: usize) -> ControlFlow<()> {
        let Some(structure) = parse_until(header, body, self.stop) else { return ControlFlow::Break(()) };
        self.entity(&structure, 0, body, path, true, depth)
    }

    /// An entity that `path` names, or, with `is_message`, that is the content of the message of that name.
    fn entity(
        &mut self,
        structure: &Structure,
        index: usize,
        body: &[u8],
        path: String,
        is_message: bool,
        depth: usize,
    ) -> ControlFlow<()> {
        running(self.stop)?;
        let Some(part) = structure.parts.get(index) else { return ControlFlow::Continue(()) };
        // What is no multipart is part 1 of its message.
        let own = if is_message { below(&path, 1) } else { path.clone() };
        match &part.kind {
            Kind::Multipart(children) => {
                for (nth, child) in children.iter().enumerate() {
                    self.entity(structure, *child, body, below(&path, nth + 1), false, depth)?;
                }
                ControlFlow::Continue(())
            }
            Kind::Message(inner) => self.entity(structure, *inner, body, own, true, depth),
            Kind::Leaf => self.leaf(part, body.get(part.body.clone()).unwrap_or_default(), own, depth),
        }
    }

    fn leaf(&mut self, part: &Part, bytes: &[u8], path: String, depth: usize) -> ControlFlow<()> {
        if part.is_encoded_message() && depth < NESTING_DEPTH_MAX {
            let message = decode_until(bytes, part.encoding, self.stop)?;
            let (header, body) = message.split_at(header_end(&message));
            return self.message(header, body, path, depth + 1);
        }
        let media = format!("{}/{}", part.media.0, part.media.1);
        let Some(kind) = (self.wants)(&media, attachments::names(part).next()) else {
            return ControlFlow::Continue(());
        };
        // Encoded it is not shorter than it is.
        let mut content = None;
        if bytes.len() / 2 <= self.bytes_max {
            content = Some(decode_until(bytes, part.encoding, self.stop)?);
        }
        let charset = params::get(&part.parameters, "charset").map(str::to_owned);
        let content = content.filter(|content| content.len() <= self.bytes_max);
        (self.found)(Attached { part: path, kind, charset, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Summary;

    const MESSAGE: &str = "Content-Type: multipart/mixed; boundary=a\r\n\r\n\
        --a\r\n\r\ntext\r\n\
        --a\r\nContent-Type: application/pdf; name=\"x.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n\
        --a\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: application/pdf; charset=koi8-r\r\n\r\ninner\r\n\
        --a\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\nx\r\n--b\r\nContent-Type: Application/PDF\r\n\r\n12345678901\r\n--b--\r\n\
        --a\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        Q29udGVudC1UeXBlOiBhcHBsaWNhdGlvbi9wZGYKCmRlZXA=\r\n--a--\r\n";

    fn found(message: &str, bytes_max: usize) -> Vec<(String, Option<String>, Option<String>)> {
        let (header, body) = message.as_bytes().split_at(header_end(message.as_bytes()));
        let mut all = Vec::new();
        let wants = |media: &str, _: Option<&str>| (media == "application/pdf").then_some(());
        let walked = each((header, body), &wants, bytes_max, &AtomicBool::new(false), &mut |found| {
            let content = found.content.map(|content| String::from_utf8(content).unwrap());
            all.push((found.part, found.charset, content));
            ControlFlow::Continue(())
        });
        assert!(walked.is_continue());
        all
    }

    #[test]
    fn parts_are_named_as_fetch_names_them() {
        let some = |text: &str| Some(text.to_owned());
        let expected = [
            ("2".to_owned(), None, some("hello")),
            ("3.1".to_owned(), some("koi8-r"), some("inner")),
            ("4.2".to_owned(), None, some("12345678901")),
            ("5.1".to_owned(), None, some("deep")),
        ];
        assert_eq!(found(MESSAGE, 11), expected);
        assert_eq!(found(MESSAGE, 10)[2], ("4.2".to_owned(), None, None), "too large");
        assert_eq!(found("Content-Type: application/pdf\n\nx", 10), [("1".to_owned(), None, some("x"))]);
        let summary = Summary::build(MESSAGE.as_bytes());
        let paths: Vec<String> = summary
            .parts
            .iter()
            .map(|part| part.path.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
            .collect();
        for (path, ..) in &expected[..3] {
            assert!(paths.contains(path), "{path} {paths:?}");
        }
    }

    #[test]
    fn what_cannot_have_documents_need_not_be_read() {
        let possible = |message: &str| are_possible(&Summary::build(message.as_bytes()).body_structure);
        assert!(possible(MESSAGE));
        assert!(
            possible("Content-Type: application/octet-stream\n\nx")
                && possible("Content-Type: text/rtf\n\nx")
        );
        let encoded = "Content-Type: message/rfc822\nContent-Transfer-Encoding: Base64\n\nx";
        assert!(possible(encoded));
        for without in ["A: b\n\nc", "Content-Type: text/html\n\nc", "Content-Type: image/png\n\nc"] {
            assert!(!possible(without), "{without:?}");
        }
        let mixed = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\ntext\r\n--a\r\nContent-Type: image/gif\r\n\r\nx\r\n--a--\r\n";
        assert!(!possible(mixed));
    }
}
