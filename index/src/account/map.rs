//! Mapping a segment file into memory: the one file of this folder with `unsafe`.
//!
//! What must hold for it to be sound and safe to read: the bytes never change and the file never gets shorter while it is
//! mapped. Our own files are written under a temporary name before they are mapped, replaced by rename and removed by
//! unlink, never truncated or written in place. The length is compared with the manifest's before, so that a file that was
//! cut by a crash is an error here and not a SIGBUS later. What remains: someone who cuts a file of a running server by hand,
//! and a disk that cannot read a page, stop the process with SIGBUS; restarted under the same boot the segment is mapped
//! again, under another one every byte is read with read(2) first, which reports such errors.

#![allow(unsafe_code, reason = "memory-mapping a file; audited, see the module")]
#![allow(clippy::disallowed_types, reason = "maps what files.rs has opened")]

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

use memmap2::{Advice, Mmap};
use stable_deref_trait::StableDeref;
use tantivy::directory::OwnedBytes;

use crate::segment::{CHUNK_WORDS, Mapped, PAGE, Pages};

/// A mapping that is read and asked for.
struct Shared(Arc<Mmap>);

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

// SAFETY: what it derefs to is the mapping, which stays where it is as long as one of the `Arc` lives.
unsafe impl StableDeref for Shared {}

/// A mapping of which octets are asked for.
struct Asked(Arc<Mmap>);

impl Mapped for Asked {
    fn will_need(&self, octets: Range<usize>) {
        let end = octets.end.min(self.0.len());
        if octets.start < end {
            let _ = self.0.advise_range(Advice::WillNeed, octets.start, end - octets.start);
        }
    }

    fn in_memory(&self, from: usize) -> Pages {
        const PAGES: usize = CHUNK_WORDS * u64::BITS as usize;
        const ALL: Pages = [u64::MAX; CHUNK_WORDS];
        let len = self.0.len().saturating_sub(from).min(PAGES * PAGE);
        if len == 0 || !from.is_multiple_of(PAGE) {
            return ALL;
        }
        // Behind the end of the file there is nothing to be read.
        let mut pages = [1u8; PAGES];
        // SAFETY: the range lies in the mapping, which lives as long as `self`, and begins where a page does, as the mapping does (where pages
        // are larger than `PAGE` the call may fail). One octet is written for each page of it, of which there are `PAGES` at most.
        let told = unsafe {
            let start = self.0.as_ptr().add(from).cast_mut();
            libc::mincore(start.cast(), len, pages.as_mut_ptr().cast())
        };
        if told != 0 {
            return ALL;
        }
        let mut there = Pages::default();
        for (word, pages) in there.iter_mut().zip(pages.chunks_exact(u64::BITS as usize)) {
            *word = pages.iter().rev().fold(0, |word, page| word << 1 | u64::from(page & 1));
        }
        there
    }
}

/// The whole file, which must have `len` bytes, and how to ask for parts of it.
pub(super) fn map(file: &File, len: u64) -> io::Result<(OwnedBytes, Option<Box<dyn Mapped>>)> {
    if file.metadata()?.len() != len {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if len == 0 {
        return Ok((OwnedBytes::empty(), None));
    }
    // SAFETY: the file is one of ours, complete, and never written or truncated again (see the module).
    let map = unsafe { Mmap::map(file) }?;
    if map.len() as u64 != len {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // Searches read a little here and there. What the system would read around each page, up to some megabytes, is more than they
    // wait for; what they know to need they ask for. A hint that is not taken costs time only.
    let _ = map.advise(Advice::Random);
    let map = Arc::new(map);
    let asked = Asked(Arc::clone(&map));
    Ok((OwnedBytes::new(Shared(map)), Some(Box::new(asked))))
}
