//! Asks for octets of a mapped segment before they are read, so that a search of what is on the disk waits for many of them at once
//! and not for one page after the other.
//!
//! What is in memory is not asked for, since asking costs a system call: pages are looked at in chunks when the first one of a chunk is
//! wanted, and what was found there, or was asked for, is remembered. The system may take pages back at any time; now and then a search
//! looks at a chunk again, another one each time, and if something is missing there all that is remembered of any segment is forgotten.
//! A hint: nothing depends on it.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Octets of a page, or of a part of one where pages are larger.
pub const PAGE: usize = 4096;
/// Pages that are looked at together: the bits of a word.
pub const CHUNK_PAGES: usize = u64::BITS as usize;
const CHUNK: usize = CHUNK_PAGES * PAGE;
/// Searches of a segment of which one looks at a chunk again; a search of many segments does so in one of them or two.
const LOOKS_EVERY: u32 = 8;
/// How far behind the chunk that one of them looks at is the one of the next; no number of chunks has it as a factor.
const STRIDE: u32 = 7919;

/// How often the system was seen to have taken pages back, of any segment.
static TAKEN_BACK: AtomicU32 = AtomicU32::new(0);

/// A mapped file, of which octets can be asked for.
pub trait Mapped: Send + Sync {
    /// Tells the system which octets will be read.
    fn will_need(&self, octets: Range<usize>);

    /// Which of the [`CHUNK_PAGES`] pages from an octet on, a multiple of [`PAGE`], are in memory: the lowest bit is the first page. All of
    /// them where that is not known.
    fn in_memory(&self, from: usize) -> u64;
}

/// See the module.
pub struct Ahead {
    mapped: Option<Box<dyn Mapped>>,
    /// Where the file is mapped.
    start: usize,
    len: usize,
    /// By chunk the pages that were in memory, or were asked for; none if it was not looked at.
    known: Box<[AtomicU64]>,
    searches: AtomicU32,
    /// [`TAKEN_BACK`] when what is known began to be remembered.
    since: AtomicU32,
}

impl Ahead {
    /// `bytes` is the file as it is mapped. Without `mapped` nothing is asked for.
    pub fn new(bytes: &[u8], mapped: Option<Box<dyn Mapped>>) -> Ahead {
        let chunks = if mapped.is_some() { bytes.len().div_ceil(CHUNK) } else { 0 };
        let known = (0..chunks).map(|_| AtomicU64::new(0)).collect();
        let (start, len) = (bytes.as_ptr() as usize, bytes.len());
        // Not all segments look at the same search; large mappings begin at multiples of 2 MiB.
        let searches = AtomicU32::new((start >> 21) as u32);
        let since = AtomicU32::new(TAKEN_BACK.load(Ordering::Relaxed));
        Ahead { mapped, start, len, known, searches, since }
    }

    /// A search begins.
    pub fn search(&self) {
        let Some(mapped) = &self.mapped else { return };
        let search = self.searches.fetch_add(1, Ordering::Relaxed);
        if search.is_multiple_of(LOOKS_EVERY) {
            let chunk = (search / LOOKS_EVERY).wrapping_mul(STRIDE) as usize % self.known.len().max(1);
            let known = self.known.get(chunk).map_or(0, |known| known.load(Ordering::Relaxed));
            if known != 0 && known & !mapped.in_memory(chunk * CHUNK) != 0 {
                TAKEN_BACK.fetch_add(1, Ordering::Relaxed);
            }
        }
        let taken_back = TAKEN_BACK.load(Ordering::Relaxed);
        if self.since.swap(taken_back, Ordering::Relaxed) != taken_back {
            self.known.iter().for_each(|known| known.store(0, Ordering::Relaxed));
        }
    }

    /// Whether anything can be asked for.
    #[inline]
    pub fn asks(&self) -> bool {
        self.mapped.is_some()
    }

    /// Everything will be read, now that it is merged, say.
    pub fn will_need_all(&self) {
        if let Some(mapped) = &self.mapped {
            mapped.will_need(0..self.len);
        }
    }

    /// These octets of the mapping will be read.
    #[inline]
    pub fn will_need(&self, octets: &[u8]) {
        if octets.is_empty() || self.mapped.is_none() {
            return;
        }
        let start = (octets.as_ptr() as usize).saturating_sub(self.start);
        let (first, last) = (start / PAGE, (start + octets.len() - 1) / PAGE);
        for chunk in first / CHUNK_PAGES..=last / CHUNK_PAGES {
            let base = chunk * CHUNK_PAGES;
            let (first, last) = (first.max(base) - base, (last - base).min(CHUNK_PAGES - 1));
            let pages = u64::MAX >> (CHUNK_PAGES - 1 - (last - first)) << first;
            if let Some(known) = self.known.get(chunk)
                && pages & !known.load(Ordering::Relaxed) != 0
            {
                self.ask(chunk, known, pages);
            }
        }
    }

    /// Asks for those pages of a chunk that are not in memory.
    #[cold]
    fn ask(&self, chunk: usize, known: &AtomicU64, pages: u64) {
        let Some(mapped) = &self.mapped else { return };
        let mut there = known.load(Ordering::Relaxed);
        if there == 0 {
            there = mapped.in_memory(chunk * CHUNK);
        }
        known.fetch_or(there | pages, Ordering::Relaxed);
        let missing = pages & !there;
        if missing != 0 {
            let at = |page: u32| (chunk * CHUNK + page as usize * PAGE).min(self.len);
            mapped.will_need(at(missing.trailing_zeros())..at(u64::BITS - missing.leading_zeros()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A file of which some pages are in memory; what is asked for comes into memory.
    struct File {
        in_memory: Mutex<Vec<u64>>,
        asked: Mutex<Vec<Range<usize>>>,
        looked: Mutex<Vec<usize>>,
    }

    impl Mapped for Arc<File> {
        fn will_need(&self, octets: Range<usize>) {
            self.asked.lock().unwrap().push(octets);
        }

        fn in_memory(&self, from: usize) -> u64 {
            assert_eq!(from % CHUNK, 0);
            self.looked.lock().unwrap().push(from / CHUNK);
            self.in_memory.lock().unwrap()[from / CHUNK]
        }
    }

    /// A file of three chunks, the last one short, and what is asked of it.
    fn file(in_memory: [u64; 3]) -> (Vec<u8>, Arc<File>) {
        let file = File {
            in_memory: Mutex::new(in_memory.to_vec()),
            asked: Mutex::default(),
            looked: Mutex::default(),
        };
        (vec![0; 2 * CHUNK + 10], Arc::new(file))
    }

    #[test]
    fn what_is_not_in_memory_is_asked_for_once() {
        let (bytes, file) = file([0b110, 0, 0]);
        let ahead = Ahead::new(&bytes, Some(Box::new(Arc::clone(&file))));
        let asked = || std::mem::take(&mut *file.asked.lock().unwrap());
        ahead.will_need(&bytes[5..5]);
        ahead.will_need(&bytes[PAGE..3 * PAGE]);
        assert!(asked().is_empty());
        ahead.will_need(&bytes[..1]);
        assert_eq!(asked(), [0..PAGE]);
        ahead.will_need(&bytes[..4 * PAGE]);
        assert_eq!(asked(), [3 * PAGE..4 * PAGE]);
        // Over the edges of chunks, up to the end of the file.
        ahead.will_need(&bytes[CHUNK - 1..]);
        assert_eq!(asked(), [CHUNK - PAGE..CHUNK, CHUNK..2 * CHUNK, 2 * CHUNK..2 * CHUNK + 10]);
        ahead.will_need(&bytes[CHUNK - 1..]);
        ahead.will_need(&bytes[..3 * PAGE]);
        assert!(asked().is_empty());
        assert_eq!(*file.looked.lock().unwrap(), [0, 1, 2]);
        ahead.will_need_all();
        assert_eq!(asked(), [0..2 * CHUNK + 10]);
    }

    #[test]
    fn what_the_system_took_back_is_asked_for_again() {
        let (bytes, file) = file([u64::MAX; 3]);
        let ahead = Ahead::new(&bytes, Some(Box::new(Arc::clone(&file))));
        ahead.will_need(&bytes);
        (0..6 * LOOKS_EVERY).for_each(|_| ahead.search());
        ahead.will_need(&bytes);
        assert!(file.asked.lock().unwrap().is_empty());
        *file.in_memory.lock().unwrap() = vec![u64::MAX, u64::MAX << 1, 0];
        // In turn all chunks are looked at.
        (0..3 * LOOKS_EVERY).for_each(|_| ahead.search());
        ahead.will_need(&bytes[CHUNK..]);
        assert_eq!(*file.asked.lock().unwrap(), [CHUNK..CHUNK + PAGE, 2 * CHUNK..2 * CHUNK + 10]);
    }

    #[test]
    fn what_is_not_mapped_is_not_asked_for() {
        let ahead = Ahead::new(&[], None);
        ahead.search();
        ahead.will_need(b"abc");
        ahead.will_need_all();
        assert!(!ahead.asks());
        let (_, file) = file([0; 3]);
        let empty = Ahead::new(&[], Some(Box::new(Arc::clone(&file))));
        empty.search();
        assert!(file.asked.lock().unwrap().is_empty());
    }
}
