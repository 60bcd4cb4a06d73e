//! Passes over texts, runs of codes and literals, 32 octets at a time where the processor can (AVX2), one at a time elsewhere.
//!
//! The only unsafe code of this crate beside the mapping of files (`account/map.rs`). What must hold: both ways give the same for all octets whatever they are; a text is UTF-8; every read
//! and write stays inside the slice that was given, which the vector loops ensure by ending where a whole block no longer fits and leaving
//! the rest to the plain ones.
#![allow(unsafe_code)]

mod grams;
mod numbers;
mod text;

use std::ops::Range;

pub use grams::{GRAMS, GRAMS_OCTETS, Rows, gram_rows};
pub use numbers::{Symbols, Units, count_symbols, find_any, find_symbols, find_three};
pub use text::{TEXT_BLOCK, classes, map_ascii, string_of};

use super::codes::{LITERAL_SEPARATOR, LITERAL_WORD};
use super::vocabulary::END;

/// A range of octets, ends included; empty if the first is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Octets(pub u8, pub u8);

impl Default for Octets {
    fn default() -> Octets {
        Octets(1, 0)
    }
}

impl Octets {
    const LITERALS: Octets = Octets(LITERAL_WORD as u8 | 128, LITERAL_SEPARATOR as u8 | 128);

    fn contains(self, octet: u8) -> bool {
        self.0 <= octet && octet <= self.1
    }
}

/// What two octets side by side may be: up to eight pairs of sets of octets, each set all that two sets of halves of an octet can
/// make. Wider than what was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Twos {
    /// By the lower half of the first octet, its upper half, and the same of the second: the pairs that allow it, a bit each.
    halves: [[u8; 16]; 4],
}

impl Twos {
    /// Pairs that can be told apart.
    pub const PAIRS: usize = 8;

    /// Two octets of these ranges are allowed by one of the pairs (modulo their number).
    pub fn add(&mut self, pair: usize, first: Octets, second: Octets) {
        let bit = 1 << (pair % Twos::PAIRS);
        for (halves, range) in [(0, first), (2, second)] {
            for octet in range.0..=range.1 {
                self.halves[halves][usize::from(octet & 15)] |= bit;
                self.halves[halves + 1][usize::from(octet >> 4)] |= bit;
            }
        }
    }

    fn allow(&self, first: u8, second: u8) -> bool {
        let half = |halves: usize, octet: u8| self.halves[halves][usize::from(octet)];
        let first = half(0, first & 15) & half(1, first >> 4);
        first & half(2, second & 15) & half(3, second >> 4) != 0
    }
}

/// How many codes of a run stand for literals. The run begins with a code.
pub fn count_literals(codes: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::count_literals(codes) };
    }
    plain::count_literals(codes, 0, 255)
}

/// Where the first `n` codes of a run end, which begins with a code.
#[inline]
pub fn behind_codes(codes: &[u8], n: u32) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if n >= FEW_CODES && is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::behind_codes(codes, n) };
    }
    plain::behind_codes(codes, 0, n)
}

/// So few codes are counted one by one.
const FEW_CODES: u32 = 8;

/// Where the literal behind the first `n` ones begins.
pub fn behind_literals(literals: &[u8], n: usize) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::behind_literals(literals, n) };
    }
    plain::behind_literals(literals, 0, n)
}

/// Where the literal or term behind the first `n` ones is, without the octet that ends it.
#[inline]
pub fn nth(literals: &[u8], n: usize) -> Option<Range<usize>> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::nth(literals, n) };
    }
    plain::nth(literals, 0, 0, n)
}

/// Calls `found` with the places, in order, before which two octets are of `left` and from which on two are of `right`, until it says
/// true; returns whether it did. Behind the end stands 255.
pub fn find_meetings(octets: &[u8], left: &Twos, right: &Twos, mut found: impl FnMut(usize) -> bool) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::find_meetings(octets, left, right, &mut found) };
    }
    plain::find_meetings(octets, 2, left, right, &mut found)
}

/// Asks for octets that are read soon, so that they come from memory meanwhile.
#[inline]
pub fn prefetch(octets: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    octets.chunks(64).take(PREFETCHED_LINES).for_each(|line| {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has it, and it reads nothing: a hint for a place inside the slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    });
}

/// The same for one thing, of which the line of the cache is asked for that it begins in.
#[inline]
pub fn prefetch_one<T>(thing: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has it, and it reads nothing: a hint for a place that is borrowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(thing).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = thing;
}

/// More than that comes by itself.
const PREFETCHED_LINES: usize = 12;

mod plain {
    use std::ops::Range;

    use super::{END, Octets, Twos};

    /// From `from` on; `before` is the octet before that.
    pub fn count_literals(codes: &[u8], from: usize, mut before: u8) -> usize {
        let mut count = 0;
        for &octet in codes.get(from..).unwrap_or_default() {
            count += usize::from(before >= 128 && Octets::LITERALS.contains(octet));
            before = octet;
        }
        count
    }

    /// From `from` on, where a code begins or goes on.
    pub fn behind_codes(codes: &[u8], from: usize, mut n: u32) -> Option<usize> {
        let mut at = from;
        while n > 0 {
            n -= u32::from(*codes.get(at)? >= 128);
            at += 1;
        }
        Some(at)
    }

    pub fn behind_literals(literals: &[u8], from: usize, mut n: usize) -> Option<usize> {
        let mut at = from;
        while n > 0 {
            at += memchr::memchr(END, literals.get(at..)?)? + 1;
            n -= 1;
        }
        Some(at)
    }

    /// The one that began at `start` is the first; its end is not before `from`.
    pub fn nth(literals: &[u8], mut start: usize, from: usize, mut n: usize) -> Option<Range<usize>> {
        let mut at = from;
        loop {
            let end = at + memchr::memchr(END, literals.get(at..)?)?;
            if n == 0 {
                return Some(start..end);
            }
            n -= 1;
            (start, at) = (end + 1, end + 1);
        }
    }

    pub fn find_meetings(
        octets: &[u8],
        from: usize,
        left: &Twos,
        right: &Twos,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        for at in from.max(2)..octets.len() {
            let next = octets.get(at + 1).copied().unwrap_or(255);
            if left.allow(octets[at - 2], octets[at - 1]) && right.allow(octets[at], next) && found(at) {
                return true;
            }
        }
        false
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
        _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_sub_epi8,
    };
    use std::ops::Range;

    use super::{END, Octets, Twos, plain};

    pub const BLOCK: usize = 32;

    /// A block of octets.
    ///
    /// # Safety
    /// `at + 32 <= octets.len()`, and the processor has AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn load(octets: &[u8], at: usize) -> __m256i {
        debug_assert!(at + BLOCK <= octets.len());
        // SAFETY: the block is inside the slice; the load wants no alignment.
        unsafe { _mm256_loadu_si256(octets.as_ptr().add(at).cast()) }
    }

    /// A bit for each octet that is >= 128.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn high(block: __m256i) -> u32 {
        _mm256_movemask_epi8(block) as u32
    }

    /// A bit for each octet in the range.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn within(block: __m256i, octets: Octets) -> u32 {
        if octets.0 > octets.1 {
            return 0;
        }
        let distance = _mm256_sub_epi8(block, _mm256_set1_epi8(octets.0 as i8));
        let width = _mm256_set1_epi8((octets.1 - octets.0) as i8);
        high(_mm256_cmpeq_epi8(_mm256_min_epu8(distance, width), distance))
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn count_literals(codes: &[u8]) -> usize {
        let mut count = 0;
        let mut at = 0;
        // Whether the octet before the block is >= 128.
        let mut before = 1u32;
        while at + BLOCK <= codes.len() {
            // SAFETY: a whole block fits.
            let block = unsafe { load(codes, at) };
            let ends = high(block);
            count += (within(block, Octets::LITERALS) & (ends << 1 | before)).count_ones() as usize;
            before = ends >> 31;
            at += BLOCK;
        }
        count + plain::count_literals(codes, at, if before == 1 { 255 } else { 0 })
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn behind_codes(codes: &[u8], mut n: u32) -> Option<usize> {
        let mut at = 0;
        while n > 0 && at + BLOCK <= codes.len() {
            // SAFETY: a whole block fits.
            let mut ends = high(unsafe { load(codes, at) });
            let here = ends.count_ones();
            if here >= n {
                for _ in 1..n {
                    ends &= ends - 1;
                }
                return Some(at + ends.trailing_zeros() as usize + 1);
            }
            n -= here;
            at += BLOCK;
        }
        plain::behind_codes(codes, at, n)
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn behind_literals(literals: &[u8], mut n: usize) -> Option<usize> {
        let mut at = 0;
        while n > 0 && at + BLOCK <= literals.len() {
            // SAFETY: a whole block fits.
            let ends = within(unsafe { load(literals, at) }, Octets(END, END));
            let here = ends.count_ones() as usize;
            if here >= n {
                break;
            }
            n -= here;
            at += BLOCK;
        }
        plain::behind_literals(literals, at, n)
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn nth(literals: &[u8], mut n: usize) -> Option<Range<usize>> {
        let (mut start, mut at) = (0, 0);
        while at + BLOCK <= literals.len() {
            // SAFETY: a whole block fits.
            let mut ends = within(unsafe { load(literals, at) }, Octets(END, END));
            let here = ends.count_ones() as usize;
            if here > n {
                for _ in 0..n {
                    start = at + ends.trailing_zeros() as usize + 1;
                    ends &= ends - 1;
                }
                return Some(start..at + ends.trailing_zeros() as usize);
            }
            if here > 0 {
                start = at + BLOCK - ends.leading_zeros() as usize;
            }
            n -= here;
            at += BLOCK;
        }
        plain::nth(literals, start, at, n)
    }

    /// The table in both halves of a register, where a shuffle looks it up.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn both(table: &[u8; 16]) -> __m256i {
        // SAFETY: the table has the 16 octets that are loaded; the load wants no alignment.
        let table: __m128i = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
        _mm256_broadcastsi128_si256(table)
    }

    /// For each octet the pairs that allow it, by tables for its lower and its upper half.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn pairs(block: __m256i, low: __m256i, high: __m256i) -> __m256i {
        let half = _mm256_set1_epi8(15);
        let low = _mm256_shuffle_epi8(low, _mm256_and_si256(block, half));
        let high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16::<4>(block), half));
        _mm256_and_si256(low, high)
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn find_meetings(
        octets: &[u8],
        left: &Twos,
        right: &Twos,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        let [l0, l1, l2, l3] = left.halves.each_ref().map(|table| both(table));
        let [r0, r1, r2, r3] = right.halves.each_ref().map(|table| both(table));
        // The last block that fits lies over the one before it.
        let last = octets.len().saturating_sub(BLOCK + 1);
        let (mut at, mut done) = (2, 2);
        while done <= last.saturating_add(BLOCK - 1) && last >= 2 {
            // SAFETY: `at` is at least 2 and at most `last`, behind which there are a block and an octet.
            let (before, end, start, behind) = unsafe {
                (load(octets, at - 2), load(octets, at - 1), load(octets, at), load(octets, at + 1))
            };
            let left = _mm256_and_si256(pairs(before, l0, l1), pairs(end, l2, l3));
            let right = _mm256_and_si256(pairs(start, r0, r1), pairs(behind, r2, r3));
            let zero = _mm256_setzero_si256();
            let none = _mm256_or_si256(_mm256_cmpeq_epi8(left, zero), _mm256_cmpeq_epi8(right, zero));
            let mut places = !high(none) & (u32::MAX << (done - at));
            while places != 0 {
                if found(at + places.trailing_zeros() as usize) {
                    return true;
                }
                places &= places - 1;
            }
            done = at + BLOCK;
            at = done.min(last);
        }
        plain::find_meetings(octets, done, left, right, found)
    }
}

#[cfg(test)]
mod tests;
