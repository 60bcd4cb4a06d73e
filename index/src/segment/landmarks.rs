//! Terms that searches by halving meet before others, remembered by their first octets: what lies between them is all that is read of the
//! vocabulary.
//!
//! A term is remembered when it is met, so that nothing is read beforehand.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::vocabulary::partition;

/// Terms of which one is remembered.
const STEP: u32 = if cfg!(test) { 4 } else { 64 };
/// Octets of a key.
const KEY: usize = size_of::<u64>();

/// Of every [`STEP`]th term of a sorted run the key, 0 while it is not known.
#[derive(Default)]
pub struct Landmarks {
    keys: Vec<AtomicU64>,
    terms: u32,
}

/// The first octets, zeros behind a short one: terms whose keys differ are sorted as these are.
pub fn key(octets: impl Iterator<Item = u8>) -> u64 {
    padded(octets, 0)
}

/// The greatest key of what begins with these octets.
pub fn last_key(octets: impl Iterator<Item = u8>) -> u64 {
    padded(octets, u8::MAX)
}

fn padded(octets: impl Iterator<Item = u8>, padding: u8) -> u64 {
    let all = octets.chain(std::iter::repeat(padding)).take(KEY);
    all.fold(0, |key, octet| key << 8 | u64::from(octet))
}

impl Landmarks {
    /// Of so many terms.
    pub fn new(terms: u32) -> Landmarks {
        let mut keys = Vec::new();
        keys.resize_with(terms.div_ceil(STEP) as usize, AtomicU64::default);
        Landmarks { keys, terms }
    }

    /// Where the first term is that is not before some octets with the key `first`, and those that begin with them, if `last` is the
    /// greatest key of such ones; or where they would be: the end of the range included. `key_at` reads the key of a term.
    pub fn around(&self, first: u64, last: u64, key_at: impl Fn(u32) -> u64) -> Range<u32> {
        let key = |mark: u32| {
            let Some(place) = self.keys.get(mark as usize) else { return 0 };
            match place.load(Ordering::Relaxed) {
                0 => {
                    let key = key_at(mark * STEP);
                    place.store(key, Ordering::Relaxed);
                    key
                }
                key => key,
            }
        };
        let marks = self.keys.len() as u32;
        let start = partition(0..marks, |mark| key(mark) < first);
        // Mostly all of them lie before the next one.
        let end = if start < marks && key(start) > last {
            start
        } else {
            partition(start..marks, |mark| key(mark) <= last)
        };
        let behind = |mark: u32| mark.saturating_mul(STEP).min(self.terms);
        start.checked_sub(1).map_or(0, |before| behind(before) + 1)..behind(end)
    }

    /// Octets of memory.
    pub fn memory(&self) -> usize {
        self.keys.len() * size_of::<AtomicU64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_what_begins_alike(
            mut terms in prop::collection::vec(prop::collection::vec(1..4u8, 0..12), 0..60),
            needles in prop::collection::vec(prop::collection::vec(1..4u8, 0..11), 1..9),
        ) {
            terms.sort();
            terms.dedup();
            let marks = Landmarks::new(terms.len() as u32);
            for needle in needles {
                let octets = || needle.iter().copied();
                let found = marks.around(key(octets()), last_key(octets()), |at| key(terms[at as usize].iter().copied()));
                let first = terms.partition_point(|term| *term < needle) as u32;
                let end = terms.partition_point(|term| *term < needle || term.starts_with(&needle)) as u32;
                prop_assert!(found.start <= first && end <= found.end && found.end <= terms.len() as u32);
            }
        }
    }
}
