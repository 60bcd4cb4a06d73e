//! The folder of one account's index: the only place of this crate that touches files.
//!
//! What must hold: a file comes into being whole, under its name by rename, and is never written again; nothing is synced,
//! because everything can be made anew from the log and is verified after a crash of the system. Not here: what the files
//! hold.

#![allow(clippy::disallowed_types, reason = "the files of the index; the log has its own")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::directory::OwnedBytes;

use super::map;
use crate::limits::INDEX_FILE_STEP_BYTES;
use crate::segment::Mapped;

/// Ends the name of a file that is not complete.
const NEW: &str = ".new";

/// Is told before each change of the folder and may refuse it: tests make disks full and processes die there.
pub(super) type Watch = Arc<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// See the module.
pub(super) struct Folder {
    path: PathBuf,
    watch: Option<Watch>,
}

impl Folder {
    pub fn new(path: impl Into<PathBuf>, watch: Option<Watch>) -> Folder {
        Folder { path: path.into(), watch }
    }

    /// The content of a small file; `None` when there is none.
    pub fn read(&self, name: &str, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Makes a file of `bytes`, whole or not at all. `false`: the flag was raised first.
    pub fn write(&self, name: &str, bytes: &[u8], stop: &AtomicBool) -> io::Result<bool> {
        let new = format!("{name}{NEW}");
        let written = self.write_new(&new, bytes, stop);
        if !matches!(written, Ok(true)) {
            // The disk may be full of it.
            let _ = self.remove(&new);
            return written;
        }
        self.changing()?;
        fs::rename(self.path.join(&new), self.path.join(name))?;
        Ok(true)
    }

    fn write_new(&self, name: &str, bytes: &[u8], stop: &AtomicBool) -> io::Result<bool> {
        self.changing()?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        // A left-over is unlinked: it may be anything, even mapped.
        self.remove(name)?;
        self.changing()?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path.join(name))?;
        for step in bytes.chunks(INDEX_FILE_STEP_BYTES) {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.changing()?;
            file.write_all(step)?;
        }
        Ok(true)
    }

    /// A file of `len` bytes, mapped. `InvalidData` when it is of another length.
    pub fn map(&self, name: &str, len: u64) -> io::Result<(OwnedBytes, Option<Box<dyn Mapped>>)> {
        map::map(&File::open(self.path.join(name))?, len)
    }

    /// CRC-32 of a file and its length, read from the disk; `None`: the flag was raised first.
    pub fn crc(&self, name: &str, stop: &AtomicBool) -> io::Result<Option<(u32, u64)>> {
        let mut file = File::open(self.path.join(name))?;
        let mut buffer = vec![0; INDEX_FILE_STEP_BYTES];
        let (mut sum, mut len) = (crc32fast::Hasher::new(), 0);
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Some((sum.finalize(), len))),
                Ok(n) => {
                    sum.update(&buffer[..n]);
                    len += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes a file; fine when there is none.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.changing()?;
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Names of what there is.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Removes every file that is not wanted. Left-overs do no harm, so neither does a failure.
    pub fn keep_only(&self, wanted: &dyn Fn(&str) -> bool) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_none_or(|name| !wanted(name)) && self.changing().is_ok() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Removes the folder. `first` goes before everything else: without it the rest means nothing, so a crash between leaves
    /// left-overs, not half an index.
    pub fn remove_all(&self, first: &str) -> io::Result<()> {
        self.remove(first)?;
        self.changing()?;
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn changing(&self) -> io::Result<()> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch(&self.path))
    }
}

/// The boot of this system: while it is the same, what was written to files is in them, synced or not. Empty, and never the
/// same, where the system does not tell.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
