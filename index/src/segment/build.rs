//! Collects messages for a segment: one pass over the tokens, which are numbered as they come.
//!
//! Which tokens are vocabulary is known only at the end, so streams of token numbers are kept, in few octets, since common
//! tokens come early and get small numbers. For every document-level field a list per term is numbered here as well; what a
//! document adds to a list is the list's number in the stream of the document, and [`finish`](super::finish) turns that
//! around by counting. Hashing is seeded: who writes a message cannot choose collisions.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use super::terms::{self, Ends};
use super::vocabulary::{name_term, pseudo_term};
use super::{BuildError, BuildOptions, Edges};
use crate::limits::{SEGMENT_BUILD_BYTES_MAX, SEGMENT_MESSAGES_MAX, SEGMENT_TEXT_BYTES_MAX};
use crate::prepare::{Area, Kind, Prepared};
use crate::tokens::{Class, tokens};

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
    pub(super) pairs: Numbered,
    pub(super) joints: Numbered,
    pub(super) edges: Numbered,
    space: u32,
    text_bytes: usize,
    area: Area,
    before: Option<Before>,
}

/// The coded token before the current one in the same text.
#[derive(Clone, Copy)]
struct Before {
    id: u32,
    class: Class,
}

/// What makes a joint or an edge; with the area and two numbers of [`Interner::ends`] it makes a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meeting {
    Joint = 0,
    After = 1,
    Before = 2,
}

fn meeting_key(meeting: Meeting, area: Area, left: u32, right: u32) -> u64 {
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
            pairs: Numbered::default(),
            joints: Numbered::default(),
            edges: Numbered::default(),
            space,
            text_bytes: 0,
            area: Area::Body,
            before: None,
        }
    }

    /// Adds a message. Numbers must rise.
    pub fn push(&mut self, message: u32, prepared: &Prepared) -> Result<(), BuildError> {
        self.begin(message)?;
        if !prepared.is_vouched() {
            self.unvouched();
        }
        for area in Area::ALL {
            self.area = area;
            for (kind, text) in prepared.area(area) {
                self.text_bytes += text.len();
                match kind {
                    Kind::Body => self.text(false, None),
                    Kind::Own { name } => self.text(false, Some(&name_term(name))),
                    Kind::Nested { name } => self.text(true, Some(&name_term(name))),
                    Kind::Address { which } => self.text(false, Some(&pseudo_term(which))),
                }
                self.tokens(text);
            }
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

    /// Octets of memory held.
    pub fn memory(&self) -> usize {
        let streams = self.streams.iter().chain([&self.body]).map(Streams::memory).sum::<usize>();
        let numbered = [&self.pairs, &self.joints, &self.edges].map(Numbered::memory).iter().sum::<usize>();
        self.interner.memory() + streams + numbered
    }

    pub(super) fn begin(&mut self, message: u32) -> Result<(), BuildError> {
        if self.messages.last().is_some_and(|&last| last >= message) {
            return Err(BuildError::Order);
        }
        if self.messages.len() >= SEGMENT_MESSAGES_MAX {
            return Err(BuildError::Full);
        }
        self.messages.push(message);
        Ok(())
    }

    /// The current message is not vouched for.
    pub(super) fn unvouched(&mut self) {
        self.unvouched.push(self.doc());
    }

    pub(super) fn end(&mut self) {
        self.streams.iter_mut().for_each(Streams::end);
        for streams in
            [&mut self.body, &mut self.pairs.streams, &mut self.joints.streams, &mut self.edges.streams]
        {
            streams.end();
        }
    }

    pub(super) fn set_area(&mut self, area: Area) {
        self.area = area;
    }

    fn doc(&self) -> u32 {
        self.messages.len() as u32 - 1
    }

    /// A text begins; in the areas of header fields and addresses with the term of its name.
    pub(super) fn text(&mut self, nested: bool, name: Option<&[u8]>) {
        let name = name.map(|name| self.interner.intern(name, Tag::Name));
        self.text_of(nested, name);
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

    fn tokens(&mut self, text: &str) {
        let mut space = false;
        for (class, token) in tokens(text) {
            if token == " " && self.before.is_some_and(|before| before.class == Class::Word) {
                space = true;
                continue;
            }
            if space && class != Class::Word {
                self.token(self.space);
            }
            space = false;
            let id = self.interner.intern(token.as_bytes(), class.into());
            self.token(id);
        }
        if space {
            self.token(self.space);
        }
    }

    /// A token of the current text, one space between two words excepted.
    pub(super) fn token(&mut self, id: u32) {
        let doc = self.messages.len() as u32;
        self.streams[self.area as usize].push(id + TOKENS);
        let entry = &mut self.interner.entries[id as usize];
        if entry.first_doc != doc {
            entry.shared |= entry.first_doc != 0;
            entry.first_doc = doc;
        }
        let class = entry.tag.class();
        let before = self.before.replace(Before { id, class });
        // What is in header fields is counted by template when all are known.
        if self.area == Area::Head {
            return;
        }
        entry.occurrences += 1;
        if self.area != Area::Body {
            return;
        }
        if entry.body_doc != doc {
            entry.body_doc = doc;
            entry.body_docs += 1;
            self.body.push(id);
        }
        let Some(before) = before else { return };
        if (before.class, class) == (Class::Single, Class::Single) {
            self.pairs.add(u64::from(before.id) << 32 | u64::from(id), doc);
            return;
        }
        match self.interner.meeting(Area::Body, before.id, id) {
            Some((Meeting::Joint, key)) => {
                if self.options.joints {
                    self.joints.add(key, doc);
                }
                self.implied_space(doc);
            }
            Some((_, key)) if self.options.edges != Edges::None => self.edges.add(key, doc),
            _ => {}
        }
    }

    fn implied_space(&mut self, doc: u32) {
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
        let ends = |number: u64| self.interner.ends_list[(number & 0x3fff_ffff) as usize];
        let (left, right) = (ends(key >> 30), ends(key));
        match key >> 62 {
            0 => terms::joint(area, left, right),
            1 => terms::edge_after(area, left, right),
            _ => terms::edge_before(area, left, right),
        }
    }
}

/// What a token is to the builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Separator,
    Word,
    Single,
    /// Name of a field: no token.
    Name,
}

impl From<Class> for Tag {
    fn from(class: Class) -> Tag {
        match class {
            Class::Separator => Tag::Separator,
            Class::Word => Tag::Word,
            Class::Single => Tag::Single,
        }
    }
}

impl Tag {
    pub(super) fn class(self) -> Class {
        match self {
            Tag::Separator | Tag::Name => Class::Separator,
            Tag::Word => Class::Word,
            Tag::Single => Class::Single,
        }
    }
}

/// What is known of a distinct token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    start: u32,
    len: u32,
    pub(super) occurrences: u32,
    /// Document of the last occurrence plus one.
    first_doc: u32,
    body_doc: u32,
    pub(super) body_docs: u32,
    tail: u32,
    start_ends: u32,
    /// Occurs in more than one document.
    pub(super) shared: bool,
    pub(super) tag: Tag,
}

/// Numbers distinct tokens.
#[derive(Default)]
pub(super) struct Interner {
    table: HashTable<u32>,
    octets: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    hasher: RandomState,
    ends: HashMap<Ends, u32, RandomState>,
    ends_list: Vec<Ends>,
}

impl Interner {
    #[inline]
    pub(super) fn intern(&mut self, token: &[u8], tag: Tag) -> u32 {
        let hash = self.hasher.hash_one(token);
        let found = self.table.find(hash, |&id| self.bytes(id) == token);
        match found {
            Some(&id) => id,
            None => self.insert(hash, token, tag),
        }
    }

    fn insert(&mut self, hash: u64, token: &[u8], tag: Tag) -> u32 {
        let id = self.entries.len() as u32;
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(token);
        let text = std::str::from_utf8(token).ok().filter(|_| tag != Tag::Name);
        let mut number = |ends: Option<Ends>| {
            let ends = ends.unwrap_or((terms::NONE, terms::NONE));
            *self.ends.entry(ends).or_insert_with(|| {
                self.ends_list.push(ends);
                self.ends_list.len() as u32 - 1
            })
        };
        let entry = Entry {
            start,
            len: token.len() as u32,
            occurrences: 0,
            first_doc: 0,
            body_doc: 0,
            body_docs: 0,
            tail: number(text.and_then(terms::tail)),
            start_ends: number(text.and_then(terms::start)),
            shared: false,
            tag,
        };
        self.entries.push(entry);
        let Interner { table, octets, entries, hasher, .. } = self;
        table.insert_unique(hash, id, |&id| {
            let entry = &entries[id as usize];
            hasher.hash_one(&octets[entry.start as usize..][..entry.len as usize])
        });
        id
    }

    pub(super) fn tag(&self, id: u32) -> Tag {
        self.entries[id as usize].tag
    }

    /// How two tokens side by side meet, if one of them is a word and the other no single character.
    #[inline]
    pub(super) fn meeting(&self, area: Area, left: u32, right: u32) -> Option<(Meeting, u64)> {
        let (left, right) = (&self.entries[left as usize], &self.entries[right as usize]);
        let (meeting, one, other) = match (left.tag.class(), right.tag.class()) {
            (Class::Word, Class::Word) => (Meeting::Joint, left.tail, right.start_ends),
            (Class::Word, Class::Separator) => (Meeting::After, left.tail, right.start_ends),
            (Class::Separator, Class::Word) => (Meeting::Before, right.start_ends, left.tail),
            _ => return None,
        };
        Some((meeting, meeting_key(meeting, area, one, other)))
    }

    #[inline]
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let entry = &self.entries[id as usize];
        &self.octets[entry.start as usize..][..entry.len as usize]
    }

    fn memory(&self) -> usize {
        self.octets.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.table.capacity() * 5
            + self.ends_list.len() * 28
    }
}

/// Numbers for each document, in one to five octets each.
#[derive(Default)]
pub(super) struct Streams {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl Streams {
    #[inline]
    pub(super) fn push(&mut self, number: u32) {
        let mut rest = number;
        while rest >= 128 {
            self.octets.push(rest as u8 | 128);
            rest >>= 7;
        }
        self.octets.push(rest as u8);
    }

    pub(super) fn end(&mut self) {
        self.ends.push(self.octets.len());
    }

    /// The numbers of a document.
    pub(super) fn of(&self, doc: usize) -> impl Iterator<Item = u32> + '_ {
        let start = if doc == 0 { 0 } else { self.ends[doc - 1] };
        let mut octets = self.octets[start..self.ends[doc]].iter();
        std::iter::from_fn(move || {
            let mut number = 0;
            let mut shift = 0;
            loop {
                let octet = *octets.next()?;
                number |= u32::from(octet & 127) << shift;
                if octet < 128 {
                    return Some(number);
                }
                shift += 7;
            }
        })
    }

    fn memory(&self) -> usize {
        self.octets.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// Lists of documents by key, numbered as they come.
#[derive(Default)]
pub(super) struct Numbered {
    numbers: HashMap<u64, u32, RandomState>,
    pub(super) keys: Vec<u64>,
    /// Last document plus one.
    last: Vec<u32>,
    /// How many documents each list has.
    pub(super) counts: Vec<u32>,
    /// For each document its lists.
    pub(super) streams: Streams,
}

impl Numbered {
    /// Adds document `doc - 1` to the list of a key, once.
    #[inline]
    pub(super) fn add(&mut self, key: u64, doc: u32) {
        let number = self.number(key);
        self.note(number, doc);
    }

    /// The number of the list of a key.
    #[inline]
    pub(super) fn number(&mut self, key: u64) -> u32 {
        *self.numbers.entry(key).or_insert_with(|| {
            self.keys.push(key);
            self.last.push(0);
            self.counts.push(0);
            self.keys.len() as u32 - 1
        })
    }

    /// Adds document `doc - 1` to a list, once.
    #[inline]
    pub(super) fn note(&mut self, number: u32, doc: u32) {
        let last = &mut self.last[number as usize];
        if *last != doc {
            *last = doc;
            self.counts[number as usize] += 1;
            self.streams.push(number);
        }
    }

    pub(super) fn end(&mut self) {
        self.streams.end();
    }

    fn memory(&self) -> usize {
        self.numbers.capacity() * 17 + self.keys.capacity() * 16 + self.streams.memory()
    }
}
