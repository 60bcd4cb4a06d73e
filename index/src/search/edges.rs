//! Whether a code can stand at an edge of a needle: a part of a token there is compared as positions in the vocabulary, or with the
//! literal.

use std::ops::Range;

use super::facts::{Codes, Edge, Part};
use super::needle::Needle;
use super::text::Text;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, RESERVED, ZONES};
use crate::segment::{Segment, Vocabulary};
use crate::tokens::Class;

/// Documents for which a table of the frequent ranks pays.
const MANY: u32 = if cfg!(test) { 8 } else { 64 };
/// Vocabulary entries at the left edge that are all put into such a table: so many for each document.
const TERMS_PER_DOC: usize = if cfg!(test) { 1 } else { 4 };
/// Documents for which a table pays that is made by looking at all frequent ranks.
const VERY_MANY: u32 = if cfg!(test) { 16 } else { 1024 };
// A table that ends there ends with a whole word.
const _: () = assert!(ZONES[2].is_multiple_of(64));

/// Both edges of a needle of several tokens.
pub(super) struct Edges<'a> {
    vocabulary: &'a Vocabulary,
    needle: &'a Needle,
    pattern: &'a Codes,
    left: Fits,
    right: Fits,
}

impl<'a> Edges<'a> {
    /// To look at so many documents.
    pub fn new(segment: &'a Segment, needle: &'a Needle, pattern: &'a Codes, docs: u32) -> Edges<'a> {
        let vocabulary = segment.vocabulary();
        let left = match &pattern.left {
            Edge::Part(part) => Fits::left(vocabulary, part, needle.token(0), docs),
            Edge::Whole => Fits::default(),
        };
        let right = match &pattern.right {
            Edge::Part(part) => Fits::right(vocabulary, part),
            Edge::Whole => Fits::default(),
        };
        Edges { vocabulary, needle, pattern, left, right }
    }

    /// Whether the code at `place` can stand at the left edge.
    #[inline]
    pub fn fits_left(&self, text: &mut Text<'_>, place: usize) -> bool {
        let Edge::Part(part) = &self.pattern.left else { return true };
        self.fits(part, &self.left, text, place, || (self.needle.token(0), <[u8]>::ends_with))
    }

    /// Whether the code at `place` can stand at the right edge.
    #[inline]
    pub fn fits_right(&self, text: &mut Text<'_>, place: usize) -> bool {
        let Edge::Part(part) = &self.pattern.right else { return true };
        let last = || (self.needle.token(self.needle.len() - 1), <[u8]>::starts_with as fn(&_, &_) -> _);
        self.fits(part, &self.right, text, place, last)
    }

    #[inline]
    fn fits<'n>(
        &self,
        part: &Part,
        fits: &Fits,
        text: &mut Text<'_>,
        place: usize,
        literal: impl Fn() -> (&'n [u8], fn(&[u8], &[u8]) -> bool),
    ) -> bool {
        let mut at = place;
        let Some(rank) = codes::next(text.codes, &mut at) else { return false };
        if matches!(rank, LITERAL_WORD | LITERAL_SEPARATOR) {
            let class = if rank == LITERAL_WORD { Class::Word } else { Class::Separator };
            if part.any_word && class == Class::Word {
                return true;
            }
            let (token, fits) = literal();
            return class == part.class && text.literal(place).is_some_and(|literal| fits(literal, token));
        }
        self.has(part, fits, rank, || literal().0)
    }

    /// Whether a vocabulary entry can stand at the left edge.
    #[inline]
    pub fn has_left(&self, rank: u32) -> bool {
        let Edge::Part(part) = &self.pattern.left else { return true };
        self.has(part, &self.left, rank, || self.needle.token(0))
    }

    /// Whether a vocabulary entry can stand at the right edge.
    #[inline]
    pub fn has_right(&self, rank: u32) -> bool {
        let Edge::Part(part) = &self.pattern.right else { return true };
        self.has(part, &self.right, rank, || self.needle.token(self.needle.len() - 1))
    }

    #[inline]
    fn has<'n>(&self, part: &Part, fits: &Fits, rank: u32, token: impl FnOnce() -> &'n [u8]) -> bool {
        let vocabulary = self.vocabulary;
        let class = || vocabulary.ord_of_rank(rank).and_then(|ord| vocabulary.class(ord));
        // Names stand behind all tokens, so no range of tokens holds one.
        fits.has(vocabulary, part, rank, token) || part.any_word && class() == Some(Class::Word)
    }
}

/// Which ranks are in the range of a part, faster than by looking up their positions.
#[derive(Default)]
struct Fits {
    /// At the right edge they are these.
    ranges: Option<[Range<u32>; 4]>,
    /// At the left edge they lie apart; a bit for each rank, or for each below the third zone.
    known: Vec<u64>,
}

impl Fits {
    /// To look at so many documents.
    fn left(vocabulary: &Vocabulary, part: &Part, token: &[u8], docs: u32) -> Fits {
        let mut known = Vec::new();
        if docs < MANY {
            return Fits { ranges: None, known };
        }
        if part.range.len() <= docs as usize * TERMS_PER_DOC {
            known.resize((RESERVED as usize + vocabulary.len() as usize).div_ceil(64), 0);
            part.range
                .clone()
                .for_each(|position| set(&mut known, vocabulary.rank(vocabulary.reversed(position))));
        } else if docs >= VERY_MANY {
            known.resize(ZONES[2].div_ceil(64) as usize, 0);
            (RESERVED..ZONES[2])
                .filter(|&rank| vocabulary.ends_with(rank, token, &part.range))
                .for_each(|rank| set(&mut known, rank));
        }
        Fits { ranges: None, known }
    }

    fn right(vocabulary: &Vocabulary, part: &Part) -> Fits {
        Fits { ranges: Some(vocabulary.rank_ranges(part.range.clone())), known: Vec::new() }
    }

    /// `token` is that of the part.
    #[inline]
    fn has<'n>(
        &self,
        vocabulary: &Vocabulary,
        part: &Part,
        rank: u32,
        token: impl FnOnce() -> &'n [u8],
    ) -> bool {
        if let Some(ranges) = &self.ranges {
            return ranges.iter().any(|ranks| ranks.contains(&rank));
        }
        match self.known.get(rank as usize / 64) {
            Some(word) => word >> (rank % 64) & 1 == 1,
            None => vocabulary.ends_with(rank, token(), &part.range),
        }
    }
}

fn set(bits: &mut [u64], rank: u32) {
    if let Some(word) = bits.get_mut(rank as usize / 64) {
        *word |= 1 << (rank % 64);
    }
}
