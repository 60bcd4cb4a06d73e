//! Asks for octets of a mapped segment before they are read, so that a search of what is on the disk waits for many of them at once
//! and not for one page after the other.
//!
//! What is in memory is not asked for, since asking costs a system call: pages are looked at in chunks when the first one of a chunk is
//! wanted, and what was found there, or was asked for, is remembered. The system may take pages back at any time; now and then a search
//! looks at a chunk again, another one each time, and if something is missing there all that is remembered of the segment is forgotten.
//! A hint: nothing depends on it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Octets of a page, or of a part of one where pages are larger.
pub const PAGE: usize = 4096;
/// Pages that are asked for together: the bits of a word.
const WORD_PAGES: usize = u64::BITS as usize;
const WORD: usize = WORD_PAGES * PAGE;
/// Words of pages that are looked at together, which costs little more than a system call if the process has used them.
pub const CHUNK_WORDS: usize = 8;
const CHUNK: usize = CHUNK_WORDS * WORD;

/// Which pages of a chunk are in memory: a bit each, the lowest one of the first word is the first page.
pub type Pages = [u64; CHUNK_WORDS];

/// Searches of a segment of which one looks at a chunk again; a search of many segments does so in one of them or two.
const LOOKS_EVERY: u32 = 8;
/// How far behind the chunk that one of them looks at is the one of the next; no number of chunks has it as a factor.
const STRIDE: u32 = 7919;

/// A mapped file, of which octets can be asked for.
pub trait Mapped: Send + Sync {
    /// Tells the system which octets will be read.
    fn will_need(&self, octets: Range<usize>);

    /// Which pages from an octet on, a multiple of [`PAGE`], are in memory. All of them where that is not known.
    fn in_memory(&self, from: usize) -> Pages;
}

/// See the module.
pub struct Ahead {
    mapped: Option<Box<dyn Mapped>>,
    /// Where the file is mapped.
    start: usize,
    len: usize,
    chunks: Box<[Chunk]>,
    searches: AtomicU32,
}

/// What is remembered of a chunk.
#[derive(Default)]
struct Chunk {
    is_looked_at: AtomicBool,
    /// Pages that were in memory, or were asked for.
    known: [AtomicU64; CHUNK_WORDS],
}

impl Ahead {
    /// `bytes` is the file as it is mapped. Without `mapped` nothing is asked for.
    pub fn new(bytes: &[u8], mapped: Option<Box<dyn Mapped>>) -> Ahead {
        let (start, len) = (bytes.as_ptr() as usize, bytes.len());
        let chunks = if mapped.is_some() { len.div_ceil(CHUNK) } else { 0 };
        let chunks = (0..chunks).map(|_| Chunk::default()).collect();
        // Not all segments look at the same search; large mappings begin at multiples of 2 MiB.
        Ahead { mapped, start, len, chunks, searches: AtomicU32::new((start >> 21) as u32) }
    }

    /// A search begins.
    pub fn search(&self) {
        let Some(mapped) = &self.mapped else { return };
        let search = self.searches.fetch_add(1, Ordering::Relaxed);
        if !search.is_multiple_of(LOOKS_EVERY) {
            return;
        }
        let at = (search / LOOKS_EVERY).wrapping_mul(STRIDE) as usize % self.chunks.len().max(1);
        let Some(chunk) = self.chunks.get(at).filter(|chunk| chunk.is_looked_at.load(Ordering::Relaxed))
        else {
            return;
        };
        let there = mapped.in_memory(at * CHUNK);
        let is_missing = |(known, there): (&AtomicU64, u64)| known.load(Ordering::Relaxed) & !there != 0;
        if chunk.known.iter().zip(there).any(is_missing) {
            for chunk in &self.chunks {
                chunk.is_looked_at.store(false, Ordering::Relaxed);
                chunk.known.iter().for_each(|known| known.store(0, Ordering::Relaxed));
            }
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
        for word in first / WORD_PAGES..=last / WORD_PAGES {
            let base = word * WORD_PAGES;
            let (first, last) = (first.max(base) - base, (last - base).min(WORD_PAGES - 1));
            let pages = u64::MAX >> (WORD_PAGES - 1 - (last - first)) << first;
            if let Some(chunk) = self.chunks.get(word / CHUNK_WORDS)
                && pages & !chunk.known[word % CHUNK_WORDS].load(Ordering::Relaxed) != 0
            {
                self.ask(word, chunk, pages);
            }
        }
    }

    /// Asks for those pages of a word that are not in memory.
    #[cold]
    fn ask(&self, word: usize, chunk: &Chunk, pages: u64) {
        let Some(mapped) = &self.mapped else { return };
        if !chunk.is_looked_at.swap(true, Ordering::Relaxed) {
            let there = mapped.in_memory(word / CHUNK_WORDS * CHUNK);
            for (known, there) in chunk.known.iter().zip(there) {
                known.fetch_or(there, Ordering::Relaxed);
            }
        }
        let missing = pages & !chunk.known[word % CHUNK_WORDS].fetch_or(pages, Ordering::Relaxed);
        if missing != 0 {
            let at = |page: u32| (word * WORD + page as usize * PAGE).min(self.len);
            mapped.will_need(at(missing.trailing_zeros())..at(u64::BITS - missing.leading_zeros()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const ALL: Pages = [u64::MAX; CHUNK_WORDS];
    const NONE: Pages = [0; CHUNK_WORDS];

    /// A file of which some pages are in memory.
    struct File {
        in_memory: Mutex<Vec<Pages>>,
        asked: Mutex<Vec<(usize, usize)>>,
        looked: Mutex<Vec<usize>>,
    }

    impl Mapped for Arc<File> {
        fn will_need(&self, octets: Range<usize>) {
            self.asked.lock().unwrap().push((octets.start, octets.end));
        }

        fn in_memory(&self, from: usize) -> Pages {
            assert_eq!(from % CHUNK, 0);
            self.looked.lock().unwrap().push(from / CHUNK);
            self.in_memory.lock().unwrap()[from / CHUNK]
        }
    }

    /// A file of three chunks, the last one short, and what is asked of it.
    fn file(in_memory: [Pages; 3]) -> (Vec<u8>, Arc<File>) {
        let file = File {
            in_memory: Mutex::new(in_memory.to_vec()),
            asked: Mutex::default(),
            looked: Mutex::default(),
        };
        (vec![0; 2 * CHUNK + 10], Arc::new(file))
    }

    #[test]
    fn what_is_not_in_memory_is_asked_for_once() {
        let mut first = ALL;
        first[0] = 0b110;
        let mut second = NONE;
        second[CHUNK_WORDS - 1] = u64::MAX >> 1;
        let (bytes, file) = file([first, second, NONE]);
        let ahead = Ahead::new(&bytes, Some(Box::new(Arc::clone(&file))));
        let asked = || std::mem::take(&mut *file.asked.lock().unwrap());
        ahead.will_need(&bytes[5..5]);
        ahead.will_need(&bytes[PAGE..3 * PAGE]);
        assert!(asked().is_empty());
        ahead.will_need(&bytes[..1]);
        assert_eq!(asked(), [(0, PAGE)]);
        ahead.will_need(&bytes[..4 * PAGE]);
        assert_eq!(asked(), [(3 * PAGE, 4 * PAGE)]);
        // Over the edges of words and chunks, up to the end of the file.
        ahead.will_need(&bytes[WORD - 1..WORD + 1]);
        assert_eq!(asked(), [(WORD - PAGE, WORD)]);
        ahead.will_need(&bytes[CHUNK + WORD - 1..CHUNK + WORD + 1]);
        assert_eq!(asked(), [(CHUNK + WORD - PAGE, CHUNK + WORD), (CHUNK + WORD, CHUNK + WORD + PAGE)]);
        ahead.will_need(&bytes[2 * CHUNK - 1..]);
        assert_eq!(asked(), [(2 * CHUNK - PAGE, 2 * CHUNK), (2 * CHUNK, 2 * CHUNK + 10)]);
        ahead.will_need(&bytes[2 * CHUNK - 1..]);
        ahead.will_need(&bytes[..4 * PAGE]);
        assert!(asked().is_empty());
        assert_eq!(*file.looked.lock().unwrap(), [0, 1, 2]);
        ahead.will_need_all();
        assert_eq!(asked(), [(0, 2 * CHUNK + 10)]);
    }

    #[test]
    fn what_the_system_took_back_is_asked_for_again() {
        let (bytes, file) = file([ALL; 3]);
        let ahead = Ahead::new(&bytes, Some(Box::new(Arc::clone(&file))));
        ahead.will_need(&bytes);
        (0..6 * LOOKS_EVERY).for_each(|_| ahead.search());
        ahead.will_need(&bytes);
        assert!(file.asked.lock().unwrap().is_empty());
        file.in_memory.lock().unwrap()[1][0] = u64::MAX << 1;
        // In turn all chunks are looked at.
        (0..3 * LOOKS_EVERY).for_each(|_| ahead.search());
        ahead.will_need(&bytes);
        assert_eq!(*file.asked.lock().unwrap(), [(CHUNK, CHUNK + PAGE)]);
    }

    #[test]
    fn what_is_not_mapped_is_not_asked_for() {
        let ahead = Ahead::new(&[], None);
        ahead.search();
        ahead.will_need(b"abc");
        ahead.will_need_all();
        assert!(!ahead.asks());
        let (_, file) = file([NONE; 3]);
        let empty = Ahead::new(&[], Some(Box::new(Arc::clone(&file))));
        empty.search();
        assert!(file.asked.lock().unwrap().is_empty());
    }
}
