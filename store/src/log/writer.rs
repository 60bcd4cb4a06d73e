//! Where the next record goes, and the bytes that wait to be written: the log's tail in memory.
//!
//! Pure: no I/O and no waiting. The committer takes what has accumulated as one [`Batch`].

use std::sync::Arc;

use super::record::{self, COMMIT_HEAD, HEADER, Salt};
use super::segment::{self, SegmentHeader};
use super::{Address, Position, RecordType};
use crate::limits;
use crate::types::Lsn;

const BLOCK: u64 = limits::block_bytes;

/// Bytes for one segment, from `start` (a block boundary) on.
pub(super) struct Run {
    pub segment: u32,
    pub start: u64,
    pub bytes: Vec<u8>,
    /// The segment is begun by this run.
    pub begins: Option<SegmentHeader>,
    /// The segment ends with this run.
    pub seals: bool,
    salt: Salt,
    /// Commit records in `bytes`: their durable-before and checksum are filled in when the batch is taken.
    commits: Vec<usize>,
}

impl Run {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn push(&mut self, kind: RecordType, lsn: Lsn, payload: &[u8]) -> u64 {
        let at = record::place(self.end());
        let from = (at - self.start) as usize;
        self.bytes.resize(from, 0);
        let header = record::encode_header(kind, lsn, payload, self.salt);
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(payload);
        at
    }

    /// Fills the last block; true when that took a record.
    fn pad(&mut self, lsn: Lsn) -> bool {
        let end = self.end().next_multiple_of(8);
        self.bytes.resize((end - self.start) as usize, 0);
        let left = (BLOCK - end % BLOCK) % BLOCK;
        if left >= HEADER as u64 {
            self.push(RecordType::Pad, lsn, &vec![0; left as usize - HEADER]);
            return true;
        }
        self.bytes.resize((end + left - self.start) as usize, 0);
        false
    }

    fn finish_commits(&mut self, durable_before: Lsn) {
        for at in std::mem::take(&mut self.commits) {
            let len = record::u32_at(&self.bytes, at) as usize;
            let lsn = Lsn(record::u64_at(&self.bytes, at + 8));
            let payload = at + HEADER..at + HEADER + len;
            self.bytes[payload.start..payload.start + 8].copy_from_slice(&durable_before.0.to_le_bytes());
            let header =
                record::encode_header(RecordType::Commit, lsn, &self.bytes[payload.clone()], self.salt);
            self.bytes[at..at + HEADER].copy_from_slice(&header);
        }
    }
}

/// What one write hands over.
pub(super) struct Batch {
    pub runs: Vec<Run>,
    /// What comes after the batch.
    pub tail: Tail,
    pub records: u64,
}

/// Where the records after the last durable batch go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The segment being written and the salt of its records; `None`: the next record begins a new one.
    pub open: Option<(u32, Salt)>,
    /// Number of the next new segment.
    pub next_segment: u32,
    /// The last segment that counts, and where it ends.
    pub end: Address,
    pub next: Lsn,
}

impl Tail {
    pub fn position(&self) -> Position {
        Position { address: self.end, next: self.next }
    }
}

/// See the module.
pub(super) struct Pending {
    tail: Tail,
    runs: Vec<Run>,
    bytes: usize,
    records: u64,
    segment_bytes: u64,
    /// The first record of segments begun from now on.
    dictionary: Option<Arc<[u8]>>,
    /// Segments begun from now on are of this format at least.
    format_least: u32,
    /// The next record begins a segment, full or not.
    turns: bool,
}

impl Pending {
    pub fn new(tail: Tail, segment_bytes: u64) -> Pending {
        Pending {
            tail,
            runs: Vec::new(),
            bytes: 0,
            records: 0,
            segment_bytes,
            dictionary: None,
            format_least: segment::PLAIN,
            turns: false,
        }
    }

    /// From the next record on, which begins a segment, segments begin with this Dictionary record.
    pub fn begin_with(&mut self, dictionary: Arc<[u8]>) {
        self.dictionary = Some(dictionary);
        self.turns = true;
    }

    /// From the next record on, which begins a segment unless it was so before, segments are of this format at least.
    pub fn raise_format(&mut self, format: u32) {
        if format > self.format_least {
            self.format_least = format;
            self.turns = true;
        }
    }

    /// The format of new segments.
    pub fn format(&self) -> u32 {
        let format = if self.dictionary.is_some() { segment::WITH_DICTIONARY } else { segment::PLAIN };
        format.max(self.format_least)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn take_lsn(&mut self) -> Lsn {
        let lsn = self.tail.next;
        self.tail.next = Lsn(lsn.0 + 1);
        self.records += 1;
        lsn
    }

    /// Seals the run that is being filled: pads it and moves the tail to its end.
    fn close_run(&mut self) {
        let Some(last) = self.runs.last_mut() else { return };
        if last.end().is_multiple_of(BLOCK) {
            return;
        }
        let before = last.bytes.len();
        if last.pad(self.tail.next) {
            self.tail.next = Lsn(self.tail.next.0 + 1);
            self.records += 1;
        }
        self.bytes += last.bytes.len() - before;
        self.tail.end = Address { segment: last.segment, offset: last.end() as u32 };
    }

    /// Adds a record. `begin` makes the header of a new segment when one is needed.
    pub fn push(
        &mut self,
        kind: RecordType,
        payload: &[u8],
        begin: impl FnOnce(&Tail) -> SegmentHeader,
    ) -> (Lsn, Address) {
        let need = (HEADER + payload.len()) as u64;
        let at = record::place(u64::from(self.tail.end.offset));
        // A segment holds at least one record, however large.
        let full = at > BLOCK && (at + need).next_multiple_of(BLOCK) > self.segment_bytes;
        if self.tail.open.is_none() || full || self.turns {
            self.begin_segment(begin);
        }
        let continues = self.runs.last().is_some_and(|run| Some(run.segment) == self.tail.open.map(|o| o.0));
        if !continues && let Some((segment, salt)) = self.tail.open {
            let start = u64::from(self.tail.end.offset);
            debug_assert!(start.is_multiple_of(BLOCK));
            self.runs.push(Run {
                segment,
                start,
                bytes: Vec::new(),
                begins: None,
                seals: false,
                salt,
                commits: Vec::new(),
            });
        }
        self.add(kind, payload)
    }

    /// Adds a record to the run that is being filled.
    fn add(&mut self, kind: RecordType, payload: &[u8]) -> (Lsn, Address) {
        let lsn = self.take_lsn();
        let Some(run) = self.runs.last_mut() else { unreachable!("callers begin a run") };
        let before = run.bytes.len();
        let at = run.push(kind, lsn, payload);
        if kind == RecordType::Commit {
            debug_assert!(payload.len() >= COMMIT_HEAD);
            run.commits.push((at - run.start) as usize);
        }
        self.bytes += run.bytes.len() - before;
        self.tail.end = Address { segment: run.segment, offset: run.end() as u32 };
        (lsn, Address { segment: run.segment, offset: at as u32 })
    }

    fn begin_segment(&mut self, begin: impl FnOnce(&Tail) -> SegmentHeader) {
        self.close_run();
        if let Some((open, salt)) = self.tail.open {
            // Also when nothing of this batch is in it, the segment has to be cut to its end.
            if self.runs.last().is_none_or(|run| run.segment != open) {
                self.runs.push(Run {
                    segment: open,
                    start: u64::from(self.tail.end.offset),
                    bytes: Vec::new(),
                    begins: None,
                    seals: true,
                    salt,
                    commits: Vec::new(),
                });
            }
            if let Some(last) = self.runs.last_mut() {
                last.seals = true;
            }
        }
        let header = begin(&self.tail);
        let (segment, salt) = (header.number, header.salt());
        self.runs.push(Run {
            segment,
            start: BLOCK,
            bytes: Vec::new(),
            begins: Some(header),
            seals: false,
            salt,
            commits: Vec::new(),
        });
        self.tail = Tail {
            open: Some((segment, salt)),
            next_segment: segment + 1,
            end: Address { segment, offset: BLOCK as u32 },
            next: self.tail.next,
        };
        self.turns = false;
        if let Some(dictionary) = self.dictionary.clone() {
            self.add(RecordType::Dictionary, &dictionary);
        }
    }

    /// Takes everything, padded to a block. `durable` is the LSN up to which all is durable now.
    pub fn take(&mut self, durable: Lsn) -> Batch {
        self.close_run();
        let mut runs = std::mem::take(&mut self.runs);
        for run in &mut runs {
            run.finish_commits(durable);
            if let Some(header) = &mut run.begins {
                header.durable_before = durable;
            }
        }
        self.bytes = 0;
        Batch { runs, tail: self.tail, records: std::mem::take(&mut self.records) }
    }

    /// Forgets everything after `tail`.
    pub fn reset(&mut self, tail: Tail) {
        let (dictionary, format_least) = (self.dictionary.take(), self.format_least);
        *self = Pending { dictionary, format_least, ..Pending::new(tail, self.segment_bytes) };
    }
}
