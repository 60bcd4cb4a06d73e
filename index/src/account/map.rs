//! Mapping a segment file into memory: the one `unsafe` of this folder.
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

use memmap2::Mmap;
use tantivy::directory::OwnedBytes;

/// The whole file, which must have `len` bytes.
pub(super) fn map(file: &File, len: u64) -> io::Result<OwnedBytes> {
    if file.metadata()?.len() != len {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if len == 0 {
        return Ok(OwnedBytes::empty());
    }
    // SAFETY: the file is one of ours, complete, and never written or truncated again (see the module).
    let map = unsafe { Mmap::map(file) }?;
    if map.len() as u64 != len {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(OwnedBytes::new(map))
}
