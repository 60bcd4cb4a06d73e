//! The disk as a trait: the only way the store touches files.
//!
//! Four implementations: [`glommio`] (the server), [`blocking`] (offline tools, tests of the real thing, and the
//! batch reader of the search lanes), [`sim`] (the simulated twin, whose head comment is the fault model).
//! Not here: anything about the format; a disk moves bytes and names.
//!
//! Contract, in all implementations:
//! * paths are relative to the disk's root, `/`-separated, without `.` and `..`;
//! * `read_at` is short only at the end of the file; `write_at` writes everything or fails (then any part of
//!   it may have been written);
//! * nothing is durable before `sync` (data and length of one file) or `sync_dir` (names in one directory)
//!   returned `Ok`; a failed sync must never be retried and believed.

use std::future::Future;
use std::io;
use std::rc::Rc;

use crate::LocalBoxFuture;

pub mod blocking;
#[cfg(test)]
mod contract;
pub mod glommio;
pub mod sim;
pub mod sim_executor;
mod sim_file;
mod sim_names;
mod uring;

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// Existing file, reading only.
    Read,
    /// Existing file, reading and writing.
    ReadWrite,
    /// New file, reading and writing; fails with `AlreadyExists` when the name is taken.
    Create,
}

/// A root folder and what can be done below it. See the module for the contract.
pub trait Disk {
    /// Opens a file.
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> LocalBoxFuture<'a, io::Result<Rc<dyn DiskFile>>>;
    /// Names (of files and folders) in `dir`, sorted; `NotFound` when there is no such folder.
    fn list<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<String>>>;
    /// Creates a folder and its missing parents. Durable after `sync_dir` of every parent.
    fn create_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>>;
    /// Renames a file, replacing the target. Atomic; durable after `sync_dir` of the target's folder.
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> LocalBoxFuture<'a, io::Result<()>>;
    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<()>>;
    /// Removes a folder with everything below it; `Ok` when there is none.
    fn remove_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>>;
    /// Makes the names in `dir` durable (creations, removals, renames). The root is `""`.
    fn sync_dir<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>>;
    /// Length of a file in bytes.
    fn file_len<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<u64>>;
}

#[allow(clippy::len_without_is_empty, reason = "a question to the disk, not a container")]
/// An open file. Dropping it closes it without waiting.
pub trait DiskFile {
    /// Up to `len` bytes from `pos`; fewer only when the file ends there.
    fn read_at(&self, pos: u64, len: usize) -> LocalBoxFuture<'_, io::Result<Vec<u8>>>;
    /// Writes all of `data` at `pos`, extending the file as needed.
    fn write_at<'a>(&'a self, pos: u64, data: &'a [u8]) -> LocalBoxFuture<'a, io::Result<()>>;
    /// Makes data and length durable (fdatasync).
    fn sync(&self) -> LocalBoxFuture<'_, io::Result<()>>;
    /// Reserves space for `[0, len)` and extends the file to `len` with zeros when it is shorter.
    fn allocate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>>;
    /// Cuts or zero-extends the file to `len` bytes.
    fn truncate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>>;
    /// Length in bytes.
    fn len(&self) -> LocalBoxFuture<'_, io::Result<u64>>;
}

/// Loops over short reads until `len` bytes or the end of the file (a read of 0 bytes).
pub(crate) async fn read_fully<F, R>(pos: u64, len: usize, mut read_once: F) -> io::Result<Vec<u8>>
where
    F: FnMut(u64, usize) -> R,
    R: Future<Output = io::Result<Vec<u8>>>,
{
    let mut all = read_once(pos, len).await?;
    while all.len() < len {
        let more = read_once(pos + all.len() as u64, len - all.len()).await?;
        if more.is_empty() {
            break;
        }
        all.extend_from_slice(&more);
    }
    Ok(all)
}

/// Loops over short writes; a write of 0 bytes is `WriteZero`.
pub(crate) async fn write_fully<'a, F, R>(
    mut pos: u64,
    mut data: &'a [u8],
    mut write_once: F,
) -> io::Result<()>
where
    F: FnMut(u64, &'a [u8]) -> R,
    R: Future<Output = io::Result<usize>>,
{
    while !data.is_empty() {
        let n = write_once(pos, data).await?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        pos += n as u64;
        data = &data[n.min(data.len())..];
    }
    Ok(())
}

/// True for ENOSPC and EDQUOT: the disk is full, which is not a fault of the disk.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
        || matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Fills `bytes` from getrandom(2).
pub(crate) fn system_random(bytes: &mut [u8]) -> io::Result<()> {
    uring::random(bytes)
}
