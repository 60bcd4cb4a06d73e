//! How many messages of each account are in no segment yet, as far as commits told it.
//!
//! Counts only decide when an account is looked at; the lane that looks asks the log itself. Accounts that nothing arrived for
//! since the start are not here. Accounts of which texts in memory were given up for want of it are due sooner.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use trawl_index::limits::{INDEX_BUILD_BYTES, INDEX_BUILD_MESSAGES};

use super::IndexKey;

#[derive(Clone, Copy, Default)]
struct Tail {
    messages: u64,
    bytes: u64,
    pressed: bool,
}

impl Tail {
    fn is_due(self) -> bool {
        self.messages >= INDEX_BUILD_MESSAGES || self.messages > 0 && self.bytes >= INDEX_BUILD_BYTES
    }
}

/// See the module.
#[derive(Default)]
pub struct Feed {
    tails: Mutex<HashMap<IndexKey, Tail>>,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, HashMap<IndexKey, Tail>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what arrived; true when the account became due with it.
    pub fn add(&self, key: IndexKey, messages: u64, bytes: u64) -> bool {
        let mut tails = self.lock();
        let tail = tails.entry(key).or_default();
        let was_due = tail.is_due();
        tail.messages += messages;
        tail.bytes += bytes;
        tail.is_due() && !was_due
    }

    /// A lane has looked at the account: this is what it left.
    pub fn settle(&self, key: IndexKey, messages: u64, bytes: u64) {
        let mut tails = self.lock();
        if messages == 0 {
            tails.remove(&key);
        } else {
            tails.insert(key, Tail { messages, bytes, pressed: false });
        }
    }

    /// There was no memory for the texts of the account, until a lane has looked at it; true if it counts. One that is not here is gone,
    /// or an error is left alone until more arrives.
    pub fn press(&self, key: IndexKey) -> bool {
        self.lock().get_mut(&key).map(|tail| tail.pressed = true).is_some()
    }

    pub fn is_pressed(&self, key: IndexKey) -> bool {
        self.lock().get(&key).is_some_and(|tail| tail.pressed)
    }

    pub fn forget(&self, key: IndexKey) {
        self.lock().remove(&key);
    }

    /// Messages of all accounts.
    pub fn messages(&self) -> u64 {
        self.lock().values().map(|tail| tail.messages).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trawl_store::types::{AccountId, ShardId};

    #[test]
    fn an_account_becomes_due_once() {
        let feed = Feed::default();
        let key = |account| IndexKey::mail(ShardId(0), AccountId(account));
        assert!((1..INDEX_BUILD_MESSAGES).all(|_| !feed.add(key(1), 1, 10)));
        assert!(feed.add(key(1), 1, 10) && !feed.add(key(1), 1, 10));
        assert!(feed.add(key(2), 1, INDEX_BUILD_BYTES), "by bytes as well");
        assert_eq!(feed.messages(), INDEX_BUILD_MESSAGES + 2);
        feed.settle(key(1), 3, 30);
        feed.settle(key(2), 0, 0);
        assert_eq!(feed.messages(), 3);
        assert!(feed.add(key(1), INDEX_BUILD_MESSAGES, 0), "and again after it was looked at");
        feed.forget(key(1));
        assert_eq!(feed.messages(), 0);
        feed.add(key(4), 100, 10);
        assert!(feed.press(key(4)) && feed.is_pressed(key(4)));
        assert!(!feed.press(key(5)) && !feed.is_pressed(key(5)), "nothing is known of it");
        feed.settle(key(4), 2, 20);
        assert!(!feed.is_pressed(key(4)), "looked at");
    }
}
