//! The normalised texts of one message, exactly those that the scan searches, kept apart.
//!
//! A header field is kept as its name and its value, each normalised by itself. For the TEXT key the scan searches
//! `Name: value` normalised as one; that is the name, `": "` and the value of here, unless the value begins with white
//! space, which would then be folded into the space of the colon. Messages that have such a field, or more text than
//! [`PREPARED_BYTES_MAX`], are not vouched for: the index never answers for them, the scan always does.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Normaliser;
use crate::extract::{self, Source, TextSink, Walk};
use crate::limits::PREPARED_BYTES_MAX;
use crate::mime::header::fields;
use crate::scan::{Message, Stopped};
use crate::segment::kernel::string_of;

/// The parts of a message that text keys tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Texts of the body.
    Body,
    /// Header fields: of the message itself and nested ones.
    Head,
    /// Texts that are made of fields: addresses of From, To, Cc and Bcc as those keys see them, file names.
    Pseudo,
}

impl Area {
    pub const ALL: [Area; 3] = [Area::Body, Area::Head, Area::Pseudo];
}

/// A field that no message has: addresses in canonical form, or something about attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    From,
    To,
    Cc,
    Bcc,
    /// File names of parts.
    FileName,
    /// Some part is an attachment; the text is empty.
    Attachment,
}

impl Which {
    pub const ALL: [Which; 6] =
        [Which::From, Which::To, Which::Cc, Which::Bcc, Which::FileName, Which::Attachment];
    pub const ADDRESSES: [Which; 4] = [Which::From, Which::To, Which::Cc, Which::Bcc];

    /// A name for a person; of addresses the normalised name of their field.
    pub fn name(self) -> &'static str {
        match self {
            Which::From => "FROM",
            Which::To => "TO",
            Which::Cc => "CC",
            Which::Bcc => "BCC",
            Which::FileName => "FILENAME",
            Which::Attachment => "ATTACHMENT",
        }
    }
}

/// What a text is. Names are normalised (upper case) and empty for a line without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind<'a> {
    Body,
    /// The value of a header field of the message itself.
    Own {
        name: &'a [u8],
    },
    /// The value of a header field of a part or of an embedded message.
    Nested {
        name: &'a [u8],
    },
    /// The canonical addresses of an own field, or the decoded field where the scan looks at that as well; the file name of a part;
    /// an empty text where something is attached.
    Pseudo {
        which: Which,
    },
}

impl Kind<'_> {
    pub fn area(&self) -> Area {
        match self {
            Kind::Body => Area::Body,
            Kind::Own { .. } | Kind::Nested { .. } => Area::Head,
            Kind::Pseudo { .. } => Area::Pseudo,
        }
    }
}

/// The texts of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Names and texts one behind the other.
    buffer: String,
    texts: Vec<TextRef>,
    unvouched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TextRef {
    tag: Tag,
    /// Where the name begins, and ends where the text begins.
    name: u32,
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Body,
    Own,
    Nested,
    Pseudo(Which),
}

/// Octets of a header for each text that is made of it, about.
const FIELD_BYTES_GUESS: usize = 64;

impl Prepared {
    /// Takes a message apart. Looks at `stop` at least every few hundred microseconds.
    pub fn new(message: &Message<'_>, stop: &AtomicBool) -> Result<Prepared, Stopped> {
        // Of a body that is longer than the header mostly a part is text.
        let header = message.header.len().min(PREPARED_BYTES_MAX);
        let texts = Vec::with_capacity(header / FIELD_BYTES_GUESS);
        let mut collect = Collect {
            out: Prepared { texts, ..Prepared::default() },
            buffer: Vec::with_capacity(header + message.body.len().min(header)),
            ..Collect::default()
        };
        let walked = collect.message(message, stop);
        if stop.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        // The sink itself only stops a walk when the texts are too much.
        Ok(match (walked, string_of(collect.buffer)) {
            (ControlFlow::Continue(()), Some(buffer)) => Prepared { buffer, ..collect.out },
            _ => Prepared::unvouched(),
        })
    }

    /// A message that only the scan can answer for.
    pub fn unvouched() -> Prepared {
        Prepared { unvouched: true, ..Prepared::default() }
    }

    /// Adds a text; it and the name are normalised already. For tests and tools.
    pub fn push(&mut self, kind: Kind<'_>, text: &str) {
        let (tag, name) = match kind {
            Kind::Body => (Tag::Body, &b""[..]),
            Kind::Own { name } => (Tag::Own, name),
            Kind::Nested { name } => (Tag::Nested, name),
            Kind::Pseudo { which } => (Tag::Pseudo(which), &b""[..]),
        };
        self.unvouched |=
            !trusted(name, text) || self.buffer.len() + name.len() + text.len() > PREPARED_BYTES_MAX;
        if self.unvouched {
            *self = Prepared::unvouched();
            return;
        }
        let at = self.buffer.len() as u32;
        self.buffer.extend(name.iter().map(|&b| char::from(b)));
        let start = self.buffer.len() as u32;
        self.buffer.push_str(text);
        self.texts.push(TextRef { tag, name: at, start, end: self.buffer.len() as u32 });
    }

    /// Whether the index may answer for this message. If not there are no texts.
    pub fn is_vouched(&self) -> bool {
        !self.unvouched
    }

    /// All texts in the order of the message.
    pub fn texts(&self) -> impl Iterator<Item = (Kind<'_>, &str)> {
        (0..self.count()).map(|nth| {
            let (kind, _, text) = self.nth(nth);
            (kind, &self.buffer[text])
        })
    }

    /// How many texts there are.
    pub(crate) fn count(&self) -> usize {
        self.texts.len()
    }

    /// A text: where in the buffer its name is, and where it is itself.
    pub(crate) fn nth(&self, nth: usize) -> (Kind<'_>, Range<usize>, Range<usize>) {
        let text = self.texts[nth];
        let name = text.name as usize..text.start as usize;
        let bytes = &self.buffer.as_bytes()[name.clone()];
        let kind = match text.tag {
            Tag::Body => Kind::Body,
            Tag::Own => Kind::Own { name: bytes },
            Tag::Nested => Kind::Nested { name: bytes },
            Tag::Pseudo(which) => Kind::Pseudo { which },
        };
        (kind, name, text.start as usize..text.end as usize)
    }

    /// Names and texts one behind the other.
    pub(crate) fn buffer(&self) -> &str {
        &self.buffer
    }

    /// The texts of one area.
    pub fn area(&self, area: Area) -> impl Iterator<Item = (Kind<'_>, &str)> {
        self.texts().filter(move |(kind, _)| kind.area() == area)
    }

    /// Octets of text.
    pub fn text_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Octets of memory, for budgets.
    pub fn memory(&self) -> usize {
        size_of::<Prepared>() + self.buffer.capacity() + self.texts.capacity() * size_of::<TextRef>()
    }
}

/// Whether name, colon, space and value are the normalised line (see above).
fn trusted(name: &[u8], value: &str) -> bool {
    name.iter().all(|b| (0x21..=0x7e).contains(b)) && (name.is_empty() || !value.starts_with(' '))
}

#[derive(Default)]
struct Collect {
    out: Prepared,
    buffer: Vec<u8>,
    normaliser: Normaliser,
    /// Where the name of the current text begins, if it has begun.
    name: Option<usize>,
    /// Where its value begins.
    start: usize,
}

impl Collect {
    fn message(&mut self, message: &Message<'_>, stop: &AtomicBool) -> ControlFlow<()> {
        for (n, field) in fields(message.header).enumerate() {
            if n % 256 == 0 && stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            let name = std::str::from_utf8(field.name).unwrap_or_default();
            if !name.is_empty() {
                self.name(name)?;
            }
            self.whole(&extract::fields::decoded(&field), Tag::Own, stop)?;
            let which = Which::ADDRESSES.into_iter().find(|which| name.eq_ignore_ascii_case(which.name()));
            if let Some(which) = which {
                let (canonical, raw) = extract::fields::addresses(&field);
                self.whole(&canonical, Tag::Pseudo(which), stop)?;
                if let Some(raw) = raw {
                    self.whole(&raw, Tag::Pseudo(which), stop)?;
                }
            }
        }
        let walk = Walk { own_header: false, part_headers: true, body: true, attachments: true, stop };
        extract::walk(message.header, message.body, walk, self)?;
        extract::document_texts(message.documents, stop, self)
    }

    fn whole(&mut self, text: &str, tag: Tag, stop: &AtomicBool) -> ControlFlow<()> {
        extract::in_steps(text, stop, |piece| self.append(piece))?;
        self.close(tag)
    }

    /// Begins a text unless its name has done so.
    fn begin(&mut self) -> usize {
        let at = self.buffer.len();
        match self.name {
            Some(name) => name,
            None => {
                self.start = at;
                *self.name.insert(at)
            }
        }
    }

    fn append(&mut self, piece: &str) -> ControlFlow<()> {
        self.begin();
        self.normaliser.push(piece, &mut self.buffer);
        if self.buffer.len() > PREPARED_BYTES_MAX {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn close(&mut self, tag: Tag) -> ControlFlow<()> {
        let name = self.begin();
        let end = self.buffer.len();
        let value = &self.buffer[self.start..end];
        let ok = trusted(&self.buffer[name..self.start], if value.starts_with(b" ") { " " } else { "" });
        // The length is below the bound, so it fits.
        self.out.texts.push(TextRef { tag, name: name as u32, start: self.start as u32, end: end as u32 });
        self.name = None;
        self.normaliser.reset();
        if ok { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl TextSink for Collect {
    fn piece(&mut self, _: Source, text: &str) -> ControlFlow<()> {
        self.append(text)
    }

    fn name(&mut self, name: &str) -> ControlFlow<()> {
        self.begin();
        self.buffer.extend(name.bytes().map(|b| b.to_ascii_uppercase()));
        self.start = self.buffer.len();
        if self.start > PREPARED_BYTES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(&mut self, source: Source) -> ControlFlow<()> {
        self.close(match source {
            Source::Header => Tag::Nested,
            Source::Body => Tag::Body,
            Source::FileName => Tag::Pseudo(Which::FileName),
            Source::Attachment => Tag::Pseudo(Which::Attachment),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::header_end;
    use crate::{extract, normalise};

    fn prepare(message: &str) -> Prepared {
        let (header, body) = message.as_bytes().split_at(header_end(message.as_bytes()));
        Prepared::new(&Message::new(header, body), &AtomicBool::new(false)).unwrap()
    }

    const MESSAGE: &str = "From: J\u{f6}e <j@x> (c)\r\nsubject: Food\r\n  cart\r\nno name here\r\nX-Empty:\r\nTo: nobody at all\r\n\
        Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nthe  food\r\n--q\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nnested\r\n--q--\r\n";

    #[test]
    fn kinds() {
        let prepared = prepare(MESSAGE);
        let found: Vec<(Kind<'_>, &str)> = prepared.texts().collect();
        let own = |name: &'static str| Kind::Own { name: name.as_bytes() };
        let nested = |name: &'static str| Kind::Nested { name: name.as_bytes() };
        let expected = [
            (own("FROM"), "JO\u{308}E <J@X> (C)"),
            (Kind::Pseudo { which: Which::From }, "JO\u{308}E <J@X>"),
            (own("SUBJECT"), "FOOD CART"),
            (own(""), "NO NAME HERE"),
            (own("X-EMPTY"), ""),
            (own("TO"), "NOBODY AT ALL"),
            (Kind::Pseudo { which: Which::To }, "NOBODY AT ALL"),
            (Kind::Pseudo { which: Which::To }, "NOBODY AT ALL"),
            (own("CONTENT-TYPE"), "MULTIPART/MIXED; BOUNDARY=Q"),
            (Kind::Body, "THE FOOD"),
            (nested("CONTENT-TYPE"), "MESSAGE/RFC822"),
            (nested("SUBJECT"), "INNER"),
            (Kind::Body, "NESTED"),
        ];
        assert_eq!(found, expected);
        assert!(prepared.is_vouched());
    }

    #[test]
    fn the_texts_are_those_of_the_scan() {
        let prepared = prepare(MESSAGE);
        let texts = extract::texts(MESSAGE.as_bytes());
        let mut head: Vec<String> = texts.header.iter().map(|text| normalise(text)).collect();
        let mut found: Vec<String> = prepared
            .area(Area::Head)
            .map(|(kind, value)| match kind {
                Kind::Own { name } | Kind::Nested { name } if !name.is_empty() => {
                    format!("{}: {value}", std::str::from_utf8(name).unwrap())
                }
                _ => value.to_owned(),
            })
            .collect();
        head.sort();
        found.sort();
        assert_eq!(found, head);
        let body: Vec<String> = texts.body.iter().map(|text| normalise(text)).collect();
        assert_eq!(prepared.area(Area::Body).map(|(_, text)| text).collect::<Vec<_>>(), body);
    }

    #[test]
    fn a_value_that_begins_with_white_space_is_left_to_the_scan() {
        for (value, vouched) in [("=?utf-8?q?_x?=", false), ("\u{a0}x", false), (" x", true), ("x ", true)] {
            let prepared = prepare(&format!("A: {value}\r\n\r\nbody\r\n"));
            assert_eq!(prepared.is_vouched(), vouched, "{value:?}");
            assert_eq!(prepared.texts().count() > 0, vouched);
        }
    }

    #[test]
    fn too_much_text_is_left_to_the_scan() {
        let line = "0123456789 abcdef\r\n".repeat(1 << 10);
        let large =
            format!("A: b\r\n\r\n{}", line.repeat(PREPARED_BYTES_MAX / (line.len() - (1 << 10)) + 100));
        assert!(!prepare(&large).is_vouched());
    }

    #[test]
    fn a_raised_flag_stops() {
        let stop = AtomicBool::new(true);
        assert_eq!(Prepared::new(&Message::new(b"A: b\r\n\r\n", b"c"), &stop), Err(Stopped));
    }
}
