//! The lanes of the process: threads for searches, for sorting, for the analysis of large messages, one that
//! trains dictionaries, and one that saves what SORT and THREAD compare. (Hashing has its own, `Authenticator`.)
//!
//! What must hold: one account has every lane of the settings while it is alone, and no other waits for it, because there is one more; more
//! searches than the queue holds are refused, not delayed without end; a client that goes away stops its search; what is quick and
//! what reads take turns, some quick ones for each message that is read; a message that breaks the analysis costs nothing but its analysis.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use trawl_store::disk::blocking::{BatchReader, ReadRequest};
use trawl_store::shard::{Dictionary, ReadAt, Training};

use super::clock::ProcessStart;
use super::panics::guarded;
use super::pool::{Pool, PoolError, PoolThreads};
use super::{memory, os};
use crate::lanes::analyse::analyse;
use crate::lanes::arrange::{ArrangeJob, Arranged};
use crate::lanes::entries::{EntriesJob, Read, SaveJob};
use crate::lanes::queue::{Next, NotTaken, SearchQueue, Turn};
use crate::lanes::search::{AccountKey, Found, ReadBatch, SearchError, SearchJob};
use crate::lanes::similar::SimilarJob;
use crate::lanes::{CancelOnDrop, Timed};
use crate::limits::{
    ANALYSIS_QUEUE_JOBS_MAX, ARRANGE_QUEUE_JOBS_MAX, MEMORY_IDLE_MS, SAVING_QUEUE_JOBS_MAX,
    SEARCH_QUICK_BETWEEN_MAX, TRAINING_QUEUE_JOBS_MAX,
};

/// See the module.
pub struct LanePools {
    /// Of all lanes.
    clock: ProcessStart,
    search: Arc<SearchQueue>,
    arranging: Pool,
    analysis: Pool,
    training: Pool,
    saving: Pool,
    /// Of those that sort: for each one at most.
    disks: Arc<LaneDisks>,
    /// Ends what saves.
    stop: Arc<AtomicBool>,
}

/// The threads, to be joined at the end.
pub struct LaneThreads(Vec<std::thread::JoinHandle<()>>, [PoolThreads; 4]);

impl LanePools {
    /// Starts `lanes` threads of each kind, and one more for searches; they read below `store`.
    pub fn start(store: PathBuf, lanes: usize) -> std::io::Result<(LanePools, LaneThreads)> {
        let disks = LaneDisks { store: store.clone(), idle: Mutex::default() };
        LanePools::start_with(lanes, disks, || LaneDisk::new(store.clone()))
    }

    /// The same with lanes that read in another way.
    fn start_with<R: Reads>(
        lanes: usize,
        disks: LaneDisks,
        reader: impl Fn() -> R,
    ) -> std::io::Result<(LanePools, LaneThreads)> {
        // The queue keeps one free for accounts of which nothing runs.
        let threads = lanes.max(1) + 1;
        let clock = ProcessStart::now();
        let search = Arc::new(SearchQueue::new(threads));
        let mut searching = Vec::new();
        for _ in 0..threads {
            let (queue, reader) = (Arc::clone(&search), reader());
            let lane = std::thread::Builder::new().name("search".to_owned());
            searching.push(lane.spawn(move || search_lane(&queue, reader, clock))?);
        }
        let (arranging, sorting) = Pool::start("sort", lanes, ARRANGE_QUEUE_JOBS_MAX)?;
        let (analysis, analysing) = Pool::start("analysis", lanes, ANALYSIS_QUEUE_JOBS_MAX)?;
        // Seldom; mail that comes meanwhile is stored without a dictionary.
        let (training, trains) = Pool::start("train", 1, TRAINING_QUEUE_JOBS_MAX)?;
        // One, so that orders do not wait for it.
        let (saving, saves) = Pool::start("save", 1, SAVING_QUEUE_JOBS_MAX)?;
        let (disks, stop) = (Arc::new(disks), Arc::default());
        let pools = LanePools { clock, search, arranging, analysis, training, saving, disks, stop };
        Ok((pools, LaneThreads(searching, [sorting, analysing, trains, saves])))
    }

    /// Runs a search on as many lanes as it can use; dropping the future stops it.
    pub async fn search(&self, job: SearchJob) -> Result<Found, SearchError> {
        let _cancel = CancelOnDrop(Arc::clone(job.cancel()));
        job.queued(self.clock.nanos());
        match self.search.add(job.clone()) {
            Ok(()) => job.answered().await,
            Err(NotTaken::Full) => Err(SearchError::Busy),
            Err(NotTaken::Stopped) => Err(SearchError::Cancelled),
        }
    }

    /// Messages in an order, or as threads; waits for a lane.
    pub async fn arrange(&self, job: ArrangeJob) -> Result<Timed<Arranged>, SearchError> {
        match self.sorting(move || job.run()).await {
            Ok(Timed { answer, waited, worked }) => Ok(Timed { answer: answer?, waited, worked }),
            Err(PoolError::Full) => Err(SearchError::Busy),
            Err(PoolError::Panicked) => Err(SearchError::Failed),
            Err(PoolError::Stopped) => Err(SearchError::Cancelled),
        }
    }

    /// What SORT and THREAD compare; waits for a lane.
    pub async fn entries(&self, job: EntriesJob) -> Result<Read, SearchError> {
        let disks = Arc::clone(&self.disks);
        let read = self.sorting(move || disks.with(|disk| job.run(&mut |places| disk.read(places)))).await;
        match read {
            Ok(read) => read.answer,
            Err(PoolError::Full) => Err(SearchError::Busy),
            // The caller reads it itself.
            Err(PoolError::Panicked) => Ok(Read::new()),
            Err(PoolError::Stopped) => Err(SearchError::Cancelled),
        }
    }

    /// Saves that for the next start, in turn; `false`: too much waits.
    pub fn save(&self, job: SaveJob) -> bool {
        let stop = Arc::clone(&self.stop);
        let saved = self.saving.post(move || {
            if let Err(error) = job.run(&stop) {
                tracing::warn!(%error, "what SORT and THREAD compare was not saved");
            }
        });
        saved.is_ok()
    }

    /// Words that are spelled like others; waits for a lane.
    pub async fn similar(&self, job: SimilarJob) -> Result<Timed<Vec<Vec<String>>>, SearchError> {
        let words = job.words.len();
        match self.sorting(move || job.run()).await {
            Ok(Timed { answer, waited, worked }) => Ok(Timed { answer: answer?, waited, worked }),
            Err(PoolError::Full) => Err(SearchError::Busy),
            Err(PoolError::Stopped) => Err(SearchError::Cancelled),
            // Over a damaged index, which the search itself will find out: FUZZY does without it.
            Err(PoolError::Panicked) => Ok(Timed::at_once(vec![Vec::new(); words])),
        }
    }

    /// Does something on a lane of those that sort.
    async fn sorting<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Timed<T>, PoolError> {
        let (clock, queued) = (self.clock, self.clock.nanos());
        let timed = move || {
            let began = clock.nanos();
            let answer = work();
            let worked = clock.nanos().saturating_sub(began) / 1000;
            Timed { answer, waited: began.saturating_sub(queued) / 1000, worked }
        };
        self.arranging.run_patiently(timed).await
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

    /// A dictionary for a shard's log, if it is worth it; takes half a second.
    pub async fn train(&self, training: Training) -> Option<Dictionary> {
        self.training.run_patiently(move || training.run()).await.ok().flatten()
    }

    /// Takes no more work.
    pub fn stop(&self) {
        self.search.stop();
        self.arranging.stop();
        self.analysis.stop();
        self.training.stop();
        self.stop.store(true, Ordering::Relaxed);
        self.saving.stop();
    }
}

impl LaneThreads {
    pub fn join(self) {
        for lane in self.0 {
            let _ = lane.join();
        }
        self.1.into_iter().for_each(PoolThreads::join);
    }
}

/// A lane from start to stop.
fn search_lane(queue: &SearchQueue, mut reader: impl Reads, clock: ProcessStart) {
    os::lower_awaited_priority();
    let mut worked = false;
    loop {
        match queue.wait(worked.then_some(Duration::from_millis(MEMORY_IDLE_MS))) {
            Next::Piece(turn) => {
                work(queue, &turn, &mut |places| reader.read(places), clock);
                worked = true;
            }
            Next::Idle => {
                reader.rest();
                memory::give_back();
                worked = false;
            }
            Next::Stopped => return,
        }
    }
}

/// Does a piece; while it reads messages, what is quick goes between them.
fn work(queue: &SearchQueue, turn: &Turn<'_>, read: &mut ReadBatch<'_>, clock: ProcessStart) {
    let account = turn.job.account();
    run(turn, read, &mut || _ = quick_ones(queue, account, clock), clock);
}

/// Does quick pieces between two messages that are read for an account: some, since they may come without end. How many it did.
fn quick_ones(queue: &SearchQueue, account: AccountKey, clock: ProcessStart) -> usize {
    let turns = std::iter::from_fn(|| queue.between(account)).take(SEARCH_QUICK_BETWEEN_MAX);
    turns.map(|turn| run(&turn, &mut nothing_to_read, &mut || (), clock)).count()
}

fn run(turn: &Turn<'_>, read: &mut ReadBatch<'_>, others: &mut dyn FnMut(), clock: ProcessStart) {
    if guarded(|| turn.job.run(turn.piece.clone(), read, others, &|| clock.nanos())).is_err() {
        turn.job.broke(&turn.piece);
    }
}

/// What a quick piece reads with.
fn nothing_to_read(places: &[ReadAt]) -> Vec<std::io::Result<Vec<u8>>> {
    places.iter().map(|_| Err(std::io::ErrorKind::Unsupported.into())).collect()
}

/// How a lane reads.
trait Reads: Send + 'static {
    /// One answer for each place, in order.
    fn read(&mut self, places: &[ReadAt]) -> Vec<std::io::Result<Vec<u8>>>;
    /// Nothing was read for a while.
    fn rest(&mut self) {}
}

impl Reads for LaneDisk {
    fn read(&mut self, places: &[ReadAt]) -> Vec<std::io::Result<Vec<u8>>> {
        LaneDisk::read(self, places)
    }

    fn rest(&mut self) {
        self.close_files();
    }
}

/// Reading as the server's lanes do: with an io_uring of its own, made when it is first used.
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

/// What the lanes that sort read with.
struct LaneDisks {
    store: PathBuf,
    idle: Mutex<Vec<LaneDisk>>,
}

impl LaneDisks {
    fn with<T>(&self, work: impl FnOnce(&mut LaneDisk) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let known = idle().pop();
        let mut disk = known.unwrap_or_else(|| LaneDisk::new(self.store.clone()));
        let done = work(&mut disk);
        disk.close_files();
        idle().push(disk);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::search::tests_support::{prepared_job, reading_job};
    use futures_lite::future::block_on;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use trawl_store::types::{AccountId, ShardId};

    const LANES: usize = 2;
    /// A bound against hanging, not an expectation.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Says that it reads, and then reads without end: until nobody holds the gate any more.
    struct Endless {
        reads: Sender<()>,
        gate: Arc<Mutex<Receiver<()>>>,
    }

    impl Reads for Endless {
        fn read(&mut self, places: &[ReadAt]) -> Vec<std::io::Result<Vec<u8>>> {
            let _ = self.reads.send(());
            let _ = self.gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
            places.iter().map(|_| Err(std::io::ErrorKind::UnexpectedEof.into())).collect()
        }
    }

    fn answer(pools: &LanePools, job: SearchJob) -> Result<Found, SearchError> {
        pools.search.add(job.clone()).unwrap();
        let (tell, told) = channel();
        let wait = move || tell.send(block_on(job.answered()));
        std::thread::Builder::new().spawn(wait).unwrap();
        told.recv_timeout(PATIENCE).expect("an answer in the end")
    }

    #[test]
    fn what_is_quick_does_not_keep_a_lane_from_reading() {
        let queue = SearchQueue::new(1);
        let key = |account| (ShardId(0), AccountId(account));
        queue.add(prepared_job(key(1), 1_000)).unwrap();
        let clock = ProcessStart::now();
        assert_eq!(quick_ones(&queue, key(2), clock), SEARCH_QUICK_BETWEEN_MAX);
        queue.stop();
        assert_eq!(quick_ones(&queue, key(2), clock), 0);
    }

    #[test]
    fn an_account_whose_searches_never_end_holds_up_no_other() {
        let ((reads, reading), (hold, gate)) = (channel(), channel::<()>());
        let gate = Arc::new(Mutex::new(gate));
        let reader = || Endless { reads: reads.clone(), gate: Arc::clone(&gate) };
        let (pools, threads) =
            LanePools::start_with(LANES, LaneDisks { store: PathBuf::new(), idle: Mutex::default() }, reader)
                .unwrap();
        let (busy, other) = ((ShardId(0), AccountId(1)), (ShardId(0), AccountId(2)));
        let searches: Vec<SearchJob> = (0..4).map(|_| reading_job(busy, 8)).collect();
        for job in &searches {
            pools.search.add(job.clone()).unwrap();
        }
        // It has every lane of the settings...
        for _ in 0..LANES {
            reading.recv_timeout(PATIENCE).unwrap();
        }
        // ...and the other is answered, again and again, though no piece of the first one ends.
        for _ in 0..10 {
            let found = answer(&pools, prepared_job(other, 1_000));
            assert_eq!(found.map(|found| found.positions.len()), Ok(1_000));
        }
        assert!(reading.try_recv().is_err(), "none of its pieces has begun meanwhile");
        drop(hold);
        for job in searches {
            assert!(matches!(block_on(job.answered()), Err(SearchError::Read(_))));
        }
        pools.stop();
        threads.join();
    }
}
