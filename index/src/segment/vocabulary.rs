//! The tokens that are coded, sorted, with everything a needle's ends are compared with.

use std::cmp::Ordering;
use std::ops::Range;

use memchr::memmem::Finder;
use tantivy::directory::OwnedBytes;

use super::bundle::{Bundle, Numbers, Piece};
use super::codes::{RESERVED, ZONES};
use super::signature::Signature;
use crate::prepare::Which;
use crate::tokens::{Class, class};

/// Behind every term in the blob; no octet of UTF-8.
pub const END: u8 = 0xff;
/// Before a field name: sorts behind all tokens and matches no needle.
pub const NAME: u8 = 0xff;
/// Before a pseudo name.
pub const PSEUDO: u8 = 0xfe;
/// Terms that share one item of the signature.
pub const BLOCK: u32 = 32;

/// "ord" is the position of a token in the order of octets. Names of header fields and the pseudo names of addresses are
/// entries as well, behind all tokens.
pub struct Vocabulary {
    terms: OwnedBytes,
    offsets: Numbers,
    reversed: Numbers,
    rank_ord: Numbers,
    rank_reversed: Numbers,
    ord_rank: Numbers,
    signature: Signature,
    len: u32,
    names: u32,
    first_name: u32,
    pseudo: [Option<u32>; 4],
}

/// The entry of a field name.
pub fn name_term(name: &[u8]) -> Vec<u8> {
    [&[NAME], name].concat()
}

/// The entry of canonical addresses.
pub fn pseudo_term(which: Which) -> [u8; 2] {
    [PSEUDO, which as u8]
}

impl Vocabulary {
    pub(super) fn open(bundle: &Bundle) -> Vocabulary {
        let offsets = bundle.numbers(Piece::TermOffsets);
        let len = offsets.len().saturating_sub(1);
        let mut vocabulary = Vocabulary {
            terms: bundle.piece(Piece::Terms),
            offsets,
            reversed: bundle.numbers(Piece::Reversed),
            rank_ord: bundle.numbers(Piece::RankOrd),
            rank_reversed: bundle.numbers(Piece::RankReversed),
            ord_rank: bundle.numbers(Piece::OrdRank),
            signature: Signature::open(
                bundle.piece(Piece::TermSignature),
                len.div_ceil(BLOCK),
                Numbers::default(),
            ),
            len,
            names: 0,
            first_name: 0,
            pseudo: [None; 4],
        };
        vocabulary.names = vocabulary.lower_bound(0..len, |term| term < &[PSEUDO][..]);
        vocabulary.first_name = vocabulary.lower_bound(vocabulary.names..len, |term| term < &[NAME][..]);
        for which in Which::ALL {
            vocabulary.pseudo[which as usize] = vocabulary.entry(&pseudo_term(which));
        }
        vocabulary
    }

    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Empty for an ord that does not exist.
    #[inline]
    pub fn term(&self, ord: u32) -> &[u8] {
        let range = self.offsets.range(ord, self.terms.len());
        // Without the octet that ends it.
        self.terms.as_slice().get(range).and_then(|term| term.split_last()).map_or(&[], |(_, term)| term)
    }

    pub fn ord(&self, token: &[u8]) -> Option<u32> {
        self.entry(token).filter(|&ord| ord < self.names)
    }

    /// The entry of a field name (normalised).
    pub fn name(&self, name: &[u8]) -> Option<u32> {
        self.entry(&name_term(name))
    }

    /// The entry that stands for canonical addresses.
    pub fn pseudo_name(&self, which: Which) -> Option<u32> {
        self.pseudo[which as usize]
    }

    /// The pseudo name that an entry is.
    pub fn which(&self, ord: u32) -> Option<Which> {
        Which::ALL.into_iter().find(|&which| self.pseudo_name(which) == Some(ord))
    }

    /// Field names; their terms are 0xff and the name.
    pub fn names(&self) -> Range<u32> {
        self.first_name..self.len
    }

    /// How many entries are tokens: ords below this one.
    pub fn tokens(&self) -> u32 {
        self.names
    }

    /// Class of a token; `None` for names.
    pub fn class(&self, ord: u32) -> Option<Class> {
        let term = self.term(ord);
        match term.first()? {
            0xfe.. => None,
            b if b.is_ascii() => Some(class(char::from(*b))),
            _ => {
                let start = &term[..term.len().min(4)];
                let text = std::str::from_utf8(start)
                    .or_else(|error| std::str::from_utf8(&start[..error.valid_up_to()]));
                Some(text.ok()?.chars().next().map_or(Class::Separator, class))
            }
        }
    }

    /// Ords of the tokens that begin with `start`.
    pub fn prefix(&self, start: &[u8]) -> Range<u32> {
        let first = self.lower_bound(0..self.names, |term| term < start);
        first..self.lower_bound(first..self.names, |term| term.starts_with(start))
    }

    /// Positions, in the order of reversed terms, of the tokens that end with `end`.
    pub fn suffix(&self, end: &[u8]) -> Range<u32> {
        let before = |position: u32| {
            let term = self.term(self.reversed(position));
            term.iter().rev().cmp(end.iter().rev()) == Ordering::Less
        };
        let first = partition(0..self.names, before);
        first..partition(first..self.names, |position| self.term(self.reversed(position)).ends_with(end))
    }

    /// The ord at a position in the order of reversed terms, in which the names stand last.
    #[inline]
    pub fn reversed(&self, position: u32) -> u32 {
        self.reversed.get(position).unwrap_or(u32::MAX)
    }

    /// Ords of the tokens with `part` inside, rising, appended to `out`.
    pub fn containing(&self, part: &[u8], out: &mut Vec<u32>) {
        if part.is_empty() {
            out.extend(0..self.names);
            return;
        }
        let finder = Finder::new(part);
        if !self.signature.knows(part) {
            self.containing_in(0..self.names, &finder, out);
            return;
        }
        let blocks = self.len.div_ceil(BLOCK);
        let mut words = vec![u64::MAX; blocks.div_ceil(64) as usize];
        self.signature.retain(part, &mut words);
        for (n, &word) in words.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                let start = (n as u32 * 64 + rest.trailing_zeros()) * BLOCK;
                rest &= rest - 1;
                if start < self.names {
                    self.containing_in(start..(start + BLOCK).min(self.names), &finder, out);
                }
            }
        }
    }

    /// Field names with `part` inside, appended to `out`; its octets may include [`END`].
    pub fn names_containing(&self, part: &[u8], out: &mut Vec<u32>) {
        if !part.is_empty() {
            self.containing_in(self.names(), &Finder::new(part), out);
        }
    }

    /// One pass over the terms of a range.
    fn containing_in(&self, ords: Range<u32>, finder: &Finder<'_>, out: &mut Vec<u32>) {
        let start = self.offsets.get(ords.start).unwrap_or(0) as usize;
        let end = self.offsets.get(ords.end).unwrap_or(0) as usize;
        let Some(blob) = self.terms.as_slice().get(start..end) else { return };
        let mut ord = ords.start;
        let mut at = 0;
        while let Some(found) = blob.get(at..).and_then(|rest| finder.find(rest)) {
            let place = (start + at + found) as u32;
            // The last term that begins at or before the place; it is near.
            let before = |ord: u32| self.offsets.get(ord).is_some_and(|offset| offset <= place);
            let mut step = 1;
            while ord + step < ords.end && before(ord + step) {
                ord += step;
                step *= 2;
            }
            ord = partition(ord..(ord + step).min(ords.end), before);
            out.push(ord.saturating_sub(1));
            let next = self.offsets.get(ord).map_or(usize::MAX, |offset| offset as usize);
            // A damaged table must not turn back.
            at = next.saturating_sub(start).max(at + found + 1);
        }
    }

    /// The highest number for an ord that does not exist.
    #[inline]
    pub fn rank(&self, ord: u32) -> u32 {
        self.ord_rank.get(ord).unwrap_or(u32::MAX)
    }

    /// `None` for reserved ranks and those that do not exist.
    #[inline]
    pub fn ord_of_rank(&self, rank: u32) -> Option<u32> {
        self.rank_ord.get(rank.checked_sub(RESERVED)?)
    }

    /// Position in the order of reversed terms.
    #[inline]
    pub fn reversed_of_rank(&self, rank: u32) -> Option<u32> {
        self.rank_reversed.get(rank.checked_sub(RESERVED)?)
    }

    /// The ranks of a range of ords: a range for each zone of [`ZONES`], some empty.
    pub fn rank_ranges(&self, ords: Range<u32>) -> [Range<u32>; 4] {
        let end = self.len.saturating_add(RESERVED);
        std::array::from_fn(|zone| {
            let zone = ZONES[zone].max(RESERVED).min(end)..ZONES[zone + 1].min(end);
            let below = |bound: u32| {
                partition(zone.clone(), |rank| self.ord_of_rank(rank).is_some_and(|ord| ord < bound))
            };
            below(ords.start)..below(ords.end)
        })
    }

    fn entry(&self, term: &[u8]) -> Option<u32> {
        let ord = self.lower_bound(0..self.len, |other| other < term);
        (ord < self.len && self.term(ord) == term).then_some(ord)
    }

    fn lower_bound(&self, ords: Range<u32>, before: impl Fn(&[u8]) -> bool) -> u32 {
        partition(ords, |ord| before(self.term(ord)))
    }
}

/// The first number of the range for which `before` is false.
pub(super) fn partition(mut range: Range<u32>, before: impl Fn(u32) -> bool) -> u32 {
    while range.start < range.end {
        let middle = range.start + (range.end - range.start) / 2;
        if before(middle) {
            range.start = middle + 1;
        } else {
            range.end = middle;
        }
    }
    range.start
}
