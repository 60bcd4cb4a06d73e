//! The rows of a signature that grams are hashed to, many grams at a time where the processor can.
//!
//! Part of the audited [`super`]: what must hold is said there.

use super::super::signature::{hash, is_letter};
use super::END;

/// Grams of which [`gram_rows`] finds the rows, each beginning at one of as many octets.
pub const GRAMS: usize = 64;
/// Octets of these.
pub const GRAMS_OCTETS: usize = GRAMS + 2;

/// Where rows begin and how many there are.
#[derive(Clone, Copy)]
pub struct Rows {
    /// For grams of letters.
    pub letters: (u32, u32),
    pub others: (u32, u32),
    /// For what is no gram, because a token ends in it.
    pub none: u32,
}

/// For the grams that begin at each of the first octets the row that they are hashed to, and the number of those that are made of ASCII
/// letters (five bits a letter), 0 for others.
#[inline]
pub fn gram_rows(octets: &[u8; GRAMS_OCTETS], rows: Rows) -> ([u32; GRAMS], [u16; GRAMS]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { with_avx2(octets, rows) };
    }
    plain(octets, rows)
}

/// # Safety
/// The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn with_avx2(octets: &[u8; GRAMS_OCTETS], rows: Rows) -> ([u32; GRAMS], [u16; GRAMS]) {
    plain(octets, rows)
}

/// Every step is the same for all grams, so that the compiler can do many at once.
#[inline(always)]
fn plain(octets: &[u8; GRAMS_OCTETS], rows: Rows) -> ([u32; GRAMS], [u16; GRAMS]) {
    let (mut found, mut numbers) = ([0; GRAMS], [0; GRAMS]);
    for n in 0..GRAMS {
        let [a, b, c] = [octets[n], octets[n + 1], octets[n + 2]];
        let six = |octet: u8| u32::from(octet & 0x3f);
        let hash = hash(six(a) << 12 | six(b) << 6 | six(c));
        let (first, count) =
            if is_letter(a) & is_letter(b) & is_letter(c) { rows.letters } else { rows.others };
        let row = first + ((u64::from(hash) * u64::from(count)) >> 32) as u32;
        found[n] = if (a == END) | (b == END) | (c == END) { rows.none } else { row };
        let five = |octet: u8| u16::from(octet & 0x1f);
        let upper = |octet: u8| octet.wrapping_sub(b'A') < 26;
        let number = five(a) << 10 | five(b) << 5 | five(c);
        numbers[n] = if upper(a) & upper(b) & upper(c) { number } else { 0 };
    }
    (found, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_same() {
        let rows = Rows { letters: (7, 1000), others: (1007, 300), none: 5000 };
        for seed in 0..2000usize {
            let octets = std::array::from_fn(|n| match (seed + n) % 5 {
                0 => (seed * 31 + n * n * 7) as u8,
                1 => END,
                _ => b"AZ09-[@\xc3"[(seed * n + n) % 8],
            });
            assert_eq!(gram_rows(&octets, rows), plain(&octets, rows), "{octets:?}");
        }
    }
}
