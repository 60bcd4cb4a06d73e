//! A set of documents of one segment: plain words, one bit per document.

/// A set over `0..len`. Operations between two sets want them of one length; what lies outside is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    len: u32,
}

impl Bits {
    /// The empty set.
    pub fn new(len: u32) -> Bits {
        Bits { words: vec![0; len.div_ceil(64) as usize], len }
    }

    /// All of `0..len`.
    pub fn full(len: u32) -> Bits {
        let mut bits = Bits { words: vec![u64::MAX; len.div_ceil(64) as usize], len };
        bits.trim();
        bits
    }

    /// How many documents there are, in the set or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    #[inline]
    pub fn contains(&self, doc: u32) -> bool {
        self.words.get((doc / 64) as usize).is_some_and(|word| word >> (doc % 64) & 1 == 1)
    }

    /// Ignores what is outside.
    #[inline]
    pub fn insert(&mut self, doc: u32) {
        if doc < self.len {
            self.words[(doc / 64) as usize] |= 1 << (doc % 64);
        }
    }

    #[inline]
    pub fn remove(&mut self, doc: u32) {
        if let Some(word) = self.words.get_mut((doc / 64) as usize) {
            *word &= !(1 << (doc % 64));
        }
    }

    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    pub fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    pub fn and(&mut self, other: &Bits) {
        for (n, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(n).copied().unwrap_or(0);
        }
    }

    pub fn or(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
        self.trim();
    }

    pub fn and_not(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// The complement.
    pub fn invert(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.trim();
    }

    pub fn first(&self) -> Option<u32> {
        self.iter().next()
    }

    /// The documents in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(n, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                Some(n as u32 * 64 + bit)
            })
        })
    }

    /// Bit `n % 64` of word `n / 64` is document `n`; bits behind the last document are clear.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// To work on whole words; bits behind the last document must stay clear.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    fn trim(&mut self) {
        if let (Some(last), rest @ 1..) = (self.words.last_mut(), self.len % 64) {
            *last &= (1 << rest) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        for len in [0, 1, 63, 64, 65, 200] {
            let mut third = Bits::new(len);
            (0..len + 10).filter(|n| n % 3 == 0).for_each(|n| third.insert(n));
            let expected: Vec<u32> = (0..len).filter(|n| n % 3 == 0).collect();
            assert_eq!(third.iter().collect::<Vec<_>>(), expected);
            assert_eq!(third.count() as usize, expected.len());
            let mut rest = third.clone();
            rest.invert();
            assert_eq!(rest.count() + third.count(), len);
            let mut both = rest.clone();
            both.or(&third);
            assert_eq!(both, Bits::full(len));
            both.and_not(&third);
            assert_eq!(both, rest);
            both.and(&third);
            assert!(both.is_empty());
            assert_eq!(third.first(), expected.first().copied());
            assert!(!third.contains(len) && !third.contains(1000));
        }
    }
}
