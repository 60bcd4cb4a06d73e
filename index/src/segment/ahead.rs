//! Asks for octets of a mapped segment before they are read, so that a search of what is on the disk waits for many of them at once
//! and not for one page after the other.
//!
//! Only the first searches of a segment that was opened do so: after them what searches need is in memory, as far as the system leaves
//! it there, and asking would cost more than it brings. A hint: nothing depends on it.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Searches of a segment that ask.
const SEARCHES: u32 = 64;

/// Tells the system which octets of a file will be read.
pub type Ask = Box<dyn Fn(Range<usize>) + Send + Sync>;

/// See the module.
pub struct Ahead {
    ask: Option<Ask>,
    /// Where the file is mapped.
    start: usize,
    left: AtomicU32,
}

impl Ahead {
    /// `bytes` is the file as it is mapped. Without `ask` nothing is asked for.
    pub fn new(bytes: &[u8], ask: Option<Ask>) -> Ahead {
        let left = if ask.is_some() { SEARCHES } else { 0 };
        Ahead { ask, start: bytes.as_ptr() as usize, left: AtomicU32::new(left) }
    }

    /// A search begins.
    pub fn search(&self) {
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    }

    /// Whether asking is worth it.
    #[inline]
    pub fn is_cold(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    /// Everything will be read, now that it is merged, say.
    pub fn will_need_all(&self) {
        if let Some(ask) = &self.ask {
            ask(0..usize::MAX);
        }
    }

    /// These octets of the mapping will be read.
    pub fn will_need(&self, octets: &[u8]) {
        if let Some(ask) = self.ask.as_ref().filter(|_| self.is_cold() && !octets.is_empty()) {
            let start = (octets.as_ptr() as usize).saturating_sub(self.start);
            ask(start..start.saturating_add(octets.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn the_first_searches_ask() {
        let file = vec![0; 100];
        let asked = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&asked);
        let ahead = Ahead::new(&file, Some(Box::new(move |range| note.lock().unwrap().push(range))));
        ahead.will_need(&file[10..30]);
        ahead.will_need(&file[5..5]);
        (0..SEARCHES).for_each(|_| ahead.search());
        assert!(!ahead.is_cold());
        ahead.will_need(&file[10..30]);
        ahead.search();
        ahead.will_need_all();
        assert_eq!(*asked.lock().unwrap(), [10..30, 0..usize::MAX]);
    }

    #[test]
    fn what_is_not_mapped_is_not_asked_for() {
        let ahead = Ahead::new(&[], None);
        assert!(!ahead.is_cold());
        ahead.will_need(b"abc");
    }
}
