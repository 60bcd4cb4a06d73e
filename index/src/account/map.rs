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
use std::ops::Deref;
use std::sync::Arc;

use memmap2::{Advice, Mmap};
use stable_deref_trait::StableDeref;
use tantivy::directory::OwnedBytes;

use crate::segment::Ask;

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

/// The whole file, which must have `len` bytes, and how to ask for parts of it.
pub(super) fn map(file: &File, len: u64) -> io::Result<(OwnedBytes, Option<Ask>)> {
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
    let asked = Arc::clone(&map);
    let ask = move |range: std::ops::Range<usize>| {
        let end = range.end.min(asked.len());
        if range.start < end {
            let _ = asked.advise_range(Advice::WillNeed, range.start, end - range.start);
        }
    };
    Ok((OwnedBytes::new(Shared(map)), Some(Box::new(ask))))
}
