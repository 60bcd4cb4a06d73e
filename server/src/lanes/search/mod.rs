//! A search over message text as work for the search lanes: plain `Send` data and worker functions.
//!
//! A search is cut into pieces of bounded time: one for each segment of the index, some for texts that are in memory, the
//! others for messages that are read from the log. Any number of lanes take pieces, of this search and of others in turn
//! (`queue`). Not here: threads (the runtime starts them), what a key means (`trawl_index::scan`), mailbox state (the program
//! holds it as bitmaps). What must hold: an answer is complete or an error; a fault of the index is never an error, its
//! messages are left over, as are those whose texts are given up while it waits; nothing is read that state or headers
//! decide; memory of one worker is bounded by a batch, not by the mailbox; the cancel flag is looked at between messages
//! and inside of them.

mod indexed;
mod scan;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_channel::{Receiver, Sender};
use roaring::RoaringBitmap;
use trawl_index::account::AccountIndex;
use trawl_index::prepare::Prepared;
use trawl_index::query::Node;
use trawl_index::scan::{Compiled, Message, Stopped};
use trawl_store::log::Address;
use trawl_store::shard::{Document, LaneReader, Shard};
use trawl_store::types::{AccountId, ShardId};

use super::times::{Kind, Spent, Times};
use crate::limits;
pub use indexed::Indexed;
use indexed::Segments;
pub use scan::ReadBatch;
use scan::{Batches, ContentReader, Stored};

/// Whose messages are searched.
pub type AccountKey = (ShardId, AccountId);

/// A message whose text has to be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its position in the view, by which the program knows it.
    pub position: u32,
    /// Its number in the account, or the serial of its documents' texts where all messages have some.
    pub message: u32,
    /// RFC822.SIZE, bytes: bounds the batch it is read in.
    pub size: u32,
    pub address: Address,
    /// Where the texts of its documents are, if they count.
    pub documents: Option<Address>,
}

/// Why a search has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SearchError {
    /// Its client went away or the server stops.
    #[error("the search was cancelled")]
    Cancelled,
    /// It took longer than a search may.
    #[error("the search took too long")]
    TooLong,
    /// The lanes have more work than their queue may hold.
    #[error("too many searches are waiting")]
    Busy,
    /// A message could not be read, so the answer would not be complete.
    #[error("a message could not be read: {0}")]
    Read(String),
    /// A worker failed in a way that is our fault.
    #[error("the search failed unexpectedly")]
    Failed,
}

/// What to search, and where: positions in the three sources are disjoint.
pub struct Order {
    pub account: AccountKey,
    /// State bitmaps hold positions.
    pub node: Node,
    pub reader: LaneReader,
    /// Messages that the index answers for.
    pub indexed: Option<Indexed>,
    /// Messages whose texts are in memory, by position. A search that waits does not keep them there.
    pub prepared: Vec<(u32, Arc<Prepared>)>,
    /// Messages that are read from the log.
    pub scan: Vec<Candidate>,
    /// Where texts that are read are kept for the next search.
    pub keep: Option<Arc<AccountIndex>>,
    /// Raising it stops the search.
    pub cancel: Arc<AtomicBool>,
}

/// The answer of a search.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// Positions that match.
    pub positions: RoaringBitmap,
    /// Positions that nothing was found out about: their index is damaged, or their texts were given up while the search waited.
    pub left: RoaringBitmap,
    /// The index of some of these is damaged.
    pub is_damaged: bool,
}

/// One search. Clones are the same search.
#[derive(Clone)]
pub struct SearchJob {
    work: Arc<Work>,
}

/// A part of a search that one lane does at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// A segment of the index.
    Segment(usize),
    /// Texts in memory.
    Prepared(Range<usize>),
    /// Messages to be read.
    Batch(Range<usize>),
}

impl Piece {
    fn kind(&self) -> Kind {
        match self {
            Piece::Segment(_) => Kind::Segment,
            Piece::Prepared(_) => Kind::Prepared,
            Piece::Batch(_) => Kind::Batch,
        }
    }
}

struct Work {
    account: AccountKey,
    /// Octets of the program: as it came, as it is compiled for texts, and as it is for the index.
    program: usize,
    compiled: Compiled,
    reader: LaneReader,
    segments: Option<Segments>,
    prepared: Vec<(u32, Weak<Prepared>)>,
    batches: Batches,
    /// Pieces that wait for nobody's disk, and how many of them were claimed.
    quick: usize,
    next_quick: AtomicUsize,
    next_batch: AtomicUsize,
    /// Pieces that are not done.
    open: AtomicUsize,
    cancel: Arc<AtomicBool>,
    times: Times,
    found: Mutex<Result<Found, SearchError>>,
    /// Closed when there is an answer.
    done: (Sender<()>, Receiver<()>),
}

impl SearchJob {
    pub fn new(order: Order) -> SearchJob {
        SearchJob { work: Arc::new(Work::new(order)) }
    }

    /// The flag that stops it.
    pub fn cancel(&self) -> &Arc<AtomicBool> {
        &self.work.cancel
    }

    pub fn account(&self) -> AccountKey {
        self.work.account
    }

    /// Octets that it holds, about.
    pub fn octets(&self) -> usize {
        let work = &self.work;
        let texts = work.prepared.len() * size_of::<(u32, Weak<Prepared>)>();
        let segments = work.segments.as_ref().map_or(0, Segments::octets);
        limits::SEARCH_JOB_BYTES + work.program + texts + work.batches.octets() + segments
    }

    /// How many pieces it has.
    pub fn width(&self) -> usize {
        self.work.quick + self.work.batches.len()
    }

    /// Takes a piece that nobody has taken: one that is quick, or else, when allowed, one that reads.
    pub fn claim(&self, quick_only: bool) -> Option<Piece> {
        self.work.claim(quick_only)
    }

    /// Whether there is nothing left to take.
    pub fn is_exhausted(&self) -> bool {
        self.work.is_exhausted()
    }

    /// Whether a piece that reads nothing is left to take.
    pub fn has_quick(&self) -> bool {
        self.work.next_quick.load(Ordering::Relaxed) < self.work.quick
    }

    /// Does a piece on the thread of a lane that reads with `read`. Between messages that it reads it lets `others` go first. `now`
    /// is the clock of the lanes, in nanoseconds.
    pub fn run(
        &self,
        piece: Piece,
        read: &mut ReadBatch<'_>,
        others: &mut dyn FnMut(),
        now: &dyn Fn() -> u64,
    ) {
        let mut reader = Stored::new(&self.work.reader, read);
        self.work.run(piece, &mut reader, others, now);
    }

    /// It waits for a lane from now on.
    pub fn queued(&self, now: u64) {
        self.work.times.queued(now);
    }

    /// What its pieces of a kind cost so far.
    pub fn spent(&self, kind: Kind) -> Spent {
        self.work.times.spent(kind)
    }

    /// A worker broke down over a piece. What the index broke over is scanned instead.
    pub fn broke(&self, piece: &Piece) {
        self.work.broke(piece);
    }

    /// Nobody will work on it any more.
    pub fn abandon(&self) {
        self.work.fail(SearchError::Cancelled);
    }

    /// Whether both are the same search.
    pub fn is(&self, other: &SearchJob) -> bool {
        Arc::ptr_eq(&self.work, &other.work)
    }

    /// Waits for the answer.
    pub async fn answered(&self) -> Result<Found, SearchError> {
        // Closed when there is an answer.
        let _ = self.work.done.1.recv().await;
        self.work.result()
    }

    /// The simulated twin of a lane: the same search, reading through the shard, on the executor.
    pub async fn run_inline(&self, shard: &Shard) -> Result<Found, SearchError> {
        while let Some(piece) = self.claim(false) {
            let Piece::Batch(batch) = piece else { return Err(SearchError::Failed) };
            let mut found = RoaringBitmap::new();
            for candidate in self.work.batches.candidates(batch) {
                if self.work.cancel.load(Ordering::Relaxed) {
                    return Err(SearchError::Cancelled);
                }
                let failed = |error: trawl_store::error::ReadError| SearchError::Read(error.to_string());
                let header = shard.read_header(candidate.address).await.map_err(failed)?;
                let mut body = shard.read_all(candidate.address).await.map_err(failed)?;
                body.drain(..header.len().min(body.len()));
                let mut documents = Vec::new();
                if let Some(address) = candidate.documents {
                    documents = texts(shard.read_documents(address).await.map_err(failed)?);
                }
                let message = Message { header: &header, body: &body, documents: &documents };
                let matches = self.work.compiled.matches(candidate.position, &message, &self.work.cancel);
                if matches.map_err(|Stopped| SearchError::Cancelled)? {
                    found.insert(candidate.position);
                }
                futures_lite::future::yield_now().await;
            }
            self.work.merge(&found);
            self.work.times.piece(Kind::Batch, 0, 0);
            self.work.piece_done();
        }
        self.work.result()
    }
}

impl Work {
    fn new(order: Order) -> Work {
        let Order { account, node, reader, indexed, prepared, scan, keep, cancel } = order;
        let segments = indexed.map(|indexed| Segments::new(indexed, &node));
        let prepared_pieces = prepared.len().div_ceil(limits::SEARCH_PREPARED_MESSAGES);
        let quick = segments.as_ref().map_or(0, Segments::len) + prepared_pieces;
        let batches = Batches::new(&node, scan, keep);
        let work = Work {
            account,
            program: 3 * node.octets(),
            compiled: Compiled::new(&node),
            reader,
            segments,
            prepared: prepared.into_iter().map(|(at, texts)| (at, Arc::downgrade(&texts))).collect(),
            quick,
            next_quick: AtomicUsize::new(0),
            next_batch: AtomicUsize::new(0),
            open: AtomicUsize::new(quick + batches.len()),
            batches,
            cancel,
            times: Times::default(),
            found: Mutex::new(Ok(Found::default())),
            done: async_channel::bounded(1),
        };
        if work.open.load(Ordering::Relaxed) == 0 {
            work.done.0.close();
        }
        work
    }

    fn claim(&self, quick_only: bool) -> Option<Piece> {
        let next = |counter: &AtomicUsize, end: usize| {
            let claim = |next: usize| (next < end).then_some(next + 1);
            counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).ok()
        };
        if let Some(next) = next(&self.next_quick, self.quick) {
            let segments = self.segments.as_ref().map_or(0, Segments::len);
            let Some(chunk) = next.checked_sub(segments) else { return Some(Piece::Segment(next)) };
            let start = chunk * limits::SEARCH_PREPARED_MESSAGES;
            let end = self.prepared.len().min(start + limits::SEARCH_PREPARED_MESSAGES);
            return Some(Piece::Prepared(start..end));
        }
        if quick_only {
            return None;
        }
        next(&self.next_batch, self.batches.len()).map(|next| Piece::Batch(self.batches.batch(next)))
    }

    fn is_exhausted(&self) -> bool {
        self.next_quick.load(Ordering::Relaxed) >= self.quick
            && self.next_batch.load(Ordering::Relaxed) >= self.batches.len()
    }

    fn run(
        &self,
        piece: Piece,
        reader: &mut dyn ContentReader,
        others: &mut dyn FnMut(),
        now: &dyn Fn() -> u64,
    ) {
        let (kind, began) = (piece.kind(), now());
        // What others do meanwhile is none of its work.
        let mut away = 0;
        let mut others = || {
            let left = now();
            others();
            away += now().saturating_sub(left);
        };
        let mut found = RoaringBitmap::new();
        let done = match piece {
            Piece::Segment(at) => {
                self.segments.as_ref().map_or(Ok(()), |segments| segments.run(at, &self.cancel))
            }
            Piece::Prepared(range) => self.in_memory(range, &mut found),
            Piece::Batch(batch) => {
                self.batches.run(batch, &self.compiled, reader, &self.cancel, &mut others, &mut found)
            }
        };
        self.times.piece(kind, began, now().saturating_sub(began).saturating_sub(away));
        match done {
            Ok(()) => {
                self.merge(&found);
                self.piece_done();
            }
            Err(error) => self.fail(error),
        }
    }

    fn in_memory(&self, range: Range<usize>, found: &mut RoaringBitmap) -> Result<(), SearchError> {
        for (position, texts) in self.prepared.get(range).unwrap_or_default() {
            let Some(texts) = texts.upgrade() else {
                if let Ok(found) = &mut *self.found() {
                    found.left.insert(*position);
                }
                continue;
            };
            match texts.matches(*position, &self.compiled, &self.cancel) {
                Err(Stopped) => return Err(SearchError::Cancelled),
                Ok(true) => _ = found.insert(*position),
                Ok(false) => {}
            }
        }
        Ok(())
    }

    fn broke(&self, piece: &Piece) {
        match (piece, &self.segments) {
            (Piece::Segment(at), Some(segments)) => {
                segments.give_up(*at, "a search broke down over it");
                self.piece_done();
            }
            _ => self.fail(SearchError::Failed),
        }
    }

    fn found(&self) -> MutexGuard<'_, Result<Found, SearchError>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn merge(&self, more: &RoaringBitmap) {
        if more.is_empty() {
            return;
        }
        if let Ok(found) = &mut *self.found() {
            found.positions |= more;
        }
    }

    /// The last piece makes the answer.
    fn piece_done(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        if let Some(segments) = &self.segments {
            let indexed = segments.finish();
            if let Ok(found) = &mut *self.found() {
                found.positions |= indexed.positions;
                found.left |= indexed.left;
                found.is_damaged |= indexed.is_damaged;
            }
        }
        self.done.0.close();
    }

    /// Notes an error; the first one is the answer, and the other workers stop.
    fn fail(&self, error: SearchError) {
        {
            let mut found = self.found();
            if found.is_ok() {
                *found = Err(error);
            }
        }
        self.next_quick.store(self.quick, Ordering::Relaxed);
        self.next_batch.store(self.batches.len(), Ordering::Relaxed);
        self.done.0.close();
    }

    fn result(&self) -> Result<Found, SearchError> {
        let found = self.found().clone()?;
        if self.cancel.load(Ordering::Relaxed) {
            return Err(SearchError::Cancelled);
        }
        // A worker that broke off without a word leaves a piece undone.
        if self.open.load(Ordering::Acquire) == 0 { Ok(found) } else { Err(SearchError::Failed) }
    }
}

/// What is searched of documents.
pub(crate) fn texts(documents: Vec<Document>) -> Vec<String> {
    documents.into_iter().map(|document| document.text).filter(|text| !text.is_empty()).collect()
}

const _: () = {
    const fn crosses_threads<T: Send + Sync>() {}
    crosses_threads::<Work>();
    const fn moves<T: Send>() {}
    moves::<SearchJob>();
};

#[cfg(test)]
pub(crate) mod tests_support;

#[cfg(test)]
mod tests;
