//! A disk that lies about one thing: its files' syncs return before they have happened.
//!
//! For a store on it, every change is shown before its sync. It exists to show that the crash test notices.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use trawl_store::LocalBoxFuture;
use trawl_store::disk::{Disk, DiskFile, OpenMode};

/// Everything as the disk below does it, but a file's sync happens when the next operation on that file begins.
pub struct EarlyDisk<D>(pub D);

struct EarlyFile {
    file: Rc<dyn DiskFile>,
    owed: RefCell<bool>,
}

impl EarlyFile {
    async fn pay(&self) -> io::Result<()> {
        if self.owed.replace(false) { self.file.sync().await } else { Ok(()) }
    }
}

impl<D: Disk> Disk for EarlyDisk<D> {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> LocalBoxFuture<'a, io::Result<Rc<dyn DiskFile>>> {
        Box::pin(async move {
            let file = self.0.open(path, mode).await?;
            Ok(Rc::new(EarlyFile { file, owed: RefCell::new(false) }) as Rc<dyn DiskFile>)
        })
    }
    fn list<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<String>>> {
        self.0.list(dir)
    }
    fn create_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        self.0.create_dir_all(dir)
    }
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        self.0.rename(from, to)
    }
    fn remove<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        self.0.remove(path)
    }
    fn remove_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        self.0.remove_dir_all(dir)
    }
    fn sync_dir<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        self.0.sync_dir(dir)
    }
    fn file_len<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<u64>> {
        self.0.file_len(path)
    }
}

impl DiskFile for EarlyFile {
    fn read_at(&self, pos: u64, len: usize) -> LocalBoxFuture<'_, io::Result<Vec<u8>>> {
        self.file.read_at(pos, len)
    }
    fn write_at<'a>(&'a self, pos: u64, data: &'a [u8]) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.pay().await?;
            self.file.write_at(pos, data).await
        })
    }
    fn sync(&self) -> LocalBoxFuture<'_, io::Result<()>> {
        *self.owed.borrow_mut() = true;
        Box::pin(async { Ok(()) })
    }
    fn allocate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>> {
        self.file.allocate(len)
    }
    fn truncate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>> {
        self.file.truncate(len)
    }
    fn len(&self) -> LocalBoxFuture<'_, io::Result<u64>> {
        self.file.len()
    }
}
