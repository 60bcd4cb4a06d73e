//! Bit-sliced signatures: which items may hold a needle.
//!
//! Every three octets in a row ("gram") of a token set one bit of its item, in the row that the gram hashes to. A row has one
//! bit per item and stands in the file as a whole, so that a needle is the AND of few rows. Octets are reduced to six bits
//! first. Rows are chosen by the mean number of grams of an item, so a few huge items do not blow up the table. Grams of letters
//! have rows of their own, which can be sparser: they are what people look for, while ids and hashes fill the others. Those of them that
//! are common in words ([`super::common`]) can have a row each.

use std::ops::Range;

use tantivy::directory::OwnedBytes;

use super::bundle::Numbers;
use super::common::{self, Common};
use super::kernel::{self, GRAMS_OCTETS, gram_rows, prefetch};
use super::vocabulary::END;

/// Rows are never more than there are grams.
const GRAMS: usize = 1 << 18;
/// The start of the piece: how many rows for letters, how many for others, how many columns, how many grams with a row each.
const HEADER_LEN: usize = 16;
/// Of the rows for letters, those that common grams may have for themselves; the others are somewhat fuller for it.
const COMMON_SHARE: f32 = 0.4;
/// Rows that are on their way from memory while one is looked at.
const ROWS_AHEAD: usize = 4;
/// What it costs to look at an item that a needle may be in, in lines of the cache that are read of rows: a guess.
const ITEM_LINES: usize = 24;

/// Octets of a gram.
pub const GRAM: usize = 3;

/// The gram at the start of three octets.
#[inline]
fn gram(octets: &[u8]) -> u32 {
    // ASCII letters, digits and most punctuation keep apart: normalised text has no lower case.
    octets.iter().fold(0, |gram, &b| gram << 6 | u32::from(b & 0x3f))
}

/// Whether an octet is a letter or a part of one: there is no lower case in normalised text, and nearly all that is behind the
/// letters of ASCII are those of other scripts.
#[inline]
pub(super) fn is_letter(octet: u8) -> bool {
    octet >= b'A'
}

/// Multiplicative hash: its upper bits say which of several rows.
#[inline]
pub(super) fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1) ^ (gram >> 7).wrapping_mul(0x85eb_ca6b)
}

/// How many grams there are, or rows for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grams<N> {
    pub letters: N,
    /// Grams with a digit in them, say.
    pub others: N,
}

impl Grams<u64> {
    /// Adds those of tokens, each with [`END`] behind it.
    pub fn count_all(&mut self, tokens: &[u8]) {
        // In steps whose counts fit into 16 bits, so that many windows are looked at at once.
        let mut rest = tokens;
        while rest.len() >= GRAM {
            let step = &rest[..rest.len().min(COUNTED)];
            let windows = step[2..].iter().zip(&step[1..]).zip(step);
            let (mut all, mut letters) = (0u16, 0u16);
            for ((&c, &b), &a) in windows {
                let inside = |octet: u8| u16::from(octet != END);
                let letter = |octet: u8| u16::from(is_letter(octet));
                let whole = inside(a) & inside(b) & inside(c);
                all += whole;
                letters += whole & letter(a) & letter(b) & letter(c);
            }
            self.letters += u64::from(letters);
            self.others += u64::from(all - letters);
            rest = &rest[step.len() - (GRAM - 1)..];
        }
    }
}

/// Octets of tokens that are looked at together.
const COUNTED: usize = 1 << 12;

impl std::str::FromStr for Grams<f32> {
    type Err = std::num::ParseFloatError;

    /// `LETTERS/OTHERS`, or one number for both.
    fn from_str(text: &str) -> Result<Grams<f32>, Self::Err> {
        let (letters, others) = text.split_once('/').unwrap_or((text, text));
        Ok(Grams { letters: letters.parse()?, others: others.parse()? })
    }
}

impl Grams<u32> {
    /// Rows of letters that common grams may have for themselves.
    pub fn for_common(counted: Grams<u64>, items: u32, bits_per_gram: Grams<f32>) -> usize {
        (Grams::rows(counted, items, bits_per_gram).letters as f32 * COMMON_SHARE) as usize
    }

    /// Rows for the mean of so many grams.
    fn rows(counted: Grams<u64>, items: u32, bits_per_gram: Grams<f32>) -> Grams<u32> {
        let rows = |counted: u64, bits: f32| {
            let mean = counted as f32 / items.max(1) as f32;
            ((mean * bits) as usize).clamp(32, GRAMS) as u32
        };
        Grams {
            letters: rows(counted.letters, bits_per_gram.letters),
            others: rows(counted.others, bits_per_gram.others),
        }
    }

    fn sum(self) -> u32 {
        self.letters + self.others
    }

    /// The row of three octets.
    #[inline]
    fn row(self, gram: u32, of_letters: bool) -> usize {
        // Into 0..rows without a division.
        let hash = hash(gram);
        let (first, rows) = if of_letters { (0, self.letters) } else { (self.letters, self.others) };
        first as usize + ((u64::from(hash) * u64::from(rows)) >> 32) as usize
    }
}

/// Sets the bits of items in order. An item with very many grams is continued in columns of its own, so that it does not
/// match everything.
pub struct Writer {
    common: Common,
    /// See [`Common::rows`].
    common_rows: Vec<u16>,
    rows: Grams<u32>,
    /// Octets of tokens in one column after which the next token begins another one.
    column_bytes: usize,
    items: Half,
    more: Half,
    /// The items that the columns behind those of all items continue.
    continued: Vec<u32>,
    /// Of the current item, where columns begin that continue it: octets of tokens before, with one behind each.
    starts: Vec<usize>,
    at: usize,
    /// Octets in the current column.
    used: usize,
    is_continued: bool,
}

/// Columns of the table, so many at a time as have their bits of all rows near the processor.
#[derive(Default)]
struct Half {
    count: u32,
    /// A row each, and behind them one that is not written.
    current: Vec<u32>,
    blocks: Vec<u32>,
}

impl Half {
    fn end(&mut self) {
        self.count += 1;
        if self.count.is_multiple_of(u32::BITS) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.blocks.extend_from_slice(&self.current[..self.rows()]);
        self.current.fill(0);
    }

    fn rows(&self) -> usize {
        self.current.len() - 1
    }

    /// Words of 64 columns in a row.
    fn words(&self) -> usize {
        self.count.div_ceil(64) as usize
    }
}

/// Blocks of columns that are written together: a line of the cache in each row.
const TOGETHER: usize = 16;

impl Writer {
    /// For about this many grams in `items` items.
    pub fn new(
        counted: Grams<u64>,
        items: u32,
        bits_per_gram: Grams<f32>,
        column_bytes: usize,
        common: Common,
    ) -> Writer {
        let mut rows = Grams::rows(counted, items, bits_per_gram);
        let all = rows.sum() as usize;
        rows.letters = rows.letters.saturating_sub(common.len() as u32).max(32);
        let all = all.max(rows.sum() as usize + common.len());
        let columns = |count: u32| Half {
            current: vec![0; all + 1],
            blocks: Vec::with_capacity(all * count.div_ceil(u32::BITS) as usize),
            count: 0,
        };
        Writer {
            common_rows: common.rows(),
            common,
            rows,
            column_bytes,
            items: columns(items),
            more: columns(0),
            continued: Vec::new(),
            starts: Vec::new(),
            at: 0,
            used: 0,
            is_continued: false,
        }
    }

    /// All tokens of the current item, in as many parts as there are, each with [`END`] behind it.
    pub fn tokens(&mut self, parts: &[&[u8]]) {
        let octets = parts.iter().map(|tokens| tokens.len()).sum::<usize>();
        if octets < self.column_bytes {
            parts.iter().for_each(|tokens| self.together(tokens));
            return;
        }
        for tokens in parts {
            let mut start = 0;
            for end in memchr::memchr_iter(END, tokens) {
                self.token(&tokens[start..end]);
                start = end + 1;
            }
        }
    }

    /// Tokens that go into one column, whatever it is.
    fn together(&mut self, tokens: &[u8]) {
        let bit = 1 << (self.items.count % u32::BITS);
        let hashed = self.common.len() as u32;
        let none = self.items.rows();
        let (common, current) = (&self.common_rows[..], &mut self.items.current[..]);
        let rows = kernel::Rows {
            letters: (hashed, self.rows.letters),
            others: (hashed + self.rows.letters, self.rows.others),
            none: none as u32,
        };
        let mut rest = tokens;
        while rest.len() >= GRAM {
            let (found, numbers) = match rest.first_chunk() {
                Some(octets) => gram_rows(octets, rows),
                None => {
                    let mut octets = [END; GRAMS_OCTETS];
                    octets[..rest.len()].copy_from_slice(rest);
                    gram_rows(&octets, rows)
                }
            };
            let grams = kernel::GRAMS.min(rest.len() - (GRAM - 1));
            for (&row, &number) in found.iter().zip(&numbers).take(grams) {
                // No branches: what kind of gram comes next cannot be predicted.
                let own = usize::from(common[usize::from(number)]);
                current[if own == 0 { row as usize } else { own - 1 }] |= bit;
            }
            rest = &rest[grams..];
        }
    }

    /// A token of the current item.
    pub fn token(&mut self, token: &[u8]) {
        let at = self.at;
        self.at += token.len() + 1;
        if token.len() < GRAM {
            return;
        }
        if self.used >= self.column_bytes {
            if self.is_continued {
                self.more.end();
            }
            self.is_continued = true;
            self.continued.push(self.items.count);
            self.starts.push(at);
            self.used = 0;
        }
        self.used += token.len();
        let columns = if self.is_continued { &mut self.more } else { &mut self.items };
        let bit = 1 << (columns.count % u32::BITS);
        for octets in token.array_windows::<GRAM>() {
            let own = common::number(octets).map_or(0, |number| self.common_rows[usize::from(number)]);
            let hashed =
                || self.common.len() + self.rows.row(gram(octets), octets.iter().all(|&o| is_letter(o)));
            columns.current[if own == 0 { hashed() } else { usize::from(own) - 1 }] |= bit;
        }
    }

    /// Where columns begin that continue the current item, in octets of its tokens and one behind each.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The next token belongs to the next item.
    pub fn end_item(&mut self) {
        self.starts.clear();
        self.at = 0;
        self.items.end();
        if self.is_continued {
            self.more.end();
        }
        (self.is_continued, self.used) = (false, 0);
    }

    /// Appends the table, and says which items the columns behind those of all items continue; they begin at a multiple of 64.
    pub fn finish_into(mut self, out: &mut Vec<u8>) -> Vec<u32> {
        let rows = self.items.rows();
        let mut parts = [&mut self.items, &mut self.more];
        parts
            .iter_mut()
            .filter(|columns| !columns.count.is_multiple_of(u32::BITS))
            .for_each(|columns| columns.flush());
        let words: usize = parts.iter().map(|columns| columns.words()).sum();
        let head = [self.rows.letters, self.rows.others, words as u32 * 64, self.common.len() as u32];
        out.extend(head.into_iter().flat_map(u32::to_le_bytes));
        self.common.write(out);
        let start = out.len();
        out.resize(start + rows * words * 8, 0);
        let table = &mut out[start..];
        let mut first = 0;
        for columns in parts {
            let blocks: Vec<&[u32]> = columns.blocks.chunks_exact(rows).collect();
            // What lies side by side in a row is written together.
            for (nth, blocks) in blocks.chunks(TOGETHER).enumerate() {
                for row in 0..rows {
                    let start = (row * words + first) * 8 + nth * TOGETHER * 4;
                    let line = &mut table[start..start + blocks.len() * 4];
                    for (octets, block) in line.as_chunks_mut::<4>().0.iter_mut().zip(blocks) {
                        *octets = block[row].to_le_bytes();
                    }
                }
            }
            first += columns.words();
        }
        self.continued
    }

    /// The same apart.
    #[cfg(test)]
    fn finish(self) -> (Vec<u8>, Vec<u32>) {
        let mut table = Vec::new();
        let continued = self.finish_into(&mut table);
        (table, continued)
    }
}

/// Reads what [`Writer::finish_into`] made.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The grams with a row each.
    common: OwnedBytes,
    /// The rows.
    table: OwnedBytes,
    rows: Grams<u32>,
    stride: usize,
    items: u32,
    continued: Numbers,
    starts: Numbers,
}

/// Columns that may have a needle; none of them are all.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    words: Vec<u64>,
}

impl Signature {
    /// A table that does not fit `items` and those columns that continue some filters nothing. `starts` are places where tokens of the
    /// latter begin, for each or for none.
    pub fn open(bytes: OwnedBytes, items: u32, continued: Numbers, starts: Numbers) -> Signature {
        let words = items.div_ceil(64) as usize + continued.len().div_ceil(64) as usize;
        let (rows, common) = Signature::parts(&bytes, words).unwrap_or_default();
        let start = HEADER_LEN + common * 2;
        let [common, table] = match rows.sum() {
            0 => [0..0, 0..0],
            _ => [HEADER_LEN..start, start..bytes.len()],
        }
        .map(|range| bytes.slice(range));
        Signature { common, table, rows, stride: words * 8, items, continued, starts }
    }

    /// Rows that grams are hashed to, and how many grams have one each.
    fn parts(bytes: &OwnedBytes, words: usize) -> Option<(Grams<u32>, usize)> {
        let number =
            |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let (rows, columns) = (Grams { letters: number(0)?, others: number(4)? }, number(8)? as usize);
        let common = number(12)?;
        let all = rows.letters.checked_add(rows.others)?.checked_add(common)? as usize;
        let len = all.checked_mul(words * 8)?.checked_add(HEADER_LEN + common as usize * 2)?;
        // Grams without a row of their own are hashed to one.
        let fits = columns == words * 64 && len == bytes.len() && rows.letters > 0 && rows.others > 0;
        fits.then_some((rows, common as usize))
    }

    /// Clears the bits of items that cannot have it; `words` has a bit for each item.
    pub fn retain(&self, needle: &[u8], words: &mut [u64]) -> Columns {
        if self.continued.len() == 0 || !self.knows(needle) {
            self.and_into(needle, words);
            return Columns::default();
        }
        let mut columns = vec![u64::MAX; self.stride / 8];
        self.and_into(needle, &mut columns);
        let first = self.items.div_ceil(64) as usize;
        let mut items = columns.get(..first).unwrap_or_default().to_vec();
        let continuing = columns.get(first..).unwrap_or_default();
        for (n, mut set) in continuing.iter().copied().enumerate().filter(|(_, word)| *word != 0) {
            while set != 0 {
                let column = n as u32 * 64 + set.trailing_zeros();
                set &= set - 1;
                // There are none for the last bits.
                let item = self.continued.get(column).unwrap_or(u32::MAX);
                if let Some(word) = items.get_mut(item as usize / 64) {
                    *word |= 1 << (item % 64);
                }
            }
        }
        words.iter_mut().zip(&items).for_each(|(word, found)| *word &= found);
        Columns { words: columns }
    }

    /// Calls `each` with where the tokens of an item are that stand in columns of [`Signature::retain`], if it has several columns, which
    /// is returned: ranges of places as [`Signature::open`] was given them, rising.
    /// `from` is 0 for the first item, and then what it was left at, as long as items rise.
    pub fn parts_of(
        &self,
        item: u32,
        columns: &Columns,
        from: &mut u32,
        mut each: impl FnMut(Range<usize>),
    ) -> bool {
        if columns.words.is_empty() || self.starts.len() != self.continued.len() {
            return false;
        }
        while self.continued.get(*from).is_some_and(|other| other < item) {
            *from += 1;
        }
        let first = *from;
        if self.continued.get(first) != Some(item) {
            return false;
        }
        let is_set = |at: usize| columns.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        let continuing = self.items.div_ceil(64) as usize * 64;
        let mut column = (item as usize, 0);
        let own = (first..self.continued.len()).take_while(|&n| self.continued.get(n) == Some(item));
        for n in own.map(Some).chain([None]) {
            let start = n.and_then(|n| self.starts.get(n)).map_or(usize::MAX, |start| start as usize);
            if is_set(column.0) {
                each(column.1..start);
            }
            column = (continuing + n.unwrap_or_default() as usize, start);
        }
        true
    }

    /// Whether [`Signature::rows_of`] says anything about a needle.
    pub fn knows(&self, needle: &[u8]) -> bool {
        self.rows.sum() > 0 && needle.len() >= GRAM
    }

    /// The rows whose AND holds all items that may have a token with `needle` inside.
    pub fn rows_of<'a>(&'a self, needle: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + 'a {
        let windows = if self.rows.sum() == 0 { &[][..] } else { needle };
        let common = self.common.len() / 2;
        windows.windows(GRAM).filter_map(move |octets| {
            let hashed = || {
                let of_letters = octets.iter().all(|&octet| is_letter(octet));
                common + self.rows.row(gram(octets), of_letters)
            };
            let start = common::row(&self.common, octets).unwrap_or_else(hashed) * self.stride;
            self.table.get(start..start + self.stride)
        })
    }

    /// Clears the bits of columns that cannot have it.
    fn and_into(&self, needle: &[u8], words: &mut [u64]) {
        // Rows lie anywhere: the next ones are on their way while one is looked at. Those of common grams stand first and are the
        // emptiest, those of grams with a digit last.
        let mut rows: Vec<&[u8]> = self.rows_of(needle).collect();
        rows.sort_unstable_by_key(|row| row.as_ptr());
        rows.dedup_by_key(|row| row.as_ptr());
        let row_lines = self.stride.div_ceil(64);
        rows.iter().take(ROWS_AHEAD).for_each(|row| prefetch(row));
        for (n, row) in rows.iter().enumerate() {
            // A long needle has many rows, of which some leave nearly nothing: what is left is sooner looked at than the other rows.
            let left = words.iter().filter(|&&word| word != 0).count();
            if left * ITEM_LINES <= (rows.len() - n) * row_lines {
                return;
            }
            if let Some(next) = rows.get(n + ROWS_AHEAD) {
                prefetch(next);
            }
            let (whole, rest) = row.as_chunks::<8>();
            words.iter_mut().zip(whole).for_each(|(word, octets)| *word &= u64::from_le_bytes(*octets));
            if let Some(word) = words.get_mut(whole.len()) {
                let mut last = [0; 8];
                last[..rest.len()].copy_from_slice(rest);
                *word &= u64::from_le_bytes(last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both<N: Copy>(n: N) -> Grams<N> {
        Grams { letters: n, others: n }
    }

    #[test]
    fn grams_are_counted_as_their_rows_are_chosen() {
        let mut grams = Grams::default();
        let tokens = ["", "AB", "ABC", "A1BCDE", "ÄBC", "123"];
        grams.count_all(&tokens.map(|token| [token.as_bytes(), &[END]].concat()).concat());
        // ABC, BCD, CDE, both of ÄBC; A1B, 1BC, 123.
        assert_eq!(grams, Grams { letters: 5, others: 3 });
        let rows = Grams::rows(Grams { letters: 1000, others: 5000 }, 10, "2/0.5".parse().unwrap());
        assert_eq!(rows, Grams { letters: 200, others: 250 });
        // The same in many steps.
        let mut many = Grams::default();
        many.count_all(&b"ABC\xff1B\xffA1BCDE\xff".repeat(3000));
        assert_eq!(many, Grams { letters: 3000 * 3, others: 3000 * 2 });
        for gram in 0..GRAMS as u32 {
            assert!(rows.row(gram, true) < 200 && (200..450).contains(&rows.row(gram, false)));
        }
    }

    fn none() -> Numbers {
        Numbers::of(&[])
    }

    #[test]
    fn tokens_together_have_the_bits_of_each() {
        let octet = |n: usize| b"ABCXYZ019-\xff\xc3\x9c\xe6[_"[n * n * 7 % 97 % 16];
        for len in 0..300 {
            let tokens: Vec<u8> = (0..len).map(|n| octet(n + len * 3)).chain([END]).collect();
            let tables = [true, false].map(|together| {
                let mut weights = common::Weights::new();
                weights.add(b"ABCXYZA", 1);
                let mut writer = Writer::new(both(900), 3, both(0.2), 1000, weights.heaviest(3));
                for _ in 0..3 {
                    if together {
                        writer.tokens(&[&tokens[..], b"XYZ\xff"]);
                    } else {
                        let all = tokens.split(|&octet| octet == END).chain([&b"XYZ"[..]]);
                        all.for_each(|token| writer.token(token));
                    }
                    writer.end_item();
                }
                writer.finish()
            });
            assert_eq!(tables[0], tables[1], "{tokens:?}");
        }
    }

    #[test]
    fn finds_what_is_there_and_little_else() {
        let items: Vec<Vec<String>> = (0..300u32)
            .map(|n| vec![format!("TOKEN{:08}", n.wrapping_mul(2_654_435_761)), "Ü日本".into()])
            .collect();
        for column_bytes in [usize::MAX, 10] {
            let mut writer = Writer::new(both(300 * 11), 300, both(4.0), column_bytes, Common::default());
            for item in &items {
                item.iter().for_each(|token| writer.token(token.as_bytes()));
                writer.end_item();
            }
            let (table, continued) = writer.finish();
            assert_eq!(continued.len(), if column_bytes == 10 { 300 } else { 0 });
            let signature = Signature::open(OwnedBytes::new(table), 300, Numbers::of(&continued), none());
            let candidates = |needle: &str| {
                let mut words = vec![u64::MAX; 5];
                signature.retain(needle.as_bytes(), &mut words);
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
    }

    #[test]
    fn common_grams_have_rows_of_their_own() {
        let words = |n: u32| [format!("MESSAGE{n}"), format!("QX{:08}ZJ", n.wrapping_mul(2_654_435_761))];
        let mut weights = common::Weights::new();
        weights.add(b"MESSAGE", 1);
        let mut writer = Writer::new(both(300 * 11), 300, both(4.0), usize::MAX, weights.heaviest(3));
        for n in 0..300 {
            words(n)
                .iter()
                .take(if n % 10 == 0 { 2 } else { 1 })
                .skip(usize::from(n % 3 == 0))
                .for_each(|word| writer.token(word.as_bytes()));
            writer.end_item();
        }
        let signature = Signature::open(OwnedBytes::new(writer.finish().0), 300, none(), none());
        let candidates = |needle: &str| {
            let mut words = vec![u64::MAX; 5];
            signature.retain(needle.as_bytes(), &mut words);
            (0..300u32).filter(|n| words[*n as usize / 64] >> (n % 64) & 1 == 1).collect::<Vec<_>>()
        };
        // No hash fills the row of a gram that is common.
        assert_eq!(candidates("ESSA"), (0..300).filter(|n| n % 3 != 0).collect::<Vec<_>>());
        assert!((0..300).step_by(10).all(|n| candidates(&words(n)[1]).contains(&n)));
    }

    #[test]
    fn an_item_that_goes_on_does_not_match_everything() {
        let mut writer = Writer::new(both(20_000), 100, both(4.0), 400, Common::default());
        for item in 0..100u32 {
            for n in 0..if item == 50 { 2000 } else { 10 } {
                writer.token(format!("{:08}", (item * 10_000 + n).wrapping_mul(2_654_435_761)).as_bytes());
            }
            writer.end_item();
        }
        let (table, continued) = writer.finish();
        assert!(continued.iter().all(|&item| item == 50) && continued.len() > 40);
        let signature = Signature::open(OwnedBytes::new(table), 100, Numbers::of(&continued), none());
        let mut found = [u64::MAX; 2];
        signature.retain(b"0ABCDEFG", &mut found);
        assert_eq!(found[0] >> 50 & 1, 0);
    }

    #[test]
    fn damaged_tables_filter_nothing() {
        let mut writer = Writer::new(both(3), 1, both(2.0), usize::MAX, Common::default());
        writer.token(b"ABCDEF");
        writer.end_item();
        let (table, _) = writer.finish();
        for cut in 0..table.len() {
            let signature = Signature::open(OwnedBytes::new(table[..cut].to_vec()), 1, none(), none());
            assert!(!signature.knows(b"XYZ"));
            let mut words = [1];
            signature.retain(b"XYZ", &mut words);
            assert_eq!(words, [1]);
        }
        assert!(!Signature::open(OwnedBytes::new(table.clone()), 65, none(), none()).knows(b"XYZ"));
        assert!(!Signature::open(OwnedBytes::new(table), 1, Numbers::of(&[0]), none()).knows(b"XYZ"));
    }
}
