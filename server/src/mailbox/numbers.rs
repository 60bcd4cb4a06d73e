//! Sequence numbers: ascending UIDs as runs of neighbours, each UID with its number.
//!
//! Not here: what a client was told (`view`). It holds: runs ascend, are as long as they can be and are not empty. A run
//! costs eight bytes, so a mailbox without gaps costs nothing and the worst one (every other UID is missing) eight bytes a
//! message.

use trawl_store::types::Uid;
use trawl_store::uid_set::UidSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    first: Uid,
    /// Position (from 0) of the first.
    position: u32,
}

/// See the module. The UID with sequence number n is at position n - 1.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SequenceNumbers {
    runs: Vec<Run>,
    len: u32,
}

impl SequenceNumbers {
    /// Numbers for the UIDs of a set that exists, not `1:*`.
    pub fn new(uids: &UidSet) -> SequenceNumbers {
        let mut numbers =
            SequenceNumbers { runs: Vec::with_capacity(uids.ranges().len()), ..Default::default() };
        uids.ranges().for_each(|range| numbers.append(*range.start(), *range.end()));
        numbers
    }

    pub fn len(&self) -> u32 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Octets of memory.
    pub fn octets(&self) -> usize {
        self.runs.capacity() * size_of::<Run>()
    }

    fn end(&self, run: usize) -> u32 {
        self.runs.get(run + 1).map_or(self.len, |next| next.position)
    }

    /// The UID at a position.
    pub fn at(&self, position: u32) -> Option<Uid> {
        if position >= self.len {
            return None;
        }
        let run = self.runs[self.runs.partition_point(|run| run.position <= position) - 1];
        Uid::new(run.first.get() + (position - run.position))
    }

    pub fn last(&self) -> Option<Uid> {
        self.len.checked_sub(1).and_then(|position| self.at(position))
    }

    /// How many UIDs are below `uid`: its position, when it is there.
    pub fn below(&self, uid: Uid) -> u32 {
        let Some(at) = self.runs.partition_point(|run| run.first <= uid).checked_sub(1) else { return 0 };
        let run = self.runs[at];
        run.position.saturating_add(uid.get() - run.first.get()).min(self.end(at))
    }

    /// The position of a UID.
    pub fn position(&self, uid: Uid) -> Option<u32> {
        let position = self.below(uid);
        (self.at(position) == Some(uid)).then_some(position)
    }

    /// The UIDs at positions `from..to`, ascending, as ranges with both ends included.
    pub fn slice(&self, from: u32, to: u32) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        let to = to.min(self.len);
        let first = self.runs.partition_point(|run| run.position <= from).saturating_sub(1);
        let runs = self.runs.iter().enumerate().skip(first);
        runs.take_while(move |(_, run)| run.position < to).filter_map(move |(at, run)| {
            let (low, high) = (from.max(run.position), to.min(self.end(at)));
            let uid = |position: u32| Uid::new(run.first.get() + (position - run.position));
            if low < high { Some((uid(low)?, uid(high - 1)?)) } else { None }
        })
    }

    /// The UIDs at positions `from..to`, ascending.
    pub fn uids(&self, from: u32, to: u32) -> impl Iterator<Item = Uid> + '_ {
        self.slice(from, to).flat_map(|(low, high)| (low.get()..=high.get()).filter_map(Uid::new))
    }

    /// Adds the UIDs from `low` to `high`, which are above all that are there.
    pub fn append(&mut self, low: Uid, high: Uid) {
        debug_assert!(self.last().is_none_or(|last| last < low) && low <= high);
        if self.last().is_none_or(|last| last.get() + 1 < low.get()) {
            self.runs.push(Run { first: low, position: self.len });
        }
        self.len += high.get() - low.get() + 1;
    }

    /// Those of `uids` that are here.
    pub fn within(&self, uids: &UidSet) -> UidSet {
        let mut held = UidSet::new();
        for range in uids.ranges() {
            let (from, last) = (self.below(*range.start()), self.below(*range.end()));
            let to = last + u32::from(self.at(last) == Some(*range.end()));
            self.slice(from, to).for_each(|(low, high)| held.insert_range(low, high));
        }
        held
    }

    /// Takes UIDs out, all of which are here; their positions, ascending.
    pub fn remove(&mut self, gone: &UidSet) -> Vec<u32> {
        let (mut rest, mut positions, mut kept) = (SequenceNumbers::default(), Vec::new(), 0);
        for range in gone.ranges() {
            let from = self.below(*range.start());
            self.slice(kept, from).for_each(|(low, high)| rest.append(low, high));
            kept = from + (range.end().get() - range.start().get() + 1);
            positions.extend(from..kept);
        }
        self.slice(kept, self.len).for_each(|(low, high)| rest.append(low, high));
        *self = rest;
        positions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(uids: impl IntoIterator<Item = u32>) -> UidSet {
        uids.into_iter().filter_map(Uid::new).collect()
    }

    #[test]
    fn the_highest_uids_have_numbers() {
        let mut numbers = SequenceNumbers::new(&set([3]));
        numbers.append(Uid::new(u32::MAX - 1).unwrap(), Uid::MAX);
        assert_eq!((numbers.len(), numbers.last()), (3, Some(Uid::MAX)));
        assert_eq!(numbers.position(Uid::MAX), Some(2));
        assert_eq!(numbers.within(&UidSet::all()).len(), 3);
        assert_eq!(numbers.remove(&set([u32::MAX])), [2]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(
            plain in prop::collection::btree_set(1u32..80, 0..60), asked in prop::collection::btree_set(1u32..90, 0..60),
            from in 0u32..70, to in 0u32..70, more in 81u32..90,
        ) {
            let mut list: Vec<Uid> = plain.iter().filter_map(|n| Uid::new(*n)).collect();
            let mut numbers = SequenceNumbers::new(&set(plain.iter().copied()));
            let both = |numbers: &SequenceNumbers, list: &[Uid]| {
                let all: Vec<Uid> = numbers.uids(0, u32::MAX).collect();
                all == list && numbers.len() as usize == list.len() && numbers.last() == list.last().copied()
            };
            prop_assert!(both(&numbers, &list));
            for n in (1..90).filter_map(Uid::new) {
                prop_assert_eq!(numbers.below(n) as usize, list.partition_point(|uid| *uid < n));
                prop_assert_eq!(numbers.position(n).map(|at| at as usize), list.binary_search(&n).ok());
                prop_assert_eq!(numbers.at(n.get()), list.get(n.get() as usize).copied());
            }
            let part: Vec<Uid> = numbers.uids(from, to).collect();
            let expected = list.iter().skip(from as usize).take(to.saturating_sub(from) as usize).copied();
            prop_assert_eq!(part, expected.collect::<Vec<_>>());
            let held: BTreeSet<u32> = plain.intersection(&asked).copied().collect();
            let gone = numbers.within(&set(asked));
            prop_assert_eq!(&gone, &set(held.iter().copied()));
            numbers.append(Uid::new(more).unwrap(), Uid::new(more + 1).unwrap());
            list.extend([more, more + 1].into_iter().filter_map(Uid::new));
            let expected: Vec<u32> =
                (0..).zip(&list).filter(|(_, uid)| held.contains(&uid.get())).map(|(at, _)| at).collect();
            prop_assert_eq!(numbers.remove(&gone), expected);
            list.retain(|uid| !held.contains(&uid.get()));
            prop_assert!(both(&numbers, &list));
            prop_assert_eq!(&numbers, &SequenceNumbers::new(&list.iter().copied().collect()));
        }
    }
}
