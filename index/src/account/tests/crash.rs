//! The process or the system dies at any moment.

use super::*;

/// What happens in the life of an index.
fn life(path: &Path, watch: Watch, log: &mut Log) {
    let open = |boot: &str, log: &mut Log| {
        AccountIndex::open_watched(path, &IDENTITY, boot, log, Some(watch.clone())).unwrap()
    };
    let (index, opened) = open(BOOT, log);
    assert_eq!(opened, Opened::Nothing);
    for _ in 0..3 {
        build(&index, log);
    }
    log.gone.extend([3, 50, 51]);
    merge_all(&index, log).unwrap();
    build_all(&index, log);
    drop(index);
    let (index, opened) = open(LATER_BOOT, log);
    assert_eq!(opened, Opened::Verify);
    let done = index.work(Work::Verify, log, &GO).unwrap();
    assert_eq!(done.verified, Some(Opened::Ready));
    merge_all(&index, log).unwrap();
    index.discard();
    index.work(Work::Clean, log, &GO).unwrap();
    build(&index, log);
    build(&index, log);
}

/// The folder as it was before each change, and how many there were.
fn moments(log: &Log) -> (TempDir, usize) {
    let (dir, path) = folder();
    let root = dir.path().to_owned();
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let watch: Watch = Arc::new(move |folder: &Path| {
        copy(folder, &root.join(format!("moment-{}", counter.fetch_add(1, Ordering::Relaxed))));
        Ok(())
    });
    life(&path, watch, &mut log.clone());
    (dir, count.load(Ordering::Relaxed))
}

#[test]
fn whatever_moment_a_process_dies_at_the_next_one_goes_on() {
    let log = Log::new(200, 45);
    let (dir, count) = moments(&log);
    assert!(count > 60, "only {count} moments");
    let mut found = BTreeSet::new();
    for moment in 0..count {
        let path = dir.path().join(format!("moment-{moment}"));
        for boot in [BOOT, LATER_BOOT] {
            let whence = format!("moment {moment}, {boot}");
            let mut log = log.clone();
            let here = dir.path().join("here");
            copy(&path, &here);
            let (index, opened) = open(&here, boot, &mut log);
            match opened {
                Opened::Ready | Opened::Nothing => {}
                Opened::Verify => {
                    assert!(index.snapshot().segments().is_empty());
                    let done = index.work(Work::Verify, &mut log, &GO).unwrap();
                    assert_eq!(done.verified, Some(Opened::Ready), "{whence}");
                }
                Opened::Discarded(reason) => panic!("{whence}: {reason}"),
            }
            let snapshot = index.snapshot();
            assert_exact(&snapshot, &log, &whence);
            found.insert((snapshot.next(), snapshot.segments().len()));
            let mut expected: Vec<String> =
                snapshot.entries().iter().map(|entry| entry.file_name()).collect();
            expected.extend((opened != Opened::Nothing).then(|| MANIFEST.to_owned()));
            expected.sort();
            assert_eq!(files(&here), expected, "{whence}: left-overs");
            build_all(&index, &mut log);
            assert_exact(&index.snapshot(), &log, &whence);
            // These were in no mailbox when a later moment merged or built.
            let gone: RoaringBitmap = [3, 50, 51].into_iter().collect();
            assert_eq!(index.snapshot().covered() | &gone, log.coverable() | gone, "{whence}");
            drop(index);
            std::fs::remove_dir_all(&here).unwrap();
        }
    }
    let states = [(0, 0), (45, 1), (90, 2), (135, 3), (135, 1), (180, 2), (200, 3), (200, 1)];
    assert!(states.iter().all(|state| found.contains(state)), "{found:?}");
}

/// Files of one moment with those parts lost that were not written to the disk: nothing is ever synced.
#[test]
fn what_a_power_failure_leaves_is_exact_or_discarded() {
    let log = Log::new(120, 27);
    let (dir, count) = moments(&log);
    let mut state = 7u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below.max(1)
    };
    let (mut kept, mut lost) = (0, 0);
    for round in 0..2 * count {
        let here = dir.path().join("here");
        copy(&dir.path().join(format!("moment-{}", round % count)), &here);
        for name in files(&here) {
            let path = here.join(&name);
            let mut bytes = std::fs::read(&path).unwrap();
            match random(8) {
                0 => bytes.truncate(random(bytes.len())),
                1 => bytes.clear(),
                2 => {
                    let from = random(bytes.len());
                    bytes[from..].fill(0);
                }
                3 => {
                    let page = random(bytes.len().div_ceil(4096)) * 4096;
                    let end = bytes.len().min(page + 4096);
                    bytes[page..end].fill(0);
                }
                4 => {
                    std::fs::remove_file(&path).unwrap();
                    continue;
                }
                _ => {}
            }
            std::fs::write(&path, bytes).unwrap();
        }
        let mut log = log.clone();
        let (index, opened) = open(&here, "boot-3", &mut log);
        if opened == Opened::Verify {
            match index.work(Work::Verify, &mut log, &GO).unwrap().verified {
                Some(Opened::Ready) => kept += 1,
                Some(Opened::Discarded(_)) => lost += 1,
                other => panic!("round {round}: {other:?}"),
            }
        }
        assert_exact(&index.snapshot(), &log, &format!("round {round}"));
        build_all(&index, &mut log);
        assert_exact(&index.snapshot(), &log, &format!("round {round}"));
        drop(index);
        let _ = std::fs::remove_dir_all(&here);
    }
    assert!(kept > 10 && lost > 10, "{kept} {lost}");
}
