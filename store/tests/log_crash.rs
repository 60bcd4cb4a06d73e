//! Crash at every write of a random workload on one log, many times: what was acknowledged is there, nothing is
//! there in part, and the log goes on.
//!
//! Not here: mail (that is tested above the log), damage of durable bytes (`log_damage.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod log_support;

use std::cell::RefCell;
use std::rc::Rc;

use log_support::{Model, World, options};
use trawl_store::disk::sim::SimDisk;
use trawl_store::log::{CommitKind, Position, RecordType};
use trawl_store::seed::SimSeed;

struct Point {
    n: u64,
    disk: SimDisk,
    acknowledged: usize,
}

/// A workload of commits with records of all sizes by several writers; gives a snapshot of every crash point.
fn points(seed: u64, ignore_sync: bool, preallocate: bool) -> (Vec<Point>, Model) {
    let world = World::new(SimDisk::new(), seed);
    world.disk.set_ignore_sync(ignore_sync);
    let taken = Rc::new(RefCell::new(Vec::new()));
    let model = Model::default();
    let acknowledged = model.acknowledged.clone();
    let sink = taken.clone();
    world.disk.set_hook(move |disk, n| {
        sink.borrow_mut().push(Point { n, disk: disk.snapshot(), acknowledged: acknowledged.get() });
    });
    let options = log_support::Options { segment_bytes: 32 << 10, preallocate, ..options() };
    world.run(
        async |log| {
            let writers: Vec<_> = (0..3)
                .map(|writer| {
                    let (log, model, seed) = (log.clone(), model.clone(), SimSeed::new(seed * 31 + writer));
                    world.executor.spawn_with_result(async move {
                        for _ in 0..12 {
                            let generation = log.generation();
                            let records = model.put_some(&log, &seed);
                            futures_lite::future::yield_now().await;
                            model
                                .commit(&log, CommitKind::Delivery, generation, records)
                                .unwrap()
                                .await
                                .unwrap();
                        }
                    })
                })
                .collect();
            for writer in writers {
                writer.await.unwrap();
            }
        },
        options,
    );
    world.disk.clear_hook();
    (taken.take(), model)
}

fn check_points(seed: u64, ignore_sync: bool, preallocate: bool) -> (usize, Result<(), String>) {
    let (points, model) = points(seed, ignore_sync, preallocate);
    let count = points.len();
    for point in points {
        for variant in 0..2 {
            let crash_seed = seed * 1_000_003 + point.n * 7 + variant;
            let disk = point.disk.after_crash(crash_seed);
            let context = format!("seed {seed}, crash point {}, crash seed {crash_seed}", point.n);
            // Twice: a second crash straight after recovery must find the same.
            if let Err(what) = model.check(&disk, crash_seed, point.acknowledged, preallocate) {
                return (count, Err(format!("{context}: {what}")));
            }
        }
    }
    (count, Ok(()))
}

#[test]
fn everything_acknowledged_survives_a_crash_at_every_write() {
    let mut points = 0;
    for seed in 0..24 {
        let (n, result) = check_points(seed, false, seed % 2 == 1);
        points += n;
        if let Err(what) = result {
            panic!("{what}");
        }
    }
    assert!(points > 2_000, "only {points} crash points");
}

#[test]
fn a_missing_sync_is_noticed() {
    assert!((0..8).any(|seed| check_points(seed, true, false).1.is_err()), "syncs could be left out");
}

#[test]
fn replay_from_any_durable_position_gives_the_rest() {
    let world = World::new(SimDisk::new(), 5);
    let model = Model::default();
    let positions = Rc::new(RefCell::new(vec![(Position::START, 0)]));
    world.run(
        async |log| {
            let seed = SimSeed::new(5);
            for n in 1..30 {
                let generation = log.generation();
                let records = model.put_some(&log, &seed);
                model.commit(&log, CommitKind::Delivery, generation, records).unwrap().await.unwrap();
                positions.borrow_mut().push((log.durable_position(), n));
            }
        },
        log_support::Options { segment_bytes: 32 << 10, ..options() },
    );
    for (position, applied) in positions.take() {
        let (replayed, report) = log_support::replay(&world.disk, position, 1).unwrap();
        assert_eq!(replayed, model.commits()[applied..], "{position:?}");
        assert!(report.corruption.is_empty() && report.cut.is_none(), "{report:?}");
    }
}

#[test]
fn no_recovery_goes_back_behind_the_last_commit_but_behind_what_follows_it() {
    for loose in [0, 3] {
        let world = World::new(SimDisk::new(), 6);
        let (committed, durable) = world.run(
            async |log| {
                for _ in 0..5 {
                    let ticket = log.commit(CommitKind::Delivery, log.generation(), b"ops", Box::new(|_| ()));
                    // In the same batch, and their commit never comes.
                    for _ in 0..loose {
                        log.put(RecordType::Chunk, &[1; 100]).unwrap();
                    }
                    assert!(log.committed_lsn() <= log.durable_lsn());
                    assert_eq!(ticket.unwrap().await.unwrap(), log.committed_lsn());
                }
                (log.committed_lsn(), log.durable_lsn())
            },
            options(),
        );
        assert!(durable.0 > committed.0 + loose, "Pad has an LSN as well");
        let crashed = World { disk: world.disk.after_crash(1), ..World::new(SimDisk::new(), 7) };
        let log = crashed.open(options(), Position::START).unwrap().log;
        assert_eq!((log.committed_lsn(), log.durable_lsn()), (committed, committed));
    }
}
