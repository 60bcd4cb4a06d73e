//! Which UIDs were expunged at which MODSEQ (RFC 7162 3.2.7 QRESYNC), bounded.
//!
//! It holds: pairs ascend by MODSEQ; when the oldest are dropped, the floor remembers up to which MODSEQ they were,
//! so that nobody takes the rest for everything.

use crate::limits;
use crate::types::{ModSeq, Uid};
use crate::uid_set::UidSet;
use std::collections::VecDeque;
use std::rc::Rc;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ExpungedRange {
    pub modseq: ModSeq,
    pub low: Uid,
    pub high: Uid,
}

/// The expunged (UID, MODSEQ) pairs of a mailbox.
#[derive(Clone, Default)]
pub struct Expunged {
    ranges: Rc<VecDeque<ExpungedRange>>,
    floor: Option<ModSeq>,
}

impl Expunged {
    /// Pairs with a MODSEQ up to this were dropped; `None` when nothing was.
    pub fn floor(&self) -> Option<ModSeq> {
        self.floor
    }

    /// UIDs expunged after `modseq`: complete when `modseq` is at or above [`Expunged::floor`].
    pub fn since(&self, modseq: ModSeq) -> UidSet {
        let from = self.ranges.partition_point(|range| range.modseq <= modseq);
        let mut ranges: Vec<_> = self.ranges.range(from..).map(|range| (range.low, range.high)).collect();
        ranges.sort_unstable();
        let mut set = UidSet::new();
        for (low, high) in ranges {
            set.insert_range(low, high);
        }
        set
    }

    pub(crate) fn add(&mut self, uids: &UidSet, modseq: ModSeq) {
        let ranges = Rc::make_mut(&mut self.ranges);
        ranges.extend(uids.ranges().map(|range| ExpungedRange {
            modseq,
            low: *range.start(),
            high: *range.end(),
        }));
        while ranges.len() > limits::expunged_ranges_max {
            let Some(oldest) = ranges.pop_front() else { break };
            self.floor = self.floor.max(Some(oldest.modseq));
        }
    }

    pub(crate) fn ranges(&self) -> impl ExactSizeIterator<Item = &ExpungedRange> {
        self.ranges.iter()
    }

    pub(crate) fn restore(floor: Option<ModSeq>, ranges: VecDeque<ExpungedRange>) -> Expunged {
        Expunged { ranges: Rc::new(ranges), floor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trimming_is_remembered() {
        let mut expunged = Expunged::default();
        let count = limits::expunged_ranges_max as u32 + 10;
        for n in 1..=count {
            expunged
                .add(&[Uid::new(n * 2).unwrap()].into_iter().collect(), ModSeq::new(u64::from(n)).unwrap());
        }
        assert_eq!(expunged.floor(), ModSeq::new(10));
        let after = expunged.since(ModSeq::new(10).unwrap());
        assert_eq!(after.len(), u64::from(count) - 10);
        assert_eq!(expunged.since(ModSeq::new(u64::from(count) - 1).unwrap()).first(), Uid::new(count * 2));
    }
}
