//! From positions, which a search works with, to what a client knows messages by: UIDs or sequence numbers.
//!
//! Both ascend with positions, so that one pass over positions and the runs of the view does; nothing is looked up.

use std::ops::{Range, RangeInclusive};

use roaring::RoaringBitmap;
use trawl_store::uid_set::UidSet;

use crate::mailbox::numbers::SequenceNumbers;
use crate::wire::ast::Numbers;

/// What the messages at these positions are called.
pub fn numbers<'a>(
    view: &'a SequenceNumbers,
    by: Numbers,
    positions: &'a RoaringBitmap,
) -> impl Iterator<Item = u32> + 'a {
    let mut runs = view.slice(positions.min().unwrap_or(0), view.len());
    // Positions of a run, and what is added to them.
    let (mut start, mut end, mut first) = (0, positions.min().unwrap_or(0), 0);
    positions.iter().map_while(move |position| {
        if by == Numbers::Sequence {
            return position.checked_add(1);
        }
        while position >= end {
            let (low, high) = runs.next()?;
            (start, end, first) = (end, end + (high.get() - low.get()) + 1, low.get());
        }
        Some(first + (position - start))
    })
}

/// The same as ranges that ascend and do not touch.
pub fn ranges(view: &SequenceNumbers, by: Numbers, positions: &RoaringBitmap) -> Vec<RangeInclusive<u32>> {
    let mut found = positions.iter();
    let runs = std::iter::from_fn(|| found.next_range());
    ranges_of(view, by, runs.map(|run| *run.start()..run.end().saturating_add(1)))
}

/// The same of runs of positions, which ascend.
pub fn ranges_of(
    view: &SequenceNumbers,
    by: Numbers,
    runs: impl Iterator<Item = Range<u32>>,
) -> Vec<RangeInclusive<u32>> {
    let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
    let mut add = |low: u32, high: u32| match ranges.last_mut() {
        Some(last) if last.end().checked_add(1) == Some(low) => *last = *last.start()..=high,
        _ => ranges.push(low..=high),
    };
    for run in runs {
        match by {
            Numbers::Sequence => add(run.start + 1, run.end),
            Numbers::Uid => {
                view.slice(run.start, run.end).for_each(|(low, high)| add(low.get(), high.get()));
            }
        }
    }
    ranges
}

/// The UIDs of these positions.
pub fn uids(view: &SequenceNumbers, positions: &RoaringBitmap) -> UidSet {
    let mut uids = UidSet::new();
    let mut found = positions.iter();
    while let Some(range) = found.next_range() {
        view.slice(*range.start(), range.end().saturating_add(1))
            .for_each(|(low, high)| uids.insert_range(low, high));
    }
    uids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::encode::number_ranges;
    use proptest::prelude::*;
    use trawl_store::types::Uid;

    proptest! {
        #[test]
        fn agrees_with_the_view(
            held in prop::collection::btree_set(1u32..300, 0..200), found in prop::collection::btree_set(0u32..200, 0..200),
        ) {
            let view = SequenceNumbers::new(&held.iter().filter_map(|uid| Uid::new(*uid)).collect());
            let positions: RoaringBitmap = found.iter().copied().filter(|at| *at < view.len()).collect();
            let sequence: Vec<u32> = positions.iter().map(|at| at + 1).collect();
            let wanted: Vec<u32> = positions.iter().filter_map(|at| view.at(at)).map(Uid::get).collect();
            for (by, wanted) in [(Numbers::Sequence, &sequence), (Numbers::Uid, &wanted)] {
                prop_assert_eq!(&numbers(&view, by, &positions).collect::<Vec<_>>(), wanted);
                prop_assert_eq!(ranges(&view, by, &positions), number_ranges(wanted.iter().copied()));
            }
            prop_assert_eq!(uids(&view, &positions).iter().map(Uid::get).collect::<Vec<_>>(), wanted);
        }
    }
}
