//! The disk with ordinary system calls: for offline tools, for tests on real files, and for the lanes.
//!
//! [`BlockingDisk`] has the same trait as the others; its futures are ready at once, so they run under any
//! executor, which they block: never on a core that serves. [`BatchReader`] is `Send` and reads many places at
//! once through an io_uring of its own.

#![allow(clippy::disallowed_types, reason = "one of the implementations of the disk")]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::uring::{self, Uring};
use super::{Disk, DiskFile, OpenMode};
use crate::LocalBoxFuture;
use crate::limits;

/// A folder, read and written with ordinary system calls.
pub struct BlockingDisk {
    root: PathBuf,
}

impl BlockingDisk {
    pub fn new(root: impl Into<PathBuf>) -> BlockingDisk {
        BlockingDisk { root: root.into() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

fn ready<'a, T: 'a>(result: io::Result<T>) -> LocalBoxFuture<'a, io::Result<T>> {
    Box::pin(std::future::ready(result))
}

/// Names in a folder, sorted.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

pub(super) fn list(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        // A name that is not UTF-8 is none of ours.
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes a folder with everything below it; fine when there is none.
pub(super) fn remove_dir_all(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Disk for BlockingDisk {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> LocalBoxFuture<'a, io::Result<Rc<dyn DiskFile>>> {
        let file = File::options()
            .read(true)
            .write(mode != OpenMode::Read)
            .create_new(mode == OpenMode::Create)
            .open(self.at(path));
        ready(file.map(|file| Rc::new(BlockingFile { file }) as Rc<dyn DiskFile>))
    }
    fn list<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<String>>> {
        ready(list(&self.at(dir)))
    }
    fn create_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        ready(fs::create_dir_all(self.at(dir)))
    }
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        ready(fs::rename(self.at(from), self.at(to)))
    }
    fn remove<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        ready(fs::remove_file(self.at(path)))
    }
    fn remove_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        ready(remove_dir_all(&self.at(dir)))
    }
    fn sync_dir<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        ready(sync_dir(&self.at(dir)))
    }
    fn file_len<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<u64>> {
        ready(fs::metadata(self.at(path)).map(|meta| meta.len()))
    }
}

struct BlockingFile {
    file: File,
}

/// pread until `len` bytes or the end of the file.
fn read_at(file: &File, pos: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut got = 0;
    while got < len {
        match file.read_at(&mut bytes[got..], pos + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(got);
    Ok(bytes)
}

impl DiskFile for BlockingFile {
    fn read_at(&self, pos: u64, len: usize) -> LocalBoxFuture<'_, io::Result<Vec<u8>>> {
        ready(read_at(&self.file, pos, len))
    }
    fn write_at<'a>(&'a self, pos: u64, data: &'a [u8]) -> LocalBoxFuture<'a, io::Result<()>> {
        ready(self.file.write_all_at(data, pos))
    }
    fn sync(&self) -> LocalBoxFuture<'_, io::Result<()>> {
        ready(self.file.sync_data())
    }
    fn allocate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>> {
        ready(uring::allocate(&self.file, len))
    }
    fn truncate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>> {
        ready(self.file.set_len(len))
    }
    fn len(&self) -> LocalBoxFuture<'_, io::Result<u64>> {
        ready(self.file.metadata().map(|meta| meta.len()))
    }
}

/// One place to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadRequest {
    pub path: PathBuf,
    pub pos: u64,
    pub len: usize,
}

/// Reads many places at once: `limits::batch_queue_entries` in flight through an io_uring of its own, or one
/// after another with pread where io_uring is refused. `Send`; one per lane.
pub struct BatchReader {
    ring: Result<Uring, io::Error>,
    /// Least recently used first.
    files: Vec<(PathBuf, OwnedFd)>,
}

impl Default for BatchReader {
    fn default() -> BatchReader {
        BatchReader::new()
    }
}

impl BatchReader {
    pub fn new() -> BatchReader {
        BatchReader { ring: Uring::new(limits::batch_queue_entries), files: Vec::new() }
    }

    /// Without io_uring, as where it is refused.
    pub fn without_uring() -> BatchReader {
        let refused = io::Error::new(io::ErrorKind::Unsupported, "not asked for");
        BatchReader { ring: Err(refused), files: Vec::new() }
    }

    /// Why reads go one after another, when they do.
    pub fn refused(&self) -> Option<&io::Error> {
        self.ring.as_ref().err()
    }

    /// Forgets open files, so that removed ones free their space.
    pub fn close_files(&mut self) {
        self.files.clear();
    }

    fn open(&mut self, path: &Path) -> io::Result<usize> {
        if let Some(at) = self.files.iter().position(|(known, _)| known == path) {
            let entry = self.files.remove(at);
            self.files.push(entry);
        } else {
            self.files.push((path.to_owned(), File::open(path)?.into()));
        }
        Ok(self.files.len() - 1)
    }

    /// Reads all; results in the order asked for, short only at the end of a file. Holds all results in memory:
    /// the caller bounds what it asks for.
    pub fn read_batch(&mut self, requests: &[ReadRequest]) -> Vec<io::Result<Vec<u8>>> {
        let mut results: Vec<io::Result<Vec<u8>>> = Vec::with_capacity(requests.len());
        let mut from = 0;
        while from < requests.len() {
            // A group names at most as many files as may be open, so that none is closed while in use.
            let mut paths: Vec<&Path> = Vec::new();
            let group = requests[from..]
                .iter()
                .take_while(|request| {
                    if !paths.contains(&request.path.as_path()) {
                        paths.push(&request.path);
                    }
                    paths.len() <= limits::files_open_max
                })
                .count();
            let group = &requests[from..from + group];
            from += group.len();
            results.extend(self.read_group(group));
        }
        results
    }

    fn read_group(&mut self, group: &[ReadRequest]) -> Vec<io::Result<Vec<u8>>> {
        let opened: Vec<Option<io::Error>> =
            group.iter().map(|request| self.open(&request.path).err()).collect();
        let fd = |path: &Path| {
            self.files.iter().find(|(known, _)| known == path).map(|(_, file)| file.as_raw_fd())
        };
        let reads: Vec<uring::Read> = group
            .iter()
            .zip(&opened)
            .map(|(request, failed)| uring::Read {
                fd: if failed.is_none() { fd(&request.path) } else { None },
                pos: request.pos,
                buffer: vec![0; request.len],
                done: 0,
                error: None,
            })
            .collect();
        let reads = match &mut self.ring {
            Ok(ring) => ring.read_all(reads),
            Err(_) => uring::read_all_blocking(reads),
        };
        let results = reads
            .into_iter()
            .zip(opened)
            .map(|(read, failed)| match failed.or(read.error) {
                Some(error) => Err(error),
                None => {
                    let mut bytes = read.buffer;
                    bytes.truncate(read.done);
                    Ok(bytes)
                }
            })
            .collect();
        let excess = self.files.len().saturating_sub(limits::files_open_max);
        self.files.drain(..excess);
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;

    #[test]
    fn a_blocking_disk_keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        block_on(crate::disk::contract::check(Rc::new(BlockingDisk::new(dir.path()))));
    }

    fn batch(mut reader: BatchReader) {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..100).map(|i| dir.path().join(format!("{i}"))).collect();
        for (i, path) in paths.iter().enumerate() {
            let bytes: Vec<u8> = (0..10_000).map(|at| (at + i) as u8).collect();
            fs::write(path, bytes).unwrap();
        }
        let mut requests: Vec<ReadRequest> = (0..1000usize)
            .map(|n| ReadRequest {
                path: paths[n * 37 % 100].clone(),
                pos: (n * 7 % 9000) as u64,
                len: 1 + n % 2500,
            })
            .collect();
        requests.push(ReadRequest { path: dir.path().join("missing"), pos: 0, len: 10 });
        requests.push(ReadRequest { path: paths[3].clone(), pos: 9_995, len: 10 });
        requests.push(ReadRequest { path: paths[3].clone(), pos: 20_000, len: 10 });
        requests.push(ReadRequest { path: paths[3].clone(), pos: 0, len: 0 });
        for _ in 0..2 {
            let results = reader.read_batch(&requests);
            assert_eq!(results.len(), requests.len());
            for (n, (request, result)) in requests.iter().zip(&results).enumerate().take(1000) {
                let i = n * 37 % 100;
                let end = (request.pos as usize + request.len).min(10_000);
                let expected: Vec<u8> = (request.pos as usize..end).map(|at| (at + i) as u8).collect();
                assert_eq!(result.as_ref().unwrap(), &expected, "request {n}");
            }
            assert_eq!(results[1000].as_ref().unwrap_err().kind(), io::ErrorKind::NotFound);
            assert_eq!(results[1001].as_ref().unwrap().len(), 5);
            assert!(results[1002].as_ref().unwrap().is_empty());
            assert!(results[1003].as_ref().unwrap().is_empty());
            assert!(reader.files.len() <= limits::files_open_max);
        }
    }

    #[test]
    fn batches_come_back_in_order_with_and_without_io_uring() {
        batch(BatchReader::without_uring());
        let reader = BatchReader::new();
        if let Some(refused) = reader.refused() {
            eprintln!("left out: io_uring is refused here ({refused})");
            return;
        }
        batch(reader);
    }

    #[test]
    fn a_batch_reader_can_move_to_a_lane() {
        fn send<T: Send>() {}
        send::<BatchReader>();
    }
}
