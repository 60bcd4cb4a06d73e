//! The archive that an office document is (ZIP): entries by name, inflated as they are read, under bounds that are looked at while
//! inflating, so that what an entry claims of its size does not matter.

use std::collections::HashMap;
use std::io::{self, BufReader, Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::Failure;
use super::output::Stop;
use crate::limits::{
    DOCUMENT_ENTRIES_MAX, DOCUMENT_ENTRY_BYTES_MAX, DOCUMENT_INFLATED_BYTES_MAX,
    DOCUMENT_WHOLE_ENTRY_BYTES_MAX,
};

/// See the module.
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// By name as [`normal`] makes it.
    entries: HashMap<String, usize>,
    /// Octets that may still be inflated.
    left: u64,
}

impl<'a> Archive<'a> {
    pub fn open(content: &'a [u8]) -> Result<Archive<'a>, Failure> {
        // Every entry of the directory begins with this; counted before a library believes any number.
        let entries =
            memchr::memmem::find_iter(content, b"PK\x01\x02").take(DOCUMENT_ENTRIES_MAX + 1).count();
        if entries > DOCUMENT_ENTRIES_MAX {
            return Err(Failure::TooLarge("entries"));
        }
        let zip = ZipArchive::new(Cursor::new(content)).map_err(|_| Failure::Damaged)?;
        let entries = zip.file_names().enumerate().filter_map(|(at, name)| Some((normal(&name.ok()?), at)));
        let entries = entries.collect();
        Ok(Archive { zip, entries, left: DOCUMENT_INFLATED_BYTES_MAX })
    }

    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(&normal(name))
    }

    /// The entries whose name begins and ends like this: shorter names first, then in their order, so that 10 comes after 9.
    pub fn names(&self, begin: &str, end: &str) -> Vec<String> {
        let (begin, end) = (normal(begin), end.to_ascii_lowercase());
        let mut names: Vec<String> = self
            .entries
            .keys()
            .filter(|name| name.starts_with(&begin) && name.ends_with(&end))
            .cloned()
            .collect();
        names.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        names
    }

    /// An entry as a stream; `None` if there is none of that name.
    pub fn entry(&mut self, name: &str) -> Result<Option<Entry<'_, 'a>>, Stop> {
        let Some(&at) = self.entries.get(&normal(name)) else { return Ok(None) };
        let file = self.zip.by_index(at).map_err(|error| match error {
            ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Failure::Encrypted,
            _ => Failure::Damaged,
        })?;
        let entry = self.left.min(DOCUMENT_ENTRY_BYTES_MAX);
        Ok(Some(BufReader::new(Bounded { file, entry, all: &mut self.left })))
    }

    /// All of a small entry.
    pub fn whole(&mut self, name: &str) -> Result<Option<Vec<u8>>, Stop> {
        let Some(entry) = self.entry(name)? else { return Ok(None) };
        let mut octets = Vec::new();
        entry
            .take(DOCUMENT_WHOLE_ENTRY_BYTES_MAX)
            .read_to_end(&mut octets)
            .map_err(|error| failure(&error))?;
        Ok(Some(octets))
    }
}

/// Names in archives are paths without a slash in front; case does not matter in Office Open XML (ECMA-376-2, 6.2.2.3).
fn normal(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_ascii_lowercase()
}

/// An entry that is inflated as it is read.
pub type Entry<'e, 'a> = BufReader<Bounded<'e, 'a>>;

/// Inflates no more than it may.
pub struct Bounded<'e, 'a> {
    file: ZipFile<'e, Cursor<&'a [u8]>>,
    entry: u64,
    all: &'e mut u64,
}

impl Read for Bounded<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        let size = read as u64;
        if size > self.entry {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.entry -= size;
        *self.all = self.all.saturating_sub(size);
        Ok(read)
    }
}

/// What an error while reading an entry means.
pub fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Failure::TooLarge("octets when inflated"),
        _ => Failure::Damaged,
    }
}
