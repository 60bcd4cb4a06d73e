//! Whether a document has a needle of several tokens: looked up in place, on its codes.
//!
//! A needle is a run of whole codes with a part of a token on either side, or two parts side by side. A part is compared as
//! positions in the vocabulary; where a literal stands beside, with the literal. Exact, whatever the needle.

use memchr::memmem::Finder;

use super::edges::Edges;
use super::facts::{Codes, Edge, Part};
use super::needle::Needle;
use super::scope::Scope;
use super::side::Side;
use super::text::{Text, owner, steps, text_start};
use super::{Cx, Halt};
use crate::bits::Bits;
use crate::segment::Segment;
use crate::segment::kernel::find_meetings;

pub(super) struct Verifier<'a> {
    segment: &'a Segment,
    cx: Cx<'a>,
    scope: Scope,
    pattern: &'a Codes,
    place: Place<'a>,
    edges: Edges<'a>,
}

/// What of the needle is looked for first.
enum Place<'a> {
    /// The whole run: nothing else is known.
    Run(Box<Finder<'a>>),
    /// A meeting, and how far before it the run begins.
    Meeting { left: Box<Side>, right: Box<Side>, run: usize },
}

/// Octets of a run that are rare enough to be looked for alone.
const RUN_LEN: usize = 3;

impl<'a> Verifier<'a> {
    /// For documents of `within`.
    pub fn new(
        segment: &'a Segment,
        cx: Cx<'a>,
        scope: Scope,
        needle: &'a Needle,
        pattern: &'a Codes,
        within: &Bits,
    ) -> Verifier<'a> {
        let run = &pattern.run;
        let left = |part: &Part| Box::new(Side::left(segment, scope, part, needle.token(0), within));
        let last = needle.token(needle.len() - 1);
        let right = |part: &Part| Box::new(Side::right(segment, scope, part, last, within));
        let place = match (&pattern.left, &pattern.right) {
            (Edge::Part(l), Edge::Part(r)) if run.is_empty() => {
                Place::Meeting { left: left(l), right: right(r), run: 0 }
            }
            _ if run.len() >= RUN_LEN => Place::Run(Box::new(Finder::new(run))),
            (Edge::Part(part), _) if !part.any_word && !run.is_empty() => {
                Place::Meeting { left: left(part), right: Box::new(Side::start_of(run)), run: 0 }
            }
            (_, Edge::Part(part)) if !part.any_word && !run.is_empty() => {
                Place::Meeting { left: Box::new(Side::end_of(run)), right: right(part), run: run.len() }
            }
            _ => Place::Run(Box::new(Finder::new(run))),
        };
        let edges = Edges::new(segment, needle, pattern, within.count());
        Verifier { segment, cx, scope, pattern, place, edges }
    }

    pub fn has(&self, doc: u32) -> Result<bool, Halt> {
        self.cx.check()?;
        let page = self.segment.page(doc, self.scope.area())?;
        let mut text = Text::new(&page.codes, &page.literals, &[]);
        match &self.place {
            Place::Run(finder) => self.has_run(&mut text, finder),
            Place::Meeting { left, right, run } => self.has_meeting(doc, &mut text, left, right, *run),
        }
    }

    fn has_run(&self, text: &mut Text<'_>, finder: &Finder<'_>) -> Result<bool, Halt> {
        let (codes, len) = (text.codes, self.pattern.run.len());
        // A text begins with its mark, so that no token stands at 0.
        for step in steps(1, codes.len()) {
            self.cx.check()?;
            let window = &codes[..(step.end + len - 1).min(codes.len())];
            let mut at = step.start;
            while let Some(found) = window.get(at..).and_then(|rest| finder.find(rest)) {
                let start = at + found;
                at = start + 1;
                if self.fits_at(text, start) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// `run` is how far before the meeting the run of codes begins.
    fn has_meeting(
        &self,
        doc: u32,
        text: &mut Text<'_>,
        left: &Side,
        right: &Side,
        run: usize,
    ) -> Result<bool, Halt> {
        let (Some(left), Some(right)) = (left.of(doc, text.literals), right.of(doc, text.literals)) else {
            return Ok(false);
        };
        let codes = text.codes;
        // A text begins with its mark, so that no token ends before 2.
        for step in steps(2, codes.len()) {
            self.cx.check()?;
            // Two octets before and one behind are looked at as well.
            let first = step.start - 2;
            let window = &codes[first..(step.end + 1).min(codes.len())];
            let found = find_meetings(window, left, right, |at| {
                (first + at).checked_sub(run).is_some_and(|start| self.fits_at(text, start))
            });
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the needle is where its run, which may be empty, is at `start`.
    #[inline]
    fn fits_at(&self, text: &mut Text<'_>, start: usize) -> bool {
        let (codes, run) = (text.codes, &*self.pattern.run);
        start > 0
            && codes[start - 1] >= 128
            // Comparing nothing costs more than all of this: masked loads from where an empty run points.
            && (run.is_empty() || codes.get(start..).is_some_and(|rest| rest.starts_with(run)))
            && before(codes, start).is_some_and(|left| self.edges.fits_left(text, left))
            && self.edges.fits_right(text, start + run.len())
            && self.owns(codes, start)
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
pub(super) fn before(codes: &[u8], at: usize) -> Option<usize> {
    let inner = codes.get(..at.checked_sub(1)?)?;
    // Codes have at most four octets.
    let low = match *inner {
        [.., last] if last >= 128 => 0,
        [.., last, _] if last >= 128 => 1,
        _ => inner.iter().rev().take(4).take_while(|&&octet| octet < 128).count(),
    };
    Some(inner.len() - low)
}
