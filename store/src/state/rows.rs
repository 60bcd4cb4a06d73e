//! The rows of a mailbox in UID order, 20 bytes each, in copy-on-write pages.
//!
//! Not here: counts, journals, what a row means. It holds: no page is empty, every page but the last was full
//! once, UIDs ascend; a clone shares all pages and costs a pointer each, so a checkpoint clones and goes on.

use crate::types::{Flags, MessageNumber, ModSeq, Row, Uid};
use crate::uid_set::UidSet;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Rows in a page: what one change copies while a snapshot is held (10 KiB).
pub const PAGE_ROWS: usize = 512;
/// Flags that a packed row holds itself: the system flags and 24 keywords.
const PACKED_FLAGS: u128 = 0xffff_ffff;
/// In `modseq_above_base`: the difference does not fit, the value is in `Page::far_modseqs`.
const FAR: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Packed {
    uid: Uid,
    message: u32,
    modseq_above_base: u32,
    flags: u32,
    save_date: u32,
}

impl Packed {
    fn is_unseen(&self) -> bool {
        self.flags & Flags::SEEN.0 as u32 == 0
    }
}

/// What a row costs in a page.
pub const PACKED_ROW_BYTES: usize = size_of::<Packed>();

#[derive(Clone)]
struct Page {
    modseq_base: u64,
    rows: Vec<Packed>,
    /// Rows without \Seen.
    unseen: u32,
    /// Keywords from the 25th on, by UID.
    more_flags: BTreeMap<Uid, u128>,
    /// MODSEQs that are 2^32 or more above the base or below it, by UID.
    far_modseqs: BTreeMap<Uid, u64>,
}

impl Page {
    fn unpack(&self, row: &Packed) -> Row {
        let more =
            if self.more_flags.is_empty() { 0 } else { self.more_flags.get(&row.uid).copied().unwrap_or(0) };
        let modseq = match row.modseq_above_base {
            FAR => self.far_modseqs.get(&row.uid).copied().unwrap_or(self.modseq_base),
            above => self.modseq_base + u64::from(above),
        };
        Row {
            uid: row.uid,
            message: MessageNumber(row.message),
            flags: Flags(u128::from(row.flags) | more),
            modseq: ModSeq::new(modseq).unwrap_or(ModSeq::FIRST),
            save_date: row.save_date,
        }
    }

    fn pack(&mut self, row: &Row) -> Packed {
        let more = row.flags.0 & !PACKED_FLAGS;
        if more != 0 {
            self.more_flags.insert(row.uid, more);
        } else if !self.more_flags.is_empty() {
            self.more_flags.remove(&row.uid);
        }
        let above =
            row.modseq.get().checked_sub(self.modseq_base).and_then(|above| u32::try_from(above).ok());
        let modseq_above_base = match above {
            Some(above) if above != FAR => {
                if !self.far_modseqs.is_empty() {
                    self.far_modseqs.remove(&row.uid);
                }
                above
            }
            _ => {
                self.far_modseqs.insert(row.uid, row.modseq.get());
                FAR
            }
        };
        Packed {
            uid: row.uid,
            message: row.message.0,
            modseq_above_base,
            flags: row.flags.0 as u32,
            save_date: row.save_date,
        }
    }

    fn recount(&mut self) {
        self.unseen = self.rows.iter().filter(|row| row.is_unseen()).count() as u32;
    }

    fn first(&self) -> Uid {
        self.rows[0].uid
    }
    fn last(&self) -> Uid {
        self.rows[self.rows.len() - 1].uid
    }
}

/// Neighbouring rows of one page, column by column: what a loop over a whole mailbox looks at.
pub struct RowBlock<'a> {
    page: &'a Page,
    rows: &'a [Packed],
    first: u32,
}

impl RowBlock<'_> {
    /// Position of its first row.
    pub fn first(&self) -> u32 {
        self.first
    }
    pub fn messages(&self) -> impl ExactSizeIterator<Item = MessageNumber> + '_ {
        self.rows.iter().map(|row| MessageNumber(row.message))
    }
    /// The flags that every row holds itself: bits 0..32 of [`Flags`].
    pub fn low_flags(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.rows.iter().map(|row| row.flags)
    }
    pub fn flags(&self) -> impl ExactSizeIterator<Item = Flags> + '_ {
        self.rows.iter().map(|row| self.page.unpack(row).flags)
    }
    /// When each message came into this mailbox, in seconds since 1970 (RFC 8514).
    pub fn save_dates(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.rows.iter().map(|row| row.save_date)
    }
}

/// The rows of one mailbox.
#[derive(Clone, Default)]
pub struct Rows {
    pages: Vec<Rc<Page>>,
    /// Position of the first row of each page.
    starts: Vec<u32>,
    len: u32,
}

impl Rows {
    pub fn len(&self) -> u32 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Page and index of the first row with a UID of at least `uid`; past the end when there is none.
    fn seek(&self, uid: Uid) -> (usize, usize) {
        let page = self.pages.partition_point(|page| page.last() < uid);
        match self.pages.get(page) {
            Some(found) => (page, found.rows.partition_point(|row| row.uid < uid)),
            None => (page, 0),
        }
    }

    fn find(&self, uid: Uid) -> Option<(usize, usize)> {
        let (page, index) = self.seek(uid);
        (self.pages.get(page)?.rows[index].uid == uid).then_some((page, index))
    }

    pub fn get(&self, uid: Uid) -> Option<Row> {
        let (page, index) = self.find(uid)?;
        Some(self.pages[page].unpack(&self.pages[page].rows[index]))
    }

    /// Row at a position from 0.
    pub fn at(&self, position: u32) -> Option<Row> {
        if position >= self.len {
            return None;
        }
        let page = self.starts.partition_point(|start| *start <= position) - 1;
        let found = &self.pages[page];
        Some(found.unpack(&found.rows[(position - self.starts[page]) as usize]))
    }

    /// Position from 0 of a UID.
    pub fn position(&self, uid: Uid) -> Option<u32> {
        let (page, index) = self.find(uid)?;
        Some(self.starts[page] + index as u32)
    }

    pub fn first(&self) -> Option<Row> {
        self.at(0)
    }
    pub fn last(&self) -> Option<Row> {
        self.len.checked_sub(1).and_then(|position| self.at(position))
    }

    /// All rows, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Row> + '_ {
        self.pages.iter().flat_map(|page| page.rows.iter().map(move |row| page.unpack(row)))
    }

    /// The UIDs of all rows, a step for each run without a gap and page.
    pub fn uids(&self) -> UidSet {
        let mut uids = UidSet::new();
        for page in &self.pages {
            let mut rest = &page.rows[..];
            while let [first, ..] = rest {
                // Among ascending UIDs, one is in the run exactly when it is as far from the first as its index says.
                let (mut low, mut high) = (1, rest.len());
                if (rest[high - 1].uid.get() - first.uid.get()) as usize == high - 1 {
                    low = high;
                }
                while low < high {
                    let middle = low + (high - low) / 2;
                    let near = (rest[middle].uid.get() - first.uid.get()) as usize == middle;
                    if near { low = middle + 1 } else { high = middle }
                }
                uids.insert_range(first.uid, rest[low - 1].uid);
                rest = &rest[low..];
            }
        }
        uids
    }

    /// Position and UID of the first row without \Seen; looks into one page.
    pub fn first_unseen(&self) -> Option<(u32, Uid)> {
        let page = self.pages.iter().position(|page| page.unseen > 0)?;
        let rows = &self.pages[page].rows;
        let index = rows.iter().position(Packed::is_unseen)?;
        Some((self.starts[page] + index as u32, rows[index].uid))
    }

    /// How many rows have a UID below `uid`.
    pub fn below(&self, uid: Uid) -> u32 {
        let (page, index) = self.seek(uid);
        self.starts.get(page).map_or(self.len, |start| start + index as u32)
    }

    /// The rows at positions `from..to` as blocks.
    pub fn blocks(&self, from: u32, to: u32) -> impl Iterator<Item = RowBlock<'_>> + '_ {
        let first = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        self.starts[first.min(self.starts.len())..]
            .iter()
            .zip(&self.pages[first.min(self.pages.len())..])
            .take_while(move |(start, _)| **start < to)
            .filter_map(move |(start, page)| {
                let low = from.saturating_sub(*start) as usize;
                let high = ((to - start) as usize).min(page.rows.len());
                let rows = page.rows.get(low..high).filter(|rows| !rows.is_empty())?;
                Some(RowBlock { page, rows, first: start + low as u32 })
            })
    }

    /// Rows with UIDs from `low` to `high`, both included, ascending.
    pub fn range(&self, low: Uid, high: Uid) -> impl Iterator<Item = Row> + '_ {
        let (first_page, first_index) = self.seek(low);
        let pages = self.pages.get(first_page..).unwrap_or_default();
        pages
            .iter()
            .enumerate()
            .flat_map(move |(nth, page)| {
                let from = if nth == 0 { first_index } else { 0 };
                page.rows[from..].iter().map(move |row| page.unpack(row))
            })
            .take_while(move |row| row.uid <= high)
    }

    /// Adds a row whose UID is above all others; `false` (and nothing done) when it is not.
    pub fn push(&mut self, row: &Row) -> bool {
        if self.pages.last().is_some_and(|page| page.last() >= row.uid) {
            return false;
        }
        if self.pages.last().is_none_or(|page| page.rows.len() >= PAGE_ROWS) {
            let page = Page {
                modseq_base: row.modseq.get(),
                rows: Vec::new(),
                unseen: 0,
                more_flags: BTreeMap::new(),
                far_modseqs: BTreeMap::new(),
            };
            self.pages.reserve_exact(
                usize::from(self.pages.len() == self.pages.capacity()) * (1 + self.pages.len() / 8),
            );
            self.pages.push(Rc::new(page));
            self.starts.push(self.len);
        }
        let Some(page) = self.pages.last_mut() else { unreachable!("a page was pushed above") };
        let page = Rc::make_mut(page);
        if page.rows.len() == page.rows.capacity() {
            // Doubling up to the page's size and not beyond: a full page has no slack.
            let room = PAGE_ROWS - page.rows.len();
            page.rows.reserve_exact(page.rows.len().clamp(4, PAGE_ROWS).min(room));
        }
        let packed = page.pack(row);
        page.rows.push(packed);
        page.unseen += u32::from(packed.is_unseen());
        self.len += 1;
        true
    }

    /// Gives a row other flags and another MODSEQ; what it was before, `None` when there is no such row.
    pub fn set_flags(&mut self, uid: Uid, flags: Flags, modseq: ModSeq) -> Option<Row> {
        let (page, index) = self.find(uid)?;
        let page = Rc::make_mut(&mut self.pages[page]);
        let before = page.unpack(&page.rows[index]);
        if page.rows.len() == 1
            || page.rows[index].modseq_above_base == FAR && page.far_modseqs.len() * 2 > page.rows.len()
        {
            page.rebase(modseq.get());
        }
        let packed = page.pack(&Row { flags, modseq, ..before });
        page.unseen += u32::from(packed.is_unseen());
        page.unseen -= u32::from(page.rows[index].is_unseen());
        page.rows[index] = packed;
        Some(before)
    }

    /// Removes rows; what they were, ascending. Unknown UIDs are ignored. `uids` ascend.
    pub fn remove(&mut self, uids: impl Iterator<Item = Uid>) -> Vec<Row> {
        let mut removed = Vec::new();
        let mut uids = uids.peekable();
        while let Some(uid) = uids.peek().copied() {
            let (page, _) = self.seek(uid);
            let Some(last) = self.pages.get(page).map(|page| page.last()) else { break };
            let page = Rc::make_mut(&mut self.pages[page]);
            let before = removed.len();
            let mut doomed = vec![];
            let mut index = 0;
            while let Some(uid) = uids.next_if(|uid| *uid <= last) {
                index += page.rows[index..].partition_point(|row| row.uid < uid);
                if page.rows.get(index).is_some_and(|row| row.uid == uid) {
                    removed.push(page.unpack(&page.rows[index]));
                    doomed.push(uid);
                    index += 1;
                }
            }
            if removed.len() > before {
                let mut doomed = doomed.into_iter().peekable();
                page.rows.retain(|row| doomed.next_if_eq(&row.uid).is_none());
                page.recount();
                for row in &removed[before..] {
                    page.more_flags.remove(&row.uid);
                    page.far_modseqs.remove(&row.uid);
                }
            }
            self.pages.retain(|page| !page.rows.is_empty());
        }
        if !removed.is_empty() {
            self.merge_small();
            self.renumber();
        }
        removed
    }

    /// Joins neighbours that fill half a page together, so that pages stay few after many expunges.
    fn merge_small(&mut self) {
        let mut index = 1;
        while index < self.pages.len() {
            if self.pages[index - 1].rows.len() + self.pages[index].rows.len() > PAGE_ROWS / 2 {
                index += 1;
                continue;
            }
            let second = self.pages.remove(index);
            let first = Rc::make_mut(&mut self.pages[index - 1]);
            first.rows.reserve_exact(second.rows.len());
            for row in &second.rows {
                let row = second.unpack(row);
                let packed = first.pack(&row);
                first.rows.push(packed);
            }
            first.recount();
        }
    }

    fn renumber(&mut self) {
        self.starts.clear();
        self.len = 0;
        for page in &self.pages {
            self.starts.push(self.len);
            self.len += page.rows.len() as u32;
        }
    }
}

impl Page {
    /// Moves the base so that MODSEQs near `modseq` fit their four bytes again.
    fn rebase(&mut self, modseq: u64) {
        let rows: Vec<Row> = self.rows.iter().map(|row| self.unpack(row)).collect();
        let lowest = modseq.saturating_sub(u64::from(FAR) / 2).max(1);
        self.modseq_base =
            rows.iter().map(|row| row.modseq.get()).filter(|at| *at >= lowest).min().unwrap_or(modseq);
        self.far_modseqs.clear();
        self.rows = rows.iter().map(|row| self.pack(row)).collect();
        debug_assert!(self.rows.is_empty() || self.first() <= self.last());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(uid: u32, flags: u128, modseq: u64) -> Row {
        Row {
            uid: Uid::new(uid).unwrap(),
            message: MessageNumber(uid * 7),
            flags: Flags(flags),
            modseq: ModSeq::new(modseq).unwrap(),
            save_date: uid * 3,
        }
    }

    #[test]
    fn a_row_is_twenty_bytes_and_a_full_page_has_no_slack() {
        assert_eq!(PACKED_ROW_BYTES, 20);
        let mut rows = Rows::default();
        for uid in 1..=PAGE_ROWS as u32 * 3 {
            assert!(rows.push(&row(uid, 0, 1)));
        }
        assert_eq!(rows.pages.len(), 3);
        assert!(rows.pages.iter().all(|page| page.rows.capacity() == PAGE_ROWS));
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(
            steps in prop::collection::vec((0u8..8, 0u32..3000, any::<u128>(), 0u8..3), 1..200),
        ) {
            let (mut rows, mut plain) = (Rows::default(), BTreeMap::new());
            let mut next = 1u32;
            let mut modseq = 1u64;
            let mut snapshot: Option<(Rows, BTreeMap<u32, Row>)> = None;
            for (what, pick, flags, jump) in steps {
                modseq += [1, u64::from(u32::MAX), 1 << 40][jump as usize];
                match what {
                    0..4 => for _ in 0..pick % 400 {
                        let added = row(next, if pick % 2 == 0 { flags } else { flags & 0xff }, modseq);
                        prop_assert!(rows.push(&added));
                        plain.insert(next, added);
                        next += 1 + pick % 3;
                    },
                    4 | 5 => {
                        let uid = pick % next + 1;
                        let at = ModSeq::new(modseq).unwrap();
                        let was = rows.set_flags(Uid::new(uid).unwrap(), Flags(flags), at);
                        prop_assert_eq!(was, plain.get(&uid).copied());
                        if let Some(known) = plain.get_mut(&uid) {
                            (known.flags, known.modseq) = (Flags(flags), at);
                        }
                    }
                    6 => {
                        let step = 1 + jump as usize;
                        let uids: Vec<u32> = (pick % next + 1..(pick % next + 1).saturating_add(900)).step_by(step).collect();
                        let removed = rows.remove(uids.iter().map(|uid| Uid::new(*uid).unwrap()));
                        let expected: Vec<Row> = uids.iter().filter_map(|uid| plain.remove(uid)).collect();
                        prop_assert_eq!(removed, expected);
                    }
                    _ => snapshot = Some((rows.clone(), plain.clone())),
                }
                prop_assert_eq!(rows.len() as usize, plain.len());
            }
            for (rows, plain) in snapshot.into_iter().chain([(rows, plain)]) {
                prop_assert_eq!(rows.iter().collect::<Vec<_>>(), plain.values().copied().collect::<Vec<_>>());
                for (position, known) in plain.values().enumerate() {
                    prop_assert_eq!(rows.at(position as u32), Some(*known));
                    prop_assert_eq!(rows.position(known.uid), Some(position as u32));
                    prop_assert_eq!(rows.get(known.uid), Some(*known));
                }
                for uid in [1, 200, next].into_iter().filter_map(Uid::new) {
                    prop_assert_eq!(rows.below(uid) as usize, plain.range(..uid.get()).count());
                }
                for (from, to) in [(0, rows.len()), (0, u32::MAX), (300, 900), (700, 600)] {
                    let (mut at, mut seen) = (from, Vec::new());
                    for block in rows.blocks(from, to) {
                        prop_assert_eq!(block.first(), at);
                        at += block.messages().len() as u32;
                        let columns = block.messages().zip(block.flags()).zip(block.low_flags()).zip(block.save_dates());
                        seen.extend(columns.map(|(((message, flags), low), saved)| (message, flags, low, saved)));
                    }
                    let wanted = plain.values().skip(from as usize).take(to.saturating_sub(from) as usize);
                    let wanted = wanted.map(|row| (row.message, row.flags, row.flags.0 as u32, row.save_date));
                    prop_assert_eq!(seen, wanted.collect::<Vec<_>>());
                }
                prop_assert_eq!(rows.uids(), plain.values().map(|row| row.uid).collect::<UidSet>());
                let unseen = plain.values().position(|row| !row.flags.contains(Flags::SEEN));
                prop_assert_eq!(rows.first_unseen().map(|(at, _)| at as usize), unseen);
                let (low, high) = (Uid::new(200).unwrap(), Uid::new(900).unwrap());
                let expected: Vec<Row> = plain.range(200..=900).map(|(_, row)| *row).collect();
                prop_assert_eq!(rows.range(low, high).collect::<Vec<_>>(), expected);
            }
        }
    }
}
