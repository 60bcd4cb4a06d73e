//! mbox files (mboxo and mboxrd): one pass for the offsets, then messages by `pread`.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{Letter, Mail, clean};
use crate::corpus::Flag;
use crate::dates;
use crate::limits::MESSAGE_BYTES_MAX;

pub struct Mbox {
    path: PathBuf,
    file: OwnedFd,
    /// Start of the `From ` line, and end, of each message.
    places: Vec<(u64, u64)>,
}

impl Mbox {
    pub fn open(path: &Path, max: usize) -> io::Result<Mbox> {
        let file = OpenOptions::new().read(true).open(path)?;
        let mut reader = BufReader::with_capacity(1 << 20, file.try_clone()?);
        let (mut places, mut at, mut line) = (Vec::new(), 0u64, Vec::new());
        let mut start: Option<u64> = None;
        let mut blank = true;
        loop {
            line.clear();
            let count = reader.read_until(b'\n', &mut line)?;
            if count == 0 || (blank && line.starts_with(b"From ")) {
                if let Some(start) = start
                    && at - start <= MESSAGE_BYTES_MAX as u64
                {
                    places.push((start, at));
                }
                if count == 0 || places.len() >= max {
                    break;
                }
                start = Some(at);
            }
            blank = line == b"\n" || line == b"\r\n";
            at += count as u64;
        }
        Ok(Mbox { path: path.to_owned(), file: file.into(), places })
    }
}

impl Mail for Mbox {
    fn count(&self) -> usize {
        self.places.len()
    }

    fn letter(&self, n: usize) -> io::Result<Letter> {
        let (start, end) = self.places[n];
        let mut raw = vec![0; (end - start) as usize];
        let mut at = 0;
        while at < raw.len() {
            match rustix::io::pread(&self.file, &mut raw[at..], start + at as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => at += count,
            }
        }
        let head = raw.iter().position(|&b| b == b'\n').map_or(raw.len(), |n| n + 1);
        let seconds = from_line(&String::from_utf8_lossy(&raw[..head])).unwrap_or(0);
        // The empty line before the next `From ` belongs to the format.
        let mut body = &raw[head..];
        for end in [&b"\r\n\r\n"[..], b"\n\n"] {
            if body.ends_with(end) {
                body = &body[..body.len() - end.len() / 2];
                break;
            }
        }
        let mut bytes = Vec::with_capacity(body.len());
        for line in body.split_inclusive(|&b| b == b'\n') {
            let quotes = line.iter().take_while(|&&b| b == b'>').count();
            let line = if quotes > 0 && line[quotes..].starts_with(b"From ") { &line[1..] } else { line };
            bytes.extend_from_slice(line);
        }
        let flags = flags(&bytes);
        Ok(Letter { bytes: clean(&bytes), seconds, flags, ..Letter::default() })
    }

    fn about(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{} messages of the mbox {name}", self.places.len())
    }
}

/// The date of `From sender Mon Jan  2 14:04:05 2017`, taken as UTC.
fn from_line(line: &str) -> Option<i64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [month, day, time, year] = words.get(words.len().checked_sub(4)?..)? else { return None };
    let month = dates::MONTHS.iter().position(|name| name == month)? as i64 + 1;
    let clock: Vec<i64> = time.split(':').filter_map(|n| n.parse().ok()).collect();
    let [hours, minutes, rest @ ..] = clock.as_slice() else { return None };
    let days = dates::days(year.parse().ok()?, month, day.parse().ok()?);
    Some(days * 86_400 + hours * 3600 + minutes * 60 + rest.first().unwrap_or(&0))
}

/// Flags of the fields Status and X-Status.
fn flags(bytes: &[u8]) -> Vec<Flag> {
    let mut flags = Vec::new();
    for line in bytes.split(|&b| b == b'\n').take_while(|line| line.len() > 1) {
        for (name, letter, flag) in [
            ("Status:", b'R', Flag::Seen),
            ("X-Status:", b'A', Flag::Answered),
            ("X-Status:", b'F', Flag::Flagged),
            ("X-Status:", b'D', Flag::Deleted),
            ("X-Status:", b'T', Flag::Draft),
        ] {
            if line.starts_with(name.as_bytes())
                && line[name.len()..].contains(&letter)
                && !flags.contains(&flag)
            {
                flags.push(flag);
            }
        }
    }
    flags
}
