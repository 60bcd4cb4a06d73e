//! The codes of one area of a document, looked at in place: whose text a place is in, and which literal a code stands for.

use std::ops::Range;

use super::texts::Owner;
use crate::limits::STEP_BYTES_MAX;
use crate::segment::codes::{self, NESTED, TEXT};
use crate::segment::kernel::{behind_literals, count_literals};
use crate::segment::{Literals, Vocabulary};

/// The first octet of a text, and of nothing else that begins a code.
pub(super) const TEXT_OCTET: u8 = TEXT as u8 | 128;

/// Codes and literals of a document, and how far the literals have been counted.
pub(super) struct Text<'a> {
    pub codes: &'a [u8],
    pub literals: &'a Literals<'a>,
    /// Codes of the document before these, whose literals come first.
    before: &'a [u8],
    code_at: usize,
    /// Not known before it is asked for.
    literal_at: Option<usize>,
}

impl<'a> Text<'a> {
    /// `before` are the codes of the document that stand before these.
    pub fn new(codes: &'a [u8], literals: &'a Literals<'a>, before: &'a [u8]) -> Text<'a> {
        Text { codes, literals, before, code_at: 0, literal_at: None }
    }

    /// Tokens of literals between two places.
    pub fn literals_between(&mut self, places: Range<usize>) -> Option<&'a [u8]> {
        let start = self.turn_to(places.start)?;
        let count = count_literals(self.codes.get(places)?);
        let rest = self.literals.get().get(start..)?;
        rest.get(..behind_literals(rest, count)?)
    }

    /// The literal that the code at `place` stands for. Cheap if places rise.
    pub fn literal(&mut self, place: usize) -> Option<&'a [u8]> {
        let rest = self.literals.get().get(self.turn_to(place)?..)?;
        rest.get(..memchr::memchr(0xff, rest)?)
    }

    /// Which literal of the document the code at `place` stands for.
    pub fn number_of_literal(&self, place: usize) -> usize {
        let codes = self.codes.get(..place).unwrap_or_default();
        count_literals(self.before) + count_literals(codes)
    }

    /// How many literals of the document stand before the one that the code at `place` stands for, and how many behind it; `all` are
    /// all codes of the document.
    pub fn literals_beside(&self, place: usize, all: &[u8]) -> (usize, usize) {
        let place = self.before.len() + place;
        let count = |codes: Option<&[u8]>| count_literals(codes.unwrap_or_default());
        (count(all.get(..place)), count(all.get(place + 1..)))
    }

    /// Where the first literal from a place on is.
    fn turn_to(&mut self, place: usize) -> Option<usize> {
        let literals = self.literals.get();
        if place < self.code_at {
            (self.code_at, self.literal_at) = (0, None);
        }
        let at = match self.literal_at {
            Some(at) => at,
            None => behind_literals(literals, count_literals(self.before))?,
        };
        let count = count_literals(self.codes.get(self.code_at..place)?);
        let at = at + behind_literals(literals.get(at..)?, count)?;
        (self.code_at, self.literal_at) = (place, Some(at));
        Some(at)
    }
}

/// The mark of the text that `at` lies in.
pub(super) fn text_start(codes: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    loop {
        // The octet of the mark also ends longer codes; only behind the end of a code is it one.
        let mark = memchr::memrchr(TEXT_OCTET, codes.get(..end)?)?;
        if mark == 0 || codes[mark - 1] >= 128 {
            return Some(mark);
        }
        end = mark;
    }
}

/// The mark of the next text from `at` on, or the end.
pub(super) fn text_end(codes: &[u8], at: usize) -> usize {
    let mut at = at;
    while let Some(found) = codes.get(at..).and_then(|rest| memchr::memchr(TEXT_OCTET, rest)) {
        at += found;
        if at == 0 || codes[at - 1] >= 128 {
            return at;
        }
        at += 1;
    }
    codes.len()
}

/// Whose text begins at `at`, which is moved behind the name.
pub(super) fn owner(vocabulary: &Vocabulary, codes: &[u8], at: &mut usize) -> Option<Owner> {
    codes::next(codes, at)?;
    let mut rank = codes::next(codes, at)?;
    let nested = rank == NESTED;
    if nested {
        rank = codes::next(codes, at)?;
    }
    Some(Owner { name: vocabulary.ord_of_rank(rank), nested })
}

/// Cuts a run, so that the stop flag is seen now and then.
pub(super) fn steps(start: usize, end: usize) -> impl Iterator<Item = Range<usize>> {
    (start..end).step_by(8 * STEP_BYTES_MAX).map(move |at| at..(at + 8 * STEP_BYTES_MAX).min(end))
}
