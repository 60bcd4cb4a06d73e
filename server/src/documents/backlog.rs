//! Accounts with messages whose documents are to be read: each once, in turns, some not before a while.
//!
//! Not here: reading them. What must hold: two threads are never at one account; one that gets messages while a thread is at it waits again.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::lanes::search::AccountKey;
use crate::runtime::clock::ProcessStart;

/// When an account is to be looked at again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// When more messages come.
    Never,
    Now,
    /// What reads documents was not there.
    After(Duration),
}

/// See the module.
pub struct Backlog {
    clock: ProcessStart,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<AccountKey>,
    /// Nanoseconds of the clock from which on they wait.
    later: Vec<(u64, AccountKey)>,
    working: HashSet<AccountKey>,
    /// Of those that a thread is at: more came.
    again: HashSet<AccountKey>,
    /// It is not known yet which accounts there are.
    surveying: bool,
    stopped: bool,
}

impl State {
    fn waits(&self, key: AccountKey) -> bool {
        self.waiting.contains(&key)
    }

    /// Those whose time has come wait.
    fn wake(&mut self, now: u64) {
        let due: Vec<AccountKey> =
            self.later.extract_if(.., |(at, _)| *at <= now).map(|(_, key)| key).collect();
        for key in due {
            if !self.waits(key) {
                self.waiting.push_back(key);
            }
        }
    }
}

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog { clock: ProcessStart::now(), state: Mutex::default(), work: Condvar::new() }
    }
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There are messages to be looked at. An account that waits for a while goes on doing so.
    pub fn add(&self, key: AccountKey) {
        {
            let mut state = self.lock();
            if state.stopped || state.later.iter().any(|(_, later)| *later == key) {
                return;
            }
            if state.working.contains(&key) {
                state.again.insert(key);
                return;
            }
            if state.waits(key) {
                return;
            }
            state.waiting.push_back(key);
        }
        self.work.notify_one();
    }

    /// The next account; `None` when there will be none. Say [`Backlog::done`] when it is.
    pub fn next(&self) -> Option<AccountKey> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let now = self.clock.nanos();
            state.wake(now);
            if let Some(key) = state.waiting.pop_front() {
                state.working.insert(key);
                return Some(key);
            }
            state = match state.later.iter().map(|(at, _)| at.saturating_sub(now)).min() {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(nanos) => {
                    let waited = self.work.wait_timeout(state, Duration::from_nanos(nanos.max(1)));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// A thread has left an account that [`Backlog::next`] gave.
    pub fn done(&self, key: AccountKey, again: Again) {
        {
            let mut state = self.lock();
            state.working.remove(&key);
            let more = state.again.remove(&key);
            match again {
                _ if state.stopped => {}
                Again::After(time) => {
                    let at = self.clock.nanos().saturating_add(time.as_nanos() as u64);
                    state.later.push((at, key));
                }
                Again::Now => state.waiting.push_back(key),
                Again::Never if more => state.waiting.push_back(key),
                Again::Never => {}
            }
        }
        self.work.notify_one();
    }

    /// How many accounts wait, those for a while included, and how many are being looked at.
    pub fn waiting(&self) -> (u64, u64) {
        let state = self.lock();
        ((state.waiting.len() + state.later.len()) as u64, state.working.len() as u64)
    }

    /// Whether something is done or waits, and not for a while, for one of these accounts (of all, when there are none).
    pub fn is_busy(&self, accounts: &[AccountKey]) -> bool {
        let state = self.lock();
        let mut busy = state.waiting.iter().chain(&state.working);
        state.surveying || busy.any(|key| accounts.is_empty() || accounts.contains(key))
    }

    /// Whether accounts are being looked for, each of which may come to wait.
    pub fn set_surveying(&self, surveying: bool) {
        self.lock().surveying = surveying;
    }

    /// Gives no more accounts.
    pub fn stop(&self) {
        let mut state = self.lock();
        *state = State { stopped: true, working: std::mem::take(&mut state.working), ..State::default() };
        drop(state);
        self.work.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trawl_store::types::{AccountId, ShardId};

    const A: AccountKey = (ShardId(0), AccountId(1));
    const B: AccountKey = (ShardId(0), AccountId(2));

    #[test]
    fn accounts_take_turns_and_come_again_when_more_came() {
        let backlog = Backlog::default();
        for key in [A, B, A] {
            backlog.add(key);
        }
        assert_eq!((backlog.waiting(), backlog.next()), ((2, 0), Some(A)));
        backlog.add(A);
        assert!(backlog.is_busy(&[A]) && backlog.is_busy(&[]));
        assert_eq!(backlog.next(), Some(B), "a thread is at the other");
        backlog.done(B, Again::Now);
        backlog.done(A, Again::Never);
        assert_eq!([backlog.next(), backlog.next()], [Some(B), Some(A)], "more came");
        backlog.done(B, Again::Never);
        backlog.done(A, Again::Never);
        assert!(!backlog.is_busy(&[]));
        backlog.set_surveying(true);
        assert!(backlog.is_busy(&[A]), "it may come to wait");
    }

    #[test]
    fn who_waits_for_a_while_is_not_woken_by_mail() {
        let backlog = Backlog::default();
        backlog.add(A);
        assert_eq!(backlog.next(), Some(A));
        backlog.done(A, Again::After(Duration::from_millis(30)));
        backlog.add(A);
        assert_eq!((backlog.waiting(), backlog.is_busy(&[A])), ((1, 0), false));
        backlog.add(B);
        assert_eq!(backlog.next(), Some(B));
        assert_eq!(backlog.next(), Some(A), "when the time has come");
        backlog.done(A, Again::After(Duration::from_secs(1_000)));
        backlog.stop();
        backlog.add(A);
        assert_eq!(backlog.next(), None);
    }
}
