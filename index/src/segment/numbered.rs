//! Numbers for each document, and lists of documents by key, while a segment is built.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::intern::BATCH;
use super::table::Table;

/// Numbers for each document, in one to five octets each.
#[derive(Default)]
pub struct Streams {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

impl Streams {
    #[inline]
    pub fn push(&mut self, number: u32) {
        if number < 128 {
            self.octets.push(number as u8);
            return;
        }
        // Always eight octets, of which few stay: a length that varies would be a call.
        let mut octets = [0; 8];
        let (mut rest, mut len) = (number, 0);
        while rest >= 128 {
            octets[len] = rest as u8 | 128;
            rest >>= 7;
            len += 1;
        }
        octets[len] = rest as u8;
        let start = self.octets.len();
        self.octets.extend_from_slice(&octets);
        self.octets.truncate(start + len + 1);
    }

    pub fn end(&mut self) {
        self.ends.push(self.octets.len());
    }

    /// The numbers of a document.
    pub fn of(&self, doc: usize) -> impl Iterator<Item = u32> + '_ {
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

    pub fn memory(&self) -> usize {
        self.octets.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// Lists of documents by key, numbered as they come.
#[derive(Default)]
pub struct Numbered {
    table: Table,
    hasher: RandomState,
    pub keys: Vec<u64>,
    lists: Vec<List>,
    /// For each document its lists.
    pub streams: Streams,
}

#[derive(Clone, Copy, Default)]
struct List {
    /// Last document plus one; a segment has fewer than 2^16 documents.
    last: u16,
    count: u16,
}

impl Numbered {
    /// Adds document `doc - 1` to the list of a key, once.
    #[inline]
    pub fn add(&mut self, key: u64, doc: u16) {
        self.add_hashed(key, self.hash(key), doc);
    }

    fn add_hashed(&mut self, key: u64, hash: u32, doc: u16) {
        let number = self.number_hashed(key, hash);
        self.note(number, doc);
    }

    fn hash(&self, key: u64) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// The same for several keys.
    pub fn add_all(&mut self, keys: &[u64], doc: u16) {
        let mut hashes = [0; BATCH];
        for keys in keys.chunks(BATCH) {
            let hashes = &mut hashes[..keys.len()];
            hashes.iter_mut().zip(keys).for_each(|(hash, &key)| *hash = self.hash(key));
            self.table.touch(hashes.iter().copied());
            keys.iter().zip(hashes).for_each(|(&key, hash)| self.add_hashed(key, *hash, doc));
        }
    }

    /// The number of the list of a key.
    #[inline]
    pub fn number(&mut self, key: u64) -> u32 {
        self.number_hashed(key, self.hash(key))
    }

    #[inline]
    fn number_hashed(&mut self, key: u64, hash: u32) -> u32 {
        self.table.find(hash, key, |_| true).unwrap_or_else(|| {
            let number = self.keys.len() as u32;
            self.table.insert(hash, key, number);
            self.keys.push(key);
            self.lists.push(List::default());
            number
        })
    }

    /// Adds document `doc - 1` to a list, once.
    #[inline]
    pub fn note(&mut self, number: u32, doc: u16) {
        let list = &mut self.lists[number as usize];
        if list.last != doc {
            list.last = doc;
            list.count += 1;
            self.streams.push(number);
        }
    }

    /// How many documents a list has.
    pub fn count(&self, list: usize) -> u32 {
        self.lists[list].count.into()
    }

    pub fn end(&mut self) {
        self.streams.end();
    }

    pub fn memory(&self) -> usize {
        self.table.memory() + self.keys.capacity() * (8 + size_of::<List>()) + self.streams.memory()
    }
}
