//! Numbers for each document, and lists of documents by key, while a segment is built.
//!
//! What most of the time goes into is waiting for memory, so [`Gathered`], which is for lists that are only met by their keys, has
//! all of a list in one place.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::intern::BATCH;
use super::kernel::prefetch_one;
use super::table::{Table, grown};

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

    /// Several numbers.
    #[inline]
    pub fn extend(&mut self, numbers: impl Iterator<Item = u32>) {
        let mut units = [0; 2 * BATCH];
        let mut used = 0;
        for number in numbers {
            if used + 2 > units.len() {
                self.units.extend_from_slice(&units[..used]);
                used = 0;
            }
            // Both units are written, the second one stays only if there is more: no branch to mispredict.
            let more = number >> 15;
            units[used] = number as u16 & !MORE | u16::from(more != 0) << 15;
            units[used + 1] = more as u16;
            used += 1 + usize::from(more != 0);
        }
        self.units.extend_from_slice(&units[..used]);
    }

    pub fn end(&mut self) {
        self.ends.push(self.units.len());
    }

    /// Forgets everything and keeps its memory.
    pub fn clear(&mut self) {
        self.units.clear();
        self.ends.clear();
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

    /// Octets of memory that is held.
    pub fn held(&self) -> usize {
        self.units.capacity() * 2 + self.ends.capacity() * size_of::<usize>()
    }

    pub fn memory(&self) -> usize {
        grown(self.units.len()) * 2 + grown(self.ends.len()) * size_of::<usize>()
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
        let number = self.number(key);
        self.note(number, doc);
    }

    /// The same for several keys.
    pub fn add_all(&mut self, keys: &[u64], doc: u16) {
        // The slots of the next batch are on their way while one is looked up.
        let (mut hashes, mut next) = ([0; BATCH], [0; BATCH]);
        let mut batches = keys.chunks(BATCH).peekable();
        self.look_ahead(batches.peek().copied().unwrap_or_default(), &mut next);
        while let Some(keys) = batches.next() {
            std::mem::swap(&mut hashes, &mut next);
            self.look_ahead(batches.peek().copied().unwrap_or_default(), &mut next);
            let hashes = &hashes[..keys.len()];
            let likely = hashes.iter().filter_map(|&hash| self.lists.get(self.table.first(hash)? as usize));
            likely.for_each(prefetch_one);
            for (&key, &hash) in keys.iter().zip(hashes) {
                let number = self.number_hashed(key, hash);
                self.note(number, doc);
            }
        }
    }

    /// Hashes keys and asks for their slots.
    fn look_ahead(&self, keys: &[u64], hashes: &mut [u32; BATCH]) {
        for (hash, &key) in hashes.iter_mut().zip(keys) {
            *hash = self.hasher.hash_one(key) as u32;
            self.table.look_ahead(*hash);
        }
    }

    /// The number of the list of a key.
    #[inline]
    pub fn number(&mut self, key: u64) -> u32 {
        self.number_hashed(key, self.hasher.hash_one(key) as u32)
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

    /// Forgets everything and keeps its memory.
    pub fn clear(&mut self) {
        self.table.clear();
        self.keys.clear();
        self.lists.clear();
        self.streams.clear();
    }

    /// Octets of memory that is held.
    pub fn held(&self) -> usize {
        self.table.held() + self.keys.capacity() * (8 + size_of::<List>()) + self.streams.held()
    }

    /// How many documents a list has.
    pub fn count(&self, list: usize) -> u32 {
        self.lists[list].count.into()
    }

    pub fn end(&mut self) {
        self.streams.end();
    }
}

/// Lists of documents by key, as [`Numbered`], that are only added to by key.
pub struct Gathered {
    /// A power of two, at most two thirds of them taken.
    slots: Vec<Slot>,
    hasher: RandomState,
    /// Keys by number.
    pub keys: Vec<u64>,
    /// For each document its lists.
    pub streams: Streams,
}

/// Nothing stands in a slot of zeros.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
struct Slot {
    key: u64,
    /// Plus one.
    number: u32,
    list: List,
}

/// Slots of a new table.
const SLOTS: usize = 1 << 10;

impl Default for Gathered {
    fn default() -> Gathered {
        let slots = vec![Slot::default(); SLOTS];
        Gathered { slots, hasher: RandomState::default(), keys: Vec::new(), streams: Streams::default() }
    }
}

impl Gathered {
    /// Adds document `doc - 1` to the list of a key, once.
    #[inline]
    pub fn add(&mut self, key: u64, doc: u16) {
        self.add_hashed(key, self.hash(key), doc);
    }

    /// The key is added soon: its slot is on its way from memory then.
    #[inline]
    pub fn look_ahead(&self, key: u64) {
        if let Some(slot) = self.slots.get(self.hash(key) & (self.slots.len() - 1)) {
            prefetch_one(slot);
        }
    }

    /// The same for several keys that were expected.
    pub fn add_all(&mut self, keys: &[u64], doc: u16) {
        keys.iter().for_each(|&key| self.add(key, doc));
    }

    #[inline]
    fn hash(&self, key: u64) -> usize {
        self.hasher.hash_one(key) as usize
    }

    #[inline]
    fn add_hashed(&mut self, key: u64, hash: usize, doc: u16) {
        let mask = self.slots.len() - 1;
        let mut at = hash & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.key == key && slot.number != 0 {
                if slot.list.last != doc {
                    slot.list.last = doc;
                    slot.list.count += 1;
                    self.streams.push(slot.number - 1);
                }
                return;
            }
            if slot.number == 0 {
                break;
            }
            at = (at + 1) & mask;
        }
        self.keys.push(key);
        let number = self.keys.len() as u32;
        self.slots[at] = Slot { key, number, list: List { last: doc, count: 1 } };
        self.streams.push(number - 1);
        if (self.keys.len() + 1) * 3 > self.slots.len() * 2 {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let slots = vec![Slot::default(); self.slots.len() * 2];
        let mask = slots.len() - 1;
        for slot in std::mem::replace(&mut self.slots, slots).into_iter().filter(|slot| slot.number != 0) {
            let mut at = self.hash(slot.key) & mask;
            while self.slots[at].number != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    /// Forgets everything and keeps its memory.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.keys.clear();
        self.streams.clear();
    }

    /// How many documents each list has.
    pub fn counts(&self) -> Vec<u16> {
        let mut counts = vec![0; self.keys.len()];
        for slot in self.slots.iter().filter(|slot| slot.number != 0) {
            counts[slot.number as usize - 1] = slot.list.count;
        }
        counts
    }

    pub fn end(&mut self) {
        self.streams.end();
    }

    /// Octets of memory that is held.
    pub fn held(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.keys.capacity() * 8 + self.streams.held()
    }

    pub fn memory(&self) -> usize {
        let keys = self.keys.len();
        grown(keys * 3 / 2 + 1) * size_of::<Slot>() + grown(keys) * 8 + self.streams.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathered_lists_are_those_that_are_numbered() {
        let (mut gathered, mut numbered) = (Gathered::default(), Numbered::default());
        for doc in 1..200u16 {
            let keys: Vec<u64> = (0..90u64).map(|n| n * n * u64::from(doc % 50) % 7919).collect();
            keys[..70].iter().for_each(|&key| gathered.look_ahead(key));
            gathered.add_all(&keys[..70], doc);
            keys[70..].iter().for_each(|&key| gathered.add(key, doc));
            keys[..9].iter().for_each(|&key| numbered.add(key, doc));
            numbered.add_all(&keys[9..], doc);
            gathered.end();
            numbered.end();
        }
        assert!(gathered.keys.len() > SLOTS && gathered.memory() > gathered.keys.len() * 24);
        assert_eq!(gathered.keys, numbered.keys);
        let counts: Vec<u32> = (0..numbered.keys.len()).map(|list| numbered.count(list)).collect();
        assert!(gathered.counts().into_iter().map(u32::from).eq(counts));
        (0..199).for_each(|doc| assert!(gathered.streams.of(doc).eq(numbered.streams.of(doc))));
    }

    #[test]
    fn streams_give_back_what_was_pushed() {
        let numbers = [0, 1, 127, 32_767, 32_768, 65_535, 65_536, 1 << 30, (1 << 31) - 1];
        let mut streams = Streams::default();
        numbers.iter().for_each(|&number| streams.push(number));
        streams.end();
        let mut many = Streams::default();
        many.extend(numbers.iter().cycle().take(1000).copied());
        many.end();
        assert!(many.of(0).eq(numbers.iter().cycle().take(1000).copied()));
        streams.end();
        streams.push(7);
        streams.end();
        assert_eq!(streams.of(0).collect::<Vec<_>>(), numbers);
        assert_eq!(streams.of(1).count(), 0);
        assert_eq!(streams.of(2).collect::<Vec<_>>(), [7]);
    }
}
