//! The lanes of the process: threads for searches and for the analysis of large messages. (Hashing has its own, `Authenticator`.)
//!
//! What must hold: one search uses every lane that is free; more searches than the queue holds are refused, not delayed without end; a client
//! that goes away stops its search; what is quick does not wait for what reads; a message that breaks the analysis costs nothing but its
//! analysis.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trawl_store::disk::blocking::{BatchReader, ReadRequest};
use trawl_store::shard::ReadAt;

use super::panics::guarded;
use super::pool::{Pool, PoolThreads};
use super::{memory, os};
use crate::lanes::analyse::analyse;
use crate::lanes::queue::{Next, NotTaken, SearchQueue};
use crate::lanes::search::{Found, Piece, ReadBatch, SearchError, SearchJob};
use crate::limits::{ANALYSIS_QUEUE_JOBS_MAX, MEMORY_IDLE_MS};

/// See the module.
pub struct LanePools {
    search: Arc<SearchQueue>,
    analysis: Pool,
}

/// The threads, to be joined at the end.
pub struct LaneThreads(Vec<std::thread::JoinHandle<()>>, PoolThreads);

impl LanePools {
    /// Starts `lanes` threads of each kind; they read below `store`.
    pub fn start(store: PathBuf, lanes: usize) -> std::io::Result<(LanePools, LaneThreads)> {
        let search = Arc::new(SearchQueue::default());
        let mut searching = Vec::new();
        for _ in 0..lanes.max(1) {
            let (queue, store) = (Arc::clone(&search), store.clone());
            let lane = std::thread::Builder::new().name("search".to_owned());
            searching.push(lane.spawn(move || search_lane(&queue, store))?);
        }
        let (analysis, analysing) = Pool::start("analysis", lanes, ANALYSIS_QUEUE_JOBS_MAX)?;
        Ok((LanePools { search, analysis }, LaneThreads(searching, analysing)))
    }

    /// Runs a search on as many lanes as it can use; dropping the future stops it.
    pub async fn search(&self, job: SearchJob) -> Result<Found, SearchError> {
        let _cancel = CancelOnDrop(Arc::clone(job.cancel()));
        match self.search.add(job.clone()) {
            Ok(()) => job.answered().await,
            Err(NotTaken::Full) => Err(SearchError::Busy),
            Err(NotTaken::Stopped) => Err(SearchError::Cancelled),
        }
    }

    /// The encoded summary of a message; waits for a lane.
    pub async fn analyse(&self, message: Vec<u8>) -> Vec<u8> {
        let message = Arc::new(message);
        let on_lane = Arc::clone(&message);
        match self.analysis.run_patiently(move || analyse(&on_lane)).await {
            Ok(summary) => summary,
            // The lanes have stopped: the server does, and this is one of the commands it still ends.
            Err(_) => analyse(&message),
        }
    }

    /// Takes no more work.
    pub fn stop(&self) {
        self.search.stop();
        self.analysis.stop();
    }
}

impl LaneThreads {
    pub fn join(self) {
        for lane in self.0 {
            let _ = lane.join();
        }
        self.1.join();
    }
}

/// A lane from start to stop.
fn search_lane(queue: &SearchQueue, store: PathBuf) {
    os::lower_own_priority();
    let mut reader = LaneDisk::new(store);
    let mut worked = false;
    loop {
        match queue.wait(worked.then_some(Duration::from_millis(MEMORY_IDLE_MS))) {
            Next::Piece(job, piece) => {
                work(queue, &job, piece, &mut |places| reader.read(places));
                worked = true;
            }
            Next::Idle => {
                reader.close_files();
                memory::give_back();
                worked = false;
            }
            Next::Stopped => return,
        }
    }
}

/// Does a piece; while it reads messages, whatever is quick goes between them.
fn work(queue: &SearchQueue, job: &SearchJob, piece: Piece, read: &mut ReadBatch<'_>) {
    let mut others = || {
        while let Some((job, piece)) = queue.next(true) {
            let done = guarded(|| job.run(piece.clone(), &mut nothing_to_read, &mut || ()));
            if done.is_err() {
                job.broke(&piece);
            }
        }
    };
    if guarded(|| job.run(piece.clone(), read, &mut others)).is_err() {
        job.broke(&piece);
    }
}

/// What a quick piece reads with.
fn nothing_to_read(places: &[ReadAt]) -> Vec<std::io::Result<Vec<u8>>> {
    places.iter().map(|_| Err(std::io::ErrorKind::Unsupported.into())).collect()
}

/// How a lane reads: with an io_uring of its own, made when it is first used.
pub struct LaneDisk {
    store: PathBuf,
    reader: Option<BatchReader>,
}

impl LaneDisk {
    pub fn new(store: PathBuf) -> LaneDisk {
        LaneDisk { store, reader: None }
    }

    /// One answer for each place, in order.
    pub fn read(&mut self, places: &[ReadAt]) -> Vec<std::io::Result<Vec<u8>>> {
        let reader = self.reader.get_or_insert_with(|| {
            let reader = BatchReader::new();
            if let Some(error) = reader.refused() {
                tracing::warn!(%error, "a lane has no io_uring and reads one by one");
            }
            reader
        });
        let request = |place: &ReadAt| ReadRequest {
            path: self.store.join(&place.path),
            pos: place.offset,
            len: place.len,
        };
        reader.read_batch(&places.iter().map(request).collect::<Vec<_>>())
    }

    /// Segments that compaction or an erased account removed free their space only when nobody has them open.
    pub fn close_files(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.close_files();
        }
    }
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
