//! Recovery: which records count after a crash, and what is to be said about the rest.
//!
//! The rules are those of `FORMAT.md`, "Recovery". Reading never changes anything; `make_durable` writes the
//! unproven part again and is left out when a store is only inspected.

use std::collections::VecDeque;
use std::rc::Rc;

use super::record;
use super::scan::{Found, Scan};
use super::segment::{self, HeaderRead, SegmentHeader};
use super::{
    Address, Corruption, LogOptions, Position, RecordType, RecoveryReport, ReplayedCommit, TornTail,
};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::StoreError;
use crate::limits;
use crate::types::{Lsn, WallTime};

/// What recovery hands to the writer.
pub(super) struct Recovered {
    /// Where the log ends: everything before counts, nothing after does.
    pub end: Position,
    /// Number for the next segment: above all that exist.
    pub next_segment: u32,
    pub wall: WallTime,
    pub report: RecoveryReport,
}

struct Segment {
    number: u32,
    path: String,
    file: Rc<dyn DiskFile>,
    header: SegmentHeader,
    /// Bytes at or after it are void.
    end: u64,
}

struct Held {
    lsn: Lsn,
    wall: WallTime,
    address: Address,
    end: Address,
    ops: Vec<u8>,
}

/// The judge: collects what was found and decides what counts.
struct Judge<'a> {
    replay: &'a mut dyn FnMut(ReplayedCommit<'_>) -> Result<(), StoreError>,
    expected: Lsn,
    /// P of the rules.
    proven: Lsn,
    /// Bad stretches that are not wholly proven yet.
    bad: VecDeque<Corruption>,
    /// Commits behind a bad stretch that is not proven.
    held: VecDeque<Held>,
    /// Starts of blocks and of bad stretches by LSN; the first is the last one at or before `proven + 1`.
    marks: VecDeque<(Lsn, Address)>,
    /// Where a stretch begins whose last LSN is not known yet.
    open: Option<Address>,
    /// After the last good record.
    read: Address,
    /// After the last commit that was applied.
    end: Position,
    /// Records other than Pad were found after `end`.
    loose: bool,
    wall: WallTime,
    report: RecoveryReport,
}

impl Judge<'_> {
    fn mark(&mut self, lsn: Lsn, at: Address) {
        self.marks.push_back((lsn, at));
        self.trim_marks();
    }

    fn trim_marks(&mut self) {
        while self.marks.get(1).is_some_and(|(lsn, _)| lsn.0 <= self.proven.0 + 1) {
            self.marks.pop_front();
        }
    }

    /// Reading can go on at `to`, where `lsn` is.
    fn resume(&mut self, lsn: Lsn, to: Address) {
        let from = self.open.take();
        if lsn > self.expected {
            let from = from.unwrap_or(self.read);
            self.mark(self.expected, from);
            self.bad.push_back(Corruption { from, to, first: self.expected, last: Lsn(lsn.0 - 1) });
            self.settle_bad();
            self.expected = lsn;
        } else if let Some(from) = from {
            // Nothing is missing by number, and yet there are bytes that nobody wrote.
            self.report.corruption.push(Corruption { from, to, first: lsn, last: lsn });
        }
    }

    /// Stretches that are wholly proven are corruption.
    fn settle_bad(&mut self) {
        while self.bad.front().is_some_and(|bad| bad.last <= self.proven) {
            self.report.corruption.extend(self.bad.pop_front());
        }
    }

    fn prove(&mut self, durable_before: Lsn) -> Result<(), StoreError> {
        if durable_before <= self.proven {
            return Ok(());
        }
        self.proven = durable_before;
        self.trim_marks();
        self.settle_bad();
        while self.held.front().is_some_and(|held| self.counts(held.lsn)) {
            if let Some(held) = self.held.pop_front() {
                self.apply(held.lsn, held.wall, held.address, held.end, &held.ops)?;
            }
        }
        Ok(())
    }

    fn commit(
        &mut self,
        lsn: Lsn,
        durable_before: Lsn,
        wall: WallTime,
        address: Address,
        end: Address,
        ops: &[u8],
    ) -> Result<(), StoreError> {
        self.prove(durable_before.min(Lsn(lsn.0 - 1)))?;
        if self.held.is_empty() && self.counts(lsn) {
            return self.apply(lsn, wall, address, end, ops);
        }
        self.held.push_back(Held { lsn, wall, address, end, ops: ops.to_vec() });
        Ok(())
    }

    /// Whether the commit with this LSN is to be applied, by what is known so far.
    fn counts(&self, commit: Lsn) -> bool {
        commit <= self.proven || self.bad.iter().all(|bad| bad.first > commit || bad.last <= self.proven)
    }

    fn apply(
        &mut self,
        lsn: Lsn,
        wall: WallTime,
        address: Address,
        end: Address,
        ops: &[u8],
    ) -> Result<(), StoreError> {
        (self.replay)(ReplayedCommit { lsn, wall, address, ops })?;
        self.end = Position { address: end, next: Lsn(lsn.0 + 1) };
        self.loose = false;
        self.wall = self.wall.max(wall);
        self.report.commits += 1;
        self.report.last_commit = Some(lsn);
        Ok(())
    }
}

/// Opens the segments that count, in order, from segment `first` on. Gives also the highest number in use.
async fn chain(
    disk: &Rc<dyn Disk>,
    dir: &str,
    options: &LogOptions,
    first: u32,
) -> Result<(Vec<Segment>, u32), StoreError> {
    let names = disk.list(dir).await.map_err(StoreError::io("listing", dir))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment::parse_file_name(name)).collect();
    numbers.sort_unstable();
    let mut highest = numbers.last().copied().unwrap_or(0);
    let mut segments: Vec<Segment> = Vec::new();
    for &number in numbers.iter().filter(|number| **number >= first) {
        let path = format!("{dir}/{}", segment::file_name(number));
        let file = disk.open(&path, OpenMode::Read).await.map_err(StoreError::io("opening", &path))?;
        let end = file.len().await.map_err(StoreError::io("length of", &path))?;
        match segment::read_header(&*file).await.map_err(StoreError::io("reading", &path))? {
            HeaderRead::Valid(header) => {
                header.check(&path, &options.store_uuid, options.shard, number)?;
                segments.push(Segment { number, path, file, header, end });
            }
            HeaderRead::Later(found) => {
                return Err(StoreError::Version { path, found, known: segment::FORMAT });
            }
            HeaderRead::Unreadable if number == highest && !options.read_only => {
                // The trace of a crash while the segment was begun; kept if there could be anything in it.
                if empty(&*file, end).await.map_err(StoreError::io("reading", &path))? {
                    drop(file);
                    disk.remove(&path).await.map_err(StoreError::io("removing", &path))?;
                    highest = numbers.iter().rev().find(|n| **n < number).copied().unwrap_or(0);
                }
            }
            HeaderRead::Unreadable => {}
        }
    }
    // From the last one back: what lies between a segment and its predecessor is void.
    let mut chain: Vec<Segment> = Vec::new();
    for mut segment in segments.into_iter().rev() {
        if let Some(next) = chain.last() {
            if segment.number > next.header.previous_segment {
                continue;
            }
            if segment.number == next.header.previous_segment {
                segment.end = segment.end.min(u64::from(next.header.previous_end));
            }
        }
        chain.push(segment);
    }
    chain.reverse();
    Ok((chain, highest))
}

/// True when the blocks after the header block are all zero or not there.
async fn empty(file: &dyn DiskFile, len: u64) -> std::io::Result<bool> {
    let mut pos = limits::block_bytes;
    while pos < len {
        let bytes = file.read_at(pos, limits::recovery_read_bytes).await?;
        if bytes.iter().any(|b| *b != 0) {
            return Ok(false);
        }
        if bytes.is_empty() {
            break;
        }
        pos += bytes.len() as u64;
    }
    Ok(true)
}

/// Replays the log from `from` on.
pub(super) async fn recover(
    disk: &Rc<dyn Disk>,
    dir: &str,
    options: &LogOptions,
    from: Position,
    replay: &mut dyn FnMut(ReplayedCommit<'_>) -> Result<(), StoreError>,
) -> Result<Recovered, StoreError> {
    let (chain, highest) = chain(disk, dir, options, from.address.segment).await?;
    let mut judge = Judge {
        replay,
        expected: from.next,
        proven: Lsn(from.next.0.saturating_sub(1)),
        bad: VecDeque::new(),
        held: VecDeque::new(),
        marks: VecDeque::from([(from.next, from.address)]),
        open: None,
        read: from.address,
        end: from,
        loose: false,
        wall: WallTime(i64::MIN),
        report: RecoveryReport::default(),
    };
    let reaches = chain.iter().any(|s| {
        s.number > from.address.segment
            || (s.number == from.address.segment && s.end >= u64::from(from.address.offset))
    });
    if from != Position::START && !reaches {
        // Everything before `from` was durable once.
        let at = chain.last().map_or(Address { segment: from.address.segment, offset: 0 }, |s| Address {
            segment: s.number,
            offset: s.end as u32,
        });
        let last = Lsn(from.next.0.saturating_sub(1));
        judge.report.corruption.push(Corruption { from: at, to: from.address, first: last, last });
    }
    for segment in &chain {
        judge_segment(segment, from, &mut judge).await?;
    }
    finish(disk, dir, options, &chain, highest, judge).await
}

async fn judge_segment(segment: &Segment, from: Position, judge: &mut Judge<'_>) -> Result<(), StoreError> {
    let at = |offset: u64| Address { segment: segment.number, offset: offset as u32 };
    let mut start = limits::block_bytes;
    judge.report.segments += 1;
    judge.wall = judge.wall.max(segment.header.wall);
    if segment.number == from.address.segment {
        start = u64::from(from.address.offset);
    } else {
        judge.resume(segment.header.first, at(start));
        judge.mark(segment.header.first, at(start));
        judge.prove(segment.header.durable_before)?;
    }
    let mut scan = Scan::new(segment.file.clone(), segment.header.salt(), start, segment.end);
    loop {
        let expected = judge.expected;
        match scan.next(expected).await.map_err(StoreError::io("reading", &segment.path))? {
            Found::End => return Ok(()),
            // How many records these were is told by the next good one, perhaps in the next segment.
            Found::Bad(from) => judge.open = judge.open.or(Some(at(from))),
            Found::Record { header, at: pos, end, payload } => {
                judge.resume(header.lsn, at(pos));
                judge.report.records += 1;
                judge.report.bytes += end - pos;
                if pos.is_multiple_of(limits::block_bytes) {
                    judge.mark(header.lsn, at(pos));
                }
                judge.expected = Lsn(header.lsn.0 + 1);
                judge.read = at(end);
                judge.loose |= header.kind != RecordType::Pad;
                if header.kind == RecordType::Commit
                    && let Some((durable_before, wall, ops)) = record::decode_commit(payload)
                {
                    let wall = WallTime(wall);
                    judge.commit(header.lsn, durable_before, wall, at(pos), at(end), ops)?;
                }
            }
        }
    }
}

async fn finish(
    disk: &Rc<dyn Disk>,
    dir: &str,
    options: &LogOptions,
    chain: &[Segment],
    highest: u32,
    mut judge: Judge<'_>,
) -> Result<Recovered, StoreError> {
    let torn = judge.open.is_some() || judge.bad.iter().any(|bad| bad.last > judge.proven);
    // A stretch that is proven in part only is told as a whole: some of it was acknowledged.
    let proven = judge.proven;
    judge.report.corruption.extend(judge.bad.iter().filter(|bad| bad.first <= proven));
    let applied = Lsn(judge.end.next.0.saturating_sub(1));
    let unproven = judge.marks.front().map_or(judge.end.address, |(_, at)| *at);
    if judge.proven > applied {
        // Nothing of what follows the proven part is applied; its last records brought no commit.
        judge.end = Position { address: unproven, next: Lsn(judge.proven.0 + 1) };
    } else if applied > judge.proven && !options.read_only {
        make_durable(disk, dir, chain, judge.proven, unproven, judge.end.address).await?;
    }
    if torn || judge.loose || !judge.held.is_empty() {
        let commits = judge.held.len() as u64;
        judge.report.cut = Some(TornTail { from: judge.end.address, commits });
    }
    Ok(Recovered { end: judge.end, next_segment: highest + 1, wall: judge.wall, report: judge.report })
}

/// Writes `[from, to)` again with the same bytes and syncs it: after a failed sync, reading shows bytes that are
/// not on the medium.
async fn make_durable(
    disk: &Rc<dyn Disk>,
    dir: &str,
    chain: &[Segment],
    proven: Lsn,
    from: Address,
    to: Address,
) -> Result<(), StoreError> {
    for segment in chain.iter().filter(|s| (from.segment..=to.segment).contains(&s.number)) {
        let io = |op| StoreError::io(op, &segment.path);
        let file = disk.open(&segment.path, OpenMode::ReadWrite).await.map_err(io("opening"))?;
        let mut pos =
            if segment.number == from.segment { u64::from(from.offset) } else { limits::block_bytes };
        let end = if segment.number == to.segment { u64::from(to.offset) } else { segment.end };
        if segment.header.first > proven {
            file.write_at(0, &segment.header.encode()).await.map_err(io("writing"))?;
        }
        while pos < end {
            let want = (end - pos).min(limits::recovery_read_bytes as u64) as usize;
            let bytes = segment.file.read_at(pos, want).await.map_err(io("reading"))?;
            if bytes.is_empty() {
                break;
            }
            file.write_at(pos, &bytes).await.map_err(io("writing"))?;
            pos += bytes.len() as u64;
        }
        file.sync().await.map_err(io("syncing"))?;
    }
    disk.sync_dir(dir).await.map_err(StoreError::io("syncing", dir))
}
