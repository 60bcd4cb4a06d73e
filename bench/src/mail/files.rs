//! Folders with one file for each message: Maildir (flags in the names) or .eml.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Letter, Mail, clean};
use crate::corpus::Flag;
use crate::limits::MESSAGE_BYTES_MAX;

pub struct Folder {
    path: PathBuf,
    files: Vec<PathBuf>,
}

impl Folder {
    /// All messages below `path`, in the order of their paths.
    pub fn open(path: &Path, max: usize) -> io::Result<Folder> {
        let mut files = Vec::new();
        walk(path, &mut files)?;
        files.sort();
        files.truncate(max);
        if files.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no mail in {}", path.display())));
        }
        Ok(Folder { path: path.to_owned(), files })
    }
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    let maildir = folder.file_name().is_some_and(|name| name == "cur" || name == "new");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            walk(&path, into)?;
        } else if (maildir || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("eml")))
            && entry.metadata()?.len() <= MESSAGE_BYTES_MAX as u64
        {
            into.push(path);
        }
    }
    Ok(())
}

impl Mail for Folder {
    fn count(&self) -> usize {
        self.files.len()
    }

    fn letter(&self, n: usize) -> io::Result<Letter> {
        let path = &self.files[n];
        let modified = fs::metadata(path)?.modified()?;
        let seconds = modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut flags = Vec::new();
        if let Some((_, letters)) = name.rsplit_once(":2,") {
            for (letter, flag) in [
                ('D', Flag::Draft),
                ('F', Flag::Flagged),
                ('R', Flag::Answered),
                ('S', Flag::Seen),
                ('T', Flag::Deleted),
            ] {
                if letters.contains(letter) {
                    flags.push(flag);
                }
            }
        }
        Ok(Letter { bytes: clean(&fs::read(path)?), seconds, flags, ..Letter::default() })
    }

    fn about(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{} messages of the folder {name}", self.files.len())
    }
}
