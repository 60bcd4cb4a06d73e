//! Whether a document has a needle of several tokens: looked up in place, on its codes.
//!
//! A needle is a run of whole codes with a part of a token on either side, or two parts side by side. A part is compared as
//! positions in the vocabulary; where a literal stands beside, with the literal. Exact, whatever the needle.

use memchr::memmem::Finder;

use super::facts::{Codes, Edge, Part};
use super::needle::Needle;
use super::scope::Scope;
use super::text::{Text, owner, steps, text_start};
use super::{Cx, Halt};
use crate::limits::STEP_BYTES_MAX;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD};
use crate::segment::kernel::{Octets, Starts, find_starts};
use crate::segment::{Segment, Vocabulary};
use crate::tokens::Class;

pub(super) struct Verifier<'a> {
    segment: &'a Segment,
    cx: Cx<'a>,
    scope: Scope,
    needle: &'a Needle,
    pattern: &'a Codes,
    finder: Finder<'a>,
    meeting: Meeting,
}

/// How two parts side by side are found.
enum Meeting {
    /// By codes that may be the left one.
    Left(Starts),
    /// By codes that may be the right one.
    Right(Starts),
    /// By reading every code.
    Each,
}

/// Vocabulary entries of a left part that are looked for one by one.
const LEFT_TERMS_MAX: usize = 64;

impl<'a> Verifier<'a> {
    pub fn new(
        segment: &'a Segment,
        cx: Cx<'a>,
        scope: Scope,
        needle: &'a Needle,
        pattern: &'a Codes,
    ) -> Verifier<'a> {
        let vocabulary = segment.vocabulary();
        let meeting = match (&pattern.left, &pattern.right) {
            (_, Edge::Part(right)) if !right.any_word => Meeting::Right(right_starts(vocabulary, right)),
            (Edge::Part(left), _) if !left.any_word && left.range.len() <= LEFT_TERMS_MAX => {
                Meeting::Left(left_starts(vocabulary, left))
            }
            _ => Meeting::Each,
        };
        let finder = Finder::new(&pattern.run);
        Verifier { segment, cx, scope, needle, pattern, finder, meeting }
    }

    pub fn has(&self, doc: u32) -> Result<bool, Halt> {
        self.cx.check()?;
        let page = self.segment.page(doc, self.scope.area())?;
        self.has_text(&mut Text::new(&page.codes, &page.literals, &[]))
    }

    /// The same for codes of one text or of several.
    pub fn has_text(&self, text: &mut Text<'_>) -> Result<bool, Halt> {
        if !self.pattern.run.is_empty() {
            return self.has_run(text);
        }
        match &self.meeting {
            Meeting::Left(starts) => self.has_meeting(text, starts, |codes, at| {
                let mut right = at;
                codes::next(codes, &mut right).map(|_| (at, right))
            }),
            Meeting::Right(starts) => {
                self.has_meeting(text, starts, |codes, at| Some((before(codes, at)?, at)))
            }
            Meeting::Each => self.has_each(text),
        }
    }

    fn has_run(&self, text: &mut Text<'_>) -> Result<bool, Halt> {
        let (codes, len) = (text.codes, self.pattern.run.len());
        // A text begins with its mark, so that no token stands at 0.
        for step in steps(1, codes.len()) {
            self.cx.check()?;
            let window = &codes[..(step.end + len - 1).min(codes.len())];
            let mut at = step.start;
            while let Some(found) = window.get(at..).and_then(|rest| self.finder.find(rest)) {
                let start = at + found;
                at = start + 1;
                if codes[start - 1] >= 128
                    && before(codes, start).is_some_and(|left| self.fits_left(text, left))
                    && self.fits_right(text, start + len)
                    && self.owns(codes, start)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// `pair` gives the places of both codes when one of them may be found.
    fn has_meeting(
        &self,
        text: &mut Text<'_>,
        starts: &Starts,
        pair: impl Fn(&[u8], usize) -> Option<(usize, usize)>,
    ) -> Result<bool, Halt> {
        let codes = text.codes;
        for step in steps(1, codes.len()) {
            self.cx.check()?;
            // One octet before and one behind are needed to see where codes begin.
            let first = step.start - 1;
            let window = &codes[first..(step.end + 1).min(codes.len())];
            let found = find_starts(window, starts, |at| {
                pair(codes, first + at).is_some_and(|(left, right)| {
                    self.fits_left(text, left) && self.fits_right(text, right) && self.owns(codes, right)
                })
            });
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has_each(&self, text: &mut Text<'_>) -> Result<bool, Halt> {
        let codes = text.codes;
        let (mut left_fits, mut at, mut count) = (false, 0, 0);
        while at < codes.len() {
            if left_fits && self.fits_right(text, at) && self.owns(codes, at) {
                return Ok(true);
            }
            left_fits = self.fits_left(text, at);
            if codes::next(codes, &mut at).is_none() {
                break;
            }
            count += 1;
            if count % STEP_BYTES_MAX == 0 {
                self.cx.check()?;
            }
        }
        Ok(false)
    }

    /// Whether the code at `place` can stand at the left edge.
    #[inline]
    pub fn fits_left(&self, text: &mut Text<'_>, place: usize) -> bool {
        let Edge::Part(part) = &self.pattern.left else { return true };
        let vocabulary = self.segment.vocabulary();
        self.fits(
            part,
            text,
            place,
            |rank| vocabulary.reversed_of_rank(rank),
            || (self.needle.token(0), <[u8]>::ends_with),
        )
    }

    /// Whether the code at `place` can stand at the right edge.
    #[inline]
    pub fn fits_right(&self, text: &mut Text<'_>, place: usize) -> bool {
        let Edge::Part(part) = &self.pattern.right else { return true };
        let vocabulary = self.segment.vocabulary();
        self.fits(
            part,
            text,
            place,
            |rank| vocabulary.ord_of_rank(rank),
            || (self.needle.token(self.needle.len() - 1), <[u8]>::starts_with),
        )
    }

    #[inline]
    fn fits<'n>(
        &self,
        part: &Part,
        text: &mut Text<'_>,
        place: usize,
        position: impl Fn(u32) -> Option<u32>,
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
        let class = || {
            let vocabulary = self.segment.vocabulary();
            vocabulary.ord_of_rank(rank).and_then(|ord| vocabulary.class(ord))
        };
        // Names stand behind all tokens, so no range of tokens holds one.
        position(rank).is_some_and(|position| part.range.contains(&position))
            || part.any_word && class() == Some(Class::Word)
    }

    /// Whether the text around `at` counts.
    fn owns(&self, codes: &[u8], at: usize) -> bool {
        if self.scope.is_whole_area() {
            return true;
        }
        let Some(mut start) = text_start(codes, at) else { return false };
        owner(self.segment.vocabulary(), codes, &mut start).is_some_and(|owner| self.scope.takes(owner))
    }
}

/// Where the code before `at` begins.
#[inline]
fn before(codes: &[u8], at: usize) -> Option<usize> {
    let inner = codes.get(..at.checked_sub(1)?)?;
    // Codes have at most four octets.
    let low = inner.iter().rev().take(4).take_while(|&&octet| octet < 128).count();
    Some(inner.len() - low)
}

fn right_starts(vocabulary: &Vocabulary, part: &Part) -> Starts {
    let mut starts = Starts { literals: true, ..Starts::default() };
    for ranks in vocabulary.rank_ranges(part.range.clone()) {
        if let Some(last) = ranks.end.checked_sub(1).filter(|last| *last >= ranks.start) {
            widen(&mut starts, ranks.start);
            widen(&mut starts, last);
        }
    }
    starts
}

fn left_starts(vocabulary: &Vocabulary, part: &Part) -> Starts {
    let mut starts = Starts { literals: true, ..Starts::default() };
    for position in part.range.clone() {
        widen(&mut starts, vocabulary.rank(vocabulary.reversed(position)));
    }
    starts
}

/// Makes room for the code of a rank.
fn widen(starts: &mut Starts, rank: u32) {
    let mut code = Vec::with_capacity(4);
    codes::push(rank, &mut code);
    let octets = match code.len() {
        1 => &mut starts.one,
        2 => &mut starts.two,
        3 => &mut starts.longer[0],
        _ => &mut starts.longer[1],
    };
    let Some(&first) = code.first() else { return };
    *octets = if octets.0 > octets.1 {
        Octets(first, first)
    } else {
        Octets(octets.0.min(first), octets.1.max(first))
    };
}
