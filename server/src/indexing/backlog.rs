//! What waits for an indexing lane: each account once, in turns.
//!
//! Not here: doing it. What must hold: no account waits twice; one that becomes due while a lane is at it waits again; two
//! lanes are never at one account.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::IndexKey;

/// What a lane does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Task {
    /// Finds out which accounts are due: once, at the start.
    Survey,
    /// The next step of an account's index.
    Account(IndexKey),
    /// Makes an account's index anew.
    Anew(IndexKey),
    /// Removes the index of an account that is gone.
    Remove(IndexKey),
}

impl Task {
    pub fn account(&self) -> Option<IndexKey> {
        match self {
            Task::Survey => None,
            Task::Account(key) | Task::Anew(key) | Task::Remove(key) => Some(*key),
        }
    }
}

/// See the module.
#[derive(Default)]
pub struct Backlog {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    known: HashSet<Task>,
    /// Tasks that lanes are at.
    working: HashSet<Task>,
    stopped: bool,
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a task unless it waits already.
    pub fn add(&self, task: Task) {
        {
            let mut state = self.lock();
            if state.stopped || !state.known.insert(task) {
                return;
            }
            state.waiting.push_back(task);
        }
        self.work.notify_one();
    }

    /// The next task; `None` when there will be none. Say [`Backlog::done`] when it is.
    pub fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(task) = state.take() {
                return Some(task);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A task that [`Backlog::next`] gave is done; with `again` there is more of it.
    pub fn done(&self, task: Task, again: bool) {
        {
            let mut state = self.lock();
            state.working.remove(&task);
            if again && !state.stopped && state.known.insert(task) {
                state.waiting.push_back(task);
            }
        }
        // Tasks of the same account may have waited for this one.
        self.work.notify_all();
    }

    /// How many tasks wait, and how many are being done.
    pub fn waiting(&self) -> (u64, u64) {
        let state = self.lock();
        (state.waiting.len() as u64, state.working.len() as u64)
    }

    /// Whether something waits or is done for one of these accounts (of all, when there are none), or may be found to be due.
    pub fn is_busy(&self, accounts: &[IndexKey]) -> bool {
        let state = self.lock();
        let mut tasks = state.waiting.iter().chain(&state.working);
        tasks.any(|task| task.account().is_none_or(|key| accounts.is_empty() || accounts.contains(&key)))
    }

    /// Gives no more tasks.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.waiting.clear();
        state.known.clear();
        drop(state);
        self.work.notify_all();
    }
}

impl State {
    /// The first task whose account no lane is at.
    fn take(&mut self) -> Option<Task> {
        let busy = |task: &Task| {
            task.account().is_some_and(|key| self.working.iter().any(|at| at.account() == Some(key)))
        };
        let at = self.waiting.iter().position(|task| !busy(task))?;
        let task = self.waiting.remove(at)?;
        self.known.remove(&task);
        self.working.insert(task);
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trawl_store::types::{AccountId, ShardId};

    #[test]
    fn accounts_take_turns_and_never_meet() {
        let backlog = Backlog::default();
        let task = |account| Task::Account(IndexKey::mail(ShardId(0), AccountId(account)));
        for account in [1, 2, 1, 1] {
            backlog.add(task(account));
        }
        assert_eq!(backlog.waiting(), (2, 0));
        assert_eq!(backlog.next(), Some(task(1)));
        backlog.add(task(1));
        let (remove, other) = (
            Task::Remove(IndexKey::mail(ShardId(0), AccountId(1))),
            IndexKey::mail(ShardId(0), AccountId(3)),
        );
        backlog.add(remove);
        assert_eq!(backlog.next(), Some(task(2)), "a lane is at 1");
        assert!(backlog.is_busy(&[IndexKey::mail(ShardId(0), AccountId(1))]) && !backlog.is_busy(&[other]));
        backlog.done(task(2), true);
        backlog.done(task(1), false);
        assert_eq!([backlog.next(), backlog.next()], [Some(task(1)), Some(task(2))]);
        backlog.done(task(1), false);
        backlog.done(task(2), false);
        assert_eq!(backlog.next(), Some(remove));
        backlog.done(remove, false);
        assert!(!backlog.is_busy(&[]));
        backlog.add(Task::Survey);
        assert!(backlog.is_busy(&[other]), "it may become due");
        backlog.stop();
        backlog.add(task(1));
        assert_eq!(backlog.next(), None);
    }
}
