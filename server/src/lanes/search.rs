//! A search over message text as work for the search lanes: plain `Send` data and a worker function.
//!
//! Not here: threads (the runtime starts them), what a key means (`trawl_index::scan`), mailbox state (the
//! program holds it as bitmaps). What must hold: an answer is complete or an error; nothing is read
//! that state or headers decide; memory of one worker is bounded by a batch, not by the mailbox; the
//! cancel flag is looked at between messages and, by the scan, inside of them.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use roaring::RoaringBitmap;
use trawl_index::query::Node;
use trawl_index::scan::{Compiled, Message, Stopped};
use trawl_store::log::Address;
use trawl_store::shard::{LaneReader, ReadAt, Shard};

use crate::limits;

/// A message whose text has to be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its position in the view, by which the program knows it.
    pub position: u32,
    /// RFC822.SIZE, bytes: bounds the batch it is read in.
    pub size: u32,
    pub address: Address,
}

/// How much of a message to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Extent {
    Header,
    Whole,
}

/// A message as it was read; `body` is empty when only the header was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Content {
    header: Vec<u8>,
    body: Vec<u8>,
}

/// Reads a batch for a lane: one answer for each place, in order; paths are relative to the store's root.
pub type ReadBatch<'a> = dyn FnMut(&[ReadAt]) -> Vec<io::Result<Vec<u8>>> + 'a;

/// Reads messages on the thread of a lane.
trait ContentReader {
    /// One result for each address, in order.
    fn read(&mut self, wanted: &[Address], extent: Extent) -> Vec<Result<Content, String>>;
}

/// The messages of a shard, read through what the lane offers.
struct Stored<'a> {
    reader: &'a LaneReader,
    read: &'a mut ReadBatch<'a>,
}

impl ContentReader for Stored<'_> {
    fn read(&mut self, wanted: &[Address], extent: Extent) -> Vec<Result<Content, String>> {
        let messages = self.reader.read_messages(wanted, extent == Extent::Whole, self.read);
        messages
            .into_iter()
            .map(|message| match message {
                Ok(message) => Ok(Content { header: message.header, body: message.body }),
                Err(error) => Err(error.to_string()),
            })
            .collect()
    }
}

/// Why a search has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SearchError {
    /// Its client went away or the server stops.
    #[error("the search was cancelled")]
    Cancelled,
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

/// One search. Clones are the same search: any number of lanes may [`SearchJob::run`] it at once.
#[derive(Clone)]
pub struct SearchJob {
    reader: LaneReader,
    work: Arc<Work>,
}

struct Work {
    compiled: Compiled,
    /// Some key looks at headers alone: then those are read first and may decide.
    headers_first: bool,
    candidates: Vec<Candidate>,
    batches: Vec<Range<usize>>,
    next_batch: AtomicUsize,
    done_batches: AtomicUsize,
    cancel: Arc<AtomicBool>,
    found: Mutex<Result<RoaringBitmap, SearchError>>,
}

impl SearchJob {
    /// A search for `node` among `candidates` of the shard that `reader` reads. Raising `cancel` stops it.
    pub fn new(
        node: &Node,
        reader: LaneReader,
        candidates: Vec<Candidate>,
        cancel: Arc<AtomicBool>,
    ) -> SearchJob {
        SearchJob { reader, work: Arc::new(Work::new(node, candidates, cancel)) }
    }

    /// The flag that stops it.
    pub fn cancel(&self) -> &Arc<AtomicBool> {
        &self.work.cancel
    }

    /// How many lanes have something to do.
    pub fn width(&self) -> usize {
        self.work.batches.len()
    }

    /// Works until no batch is left, on the thread of a lane that reads with `read`. Several may run at
    /// once, and begin at any time.
    pub fn run(&self, read: &mut ReadBatch<'_>) {
        self.work.run(&mut Stored { reader: &self.reader, read: &mut |places| read(places) });
    }

    /// The simulated twin of a lane: the same search, reading through the shard, on the executor.
    pub async fn run_inline(&self, shard: &Shard) -> Result<RoaringBitmap, SearchError> {
        while let Some(batch) = self.work.claim() {
            let mut found = RoaringBitmap::new();
            for candidate in &self.work.candidates[batch] {
                if self.work.cancel.load(Ordering::Relaxed) {
                    return Err(SearchError::Cancelled);
                }
                let failed = |error: trawl_store::error::ReadError| SearchError::Read(error.to_string());
                let header = shard.read_header(candidate.address).await.map_err(failed)?;
                let mut body = shard.read_all(candidate.address).await.map_err(failed)?;
                body.drain(..header.len().min(body.len()));
                let message = Message { header: &header, body: &body };
                let matches = self.work.compiled.matches(candidate.position, &message, &self.work.cancel);
                if matches.map_err(|Stopped| SearchError::Cancelled)? {
                    found.insert(candidate.position);
                }
                futures_lite::future::yield_now().await;
            }
            self.work.finish_batch();
            self.work.merge(&found);
        }
        self.result()
    }

    /// The answer, once every [`SearchJob::run`] has returned.
    pub fn result(&self) -> Result<RoaringBitmap, SearchError> {
        self.work.result()
    }
}

impl Work {
    fn new(node: &Node, candidates: Vec<Candidate>, cancel: Arc<AtomicBool>) -> Work {
        Work {
            compiled: Compiled::new(node),
            headers_first: has_header_key(node),
            batches: batches(&candidates),
            candidates,
            next_batch: AtomicUsize::new(0),
            done_batches: AtomicUsize::new(0),
            cancel,
            found: Mutex::new(Ok(RoaringBitmap::new())),
        }
    }

    fn run(&self, reader: &mut dyn ContentReader) {
        let mut found = RoaringBitmap::new();
        while let Some(batch) = self.claim() {
            if let Err(error) = self.batch(batch, reader, &mut found) {
                self.fail(error);
                return;
            }
            self.finish_batch();
        }
        self.merge(&found);
    }

    fn claim(&self) -> Option<Range<usize>> {
        let next = self.next_batch.fetch_add(1, Ordering::Relaxed);
        self.batches.get(next).cloned()
    }

    fn finish_batch(&self) {
        self.done_batches.fetch_add(1, Ordering::AcqRel);
    }

    fn merge(&self, more: &RoaringBitmap) {
        if let Ok(found) = &mut *self.found.lock().unwrap_or_else(PoisonError::into_inner) {
            *found |= more;
        }
    }

    /// Notes an error; the first one is the answer, and the other workers stop.
    fn fail(&self, error: SearchError) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.is_ok() {
            *found = Err(error);
        }
        self.next_batch.store(self.batches.len(), Ordering::Relaxed);
    }

    fn result(&self) -> Result<RoaringBitmap, SearchError> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        if self.cancel.load(Ordering::Relaxed) {
            return Err(SearchError::Cancelled);
        }
        // A worker that broke off without a word leaves a batch undone.
        let complete = self.done_batches.load(Ordering::Acquire) == self.batches.len();
        if complete { Ok(found) } else { Err(SearchError::Failed) }
    }

    fn batch(
        &self,
        batch: Range<usize>,
        reader: &mut dyn ContentReader,
        found: &mut RoaringBitmap,
    ) -> Result<(), SearchError> {
        let mut open: Vec<Candidate> = Vec::with_capacity(batch.len());
        for candidate in &self.candidates[batch] {
            match self.compiled.before_read(candidate.position) {
                Some(true) => _ = found.insert(candidate.position),
                Some(false) => {}
                None => open.push(*candidate),
            }
        }
        if self.headers_first || !self.compiled.needs_body() {
            let headers = self.read(reader, &open, Extent::Header)?;
            let mut undecided = Vec::new();
            for (candidate, content) in open.into_iter().zip(headers) {
                match self.compiled.before_body(candidate.position, &content.header, &self.cancel) {
                    Err(Stopped) => return Err(SearchError::Cancelled),
                    Ok(Some(true)) => _ = found.insert(candidate.position),
                    Ok(Some(false)) => {}
                    Ok(None) => undecided.push(candidate),
                }
            }
            open = undecided;
        }
        for (candidate, content) in open.iter().zip(self.read(reader, &open, Extent::Whole)?) {
            let message = Message { header: &content.header, body: &content.body };
            match self.compiled.matches(candidate.position, &message, &self.cancel) {
                Err(Stopped) => return Err(SearchError::Cancelled),
                Ok(true) => _ = found.insert(candidate.position),
                Ok(false) => {}
            }
        }
        Ok(())
    }

    fn read(
        &self,
        reader: &mut dyn ContentReader,
        candidates: &[Candidate],
        extent: Extent,
    ) -> Result<Vec<Content>, SearchError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(SearchError::Cancelled);
        }
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let addresses: Vec<Address> = candidates.iter().map(|candidate| candidate.address).collect();
        reader.read(&addresses, extent).into_iter().map(|read| read.map_err(SearchError::Read)).collect()
    }
}

const _: () = {
    const fn crosses_threads<T: Send + Sync>() {}
    crosses_threads::<Work>();
    const fn moves<T: Send>() {}
    moves::<SearchJob>();
};

/// Cuts the candidates into batches of bounded number and bytes; a message larger than that has one
/// for itself.
fn batches(candidates: &[Candidate]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0u64);
    for (at, candidate) in candidates.iter().enumerate() {
        let size = u64::from(candidate.size);
        let full = at - start >= limits::SEARCH_BATCH_MESSAGES_MAX;
        if at > start && (full || bytes + size > limits::SEARCH_BATCH_BYTES_MAX) {
            batches.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < candidates.len() {
        batches.push(start..candidates.len());
    }
    batches
}

fn has_header_key(node: &Node) -> bool {
    match node {
        Node::All | Node::None | Node::State(_) => false,
        Node::Text(key) => key.field.is_header_only(),
        Node::Not(node) => has_header_key(node),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(has_header_key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trawl_index::query::{Field, TextKey};

    fn candidate(position: u32, size: u32) -> Candidate {
        Candidate { position, size, address: Address { segment: 1, offset: position } }
    }

    fn text(field: Field, needle: &str) -> Node {
        Node::Text(TextKey { field, needle: needle.to_owned() })
    }

    /// Messages by the offset of their address: the subject holds `s<n>`, the body `b<n>`.
    #[derive(Default)]
    struct Memory {
        headers: usize,
        wholes: usize,
        largest_batch: usize,
        broken: Option<u32>,
    }

    impl ContentReader for Memory {
        fn read(&mut self, wanted: &[Address], extent: Extent) -> Vec<Result<Content, String>> {
            self.largest_batch = self.largest_batch.max(wanted.len());
            let one = |address: &Address| {
                let n = address.offset;
                if self.broken == Some(n) {
                    return Err(format!("checksum of {n}"));
                }
                let header = format!("Subject: s{n}s\r\n\r\n").into_bytes();
                let body = format!("b{n}b\r\n").into_bytes();
                Ok(match extent {
                    Extent::Header => Content { header, body: Vec::new() },
                    Extent::Whole => Content { header, body },
                })
            };
            match extent {
                Extent::Header => self.headers += wanted.len(),
                Extent::Whole => self.wholes += wanted.len(),
            }
            wanted.iter().map(one).collect()
        }
    }

    fn job(node: &Node, count: u32) -> Work {
        Work::new(node, (0..count).map(|n| candidate(n, 100)).collect(), Arc::default())
    }

    #[test]
    fn batches_are_bounded_and_cover_everything() {
        let big = u32::try_from(limits::SEARCH_BATCH_BYTES_MAX).unwrap();
        let sizes = [1, 1, big, big, 1, big - 1, 1, u32::MAX, 5];
        let candidates: Vec<_> = (0..).zip(sizes).map(|(n, size)| candidate(n, size)).collect();
        assert_eq!(batches(&candidates), [0..2, 2..3, 3..4, 4..6, 6..7, 7..8, 8..9]);
        let many: Vec<_> =
            (0..limits::SEARCH_BATCH_MESSAGES_MAX as u32 + 1).map(|n| candidate(n, 1)).collect();
        assert_eq!(batches(&many).len(), 2);
        assert!(batches(&[]).is_empty());
    }

    #[test]
    fn lanes_share_one_search() {
        let job = job(&text(Field::Body, "7b"), 500);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| job.run(&mut Memory::default()));
            }
        });
        let want: RoaringBitmap = (0..500).filter(|n| n % 10 == 7).collect();
        assert_eq!(job.result(), Ok(want));
        assert!(job.batches.len() > 1);
    }

    #[test]
    fn bodies_are_read_only_where_state_and_header_leave_it_open() {
        let state: RoaringBitmap = (10..20).collect();
        let node = Node::And(vec![
            Node::State(state),
            Node::Or(vec![text(Field::Subject, "s11s"), text(Field::Body, "b12b")]),
        ]);
        let job = job(&node, 100);
        let mut memory = Memory::default();
        job.run(&mut memory);
        assert_eq!(job.result(), Ok([11, 12].into_iter().collect()));
        assert_eq!((memory.headers, memory.wholes), (10, 9));
        assert!(memory.largest_batch <= limits::SEARCH_BATCH_MESSAGES_MAX);
    }

    #[test]
    fn an_answer_is_complete_or_an_error() {
        let node = text(Field::Body, "b");
        let broken = job(&node, 300);
        broken.run(&mut Memory { broken: Some(250), ..Memory::default() });
        assert_eq!(broken.result(), Err(SearchError::Read("checksum of 250".into())));

        let cancelled = job(&node, 300);
        cancelled.cancel.store(true, Ordering::Relaxed);
        cancelled.run(&mut Memory::default());
        assert_eq!(cancelled.result(), Err(SearchError::Cancelled));

        let never_run = job(&node, 300);
        assert_eq!(never_run.result(), Err(SearchError::Failed));
    }
}
