//! Passes over packed symbols: little endian numbers of 16 bits, 16 of them at a time where the processor can.
//!
//! Part of the audited [`super`]: what must hold is said there.

use super::super::packed::SYMBOLS;

/// A range of numbers of 16 bits, ends included; empty if the first is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units(pub u16, pub u16);

/// What packed symbols (see [`super::packed`]) look like where they begin with the first, the second or the third symbol of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbols {
    /// The whole number.
    pub first: Units,
    /// Its last two symbols, and the number behind it.
    pub second: Units,
    pub behind_second: Units,
    /// Its last symbol, and the number behind it.
    pub third: u16,
    pub behind_third: Units,
}

impl Units {
    fn contains(self, number: u16) -> bool {
        self.0 <= number && number <= self.1
    }
}

impl Symbols {
    fn begin_in(&self, number: u16, behind: u16) -> bool {
        self.first.contains(number)
            || self.second.contains(number % (SYMBOLS * SYMBOLS)) && self.behind_second.contains(behind)
            || self.third == number % SYMBOLS && self.behind_third.contains(behind)
    }
}

/// Calls `found` with the numbers (little endian) in which symbols may begin, in order, until it says true; returns whether it did.
/// Behind the last number stands 65535.
pub fn find_symbols(numbers: &[[u8; 2]], symbols: &Symbols, mut found: impl FnMut(usize) -> bool) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::find_symbols(numbers, symbols, &mut found) };
    }
    plain::find_symbols(numbers, 0, symbols, &mut found)
}

/// Calls `found` with the numbers that one of the ranges has, in order, until it says true; returns whether it did.
pub fn find_any(numbers: &[[u8; 2]], ranges: &[Units; 3], mut found: impl FnMut(usize) -> bool) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        let one = ranges.iter().all(|range| range.0 == range.1);
        // SAFETY: the processor has AVX2.
        return unsafe {
            match one {
                true => avx2::find_any::<true>(numbers, ranges, &mut found),
                false => avx2::find_any::<false>(numbers, ranges, &mut found),
            }
        };
    }
    plain::find_any(numbers, 0, ranges, &mut found)
}

/// Calls `found` with the numbers in which three symbols may stand: all of them, the first two behind another symbol, or the last two
/// before another; in order, until it says true; returns whether it did.
pub fn find_three(numbers: &[[u8; 2]], symbols: [u16; 3], mut found: impl FnMut(usize) -> bool) -> bool {
    let three = Three::new(symbols);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::find_three(numbers, &three, &mut found) };
    }
    plain::find_three(numbers, 0, &three, &mut found)
}

/// See [`find_three`].
pub(super) struct Three {
    whole: u16,
    /// What is left of a number without its first symbol.
    last_two: u16,
    first_two: Units,
}

impl Three {
    pub(super) fn new([a, b, c]: [u16; 3]) -> Three {
        let (last_two, first_two) = (a * SYMBOLS + b, (b * SYMBOLS + c) * SYMBOLS);
        let first_two = Units(first_two, first_two + (SYMBOLS - 1));
        Three { whole: last_two * SYMBOLS + c, last_two, first_two }
    }

    fn may_be_in(&self, number: u16) -> bool {
        number == self.whole
            || number % (SYMBOLS * SYMBOLS) == self.last_two
            || self.first_two.contains(number)
    }
}

/// How often a symbol stands in packed numbers.
pub fn count_symbols(numbers: &[[u8; 2]], symbol: u16) -> usize {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::count_symbols(numbers, symbol) };
    }
    plain::count_symbols(numbers, symbol)
}

pub(super) mod plain {
    use super::{SYMBOLS, Symbols, Three, Units};

    pub fn count_symbols(numbers: &[[u8; 2]], symbol: u16) -> usize {
        let are = |octets: &[u8; 2]| {
            let number = u16::from_le_bytes(*octets);
            let symbols = [number / (SYMBOLS * SYMBOLS), number / SYMBOLS % SYMBOLS, number % SYMBOLS];
            symbols.into_iter().filter(|&one| one == symbol).count()
        };
        numbers.iter().map(are).sum()
    }

    pub fn find_symbols(
        numbers: &[[u8; 2]],
        from: usize,
        symbols: &Symbols,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        let number = |at: usize| numbers.get(at).map_or(u16::MAX, |octets| u16::from_le_bytes(*octets));
        (from..numbers.len()).any(|at| symbols.begin_in(number(at), number(at + 1)) && found(at))
    }

    pub fn find_three(
        numbers: &[[u8; 2]],
        from: usize,
        three: &Three,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        (from..numbers.len()).any(|at| three.may_be_in(u16::from_le_bytes(numbers[at])) && found(at))
    }

    pub fn find_any(
        numbers: &[[u8; 2]],
        from: usize,
        ranges: &[Units; 3],
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        let any = |octets: &[u8; 2]| ranges.iter().any(|range| range.contains(u16::from_le_bytes(*octets)));
        (from..numbers.len()).any(|at| any(&numbers[at]) && found(at))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_and_si256, _mm256_cmpeq_epi16, _mm256_min_epu16, _mm256_mulhi_epu16,
        _mm256_mullo_epi16, _mm256_or_si256, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_srli_epi16,
        _mm256_sub_epi16,
    };

    use super::super::avx2::{BLOCK, high, load};
    use super::{SYMBOLS, Symbols, Three, Units, plain};

    /// All ones where a number is in the range.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn are(numbers: __m256i, units: Units) -> __m256i {
        if units.0 > units.1 {
            return _mm256_setzero_si256();
        }
        let distance = _mm256_sub_epi16(numbers, _mm256_set1_epi16(units.0 as i16));
        let width = _mm256_set1_epi16((units.1 - units.0) as i16);
        _mm256_cmpeq_epi16(_mm256_min_epu16(distance, width), distance)
    }

    /// Numbers without their last symbol, and without their last two.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn without_last(numbers: __m256i) -> (__m256i, __m256i) {
        // n / 40 = n * 52429 / 2^21, and n / 1600 = n / 64 * 5243 / 2^17, for all n of 16 bits.
        const _: () = assert!(SYMBOLS == 40);
        let one = _mm256_srli_epi16::<5>(_mm256_mulhi_epu16(numbers, _mm256_set1_epi16(52429u16 as i16)));
        let two = _mm256_mulhi_epu16(_mm256_srli_epi16::<6>(numbers), _mm256_set1_epi16(5243));
        (one, _mm256_srli_epi16::<1>(two))
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn count_symbols(numbers: &[[u8; 2]], symbol: u16) -> usize {
        let octets = numbers.as_flattened();
        let (mut count, mut at) = (0, 0);
        let (wanted, symbols) = (_mm256_set1_epi16(symbol as i16), _mm256_set1_epi16(SYMBOLS as i16));
        while at + BLOCK <= octets.len() {
            // SAFETY: a whole block fits.
            let block = unsafe { load(octets, at) };
            let (one, two) = without_last(block);
            let last = _mm256_sub_epi16(block, _mm256_mullo_epi16(one, symbols));
            let second = _mm256_sub_epi16(one, _mm256_mullo_epi16(two, symbols));
            for part in [two, second, last] {
                // Two bits for each number.
                count += high(_mm256_cmpeq_epi16(part, wanted)).count_ones() as usize / 2;
            }
            at += BLOCK;
        }
        count + plain::count_symbols(&numbers[at / 2..], symbol)
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn find_symbols(
        numbers: &[[u8; 2]],
        symbols: &Symbols,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        let octets = numbers.as_flattened();
        let mut at = 0;
        while (at + 1) * 2 + BLOCK <= octets.len() {
            // SAFETY: a block fits there, and a number behind it.
            let (block, behind) = unsafe { (load(octets, at * 2), load(octets, at * 2 + 2)) };
            let (one, two) = without_last(block);
            let last = _mm256_sub_epi16(block, _mm256_mullo_epi16(one, _mm256_set1_epi16(40)));
            let last_two = _mm256_sub_epi16(block, _mm256_mullo_epi16(two, _mm256_set1_epi16(1600)));
            let second = _mm256_and_si256(are(last_two, symbols.second), are(behind, symbols.behind_second));
            let third = _mm256_cmpeq_epi16(last, _mm256_set1_epi16(symbols.third as i16));
            let third = _mm256_and_si256(third, are(behind, symbols.behind_third));
            let any = _mm256_or_si256(are(block, symbols.first), _mm256_or_si256(second, third));
            // Two bits for each number.
            let mut places = high(any) & 0x5555_5555;
            while places != 0 {
                if found(at + places.trailing_zeros() as usize / 2) {
                    return true;
                }
                places &= places - 1;
            }
            at += BLOCK / 2;
        }
        plain::find_symbols(numbers, at, symbols, found)
    }

    /// `ONE`: every range is one number.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn find_any<const ONE: bool>(
        numbers: &[[u8; 2]],
        ranges: &[Units; 3],
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        let [a, b, c] = ranges.map(|range| _mm256_set1_epi16(range.0 as i16));
        let any = |block: __m256i| {
            if !ONE {
                let [a, b, c] = ranges.map(|range| are(block, range));
                return _mm256_or_si256(_mm256_or_si256(a, b), c);
            }
            let (a, b) = (_mm256_cmpeq_epi16(block, a), _mm256_cmpeq_epi16(block, b));
            _mm256_or_si256(_mm256_or_si256(a, b), _mm256_cmpeq_epi16(block, c))
        };
        match places(numbers, any, found) {
            Some(rest) => plain::find_any(numbers, rest, ranges, found),
            None => true,
        }
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn find_three(
        numbers: &[[u8; 2]],
        three: &Three,
        found: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        let whole = _mm256_set1_epi16(three.whole as i16);
        let last_two = _mm256_set1_epi16(three.last_two as i16);
        let any = |block: __m256i| {
            let first = _mm256_mullo_epi16(without_last(block).1, _mm256_set1_epi16(1600));
            let rest = _mm256_cmpeq_epi16(_mm256_sub_epi16(block, first), last_two);
            _mm256_or_si256(
                _mm256_or_si256(rest, _mm256_cmpeq_epi16(block, whole)),
                are(block, three.first_two),
            )
        };
        match places(numbers, any, found) {
            Some(rest) => plain::find_three(numbers, rest, three, found),
            None => true,
        }
    }

    /// Calls `found` with the numbers for which `any` is all ones, two blocks at a time, until it says true: `None`, or where no
    /// more blocks fit.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn places(
        numbers: &[[u8; 2]],
        any: impl Fn(__m256i) -> __m256i,
        found: &mut impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let octets = numbers.as_flattened();
        // Two bits for each number from `at` on.
        let mut all = |at: usize, mut places: u64| {
            while places != 0 {
                if found(at + places.trailing_zeros() as usize / 2) {
                    return true;
                }
                places &= places - 1;
            }
            false
        };
        let mut at = 0;
        while at * 2 + 2 * BLOCK <= octets.len() {
            // SAFETY: two blocks fit there.
            let (left, right) = unsafe { (load(octets, at * 2), load(octets, at * 2 + BLOCK)) };
            let (left, right) = (any(left), any(right));
            if high(_mm256_or_si256(left, right)) != 0 {
                let places = u64::from(high(right)) << 32 | u64::from(high(left));
                if all(at, places & 0x5555_5555_5555_5555) {
                    return None;
                }
            }
            at += BLOCK;
        }
        if at * 2 + BLOCK <= octets.len() {
            // SAFETY: a block fits there.
            let places = high(any(unsafe { load(octets, at * 2) }));
            if all(at, u64::from(places & 0x5555_5555)) {
                return None;
            }
            at += BLOCK / 2;
        }
        // The last block once more, without what was seen of it.
        if let Some(start) = numbers.len().checked_sub(BLOCK / 2)
            && start < at
            && at < numbers.len()
        {
            // SAFETY: it is the last block.
            let places = high(any(unsafe { load(octets, start * 2) }));
            let unseen = u32::MAX << (2 * (at - start));
            if all(start, u64::from(places & unseen & 0x5555_5555)) {
                return None;
            }
            at = numbers.len();
        }
        Some(at)
    }
}
