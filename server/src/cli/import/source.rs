//! What every kind of source yields, and the helpers they share. No sockets here, and no IMAP but its flag names.
//!
//! The bytes of a message change in one way only: a bare LF becomes CRLF. Everything else, however broken, stays.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use trawl_index::mime::{date, header};
use trawl_store::types::ZonedTime;

/// A message on its way in.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// Where it was found, for error messages: a path, or `path, message 12`.
    pub origin: String,
    /// UTF-8, `/` between levels.
    pub mailbox: String,
    pub bytes: Vec<u8>,
    /// IMAP system flags and keywords.
    pub flags: Vec<String>,
    pub date: Option<ZonedTime>,
    /// Bytes of the source that this message stands for; what the progress bar counts.
    pub source_bytes: u64,
}

/// Something that could not be read as a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    pub origin: String,
    pub reason: String,
    pub source_bytes: u64,
}

pub type Item = Result<Incoming, Unreadable>;

/// What is known before the first message is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub bytes: u64,
    /// Files that are not of this kind and are left alone.
    pub ignored: u64,
}

/// A mailbox of a source: its name and the files that hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    pub mailbox: String,
    pub path: PathBuf,
}

/// A bare LF becomes CRLF; what is CRLF already, and a bare CR, stay.
pub fn crlf(bytes: Vec<u8>) -> Vec<u8> {
    let bare = memchr::memchr_iter(b'\n', &bytes).filter(|&at| at == 0 || bytes[at - 1] != b'\r').count();
    if bare == 0 {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len() + bare);
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', &bytes) {
        if at == 0 || bytes[at - 1] != b'\r' {
            out.extend_from_slice(&bytes[start..at]);
            out.push(b'\r');
            start = at;
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out
}

/// The whole of a regular file, unless it is larger than `bytes_max`.
pub fn read_file(path: &Path, bytes_max: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let file = OpenOptions::new().read(true).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("is not a file"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(bytes_max)).unwrap_or(0));
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(too_large(bytes_max)));
    }
    Ok((bytes, metadata))
}

pub fn too_large(bytes_max: u64) -> String {
    format!("is larger than limits.append_bytes_max ({})", crate::config::ByteSize(bytes_max))
}

/// When a file was changed last, UTC.
pub fn modified(metadata: &Metadata) -> Option<ZonedTime> {
    let seconds = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(ZonedTime { seconds: i64::try_from(seconds).ok()?, zone_minutes: 0 })
}

/// When a message arrived by its own account: its topmost Received field, else Date.
pub fn header_date(message: &[u8]) -> Option<ZonedTime> {
    let mut sent = None;
    for field in header::fields(message) {
        if field.is(b"Received") {
            let value = field.unfolded();
            let after = value.iter().rposition(|b| *b == b';').map(|at| &value[at + 1..]);
            if let Some(date) = after.and_then(date::parse).filter(plausible) {
                return Some(date);
            }
        } else if field.is(b"Date") && sent.is_none() {
            sent = date::parse(&field.unfolded()).filter(plausible);
        }
    }
    sent
}

/// Dates before the first mail or far in the future come from broken programs.
fn plausible(date: &ZonedTime) -> bool {
    (1..4_102_444_800).contains(&date.seconds)
}

/// Entries of a folder, sorted by name so that an import can be repeated; hidden ones and links out are the caller's.
pub fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf, bool)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_dir = path.is_dir();
        found.push((entry.file_name().to_string_lossy().into_owned(), path, is_dir));
    }
    found.sort();
    Ok(found)
}

/// `name` below `parent`; either may be empty.
pub fn below(parent: &str, name: &str) -> String {
    match (parent, name) {
        ("", name) => name.to_owned(),
        (parent, "") => parent.to_owned(),
        (parent, name) => format!("{parent}/{name}"),
    }
}

/// A name as it may stand in a flag list (RFC 9051 flag-keyword), or nothing.
pub fn keyword(name: &str) -> Option<String> {
    let atom = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
    (!name.is_empty() && name.len() <= 255 && name.bytes().all(atom)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_lf_changes() {
        for (before, after) in [
            ("", ""),
            ("a\nb", "a\r\nb"),
            ("\n\n", "\r\n\r\n"),
            ("a\r\nb\n", "a\r\nb\r\n"),
            ("a\rb\r\n", "a\rb\r\n"),
            ("a\r\r\n\0\n", "a\r\r\n\0\r\n"),
            ("no end", "no end"),
        ] {
            assert_eq!(crlf(before.into()), after.as_bytes(), "{before:?}");
        }
    }

    #[test]
    fn dates_of_a_header() {
        let seconds = |text: &str| header_date(text.as_bytes()).map(|d| (d.seconds, d.zone_minutes));
        assert_eq!(seconds("Date: Mon, 2 Jan 2017 15:04:05 +0100\n\n"), Some((1_483_365_845, 60)));
        assert_eq!(
            seconds(
                "Received: from a (b; c)\n by d; Mon, 2 Jan 2017 15:04:06 +0100\nDate: Sun, 1 Jan 2017 00:00:00 +0000\n\n"
            ),
            Some((1_483_365_846, 60))
        );
        assert_eq!(
            seconds("Received: nonsense\nDate: Mon, 2 Jan 2017 15:04:05 +0100\n\n"),
            Some((1_483_365_845, 60))
        );
        assert_eq!(seconds("Subject: x\n\nDate: Mon, 2 Jan 2017 15:04:05 +0100\n"), None);
    }

    #[test]
    fn keywords_are_atoms() {
        assert_eq!(keyword("$Forwarded").as_deref(), Some("$Forwarded"));
        for bad in ["", "two words", "a]b", "(x", "ü", "\\Seen"] {
            assert_eq!(keyword(bad), None, "{bad}");
        }
    }
}
