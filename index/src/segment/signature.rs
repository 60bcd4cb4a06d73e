//! Bit-sliced signatures: which items may hold a needle.
//!
//! Every three octets in a row ("gram") of a token set one bit of its item, in the row that the gram hashes to. A row has one
//! bit per item and stands in the file as a whole, so that a needle is the AND of few rows. Octets are reduced to six bits
//! first. Rows are chosen by the mean number of distinct grams, so a few huge items do not blow up the table.

use tantivy::directory::OwnedBytes;

/// Rows are never more than there are grams.
const GRAMS: usize = 1 << 18;
/// The start of the piece: how many rows, how many items.
const HEADER_LEN: usize = 8;

/// Octets of a gram.
pub const GRAM: usize = 3;

/// The gram at the start of three octets.
#[inline]
fn gram(octets: &[u8]) -> u32 {
    // ASCII letters, digits and most punctuation keep apart: normalised text has no lower case.
    octets.iter().fold(0, |gram, &b| gram << 6 | u32::from(b & 0x3f))
}

#[inline]
fn row(gram: u32, rows: u32) -> u32 {
    // Multiplicative hash into 0..rows without a division.
    let hash = gram.wrapping_mul(0x9e37_79b1) ^ (gram >> 7).wrapping_mul(0x85eb_ca6b);
    ((u64::from(hash) * u64::from(rows)) >> 32) as u32
}

/// Collects the grams of items in order.
pub struct Writer {
    /// Distinct grams per item, one behind the other.
    grams: Vec<u32>,
    ends: Vec<u32>,
    /// Which item has seen a gram last, plus one.
    seen: Vec<u32>,
}

impl Writer {
    pub fn new() -> Writer {
        Writer { grams: Vec::new(), ends: Vec::new(), seen: vec![0; GRAMS] }
    }

    /// A token of the current item.
    pub fn token(&mut self, token: &[u8]) {
        let item = self.ends.len() as u32 + 1;
        for octets in token.windows(GRAM) {
            let gram = gram(octets);
            let seen = &mut self.seen[gram as usize];
            if *seen != item {
                *seen = item;
                self.grams.push(gram);
            }
        }
    }

    /// The next token belongs to the next item.
    pub fn end_item(&mut self) {
        self.ends.push(self.grams.len() as u32);
    }

    pub fn finish(self, bits_per_gram: f32) -> Vec<u8> {
        let items = self.ends.len();
        let mean = self.grams.len() as f32 / items.max(1) as f32;
        let rows = ((mean * bits_per_gram) as usize).clamp(64, GRAMS) as u32;
        let stride = items.div_ceil(8);
        let mut out = vec![0; HEADER_LEN + rows as usize * stride];
        out[..4].copy_from_slice(&rows.to_le_bytes());
        out[4..8].copy_from_slice(&(items as u32).to_le_bytes());
        let table = &mut out[HEADER_LEN..];
        let mut start = 0;
        for (item, &end) in self.ends.iter().enumerate() {
            for &gram in &self.grams[start..end as usize] {
                table[row(gram, rows) as usize * stride + item / 8] |= 1 << (item % 8);
            }
            start = end as usize;
        }
        out
    }
}

/// Reads what [`Writer::finish`] made.
#[derive(Clone, Debug)]
pub struct Signature {
    table: OwnedBytes,
    rows: u32,
    stride: usize,
}

impl Signature {
    /// A table that does not fit `items` filters nothing.
    pub fn open(bytes: OwnedBytes, items: u32) -> Signature {
        let number =
            |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let (rows, stride) = (number(0).unwrap_or(0), (items as usize).div_ceil(8));
        let fits = number(4) == Some(items)
            && (rows as usize).checked_mul(stride).and_then(|len| len.checked_add(HEADER_LEN))
                == Some(bytes.len());
        let rows = if fits { rows } else { 0 };
        Signature { table: bytes, rows, stride }
    }

    /// Whether [`Signature::rows_of`] says anything about a needle.
    pub fn knows(&self, needle: &[u8]) -> bool {
        self.rows > 0 && needle.len() >= GRAM
    }

    /// The rows whose AND holds all items that may have a token with `needle` inside.
    pub fn rows_of<'a>(&'a self, needle: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + 'a {
        let windows = if self.rows == 0 { &[][..] } else { needle };
        windows.windows(GRAM).filter_map(|octets| {
            let start = HEADER_LEN + row(gram(octets), self.rows) as usize * self.stride;
            self.table.get(start..start + self.stride)
        })
    }

    /// Clears the words of items that cannot have it.
    pub fn and_into(&self, needle: &[u8], words: &mut [u64]) {
        for row in self.rows_of(needle) {
            for (word, octets) in words.iter_mut().zip(row.chunks(8)) {
                let mut all = [0; 8];
                all[..octets.len()].copy_from_slice(octets);
                *word &= u64::from_le_bytes(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there_and_little_else() {
        let items: Vec<Vec<String>> = (0..300u32)
            .map(|n| vec![format!("TOKEN{:08}", n.wrapping_mul(2_654_435_761)), "Ü日本".into()])
            .collect();
        let mut writer = Writer::new();
        for item in &items {
            item.iter().for_each(|token| writer.token(token.as_bytes()));
            writer.end_item();
        }
        let signature = Signature::open(OwnedBytes::new(writer.finish(4.0)), 300);
        let candidates = |needle: &str| {
            let mut words = vec![u64::MAX; 5];
            signature.and_into(needle.as_bytes(), &mut words);
            (0..300).filter(|n| words[n / 64] >> (n % 64) & 1 == 1).collect::<Vec<_>>()
        };
        for (n, item) in items.iter().enumerate() {
            let found = candidates(&item[0][3..]);
            assert!(found.contains(&n) && found.len() < 30, "{found:?}");
        }
        assert_eq!(candidates("日本").len(), 300);
        assert_eq!(candidates("ab").len(), 300);
        assert!(candidates("#+$%&!*(Q)Y-").is_empty());
    }

    #[test]
    fn damaged_tables_filter_nothing() {
        let mut writer = Writer::new();
        writer.token(b"ABCDEF");
        writer.end_item();
        let table = writer.finish(2.0);
        for cut in 0..table.len() {
            let signature = Signature::open(OwnedBytes::new(table[..cut].to_vec()), 1);
            assert!(!signature.knows(b"XYZ"));
            let mut words = [1];
            signature.and_into(b"XYZ", &mut words);
            assert_eq!(words, [1]);
        }
        assert!(!Signature::open(OwnedBytes::new(table), 2).knows(b"XYZ"));
    }
}
