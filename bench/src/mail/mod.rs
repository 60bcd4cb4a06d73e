//! The mail that servers are loaded with: message `n` of a source, again and again the same. Made from a seed, or read
//! from mbox, Maildir or a folder of .eml; only offsets and paths are kept in memory.

pub mod files;
pub mod mbox;

use std::io;
use std::path::Path;

use crate::corpus::{Corpus, Flag, Options, SizeProfile};

/// One message with CRLF line ends, and what a mailbox is told with it.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    pub bytes: Vec<u8>,
    /// Internal date, seconds since 1970, and its zone.
    pub seconds: i64,
    pub zone_minutes: i16,
    pub flags: Vec<Flag>,
    pub keywords: Vec<String>,
}

/// A numbered set of messages.
pub trait Mail: Send + Sync {
    fn count(&self) -> usize;
    /// Message `n`, below [`Mail::count`].
    fn letter(&self, n: usize) -> io::Result<Letter>;
    /// What this mail is, for reports.
    fn about(&self) -> String;
}

impl Mail for Corpus {
    fn count(&self) -> usize {
        self.options.count as usize
    }
    fn letter(&self, n: usize) -> io::Result<Letter> {
        let made = self.message(n as u64);
        Ok(Letter {
            bytes: made.bytes,
            seconds: made.seconds,
            zone_minutes: made.zone_minutes,
            flags: made.flags,
            keywords: made.keywords.into_iter().map(str::to_owned).collect(),
        })
    }
    fn about(&self) -> String {
        let Options { seed, count, profile } = self.options;
        format!("{count} generated messages, seed {seed}, profile {profile:?}")
    }
}

/// Generated mail.
pub fn generated(count: u64, seed: u64, profile: SizeProfile) -> Box<dyn Mail> {
    Box::new(Corpus::new(Options { seed, count, profile }))
}

/// An mbox file, a Maildir or a folder of .eml files, told apart by what is there; at most `max` messages.
pub fn open(path: &Path, max: usize) -> io::Result<Box<dyn Mail>> {
    if path.is_file() {
        Ok(Box::new(mbox::Mbox::open(path, max)?))
    } else {
        Ok(Box::new(files::Folder::open(path, max)?))
    }
}

/// Bytes as IMAP can carry them: bare LF becomes CRLF, NUL becomes 0x80. The same for every server.
pub fn clean(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 40);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if at == 0 || bytes[at - 1] != b'\r' => out.extend_from_slice(b"\r\n"),
            0 => out.push(0x80),
            _ => out.push(byte),
        }
    }
    out
}

/// What stands before the literal of an APPEND: flags and date.
pub fn append_arguments(letter: &Letter) -> String {
    let mut flags: Vec<String> = letter.flags.iter().map(|flag| format!("\\{flag:?}")).collect();
    flags.extend(letter.keywords.iter().cloned());
    format!("({}) \"{}\"", flags.join(" "), crate::dates::imap(letter.seconds, letter.zone_minutes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Eml, Maildir, Mbox, Sink};

    #[test]
    fn all_kinds_hold_the_same_mail() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::new(Options { seed: 3, count: 40, profile: SizeProfile::Small });
        let (mbox, maildir, eml) =
            (folder.path().join("b"), folder.path().join("m"), folder.path().join("e"));
        let mut file = Vec::new();
        {
            let mut sinks: [Box<dyn Sink>; 3] =
                [Box::new(Mbox(&mut file)), Box::new(Maildir::new(&maildir)), Box::new(Eml::new(&eml))];
            for message in corpus.iter() {
                sinks.iter_mut().for_each(|sink| sink.put(&message).unwrap());
            }
            sinks.iter_mut().for_each(|sink| sink.finish().unwrap());
        }
        std::fs::write(&mbox, file).unwrap();
        let sorted = |mail: &dyn Mail| {
            let mut all: Vec<Vec<u8>> = (0..mail.count()).map(|n| mail.letter(n).unwrap().bytes).collect();
            all.sort();
            all
        };
        let expected = sorted(&corpus);
        assert!(sorted(&*open(&maildir, 1000).unwrap()) == expected, "Maildir");
        assert!(sorted(&*open(&eml, 1000).unwrap()) == expected, "eml");
        let read = open(&mbox, 1000).unwrap();
        assert_eq!(read.count(), 40);
        // Status fields are taken for flags and stay in the mail.
        for n in 0..40 {
            let (letter, made) = (read.letter(n).unwrap(), corpus.message(n as u64));
            assert!(letter.bytes.ends_with(&made.bytes), "message {n}");
            assert_eq!(letter.seconds, made.seconds);
            assert_eq!(letter.flags.contains(&Flag::Seen), made.flags.contains(&Flag::Seen), "message {n}");
        }
        assert_eq!(open(&mbox, 7).unwrap().count(), 7);
    }

    #[test]
    fn line_ends_and_nul() {
        assert_eq!(clean(b"a\nb\r\nc\0\n"), b"a\r\nb\r\nc\x80\r\n");
    }
}
