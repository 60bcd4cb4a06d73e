//! Sets of message numbers as clients write them: `2,4:7,9,12:*`, and `$` of RFC 5182.
//!
//! Not here: what the numbers mean (sequence numbers or UIDs) and what `*` is; the session says so
//! when it resolves a set. A set is never empty and holds at most [`crate::limits::SET_RANGES_MAX`] ranges.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bound {
    Number(NonZeroU32),
    /// `*`: the largest number in use.
    Star,
}

/// `a`, or `a:b` in either order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SeqRange {
    One(Bound),
    Range(Bound, Bound),
}

/// RFC 9051 9 `sequence-set` without `$`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SeqSet(Vec<SeqRange>);

/// A set argument of a command: numbers, or the saved result of a search.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SetArg {
    /// `$` (RFC 5182 2.2).
    Saved,
    Numbers(SeqSet),
}

impl SeqSet {
    /// None when there are no ranges or too many of them.
    pub fn new(ranges: Vec<SeqRange>) -> Option<SeqSet> {
        (!ranges.is_empty() && ranges.len() <= crate::limits::SET_RANGES_MAX).then_some(SeqSet(ranges))
    }

    pub fn as_ranges(&self) -> &[SeqRange] {
        &self.0
    }

    /// The numbers meant when the largest one in use is `largest`: ascending, disjoint, joined where they touch.
    /// With nothing in use (`largest` 0), `*` means no number at all.
    ///
    /// `n:*` holds `largest` also when `n` is above it (RFC 9051 9, `seq-range`).
    pub fn resolve(&self, largest: u32) -> Vec<RangeInclusive<u32>> {
        let bound = |b: Bound| match b {
            Bound::Number(n) => n.get(),
            Bound::Star => largest,
        };
        let mut ranges: Vec<(u32, u32)> = self
            .0
            .iter()
            .filter_map(|r| {
                let (a, b, starred) = match *r {
                    SeqRange::One(a) => (bound(a), bound(a), a == Bound::Star),
                    SeqRange::Range(a, b) => (bound(a), bound(b), a == Bound::Star || b == Bound::Star),
                };
                (!(starred && largest == 0)).then_some((a.min(b), a.max(b)))
            })
            .collect();
        ranges.sort_unstable();
        let mut out: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            if let Some(last) = out.last_mut()
                && low <= last.end().saturating_add(1)
            {
                *last = *last.start()..=high.max(*last.end());
                continue;
            }
            out.push(low..=high);
        }
        out
    }

    /// The largest number written out (`*` not counted).
    pub fn largest_number(&self) -> Option<u32> {
        self.0
            .iter()
            .flat_map(|r| match *r {
                SeqRange::One(a) => [a, a],
                SeqRange::Range(a, b) => [a, b],
            })
            .filter_map(|b| match b {
                Bound::Number(n) => Some(n.get()),
                Bound::Star => None,
            })
            .max()
    }

    /// Does `*` occur?
    pub fn has_star(&self) -> bool {
        self.0.iter().any(|r| match *r {
            SeqRange::One(a) => a == Bound::Star,
            SeqRange::Range(a, b) => a == Bound::Star || b == Bound::Star,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(n: u32) -> Bound {
        Bound::Number(NonZeroU32::new(n).unwrap())
    }

    #[test]
    fn resolves_to_ascending_disjoint_ranges() {
        let set = |ranges: &[SeqRange]| SeqSet::new(ranges.to_vec()).unwrap();
        use SeqRange::{One, Range};
        let cases: &[(SeqSet, u32, &[RangeInclusive<u32>])] = &[
            (set(&[One(n(3))]), 10, &[3..=3]),
            (set(&[Range(n(7), n(4)), One(n(2)), One(n(3))]), 10, &[2..=7]),
            (set(&[Range(n(5), Bound::Star)]), 10, &[5..=10]),
            (set(&[Range(n(50), Bound::Star)]), 10, &[10..=50]),
            (set(&[One(Bound::Star)]), 0, &[]),
            (set(&[Range(n(1), Bound::Star)]), 0, &[]),
            (set(&[Range(n(1), n(4)), Range(n(2), n(3)), One(n(9))]), 10, &[1..=4, 9..=9]),
            (set(&[One(n(u32::MAX)), One(n(1))]), 10, &[1..=1, u32::MAX..=u32::MAX]),
        ];
        for (set, largest, want) in cases {
            assert_eq!(&set.resolve(*largest), want, "{set:?} with {largest}");
        }
        assert!(SeqSet::new(Vec::new()).is_none());
    }
}
