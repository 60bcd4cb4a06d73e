//! Numbers for each document, and lists of documents by key, while a segment is built.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::intern::BATCH;
use super::table::Table;

/// Numbers below 2^31 for each document, in two or four octets each.
#[derive(Default)]
pub struct Streams {
    /// The low 15 bits of a number; with the highest bit the rest follows.
    units: Vec<u16>,
    ends: Vec<usize>,
}

const MORE: u16 = 1 << 15;

impl Streams {
    #[inline]
    pub fn push(&mut self, number: u32) {
        if number < u32::from(MORE) {
            self.units.push(number as u16);
        } else {
            self.units.extend_from_slice(&[number as u16 | MORE, (number >> 15) as u16]);
        }
    }

    pub fn end(&mut self) {
        self.ends.push(self.units.len());
    }

    /// The numbers of a document.
    pub fn of(&self, doc: usize) -> impl Iterator<Item = u32> + '_ {
        let start = if doc == 0 { 0 } else { self.ends[doc - 1] };
        let mut units = self.units[start..self.ends[doc]].iter();
        std::iter::from_fn(move || {
            let unit = *units.next()?;
            if unit < MORE {
                return Some(unit.into());
            }
            units.next().map(|&more| u32::from(unit & !MORE) | u32::from(more) << 15)
        })
    }

    pub fn memory(&self) -> usize {
        self.units.capacity() * 2 + self.ends.capacity() * size_of::<usize>()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_give_back_what_was_pushed() {
        let numbers = [0, 1, 127, 32_767, 32_768, 65_535, 65_536, 1 << 30, (1 << 31) - 1];
        let mut streams = Streams::default();
        numbers.iter().for_each(|&number| streams.push(number));
        streams.end();
        streams.end();
        streams.push(7);
        streams.end();
        assert_eq!(streams.of(0).collect::<Vec<_>>(), numbers);
        assert_eq!(streams.of(1).count(), 0);
        assert_eq!(streams.of(2).collect::<Vec<_>>(), [7]);
    }
}
