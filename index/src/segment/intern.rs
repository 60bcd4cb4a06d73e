//! Numbers distinct tokens while a segment is built.
//!
//! Nearly all time goes into waiting for memory, so a slot of the table has all of a short token, and tokens are looked up in
//! batches, in steps each of which asks for what the next one reads. Hashing is seeded: who writes a message cannot choose collisions.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::build::{Meeting, meeting_key};
use super::kernel::prefetch_one;
use super::table::{self, Table};
use super::terms::{self, Ends};
use crate::prepare::Area;
use crate::tokens::Class;

/// Tokens that are looked up together.
pub const BATCH: usize = 64;
/// Tokens that are shorter stand in their slot.
const SHORT: usize = 8;

/// What a token is to the builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
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
    pub fn class(self) -> Class {
        match self {
            Tag::Separator | Tag::Name => Class::Separator,
            Tag::Word => Class::Word,
            Tag::Single => Class::Single,
        }
    }
}

/// What is known of a distinct token but for its octets. Four of them fill a cache line: most lookups wait for one.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub struct Entry {
    pub occurrences: u32,
    /// The number of its last ends, and above that its tag.
    tail: u32,
    start: u32,
    /// Document of the last occurrence in a body plus one; a segment has fewer than 2^16 documents.
    pub body_doc: u16,
    pub body_docs: u16,
}

/// Numbers of ends are lower.
const TAG: u32 = 1 << 30;

impl Entry {
    #[inline]
    pub fn tag(&self) -> Tag {
        match self.tail / TAG {
            0 => Tag::Separator,
            1 => Tag::Word,
            2 => Tag::Single,
            _ => Tag::Name,
        }
    }

    /// How it meets others.
    #[inline]
    pub fn ending(&self) -> Ending {
        Ending { tail: self.tail % TAG, start: self.start, tag: self.tag() }
    }
}

/// What of a token decides how it meets its neighbours. Read one by one: the whole of an [`Entry`] of which a part was written just
/// now would have to wait until that has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    tail: u32,
    start: u32,
    pub tag: Tag,
}

impl Ending {
    /// How this token meets the one on its left, if one of them is a word and the other no single character.
    #[inline]
    pub fn meets(&self, left: &Ending, area: Area) -> Option<(Meeting, u64)> {
        let (meeting, one, other) = match (left.tag.class(), self.tag.class()) {
            (Class::Word, Class::Word) => (Meeting::Joint, left.tail, self.start),
            (Class::Word, Class::Separator) => (Meeting::After, left.tail, self.start),
            (Class::Separator, Class::Word) => (Meeting::Before, self.start, left.tail),
            _ => return None,
        };
        Some((meeting, meeting_key(meeting, area, one, other)))
    }
}

/// A token to look up in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    first: u64,
    hash: u32,
    start: u32,
    len: u32,
    tag: Tag,
}

impl Ask {
    /// Whether its slot has the whole token.
    #[inline]
    fn is_short(&self) -> bool {
        (self.len as usize) < SHORT
    }
}

/// Numbers distinct tokens.
#[derive(Default)]
pub struct Interner {
    table: Table,
    /// All tokens one behind the other.
    octets: Vec<u8>,
    /// Where each begins.
    starts: Vec<u32>,
    pub entries: Vec<Entry>,
    /// A bit for each that occurs in more than one document.
    shared: Vec<u64>,
    /// Numbers below were known before the current document.
    before: u32,
    hasher: RandomState,
    ends: EndsNumbers,
}

/// Numbers of the ends of tokens.
struct EndsNumbers {
    /// Of those that are ASCII, plus one; others in the map.
    ascii: Box<[u32; 1 << 14]>,
    others: HashMap<Ends, u32, RandomState>,
    list: Vec<Ends>,
}

impl Default for EndsNumbers {
    fn default() -> EndsNumbers {
        EndsNumbers { ascii: Box::new([0; 1 << 14]), others: HashMap::default(), list: Vec::new() }
    }
}

impl EndsNumbers {
    fn clear(&mut self) {
        self.ascii.fill(0);
        self.others.clear();
        self.list.clear();
    }

    fn number(&mut self, ends: Ends) -> u32 {
        let next = self.list.len() as u32;
        let number = match ends {
            (one, other) if one.is_ascii() && other.is_ascii() => {
                let number = &mut self.ascii[(one as usize) << 7 | other as usize];
                if *number == 0 {
                    *number = next + 1;
                }
                *number - 1
            }
            _ => *self.others.entry(ends).or_insert(next),
        };
        if number == next {
            self.list.push(ends);
        }
        number
    }
}

impl Interner {
    pub fn intern(&mut self, token: &[u8], tag: Tag) -> u32 {
        let ask = self.ask(token, 0, token.len(), tag);
        self.number(&ask, token)
    }

    /// Forgets everything and keeps its memory.
    pub fn clear(&mut self) {
        self.table.clear();
        self.octets.clear();
        self.starts.clear();
        self.entries.clear();
        self.shared.clear();
        self.before = 0;
        self.ends.clear();
    }

    /// The next document begins.
    pub fn begin_document(&mut self) {
        self.before = self.entries.len() as u32;
    }

    /// The current document has a token. Nothing of it is read: who was known before is in another one as well.
    #[inline]
    pub fn is_in(&mut self, id: u32) {
        // Without a branch: whether it was known is hard to foretell.
        self.shared[id as usize / 64] |= u64::from(id < self.before) << (id % 64);
    }

    /// Whether a token occurs in more than one document.
    pub fn is_shared(&self, id: u32) -> bool {
        self.shared[id as usize / 64] >> (id % 64) & 1 == 1
    }

    /// What to look up for a token at a place of a text. Its slot is on its way from memory then.
    #[inline]
    pub fn ask(&self, text: &[u8], start: usize, len: usize, tag: Tag) -> Ask {
        let (first, hash) = if len < SHORT {
            let octets = match text.get(start..).and_then(|rest| rest.first_chunk::<8>()) {
                Some(octets) => u64::from_le_bytes(*octets) & ((1 << (8 * len)) - 1),
                None => {
                    text[start..start + len].iter().rev().fold(0, |all, &octet| all << 8 | u64::from(octet))
                }
            };
            // With its length it is the whole token.
            let first = octets | (len as u64) << 56;
            (first, self.hasher.hash_one(first))
        } else {
            let token = &text[start..start + len];
            let number = |octets: Option<&[u8; 8]>| octets.map_or(0, |octets| u64::from_le_bytes(*octets));
            let octets = number(token.first_chunk());
            let hash = if len <= 2 * SHORT {
                self.hasher.hash_one((octets, number(token.last_chunk()), len as u64))
            } else {
                self.hasher.hash_one(token)
            };
            (octets << 8 >> 8 | (len.min(255) as u64) << 56, hash)
        };
        self.table.look_ahead(hash as u32);
        Ask { first, hash: hash as u32, start: start as u32, len: len as u32, tag }
    }

    /// Numbers of tokens of a text, appended to `ids`. Their entries are on the way from memory then if they are `needed`.
    pub fn numbers(&mut self, asked: &[Ask], text: &[u8], needed: bool, ids: &mut Vec<u32>) {
        for asked in asked.chunks(BATCH) {
            // What lookups come upon first: mostly nothing else has to be looked at.
            let mut likely = [u32::MAX; BATCH];
            for (likely, ask) in likely.iter_mut().zip(asked) {
                *likely = self.table.first_of(ask.hash, ask.first).unwrap_or(u32::MAX);
                if needed && let Some(entry) = self.entries.get(*likely as usize) {
                    prefetch_one(entry);
                }
                if !ask.is_short()
                    && let Some(start) = self.starts.get(*likely as usize)
                {
                    prefetch_one(start);
                }
            }
            for (&likely, _) in likely.iter().zip(asked).filter(|(_, ask)| !ask.is_short()) {
                self.look_ahead(None, Some(likely));
            }
            for (&likely, ask) in likely.iter().zip(asked) {
                let id = if likely != u32::MAX && ask.is_short() {
                    likely
                } else {
                    self.number(ask, &text[ask.start as usize..][..ask.len as usize])
                };
                ids.push(id);
            }
        }
    }

    #[inline]
    fn number(&mut self, ask: &Ask, token: &[u8]) -> u32 {
        let Interner { table, starts, octets, .. } = self;
        let is = |id: u32| ask.is_short() || place(starts, octets, id) == token;
        match table.find(ask.hash, ask.first, is) {
            Some(id) => id,
            None => self.insert(ask, token),
        }
    }

    /// Apart from the loops that look tokens up, which are tight without it.
    #[inline(never)]
    fn insert(&mut self, ask: &Ask, token: &[u8]) -> u32 {
        let id = self.entries.len() as u32;
        self.starts.push(self.octets.len() as u32);
        self.octets.extend_from_slice(token);
        if id.is_multiple_of(64) {
            self.shared.push(0);
        }
        let [tail, start_ends] = if ask.tag == Tag::Name { [None; 2] } else { terms::ends_of(token) };
        let mut number = |ends: Option<Ends>| self.ends.number(ends.unwrap_or((terms::NONE, terms::NONE)));
        let (tail, start) = (number(tail) + TAG * ask.tag as u32, number(start_ends));
        self.entries.push(Entry { occurrences: 0, tail, start, body_doc: 0, body_docs: 0 });
        self.table.insert(ask.hash, ask.first, id);
        id
    }

    /// The octets of tokens are read soon: where those of `first` are is on its way from memory then, and the octets of `then`, of which
    /// that was said before.
    #[inline]
    pub fn look_ahead(&self, first: Option<u32>, then: Option<u32>) {
        if let Some(start) = first.and_then(|id| self.starts.get(id as usize)) {
            prefetch_one(start);
        }
        let start = then.and_then(|id| self.starts.get(id as usize));
        if let Some(octet) = start.and_then(|&start| self.octets.get(start as usize)) {
            prefetch_one(octet);
        }
    }

    /// The ends that have a number.
    pub fn ends(&self, number: u32) -> Ends {
        self.ends.list[number as usize]
    }

    pub fn tag(&self, id: u32) -> Tag {
        self.entries[id as usize].tag()
    }

    /// How two tokens side by side meet: see [`Ending::meets`].
    #[inline]
    pub fn meeting(&self, area: Area, left: u32, right: u32) -> Option<(Meeting, u64)> {
        self.entries[right as usize].ending().meets(&self.entries[left as usize].ending(), area)
    }

    #[inline]
    pub fn bytes(&self, id: u32) -> &[u8] {
        place(&self.starts, &self.octets, id)
    }

    /// Octets of all distinct tokens.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// Octets of memory that is held.
    pub fn held(&self) -> usize {
        let entries =
            self.entries.capacity() * size_of::<Entry>() + self.starts.capacity() * size_of::<u32>();
        self.octets.capacity() + entries + self.shared.capacity() * 8 + self.table.held()
    }

    pub fn memory(&self) -> usize {
        table::grown(self.octets.len())
            + table::grown(self.entries.len()) * (size_of::<Entry>() + size_of::<u32>())
            + table::grown(self.shared.len()) * 8
            + self.table.memory()
            + self.ends.list.len() * 28
    }
}

/// The octets of a token.
#[inline]
fn place<'a>(starts: &[u32], octets: &'a [u8], id: u32) -> &'a [u8] {
    let end = starts.get(id as usize + 1).map_or(octets.len(), |&end| end as usize);
    &octets[starts[id as usize] as usize..end]
}
