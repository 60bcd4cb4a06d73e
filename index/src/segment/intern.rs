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

/// What is known of a distinct token.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub struct Entry {
    start: u32,
    len: u32,
    pub occurrences: u32,
    tail: u32,
    start_ends: u32,
    /// Document of the last occurrence plus one; a segment has fewer than 2^16 documents.
    pub last_doc: u16,
    /// The same in bodies.
    pub body_doc: u16,
    pub body_docs: u16,
    /// Occurs in more than one document.
    pub shared: bool,
    pub tag: Tag,
}

impl Entry {
    /// It occurs in document `doc - 1`.
    #[inline]
    pub fn is_in(&mut self, doc: u16) {
        // Without a branch: whether a document has a token already is as likely as not.
        self.shared |= (self.last_doc != doc) & (self.last_doc != 0);
        self.last_doc = doc;
    }

    /// How it meets others.
    #[inline]
    pub fn ending(&self) -> Ending {
        Ending { tail: self.tail, start: self.start_ends, tag: self.tag }
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
    octets: Vec<u8>,
    pub entries: Vec<Entry>,
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
        self.entries.clear();
        self.ends.clear();
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

    /// Numbers of tokens of a text, appended to `ids`.
    pub fn numbers(&mut self, asked: &[Ask], text: &[u8], ids: &mut Vec<u32>) {
        for asked in asked.chunks(BATCH) {
            // What lookups come upon first: mostly nothing else has to be looked at.
            let mut likely = [u32::MAX; BATCH];
            for (likely, ask) in likely.iter_mut().zip(asked) {
                *likely = self.table.first_of(ask.hash, ask.first).unwrap_or(u32::MAX);
                self.look_ahead(Some(*likely), None);
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
        let Interner { table, entries, octets, .. } = self;
        let is = |id: u32| {
            ask.is_short() || {
                let entry = &entries[id as usize];
                &octets[entry.start as usize..][..entry.len as usize] == token
            }
        };
        match table.find(ask.hash, ask.first, is) {
            Some(id) => id,
            None => self.insert(ask, token),
        }
    }

    /// Apart from the loops that look tokens up, which are tight without it.
    #[inline(never)]
    fn insert(&mut self, ask: &Ask, token: &[u8]) -> u32 {
        let id = self.entries.len() as u32;
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(token);
        let [tail, start_ends] = if ask.tag == Tag::Name { [None; 2] } else { terms::ends_of(token) };
        let mut number = |ends: Option<Ends>| self.ends.number(ends.unwrap_or((terms::NONE, terms::NONE)));
        self.entries.push(Entry {
            start,
            len: token.len() as u32,
            occurrences: 0,
            tail: number(tail),
            start_ends: number(start_ends),
            last_doc: 0,
            body_doc: 0,
            body_docs: 0,
            shared: false,
            tag: ask.tag,
        });
        self.table.insert(ask.hash, ask.first, id);
        id
    }

    /// The octets of tokens are read soon: what is known of `first` is on its way from memory then, and the octets of `then`, of which
    /// that was said before.
    #[inline]
    pub fn look_ahead(&self, first: Option<u32>, then: Option<u32>) {
        if let Some(entry) = first.and_then(|id| self.entries.get(id as usize)) {
            prefetch_one(entry);
        }
        let entry = then.and_then(|id| self.entries.get(id as usize));
        if let Some(octet) = entry.and_then(|entry| self.octets.get(entry.start as usize)) {
            prefetch_one(octet);
        }
    }

    /// The ends that have a number.
    pub fn ends(&self, number: u32) -> Ends {
        self.ends.list[number as usize]
    }

    pub fn tag(&self, id: u32) -> Tag {
        self.entries[id as usize].tag
    }

    /// How two tokens side by side meet: see [`Ending::meets`].
    #[inline]
    pub fn meeting(&self, area: Area, left: u32, right: u32) -> Option<(Meeting, u64)> {
        self.entries[right as usize].ending().meets(&self.entries[left as usize].ending(), area)
    }

    #[inline]
    pub fn bytes(&self, id: u32) -> &[u8] {
        let entry = &self.entries[id as usize];
        &self.octets[entry.start as usize..][..entry.len as usize]
    }

    /// Octets of all distinct tokens.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// Octets of memory that is held.
    pub fn held(&self) -> usize {
        self.octets.capacity() + self.entries.capacity() * size_of::<Entry>() + self.table.held()
    }

    pub fn memory(&self) -> usize {
        table::grown(self.octets.len())
            + table::grown(self.entries.len()) * size_of::<Entry>()
            + self.table.memory()
            + self.ends.list.len() * 28
    }
}
