//! The part tree with byte offsets.
//!
//! The delimiters of an outer multipart are found before those of an inner one (RFC 2046 5.1.2): a part never reaches over
//! the next delimiter of any multipart around it, also when its own is missing or equal to an outer one. A delimiter line
//! is `--boundary`, perhaps `--`, blanks, and nothing else. The line end in front of it belongs to it. A multipart without
//! a boundary, or whose delimiter never comes, and whatever lies too deep, is a text/plain leaf. Preamble and epilogue belong to no part.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::{memchr, memmem};

use super::header::fields;
use super::params::{self, Parameter};
use super::transfer::Encoding;
use super::{header, header_end};
use crate::limits::{NESTING_DEPTH_MAX, PARTS_MAX};

/// A message taken apart; part 0 is the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    pub parts: Vec<Part>,
}

/// One entity. Ranges are offsets in the parsed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Header with its empty line.
    pub header: Range<usize>,
    pub body: Range<usize>,
    /// Media type and subtype as read: lower case, the default where none is given.
    pub media: (String, String),
    /// The parameters of Content-Type.
    pub parameters: Vec<Parameter>,
    /// Type, as written and not empty, and parameters of Content-Disposition.
    pub disposition: Option<(Vec<u8>, Vec<Parameter>)>,
    pub encoding: Encoding,
    pub kind: Kind,
}

impl Part {
    pub fn is(&self, media: &str, subtype: &str) -> bool {
        self.media.0 == media && self.media.1 == subtype
    }

    /// An embedded message whose octets are encoded, against RFC 2046 5.2.1: it is no part tree, only decoding it shows
    /// the message.
    pub fn is_encoded_message(&self) -> bool {
        self.kind == Kind::Leaf
            && matches!(self.encoding, Encoding::Base64 | Encoding::QuotedPrintable)
            && (self.is("message", "rfc822") || self.is("message", "global"))
    }
}

/// What a part holds; numbers are indexes into [`Structure::parts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Leaf,
    /// Never empty.
    Multipart(Vec<usize>),
    Message(usize),
}

/// Takes a message apart; never fails.
pub fn parse(message: &[u8]) -> Structure {
    let never = AtomicBool::new(false);
    let mut parser = Parser { message, parts: Vec::new(), stop: &never };
    match parser.entity(0..message.len(), false, 0) {
        Some(_) => Structure { parts: parser.parts },
        None => unreachable!("nobody raises the flag"),
    }
}

/// Takes a message apart whose header and body lie apart, unless `stop` is raised before it is done. The header range of
/// part 0 is an offset in `header`, all other ranges are offsets in `body`.
pub fn parse_until(header: &[u8], body: &[u8], stop: &AtomicBool) -> Option<Structure> {
    let mut parser = Parser { message: body, parts: Vec::new(), stop };
    parser.described(header, 0..header.len(), 0..body.len(), false, 0)?;
    Some(Structure { parts: parser.parts })
}

struct Parser<'a> {
    message: &'a [u8],
    parts: Vec<Part>,
    stop: &'a AtomicBool,
}

/// Fields or delimiters between two looks at the stop flag.
const STOP_EVERY: usize = 1024;

impl Parser<'_> {
    fn stopped(&self) -> Option<()> {
        (!self.stop.load(Ordering::Relaxed)).then_some(())
    }

    /// Appends the entity at `range` and everything in it. `None`: stopped.
    fn entity(&mut self, range: Range<usize>, in_digest: bool, depth: usize) -> Option<usize> {
        let bytes = &self.message[range.clone()];
        let (header, _) = bytes.split_at(header_end(bytes));
        let body = range.start + header.len();
        self.described(header, range.start..body, body..range.end, in_digest, depth)
    }

    fn described(
        &mut self,
        header: &[u8],
        header_range: Range<usize>,
        body: Range<usize>,
        in_digest: bool,
        depth: usize,
    ) -> Option<usize> {
        self.stopped()?;
        let index = self.parts.len();
        let mut content_type = None;
        let (mut encoding, mut disposition) = (None, None);
        let (mut fields, mut seen) = (fields(header), 0);
        while let Some(range) = fields.next_range() {
            if seen % STOP_EVERY == 0 {
                self.stopped()?;
            }
            seen += 1;
            // Most fields are told apart by their first octet, others by their length.
            if !matches!(header[range.start], b'c' | b'C') {
                continue;
            }
            let field = fields.field(range);
            if field.name.len() == 12 && content_type.is_none() && field.is(b"content-type") {
                content_type = Some(params::split(&field.unfolded()));
            } else if field.name.len() == 25 && encoding.is_none() && field.is(b"content-transfer-encoding") {
                encoding = Some(params::split(&field.unfolded()).0);
            } else if field.name.len() == 19 && disposition.is_none() && field.is(b"content-disposition") {
                let (token, raws) = params::split(&field.unfolded());
                disposition = (!token.is_empty()).then(|| (token, params::decode(&raws)));
            }
        }
        let boundary = content_type.as_ref().and_then(|(_, raws)| {
            raws.iter().find(|raw| raw.name.eq_ignore_ascii_case(b"boundary")).map(|raw| raw.value.clone())
        });
        let (media, parameters) = match &content_type {
            None => (None, Vec::new()),
            Some((token, raws)) => (media(token), params::decode(raws)),
        };
        let boundary =
            boundary.or_else(|| params::get(&parameters, "boundary").map(|text| text.as_bytes().to_vec()));
        let mut boundary = boundary.unwrap_or_default();
        boundary.truncate(header::trim(&boundary).len().max(boundary.trim_ascii_end().len()));
        let default =
            if in_digest && content_type.is_none() { ("message", "rfc822") } else { ("text", "plain") };
        self.parts.push(Part {
            header: header_range,
            body,
            media: media.unwrap_or_else(|| (default.0.to_owned(), default.1.to_owned())),
            parameters,
            disposition,
            encoding: encoding.map_or(Encoding::Identity, |name| Encoding::from_name(&name)),
            kind: Kind::Leaf,
        });
        let kind = self.content(index, &boundary, depth)?;
        if let Some(part) = self.parts.get_mut(index) {
            let whole = part.media.0 == "multipart"
                || !part.is_encoded_message()
                    && (part.is("message", "rfc822") || part.is("message", "global"));
            if kind == Kind::Leaf && whole {
                part.media = ("text".to_owned(), "plain".to_owned());
                part.parameters.clear();
            }
            if kind != Kind::Leaf {
                part.encoding = Encoding::Identity;
            }
            part.kind = kind;
        }
        Some(index)
    }

    fn content(&mut self, index: usize, boundary: &[u8], depth: usize) -> Option<Kind> {
        let part = &self.parts[index];
        if depth >= NESTING_DEPTH_MAX {
            return Some(Kind::Leaf);
        }
        let body = part.body.clone();
        let encoded = matches!(part.encoding, Encoding::Base64 | Encoding::QuotedPrintable);
        if (part.is("message", "rfc822") || part.is("message", "global")) && !encoded {
            return Some(Kind::Message(self.entity(body, false, depth + 1)?));
        }
        if part.media.0 != "multipart" || boundary.is_empty() {
            return Some(Kind::Leaf);
        }
        let digest = part.media.1 == "digest";
        let mut children = Vec::new();
        let mut delimiters = Delimiters::new(self.message, body.clone(), boundary);
        let mut open = delimiters.next(self.stop)?;
        while let Some(delimiter) = open {
            if delimiter.last {
                break;
            }
            let full = self.parts.len() + 1 >= PARTS_MAX;
            let next = if full { None } else { delimiters.next(self.stop)? };
            let end = next.as_ref().map_or(body.end, |next| next.start.max(delimiter.end));
            children.push(self.entity(delimiter.end..end, digest, depth + 1)?);
            open = next;
        }
        Some(if children.is_empty() { Kind::Leaf } else { Kind::Multipart(children) })
    }
}

/// Type and subtype in lower case; `None` if it is no `type/subtype`.
fn media(token: &[u8]) -> Option<(String, String)> {
    let slash = memchr(b'/', token)?;
    let word = |bytes: &[u8]| {
        let fine =
            !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_graphic() && !b"\"\\/,<>@[]=".contains(b));
        fine.then(|| String::from_utf8_lossy(bytes).to_ascii_lowercase())
    };
    Some((word(&token[..slash])?, word(&token[slash + 1..])?))
}

/// A delimiter line, from the line end in front of it to behind its own.
struct Delimiter {
    start: usize,
    end: usize,
    last: bool,
}

struct Delimiters<'a> {
    message: &'a [u8],
    range: Range<usize>,
    at: usize,
    finder: memmem::Finder<'static>,
}

impl<'a> Delimiters<'a> {
    fn new(message: &'a [u8], range: Range<usize>, boundary: &[u8]) -> Delimiters<'a> {
        let line = [b"--", boundary].concat();
        Delimiters { message, at: range.start, range, finder: memmem::Finder::new(&line).into_owned() }
    }

    /// `None`: stopped; `Some(None)`: no more.
    fn next(&mut self, stop: &AtomicBool) -> Option<Option<Delimiter>> {
        for n in 1.. {
            if n % STOP_EVERY == 0 && stop.load(Ordering::Relaxed) {
                return None;
            }
            let Some(found) = self.finder.find(&self.message[self.at..self.range.end]) else { break };
            let found = self.at + found;
            let mut end = found + self.finder.needle().len();
            self.at = end;
            if found != self.range.start && self.message[found - 1] != b'\n' {
                continue;
            }
            let rest = &self.message[end..self.range.end];
            let last = rest.starts_with(b"--");
            let rest = if last { &rest[2..] } else { rest };
            let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            end += blanks + if last { 2 } else { 0 };
            end += match &rest[blanks..] {
                [] => 0,
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                [b'\r'] => 1,
                _ => continue,
            };
            self.at = end;
            let mut start = found;
            for line_end in [b'\n', b'\r'] {
                if start > self.range.start && self.message[start - 1] == line_end {
                    start -= 1;
                }
            }
            return Some(Some(Delimiter { start, end, last }));
        }
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `type/subtype "body"`, children in brackets.
    fn show(message: &str) -> String {
        fn part(message: &str, structure: &Structure, index: usize) -> String {
            let p = &structure.parts[index];
            let name = format!("{}/{}", p.media.0, p.media.1);
            match &p.kind {
                Kind::Leaf => format!("{name} {:?}", &message[p.body.clone()]),
                Kind::Message(child) => format!("{name} [{}]", part(message, structure, *child)),
                Kind::Multipart(children) => {
                    let inner: Vec<_> = children.iter().map(|&c| part(message, structure, c)).collect();
                    format!("{name} [{}]", inner.join(", "))
                }
            }
        }
        part(message, &parse(message.as_bytes()), 0)
    }

    #[test]
    fn cases() {
        let mixed = |body: &str| format!("Content-Type: multipart/mixed; boundary=q\n\n{body}");
        for (message, expected) in [
            ("".to_owned(), "text/plain \"\""),
            ("A: b\n\nx".to_owned(), "text/plain \"x\""),
            ("Content-Type: TEXT/HTML\n\nx".to_owned(), "text/html \"x\""),
            ("Content-Type: text\n\nx".to_owned(), "text/plain \"x\""),
            (mixed("pre\n--q\n\na\n--q\r\n\nb\r\n--q--\nepi"), "multipart/mixed [text/plain \"a\", text/plain \"b\"]"),
            (mixed("--q\n\na"), "multipart/mixed [text/plain \"a\"]"),
            (mixed("--q\n--q\n--q--"), "multipart/mixed [text/plain \"\", text/plain \"\"]"),
            (mixed("--qq\n\na"), "text/plain \"--qq\\n\\na\""),
            (mixed("--q--\n\na"), "text/plain \"--q--\\n\\na\""),
            (mixed("--q \t\n\na\n --q\n--q-\n--q-- \nx"), "multipart/mixed [text/plain \"a\\n --q\\n--q-\"]"),
            (
                mixed("--q\nContent-Type: multipart/x; boundary=qq\n\n--qq\n\na\n--q\n\nb\n--q--"),
                "multipart/mixed [multipart/x [text/plain \"a\"], text/plain \"b\"]",
            ),
            (
                mixed("--q\nContent-Type: multipart/x; boundary=q\n\n--q\n\na\n--q--\n--q--"),
                "multipart/mixed [text/plain \"\", text/plain \"a\"]",
            ),
            (
                "Content-Type: multipart/digest; boundary=q\n\n--q\n\nA: b\n\nx\n--q\nContent-Type: text/plain\n\ny\n--q--"
                    .to_owned(),
                "multipart/digest [message/rfc822 [text/plain \"x\"], text/plain \"y\"]",
            ),
            ("Content-Type: message/rfc822\n\nA: b\n\nx".to_owned(), "message/rfc822 [text/plain \"x\"]"),
            ("Content-Type: multipart/mixed\n\nx".to_owned(), "text/plain \"x\""),
            (
                "Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\nx".to_owned(),
                "multipart/mixed [text/plain \"x\"]",
            ),
        ] {
            assert_eq!(show(&message), expected, "{message:?}");
            if !message.contains('\r') {
                let crlf = message.replace('\n', "\r\n");
                assert_eq!(show(&crlf), expected.replace("\\n", "\\r\\n"), "{crlf:?}");
            }
        }
    }

    #[test]
    fn hostile_nesting_is_bounded() {
        let deep: String =
            (0..5000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
        assert_eq!(parse(deep.as_bytes()).parts.len(), NESTING_DEPTH_MAX + 1);
        let deep = "Content-Type: message/rfc822\n\n".repeat(5000);
        assert_eq!(parse(deep.as_bytes()).parts.len(), NESTING_DEPTH_MAX + 1);
        let wide =
            format!("Content-Type: multipart/mixed; boundary=q\n\n{}", "--q\n\nx\n".repeat(PARTS_MAX + 10));
        assert_eq!(parse(wide.as_bytes()).parts.len(), PARTS_MAX);
    }
}
