//! Tests of the whole: a log in memory, a folder on disk, and everything that may happen to it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;
use trawl_store::log::Address;

use super::work::{Batch, Content, Done, Failure, Wanted};
use super::*;
use crate::prepare::{Area, Kind, Prepared};
use crate::scan::Message;

mod crash;
mod damage;
mod saved;
mod steps;

thread_local! {
    /// Messages that make the builder panic.
    static POISON: RefCell<BTreeSet<u32>> = const { RefCell::new(BTreeSet::new()) };
    /// Documents above which finishing a segment panics.
    static FINISH_MAX: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// Panics where a test wants it; `number` is a message, or when `finishing` how many there are.
pub(super) fn poisoned(number: u32, finishing: bool) {
    if finishing && number > FINISH_MAX.get()
        || !finishing && POISON.with_borrow(|poison| poison.contains(&number))
    {
        panic!("wanted by this test");
    }
}

static GO: AtomicBool = AtomicBool::new(false);

const BOOT: &str = "boot-1";
const LATER_BOOT: &str = "boot-2";
const IDENTITY: Identity =
    Identity { store: *b"0123456789abcdef", epoch: 1, shard: 2, account: 3, documented: false };

fn content(message: u32) -> Content {
    // Every thirteenth has a field that only the scan can answer for.
    let odd = if message % 13 == 5 { "=?utf-8?q?_odd?=" } else { "even" };
    Content {
        header: format!(
            "From: User {} <u{message}@example.org>\r\nSubject: about thing {}\r\nX-Odd: {odd}\r\n\r\n",
            message % 5,
            message % 3
        )
        .into_bytes(),
        body: format!(
            "The quick brown fox {message} jumps, word{} over\r\nunique-{message}-{} end.\r\n",
            message % 7,
            message.wrapping_mul(2_654_435_761)
        )
        .into_bytes(),
        ..Content::default()
    }
}

/// What the log of an account is for the index.
#[derive(Clone, Default)]
struct Log {
    /// Messages `0..next` were stored.
    next: u32,
    lsn: u64,
    /// In no mailbox any more.
    gone: BTreeSet<u32>,
    /// Cannot be read.
    broken: BTreeSet<u32>,
    /// Bytes that messages of this log have more than those of another one.
    other: u32,
    /// Largest batch that is handed out.
    batch_max: usize,
    /// Messages that were read, all together.
    reads: usize,
}

impl Log {
    fn new(messages: u32, batch_max: usize) -> Log {
        Log { next: messages, lsn: u64::from(messages), batch_max, ..Log::default() }
    }

    fn fingerprint(&self, message: u32) -> Fingerprint {
        let content = content(message);
        let size = (content.header.len() + content.body.len()) as u32 + self.other;
        Fingerprint { size, internal: i64::from(message) }
    }

    /// Messages that a complete index covers.
    fn coverable(&self) -> RoaringBitmap {
        let odd = |message: &u32| message % 13 == 5;
        (0..self.next).filter(|m| !odd(m) && !self.gone.contains(m) && !self.broken.contains(m)).collect()
    }
}

impl Source for Log {
    fn known(&mut self, witness: Option<u32>) -> io::Result<Known> {
        let witness = witness.filter(|message| *message < self.next).map(|message| self.fingerprint(message));
        Ok(Known { lsn: self.lsn, next: self.next, witness })
    }

    fn batch(&mut self, from: u32, messages_max: usize) -> io::Result<Batch> {
        let mut wanted: Vec<Wanted> = (from..self.next)
            .filter(|message| !self.gone.contains(message))
            .map(|message| Wanted {
                message,
                address: Address { segment: 0, offset: message * 8 },
                documents: None,
                fingerprint: self.fingerprint(message),
            })
            .collect();
        let max = messages_max.min(self.batch_max);
        let upto = wanted.get(max).map_or(self.next, |first| first.message);
        wanted.truncate(max);
        Ok(Batch { wanted, upto, lsn: self.lsn })
    }

    fn read(&mut self, wanted: &[Wanted]) -> Vec<Result<Content, String>> {
        self.reads += wanted.len();
        let read = |wanted: &Wanted| match self.broken.contains(&wanted.message) {
            true => Err("checksum".to_owned()),
            false => Ok(content(wanted.message)),
        };
        wanted.iter().map(read).collect()
    }

    fn live(&mut self) -> Option<RoaringBitmap> {
        Some((0..self.next).filter(|message| !self.gone.contains(message)).collect())
    }
}

fn folder() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("0002").join("3");
    (dir, path)
}

fn open(path: &Path, boot: &str, log: &mut Log) -> (AccountIndex, Opened) {
    AccountIndex::open(path, &IDENTITY, boot, log).unwrap()
}

fn build(index: &AccountIndex, log: &mut Log) -> Done {
    index.work(Work::Build, log, &GO).unwrap()
}

/// Builds until everything is settled.
fn build_all(index: &AccountIndex, log: &mut Log) {
    while index.snapshot().next() < log.next {
        build(index, log);
    }
}

fn merge_all(index: &AccountIndex, log: &mut Log) -> Result<Done, Failure> {
    let serials = index.snapshot().entries().iter().map(|entry| entry.serial).collect();
    index.work(Work::Merge(serials), log, &GO)
}

type Texts = Vec<(String, Vec<u8>)>;

fn text(kind: Kind<'_>, text: &[u8]) -> (String, Vec<u8>) {
    (format!("{kind:?}"), text.to_vec())
}

/// Every message that the snapshot covers has exactly the texts that the scan sees.
fn assert_exact(snapshot: &Snapshot, log: &Log, whence: &str) {
    let mut seen = RoaringBitmap::new();
    for segment in snapshot.segments() {
        for doc in 0..segment.docs() {
            let message = segment.message(doc).unwrap();
            if segment.unvouched().contains(doc) {
                continue;
            }
            assert!(seen.insert(message), "{whence}: {message} twice");
            let Content { header, body, .. } = content(message);
            let texts = Prepared::new(&Message::new(&header, &body), &GO).unwrap();
            assert!(texts.is_vouched(), "{whence}: {message} is for the scan");
            for area in Area::ALL {
                let expected: Texts = texts.area(area).map(|(kind, t)| text(kind, t.as_bytes())).collect();
                let mut found = Texts::new();
                segment.decode(doc, area, &mut |kind, t| found.push(text(kind, t))).unwrap();
                assert_eq!(found, expected, "{whence}: {message} {area:?}");
            }
        }
    }
    assert_eq!(&seen, snapshot.covered(), "{whence}");
    assert!(seen.max().is_none_or(|newest| newest < snapshot.next() && newest < log.next), "{whence}");
}

/// All files of a folder.
fn files(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in files(from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}
