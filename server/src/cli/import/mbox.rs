//! mbox files (mboxrd; mboxo is read the same way): flags from Status, X-Status, X-Keywords and Mozilla's fields, dates
//! from the `From ` line. A folder of mbox files gives a mailbox for each file, with Thunderbird's `.sbd` for levels.
//!
//! A line starts a message when it begins with `From ` and holds a date, or is the first of the file. One `>` is taken
//! from lines that begin with any number of `>` and `From `; the empty line before the next message is the format's, not
//! the message's.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use trawl_index::mime::header;
use trawl_store::types::ZonedTime;

use super::source::{self, Folder, Incoming, Item, Totals, Unreadable};
use crate::wire::date::{MONTHS, day_from_civil};

/// The mbox files at `path`: itself, or those below it.
pub fn folders(path: &Path) -> io::Result<(Vec<Folder>, Totals)> {
    let mut totals = Totals::default();
    let mut found = Vec::new();
    if path.is_dir() {
        walk(path, "", &mut found, &mut totals)?;
        if found.is_empty() {
            return Err(io::Error::other(
                "has no mbox file in it (a file whose first line begins with `From `)",
            ));
        }
    } else {
        if !is_mbox(path)? {
            return Err(io::Error::other("is not an mbox file: its first line does not begin with `From `"));
        }
        totals.bytes = path.metadata()?.len();
        found.push(Folder { mailbox: "INBOX".into(), path: path.to_owned() });
    }
    Ok((found, totals))
}

fn is_mbox(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    OpenOptions::new().read(true).open(path)?.take(5).read_to_end(&mut start)?;
    // An empty file is an empty mailbox.
    Ok(start.is_empty() || start == b"From ")
}

fn walk(folder: &Path, name: &str, found: &mut Vec<Folder>, totals: &mut Totals) -> io::Result<()> {
    for (entry, path, is_dir) in source::entries(folder)? {
        if entry.starts_with('.') || path.is_symlink() {
            continue;
        }
        if is_dir {
            let level = entry.strip_suffix(".sbd").unwrap_or(&entry);
            walk(&path, &source::below(name, level), found, totals)?;
        } else if is_mbox(&path).unwrap_or(false) {
            let stem = entry.strip_suffix(".mbox").or_else(|| entry.strip_suffix(".mbx")).unwrap_or(&entry);
            totals.bytes += path.metadata().map_or(0, |m| m.len());
            let mailbox = source::below(name, stem);
            let mailbox = if mailbox.eq_ignore_ascii_case("inbox") { "INBOX".to_owned() } else { mailbox };
            found.push(Folder { mailbox, path });
        } else {
            totals.ignored += 1;
        }
    }
    Ok(())
}

/// The messages of one mbox file.
pub fn messages(folder: Folder, bytes_max: u64) -> Box<dyn Iterator<Item = Item>> {
    match OpenOptions::new().read(true).open(&folder.path) {
        Ok(file) => Box::new(Reader::new(BufReader::with_capacity(1 << 18, file), folder, bytes_max)),
        Err(e) => Box::new(std::iter::once(Err(Unreadable {
            origin: folder.path.display().to_string(),
            reason: e.to_string(),
            source_bytes: 0,
        }))),
    }
}

struct Reader<R> {
    input: R,
    folder: Folder,
    bytes_max: u64,
    /// The `From ` line of the message that comes next.
    from_line: Option<Vec<u8>>,
    count: u64,
    done: bool,
}

impl<R: BufRead> Reader<R> {
    fn new(input: R, folder: Folder, bytes_max: u64) -> Reader<R> {
        Reader { input, folder, bytes_max, from_line: None, count: 0, done: false }
    }

    /// One line with its end; at most `bytes_max` and one more byte of it are kept, the rest is read past.
    fn line(&mut self, line: &mut Vec<u8>) -> io::Result<u64> {
        line.clear();
        let mut read = (&mut self.input).take(self.bytes_max + 1).read_until(b'\n', line)? as u64;
        if read > self.bytes_max && !line.ends_with(b"\n") {
            read += self.input.skip_until(b'\n')? as u64;
        }
        Ok(read)
    }

    fn message(&mut self) -> io::Result<Option<Item>> {
        let mut line = Vec::new();
        if self.from_line.is_none() {
            if self.line(&mut line)? == 0 {
                return Ok(None);
            }
            self.from_line = Some(line.clone());
        }
        let Some(from_line) = self.from_line.take() else { return Ok(None) };
        self.count += 1;
        let origin = format!("{}, message {}", self.folder.path.display(), self.count);
        let mut source_bytes = from_line.len() as u64;
        let mut bytes: Vec<u8> = Vec::new();
        let mut too_large = false;
        loop {
            let read = self.line(&mut line)?;
            if read == 0 {
                break;
            }
            if line.starts_with(b"From ") && from_date(&line).is_some() {
                self.from_line = Some(line);
                break;
            }
            source_bytes += read;
            let quoted = line
                .iter()
                .position(|b| *b != b'>')
                .is_some_and(|n| n > 0 && line[n..].starts_with(b"From "));
            let text = if quoted { &line[1..] } else { &line[..] };
            too_large |= bytes.len() as u64 + text.len() as u64 > self.bytes_max;
            if !too_large {
                bytes.extend_from_slice(text);
            }
        }
        if too_large {
            let reason = source::too_large(self.bytes_max);
            return Ok(Some(Err(Unreadable { origin, reason, source_bytes })));
        }
        // The empty line that ends a message in this format.
        if bytes.ends_with(b"\r\n\r\n") {
            bytes.truncate(bytes.len() - 2);
        } else if bytes.ends_with(b"\n\n") {
            bytes.truncate(bytes.len() - 1);
        }
        let date =
            from_date(&from_line).filter(|d| d.seconds > 86_400).or_else(|| source::header_date(&bytes));
        Ok(Some(Ok(Incoming {
            origin,
            mailbox: self.folder.mailbox.clone(),
            flags: flags(&bytes),
            bytes: source::crlf(bytes),
            date,
            source_bytes,
        })))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.done {
            return None;
        }
        match self.message() {
            Ok(Some(item)) => Some(item),
            Ok(None) => {
                self.done = true;
                None
            }
            Err(e) => {
                self.done = true;
                let origin = format!("{}, after message {}", self.folder.path.display(), self.count);
                Some(Err(Unreadable { origin, reason: e.to_string(), source_bytes: 0 }))
            }
        }
    }
}

/// The date of `From sender Mon Jan  2 14:04:05 2017`, with a zone before or after the year where a program wrote one.
fn from_date(line: &[u8]) -> Option<ZonedTime> {
    let text = std::str::from_utf8(line).ok()?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let clock = words.iter().rposition(|w| w.contains(':') && w.starts_with(|c: char| c.is_ascii_digit()))?;
    let (month_name, day) = (words.get(clock.checked_sub(2)?)?, words.get(clock - 1)?.parse().ok()?);
    let month = 1 + MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month_name))? as u32;
    let mut time = words[clock].split(':').map(|n| n.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next().flatten().unwrap_or(0));
    let rest = &words[clock + 1..];
    let year: u32 =
        rest.iter().find(|w| w.len() == 4 && w.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let zone = rest.iter().find_map(|w| zone(w)).unwrap_or(0);
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..61).contains(&second) {
        return None;
    }
    let days = i64::from(day_from_civil(year, month, day)?.0);
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second.min(59) - i64::from(zone) * 60;
    Some(ZonedTime { seconds, zone_minutes: zone })
}

/// `+0130` as minutes.
fn zone(word: &str) -> Option<i16> {
    let (sign, digits) = match word.as_bytes() {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let number: i16 = std::str::from_utf8(digits).ok().filter(|d| d.len() == 4)?.parse().ok()?;
    let minutes = number / 100 * 60 + number % 100;
    (minutes < 1440).then_some(sign * minutes)
}

/// Flags that mail programs keep in header fields of an mbox.
fn flags(message: &[u8]) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    let mut add = |flag: &str| {
        if !flags.iter().any(|f| f == flag) {
            flags.push(flag.to_owned());
        }
    };
    for field in header::fields(message) {
        let value = field.unfolded();
        let text = String::from_utf8_lossy(&value);
        if field.is(b"Status") || field.is(b"X-Status") {
            for letter in text.chars() {
                match letter {
                    'R' => add("\\Seen"),
                    'A' => add("\\Answered"),
                    'F' => add("\\Flagged"),
                    'T' => add("\\Draft"),
                    'D' => add("\\Deleted"),
                    _ => {}
                }
            }
        } else if field.is(b"X-Keywords") || field.is(b"X-Mozilla-Keys") {
            text.split_ascii_whitespace().filter_map(source::keyword).for_each(|k| add(&k));
        } else if field.is(b"X-Mozilla-Status") {
            let bits = u32::from_str_radix(text.trim(), 16).unwrap_or(0);
            for (bit, flag) in
                [(1, "\\Seen"), (2, "\\Answered"), (4, "\\Flagged"), (8, "\\Deleted"), (0x1000, "$Forwarded")]
            {
                if bits & bit != 0 {
                    add(flag);
                }
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], bytes_max: u64) -> Vec<Item> {
        let folder = Folder { mailbox: "INBOX".into(), path: "m.mbox".into() };
        Reader::new(text, folder, bytes_max).collect()
    }

    #[test]
    fn messages_quotes_and_ends() {
        let items = read(
            b"From a@b Mon Jan  2 14:04:05 2017\nStatus: RO\nX-Status: AF\nX-Keywords: work $x\n\n>From here\n>>From there\nFrom nowhere at all\n\n\
              From mboxrd@z Thu Jan  1 00:00:00 1970\r\nDate: Mon, 2 Jan 2017 15:04:05 +0100\r\n\r\nbody\r\n\r\n\
              From - Tue Feb 29 10:00 2000 +0100\nX-Mozilla-Status: 0009\n\nno end",
            1000,
        );
        let messages: Vec<Incoming> = items.into_iter().map(Result::unwrap).collect();
        assert_eq!(messages.len(), 3);
        assert_eq!(
            messages[0].bytes,
            b"Status: RO\r\nX-Status: AF\r\nX-Keywords: work $x\r\n\r\nFrom here\r\n>From there\r\nFrom nowhere at all\r\n"
        );
        assert_eq!(messages[0].flags, ["\\Seen", "\\Answered", "\\Flagged", "work", "$x"]);
        assert_eq!(messages[0].date, Some(ZonedTime { seconds: 1_483_365_845, zone_minutes: 0 }));
        assert_eq!(messages[1].bytes, b"Date: Mon, 2 Jan 2017 15:04:05 +0100\r\n\r\nbody\r\n");
        assert_eq!(messages[1].date, Some(ZonedTime { seconds: 1_483_365_845, zone_minutes: 60 }));
        assert_eq!(messages[2].bytes, b"X-Mozilla-Status: 0009\r\n\r\nno end");
        assert_eq!(messages[2].flags, ["\\Seen", "\\Deleted"]);
        assert_eq!(messages[2].date, Some(ZonedTime { seconds: 951_814_800, zone_minutes: 60 }));
    }

    #[test]
    fn a_message_over_the_limit_does_not_hide_the_next() {
        let mut text = b"From a Mon Jan  2 14:04:05 2017\nSubject: x\n\n".to_vec();
        text.extend_from_slice(&[b'x'; 5000]);
        text.extend_from_slice(b"\n\nFrom a Mon Jan  2 14:04:05 2017\nSubject: y\n\nz\n\n");
        let items = read(&text, 100);
        assert!(items[0].as_ref().is_err_and(|e| e.reason.contains("larger")), "{items:?}");
        assert!(items[1].as_ref().is_ok_and(|m| m.bytes == b"Subject: y\r\n\r\nz\r\n"), "{items:?}");
        assert_eq!(items.len(), 2);
        let counted: u64 =
            items.iter().map(|i| i.as_ref().map_or_else(|e| e.source_bytes, |m| m.source_bytes)).sum();
        assert_eq!(counted, text.len() as u64);
    }

    #[test]
    fn a_tree_of_files() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("Archive.sbd")).unwrap();
        for name in ["Inbox", "Archive", "Archive.sbd/2019.mbox"] {
            std::fs::write(root.path().join(name), "From a Mon Jan  2 14:04:05 2017\n\nx\n").unwrap();
        }
        std::fs::write(root.path().join("Inbox.msf"), "// index").unwrap();
        let (found, totals) = folders(root.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|f| f.mailbox.as_str()).collect();
        assert_eq!(names, ["Archive", "Archive/2019", "INBOX"]);
        assert_eq!(totals.ignored, 1);
        assert!(folders(&root.path().join("Inbox.msf")).is_err());
    }
}
