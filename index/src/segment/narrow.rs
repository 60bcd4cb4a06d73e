//! Tables of numbers in as few bits as the greatest one needs, at least one.
//!
//! An octet says how many bits; the numbers follow one behind the other, the lowest bit of the first octet first, and seven octets
//! of zeros, so that every number lies inside of eight octets that can be read.

use tantivy::directory::OwnedBytes;

/// Before the numbers.
const HEADER_LEN: usize = 1;
/// Behind the numbers.
const PADDING_LEN: usize = 7;

/// The octets of a table.
pub fn write(numbers: &[u32]) -> Vec<u8> {
    let bits = numbers.iter().max().map_or(1, |max| u32::BITS - max.leading_zeros()).max(1);
    let mut out = vec![bits as u8];
    let (mut pending, mut used) = (0u64, 0);
    for &number in numbers {
        pending |= u64::from(number) << used;
        used += bits;
        while used >= 8 {
            out.push(pending as u8);
            pending >>= 8;
            used -= 8;
        }
    }
    out.push(pending as u8);
    out.resize(HEADER_LEN + (numbers.len() * bits as usize).div_ceil(8) + PADDING_LEN, 0);
    out
}

/// Reads what [`write`] made.
#[derive(Clone, Debug)]
pub struct Narrow {
    octets: OwnedBytes,
    bits: u32,
    len: u32,
}

impl Narrow {
    /// A table of `len` numbers; octets that are too few, or of numbers that are too wide, have none.
    pub fn open(octets: OwnedBytes, len: u32) -> Narrow {
        let bits = octets.first().map_or(0, |&bits| u32::from(bits));
        let needed = HEADER_LEN + (len as usize * bits as usize).div_ceil(8) + PADDING_LEN;
        let fits = bits <= u32::BITS && octets.len() >= needed;
        Narrow { octets, bits, len: if fits { len } else { 0 } }
    }

    #[inline]
    pub fn get(&self, index: u32) -> Option<u32> {
        if index >= self.len {
            return None;
        }
        let at = index as usize * self.bits as usize;
        let octets = self.octets.as_slice().get(HEADER_LEN + at / 8..)?.first_chunk::<8>()?;
        let mask = (1u64 << self.bits) - 1;
        Some((u64::from_le_bytes(*octets) >> (at % 8) & mask) as u32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(bits in 0..33u32, seeds in prop::collection::vec(any::<u32>(), 0..100)) {
            let numbers: Vec<u32> = seeds.iter().map(|&seed| (u64::from(seed) >> (32 - bits)) as u32).collect();
            let len = numbers.len() as u32;
            let octets = write(&numbers);
            prop_assert!(octets.len() <= 8 + (numbers.len() * bits.max(1) as usize).div_ceil(8));
            let table = Narrow::open(OwnedBytes::new(octets), len);
            let read: Vec<u32> = (0..len).filter_map(|index| table.get(index)).collect();
            prop_assert_eq!(read, numbers);
            prop_assert_eq!(table.get(len), None);
        }

        #[test]
        fn damage_is_survived(octets in prop::collection::vec(any::<u8>(), 0..60), len in 0..1000u32, at: u32) {
            let table = Narrow::open(OwnedBytes::new(octets), len);
            let _ = (table.get(0), table.get(at), table.get(len.wrapping_sub(1)));
        }
    }
}
