//! Folders that are not what the log and this program say.

use super::*;

/// An index of three segments, closed.
fn made(log: &mut Log) -> (TempDir, PathBuf) {
    let (dir, path) = folder();
    let (index, _) = open(&path, BOOT, log);
    build_all(&index, log);
    assert_eq!(index.snapshot().segments().len(), 3);
    drop(index);
    (dir, path)
}

fn discarded(path: &Path, boot: &str, log: &mut Log, what: &str) -> Reason {
    let (index, opened) = open(path, boot, log);
    let opened = match opened {
        Opened::Verify => index.work(Work::Verify, log, &GO).unwrap().verified.unwrap(),
        opened => opened,
    };
    let Opened::Discarded(reason) = opened else { panic!("{what}: {opened:?}") };
    assert!(index.snapshot().segments().is_empty() && index.snapshot().covered().is_empty());
    assert_eq!((index.snapshot().next(), index.tail().len()), (0, 0));
    assert!(files(path).is_empty(), "{what}");
    build_all(&index, log);
    assert_exact(&index.snapshot(), log, what);
    assert_eq!(index.snapshot().covered(), &log.coverable(), "{what}");
    reason
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    // Another file of the same name, as a restore would make it.
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn changed_bytes_are_noticed() {
    let mut log = Log::new(150, 50);
    for nth in 0..40usize {
        let (_dir, path) = made(&mut log);
        let names = files(&path);
        let file = path.join(&names[nth % names.len()]);
        edit(&file, |bytes| {
            let at = nth.wrapping_mul(2_654_435_761) % bytes.len();
            bytes[at] ^= 1 << (nth % 8);
        });
        let reason = discarded(&path, LATER_BOOT, &mut log, &format!("flip {nth}"));
        assert!(matches!(reason, Reason::Damaged(_)), "{reason}");
    }
}

#[test]
fn missing_short_long_and_mixed_up_files_are_noticed_at_once() {
    type Change = fn(&Path, &Path);
    let cases: [(&str, Change); 7] = [
        ("missing", |one, _| std::fs::remove_file(one).unwrap()),
        ("empty", |one, _| edit(one, Vec::clear)),
        ("short", |one, _| edit(one, |bytes| bytes.truncate(bytes.len() - 1))),
        ("long", |one, _| edit(one, |bytes| bytes.push(0))),
        ("head", |one, _| edit(one, |bytes| bytes[17] ^= 1)),
        ("foot", |one, _| edit(one, |bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("swapped", |one, two| {
            let first = std::fs::read(one).unwrap();
            std::fs::rename(two, one).unwrap();
            std::fs::write(two, first).unwrap();
        }),
    ];
    let mut log = Log::new(150, 50);
    for (what, change) in cases {
        let (_dir, path) = made(&mut log);
        change(&path.join("1.seg"), &path.join("2.seg"));
        let reason = discarded(&path, BOOT, &mut log, what);
        assert!(matches!(reason, Reason::Damaged(_)), "{what}: {reason}");
    }
}

#[test]
fn another_index_is_not_used() {
    let mut log = Log::new(150, 50);
    for identity in [
        Identity { store: [0; 16], ..IDENTITY },
        Identity { epoch: 2, ..IDENTITY },
        Identity { shard: 3, ..IDENTITY },
        Identity { account: 4, ..IDENTITY },
    ] {
        let (_dir, path) = made(&mut log);
        assert_eq!(peek(&path, &IDENTITY), Some(150));
        assert_eq!(peek(&path, &identity), None);
        let (index, opened) = AccountIndex::open(&path, &identity, BOOT, &mut log).unwrap();
        assert_eq!(opened, Opened::Discarded(Reason::Foreign));
        assert!(index.snapshot().segments().is_empty() && files(&path).is_empty());
    }
}

#[test]
fn another_version_is_not_used() {
    let mut log = Log::new(150, 50);
    let (_dir, path) = made(&mut log);
    edit(&path.join(MANIFEST), |bytes| {
        let mut manifest = Manifest::decode(bytes).unwrap();
        manifest.versions.tokens += 1;
        *bytes = manifest.encode();
    });
    assert_eq!(discarded(&path, BOOT, &mut log, "version"), Reason::Version);
}

#[test]
fn an_index_that_knows_more_than_the_log_or_other_things_is_not_used() {
    let log = Log::new(150, 50);
    for (what, changed) in [
        ("older", Log { lsn: 149, ..log.clone() }),
        ("fewer", Log { next: 149, ..log.clone() }),
        ("other", Log { other: 1, ..log.clone() }),
        ("other, longer", Log { other: 1, next: 1000, lsn: 1000, ..log.clone() }),
    ] {
        let (_dir, path) = made(&mut log.clone());
        assert_eq!(discarded(&path, BOOT, &mut changed.clone(), what), Reason::Ahead, "{what}");
    }
    let (_dir, path) = made(&mut log.clone());
    let mut more = Log { next: 200, lsn: 200, ..log };
    let (index, opened) = open(&path, BOOT, &mut more);
    assert_eq!(opened, Opened::Ready);
    build_all(&index, &mut more);
    assert_eq!(index.snapshot().covered(), &more.coverable());
}

#[test]
fn without_a_boot_id_everything_is_verified_every_time() {
    let mut log = Log::new(150, 50);
    let (_dir, path) = made(&mut log);
    for _ in 0..2 {
        let (index, opened) = open(&path, "", &mut log);
        assert_eq!(opened, Opened::Verify);
        assert_eq!(index.work(Work::Verify, &mut log, &GO).unwrap().verified, Some(Opened::Ready));
        assert_exact(&index.snapshot(), &log, "verified");
    }
    assert!(!boot_id().is_empty() && boot_id() == boot_id());
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let path = file.join("3");
    for _ in 0..2 {
        assert!(AccountIndex::open(&path, &IDENTITY, BOOT, &mut Log::new(10, 5)).is_err());
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"");
}

#[test]
fn a_folder_is_opened_once_at_a_time() {
    let mut log = Log::new(10, 5);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    let second = AccountIndex::open(&path, &IDENTITY, BOOT, &mut log).map(|_| ());
    assert_eq!(second.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    build_all(&index, &mut log);
    let snapshot = index.snapshot();
    drop(index);
    let (index, opened) = open(&path, BOOT, &mut log);
    assert_eq!(opened, Opened::Ready);
    index.discard();
    index.work(Work::Clean, &mut log, &GO).unwrap();
    assert_exact(&snapshot, &log, "a snapshot outlives its files");
}
