//! The searches that wait for lanes, in turns: which piece of which search a lane does next.
//!
//! Not here: threads. What must hold: quick pieces go before those that read; accounts take turns, and within an account its
//! searches do, so that no long search and no busy account holds up another; the queue is bounded, in all and for each
//! account.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::search::{AccountKey, Piece, SearchJob};
use crate::limits::{SEARCH_QUEUE_ACCOUNT_JOBS_MAX, SEARCH_QUEUE_JOBS_MAX};

/// Why a search was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotTaken {
    Full,
    Stopped,
}

/// What a lane does next.
pub enum Next {
    Piece(SearchJob, Piece),
    /// Nothing came for a while.
    Idle,
    Stopped,
}

/// See the module.
#[derive(Default)]
pub struct SearchQueue {
    state: Mutex<State>,
    work: Condvar,
    /// Something quick may wait; changed under the lock. Lanes that read ask between all messages.
    quick: AtomicBool,
}

#[derive(Default)]
struct State {
    accounts: VecDeque<Account>,
    jobs: usize,
    stopped: bool,
}

struct Account {
    key: AccountKey,
    jobs: VecDeque<SearchJob>,
}

impl SearchQueue {
    /// Queues a search.
    pub fn add(&self, job: SearchJob) -> Result<(), NotTaken> {
        let width = job.width();
        if width == 0 {
            return Ok(());
        }
        {
            let mut state = self.lock();
            if state.stopped {
                return Err(NotTaken::Stopped);
            }
            if state.jobs >= SEARCH_QUEUE_JOBS_MAX {
                return Err(NotTaken::Full);
            }
            let key = job.account();
            match state.accounts.iter_mut().find(|account| account.key == key) {
                Some(account) if account.jobs.len() >= SEARCH_QUEUE_ACCOUNT_JOBS_MAX => {
                    return Err(NotTaken::Full);
                }
                Some(account) => account.jobs.push_back(job),
                None => state.accounts.push_back(Account { key, jobs: VecDeque::from([job]) }),
            }
            state.jobs += 1;
            self.quick.store(true, Ordering::Relaxed);
        }
        if width == 1 {
            self.work.notify_one()
        } else {
            self.work.notify_all()
        }
        Ok(())
    }

    /// The next piece if there is one: with `quick_only`, one that reads nothing.
    pub fn next(&self, quick_only: bool) -> Option<(SearchJob, Piece)> {
        if quick_only && !self.quick.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.lock();
        let found = state.next(quick_only);
        if quick_only && found.is_none() {
            self.quick.store(false, Ordering::Relaxed);
        }
        found
    }

    /// Waits for the next piece, but no longer than `patience`.
    pub fn wait(&self, patience: Option<Duration>) -> Next {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Next::Stopped;
            }
            if let Some((job, piece)) = state.next(false) {
                return Next::Piece(job, piece);
            }
            state = match patience {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let waited = self.work.wait_timeout(state, patience);
                    let (state, time) = waited.unwrap_or_else(PoisonError::into_inner);
                    if time.timed_out() {
                        return Next::Idle;
                    }
                    state
                }
            };
        }
    }

    /// Takes and gives no more; what waits is dropped.
    pub fn stop(&self) {
        let dropped = {
            let mut state = self.lock();
            state.stopped = true;
            state.jobs = 0;
            std::mem::take(&mut state.accounts)
        };
        for job in dropped.iter().flat_map(|account| &account.jobs) {
            job.abandon();
        }
        self.work.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, quick_only: bool) -> Option<(SearchJob, Piece)> {
        let found = self.take(true);
        if found.is_some() || quick_only { found } else { self.take(false) }
    }

    fn take(&mut self, quick_only: bool) -> Option<(SearchJob, Piece)> {
        let mut at = 0;
        while let Some(account) = self.accounts.get_mut(at) {
            let before = account.jobs.len();
            account.jobs.retain(|job| !job.is_exhausted());
            self.jobs -= before - account.jobs.len();
            if account.jobs.is_empty() {
                self.accounts.remove(at);
                continue;
            }
            let claim = |(nth, job): (usize, &SearchJob)| Some((nth, job.claim(quick_only)?));
            let Some((nth, piece)) = account.jobs.iter().enumerate().find_map(claim) else {
                at += 1;
                continue;
            };
            // To the back of both lines.
            let job = account.jobs.remove(nth)?;
            account.jobs.push_back(job.clone());
            let account = self.accounts.remove(at)?;
            self.accounts.push_back(account);
            return Some((job, piece));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::search::Candidate;
    use crate::lanes::search::tests_support::{job_of, prepared_job};
    use trawl_store::types::{AccountId, ShardId};

    fn key(account: u32) -> AccountKey {
        (ShardId(0), AccountId(account))
    }

    fn account_of(queue: &SearchQueue) -> Option<u32> {
        queue.next(false).map(|(job, _)| job.account().1.0)
    }

    #[test]
    fn accounts_take_turns_and_quick_pieces_go_first() {
        let queue = SearchQueue::default();
        // Many batches of one account, two of another, then something quick of a third.
        let large = u32::try_from(crate::limits::SEARCH_BATCH_BYTES_MAX).unwrap();
        let batches = |n| -> Vec<Candidate> {
            (0..n).map(|at| Candidate { size: large, ..Candidate::at(at) }).collect()
        };
        queue.add(job_of(key(1), batches(6))).unwrap();
        queue.add(job_of(key(2), batches(2))).unwrap();
        assert_eq!([account_of(&queue), account_of(&queue), account_of(&queue)], [Some(1), Some(2), Some(1)]);
        queue.add(prepared_job(key(3), 1)).unwrap();
        assert!(matches!(queue.next(true), Some((job, Piece::Prepared(_))) if job.account() == key(3)));
        assert!(queue.next(true).is_none(), "what is left reads");
        let rest: Vec<Option<u32>> = (0..6).map(|_| account_of(&queue)).collect();
        assert_eq!(rest, [Some(2), Some(1), Some(1), Some(1), Some(1), None]);
    }

    #[test]
    fn searches_of_one_account_take_turns() {
        let queue = SearchQueue::default();
        let (a, b) = (prepared_job(key(1), 1000), prepared_job(key(1), 1000));
        queue.add(a.clone()).unwrap();
        queue.add(b.clone()).unwrap();
        let order: Vec<bool> = (0..4).map(|_| queue.next(true).unwrap().0.is(&a)).collect();
        assert_eq!(order, [true, false, true, false]);
    }

    #[test]
    fn it_is_bounded_for_each_account_and_in_all() {
        let queue = SearchQueue::default();
        for _ in 0..SEARCH_QUEUE_ACCOUNT_JOBS_MAX {
            queue.add(prepared_job(key(0), 1)).unwrap();
        }
        assert_eq!(queue.add(prepared_job(key(0), 1)), Err(NotTaken::Full));
        for account in 0..(SEARCH_QUEUE_JOBS_MAX - SEARCH_QUEUE_ACCOUNT_JOBS_MAX) as u32 {
            queue.add(prepared_job(key(1 + account), 1)).unwrap();
        }
        assert_eq!(queue.add(prepared_job(key(9999), 1)), Err(NotTaken::Full));
        queue.add(prepared_job(key(9999), 0)).unwrap();
    }

    #[test]
    fn a_failed_or_stopped_search_is_dropped_and_answered() {
        let queue = SearchQueue::default();
        let (failed, waiting) = (prepared_job(key(1), 1000), prepared_job(key(1), 1000));
        queue.add(failed.clone()).unwrap();
        queue.add(waiting.clone()).unwrap();
        let (job, piece) = queue.next(true).unwrap();
        assert!(job.is(&failed));
        job.broke(&piece);
        assert!(queue.next(true).unwrap().0.is(&waiting));
        queue.stop();
        assert!(queue.next(false).is_none() && matches!(queue.wait(None), Next::Stopped));
        assert_eq!(queue.add(prepared_job(key(1), 1)), Err(NotTaken::Stopped));
        for job in [failed, waiting] {
            assert!(futures_lite::future::block_on(job.answered()).is_err());
        }
    }
}
