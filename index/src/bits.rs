//! A set of documents of one segment: one bit each.
//!
//! The length is fixed when the set is made; sets that meet have the same length. Bits at or beyond it are never set, so that
//! counting and comparing words is exact. Not here: message numbers, which are the segment's matter.

use std::ops::Range;

/// A set over `0..len`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    len: u32,
}

impl Bits {
    /// The empty set.
    pub fn new(len: u32) -> Bits {
        Bits { words: vec![0; len.div_ceil(64) as usize], len }
    }

    pub fn full(len: u32) -> Bits {
        let mut bits = Bits::new(len);
        bits.insert_range(0..len);
        bits
    }

    /// The bound of its members, not their number.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    pub fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    #[inline]
    pub fn contains(&self, doc: u32) -> bool {
        self.words.get((doc >> 6) as usize).is_some_and(|word| word >> (doc & 63) & 1 == 1)
    }

    /// What lies at or beyond the length is left out: it can only come from a damaged file.
    #[inline]
    pub fn insert(&mut self, doc: u32) {
        if doc < self.len
            && let Some(word) = self.words.get_mut((doc >> 6) as usize)
        {
            *word |= 1 << (doc & 63);
        }
    }

    #[inline]
    pub fn remove(&mut self, doc: u32) {
        if let Some(word) = self.words.get_mut((doc >> 6) as usize) {
            *word &= !(1 << (doc & 63));
        }
    }

    pub fn insert_range(&mut self, range: Range<u32>) {
        let (start, end) = (range.start, range.end.min(self.len));
        if start >= end {
            return;
        }
        let (first, last) = ((start >> 6) as usize, ((end - 1) >> 6) as usize);
        let head = !0u64 << (start & 63);
        let tail = !0u64 >> (63 - ((end - 1) & 63));
        if first == last {
            self.words[first] |= head & tail;
        } else {
            self.words[first] |= head;
            self.words[first + 1..last].fill(!0);
            self.words[last] |= tail;
        }
    }

    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    pub fn and(&mut self, other: &Bits) {
        debug_assert_eq!(self.len, other.len);
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= b;
        }
    }

    pub fn or(&mut self, other: &Bits) {
        debug_assert_eq!(self.len, other.len);
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    /// Adds what is set in octets, the lowest bit of the first one first; what lies at or beyond the length is left out.
    pub fn or_octets(&mut self, octets: &[u8]) {
        let (whole, rest) = octets.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        for (word, octets) in self.words.iter_mut().zip(whole.iter().chain([&last])) {
            *word |= u64::from_le_bytes(*octets);
        }
        if let Some(word) = self.words.last_mut()
            && !self.len.is_multiple_of(64)
        {
            *word &= !(!0 << (self.len % 64));
        }
    }

    /// Takes the members of `other` out.
    pub fn and_not(&mut self, other: &Bits) {
        debug_assert_eq!(self.len, other.len);
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= !b;
        }
    }

    /// The complement.
    pub fn invert(&mut self) {
        let mut full = Bits::full(self.len);
        full.and_not(self);
        *self = full;
    }

    pub fn first(&self) -> Option<u32> {
        self.iter().next()
    }

    /// Members that are in `other` as well.
    pub fn count_and(&self, other: &Bits) -> u32 {
        self.words.iter().zip(&other.words).map(|(a, b)| (a & b).count_ones()).sum()
    }

    /// Whether every member is in `other`.
    pub fn is_within(&self, other: &Bits) -> bool {
        self.words.iter().zip(&other.words).all(|(a, b)| a & !b == 0)
    }

    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// To combine with whole words from elsewhere; bits at or beyond the length must stay clear.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// Members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0u32..).flat_map(|(&word, n)| Members { word, base: n * 64 })
    }

    /// Keeps the members that `keep` says; an error ends it and is handed on.
    pub fn try_retain<E>(&mut self, mut keep: impl FnMut(u32) -> Result<bool, E>) -> Result<(), E> {
        for (word, n) in self.words.iter_mut().zip(0u32..) {
            let members = Members { word: *word, base: n * 64 };
            for doc in members {
                if !keep(doc)? {
                    *word &= !(1 << (doc & 63));
                }
            }
        }
        Ok(())
    }
}

/// The members of one word.
struct Members {
    word: u64,
    base: u32,
}

impl Iterator for Members {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.word == 0 {
            return None;
        }
        let n = self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(self.base + n)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ranges_fill_exactly() {
        for len in [0, 1, 63, 64, 65, 130, 200] {
            for start in 0..len + 2 {
                for end in 0..len + 2 {
                    let mut bits = Bits::new(len);
                    bits.insert_range(start..end);
                    let expected: Vec<u32> = (start..end.min(len)).collect();
                    assert_eq!(bits.iter().collect::<Vec<_>>(), expected, "{len} {start}..{end}");
                    assert_eq!(bits.count() as usize, expected.len());
                }
            }
            assert_eq!(Bits::full(len).count(), len);
        }
    }

    #[test]
    fn sets_like_sets() {
        let of = |members: &[u32]| {
            let mut bits = Bits::new(150);
            members.iter().for_each(|&doc| bits.insert(doc));
            bits
        };
        let (a, b) = (of(&[0, 1, 63, 64, 149]), of(&[1, 64, 65, 148]));
        let set = |bits: &Bits| bits.iter().collect::<BTreeSet<_>>();
        let with = |apply: fn(&mut Bits, &Bits)| {
            let mut c = a.clone();
            apply(&mut c, &b);
            set(&c)
        };
        assert_eq!(with(Bits::and), &set(&a) & &set(&b));
        assert_eq!(with(Bits::or), &set(&a) | &set(&b));
        assert_eq!(with(Bits::and_not), &set(&a) - &set(&b));
        assert_eq!(with(|a, _| a.invert()), &(0..150).collect::<BTreeSet<u32>>() - &set(&a));
        assert_eq!((a.first(), Bits::new(9).first()), (Some(0), None));
        assert_eq!(a.count_and(&b), 2);
        assert!(of(&[1, 149]).is_within(&a) && !b.is_within(&a));
        let mut c = a.clone();
        assert_eq!(c.try_retain(|doc| if doc < 100 { Ok(doc % 2 == 1) } else { Err(doc) }), Err(149));
        assert_eq!(c.try_retain::<()>(|doc| Ok(doc % 2 == 1)), Ok(()));
        assert_eq!(set(&c), BTreeSet::from([1, 63, 149]));
    }

    #[test]
    fn octets_are_added() {
        for len in [0, 1, 8, 63, 64, 65, 130] {
            let mut bits = Bits::new(len);
            bits.or_octets(&[0b1000_0010, 0, 1, 0, 0, 0, 0, 0x80, 1]);
            let expected: Vec<u32> = [1, 7, 16, 63, 64].into_iter().filter(|&doc| doc < len).collect();
            assert_eq!(bits.iter().collect::<Vec<_>>(), expected);
            bits.or_octets(&[0xff; 30]);
            assert_eq!(bits, Bits::full(len));
        }
    }

    #[test]
    fn beyond_the_length_there_is_nothing() {
        let mut bits = Bits::new(70);
        bits.insert(70);
        bits.insert(127);
        bits.insert(9999);
        assert!(bits.is_empty() && !bits.contains(127) && !bits.contains(9999));
        bits.insert(69);
        bits.remove(9999);
        bits.remove(69);
        assert!(bits.is_empty());
    }
}
