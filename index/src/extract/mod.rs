//! Searchable text of a message, as `docs/search.md` defines it.
//!
//! A message is walked once and its texts are handed out in pieces, so that a searcher can stop anywhere and memory does
//! not depend on the size of a part (HTML aside, whose text exists only when its tree does). Texts of header fields and
//! texts of the body are told apart; no match spans two texts.

mod attachments;
pub mod documents;
pub mod fields;
mod flowed;
pub(crate) mod html;

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use flowed::Flowed;
use html::Html;
use simdutf8::basic as utf8;

use crate::limits::{NESTING_DEPTH_MAX, STEP_BYTES_MAX};
use crate::mime::charset::{self, Charset};
use crate::mime::header::fields;
use crate::mime::transfer::Decoder;
use crate::mime::{Encoding, Kind, Part, header_end, params, parse_until};

/// Version of the extracted text. Whatever is derived from it and kept (an index) names the version that made it; the log
/// keeps no extracted text, and the version of the summary beside each message.
pub const VERSION: u16 = 2;

/// What a text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A header field of any level, as `Name: value`.
    Header,
    Body,
    /// The file name of a part, apart from the header field that it stands in.
    FileName,
    /// An empty text: something is attached.
    Attachment,
}

/// Receives the texts of a message.
pub trait TextSink {
    /// The next piece of the current text. `Break` ends the walk.
    fn piece(&mut self, source: Source, text: &str) -> ControlFlow<()>;
    /// The current text is a header field of this name; its value follows in pieces. Not called for a line without a name.
    fn name(&mut self, name: &str) -> ControlFlow<()> {
        self.piece(Source::Header, name)?;
        self.piece(Source::Header, ": ")
    }
    /// The current text is complete.
    fn end(&mut self, source: Source) -> ControlFlow<()>;
}

/// What to hand out, and when to stop.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    /// Header fields of the message itself.
    pub own_header: bool,
    /// Header fields of its parts and of the messages in it.
    pub part_headers: bool,
    pub body: bool,
    /// File names, and whether there are attachments.
    pub attachments: bool,
    /// Looked at after every [`STEP_BYTES_MAX`] of work; raised, it ends the walk.
    pub stop: &'a AtomicBool,
}

/// All texts of a message, for tests and for the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    pub header: Vec<String>,
    pub body: Vec<String>,
    pub file_names: Vec<String>,
    pub has_attachment: bool,
}

/// The texts of a whole message.
pub fn texts(message: &[u8]) -> Texts {
    #[derive(Default)]
    struct Collect {
        texts: Texts,
        current: String,
    }
    impl TextSink for Collect {
        fn piece(&mut self, _: Source, text: &str) -> ControlFlow<()> {
            self.current.push_str(text);
            ControlFlow::Continue(())
        }
        fn end(&mut self, source: Source) -> ControlFlow<()> {
            let text = std::mem::take(&mut self.current);
            match source {
                Source::Header => self.texts.header.push(text),
                Source::Body => self.texts.body.push(text),
                Source::FileName => self.texts.file_names.push(text),
                Source::Attachment => self.texts.has_attachment = true,
            }
            ControlFlow::Continue(())
        }
    }
    let mut sink = Collect::default();
    let stop = AtomicBool::new(false);
    let (header, body) = message.split_at(header_end(message));
    let everything =
        Walk { own_header: true, part_headers: true, body: true, attachments: true, stop: &stop };
    match walk(header, body, everything, &mut sink) {
        ControlFlow::Continue(()) => sink.texts,
        ControlFlow::Break(()) => unreachable!("neither the sink nor the flag stops the walk"),
    }
}

/// Hands the texts of a message to `sink`. `Break`: the sink or the flag has stopped it.
pub fn walk(header: &[u8], body: &[u8], what: Walk<'_>, sink: &mut impl TextSink) -> ControlFlow<()> {
    walk_nested(header, body, what, 0, sink)
}

/// Hands out the texts of documents, which are texts of the body.
pub(crate) fn document_texts(
    texts: &[String],
    stop: &AtomicBool,
    sink: &mut impl TextSink,
) -> ControlFlow<()> {
    for text in texts {
        in_steps(text, stop, |piece| sink.piece(Source::Body, piece))?;
        sink.end(Source::Body)?;
    }
    ControlFlow::Continue(())
}

fn walk_nested(
    header: &[u8],
    body: &[u8],
    what: Walk<'_>,
    depth: usize,
    sink: &mut impl TextSink,
) -> ControlFlow<()> {
    if what.own_header {
        header_texts(header, what.stop, sink)?;
    }
    if !what.part_headers && !what.body && !what.attachments {
        return ControlFlow::Continue(());
    }
    let Some(structure) = parse_until(header, body, what.stop) else { return ControlFlow::Break(()) };
    if what.attachments {
        attachments::texts(&structure, what.stop, sink)?;
    }
    for (index, part) in structure.parts.iter().enumerate() {
        if what.part_headers && index > 0 {
            header_texts(&body[part.header.clone()], what.stop, sink)?;
        }
        part_texts(part, body, what, depth, sink)?;
    }
    ControlFlow::Continue(())
}

fn part_texts(
    part: &Part,
    body: &[u8],
    what: Walk<'_>,
    depth: usize,
    sink: &mut impl TextSink,
) -> ControlFlow<()> {
    if part.kind != Kind::Leaf {
        return ControlFlow::Continue(());
    }
    let bytes = &body[part.body.clone()];
    if part.is_encoded_message() && depth < NESTING_DEPTH_MAX {
        let message = decode_until(bytes, part.encoding, what.stop)?;
        let (header, body) = message.split_at(header_end(&message));
        return walk_nested(header, body, Walk { own_header: what.part_headers, ..what }, depth + 1, sink);
    }
    if what.body && part.media.0 == "text" {
        leaf(part, bytes, what.stop, sink)
    } else {
        ControlFlow::Continue(())
    }
}

fn header_texts(header: &[u8], stop: &AtomicBool, sink: &mut impl TextSink) -> ControlFlow<()> {
    for (n, field) in fields(header).enumerate() {
        if n % 256 == 0 {
            running(stop)?;
        }
        if !field.name.is_empty() {
            // Names are ASCII by the rule of the splitter.
            sink.name(std::str::from_utf8(field.name).unwrap_or_default())?;
        }
        in_steps(&fields::decoded(&field), stop, |piece| sink.piece(Source::Header, piece))?;
        sink.end(Source::Header)?;
    }
    ControlFlow::Continue(())
}

fn running(stop: &AtomicBool) -> ControlFlow<()> {
    if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Cuts a text into pieces of bounded size.
pub(crate) fn in_steps(
    text: &str,
    stop: &AtomicBool,
    mut each: impl FnMut(&str) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut rest = text;
    while !rest.is_empty() {
        running(stop)?;
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(STEP_BYTES_MAX.min(rest.len())));
        each(piece)?;
        rest = tail;
    }
    ControlFlow::Continue(())
}

fn decode_until(bytes: &[u8], encoding: Encoding, stop: &AtomicBool) -> ControlFlow<(), Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut decoder = Decoder::new(encoding);
    for step in bytes.chunks(STEP_BYTES_MAX) {
        if running(stop).is_break() {
            return ControlFlow::Break(());
        }
        decoder.push(step, &mut out);
    }
    decoder.finish(&mut out);
    ControlFlow::Continue(out)
}

/// What the characters of a part go through on their way to the sink.
enum Shape {
    Plain,
    Flowed(Flowed),
    Html(Box<Html>),
}

/// The texts of a text/* leaf.
fn leaf(part: &Part, bytes: &[u8], stop: &AtomicBool, sink: &mut impl TextSink) -> ControlFlow<()> {
    let html = part.media.1 == "html";
    let parameter = |name: &str| params::get(&part.parameters, name);
    let named = parameter("charset").and_then(|name| charset::lookup(name.as_bytes()));
    let is = |name: &str, value: &str| parameter(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
    let mut out = Writer {
        shape: match () {
            () if html => Shape::Html(Box::new(Html::new())),
            () if part.is("text", "plain") && is("format", "flowed") => {
                Shape::Flowed(Flowed::new(is("delsp", "yes")))
            }
            () => Shape::Plain,
        },
        text: String::new(),
        stop,
        sink,
    };
    if matches!(part.encoding, Encoding::Identity | Encoding::Unknown) {
        let charset = named.unwrap_or_else(|| if html { html::declared(bytes) } else { Charset::GUESS });
        if let Some(text) = as_is(charset, bytes) {
            in_steps(text, stop, |piece| out.push(piece))?;
            return out.finish();
        }
        let mut decoder = charset.decoder();
        let mut text = String::new();
        for step in bytes.chunks(STEP_BYTES_MAX) {
            text.clear();
            decoder.push(step, &mut text);
            out.push(&text)?;
            running(stop)?;
        }
        text.clear();
        decoder.finish(&mut text);
        in_steps(&text, stop, |piece| out.push(piece))?;
        return out.finish();
    }
    let mut transfer = Decoder::new(part.encoding);
    let mut decoder = None;
    let (mut octets, mut text) = (Vec::new(), String::new());
    let mut steps = bytes.chunks(STEP_BYTES_MAX);
    loop {
        octets.clear();
        text.clear();
        let step = steps.next();
        match step {
            Some(step) => transfer.push(step, &mut octets),
            None => transfer.finish(&mut octets),
        }
        let decoder = decoder.get_or_insert_with(|| {
            named.unwrap_or_else(|| if html { html::declared(&octets) } else { Charset::GUESS }).decoder()
        });
        decoder.push(&octets, &mut text);
        if step.is_none() {
            decoder.finish(&mut text);
        }
        in_steps(&text, stop, |piece| out.push(piece))?;
        running(stop)?;
        if step.is_none() {
            return out.finish();
        }
    }
}

/// The octets themselves if they are their own text in this charset.
fn as_is(charset: Charset, bytes: &[u8]) -> Option<&str> {
    if charset.reads_utf8() {
        let bytes =
            if charset.removes_bom() { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        return utf8::from_utf8(bytes).ok();
    }
    if charset.is_ascii_compatible() && bytes.is_ascii() { utf8::from_utf8(bytes).ok() } else { None }
}

struct Writer<'a, S> {
    shape: Shape,
    text: String,
    stop: &'a AtomicBool,
    sink: &'a mut S,
}

impl<S: TextSink> Writer<'_, S> {
    fn push(&mut self, piece: &str) -> ControlFlow<()> {
        match &mut self.shape {
            Shape::Plain => self.sink.piece(Source::Body, piece),
            Shape::Flowed(flowed) => {
                self.text.clear();
                flowed.push(piece, &mut self.text);
                in_steps(&self.text, self.stop, |piece| self.sink.piece(Source::Body, piece))
            }
            Shape::Html(html) => {
                html.push(piece);
                ControlFlow::Continue(())
            }
        }
    }

    fn finish(self) -> ControlFlow<()> {
        match self.shape {
            Shape::Plain => self.sink.end(Source::Body),
            Shape::Flowed(mut flowed) => {
                let mut text = String::new();
                flowed.finish(&mut text);
                in_steps(&text, self.stop, |piece| self.sink.piece(Source::Body, piece))?;
                self.sink.end(Source::Body)
            }
            Shape::Html(html) => {
                let found = html.finish(self.stop)?;
                for text in
                    std::iter::once(Cow::from(found.text)).chain(found.apart.into_iter().map(Cow::from))
                {
                    in_steps(&text, self.stop, |piece| self.sink.piece(Source::Body, piece))?;
                    self.sink.end(Source::Body)?;
                }
                ControlFlow::Continue(())
            }
        }
    }
}
