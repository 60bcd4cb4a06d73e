//! A set of UIDs as sorted disjoint ranges: what commands name and what commits record.
//!
//! Not here: the wire form (`sequence-set` with `*` is the server's). It holds: ranges are ascending, do not
//! overlap and do not touch, so equal sets are equal values.

use crate::types::Uid;
use std::ops::RangeInclusive;

/// A set of UIDs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct UidSet {
    ranges: Vec<(Uid, Uid)>,
}

impl UidSet {
    pub fn new() -> UidSet {
        UidSet::default()
    }

    /// Every UID there can be.
    pub fn all() -> UidSet {
        UidSet { ranges: vec![(Uid::MIN, Uid::MAX)] }
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many UIDs are in the set.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(low, high)| u64::from(high.get() - low.get()) + 1).sum()
    }

    pub fn first(&self) -> Option<Uid> {
        self.ranges.first().map(|range| range.0)
    }

    pub fn last(&self) -> Option<Uid> {
        self.ranges.last().map(|range| range.1)
    }

    pub fn contains(&self, uid: Uid) -> bool {
        let next = self.ranges.partition_point(|range| range.0 <= uid);
        next > 0 && self.ranges[next - 1].1 >= uid
    }

    /// The ranges, ascending, both ends included.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = RangeInclusive<Uid>> + '_ {
        self.ranges.iter().map(|(low, high)| *low..=*high)
    }

    /// All UIDs, ascending. Only for sets that were intersected with what exists: `1:*` has 2^32 - 1.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.ranges.iter().flat_map(|(low, high)| (low.get()..=high.get()).filter_map(Uid::new))
    }

    pub fn insert(&mut self, uid: Uid) {
        self.insert_range(uid, uid);
    }

    /// Adds the UIDs between `a` and `b`, both included, in either order. Constant time when they come in
    /// ascending order.
    pub fn insert_range(&mut self, a: Uid, b: Uid) {
        let (mut low, mut high) = (a.min(b), a.max(b));
        // The ranges that overlap or touch low..=high are from..to; they become one.
        let from = if self.ranges.last().is_none_or(|last| u64::from(last.1.get()) + 1 < u64::from(low.get()))
        {
            self.ranges.len()
        } else {
            self.ranges.partition_point(|range| u64::from(range.1.get()) + 1 < u64::from(low.get()))
        };
        let mut to = from;
        while to < self.ranges.len() && u64::from(self.ranges[to].0.get()) <= u64::from(high.get()) + 1 {
            low = low.min(self.ranges[to].0);
            high = high.max(self.ranges[to].1);
            to += 1;
        }
        self.ranges.splice(from..to, [(low, high)]);
    }

    pub fn remove(&mut self, uid: Uid) {
        let next = self.ranges.partition_point(|range| range.0 <= uid);
        if next == 0 || self.ranges[next - 1].1 < uid {
            return;
        }
        let (low, high) = self.ranges[next - 1];
        let below = Uid::new(uid.get() - 1).filter(|end| *end >= low).map(|end| (low, end));
        let above = uid
            .get()
            .checked_add(1)
            .and_then(Uid::new)
            .filter(|start| *start <= high)
            .map(|start| (start, high));
        self.ranges.splice(next - 1..next, below.into_iter().chain(above));
    }

    pub fn union(&self, other: &UidSet) -> UidSet {
        let mut all: Vec<_> = self.ranges.iter().chain(&other.ranges).copied().collect();
        all.sort_unstable();
        let mut set = UidSet::new();
        for (low, high) in all {
            set.insert_range(low, high);
        }
        set
    }

    /// The UIDs that are in both.
    pub fn intersect(&self, other: &UidSet) -> UidSet {
        let mut set = UidSet::new();
        let (mut i, mut j) = (0, 0);
        while i < self.ranges.len() && j < other.ranges.len() {
            let (a, b) = (self.ranges[i], other.ranges[j]);
            let (low, high) = (a.0.max(b.0), a.1.min(b.1));
            if low <= high {
                set.ranges.push((low, high));
            }
            if a.1 < b.1 {
                i += 1;
            } else {
                j += 1;
            }
        }
        set
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<T: IntoIterator<Item = Uid>>(uids: T) -> UidSet {
        let mut set = UidSet::new();
        for uid in uids {
            set.insert(uid);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    #[test]
    fn ends_of_the_number_space() {
        let mut set = UidSet::all();
        assert_eq!(set.len(), u64::from(u32::MAX));
        set.remove(Uid::MAX);
        set.remove(Uid::MIN);
        assert!(!set.contains(Uid::MAX) && !set.contains(Uid::MIN) && set.contains(uid(2)));
        set.insert(Uid::MAX);
        set.insert(Uid::MIN);
        assert_eq!(set, UidSet::all());
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(
            steps in prop::collection::vec((0u8..3, 1u32..60, 1u32..60), 0..60),
            other in prop::collection::vec((1u32..60, 1u32..60), 0..6),
        ) {
            let (mut set, mut plain) = (UidSet::new(), BTreeSet::new());
            for (what, a, b) in steps {
                match what {
                    0 => { set.insert(uid(a)); plain.insert(a); }
                    1 => { set.insert_range(uid(a), uid(b)); plain.extend(a.min(b)..=a.max(b)); }
                    _ => { set.remove(uid(a)); plain.remove(&a); }
                }
            }
            prop_assert_eq!(set.iter().map(Uid::get).collect::<Vec<_>>(), plain.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.len(), plain.len() as u64);
            for pair in set.ranges.windows(2) {
                prop_assert!(pair[0].1.get() + 1 < pair[1].0.get());
            }
            let (mut second, mut second_plain) = (UidSet::new(), BTreeSet::new());
            for (a, b) in other {
                second.insert_range(uid(a), uid(b));
                second_plain.extend(a.min(b)..=a.max(b));
            }
            let both: UidSet = plain.intersection(&second_plain).map(|n| uid(*n)).collect();
            let either: UidSet = plain.union(&second_plain).map(|n| uid(*n)).collect();
            prop_assert_eq!(set.intersect(&second), both);
            prop_assert_eq!(set.union(&second), either);
            for n in 1..61 {
                prop_assert_eq!(set.contains(uid(n)), plain.contains(&n));
            }
        }
    }
}
