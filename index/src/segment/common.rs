//! Grams of three ASCII letters that words of a mailbox are made of, each with a row of its own in a signature.
//!
//! Ids, hashes and signatures fill the rows that grams are hashed to, all of them alike, while people look for parts of words. In a row
//! that a common gram has for itself only those documents are set that have it: a twentieth by chance, not a fifth.

use super::OwnedBytes;
use super::signature::GRAM;

/// Numbers are below it.
const NUMBERS: usize = 1 << 15;

/// The number of a gram of letters from A to Z, never 0.
pub fn number(gram: &[u8]) -> Option<u16> {
    let letters = gram.len() == GRAM && gram.iter().all(u8::is_ascii_uppercase);
    letters.then(|| gram.iter().fold(0, |number, &octet| follow(number, octet)))
}

/// The number of the last three letters when another one follows.
#[inline]
pub fn follow(number: u16, letter: u8) -> u16 {
    (number << 5 | u16::from(letter & 31)) & (NUMBERS as u16 - 1)
}

/// How much words weigh in which grams stand.
pub struct Weights(Vec<u64>);

impl Weights {
    pub fn new() -> Weights {
        Weights(vec![0; NUMBERS])
    }

    pub fn add(&mut self, word: &[u8], weight: u64) {
        for number in word.windows(GRAM).filter_map(number) {
            self.0[usize::from(number)] += weight;
        }
    }

    /// The heaviest grams, at most so many, by number.
    pub fn heaviest(&self, most: usize) -> Common {
        let mut numbers: Vec<u16> = (0..NUMBERS as u16).filter(|&n| self.0[usize::from(n)] > 0).collect();
        numbers.sort_by_key(|&number| std::cmp::Reverse(self.0[usize::from(number)]));
        numbers.truncate(most);
        numbers.sort_unstable();
        Common { numbers }
    }
}

/// The grams that have rows of their own, in the order of these.
#[derive(Default)]
pub struct Common {
    numbers: Vec<u16>,
}

impl Common {
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// By number one more than the row; 0 if it has none.
    pub fn rows(&self) -> Vec<u16> {
        let mut rows = vec![0; NUMBERS];
        for (row, &number) in (1..).zip(&self.numbers) {
            rows[usize::from(number)] = row;
        }
        rows
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        self.numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
    }
}

/// The row of a gram, if it has its own; `numbers` is what [`Common::write`] wrote.
pub fn row(numbers: &OwnedBytes, gram: &[u8]) -> Option<usize> {
    let number = number(gram)?;
    numbers.as_chunks::<2>().0.binary_search_by_key(&number, |octets| u16::from_le_bytes(*octets)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_grams_have_rows() {
        let mut weights = Weights::new();
        weights.add(b"THERE", 10);
        weights.add("HERE1ABÄBC".as_bytes(), 5);
        let common = weights.heaviest(2);
        let mut octets = Vec::new();
        common.write(&mut octets);
        let octets = OwnedBytes::new(octets);
        // THE 10, HER and ERE 15; no gram has a digit or another letter in it.
        assert_eq!(
            [&b"ERE"[..], b"HER", b"THE", b"RE1", b"re", b""].map(|gram| row(&octets, gram)),
            [Some(0), Some(1), None, None, None, None]
        );
        assert_eq!(weights.heaviest(100).len(), 3);
        let number = b"XYZHER".iter().fold(0, |number, &octet| follow(number, octet));
        assert_eq!(common.rows()[usize::from(number)], 2);
    }
}
