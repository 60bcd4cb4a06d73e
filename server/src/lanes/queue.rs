//! The searches that wait for lanes, in turns: which piece of which search a lane does next.
//!
//! Not here: threads. What must hold: a lane is kept free for accounts of which nothing runs, so that no account, however many
//! and however long its pieces, holds up another; accounts take turns, and within an account its searches do; of those whose
//! turn it is, quick pieces go before those that read, but not for ever; the queue is bounded, in all, by what it holds and for each account.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::search::{AccountKey, Piece, SearchJob};
use crate::limits::{
    SEARCH_QUEUE_ACCOUNT_JOBS_MAX, SEARCH_QUEUE_BYTES_MAX, SEARCH_QUEUE_JOBS_MAX, SEARCH_QUICK_TURNS_MAX,
};

/// Why a search was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotTaken {
    Full,
    Stopped,
}

/// What a lane does next.
pub enum Next<'a> {
    Piece(Turn<'a>),
    /// Nothing came for a while.
    Idle,
    Stopped,
}

/// A piece to be done; dropped when it is.
pub struct Turn<'a> {
    queue: &'a SearchQueue,
    account: AccountKey,
    /// The lane does it in the middle of another piece.
    between: bool,
    pub job: SearchJob,
    pub piece: Piece,
}

/// See the module.
pub struct SearchQueue {
    state: Mutex<State>,
    work: Condvar,
    /// Something quick may wait; changed under the lock. Lanes that read ask between all messages.
    quick: AtomicBool,
}

struct State {
    accounts: VecDeque<Account>,
    jobs: usize,
    /// What these hold.
    octets: usize,
    /// Lanes that do nothing.
    free: usize,
    /// Quick pieces that free lanes were given since one of them was given something to read.
    quick_turns: usize,
    stopped: bool,
}

/// Those that have something queued or running.
struct Account {
    key: AccountKey,
    jobs: VecDeque<SearchJob>,
    /// Pieces that lanes are at.
    running: usize,
}

/// Who asks for a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// A lane that is free.
    Free,
    /// A lane between messages that it reads for this account: for pieces that read nothing.
    Between(AccountKey),
}

impl SearchQueue {
    /// For so many lanes, which then call [`SearchQueue::wait`]. One account has all of them but one at most.
    pub fn new(lanes: usize) -> SearchQueue {
        let accounts = VecDeque::new();
        let state = State { accounts, jobs: 0, octets: 0, free: lanes, quick_turns: 0, stopped: false };
        SearchQueue { state: Mutex::new(state), work: Condvar::new(), quick: AtomicBool::new(false) }
    }

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
            if state.jobs >= SEARCH_QUEUE_JOBS_MAX || state.octets >= SEARCH_QUEUE_BYTES_MAX {
                return Err(NotTaken::Full);
            }
            let (key, octets) = (job.account(), job.octets());
            match state.accounts.iter_mut().find(|account| account.key == key) {
                Some(account) if account.jobs.len() >= SEARCH_QUEUE_ACCOUNT_JOBS_MAX => {
                    return Err(NotTaken::Full);
                }
                Some(account) => account.jobs.push_back(job),
                None => {
                    state.accounts.push_back(Account { key, jobs: VecDeque::from([job]), running: 0 });
                }
            }
            state.jobs += 1;
            state.octets += octets;
            self.quick.store(true, Ordering::Relaxed);
        }
        if width == 1 {
            self.work.notify_one()
        } else {
            self.work.notify_all()
        }
        Ok(())
    }

    /// A piece that reads nothing, for a lane between two messages that it reads for `account`.
    pub fn between(&self, account: AccountKey) -> Option<Turn<'_>> {
        if !self.quick.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.lock();
        let found = state.next(Asker::Between(account));
        if found.is_none() && !state.accounts.iter().any(Account::has_quick) {
            self.quick.store(false, Ordering::Relaxed);
        }
        found.map(|found| self.turn(found, true))
    }

    /// Waits for the next piece, but no longer than `patience`.
    pub fn wait(&self, patience: Option<Duration>) -> Next<'_> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Next::Stopped;
            }
            if let Some(found) = state.next(Asker::Free) {
                return Next::Piece(self.turn(found, false));
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
            (state.jobs, state.octets) = (0, 0);
            std::mem::take(&mut state.accounts)
        };
        for job in dropped.iter().flat_map(|account| &account.jobs) {
            job.abandon();
        }
        self.work.notify_all();
    }

    fn turn(&self, (job, piece): (SearchJob, Piece), between: bool) -> Turn<'_> {
        Turn { queue: self, account: job.account(), between, job, piece }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.done(self.account, self.between);
        // Another lane asks for itself.
        if self.between && state.free > 0 && state.jobs > 0 {
            drop(state);
            self.queue.work.notify_one();
        }
    }
}

impl State {
    /// Accounts of which nothing runs go first; among those, and then among the others, what is quick, unless that went first too
    /// often: then whoever waits longest.
    fn next(&mut self, asker: Asker) -> Option<(SearchJob, Piece)> {
        let is_free = asker == Asker::Free;
        let quick_first = !is_free || self.quick_turns < SEARCH_QUICK_TURNS_MAX;
        for busy in [false, true] {
            let quick = if quick_first { self.take(asker, busy, true) } else { None };
            let found = if quick.is_some() || !is_free { quick } else { self.take(asker, busy, false) };
            if let Some((_, piece)) = &found
                && is_free
            {
                let reads = matches!(piece, Piece::Batch(_));
                self.quick_turns = if reads { 0 } else { self.quick_turns.saturating_add(1) };
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// From an account that is `busy`, which means that pieces of it run.
    fn take(&mut self, asker: Asker, busy: bool, quick_only: bool) -> Option<(SearchJob, Piece)> {
        let mut at = 0;
        while let Some(account) = self.accounts.get_mut(at) {
            let (mut jobs, mut octets) = (0, 0);
            account.jobs.retain(|job| {
                let stays = !job.is_exhausted();
                if !stays {
                    jobs += 1;
                    octets += job.octets();
                }
                stays
            });
            self.jobs -= jobs;
            self.octets -= octets;
            if account.jobs.is_empty() && account.running == 0 {
                self.accounts.remove(at);
                continue;
            }
            let allowed = busy == (account.running > 0)
                && match asker {
                    Asker::Free => !busy || self.free > 1,
                    // The lane is its own already.
                    Asker::Between(own) => !busy || own == account.key || self.free > 0,
                };
            let claim = |(nth, job): (usize, &SearchJob)| Some((nth, job.claim(quick_only)?));
            let claimed = if allowed { account.jobs.iter().enumerate().find_map(claim) } else { None };
            let Some((nth, piece)) = claimed else {
                at += 1;
                continue;
            };
            // To the back of both lines.
            let job = account.jobs.remove(nth)?;
            account.jobs.push_back(job.clone());
            account.running += 1;
            self.requeue(at);
            if asker == Asker::Free {
                self.free -= 1;
            }
            return Some((job, piece));
        }
        None
    }

    /// A piece is done. Its account goes behind those that came while it ran.
    fn done(&mut self, key: AccountKey, between: bool) {
        if !between {
            self.free += 1;
        }
        // None of them is left after the stop.
        if let Some(at) = self.accounts.iter().position(|account| account.key == key)
            && let Some(account) = self.accounts.get_mut(at)
        {
            account.running -= 1;
            self.requeue(at);
        }
    }

    fn requeue(&mut self, at: usize) {
        let account = self.accounts.remove(at);
        self.accounts.extend(account);
    }
}

impl Account {
    fn has_quick(&self) -> bool {
        self.jobs.iter().any(SearchJob::has_quick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::search::Candidate;
    use crate::lanes::search::tests_support::{long_job, prepared_job, reading_job};
    use crate::limits::COMMAND_BYTES_MAX;
    use trawl_store::types::{AccountId, ShardId};

    fn key(account: u32) -> AccountKey {
        (ShardId(0), AccountId(account))
    }

    /// What a lane that becomes free is given.
    fn next(queue: &SearchQueue) -> Option<Turn<'_>> {
        match queue.wait(Some(Duration::ZERO)) {
            Next::Piece(turn) => Some(turn),
            Next::Idle | Next::Stopped => None,
        }
    }

    fn account_of(turn: &Option<Turn<'_>>) -> Option<u32> {
        turn.as_ref().map(|turn| turn.account.1.0)
    }

    /// The accounts that one lane works for, piece by piece.
    fn order(queue: &SearchQueue, pieces: usize) -> Vec<Option<u32>> {
        (0..pieces).map(|_| account_of(&next(queue))).collect()
    }

    #[test]
    fn accounts_take_turns_and_quick_pieces_go_first() {
        let queue = SearchQueue::new(1);
        queue.add(reading_job(key(1), 6)).unwrap();
        queue.add(reading_job(key(2), 2)).unwrap();
        assert_eq!(order(&queue, 3), [Some(1), Some(2), Some(1)]);
        queue.add(prepared_job(key(3), 1)).unwrap();
        assert_eq!(order(&queue, 1), [Some(3)]);
        assert_eq!(order(&queue, 6), [Some(2), Some(1), Some(1), Some(1), Some(1), None]);
    }

    #[test]
    fn who_has_to_read_is_not_passed_over_for_ever() {
        let queue = SearchQueue::new(1);
        queue.add(reading_job(key(1), 3)).unwrap();
        for account in 2..5 {
            queue.add(prepared_job(key(account), 10_000)).unwrap();
        }
        let order = order(&queue, 60);
        let waits: Vec<usize> = order.split(|account| *account == Some(1)).map(<[_]>::len).collect();
        // All quick ones have their turn as well.
        assert_eq!(waits.len(), 4, "{order:?}");
        assert!(waits[..3].iter().all(|wait| (1..=SEARCH_QUICK_TURNS_MAX + 3).contains(wait)), "{order:?}");
    }

    #[test]
    fn searches_of_one_account_take_turns() {
        let queue = SearchQueue::new(1);
        let (a, b) = (prepared_job(key(1), 1000), prepared_job(key(1), 1000));
        queue.add(a.clone()).unwrap();
        queue.add(b.clone()).unwrap();
        let order: Vec<bool> = (0..4).map(|_| next(&queue).unwrap().job.is(&a)).collect();
        assert_eq!(order, [true, false, true, false]);
    }

    #[test]
    fn a_lane_is_kept_for_accounts_of_which_nothing_runs() {
        let queue = SearchQueue::new(3);
        for _ in 0..4 {
            queue.add(prepared_job(key(1), 10_000)).unwrap();
        }
        let (first, second) = (next(&queue), next(&queue));
        assert_eq!([account_of(&first), account_of(&second)], [Some(1), Some(1)]);
        assert!(next(&queue).is_none(), "the last lane is not for an account that has others");
        queue.add(prepared_job(key(2), 1000)).unwrap();
        let other = next(&queue);
        assert_eq!(account_of(&other), Some(2), "it is for this one");
        drop(other);
        assert_eq!(order(&queue, 3), [Some(2); 3], "and goes on with it");
        // Two that are busy leave one free as well.
        drop(first);
        let first = next(&queue);
        assert_eq!(account_of(&first), Some(2), "whoever has less goes first");
        assert!(next(&queue).is_none());
        queue.add(prepared_job(key(3), 1)).unwrap();
        assert_eq!(account_of(&next(&queue)), Some(3));
        drop((first, second));
    }

    #[test]
    fn whoever_came_while_all_lanes_were_busy_is_next() {
        let queue = SearchQueue::new(2);
        queue.add(reading_job(key(1), 10)).unwrap();
        queue.add(reading_job(key(2), 10)).unwrap();
        let (one, two) = (next(&queue), next(&queue));
        assert_eq!([account_of(&one), account_of(&two)], [Some(1), Some(2)]);
        queue.add(prepared_job(key(3), 1000)).unwrap();
        queue.add(reading_job(key(4), 10)).unwrap();
        drop(two);
        let three = next(&queue);
        assert_eq!(account_of(&three), Some(3));
        drop(one);
        assert_eq!(order(&queue, 3), [Some(4), Some(2), Some(1)]);
        drop(three);
    }

    #[test]
    fn between_messages_only_what_is_quick_and_holds_up_nobody_is_done() {
        let queue = SearchQueue::new(2);
        let between = |own: u32| account_of(&queue.between(key(own)));
        queue.add(reading_job(key(1), 4)).unwrap();
        let batch = next(&queue);
        assert_eq!(between(1), None, "what is left reads");
        queue.add(prepared_job(key(2), 1000)).unwrap();
        queue.add(prepared_job(key(1), 1000)).unwrap();
        let quick = next(&queue);
        assert_eq!((account_of(&batch), account_of(&quick)), (Some(1), Some(2)));
        assert_eq!(between(1), Some(1), "its own, as long as others have a lane");
        assert_eq!(between(1), Some(1));
        queue.add(prepared_job(key(3), 1)).unwrap();
        assert_eq!(between(1), Some(3), "and the first one of another");
        assert_eq!(between(2), Some(2));
        assert_eq!(between(4), None, "not what has a lane, when none is free");
        drop(quick);
        let quick = queue.between(key(1));
        assert_eq!(account_of(&quick), Some(2), "nothing of it runs any more");
        assert_eq!(between(4), Some(1), "a lane is free");
        drop((batch, quick));
        assert!(std::iter::from_fn(|| next(&queue)).count() > 10, "nothing is forgotten");
        assert_eq!(between(1), None);
        let state = queue.lock();
        assert_eq!((state.jobs, state.octets, state.free, state.accounts.len()), (0, 0, 2, 0));
    }

    #[test]
    fn it_is_bounded_for_each_account_and_in_all() {
        let queue = SearchQueue::new(1);
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
    fn it_is_bounded_by_what_searches_hold() {
        let queue = SearchQueue::new(1);
        let messages = 1 << 16;
        let taken =
            (0..).take_while(|account| queue.add(reading_job(key(*account), messages)).is_ok()).count();
        let least = SEARCH_QUEUE_BYTES_MAX / (messages as usize * size_of::<Candidate>());
        assert!((least / 2..=least + 1).contains(&taken), "{taken} of {least}");
        assert_eq!(queue.add(prepared_job(key(9999), 1)), Err(NotTaken::Full));
        // Whoever is done makes room.
        let first = next(&queue).unwrap();
        while first.job.claim(false).is_some() {}
        drop(first);
        drop(next(&queue));
        assert_eq!(queue.add(prepared_job(key(9999), 1)), Ok(()));
    }

    #[test]
    fn it_is_bounded_by_the_programs_of_searches() {
        let queue = SearchQueue::new(1);
        let octets = COMMAND_BYTES_MAX;
        let taken = (0..).take_while(|account| queue.add(long_job(key(*account), octets)).is_ok()).count();
        assert!(taken <= SEARCH_QUEUE_BYTES_MAX / octets, "{taken}");
    }

    #[test]
    fn a_failed_or_stopped_search_is_dropped_and_answered() {
        let queue = SearchQueue::new(2);
        let (failed, waiting) = (prepared_job(key(1), 1000), prepared_job(key(1), 1000));
        queue.add(failed.clone()).unwrap();
        queue.add(waiting.clone()).unwrap();
        let turn = next(&queue).unwrap();
        assert!(turn.job.is(&failed));
        turn.job.broke(&turn.piece);
        drop(turn);
        let turn = next(&queue).unwrap();
        assert!(turn.job.is(&waiting));
        queue.stop();
        drop(turn);
        assert!(queue.between(key(1)).is_none() && matches!(queue.wait(None), Next::Stopped));
        assert_eq!(queue.add(prepared_job(key(1), 1)), Err(NotTaken::Stopped));
        for job in [failed, waiting] {
            assert!(futures_lite::future::block_on(job.answered()).is_err());
        }
    }
}
