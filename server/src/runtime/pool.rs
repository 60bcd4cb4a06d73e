//! A lane: threads of their own with a bounded queue, for work that would block an executor (searching, parsing, hashing).
//!
//! Not here: what the jobs do. What must hold: a full queue refuses at once and clearly; a job that panics costs its own result and
//! nothing else; a job whose caller went away is told so through its cancel flag; results wake the caller's executor from
//! the lane's thread (the channel's wakers are `Send`, glommio queues a foreign wake and writes its eventfd).

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_channel::{Receiver, Sender, TrySendError};

use super::panics::guarded;
use super::{memory, os};
use crate::lanes::CancelOnDrop;
use crate::limits::MEMORY_IDLE_MS;

type Job = Box<dyn FnOnce() + Send>;

/// Why a job has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PoolError {
    #[error("the queue is full")]
    Full,
    #[error("the job failed unexpectedly")]
    Panicked,
    #[error("the server is stopping")]
    Stopped,
}

/// Threads that take jobs from one bounded queue. Cloning is cheap and shares the threads.
#[derive(Clone)]
pub struct Pool {
    jobs: Sender<Job>,
    waiting: Receiver<Job>,
}

/// The threads of a [`Pool`], to be joined when the server stops.
pub struct PoolThreads(Vec<std::thread::JoinHandle<()>>);

impl Pool {
    /// Starts `threads` threads named `name`, at a lower priority than the executors, a higher one than what nobody waits for.
    pub fn start(name: &str, threads: usize, queue_jobs_max: usize) -> std::io::Result<(Pool, PoolThreads)> {
        let (jobs, waiting) = async_channel::bounded::<Job>(queue_jobs_max.max(1));
        let mut handles = Vec::with_capacity(threads);
        for _ in 0..threads.max(1) {
            let queue = waiting.clone();
            let handle = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                os::lower_awaited_priority();
                let mut worked = false;
                while let Some(job) = next(&queue, worked) {
                    // `run` tells the panic of its job; a posted one tells its loss by being dropped.
                    let _ = guarded(job);
                    worked = true;
                }
            })?;
            handles.push(handle);
        }
        Ok((Pool { jobs, waiting }, PoolThreads(handles)))
    }

    /// Runs `work` on the lane and waits for its result. `work` gets a flag that turns true when the caller is gone.
    pub async fn run<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce(&AtomicBool) -> T + Send + 'static,
    {
        let cancel = Arc::new(AtomicBool::new(false));
        let _guard = CancelOnDrop(Arc::clone(&cancel));
        let (give, take) = async_channel::bounded(1);
        self.post(move || {
            if cancel.load(Ordering::Relaxed) {
                return;
            }
            let result = guarded(|| work(&cancel));
            // A caller that is gone does not take its result.
            let _ = give.try_send(result.map_err(|_| PoolError::Panicked));
        })?;
        take.recv().await.unwrap_or(Err(PoolError::Stopped))
    }

    /// Like [`Pool::run`], but waits for room in the queue instead of refusing.
    pub async fn run_patiently<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (give, take) = async_channel::bounded(1);
        let job = move || {
            let result = guarded(work);
            // A caller that is gone does not take its result.
            let _ = give.try_send(result.map_err(|_| PoolError::Panicked));
        };
        self.jobs.send(Box::new(job)).await.map_err(|_| PoolError::Stopped)?;
        take.recv().await.unwrap_or(Err(PoolError::Stopped))
    }

    /// Queues `job`, which has its own way to tell its result.
    pub fn post(&self, job: impl FnOnce() + Send + 'static) -> Result<(), PoolError> {
        self.jobs.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => PoolError::Full,
            TrySendError::Closed(_) => PoolError::Stopped,
        })
    }

    /// Jobs that wait for a thread.
    pub fn queued(&self) -> usize {
        self.jobs.len()
    }

    /// Takes no more jobs; those that wait are dropped and answered with [`PoolError::Stopped`].
    pub fn stop(&self) {
        self.jobs.close();
        while self.waiting.try_recv().is_ok() {}
    }
}

impl PoolThreads {
    /// Waits for the jobs that were running when [`Pool::stop`] was called.
    pub fn join(self) {
        for handle in self.0 {
            let _ = handle.join();
        }
    }
}

/// The next job; `None` when there will be none. After work (one hash takes 19 MiB) a quiet thread gives memory back.
fn next(queue: &Receiver<Job>, worked: bool) -> Option<Job> {
    if worked {
        let mut wait = pin!(queue.recv());
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..2 {
            if let Poll::Ready(job) = wait.as_mut().poll(&mut cx) {
                return job.ok();
            }
            // Waking too early means giving back too early, no more.
            std::thread::park_timeout(Duration::from_millis(MEMORY_IDLE_MS));
        }
        memory::give_back();
    }
    queue.recv_blocking().ok()
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::sync::mpsc;

    #[test]
    fn results_come_back_and_a_panic_costs_one_job() {
        let (pool, threads) = Pool::start("test", 1, 4).unwrap();
        assert_eq!(block_on(pool.run(|_| 6 * 7)), Ok(42));
        let failed: Result<(), _> = block_on(pool.run(|_| panic!("a job's own fault")));
        assert_eq!(failed, Err(PoolError::Panicked));
        assert_eq!(block_on(pool.run(|_| 1)), Ok(1), "the thread lives on");
        pool.stop();
        assert_eq!(block_on(pool.run(|_| 1)), Err(PoolError::Stopped));
        threads.join();
    }

    #[test]
    fn a_full_queue_refuses_and_a_dropped_caller_cancels() {
        let (pool, threads) = Pool::start("test", 1, 1).unwrap();
        let (started, wait_started) = mpsc::channel();
        let (seen, wait_seen) = mpsc::channel();
        let mut running = Box::pin(pool.run(move |cancel| {
            started.send(()).unwrap();
            while !cancel.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            seen.send(()).unwrap();
        }));
        assert!(block_on(poll_once(running.as_mut())).is_none());
        wait_started.recv().unwrap();
        let mut queued = Box::pin(pool.run(|_| ()));
        assert!(block_on(poll_once(queued.as_mut())).is_none());
        assert_eq!(block_on(pool.run(|_| ())), Err(PoolError::Full));
        drop(running);
        wait_seen.recv().unwrap();
        assert_eq!(block_on(queued), Ok(()));
        pool.stop();
        threads.join();
    }
}
