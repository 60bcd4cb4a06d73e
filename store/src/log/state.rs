//! The handle of a log: adding records and commits to the tail in memory, and reading.
//!
//! What is added here is written by `committer`. No borrow of the state crosses an await or a callback.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::reader::Reader;
use super::record::{COMMIT_HEAD, HEADER};
use super::segment::{self, SegmentHeader};
use super::writer::{Pending, Tail};
use super::{
    Address, CommitKind, Generation, LogOptions, LogStats, Position, RecordBytes, RecordType, RecoveryReport,
    ReplayedCommit, recovery,
};
use crate::clock::Clock;
use crate::disk::{Disk, DiskFile};
use crate::error::{CommitError, ReadError, StoreError};
use crate::event::{Event, Gate, OneshotReceiver, OneshotSender, oneshot};
use crate::limits;
use crate::seed::Seed;
use crate::types::{Lsn, WallTime};

pub(super) type Settled = Box<dyn FnOnce(Result<Lsn, CommitError>)>;

/// A commit that waits for its sync.
pub(super) struct Waiting {
    pub lsn: Lsn,
    pub settled: Settled,
    pub ticket: OneshotSender<Result<Lsn, CommitError>>,
}

pub(super) struct State {
    pub pending: Pending,
    pub waiting: VecDeque<Waiting>,
    /// After the last durable batch.
    pub durable: Tail,
    /// The last durable commit.
    pub committed: Lsn,
    /// Segments begun after the last durable batch, in memory or on disk.
    pub begun: Vec<u32>,
    pub generation: Generation,
    pub poisoned: Option<Arc<str>>,
    pub stopping: bool,
    /// A rollback is going on: nothing can be added.
    pub rolling_back: bool,
    /// Deliveries are refused until the reserve could be allocated again.
    pub full: bool,
    pub probe_wanted: bool,
    pub last_probe: Option<Duration>,
    pub wall: WallTime,
    pub stats: LogStats,
}

/// Open files of the committer.
#[derive(Default)]
pub(super) struct Files {
    /// The segment being written.
    pub active: Option<(u32, Rc<dyn DiskFile>)>,
    /// Written and not synced, by segment.
    pub dirty: Vec<(u32, Rc<dyn DiskFile>)>,
    /// A segment was created and its name is not synced.
    pub created: bool,
    pub reserve: Option<Rc<dyn DiskFile>>,
}

/// The log of one shard; see the module above. All methods take `&self`: it lives in an `Rc` on one thread.
pub struct Log {
    pub(super) disk: Rc<dyn Disk>,
    pub(super) clock: Rc<dyn Clock>,
    pub(super) seed: Rc<dyn Seed>,
    pub(super) dir: String,
    pub(super) options: LogOptions,
    pub(super) state: RefCell<State>,
    pub(super) files: RefCell<Files>,
    pub(super) reader: Reader,
    /// There may be something for the committer to do.
    pub(super) work: Event,
    /// There may be room for more.
    pub(super) room: Event,
    /// No committer is running.
    pub(super) idle: Gate,
}

/// Future of a commit: its LSN when it is durable and its callback has run.
pub struct Ticket {
    answer: OneshotReceiver<Result<Lsn, CommitError>>,
}

impl Future for Ticket {
    type Output = Result<Lsn, CommitError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Dropped unsent: the log itself is gone.
        Poll::Ready(ready!(Pin::new(&mut self.answer).poll(cx)).unwrap_or(Err(CommitError::Stopped)))
    }
}

impl Log {
    /// Opens (or begins) the log in `dir`, which must exist and be durable, and replays every commit at or after
    /// `from` in LSN order. An error of `replay` ends the opening with it.
    ///
    /// # Errors
    /// The disk's, a segment of another store or of a later format. Damage of records is no error: it is in the
    /// report.
    pub async fn open(
        disk: Rc<dyn Disk>,
        clock: Rc<dyn Clock>,
        seed: Rc<dyn Seed>,
        dir: &str,
        options: LogOptions,
        from: Position,
        replay: &mut dyn FnMut(ReplayedCommit<'_>) -> Result<(), StoreError>,
    ) -> Result<(Rc<Log>, RecoveryReport), StoreError> {
        assert!(
            (limits::segment_bytes_min..=limits::segment_bytes_max).contains(&options.segment_bytes),
            "segment size {} out of range",
            options.segment_bytes
        );
        let recovered = recovery::recover(&disk, dir, &options, from, replay).await?;
        let tail = Tail {
            open: None,
            next_segment: recovered.next_segment,
            end: recovered.end.address,
            next: recovered.end.next,
        };
        let log = Rc::new(Log {
            reader: Reader::new(disk.clone(), dir.to_owned(), options.store_uuid, options.shard),
            disk,
            clock,
            seed,
            dir: dir.to_owned(),
            state: RefCell::new(State {
                pending: Pending::new(tail, options.segment_bytes),
                waiting: VecDeque::new(),
                durable: tail,
                committed: Lsn(tail.next.0.saturating_sub(1)),
                begun: Vec::new(),
                generation: Generation(0),
                poisoned: None,
                stopping: options.read_only,
                rolling_back: false,
                full: false,
                probe_wanted: false,
                last_probe: None,
                wall: recovered.wall,
                stats: LogStats { segments: recovered.report.segments, ..LogStats::default() },
            }),
            options,
            files: RefCell::default(),
            work: Event::new(),
            room: Event::new(),
            idle: Gate::new(true),
        });
        if !log.options.read_only {
            let room = log.open_reserve().await?;
            log.state.borrow_mut().full = !room;
        }
        Ok((log, recovered.report))
    }

    /// Adds a record, buffered; its address is final. It becomes durable with the next commit. A rollback (full
    /// disk) discards it: remember `generation()` from before the first `put` of a message and hand it to `commit`.
    ///
    /// # Errors
    /// `TooLarge`, `Stopped`, `Poisoned`; `Full` while the disk is known to be full.
    pub fn put(&self, kind: RecordType, payload: &[u8]) -> Result<(Lsn, Address), CommitError> {
        debug_assert!(!matches!(kind, RecordType::Commit | RecordType::Pad), "the log's own types");
        self.admit(CommitKind::Delivery, payload.len())?;
        let added = self.push(kind, payload);
        if self.state.borrow().pending.bytes() >= limits::log_flush_bytes {
            self.work.notify();
        }
        Ok(added)
    }

    /// The current generation of records that were put and not yet committed.
    pub fn generation(&self) -> Generation {
        self.state.borrow().generation
    }

    /// Resolves when less than `limits::log_pending_bytes_max` are waiting to be written.
    ///
    /// # Errors
    /// As [`Log::put`].
    pub async fn pressure(&self) -> Result<(), CommitError> {
        loop {
            let room = self.room.wait();
            self.admit(CommitKind::Delivery, 0)?;
            if self.state.borrow().pending.bytes() < limits::log_pending_bytes_max {
                return Ok(());
            }
            room.await;
        }
    }

    /// Enqueues a commit. `settled` is called exactly once, synchronously by the committer, in LSN order: with
    /// `Ok` after the fdatasync, or with the error when the commit (and everything queued behind it) failed; only
    /// then do tickets wake. When this returns `Err`, nothing was enqueued and `settled` is dropped uncalled.
    ///
    /// # Errors
    /// `Full` also when `generation` is not the current one: records this commit refers to are gone.
    pub fn commit(
        &self,
        kind: CommitKind,
        generation: Generation,
        ops: &[u8],
        settled: Box<dyn FnOnce(Result<Lsn, CommitError>)>,
    ) -> Result<Ticket, CommitError> {
        self.admit(kind, COMMIT_HEAD + ops.len())?;
        let wall = {
            let mut state = self.state.borrow_mut();
            if state.generation != generation {
                return Err(CommitError::Full);
            }
            state.wall = state.wall.max(self.clock.wall());
            state.wall
        };
        let mut payload = Vec::with_capacity(COMMIT_HEAD + ops.len());
        // Durable-before is filled in when the batch is taken.
        payload.extend_from_slice(&[0; 8]);
        payload.extend_from_slice(&wall.0.to_le_bytes());
        payload.extend_from_slice(ops);
        let (lsn, _) = self.push(RecordType::Commit, &payload);
        let (sender, answer) = oneshot();
        self.state.borrow_mut().waiting.push_back(Waiting { lsn, settled, ticket: sender });
        self.work.notify();
        Ok(Ticket { answer })
    }

    /// Whether something of this kind and size can be added now.
    fn admit(&self, kind: CommitKind, bytes: usize) -> Result<(), CommitError> {
        let mut state = self.state.borrow_mut();
        if let Some(cause) = &state.poisoned {
            return Err(CommitError::Poisoned(cause.clone()));
        }
        if state.stopping {
            return Err(CommitError::Stopped);
        }
        if bytes > limits::record_payload_bytes_max {
            return Err(CommitError::TooLarge { bytes });
        }
        if state.rolling_back {
            return Err(CommitError::Full);
        }
        if state.full && kind == CommitKind::Delivery {
            state.probe_wanted = true;
            drop(state);
            self.work.notify();
            return Err(CommitError::Full);
        }
        Ok(())
    }

    fn push(&self, kind: RecordType, payload: &[u8]) -> (Lsn, Address) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let begun = &mut state.begun;
        let format = state.pending.format();
        let wall = state.wall.max(self.clock.wall());
        let added = state.pending.push(kind, payload, |tail| {
            begun.push(tail.next_segment);
            let mut salt = [0; 16];
            self.seed.fill(&mut salt);
            // The position of an empty log names segment 1 before there is one.
            let first = tail.end.segment >= tail.next_segment;
            SegmentHeader {
                format,
                store_uuid: self.options.store_uuid,
                shard: self.options.shard,
                epoch: self.options.epoch,
                number: tail.next_segment,
                key_id: 0,
                first: tail.next,
                durable_before: Lsn(0),
                previous_segment: if first { 0 } else { tail.end.segment },
                previous_end: if first { 0 } else { tail.end.offset },
                wall,
                salt,
            }
        });
        state.stats.pending_bytes = state.pending.bytes() as u64;
        added
    }

    /// Makes the next record begin a segment, and every segment from then on begin with this Dictionary record. What is put
    /// afterwards may depend on it.
    pub fn begin_with(&self, dictionary: Arc<[u8]>) {
        debug_assert!(dictionary.len() <= limits::record_payload_bytes_max);
        self.state.borrow_mut().pending.begin_with(dictionary);
    }

    /// What is put afterwards may hold operations on annotations: segments are of format 3 from the next record on, which begins
    /// one when they were not.
    pub fn begin_annotated(&self) {
        self.state.borrow_mut().pending.raise_format(segment::ANNOTATED);
    }

    /// What is put afterwards may be Documents records and operations on them: segments are of format 4 from the next record on.
    pub fn begin_documented(&self) {
        self.state.borrow_mut().pending.raise_format(segment::DOCUMENTED);
    }

    /// The Dictionary record that a segment begins with; `None` when it begins with none.
    ///
    /// # Errors
    /// There is one and it cannot be read.
    pub async fn dictionary_of(&self, segment: u32) -> Result<Option<RecordBytes>, ReadError> {
        self.reader.dictionary_of(segment).await
    }

    /// Bytes that a record with this payload takes in the log, without fill.
    pub fn record_bytes(payload: usize) -> u64 {
        (HEADER + payload).next_multiple_of(8) as u64
    }

    /// Wall time of commits will not be less than this (for a start from a checkpoint without commits behind it).
    pub fn raise_wall(&self, wall: WallTime) {
        let mut state = self.state.borrow_mut();
        state.wall = state.wall.max(wall);
    }

    /// Reads one record. `payload_len` is a hint: when it is right or too large one read suffices; 0 is unknown.
    ///
    /// # Errors
    /// What is at the address is not a record, or the disk refuses.
    pub async fn read(&self, address: Address, payload_len: usize) -> Result<RecordBytes, ReadError> {
        self.reader.read(address, payload_len).await
    }

    /// Reads many records, neighbours together; results are in the order asked for.
    pub async fn read_many(&self, wanted: &[(Address, usize)]) -> Vec<Result<RecordBytes, ReadError>> {
        self.reader.read_many(wanted).await
    }

    /// After the last durable batch. Everything applied so far lies before it; do not call it from a `settled`
    /// callback (some commits of the batch are not applied yet).
    pub fn durable_position(&self) -> Position {
        self.state.borrow().durable.position()
    }

    /// LSN of the last durable record. What follows the last commit is dropped by a recovery, durable or not (Pad, records
    /// that wait for their commit), and these LSNs are given out again: to compare with after a crash there is
    /// [`Log::committed_lsn`].
    pub fn durable_lsn(&self) -> Lsn {
        Lsn(self.state.borrow().durable.next.0.saturating_sub(1))
    }

    /// LSN of the last durable commit, or of the last record that counted when the log was opened. No recovery goes back behind
    /// it, unless the log (or the checkpoint that the opening began with) is damaged.
    pub fn committed_lsn(&self) -> Lsn {
        self.state.borrow().committed
    }

    /// Wall time of the last commit, durable or not.
    pub fn wall(&self) -> WallTime {
        self.state.borrow().wall
    }

    /// The first cause, when the log has been poisoned.
    pub fn poisoned(&self) -> Option<Arc<str>> {
        self.state.borrow().poisoned.clone()
    }

    /// True while deliveries are refused for want of space.
    pub fn is_full(&self) -> bool {
        self.state.borrow().full
    }

    pub fn stats(&self) -> LogStats {
        self.state.borrow().stats
    }

    /// Refuses new commits, waits until everything pending is durable or failed and `run` has ended (with commits
    /// pending, `run` must have been started or be about to). Records without a commit are dropped.
    pub async fn stop(&self) {
        self.state.borrow_mut().stopping = true;
        self.work.notify();
        self.room.notify();
        // The committer may not have had its first turn yet.
        self.room.until(|| self.idle.is_open() && self.state.borrow().waiting.is_empty()).await;
    }
}
