//! The indexes that are open, bounded by memory and mappings: those used least recently are closed.
//!
//! What must hold: an account's index is open once at most; one that a search or a lane holds is not closed; opening one
//! keeps nobody from getting another.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trawl_index::account::{AccountIndex, Opened};
use trawl_index::limits::INDEX_BUILD_PRESSED_MESSAGES;

use super::IndexKey;
use crate::limits::INDEX_MAPS_MAX;

/// See the module.
pub struct Registry {
    memory_bytes_max: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    slots: HashMap<IndexKey, Slot>,
    /// Counts uses.
    now: u64,
}

#[derive(Default)]
struct Slot {
    index: Option<Arc<AccountIndex>>,
    /// Held while it is opened.
    opening: Arc<Mutex<()>>,
    used: u64,
}

impl Registry {
    pub fn new(memory_bytes_max: u64) -> Registry {
        Registry { memory_bytes_max, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index if it is open.
    pub fn get(&self, key: IndexKey) -> Option<Arc<AccountIndex>> {
        let mut inner = self.lock();
        inner.now += 1;
        let now = inner.now;
        let slot = inner.slots.get_mut(&key)?;
        slot.used = now;
        slot.index.clone()
    }

    /// The index, opened with `open` if it is not; then also what was found.
    pub fn open(
        &self,
        key: IndexKey,
        open: impl FnOnce() -> io::Result<(AccountIndex, Opened)>,
    ) -> io::Result<(Arc<AccountIndex>, Option<Opened>)> {
        if let Some(index) = self.get(key) {
            return Ok((index, None));
        }
        let opening = Arc::clone(&self.lock().slots.entry(key).or_default().opening);
        let _opening = opening.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have done it meanwhile.
        if let Some(index) = self.get(key) {
            return Ok((index, None));
        }
        let (index, found) = open()?;
        let index = Arc::new(index);
        let mut inner = self.lock();
        inner.now += 1;
        let used = inner.now;
        let slot = inner.slots.entry(key).or_default();
        (slot.index, slot.used) = (Some(Arc::clone(&index)), used);
        drop(inner);
        Ok((index, Some(found)))
    }

    /// Closes and discards an index, whoever holds it: its account is gone.
    pub fn remove(&self, key: IndexKey) {
        self.close(key, true);
        self.lock().slots.remove(&key);
    }

    /// All that are open.
    pub fn all(&self) -> Vec<Arc<AccountIndex>> {
        self.lock().slots.values().filter_map(|slot| slot.index.clone()).collect()
    }

    /// Closes those used least recently until the others are within the bounds; which of them had so many texts in memory that a
    /// segment had better be made of these. For lanes: it looks at every open index, and closing unmaps files.
    pub fn shrink(&self) -> Vec<IndexKey> {
        let open: Vec<(u64, IndexKey, Arc<AccountIndex>)> = {
            let inner = self.lock();
            let open = |(key, slot): (&IndexKey, &Slot)| Some((slot.used, *key, slot.index.clone()?));
            inner.slots.iter().filter_map(open).collect()
        };
        // Executors wait for the lock, so nothing is added up under it.
        let size = |index: &AccountIndex| {
            let figures = index.figures();
            (figures.memory as u64, figures.maps, index.tail().len() as u64)
        };
        let mut open: Vec<(u64, IndexKey, (u64, usize, u64))> =
            open.into_iter().map(|(used, key, index)| (used, key, size(&index))).collect();
        let mut memory: u64 = open.iter().map(|(_, _, (memory, ..))| memory).sum();
        let mut maps: usize = open.iter().map(|(_, _, (_, maps, _))| maps).sum();
        open.sort_unstable_by_key(|(used, ..)| *used);
        let (mut closed, mut pressed) = (0, Vec::new());
        for (_, key, (its_memory, its_maps, texts)) in open {
            if memory <= self.memory_bytes_max && maps <= INDEX_MAPS_MAX {
                break;
            }
            if self.close(key, false) {
                (memory, maps) = (memory - its_memory, maps - its_maps);
                closed += 1;
                if texts >= INDEX_BUILD_PRESSED_MESSAGES {
                    pressed.push(key);
                }
            }
        }
        if closed > 0 {
            tracing::debug!(closed, "search indexes closed to stay within index.memory");
        }
        pressed
    }

    /// Closes an index unless it is held, or discards it whoever holds it. Whoever wants it meanwhile waits until it is closed.
    fn close(&self, key: IndexKey, discard: bool) -> bool {
        let Some(opening) = self.lock().slots.get(&key).map(|slot| Arc::clone(&slot.opening)) else {
            return false;
        };
        let _opening = opening.lock().unwrap_or_else(PoisonError::into_inner);
        let index = {
            let mut inner = self.lock();
            let Some(slot) = inner.slots.get_mut(&key) else { return false };
            let held = slot.index.as_ref().is_none_or(|index| Arc::strong_count(index) > 1);
            if held && !discard {
                return false;
            }
            slot.index.take()
        };
        if let Some(index) = &index
            && discard
        {
            index.discard();
        }
        index.is_some()
    }
}
