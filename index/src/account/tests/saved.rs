//! What SORT and THREAD compare, in files beside the segments.

use super::*;
use crate::arrange::{PAGE_MESSAGES, Page, Text, saved::GROUP_PAGES};
use crate::summary::{Summary, SummaryKeys};

fn page(messages: impl IntoIterator<Item = u32>) -> Arc<Page> {
    let mut page = Page::default();
    for message in messages {
        let summary = Summary::build(format!("Subject: {message}\r\n\r\n").as_bytes()).encode();
        page.insert(message, &SummaryKeys::new(&summary).unwrap());
    }
    Arc::new(page)
}

/// The messages of a group of which something was saved; each is what it was.
fn known(index: &AccountIndex, group: u32) -> RoaringBitmap {
    let mut known = RoaringBitmap::new();
    for (number, page) in index.saved(group) {
        for message in number * PAGE_MESSAGES..(number + 1) * PAGE_MESSAGES {
            if let Some(entry) = page.get(message) {
                assert_eq!(entry.text(Text::Subject), message.to_string().as_bytes());
                known.insert(message);
            }
        }
    }
    known
}

fn entries(path: &Path) -> Vec<String> {
    files(path).into_iter().filter(|name| name.ends_with(".entries")).collect()
}

#[test]
fn what_segments_answer_for_is_saved_and_outlives_a_start() {
    let mut log = Log::new(90, 60);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    // No index yet, nothing that would vouch for it.
    assert_eq!(index.save(0, &[(0, page(0..90))], &GO).unwrap(), 0);
    build(&index, &mut log);
    assert_eq!(index.save(0, &[(0, page(0..20))], &GO).unwrap(), 60);
    assert_eq!(
        index
            .save(
                0,
                &[(0, page(10..90)), (GROUP_PAGES, page(GROUP_PAGES * 1024..GROUP_PAGES * 1024 + 2))],
                &GO
            )
            .unwrap(),
        60
    );
    let covered = index.snapshot().covered().clone();
    assert_eq!(known(&index, 0), covered);
    assert!(index.has_saved(0) && !index.has_saved(1));
    build(&index, &mut log);
    drop(index);
    // The next boot believes it before the segments are verified: it has a checksum of its own.
    for boot in [BOOT, LATER_BOOT] {
        let (index, _) = open(&path, boot, &mut log);
        assert_eq!(known(&index, 0), covered);
    }
    let (index, _) = open(&path, BOOT, &mut log);
    assert_eq!(index.save(0, &[(0, page(60..90))], &GO).unwrap(), 90);
    assert_eq!(known(&index, 0), log.coverable());
    assert_eq!(entries(&path), ["0-90.entries"]);
}

#[test]
fn it_goes_with_the_index() {
    let mut log = Log::new(60, 60);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    build(&index, &mut log);
    index.save(0, &[(0, page(0..60))], &GO).unwrap();
    index.discard();
    assert!(!index.has_saved(0) && index.saved(0).is_empty());
    assert_eq!(index.save(0, &[(0, page(0..60))], &GO).unwrap(), 0);
    build(&index, &mut log);
    assert!(entries(&path).is_empty() && !index.has_saved(0));
    index.save(0, &[(0, page(0..60))], &GO).unwrap();
    drop(index);
    // Another log, with messages of the same numbers.
    let mut other = Log { other: 1, ..log.clone() };
    let (index, opened) = open(&path, BOOT, &mut other);
    assert!(matches!(opened, Opened::Discarded(_)), "{opened:?}");
    assert!(entries(&path).is_empty() && !index.has_saved(0));
}

#[test]
fn what_a_merge_drops_is_in_no_file() {
    let mut log = Log::new(60, 30);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    build_all(&index, &mut log);
    index.save(0, &[(0, page(0..60))], &GO).unwrap();
    log.gone = BTreeSet::from([7, 40]);
    merge_all(&index, &mut log).unwrap();
    assert!(entries(&path).is_empty() && !index.has_saved(0));
    index.save(0, &[(0, page(0..60))], &GO).unwrap();
    assert_eq!(known(&index, 0), log.coverable());
}

#[test]
fn damaged_files_and_left_overs_are_nothing() {
    let mut log = Log::new(60, 60);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    build(&index, &mut log);
    index.save(0, &[(0, page(0..60))], &GO).unwrap();
    let file = path.join("0-60.entries");
    let whole = std::fs::read(&file).unwrap();
    let mut changed = whole.clone();
    changed[100] ^= 1;
    std::fs::write(&file, changed).unwrap();
    assert!(index.saved(0).is_empty() && !index.has_saved(0));
    index.save(0, &[(0, page(0..30))], &GO).unwrap();
    assert_eq!(known(&index, 0).max(), Some(29));
    std::fs::remove_file(&file).unwrap();
    assert!(index.saved(0).is_empty() && !index.has_saved(0));
    drop(index);
    // Of another time, or of messages that the manifest knows nothing of.
    for name in ["0-20.entries", "0-61.entries", "0-60.entries", "1-60.entries"] {
        std::fs::write(path.join(name), &whole).unwrap();
    }
    let (index, _) = open(&path, BOOT, &mut log);
    assert_eq!(entries(&path), ["0-60.entries", "1-60.entries"]);
    assert_eq!(
        (known(&index, 0), known(&index, 1).len()),
        (log.coverable(), 0),
        "the other is of another group"
    );
}

#[test]
fn a_full_disk_leaves_what_there_was() {
    let mut log = Log::new(60, 60);
    let (_dir, path) = folder();
    let full = Arc::new(AtomicBool::new(false));
    let flag = full.clone();
    let watch: Watch = Arc::new(move |_: &Path| match flag.load(Ordering::Relaxed) {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    });
    let (index, _) = AccountIndex::open_watched(&path, &IDENTITY, BOOT, &mut log, Some(watch)).unwrap();
    build(&index, &mut log);
    index.save(0, &[(0, page(0..20))], &GO).unwrap();
    full.store(true, Ordering::Relaxed);
    assert!(index.save(0, &[(0, page(0..60))], &GO).is_err());
    assert_eq!(known(&index, 0).max(), Some(19));
    full.store(false, Ordering::Relaxed);
    assert_eq!(index.save(0, &[(0, page(0..60))], &AtomicBool::new(true)).unwrap(), 0, "stopped");
    assert_eq!(known(&index, 0).max(), Some(19));
}

/// A log that has summaries, too.
struct Summaries(Log);

/// The summary of a message as it is stored.
fn stored(message: u32) -> Option<(u16, Vec<u8>)> {
    match message % 10 {
        // Damaged, of another version, or not to be read.
        1 => Some((crate::summary::VERSION, b"?".to_vec())),
        2 => Some((crate::summary::VERSION - 1, Vec::new())),
        3 => None,
        _ => {
            let message = format!("Subject: {message}\r\n\r\n");
            Some((crate::summary::VERSION, Summary::build(message.as_bytes()).encode()))
        }
    }
}

impl Source for Summaries {
    fn known(&mut self, witness: Option<u32>) -> io::Result<Known> {
        self.0.known(witness)
    }
    fn batch(&mut self, from: u32, messages_max: usize) -> io::Result<Batch> {
        self.0.batch(from, messages_max)
    }
    fn read(&mut self, wanted: &[Wanted]) -> Vec<Result<Content, String>> {
        let with_summary = |(wanted, content): (&Wanted, Result<Content, String>)| {
            Ok(Content { summary: stored(wanted.message), ..content? })
        };
        wanted.iter().zip(self.0.read(wanted)).map(with_summary).collect()
    }
    fn summaries(&mut self, wanted: &[Wanted]) -> Vec<Option<(u16, Vec<u8>)>> {
        // Those that were read have theirs already.
        assert!(wanted.iter().all(|wanted| KEPT.contains(&wanted.message)), "{wanted:?}");
        wanted.iter().map(|wanted| stored(wanted.message)).collect()
    }
    fn live(&mut self) -> Option<RoaringBitmap> {
        self.0.live()
    }
}

/// Messages whose texts are in memory.
const KEPT: std::ops::Range<u32> = 40..72;

#[test]
fn a_build_saves_what_it_takes() {
    let mut log = Summaries(Log::new(90, 60));
    let (_dir, path) = folder();
    let index = AccountIndex::open(&path, &IDENTITY, BOOT, &mut log).unwrap().0;
    for message in KEPT {
        let Content { header, body, .. } = content(message);
        index.tail().put(message, Arc::new(Prepared::new(&Message::new(&header, &body), &GO).unwrap()));
    }
    for next in [60, 90] {
        index.work(Work::Build, &mut log, &GO).unwrap();
        assert_eq!(entries(&path), [format!("0-{next}.entries")]);
        let wanted: RoaringBitmap =
            index.snapshot().covered().iter().filter(|message| !matches!(message % 10, 1..=3)).collect();
        assert_eq!(known(&index, 0), wanted);
    }
}
