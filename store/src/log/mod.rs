//! The log of one shard: append-only segments of framed, checksummed records, made durable by group commit.
//!
//! The byte layout is `FORMAT.md`. The log knows nothing of mail: commit payloads ("ops") and record payloads are
//! opaque. What must hold:
//! * nothing is reported durable before one successful fdatasync after its last byte was written;
//! * callbacks of one log run in LSN order, synchronously, before any waiter wakes;
//! * a failed write or sync poisons the log; a full disk rolls back to the last durable commit.

use std::fmt;
use std::sync::Arc;

mod committer;
pub mod lane;
pub(crate) mod reader;
pub mod record;
mod recovery;
mod scan;
pub mod segment;
mod state;
mod writer;

pub use state::{Log, Ticket};

use crate::limits;
use crate::types::{Lsn, ShardId, WallTime};

/// Where a record begins: segment number (from 1) and byte offset in its file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    pub segment: u32,
    pub offset: u32,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}.seg+{}", self.segment, self.offset)
    }
}

/// A place in the log to replay from, kept in checkpoints: everything before it is durable, and the next record
/// is at or after `address` with LSN `next`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    pub address: Address,
    pub next: Lsn,
}

impl Position {
    /// The beginning of every log.
    pub const START: Position =
        Position { address: Address { segment: 1, offset: limits::block_bytes as u32 }, next: Lsn(1) };
}

/// Type of a record; the numbers are part of the format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum RecordType {
    /// Content of a message: one zstd frame.
    Chunk = 1,
    /// Immutable facts about one message: summary and extents.
    Message = 2,
    /// A commit: wall time, durable-before LSN, ops.
    Commit = 3,
    /// Fill to the end of a block.
    Pad = 4,
    /// What content of the segment is compressed with; the first record of a segment, written by the log itself.
    Dictionary = 5,
    Documents = 6,
}

/// Counts rollbacks. Records put under an older generation are gone; see [`Log::put`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(pub u64);

/// What a commit is for; decides what happens when the disk is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitKind {
    /// Brings content: refused while the disk is full.
    Delivery,
    /// Flags, expunges, renames: goes on within the reserve while the disk is full.
    Housekeeping,
}

/// Identity and settings of a log.
#[derive(Clone)]
pub struct LogOptions {
    pub store_uuid: [u8; 16],
    pub shard: ShardId,
    pub epoch: u32,
    /// Segments are sealed at this size; within `limits::segment_bytes_min..=segment_bytes_max`.
    pub segment_bytes: u64,
    /// Reserve the space of a segment when it is created.
    pub preallocate: bool,
    /// Size of the `reserve` file; 0 for none.
    pub reserve_bytes: u64,
    /// Open without writing anything: no recovery writes, `put` and `commit` fail with `Stopped`.
    pub read_only: bool,
}

/// The bytes of a record, verified; derefs to the payload.
#[derive(Clone)]
pub struct RecordBytes {
    buffer: Arc<Vec<u8>>,
    start: usize,
    end: usize,
    pub kind: RecordType,
    pub lsn: Lsn,
}

impl std::ops::Deref for RecordBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

/// A commit met by recovery.
pub struct ReplayedCommit<'a> {
    pub lsn: Lsn,
    /// Never less than that of the commit before it.
    pub wall: WallTime,
    pub address: Address,
    pub ops: &'a [u8],
}

/// What recovery found. Empty `corruption` and `cut` is a clean log.
#[derive(Clone, Debug, Default)]
pub struct RecoveryReport {
    pub segments: u32,
    pub records: u64,
    pub commits: u64,
    pub bytes: u64,
    /// LSN of the last commit that was applied.
    pub last_commit: Option<Lsn>,
    /// The torn tail, when there was one: never acknowledged, left in place and never read again.
    pub cut: Option<TornTail>,
    /// Acknowledged records that cannot be read.
    pub corruption: Vec<Corruption>,
}

/// Unacknowledged records at the end of the log that were not taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TornTail {
    pub from: Address,
    /// Complete commits in it (each was missing something before it).
    pub commits: u64,
}

/// A stretch of the log that was acknowledged and cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corruption {
    pub from: Address,
    /// Where reading goes on.
    pub to: Address,
    /// The records concerned, both inclusive.
    pub first: Lsn,
    pub last: Lsn,
}

/// Figures of a log since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogStats {
    pub commits: u64,
    pub syncs: u64,
    pub bytes_written: u64,
    pub records: u64,
    pub pending_bytes: u64,
    pub segments: u32,
}
