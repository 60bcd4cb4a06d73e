//! Collects messages for a segment: one pass over the tokens, which are numbered as they come.
//!
//! Which tokens are vocabulary is known only at the end, so streams of token numbers are kept, in few octets, since common
//! tokens come early and get small numbers. For every document-level field a list per term is numbered here as well; what a
//! document adds to a list is the list's number in the stream of the document, and [`finish`](super::finish) turns that
//! around by counting. Hashing is seeded: who writes a message cannot choose collisions.

use std::ops::Range;

use super::head::Room;
use super::intern::{Ask, BATCH, Ending, Interner, Tag};
use super::numbered::{Gathered, Streams};
use super::terms;
use super::vocabulary::{name_term_into, pseudo_term};
use super::{BuildError, BuildOptions, Edges};
use crate::limits::{SEGMENT_BUILD_BYTES_MAX, SEGMENT_MESSAGES_MAX, SEGMENT_TEXT_BYTES_MAX};
use crate::prepare::{Area, Kind, Prepared};
use crate::tokens::each_but_spaces;

/// Numbers of a stream that are no tokens: a text begins; the text is a nested header field.
pub(super) const TEXT: u32 = 0;
pub(super) const NESTED: u32 = 1;
/// The first token's number in a stream.
pub(super) const TOKENS: u32 = 2;

/// Makes a segment.
pub struct Builder {
    pub(super) options: BuildOptions,
    pub(super) messages: Vec<u32>,
    pub(super) unvouched: Vec<u32>,
    pub(super) interner: Interner,
    /// Token numbers of each area.
    pub(super) streams: [Streams; 3],
    /// For each document the tokens of its body.
    pub(super) body: Streams,
    pub(super) pairs: Gathered,
    pub(super) joints: Gathered,
    pub(super) edges: Gathered,
    space: u32,
    /// The last document with an implied space, plus one.
    spaced: u16,
    text_bytes: usize,
    area: Area,
    /// The coded token before the current one in the same text of a body.
    before: Option<(u32, Ending)>,
    batch: Batch,
    pub(super) room: Room,
    /// A segment before this one that is of no use but for its memory.
    pub(super) octets: Vec<u8>,
}

/// Tokens of the current message and area on their way; kept for their memory.
#[derive(Default)]
struct Batch {
    asked: Vec<Ask>,
    texts: Vec<Begun>,
    ids: Vec<u32>,
    /// Those of header fields as they are written.
    numbers: Vec<u32>,
    joints: Vec<u64>,
    edges: Vec<u64>,
    /// The term of a field's name.
    name: Vec<u8>,
}

/// A text that begins behind so many of the tokens that are asked for.
struct Begun {
    behind: usize,
    nested: bool,
    name: Option<u32>,
}

/// What makes a joint or an edge; with the area and two numbers of [`Interner::ends`] it makes a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meeting {
    Joint = 0,
    After = 1,
    Before = 2,
}

pub(super) fn meeting_key(meeting: Meeting, area: Area, left: u32, right: u32) -> u64 {
    // Ends are fewer than 2^30: texts are too short for more.
    (meeting as u64) << 62 | u64::from(area == Area::Head) << 61 | u64::from(left) << 30 | u64::from(right)
}

impl Builder {
    pub fn new(options: BuildOptions) -> Builder {
        let mut interner = Interner::default();
        let space = interner.intern(b" ", Tag::Separator);
        Builder {
            options,
            messages: Vec::new(),
            unvouched: Vec::new(),
            interner,
            streams: Default::default(),
            body: Streams::default(),
            pairs: Gathered::default(),
            joints: Gathered::default(),
            edges: Gathered::default(),
            space,
            spaced: 0,
            text_bytes: 0,
            area: Area::Body,
            before: None,
            batch: Batch::default(),
            room: Room::default(),
            octets: Vec::new(),
        }
    }

    /// Leaves the octets of a segment that are not needed any more: the next one is made in their memory, unless all that is held would
    /// become more than `held_max`.
    pub fn leave(&mut self, octets: Vec<u8>, held_max: usize) {
        if self.held() + octets.len() < held_max {
            self.octets = octets;
        }
    }

    /// A builder for the next segment, in the same memory: what is new to a process has to be cleared by the system first.
    pub fn anew(mut self) -> Builder {
        self.messages.clear();
        self.unvouched.clear();
        self.interner.clear();
        self.streams.iter_mut().chain([&mut self.body]).for_each(Streams::clear);
        [&mut self.pairs, &mut self.joints, &mut self.edges].into_iter().for_each(Gathered::clear);
        self.space = self.interner.intern(b" ", Tag::Separator);
        (self.spaced, self.text_bytes, self.area, self.before) = (0, 0, Area::Body, None);
        [&mut self.batch.joints, &mut self.batch.edges].into_iter().for_each(Vec::clear);
        self.batch.asked.clear();
        self.batch.texts.clear();
        self
    }

    /// Adds a message. Numbers must rise.
    pub fn push(&mut self, message: u32, prepared: &Prepared) -> Result<(), BuildError> {
        self.begin(message)?;
        if !prepared.is_vouched() {
            self.unvouched();
        }
        for area in Area::ALL {
            self.area = area;
            let texts = (0..prepared.count()).map(|nth| prepared.nth(nth));
            for (kind, _, place) in texts.filter(|(kind, ..)| kind.area() == area) {
                self.text_bytes += place.len();
                match kind {
                    Kind::Body => self.text(false, None),
                    Kind::Own { name } => self.field(false, name),
                    Kind::Nested { name } => self.field(true, name),
                    Kind::Pseudo { which } => self.text(false, Some(&pseudo_term(which))),
                }
                self.tokens(prepared.buffer(), place);
                if self.batch.texts.len() >= BATCH {
                    self.asked(prepared.buffer().as_bytes());
                }
            }
            self.asked(prepared.buffer().as_bytes());
        }
        self.end();
        Ok(())
    }

    pub fn docs(&self) -> u32 {
        self.messages.len() as u32
    }

    /// Whether a limit is reached; the segment should be finished.
    pub fn is_full(&self) -> bool {
        self.messages.len() >= SEGMENT_MESSAGES_MAX
            || self.text_bytes >= SEGMENT_TEXT_BYTES_MAX
            || self.memory() >= SEGMENT_BUILD_BYTES_MAX
    }

    /// Octets of memory that is held, what a builder before left included.
    pub fn held(&self) -> usize {
        let streams = self.streams.iter().chain([&self.body]).map(Streams::held).sum::<usize>();
        let gathered = [&self.pairs, &self.joints, &self.edges].map(Gathered::held).iter().sum::<usize>();
        self.interner.held() + streams + gathered + self.room.held() + self.octets.len()
    }

    /// Octets of memory that so much takes when it comes to be bit by bit; what a builder before left does not count.
    pub fn memory(&self) -> usize {
        let streams = self.streams.iter().chain([&self.body]).map(Streams::memory).sum::<usize>();
        let gathered = [&self.pairs, &self.joints, &self.edges].map(Gathered::memory).iter().sum::<usize>();
        self.interner.memory() + streams + gathered
    }

    pub(super) fn begin(&mut self, message: u32) -> Result<(), BuildError> {
        if self.messages.last().is_some_and(|&last| last >= message) {
            return Err(BuildError::Order);
        }
        if self.messages.len() >= SEGMENT_MESSAGES_MAX {
            return Err(BuildError::Full);
        }
        self.messages.push(message);
        self.interner.begin_document();
        Ok(())
    }

    /// The current message is not vouched for.
    pub(super) fn unvouched(&mut self) {
        self.unvouched.push(self.doc());
    }

    pub(super) fn end(&mut self) {
        self.met();
        self.streams.iter_mut().for_each(Streams::end);
        self.body.end();
        [&mut self.pairs, &mut self.joints, &mut self.edges].into_iter().for_each(Gathered::end);
    }

    pub(super) fn set_area(&mut self, area: Area) {
        self.area = area;
    }

    fn doc(&self) -> u32 {
        self.messages.len() as u32 - 1
    }

    /// A text begins behind the tokens that are on their way; in the areas of header fields and addresses with the term of its name.
    fn text(&mut self, nested: bool, name: Option<&[u8]>) {
        let name = name.map(|name| self.interner.intern(name, Tag::Name));
        self.batch.texts.push(Begun { behind: self.batch.asked.len(), nested, name });
    }

    /// The same for a header field.
    fn field(&mut self, nested: bool, name: &[u8]) {
        let mut term = std::mem::take(&mut self.batch.name);
        name_term_into(name, &mut term);
        self.text(nested, Some(&term));
        self.batch.name = term;
    }

    pub(super) fn text_of(&mut self, nested: bool, name: Option<u32>) {
        self.before = None;
        let stream = &mut self.streams[self.area as usize];
        stream.push(TEXT);
        if nested {
            stream.push(NESTED);
        }
        if let Some(name) = name {
            stream.push(name + TOKENS);
            if self.area != Area::Head {
                self.interner.entries[name as usize].occurrences += 1;
            }
        }
    }

    /// The tokens of a text that is a part of a message's; one space between two words is implied.
    fn tokens(&mut self, texts: &str, text: Range<usize>) {
        let octets = texts.as_bytes();
        let first = text.start;
        each_but_spaces(&texts[text], |class, place| {
            let ask = self.interner.ask(octets, first + place.start, place.len(), class.into());
            self.batch.asked.push(ask);
            if self.batch.asked.len() >= BATCH {
                self.asked(octets);
            }
        });
    }

    /// Takes the tokens that are on their way.
    fn asked(&mut self, text: &[u8]) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.ids.clear();
        self.interner.numbers(&batch.asked, text, self.area != Area::Head, &mut batch.ids);
        batch.asked.clear();
        if self.area == Area::Head {
            self.take_head(&mut batch);
            self.batch = batch;
            return;
        }
        let (ids, mut texts) = (std::mem::take(&mut batch.ids), std::mem::take(&mut batch.texts));
        self.batch = batch;
        let mut taken = 0;
        for text in texts.drain(..) {
            self.take(&ids[taken..text.behind]);
            self.text_of(text.nested, text.name);
            taken = text.behind;
        }
        self.take(&ids[taken..]);
        (self.batch.ids, self.batch.texts) = (ids, texts);
        if self.batch.joints.len() + self.batch.edges.len() >= BATCH {
            self.met();
        }
    }

    /// Tokens of header fields, which are short: what all of them have is written together.
    fn take_head(&mut self, batch: &mut Batch) {
        // What else is in header fields is counted by template when all are known.
        batch.ids.iter().for_each(|&id| self.interner.is_in(id));
        let numbers = &mut batch.numbers;
        numbers.clear();
        let mut taken = 0;
        for text in batch.texts.drain(..) {
            numbers.extend(batch.ids[taken..text.behind].iter().map(|id| id + TOKENS));
            numbers.push(TEXT);
            if text.nested {
                numbers.push(NESTED);
            }
            numbers.extend(text.name.map(|name| name + TOKENS));
            taken = text.behind;
        }
        numbers.extend(batch.ids[taken..].iter().map(|id| id + TOKENS));
        self.streams[Area::Head as usize].extend(numbers.iter().copied());
    }

    /// Notes how tokens met.
    fn met(&mut self) {
        let doc = self.messages.len() as u16;
        self.joints.add_all(&self.batch.joints, doc);
        self.edges.add_all(&self.batch.edges, doc);
        self.batch.joints.clear();
        self.batch.edges.clear();
    }

    /// A token of the current text, one space between two words excepted.
    pub(super) fn token(&mut self, id: u32) {
        self.take(&[id]);
    }

    /// The next tokens of the current text.
    #[inline]
    fn take(&mut self, ids: &[u32]) {
        let doc = self.messages.len() as u16;
        self.streams[self.area as usize].extend(ids.iter().map(|id| id + TOKENS));
        match self.area {
            // What is in header fields is counted by template when all are known.
            Area::Head => ids.iter().for_each(|&id| self.interner.is_in(id)),
            Area::Pseudo => ids.iter().for_each(|&id| {
                self.interner.is_in(id);
                self.interner.entries[id as usize].occurrences += 1;
            }),
            Area::Body => ids.iter().for_each(|&id| self.body_token(id, doc)),
        }
    }

    #[inline]
    fn body_token(&mut self, id: u32, doc: u16) {
        self.interner.is_in(id);
        let entry = &mut self.interner.entries[id as usize];
        entry.occurrences += 1;
        if entry.body_doc != doc {
            entry.body_doc = doc;
            entry.body_docs += 1;
            self.body.push(id);
        }
        let ending = entry.ending();
        let Some((before, other)) = self.before.replace((id, ending)) else { return };
        if (other.tag, ending.tag) == (Tag::Single, Tag::Single) {
            self.pairs.add(u64::from(before) << 32 | u64::from(id), doc);
            return;
        }
        match ending.meets(&other, Area::Body) {
            Some((Meeting::Joint, key)) => {
                if self.options.joints {
                    self.batch.joints.push(key);
                    self.joints.look_ahead(key);
                }
                self.implied_space(doc);
            }
            Some((_, key)) if self.options.edges != Edges::None => {
                self.batch.edges.push(key);
                self.edges.look_ahead(key);
            }
            _ => {}
        }
    }

    fn implied_space(&mut self, doc: u16) {
        if self.spaced == doc {
            return;
        }
        self.spaced = doc;
        let space = self.space;
        let entry = &mut self.interner.entries[space as usize];
        if entry.body_doc != doc {
            entry.body_doc = doc;
            entry.body_docs += 1;
            self.body.push(space);
        }
    }

    /// The term of a joint or an edge.
    pub(super) fn meeting_term(&self, key: u64) -> terms::Term {
        let area = if key >> 61 & 1 == 1 { Area::Head } else { Area::Body };
        let ends = |number: u64| self.interner.ends((number & 0x3fff_ffff) as u32);
        let (left, right) = (ends(key >> 30), ends(key));
        match key >> 62 {
            0 => terms::joint(area, left, right),
            1 => terms::edge_after(area, left, right),
            _ => terms::edge_before(area, left, right),
        }
    }
}
