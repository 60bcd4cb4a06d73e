//! Steps that fail, are stopped, meet bad messages, or get in each other's way.

use super::*;

#[test]
fn a_full_disk_or_a_stop_at_any_moment_changes_nothing() {
    let stop = Arc::new(AtomicBool::new(false));
    for by_stop in [false, true] {
        let mut failed = 0;
        for moment in 0.. {
            let mut log = Log::new(200, 50);
            let (_dir, path) = folder();
            let at = Arc::new(AtomicUsize::new(usize::MAX));
            let (flag, left) = (stop.clone(), at.clone());
            let watch: Watch = Arc::new(move |_: &Path| {
                let now = left.load(Ordering::Relaxed);
                left.store(now.wrapping_sub(1), Ordering::Relaxed);
                match (now, by_stop) {
                    (0, true) => flag.store(true, Ordering::Relaxed),
                    (0, false) => return Err(io::ErrorKind::StorageFull.into()),
                    _ => {}
                }
                Ok(())
            });
            let (index, _) =
                AccountIndex::open_watched(&path, &IDENTITY, BOOT, &mut log, Some(watch)).unwrap();
            build(&index, &mut log);
            build(&index, &mut log);
            let before = index.snapshot();
            let names = files(&path);
            // A build and a merge, with one moment that fails.
            at.store(moment, Ordering::Relaxed);
            let mut results = Vec::new();
            for work in [Work::Build, Work::Merge(vec![0, 1])] {
                let result = index.work(work, &mut log, &stop);
                stop.store(false, Ordering::Relaxed);
                assert_exact(&index.snapshot(), &log, "after a failure");
                results.push(result);
            }
            if results.iter().all(Result::is_ok) && at.load(Ordering::Relaxed) <= usize::MAX / 2 {
                break;
            }
            for result in &results {
                match result {
                    Ok(_) => {}
                    Err(Failure::Stopped) if by_stop => failed += 1,
                    Err(Failure::Io(error)) if error.kind() == io::ErrorKind::StorageFull => failed += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            if results.iter().all(Result::is_err) {
                assert_eq!((index.snapshot().next(), files(&path)), (before.next(), names));
            }
            at.store(usize::MAX, Ordering::Relaxed);
            build_all(&index, &mut log);
            assert_eq!(index.snapshot().covered(), &log.coverable());
            drop(index);
            let (index, opened) = open(&path, BOOT, &mut log);
            assert_eq!(opened, Opened::Ready);
            assert_eq!(index.snapshot().covered(), &log.coverable());
        }
        assert!(failed > 3, "{failed}");
    }
}

#[test]
fn messages_that_cannot_be_indexed_are_set_aside() {
    let mut log = Log::new(120, 60);
    log.broken.extend([7, 61, 62]);
    log.gone.extend([8, 9, 119]);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    let done = build(&index, &mut log);
    let aside: Vec<u32> = done.set_aside.iter().map(|(message, _)| *message).collect();
    assert_eq!(aside, [7, 61]);
    assert_eq!(done.unvouched, 5);
    assert_eq!(done.docs, 53);
    build_all(&index, &mut log);
    assert_eq!((index.snapshot().next(), index.snapshot().covered()), (120, &log.coverable()));
    // Nothing but such messages: settled without a segment.
    log.broken.extend(120..130);
    (log.next, log.lsn) = (130, 130);
    let done = build(&index, &mut log);
    assert_eq!((done.docs, done.set_aside.len(), index.snapshot().segments().len()), (0, 10, 2));
    assert_eq!(index.snapshot().next(), 130);
    (log.next, log.lsn) = (140, 140);
    log.gone.extend(130..140);
    build(&index, &mut log);
    assert_eq!(index.snapshot().next(), 140);
    drop(index);
    let (index, opened) = open(&path, BOOT, &mut log);
    assert_eq!((opened, index.snapshot().next()), (Opened::Ready, 140));
}

#[test]
fn a_message_that_makes_the_indexing_panic_is_found() {
    let mut log = Log::new(100, 100);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    POISON.set([3, 77].into());
    let done = build(&index, &mut log);
    POISON.take();
    let aside: Vec<u32> = done.set_aside.iter().map(|(message, _)| *message).collect();
    assert_eq!(aside, [3, 77]);
    assert_eq!(index.snapshot().next(), 100);
    let mut all = log.coverable();
    all.remove(3);
    all.remove(77);
    assert_eq!(index.snapshot().covered(), &all);
    (log.next, log.lsn) = (200, 200);
    FINISH_MAX.set(20);
    while index.snapshot().next() < 200 {
        assert!(build(&index, &mut log).docs <= 20);
    }
    assert_exact(&index.snapshot(), &log, "in smaller pieces");
    FINISH_MAX.set(0);
    (log.next, log.lsn) = (203, 203);
    while index.snapshot().next() < 203 {
        assert_eq!(build(&index, &mut log).docs, 0);
    }
    FINISH_MAX.set(u32::MAX);
}

#[test]
fn a_merge_drops_what_is_gone() {
    let mut log = Log::new(280, 70);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    build_all(&index, &mut log);
    assert_eq!(index.needs(280, 0, false), None);
    log.gone.extend(70..120);
    log.gone.extend(140..210);
    index.count_dead(&log.live().unwrap());
    let Some(Work::Merge(serials)) = index.needs(280, 0, false) else { panic!("nothing to do") };
    assert_eq!(serials, [1]);
    let done = index.work(Work::Merge(serials), &mut log, &GO).unwrap();
    assert_eq!(done.docs, (120..140).filter(|m| m % 13 != 5).count() as u32);
    let Some(Work::Merge(serials)) = index.needs(280, 0, false) else { panic!("nothing to do") };
    assert_eq!(index.work(Work::Merge(serials), &mut log, &GO).unwrap().docs, 0);
    assert_eq!(index.needs(280, 0, false), None);
    assert_eq!(index.snapshot().covered(), &log.coverable());
    assert_exact(&index.snapshot(), &log, "merged");
    let segment = index.snapshot().entries()[0].serial;
    let outdated = index.work(Work::Merge(vec![segment]), &mut log, &GO);
    assert!(matches!(outdated, Err(Failure::Outdated)), "nothing of it is dead");
    for serials in [vec![], vec![99], vec![segment, 99], vec![3, 0]] {
        assert!(matches!(index.work(Work::Merge(serials), &mut log, &GO), Err(Failure::Outdated)));
    }
    merge_all(&index, &mut log).unwrap();
    assert_eq!(index.figures().segments, 1);
    drop(index);
    let (index, _) = open(&path, BOOT, &mut log);
    assert_eq!(index.snapshot().covered(), &log.coverable());
}

/// A source that does something to the index while it is asked for messages.
struct Meddler {
    log: Log,
    index: Arc<AccountIndex>,
    meddle: fn(&AccountIndex),
}

impl Source for Meddler {
    fn known(&mut self, witness: Option<u32>) -> io::Result<Known> {
        self.log.known(witness)
    }
    fn batch(&mut self, from: u32, messages_max: usize) -> io::Result<Batch> {
        self.log.batch(from, messages_max)
    }
    fn read(&mut self, wanted: &[Wanted]) -> Vec<Result<Content, String>> {
        (self.meddle)(&self.index);
        self.log.read(wanted)
    }
    fn live(&mut self) -> Option<RoaringBitmap> {
        (self.meddle)(&self.index);
        self.log.live()
    }
}

#[test]
fn a_discard_meanwhile_wins() {
    let mut log = Log::new(150, 50);
    let (_dir, path) = folder();
    let index = Arc::new(open(&path, BOOT, &mut log).0);
    for work in [Work::Build, Work::Merge(vec![])] {
        build(&index, &mut log);
        build(&index, &mut log);
        let work = match work {
            Work::Merge(_) => Work::Merge(index.snapshot().entries().iter().map(|e| e.serial).collect()),
            work => work,
        };
        let mut meddler = Meddler { log: log.clone(), index: index.clone(), meddle: |index| index.discard() };
        assert!(matches!(index.work(work, &mut meddler, &GO), Err(Failure::Discarded)));
        assert_eq!((index.snapshot().next(), index.snapshot().segments().len()), (0, 0));
        assert_eq!(index.needs(150, 0, false), Some(Work::Clean));
    }
    build_all(&index, &mut log);
    assert_exact(&index.snapshot(), &log, "anew");
    assert_eq!(index.snapshot().covered(), &log.coverable());
    assert_eq!(files(&path).len(), 4);
}

#[test]
fn one_step_at_a_time() {
    let mut log = Log::new(100, 50);
    let (_dir, path) = folder();
    let index = Arc::new(open(&path, BOOT, &mut log).0);
    let meddle = |index: &AccountIndex| {
        let second = index.work(Work::Build, &mut Log::new(100, 50), &GO);
        assert!(matches!(second, Err(Failure::Busy)));
    };
    let mut meddler = Meddler { log: log.clone(), index: index.clone(), meddle };
    index.work(Work::Build, &mut meddler, &GO).unwrap();
    assert_eq!(index.snapshot().next(), 50);
}

#[test]
fn nothing_is_built_before_it_is_verified() {
    let mut log = Log::new(100, 50);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    assert!(matches!(index.work(Work::Verify, &mut log, &GO), Err(Failure::Outdated)));
    build(&index, &mut log);
    drop(index);
    let (index, _) = open(&path, LATER_BOOT, &mut log);
    assert_eq!(index.needs(100, u64::MAX, false), Some(Work::Verify));
    assert!(matches!(index.work(Work::Build, &mut log, &GO), Err(Failure::Outdated)));
    let stopped = index.work(Work::Verify, &mut log, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(Failure::Stopped)));
    index.work(Work::Verify, &mut log, &GO).unwrap();
    assert_eq!(index.needs(100, u64::MAX, false), Some(Work::Build));
    build_all(&index, &mut log);
    assert_eq!(index.snapshot().covered(), &log.coverable());
}

#[test]
fn texts_of_the_tail_are_used_and_then_let_go() {
    let mut log = Log::new(60, 50);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    for message in 0..60 {
        let Content { header, body, .. } = content(message);
        let texts = Prepared::new(&Message::new(&header, &body), &GO).unwrap();
        index.tail().put(message, Arc::new(texts));
    }
    build(&index, &mut log);
    assert_eq!(log.reads, (0..50).filter(|message| message % 13 == 5).count(), "the others were known");
    assert_eq!(
        index.tail().get_all(&[49, 50]).iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true]
    );
    assert_exact(&index.snapshot(), &log, "from the tail");
    let figures = index.figures();
    assert_eq!((figures.segments, figures.maps, figures.docs), (1, 1, 46));
    assert!(figures.text > 1_000 && figures.disk > 1_000 && figures.memory >= index.tail().bytes());
}

#[test]
fn a_source_that_breaks_its_promises_is_refused() {
    struct Wrong(Log, fn(&mut Batch));
    impl Source for Wrong {
        fn known(&mut self, witness: Option<u32>) -> io::Result<Known> {
            self.0.known(witness)
        }
        fn batch(&mut self, from: u32, messages_max: usize) -> io::Result<Batch> {
            let mut batch = self.0.batch(from, messages_max)?;
            (self.1)(&mut batch);
            Ok(batch)
        }
        fn read(&mut self, wanted: &[Wanted]) -> Vec<Result<Content, String>> {
            self.0.read(wanted)
        }
        fn live(&mut self) -> Option<RoaringBitmap> {
            None
        }
    }
    let mut log = Log::new(100, 20);
    let (_dir, path) = folder();
    let (index, _) = open(&path, BOOT, &mut log);
    build(&index, &mut log);
    let wrong: [fn(&mut Batch); 4] = [
        |batch| batch.wanted.reverse(),
        |batch| batch.upto = 30,
        |batch| batch.wanted[0].message = 1,
        |batch| *batch = Batch::default(),
    ];
    for wrong in wrong {
        let refused = index.work(Work::Build, &mut Wrong(log.clone(), wrong), &GO);
        assert!(matches!(refused, Err(Failure::Outdated)));
    }
    assert_eq!(index.snapshot().next(), 20);
}
