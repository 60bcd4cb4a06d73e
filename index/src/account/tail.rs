//! The texts of messages that no segment covers yet, for the searches that look at them again and again.
//!
//! A cache: what is not here is read from the log and scanned. What must hold: bounded by bytes; only texts that may answer
//! are kept; nothing is thrown out to make room (searches go over all of it in turn, so the rest would be thrown out next).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::TAIL_BYTES_MAX;
use crate::prepare::Prepared;

/// See the module. Shared by executors and lanes; each call is short.
#[derive(Debug, Default)]
pub struct Tail {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    texts: BTreeMap<u32, Arc<Prepared>>,
    bytes: usize,
    /// Messages below are settled: a segment covers them or never will.
    from: u32,
}

impl Tail {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, message: u32) -> Option<Arc<Prepared>> {
        self.lock().texts.get(&message).cloned()
    }

    /// One answer for each message, in order.
    pub fn get_all(&self, messages: &[u32]) -> Vec<Option<Arc<Prepared>>> {
        let inner = self.lock();
        messages.iter().map(|message| inner.texts.get(message).cloned()).collect()
    }

    /// Keeps the texts of a message if they are vouched for, not settled, and there is room.
    pub fn put(&self, message: u32, texts: Arc<Prepared>) {
        let bytes = texts.memory();
        let mut inner = self.lock();
        if texts.is_vouched() && message >= inner.from && inner.bytes + bytes <= TAIL_BYTES_MAX {
            inner.bytes += bytes;
            let before = inner.texts.insert(message, texts);
            inner.bytes -= before.map_or(0, |before| before.memory());
        }
    }

    /// Messages below `from` are settled.
    pub fn settle(&self, from: u32) {
        let settled = {
            let mut inner = self.lock();
            inner.from = from;
            let tail = inner.texts.split_off(&from);
            let settled = std::mem::replace(&mut inner.texts, tail);
            inner.bytes -= settled.values().map(|texts| texts.memory()).sum::<usize>();
            settled
        };
        // Freed after the lock.
        drop(settled);
    }

    /// Gives the memory back.
    pub fn clear(&self) {
        let texts = {
            let mut inner = self.lock();
            inner.bytes = 0;
            std::mem::take(&mut inner.texts)
        };
        drop(texts);
    }

    pub fn len(&self) -> usize {
        self.lock().texts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::Kind;

    fn texts(bytes: usize) -> Arc<Prepared> {
        let mut texts = Prepared::default();
        texts.push(Kind::Body, &"X".repeat(bytes));
        Arc::new(texts)
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_settled() {
        let tail = Tail::default();
        tail.put(1, texts(10));
        tail.put(2, texts(TAIL_BYTES_MAX - 1000));
        tail.put(3, texts(10_000));
        tail.put(4, Arc::new(Prepared::unvouched()));
        let kept: Vec<bool> = tail.get_all(&[1, 2, 3, 4, 5]).iter().map(Option::is_some).collect();
        assert_eq!(kept, [true, true, false, false, false]);
        assert!(tail.bytes() <= TAIL_BYTES_MAX);
        tail.settle(3);
        assert_eq!((tail.len(), tail.bytes()), (0, 0));
        tail.put(2, texts(10));
        assert!(tail.get(2).is_none(), "settled meanwhile");
        tail.put(3, texts(10_000));
        tail.put(3, texts(20));
        assert_eq!(tail.bytes(), texts(20).memory());
        tail.settle(0);
        assert!(tail.get(3).is_some());
        tail.clear();
        assert_eq!((tail.len(), tail.bytes()), (0, 0));
    }
}
