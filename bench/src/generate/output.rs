//! Generated mail as files: mboxrd, Maildir++ or folders of .eml. Files have LF line ends, as these formats do on Unix;
//! .eml files keep CRLF.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::corpus::{Flag, Generated};
use crate::dates;

/// Where messages go. Nothing is kept in memory between messages but open writers.
pub trait Sink {
    fn put(&mut self, message: &Generated) -> io::Result<()>;
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        if byte != b'\r' || bytes.get(at + 1) != Some(&b'\n') {
            out.push(byte);
        }
    }
    out
}

/// mboxrd: `From ` lines before each message, `>` before every `>*From ` within, flags in Status, X-Status, X-Keywords.
pub struct Mbox<W: Write>(pub W);

impl<W: Write> Sink for Mbox<W> {
    fn put(&mut self, message: &Generated) -> io::Result<()> {
        writeln!(self.0, "From {} {}", message.sender, dates::asctime(message.seconds))?;
        let has = |flag| message.flags.contains(&flag);
        let mut status = String::new();
        for (flag, letter) in
            [(Flag::Answered, 'A'), (Flag::Flagged, 'F'), (Flag::Draft, 'T'), (Flag::Deleted, 'D')]
        {
            if has(flag) {
                status.push(letter);
            }
        }
        writeln!(self.0, "Status: {}O", if has(Flag::Seen) { "R" } else { "" })?;
        if !status.is_empty() {
            writeln!(self.0, "X-Status: {status}")?;
        }
        if !message.keywords.is_empty() {
            writeln!(self.0, "X-Keywords: {}", message.keywords.join(" "))?;
        }
        let text = lf(&message.bytes);
        for line in text.split_inclusive(|b| *b == b'\n') {
            let unquoted = line.iter().position(|b| *b != b'>').unwrap_or(line.len());
            if line[unquoted..].starts_with(b"From ") {
                self.0.write_all(b">")?;
            }
            self.0.write_all(line)?;
        }
        self.0.write_all(if text.ends_with(b"\n") { b"\n" } else { b"\n\n" })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// One mbox file for each folder, below `root`.
pub struct MboxFolders {
    root: PathBuf,
    open: Vec<(&'static str, Mbox<Box<dyn Write>>)>,
}

impl MboxFolders {
    pub fn new(root: &Path) -> MboxFolders {
        MboxFolders { root: root.to_owned(), open: Vec::new() }
    }
}

impl Sink for MboxFolders {
    fn put(&mut self, message: &Generated) -> io::Result<()> {
        let at = match self.open.iter().position(|(folder, _)| *folder == message.folder) {
            Some(at) => at,
            None => {
                let path = self.root.join(format!("{}.mbox", message.folder));
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                let file = OpenOptions::new().write(true).create_new(true).open(path)?;
                let writer: Box<dyn Write> = Box::new(BufWriter::new(file));
                self.open.push((message.folder, Mbox(writer)));
                self.open.len() - 1
            }
        };
        self.open[at].1.put(message)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.open.iter_mut().try_for_each(|(_, mbox)| mbox.finish())
    }
}

/// Maildir++: INBOX in the root, other folders as `.Archive.2019`, names in modified UTF-7, flags in the file name,
/// the date as the file's time, keywords in `dovecot-keywords`.
pub struct Maildir {
    root: PathBuf,
    made: Vec<&'static str>,
    keywords: Vec<&'static str>,
    count: u64,
}

impl Maildir {
    pub fn new(root: &Path) -> Maildir {
        Maildir { root: root.to_owned(), made: Vec::new(), keywords: Vec::new(), count: 0 }
    }

    fn folder(&self, name: &str) -> PathBuf {
        if name == "INBOX" {
            self.root.clone()
        } else {
            self.root.join(format!(".{}", utf7(name).replace('/', ".")))
        }
    }
}

impl Sink for Maildir {
    fn put(&mut self, message: &Generated) -> io::Result<()> {
        let folder = self.folder(message.folder);
        if !self.made.contains(&message.folder) {
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(folder.join(part))?;
            }
            self.made.push(message.folder);
        }
        let mut letters = String::new();
        for (flag, letter) in [
            (Flag::Draft, 'D'),
            (Flag::Flagged, 'F'),
            (Flag::Answered, 'R'),
            (Flag::Seen, 'S'),
            (Flag::Deleted, 'T'),
        ] {
            if message.flags.contains(&flag) {
                letters.push(letter);
            }
        }
        for keyword in &message.keywords {
            let index = self.keywords.iter().position(|k| k == keyword).unwrap_or_else(|| {
                self.keywords.push(keyword);
                self.keywords.len() - 1
            });
            letters.push(char::from(b'a' + index as u8));
        }
        self.count += 1;
        let path =
            folder.join("cur").join(format!("{}.{:08}.generated:2,{letters}", message.seconds, self.count));
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(&lf(&message.bytes))?;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(message.seconds.max(0) as u64))
    }

    fn finish(&mut self) -> io::Result<()> {
        let table: String = self.keywords.iter().enumerate().map(|(n, k)| format!("{n} {k}\n")).collect();
        self.made.iter().try_for_each(|name| fs::write(self.folder(name).join("dovecot-keywords"), &table))
    }
}

/// Folders of `.eml` files; the date is the file's time.
pub struct Eml {
    root: PathBuf,
    count: u64,
}

impl Eml {
    pub fn new(root: &Path) -> Eml {
        Eml { root: root.to_owned(), count: 0 }
    }
}

impl Sink for Eml {
    fn put(&mut self, message: &Generated) -> io::Result<()> {
        let folder = self.root.join(message.folder);
        fs::create_dir_all(&folder)?;
        self.count += 1;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(folder.join(format!("{:08}.eml", self.count)))?;
        file.write_all(&message.bytes)?;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(message.seconds.max(0) as u64))
    }
}

/// Modified UTF-7 of a mailbox name (RFC 3501 5.1.3), as Maildir++ writes folder names.
pub fn utf7(name: &str) -> String {
    use base64::Engine;
    let mut out = String::new();
    let mut wide: Vec<u8> = Vec::new();
    let flush = |wide: &mut Vec<u8>, out: &mut String| {
        if !wide.is_empty() {
            let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&*wide).replace('/', ",");
            out.push_str(&format!("&{text}-"));
            wide.clear();
        }
    };
    for letter in name.chars() {
        match letter {
            ' '..='~' => {
                flush(&mut wide, &mut out);
                out.push(letter);
                if letter == '&' {
                    out.push('-');
                }
            }
            _ => wide.extend(letter.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes())),
        }
    }
    flush(&mut wide, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Corpus, Options, SizeProfile};

    #[test]
    fn modified_utf7() {
        for (name, expected) in [
            ("INBOX", "INBOX"),
            ("Entwürfe & mehr", "Entw&APw-rfe &- mehr"),
            ("日本語", "&ZeVnLIqe-"),
            ("~peter/mail/台北", "~peter/mail/&U,BTFw-"),
        ] {
            assert_eq!(utf7(name), expected);
        }
    }

    #[test]
    fn mboxrd_quotes_and_separates() {
        let message = Generated {
            bytes: b"Subject: x\r\n\r\nFrom here\r\n>From there\r\n>>Fro\r\n".to_vec(),
            seconds: 1_483_365_845,
            zone_minutes: 0,
            flags: vec![Flag::Seen, Flag::Flagged],
            keywords: vec!["work"],
            folder: "INBOX",
            sender: "a@b.example".into(),
        };
        let mut out = Vec::new();
        Mbox(&mut out).put(&message).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "From a@b.example Mon Jan  2 14:04:05 2017\nStatus: RO\nX-Status: F\nX-Keywords: work\nSubject: x\n\n>From here\n>>From there\n>>Fro\n\n"
        );
    }

    #[test]
    fn every_message_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::new(Options { seed: 4, count: 120, profile: SizeProfile::Small });
        let (maildir, eml, mbox) =
            (folder.path().join("m"), folder.path().join("e"), folder.path().join("b"));
        let mut sinks: Vec<Box<dyn Sink>> = vec![
            Box::new(Maildir::new(&maildir)),
            Box::new(Eml::new(&eml)),
            Box::new(MboxFolders::new(&mbox)),
        ];
        for message in corpus.iter() {
            sinks.iter_mut().for_each(|s| s.put(&message).unwrap());
        }
        sinks.iter_mut().for_each(|s| s.finish().unwrap());
        assert_eq!(
            files(&maildir).iter().filter(|p| p.to_string_lossy().contains(".generated")).count(),
            120
        );
        assert_eq!(files(&eml).len(), 120);
        let starts: usize = files(&mbox)
            .iter()
            .map(|p| {
                fs::read_to_string(p)
                    .unwrap_or_else(|_| String::from_utf8_lossy(&fs::read(p).unwrap()).into_owned())
            })
            .map(|text| text.lines().filter(|l| l.starts_with("From ")).count())
            .sum();
        assert_eq!(starts, 120);
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
        }
        found
    }
}
