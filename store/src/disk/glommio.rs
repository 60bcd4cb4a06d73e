//! The disk of the server: buffered files through the io_uring of the core's executor, and its timers as a clock.
//!
//! One of the two places that name glommio. What bites in it, and what is done here:
//! * a write is one system call and may be short: looped over;
//! * its `Directory` is opened with O_PATH, which cannot be synced: directories are synced on the blocking thread;
//! * `spawn_blocking` hangs for ever when its closure panics: caught inside;
//! * results of cancelled operations leak: nothing here is cancelled, and callers must not drop these futures half
//!   way either (a dropped write may or may not have happened);
//! * buffered, not direct: see `MEASURED.md`;
//! * a read through it takes several system calls (its three rings and their timers) and a turn of the executor, most of what a small read
//!   costs: what the page cache has is copied at once, and only what it lacks is waited for.
//!
//! Usable only on a glommio executor; files must not leave it.

use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glommio::GlommioError;
use glommio::io::{BufferedFile, OpenOptions};

use super::{Disk, DiskFile, OpenMode, blocking, uring};
use crate::LocalBoxFuture;
use crate::clock::{Clock, now_instant, system_wall};
use crate::types::WallTime;

/// One write handed to the kernel.
const WRITE_BYTES: usize = 1 << 20;

/// A folder, read and written through the executor's io_uring.
pub struct GlommioDisk {
    root: PathBuf,
}

impl GlommioDisk {
    pub fn new(root: impl Into<PathBuf>) -> GlommioDisk {
        GlommioDisk { root: root.into() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// The system's error when there is one, so that `raw_os_error` tells ENOSPC and the like.
fn plain<T>(error: GlommioError<T>) -> io::Error {
    match &error {
        GlommioError::IoError(source) | GlommioError::EnhancedIoError { source, .. } => {
            match source.raw_os_error() {
                Some(errno) => io::Error::from_raw_os_error(errno),
                None => io::Error::new(source.kind(), error.to_string()),
            }
        }
        _ => io::Error::other(error.to_string()),
    }
}

/// Runs what has no asynchronous form on the executor's blocking thread.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let caught = glommio::executor().spawn_blocking(move || catch_unwind(AssertUnwindSafe(run))).await;
    caught.unwrap_or_else(|_| Err(io::Error::other("panic in a blocking file operation")))
}

impl Disk for GlommioDisk {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> LocalBoxFuture<'a, io::Result<Rc<dyn DiskFile>>> {
        Box::pin(async move {
            let mut options = OpenOptions::new();
            options.read(true).write(mode != OpenMode::Read).create_new(mode == OpenMode::Create);
            options.mode(0o600);
            let file = options.buffered_open(self.at(path)).await.map_err(plain)?;
            Ok(Rc::new(GlommioFile { file: Some(file), writable: mode != OpenMode::Read })
                as Rc<dyn DiskFile>)
        })
    }
    fn list<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<String>>> {
        let dir = self.at(dir);
        Box::pin(blocking(move || blocking::list(&dir)))
    }
    #[allow(clippy::disallowed_methods, reason = "on the blocking thread")]
    fn create_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        let dir = self.at(dir);
        Box::pin(blocking(move || std::fs::create_dir_all(dir)))
    }
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(async move { glommio::io::rename(self.at(from), self.at(to)).await.map_err(plain) })
    }
    fn remove<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(async move { glommio::io::remove(self.at(path)).await.map_err(plain) })
    }
    fn remove_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        let dir = self.at(dir);
        Box::pin(blocking(move || blocking::remove_dir_all(&dir)))
    }
    fn sync_dir<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        let dir = self.at(dir);
        Box::pin(blocking(move || blocking::sync_dir(&dir)))
    }
    fn file_len<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<u64>> {
        let path = self.at(path);
        Box::pin(blocking(move || std::fs::metadata(path).map(|meta| meta.len())))
    }
}

struct GlommioFile {
    /// Taken only by drop.
    file: Option<BufferedFile>,
    writable: bool,
}

impl GlommioFile {
    fn file(&self) -> &BufferedFile {
        let Some(file) = &self.file else { unreachable!("taken only by drop") };
        file
    }

    /// Up to `len` bytes that need not be waited for, at least one.
    fn read_cached(&self, pos: u64, len: usize) -> Option<Vec<u8>> {
        let mut cached = vec![0; len];
        let got = uring::read_cached(self.file().as_raw_fd(), pos, &mut cached)?;
        cached.truncate(got);
        Some(cached)
    }

    /// Up to `len` bytes through the executor's io_uring.
    async fn read_waiting(&self, pos: u64, len: usize) -> io::Result<Vec<u8>> {
        let read = self.file().read_at(pos, len).await.map_err(plain)?;
        Ok(read.to_vec())
    }
}

impl DiskFile for GlommioFile {
    fn read_at(&self, pos: u64, len: usize) -> LocalBoxFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(super::read_fully(pos, len, async |pos, len| {
            if len == 0 {
                return Ok(Vec::new());
            }
            if let Some(cached) = self.read_cached(pos, len) {
                // Nothing was waited for, so others have had no turn.
                glommio::yield_if_needed().await;
                return Ok(cached);
            }
            self.read_waiting(pos, len).await
        }))
    }
    fn write_at<'a>(&'a self, pos: u64, data: &'a [u8]) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            if !self.writable {
                return Err(io::Error::from_raw_os_error(libc::EBADF));
            }
            super::write_fully(pos, data, async |pos, data: &[u8]| {
                // The kernel needs a buffer that outlives this future, so the piece is copied.
                let piece = data[..data.len().min(WRITE_BYTES)].to_vec();
                self.file().write_at(piece, pos).await.map_err(plain)
            })
            .await
        })
    }
    fn sync(&self) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.file().fdatasync().await.map_err(plain) })
    }
    fn allocate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.file().pre_allocate(len, false).await.map_err(plain) })
    }
    fn truncate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.file().truncate(len).await.map_err(plain) })
    }
    fn len(&self) -> LocalBoxFuture<'_, io::Result<u64>> {
        Box::pin(async move { self.file().file_size().await.map_err(plain) })
    }
}

/// System time with the timers of the executor.
pub struct GlommioClock {
    start: Instant,
}

impl GlommioClock {
    #[allow(clippy::new_without_default, reason = "making a clock reads the time, which should be visible")]
    pub fn new() -> GlommioClock {
        GlommioClock { start: now_instant() }
    }
}

impl Clock for GlommioClock {
    fn wall(&self) -> WallTime {
        system_wall()
    }
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(glommio::timer::sleep(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glommio::{LocalExecutorBuilder, Placement};

    fn on_executor(test: impl AsyncFnOnce()) {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).io_memory(1 << 20).make().unwrap();
        executor.run(test());
    }

    #[test]
    fn a_glommio_disk_keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        on_executor(async || crate::disk::contract::check(Rc::new(GlommioDisk::new(dir.path()))).await);
    }

    /// Both ways of reading give the same, at the end of the file too; a disk that must be waited for is waited for.
    #[test]
    fn what_is_cached_is_what_is_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let data: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(dir.path().join("file"), &data).unwrap();
        on_executor(async || {
            let file = OpenOptions::new().read(true).buffered_open(dir.path().join("file")).await.unwrap();
            let file = GlommioFile { file: Some(file), writable: false };
            for (pos, len) in [(0, 1), (4_000, 500), (1, 19_999), (19_990, 100), (20_000, 10), (1 << 40, 10)]
            {
                let want = data.get(pos..).unwrap_or_default();
                let want = &want[..want.len().min(len)];
                assert_eq!(file.read_waiting(pos as u64, len).await.unwrap(), want);
                // None: the file system of the test's folder cannot tell, which is no error.
                let cached = file.read_cached(pos as u64, len);
                assert!(cached.is_none_or(|got| !got.is_empty() && want.starts_with(&got)));
                assert_eq!(file.read_at(pos as u64, len).await.unwrap(), want);
            }
            // Nothing is at hand of what has no cache at all.
            let zero = OpenOptions::new().read(true).buffered_open("/proc/self/status").await.unwrap();
            let zero = GlommioFile { file: Some(zero), writable: false };
            assert_eq!(zero.read_cached(0, 5), None);
            assert_eq!(zero.read_at(0, 5).await.unwrap(), b"Name:");
        });
    }

    #[test]
    fn a_full_disk_is_told_by_its_number() {
        on_executor(async || {
            let disk = GlommioDisk::new("/dev");
            let file = disk.open("full", OpenMode::ReadWrite).await.unwrap();
            let error = file.write_at(0, b"x").await.unwrap_err();
            assert!(crate::disk::is_full(&error), "{error:?}");
        });
    }

    #[test]
    fn a_panic_on_the_blocking_thread_is_an_error() {
        on_executor(async || {
            let result: io::Result<()> = blocking(|| panic!("as a test")).await;
            assert!(result.is_err());
            assert_eq!(blocking(|| Ok(5)).await.unwrap(), 5);
        });
    }
}
