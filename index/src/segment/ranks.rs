//! Ranks from ords and back.
//!
//! Only the entries of the first two zones, which are few, are in tables. All others have the ranks behind, in the order of their
//! ords, so a rank follows from the ord and how many frequent entries are below it. That number is looked up in the sorted
//! ords of the frequent ones, of which samples say where to begin.

use std::ops::Range;

use super::bundle::{Bundle, Numbers, Piece};
use super::codes::{RESERVED, ZONES};
use super::vocabulary::partition;

/// The first rank of those that are in no table.
pub(super) const RARE: u32 = ZONES[2];
/// How many entries the tables can hold.
pub(super) const FREQUENT_MAX: u32 = RARE - RESERVED;
/// Numbers that share a sample.
const STEP: u32 = 256;
/// Frequent entries that are passed over in the time that it takes to look one up.
const SORTED_ALONE: usize = if cfg!(test) { 2 } else { 32 };

/// Ranks and ords of `len` entries.
pub struct Ranks {
    len: u32,
    /// Ords by rank, the first zone's and then the second's, each rising.
    rank_ord: Numbers,
    /// Positions in the order of reversed terms, by rank.
    rank_reversed: Numbers,
    /// The same ords, all rising.
    frequent: Numbers,
    /// For every `STEP`th ord how many frequent ones are below.
    by_ord: Vec<u16>,
    /// For every `STEP`th entry that is not frequent how many frequent ones are below.
    by_rare: Vec<u16>,
}

impl Ranks {
    pub fn open(bundle: &Bundle, len: u32) -> Ranks {
        let tables = [Piece::RankOrd, Piece::RankReversed, Piece::FrequentOrds];
        Ranks::of(tables.map(|piece| bundle.numbers(piece)), len)
    }

    /// Tables that do not belong together are empty.
    fn of(tables: [Numbers; 3], len: u32) -> Ranks {
        let fits = tables.iter().all(|table| table.len() == len.min(FREQUENT_MAX));
        let [rank_ord, rank_reversed, frequent] = if fits { tables } else { Default::default() };
        let (mut by_ord, mut by_rare) = (Vec::new(), Vec::new());
        let samples = (len / STEP + 1) as usize;
        for (below, ord) in frequent.iter().enumerate() {
            let rare = ord.saturating_sub(below as u32);
            while by_ord.len() < samples && by_ord.len() as u32 * STEP <= ord {
                by_ord.push(below as u16);
            }
            while by_rare.len() < samples && by_rare.len() as u32 * STEP < rare {
                by_rare.push(below as u16);
            }
        }
        by_ord.resize(samples, frequent.len() as u16);
        by_rare.resize(samples, frequent.len() as u16);
        Ranks { len, rank_ord, rank_reversed, frequent, by_ord, by_rare }
    }

    /// `None` for reserved ranks and those that do not exist.
    #[inline]
    pub fn ord(&self, rank: u32) -> Option<u32> {
        let Some(rare) = rank.checked_sub(RARE) else {
            return self.rank_ord.get(rank.checked_sub(RESERVED)?);
        };
        let below = self.between(&self.by_rare, rare, |at, ord| ord.saturating_sub(at) <= rare);
        rare.checked_add(below).filter(|&ord| ord < self.len)
    }

    /// The highest number for an ord that does not exist.
    #[inline]
    pub fn rank(&self, ord: u32) -> u32 {
        if ord >= self.len {
            return u32::MAX;
        }
        let below = self.below(ord);
        if self.frequent.get(below) != Some(ord) {
            return RARE.saturating_add(ord.saturating_sub(below));
        }
        let zones = self.zones();
        let place = zones.map(|zone| self.place(zone, ord));
        RESERVED + if self.rank_ord.get(place[0]) == Some(ord) { place[0] } else { place[1] }
    }

    /// Position in the order of reversed terms; only for ranks below [`RARE`].
    #[inline]
    pub fn reversed(&self, rank: u32) -> Option<u32> {
        self.rank_reversed.get(rank.checked_sub(RESERVED)?)
    }

    /// The ranks of a range of ords: a range for each zone of [`ZONES`], some empty.
    pub fn ranges(&self, ords: Range<u32>) -> [Range<u32>; 4] {
        let ends = [ords.start, ords.end].map(|end| end.min(self.len));
        let [first, second] = self.zones().map(|zone| {
            let [start, end] = ends.map(|ord| RESERVED + self.place(zone.clone(), ord));
            start..end
        });
        let [start, end] = ends.map(|ord| RARE.saturating_add(ord.saturating_sub(self.below(ord))));
        [first, second, start.min(ZONES[3])..end.min(ZONES[3]), start.max(ZONES[3])..end.max(ZONES[3])]
    }

    /// Sorts rising ords by their ranks: only the frequent ones leave their order.
    pub fn sort(&self, ords: &mut [u32]) {
        let few = ords.len() * SORTED_ALONE < self.frequent.len() as usize;
        let mut rest = self.frequent.iter().peekable();
        let mut is_frequent = |ord: u32| {
            if few {
                return self.frequent.get(self.below(ord)) == Some(ord);
            }
            while rest.next_if(|&other| other < ord).is_some() {}
            rest.peek() == Some(&ord)
        };
        let (mut frequent, mut rare) = (Vec::new(), Vec::with_capacity(ords.len()));
        for &ord in ords.iter() {
            if is_frequent(ord) { frequent.push((self.rank(ord), ord)) } else { rare.push(ord) }
        }
        frequent.sort_unstable();
        let sorted = frequent.into_iter().map(|(_, ord)| ord).chain(rare);
        ords.iter_mut().zip(sorted).for_each(|(place, ord)| *place = ord);
    }

    /// Octets of memory.
    pub fn memory(&self) -> usize {
        (self.by_ord.len() + self.by_rare.len()) * size_of::<u16>()
    }

    /// The places of the first two zones in the tables.
    fn zones(&self) -> [Range<u32>; 2] {
        let len = self.rank_ord.len();
        let first = (ZONES[1] - RESERVED).min(len);
        [0..first, first..len]
    }

    /// The place in a zone where an ord is, or would be.
    fn place(&self, zone: Range<u32>, ord: u32) -> u32 {
        partition(zone, |place| self.rank_ord.get(place).is_some_and(|other| other < ord))
    }

    /// How many frequent entries are below an ord.
    #[inline]
    fn below(&self, ord: u32) -> u32 {
        self.between(&self.by_ord, ord, |_, other| other < ord)
    }

    /// The first place in the frequent ords for which `before` is false; `number` is what the samples are by.
    #[inline]
    fn between(&self, samples: &[u16], number: u32, before: impl Fn(u32, u32) -> bool) -> u32 {
        let sample = (number / STEP) as usize;
        let start = samples.get(sample).map_or(self.frequent.len(), |&below| u32::from(below));
        let end = samples.get(sample + 1).map_or(self.frequent.len(), |&below| u32::from(below));
        partition(start..end, |at| self.frequent.get(at).is_some_and(|ord| before(at, ord)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tables in which every `step`th entry from `start` on is frequent, as far as there is room; the first zone takes those from the
    /// middle.
    fn tables(len: u32, start: u32, step: u32) -> ([Numbers; 3], Vec<u32>) {
        let count = len.min(FREQUENT_MAX);
        let mut frequent: Vec<u32> = (0..count).map(|n| (start + n * step) % len.max(1)).collect();
        frequent.sort_unstable();
        frequent.dedup();
        let mut others =
            (0..len).filter(|ord| frequent.binary_search(ord).is_err()).collect::<Vec<_>>().into_iter();
        frequent.extend(others.by_ref().take(count as usize - frequent.len()));
        frequent.sort_unstable();
        let first: Vec<u32> =
            frequent.iter().copied().skip(frequent.len() / 2).take((ZONES[1] - RESERVED) as usize).collect();
        let mut by_rank = first.clone();
        by_rank.extend(frequent.iter().filter(|ord| !first.contains(ord)));
        if (count as usize) < 2 * (ZONES[1] - RESERVED) as usize {
            by_rank.clone_from(&frequent);
        }
        let reversed: Vec<u32> = by_rank.iter().map(|ord| ord ^ 1).collect();
        let rare = (0..len).filter(|ord| frequent.binary_search(ord).is_err());
        let all = by_rank.iter().copied().chain(rare).collect();
        ([Numbers::of(&by_rank), Numbers::of(&reversed), Numbers::of(&frequent)], all)
    }

    #[test]
    fn ranks_and_ords() {
        for (len, start, step) in [
            (0, 0, 1),
            (1, 0, 1),
            (100, 3, 1),
            (ZONES[1] - RESERVED, 0, 7),
            (5_000, 0, 1),
            (FREQUENT_MAX, 0, 1),
            (16_600, 50, 1),
            (90_000, 700, 1),
            (90_000, 5, 5),
            (90_000, 73_493, 1),
        ] {
            let (tables, all) = tables(len, start, step);
            assert_eq!(all.len(), len as usize);
            let ranks = Ranks::of(tables, len);
            for (rank, &ord) in (RESERVED..).zip(&all) {
                assert_eq!((ranks.ord(rank), ranks.rank(ord)), (Some(ord), rank), "{len} {start} {step}");
                assert_eq!(ranks.reversed(rank), (rank < RARE).then_some(ord ^ 1));
            }
            assert_eq!(
                (ranks.ord(RESERVED - 1), ranks.ord(len + RESERVED), ranks.ord(u32::MAX)),
                (None, None, None)
            );
            assert_eq!((ranks.rank(len), ranks.rank(u32::MAX)), (u32::MAX, u32::MAX));
            for range in [0..len, len / 3..len / 2, len / 5..len / 5 + 1, len..len, 0..u32::MAX] {
                let mut found: Vec<u32> = ranks
                    .ranges(range.clone())
                    .into_iter()
                    .flatten()
                    .filter_map(|rank| ranks.ord(rank))
                    .collect();
                found.sort_unstable();
                let mut ords: Vec<u32> = (range.start..range.end.min(len)).collect();
                assert_eq!(found, ords);
                ranks.sort(&mut ords);
                assert!(ords.is_sorted_by_key(|&ord| ranks.rank(ord)) && ords.len() == found.len());
            }
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived(ords in prop::collection::vec(any::<u32>(), 0..300), more in 0..3u32, asked: u32) {
            let len = ords.len() as u32 + more / 2;
            let damaged = Numbers::of(&ords);
            let ranks = Ranks::of([damaged.clone(), damaged.clone(), damaged], len);
            for number in [0, 1, 5, 100, asked % 400, asked, RARE, RARE + 50, RARE + asked % 400, u32::MAX] {
                let _ = (ranks.ord(number), ranks.rank(number), ranks.reversed(number));
                ranks.sort(&mut [number, asked]);
                let _ = (ranks.ranges(number..asked), ranks.ranges(asked..number));
            }
        }
    }
}
