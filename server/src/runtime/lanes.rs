//! The lanes of the process: threads for searches and for the analysis of large messages. (Hashing has its own, `Authenticator`.)
//!
//! What must hold: one search uses every lane that is free; more searches than the queue holds are refused, not delayed without end; a client
//! that goes away stops its search; a message that breaks the analysis costs nothing but its analysis.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roaring::RoaringBitmap;
use trawl_store::disk::blocking::{BatchReader, ReadRequest};
use trawl_store::shard::ReadAt;

use super::pool::{Pool, PoolError, PoolThreads};
use crate::lanes::analyse::analyse;
use crate::lanes::search::{SearchError, SearchJob};
use crate::limits::{ANALYSIS_QUEUE_JOBS_MAX, SEARCH_QUEUE_JOBS_MAX};

/// See the module.
pub struct LanePools {
    store: Arc<Path>,
    lanes: usize,
    search: Pool,
    analysis: Pool,
}

/// The threads, to be joined at the end.
pub struct LaneThreads(PoolThreads, PoolThreads);

thread_local! {
    /// A lane's own io_uring, made at its first search.
    static READER: RefCell<Option<BatchReader>> = const { RefCell::new(None) };
}

impl LanePools {
    /// Starts `lanes` threads of each kind; they read below `store`.
    pub fn start(store: PathBuf, lanes: usize) -> std::io::Result<(LanePools, LaneThreads)> {
        let (search, searching) = Pool::start("search", lanes, SEARCH_QUEUE_JOBS_MAX)?;
        let (analysis, analysing) = Pool::start("analysis", lanes, ANALYSIS_QUEUE_JOBS_MAX)?;
        let pools = LanePools { store: store.into(), lanes, search, analysis };
        Ok((pools, LaneThreads(searching, analysing)))
    }

    /// Runs a search on as many lanes as it can use; dropping the future stops it.
    pub async fn search(&self, job: SearchJob) -> Result<RoaringBitmap, SearchError> {
        let _cancel = CancelOnDrop(Arc::clone(job.cancel()));
        let mut running = Vec::new();
        for lane in 0..job.width().min(self.lanes) {
            let (give, take) = async_channel::bounded::<()>(1);
            let (work, store) = (job.clone(), Arc::clone(&self.store));
            let posted = self.search.post(move || {
                run_on_lane(&work, &store);
                drop(give);
            });
            match posted {
                Ok(()) => running.push(take),
                // The lanes that took it do all of it.
                Err(PoolError::Full) if lane > 0 => break,
                Err(PoolError::Full) => return Err(SearchError::Busy),
                Err(_) => return Err(SearchError::Cancelled),
            }
        }
        for lane in running {
            // Closed when the job ends, in whatever way.
            let _ = lane.recv().await;
        }
        job.result()
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
        self.0.join();
        self.1.join();
    }
}

fn run_on_lane(job: &SearchJob, store: &Path) {
    READER.with_borrow_mut(|reader| {
        let reader = reader.get_or_insert_with(|| {
            let reader = BatchReader::new();
            if let Some(error) = reader.refused() {
                tracing::warn!(%error, "a search lane has no io_uring and reads one by one");
            }
            reader
        });
        job.run(&mut |places| {
            let request = |place: &ReadAt| ReadRequest {
                path: store.join(&place.path),
                pos: place.offset,
                len: place.len,
            };
            reader.read_batch(&places.iter().map(request).collect::<Vec<_>>())
        });
        // Segments that compaction or an erased account removed free their space only when nobody has them open.
        reader.close_files();
    });
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
