//! One account whose mail comes and goes while it is indexed, searched, and its index folder suffers.
//!
//! The log is a vector; the index is the real one, on real files. What a search answers is put together as a server does it:
//! segments for what they cover, prepared texts or the scan for the rest. Everything follows from the seed.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use roaring::RoaringBitmap;
use trawl_bench::chance::{Chance, Purpose};
use trawl_index::account::work::{Batch, Content, Failure, Source, Wanted, Work};
use trawl_index::account::{AccountIndex, Fingerprint, Identity, Known, Opened};
use trawl_index::prepare::Prepared;
use trawl_index::query::{Field, Node, TextKey};
use trawl_index::scan::Compiled;
use trawl_index::search::{Cx, Query};
use trawl_store::log::Address;

use super::oracle::{Mail, Oracle};
use super::queries;
use super::shrink;
use super::supply::Supply;

const IDENTITY: Identity = Identity { store: [7; 16], epoch: 1, shard: 0, account: 3, documented: false };

/// Messages without a segment, at most, when a question is asked: each is scanned.
const SCANNED_MAX: u64 = 400;

/// What has happened, by name; a test that never met something has not tested it.
pub type Tally = BTreeMap<&'static str, u64>;

pub struct World {
    seed: u64,
    chance: Chance,
    supply: Supply,
    folder: tempfile::TempDir,
    log: Log,
    messages_max: usize,
    index: Option<AccountIndex>,
    boot: u64,
    /// A copy of the folder from some time ago.
    old: Option<Image>,
    pub tally: Tally,
}

/// What the account has, as the index is told.
struct Log {
    mail: Vec<Mail>,
    fingerprints: Vec<Fingerprint>,
    live: RoaringBitmap,
    lsn: u64,
    /// That a build gets, at most.
    batch_max: u64,
    chance: Chance,
}

/// Files by name.
type Image = BTreeMap<String, Vec<u8>>;

impl World {
    /// At most `messages_max` messages arrive in this world; how many, and in segments of which size, is its own.
    pub fn new(seed: u64, messages_max: usize, archive: Arc<Vec<Vec<u8>>>) -> World {
        let mut chance = Chance::new(seed, Purpose::Structure, 0);
        let messages_max = messages_max / chance.between(1, 4) as usize;
        let log = Log {
            mail: Vec::new(),
            fingerprints: Vec::new(),
            live: RoaringBitmap::new(),
            lsn: 1,
            batch_max: chance.magnitude(20, messages_max as u64 * 2),
            chance: Chance::new(seed, Purpose::Structure, 1),
        };
        let mut world = World {
            seed,
            supply: Supply::new(&mut chance, archive),
            chance,
            folder: tempfile::Builder::new().prefix("trawl-search-").tempdir().expect("a temporary folder"),
            log,
            messages_max,
            index: None,
            boot: 1,
            old: None,
            tally: Tally::new(),
        };
        world.open();
        while world.log.mail.len() < messages_max / 4 {
            world.arrive();
        }
        world
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Something happens.
    pub fn step(&mut self) {
        match self.chance.below(100) {
            0..=33 if self.log.mail.len() < self.messages_max => self.arrive(),
            0..=39 => self.leave(),
            40..=65 => self.work(Work::Build, "built"),
            66..=76 => self.merge(),
            77..=79 => self.due(),
            80..=89 => self.prepare(),
            90..=93 => self.die(),
            94 | 95 => self.suffer(),
            96 if self.chance.permille(500) => self.revert(),
            97 => self.old = Some(self.image()),
            98 if self.chance.permille(300) => {
                self.index().discard();
                self.count("discarded by hand");
            }
            _ => self.forget(),
        }
    }

    fn arrive(&mut self) {
        for _ in 0..self.chance.magnitude(1, self.messages_max as u64 / 5) {
            self.push();
        }
        self.count("arrived");
    }

    fn push(&mut self) {
        let raw = self.supply.message(&mut self.chance);
        let fingerprint =
            Fingerprint { size: raw.len() as u32, internal: self.chance.below(1_000_000) as i64 };
        let mut mail = Mail::new(raw);
        if self.log.chance.permille(60) {
            let documents = 1 + self.log.chance.below(3);
            let texts = (0..documents).map(|_| self.supply.document(&mut self.log.chance));
            mail = mail.with_documents(texts.collect());
        }
        if self.chance.permille(100) {
            let prepared = Prepared::new(&mail.message(), &AtomicBool::new(false)).expect("not stopped");
            assert!(mail.agrees(&prepared), "prepared otherwise: {}", mail.raw.escape_ascii());
        }
        self.log.live.insert(self.log.mail.len() as u32);
        self.log.mail.push(mail);
        self.log.fingerprints.push(fingerprint);
        self.log.lsn += 1;
    }

    fn leave(&mut self) {
        let messages = self.log.mail.len() as u64;
        if self.chance.permille(700) {
            for _ in 0..self.chance.magnitude(1, 20) {
                self.log.live.remove(self.chance.below(messages) as u32);
            }
        } else {
            let from = self.chance.below(messages) as u32;
            self.log.live.remove_range(from..from + self.chance.magnitude(1, messages / 4) as u32);
        }
        self.log.lsn += 1;
        self.count("left");
    }

    fn index(&self) -> &AccountIndex {
        self.index.as_ref().expect("open but for a moment")
    }

    fn work(&mut self, work: Work, what: &'static str) {
        let stop = AtomicBool::new(self.chance.permille(30));
        let index = self.index.as_ref().expect("open but for a moment");
        match index.work(work.clone(), &mut self.log, &stop) {
            Ok(_) => self.count(what),
            Err(Failure::Stopped) => self.count("stopped"),
            Err(Failure::Outdated) => self.count("nothing to do"),
            Err(failure) => panic!("{work:?}: {failure} (seed {})", self.seed),
        }
        let segments = self.index().snapshot().segments().len() as u64;
        let most = self.tally.entry("segments at once").or_default();
        *most = segments.max(*most);
    }

    /// Some neighbours become one.
    fn merge(&mut self) {
        let serials = self.index().snapshot().serials();
        let count = self.chance.magnitude(1, 6) as usize;
        let count = count.min(serials.len());
        if count > 0 {
            let from = self.chance.below((serials.len() - count + 1) as u64) as usize;
            self.work(Work::Merge(serials[from..from + count].to_vec()), "merged");
        }
    }

    /// What the index itself wants done.
    fn due(&mut self) {
        self.index().count_dead(&self.log.live);
        let bytes = self.chance.pick(&[0, 100 << 20]);
        if let Some(work) = self.index().needs(self.log.mail.len() as u32, *bytes, false) {
            self.work(work, "done because due");
        }
    }

    /// Texts of some messages without a segment are kept, as a search does it.
    fn prepare(&mut self) {
        let next = self.index().snapshot().next();
        let messages = self.log.mail.len() as u32;
        let permille = *self.chance.pick(&[100, 500, 1000]);
        for number in (next..messages).chain((0..next).step_by(17)) {
            if self.chance.permille(permille) {
                let prepared =
                    Prepared::new(&self.log.mail[number as usize].message(), &AtomicBool::new(false));
                self.index().tail().put(number, Arc::new(prepared.expect("not stopped")));
            }
        }
        self.count("prepared");
    }

    /// Messages leave the memory of the world for good, so that the mailbox never grows too large to be searched often.
    fn forget(&mut self) {
        if self.log.live.len() > self.messages_max as u64 / 2 {
            let half = self.log.mail.len() as u32 / 2;
            self.log.live.remove_range(0..half);
            self.count("older half left");
        }
    }

    fn boot_name(&self) -> String {
        format!("00000000-0000-0000-0000-{:012}", self.boot)
    }

    fn open(&mut self) -> Opened {
        let (index, opened) = AccountIndex::open(&self.path(), &IDENTITY, &self.boot_name(), &mut self.log)
            .unwrap_or_else(|e| panic!("the index cannot be opened: {e} (seed {})", self.seed));
        self.index = Some(index);
        if opened == Opened::Verify && self.chance.permille(900) {
            self.work(Work::Verify, "verified");
        }
        opened
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    fn image(&self) -> Image {
        let entries = match std::fs::read_dir(self.path()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Image::new(),
            Err(error) => panic!("{error}"),
        };
        let file = |entry: io::Result<std::fs::DirEntry>| {
            let entry = entry.expect("a folder of files");
            (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file"))
        };
        entries.map(file).collect()
    }

    fn restore(&self, image: &Image) {
        let _ = std::fs::remove_dir_all(self.path());
        std::fs::create_dir_all(self.path()).expect("the folder is writable");
        for (name, bytes) in image {
            std::fs::write(self.path().join(name), bytes).expect("the folder is writable");
        }
    }

    /// The process ends, somewhere within a piece of work, and starts again.
    fn die(&mut self) {
        let before = self.image();
        self.work(Work::Build, "built");
        let snapshot = self.index().snapshot();
        self.index = None;
        if self.chance.permille(400) {
            let opened = self.open();
            let same = self.index().snapshot().next() == snapshot.next();
            assert!(same || opened == Opened::Verify, "{opened:?} after an orderly end (seed {})", self.seed);
            return self.count("started again");
        }
        // The files of before with the new segment, or with a beginning of it under its first name.
        let mut image = before.clone();
        for (name, bytes) in self.image() {
            if !before.contains_key(&name) {
                match self.chance.permille(500) {
                    true => image.insert(name, bytes),
                    false => {
                        let end = self.chance.below(bytes.len() as u64 + 1) as usize;
                        image.insert(format!("{name}.new"), bytes[..end].to_vec())
                    }
                };
            }
        }
        self.restore(&image);
        self.open();
        self.count("killed");
    }

    /// The system crashes: files may be old, short, empty, changed or missing.
    fn suffer(&mut self) {
        self.index = None;
        let mut image = self.image();
        let old = self.old.clone().unwrap_or_default();
        let names: Vec<String> = image.keys().cloned().collect();
        for name in names {
            let Some(bytes) = image.get_mut(&name) else { continue };
            let at = self.chance.below(bytes.len() as u64 + 1) as usize;
            match self.chance.below(20) {
                0 => bytes.truncate(at),
                1 => bytes[at..].fill(0),
                2 if !bytes.is_empty() => {
                    for _ in 0..self.chance.between(1, 4) {
                        let at = self.chance.below(bytes.len() as u64) as usize;
                        bytes[at] ^= 1 << self.chance.below(8);
                    }
                }
                3 => _ = image.remove(&name),
                4 => {
                    image.extend(old.get_key_value(&name).map(|(name, bytes)| (name.clone(), bytes.clone())))
                }
                5 => bytes.extend_from_slice(b"more"),
                _ => {}
            }
        }
        self.restore(&image);
        self.boot += 1;
        self.open();
        self.count("system crashed");
    }

    /// The index of some time ago comes back, or the log does, and goes on with other messages.
    fn revert(&mut self) {
        self.index = None;
        match self.chance.below(3) {
            0 => {
                let old = self.old.clone().unwrap_or_default();
                self.restore(&old);
                self.boot += 1;
                self.count("old index");
            }
            kind => {
                let messages = self.log.mail.len();
                let kept = messages - self.chance.below(messages as u64 / 2) as usize;
                self.log.mail.truncate(kept);
                self.log.fingerprints.truncate(kept);
                self.log.live.remove_range(kept as u32..);
                self.log.lsn = kept as u64;
                if kind == 1 {
                    while self.log.mail.len() < messages {
                        self.push();
                    }
                }
                // Copies of the index of the other past are not restored: their log has another epoch.
                self.old = None;
                self.count("log with another past");
            }
        }
        self.open();
    }

    /// Asks one question; an answer that is not the oracle's is described as shortly as possible.
    pub fn ask(&mut self) -> Result<(), String> {
        for _ in 0..20 {
            let end = self.log.mail.len() as u64;
            if u64::from(self.index().snapshot().next()) + SCANNED_MAX >= end {
                break;
            }
            match self.index().needs(end as u32, 0, false) {
                Some(Work::Verify) => self.work(Work::Verify, "verified"),
                _ => self.work(Work::Build, "built"),
            }
        }
        let view = self.view();
        let mail: Vec<&Mail> = view.iter().map(|number| &self.log.mail[number as usize]).collect();
        let node = queries::program(&mut self.chance, &mail, self.log.mail.len() as u32);
        let oracle = Oracle::new(&node);
        let expected: RoaringBitmap =
            view.iter().filter(|&number| oracle.matches(number, &self.log.mail[number as usize])).collect();
        let found = self.search(&node, &view);
        self.count("queries");
        self.count(match (expected.len(), expected.len() == view.len()) {
            (0, _) => "queries without hits",
            (_, true) => "queries that match everything",
            (1, _) => "queries with one hit",
            _ => "queries with some hits",
        });
        match found {
            Ok(found) if found == expected => Ok(()),
            Ok(found) => Err(self.describe(&node, &(&found ^ &expected), &expected)),
            Err(problem) => Err(format!("seed {}: {problem}\n{node:?}", self.seed)),
        }
    }

    /// What a session sees: messages that are there, and some that have left.
    fn view(&mut self) -> RoaringBitmap {
        let mut view = self.log.live.clone();
        if self.chance.permille(300) {
            let messages = self.log.mail.len() as u64;
            view.extend((0..self.chance.below(30)).map(|_| self.chance.below(messages) as u32));
        }
        if self.chance.permille(100) {
            view = view.iter().filter(|_| self.chance.permille(100)).collect();
        }
        view
    }

    fn search(&mut self, node: &Node, view: &RoaringBitmap) -> Result<RoaringBitmap, String> {
        let stop = AtomicBool::new(false);
        let (query, compiled) = (Query::new(node), Compiled::new(node));
        let mut found = RoaringBitmap::new();
        let snapshot = self.index().snapshot();
        for segment in snapshot.segments() {
            let mask = trawl_index::search::docs_of(segment, view);
            let docs =
                query.run(segment, &mask, &Cx { stop: &stop, trace: None }).map_err(|e| e.to_string())?;
            found.extend(docs.iter().filter_map(|doc| segment.message(doc)));
        }
        *self.tally.entry("hits in segments").or_default() += found.len();
        if let Node::Text(TextKey { field, .. }) = node {
            let what = match field {
                Field::FileName => "hits of file names in segments",
                Field::Attachment => "hits of attachments in segments",
                _ => "hits of other texts in segments",
            };
            *self.tally.entry(what).or_default() += found.len();
        }
        let rest = view - snapshot.covered();
        let mut hits = (0, 0);
        for number in &rest {
            let mail = &self.log.mail[number as usize];
            let (matches, hits) = match self.index().tail().get(number) {
                Some(prepared) => (prepared.matches(number, &compiled, &stop), &mut hits.0),
                None => (compiled.matches(number, &mail.message(), &stop), &mut hits.1),
            };
            if matches.map_err(|_| "stopped")? {
                *hits += 1;
                found.insert(number);
            }
        }
        *self.tally.entry("hits in prepared texts").or_default() += hits.0;
        *self.tally.entry("hits of the scan").or_default() += hits.1;
        Ok(found)
    }

    fn describe(&self, node: &Node, wrong: &RoaringBitmap, expected: &RoaringBitmap) -> String {
        let snapshot = self.index().snapshot();
        let number = wrong.min().unwrap_or_default();
        let mail = &self.log.mail[number as usize];
        let scan = Compiled::new(node).matches(number, &mail.message(), &AtomicBool::new(false));
        let place = match snapshot.covered().contains(number) {
            true => "a segment",
            false if self.index().tail().get(number).is_some() => "prepared texts",
            false => "the scan",
        };
        let segment = snapshot.segments().iter().find(|segment| segment.doc_of(number).is_some());
        let docs: Vec<(u32, &Mail)> = segment
            .iter()
            .flat_map(|segment| segment.messages())
            .map(|number| (number, &self.log.mail[number as usize]))
            .collect();
        format!(
            "seed {}: {} messages are wrong; {number}, answered by {place}, should be {}; the scan says {scan:?}\n{node:?}\n{}",
            self.seed,
            wrong.len(),
            expected.contains(number),
            shrink::shrunk(node, &docs),
        )
    }
}

impl Source for Log {
    fn known(&mut self, witness: Option<u32>) -> io::Result<Known> {
        let witness = witness.and_then(|number| self.fingerprints.get(number as usize).copied());
        Ok(Known { lsn: self.lsn, next: self.mail.len() as u32, witness })
    }

    /// Not always all of it, so that there are segments of all sizes.
    fn batch(&mut self, from: u32, messages_max: usize) -> io::Result<Batch> {
        let end = self.mail.len() as u32;
        let upto = match self.chance.permille(300) {
            true => end,
            false => end.min(from.saturating_add(self.chance.magnitude(1, self.batch_max) as u32)),
        };
        let wanted = (from..upto).filter(|number| self.live.contains(*number)).take(messages_max);
        let wanted = wanted
            .map(|message| Wanted {
                message,
                address: Address { segment: 0, offset: message },
                documents: None,
                fingerprint: self.fingerprints[message as usize],
            })
            .collect();
        Ok(Batch { wanted, upto, lsn: self.lsn })
    }

    /// Some cannot be read, as if the log had bad blocks.
    fn read(&mut self, wanted: &[Wanted]) -> Vec<Result<Content, String>> {
        let content = |wanted: &Wanted| {
            if wanted.message % 301 == 7 {
                return Err("unreadable".to_owned());
            }
            let message = self.mail[wanted.address.offset as usize].message();
            let documents = message.documents.to_vec();
            Ok(Content {
                header: message.header.to_vec(),
                body: message.body.to_vec(),
                documents,
                summary: None,
            })
        };
        wanted.iter().map(content).collect()
    }

    fn live(&mut self) -> Option<RoaringBitmap> {
        self.chance.permille(700).then(|| self.live.clone())
    }
}
