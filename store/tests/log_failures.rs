//! Disks that fail or fill up under a running log: what is refused, what goes on, what is there afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod log_support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use log_support::{Model, Options, World, options, replay};
use trawl_store::clock::Clock;
use trawl_store::disk::sim::{SimDisk, SimFault, SimLatency, SimOp};
use trawl_store::error::CommitError;
use trawl_store::log::{CommitKind, Log, Position, RecordType, Ticket};
use trawl_store::seed::SimSeed;

const DELIVERY: CommitKind = CommitKind::Delivery;
const HOUSEKEEPING: CommitKind = CommitKind::Housekeeping;

fn commit(log: &Log, kind: CommitKind, ops: &[u8]) -> Result<Ticket, CommitError> {
    log.commit(kind, log.generation(), ops, Box::new(|_| ()))
}

#[test]
fn one_writer_costs_one_sync_a_commit() {
    let world = World::new(SimDisk::new(), 1);
    world.run(
        async |log| {
            commit(&log, DELIVERY, b"first").unwrap().await.unwrap();
            let syncs = || world.disk.count(SimOp::Sync) + world.disk.count(SimOp::SyncDir);
            let before = syncs();
            for _ in 0..20 {
                log.put(RecordType::Chunk, &[1; 3000]).unwrap();
                log.put(RecordType::Message, &[2; 300]).unwrap();
                commit(&log, DELIVERY, b"one").unwrap().await.unwrap();
            }
            assert_eq!(syncs() - before, 20);
        },
        options(),
    );
}

#[test]
fn fifty_writers_share_syncs() {
    let world = World::new(SimDisk::new(), 1);
    let ms = Duration::from_millis;
    let latency = SimLatency { clock: world.clock.clone(), read: ms(0), write: ms(1), sync: ms(5) };
    world.disk.set_latency(Some(latency));
    let order = Rc::new(RefCell::new(Vec::new()));
    world.run(
        async |log| {
            let writers: Vec<_> = (0..50)
                .map(|_| {
                    let (log, order) = (log.clone(), order.clone());
                    world.executor.spawn_with_result(async move {
                        for _ in 0..10 {
                            let order = order.clone();
                            let settled =
                                Box::new(move |r: Result<_, _>| order.borrow_mut().push(r.unwrap()));
                            log.commit(DELIVERY, log.generation(), b"x", settled).unwrap().await.unwrap();
                        }
                    })
                })
                .collect();
            for writer in writers {
                writer.await.unwrap();
            }
            let stats = log.stats();
            assert_eq!(stats.commits, 500);
            assert!(stats.syncs <= 25, "{stats:?}");
        },
        options(),
    );
    assert!(order.borrow().is_sorted() && order.borrow().len() == 500, "callbacks in LSN order");
}

#[test]
fn callbacks_run_before_any_waiter_wakes_and_never_before_the_sync() {
    let world = World::new(SimDisk::new(), 3);
    let events = Rc::new(RefCell::new(Vec::new()));
    world.run(
        async |log| {
            let mut tickets = Vec::new();
            for n in 0..3 {
                let (events, disk) = (events.clone(), world.disk.clone());
                let settled = Box::new(move |_: Result<_, _>| {
                    assert!(disk.count(SimOp::Sync) > 0);
                    events.borrow_mut().push(("applied", n));
                });
                tickets.push(log.commit(DELIVERY, log.generation(), b"x", settled).unwrap());
            }
            let waits: Vec<_> = tickets
                .into_iter()
                .enumerate()
                .map(|(n, ticket)| {
                    let events = events.clone();
                    world.executor.spawn_with_result(async move {
                        ticket.await.unwrap();
                        events.borrow_mut().push(("woken", n));
                    })
                })
                .collect();
            for wait in waits {
                wait.await.unwrap();
            }
        },
        options(),
    );
    let events = events.take();
    assert_eq!(events[..3], [("applied", 0), ("applied", 1), ("applied", 2)]);
    assert_eq!(events.len(), 6);
}

/// A failing operation poisons: everything pending fails, nothing more is written, reads go on.
fn poisons(op: SimOp) {
    let world = World::new(SimDisk::new(), 1);
    world.run(
        async |log| {
            let (_, address) = log.put(RecordType::Chunk, b"kept").unwrap();
            commit(&log, DELIVERY, b"before").unwrap().await.unwrap();
            world.disk.inject(SimFault { op, path: ".seg".to_owned(), after: 0, times: 1, errno: libc::EIO });
            let failed = commit(&log, DELIVERY, b"failed").unwrap();
            let behind = commit(&log, HOUSEKEEPING, b"behind").unwrap();
            let error = failed.await.unwrap_err();
            assert!(
                matches!(&error, CommitError::Poisoned(cause) if cause.contains("os error 5")),
                "{error}"
            );
            assert_eq!(behind.await.unwrap_err(), error);
            let writes = world.disk.crash_points();
            assert_eq!(commit(&log, DELIVERY, b"after").err(), Some(error.clone()));
            assert_eq!(log.put(RecordType::Chunk, b"x").err(), Some(error.clone()));
            assert_eq!(log.pressure().await.err(), Some(error));
            assert!(log.poisoned().is_some());
            assert_eq!(log.read(address, 4).await.unwrap()[..], *b"kept");
            assert_eq!(world.disk.crash_points(), writes, "a poisoned log writes nothing");
        },
        options(),
    );
    // After power loss, or a restart on the same page cache, or both: the acknowledged one is there.
    for seed in 0..40 {
        let (replayed, report) = replay(&world.disk.after_crash(seed), Position::START, seed).unwrap();
        assert_eq!(replayed[0], b"before", "{op:?} seed {seed}: {report:?}");

        // What a restart shows from the page cache it has made durable.
        let restarted = World { disk: world.disk.after_kill(), ..World::new(SimDisk::new(), seed) };
        let shown = restarted.open(options(), Position::START).unwrap().replayed;
        let (replayed, _) = replay(&restarted.disk.after_crash(seed), Position::START, seed).unwrap();
        assert_eq!(replayed, shown, "{op:?} seed {seed}: the page cache was believed");
    }
}

#[test]
fn a_failed_sync_poisons() {
    poisons(SimOp::Sync);
}

#[test]
fn a_failed_write_poisons() {
    poisons(SimOp::Write);
}

#[test]
fn a_full_disk_rolls_back_and_resumes() {
    for seed in 0..30 {
        let world = World::new(SimDisk::new(), seed);
        let options = || Options { segment_bytes: 64 << 10, preallocate: seed % 2 == 1, ..options() };
        let mut kept = Vec::new();
        let mut refused = 0;
        world.run(
            async |log| {
                let random = SimSeed::new(seed);
                for n in 0..200u32 {
                    // Room comes and goes.
                    if n % 20 == 10 {
                        world.disk.set_capacity(Some(world.disk.used() + random.below(100_000)));
                    }
                    if n % 20 == 19 {
                        world.disk.set_capacity(None);
                    }
                    let generation = log.generation();
                    let payload = vec![n as u8; random.below(30_000) as usize];
                    let Ok((_, address)) = log.put(RecordType::Chunk, &payload) else {
                        refused += 1;
                        continue;
                    };
                    let ops = n.to_le_bytes();
                    match log.commit(DELIVERY, generation, &ops, Box::new(|_| ())) {
                        Ok(ticket) => match ticket.await {
                            Ok(_) => kept.push((ops.to_vec(), address, payload)),
                            Err(CommitError::Full) => refused += 1,
                            Err(other) => panic!("seed {seed}: {other}"),
                        },
                        Err(error) => panic!("seed {seed}: {error}"),
                    }
                }
                assert!(log.poisoned().is_none());
            },
            options(),
        );
        assert!(refused > 0 && kept.len() > 50, "seed {seed}: {refused} refused, {} kept", kept.len());
        for crash in 0..4 {
            let disk = world.disk.after_crash(crash);
            let world = World { disk, ..World::new(SimDisk::new(), seed) };
            let opened = world.open(options(), Position::START).unwrap();
            assert!(opened.report.corruption.is_empty(), "seed {seed}: {:?}", opened.report);
            let expected: Vec<Vec<u8>> = kept.iter().map(|(ops, ..)| ops.clone()).collect();
            assert_eq!(opened.replayed, expected, "seed {seed}");
            for (_, address, payload) in &kept {
                let record = futures_lite::future::block_on(opened.log.read(*address, payload.len()));
                assert_eq!(record.unwrap()[..], payload[..], "seed {seed}");
            }
        }
    }
}

#[test]
fn records_put_before_a_rollback_cannot_be_committed_after_it() {
    let world = World::new(SimDisk::new(), 1);
    world.run(
        async |log| {
            commit(&log, DELIVERY, b"first").unwrap().await.unwrap();
            let generation = log.generation();
            log.put(RecordType::Chunk, &[1; 100]).unwrap();
            world.disk.inject(SimFault {
                op: SimOp::Write,
                path: ".seg".to_owned(),
                after: 0,
                times: 1,
                errno: libc::ENOSPC,
            });
            assert_eq!(commit(&log, DELIVERY, b"full").unwrap().await, Err(CommitError::Full));
            let stale = log.commit(DELIVERY, generation, b"stale", Box::new(|_| unreachable!()));
            assert_eq!(stale.err(), Some(CommitError::Full));
            commit(&log, DELIVERY, b"second").unwrap().await.unwrap();
        },
        options(),
    );
    let (replayed, report) = replay(&world.disk, Position::START, 1).unwrap();
    assert_eq!(replayed, [b"first".to_vec(), b"second".to_vec()]);
    assert!(report.corruption.is_empty());
}

#[test]
fn with_a_reserve_housekeeping_goes_on_when_the_disk_is_full() {
    let world = World::new(SimDisk::new(), 1);
    let options = Options { reserve_bytes: 200_000, ..options() };
    world.run(
        async |log| {
            commit(&log, DELIVERY, b"first").unwrap().await.unwrap();
            world.disk.set_capacity(Some(world.disk.used() + 1000));
            log.put(RecordType::Chunk, &[1; 50_000]).unwrap();
            assert_eq!(commit(&log, DELIVERY, b"mail").unwrap().await, Err(CommitError::Full));
            assert!(log.is_full());
            for _ in 0..10 {
                commit(&log, HOUSEKEEPING, b"flags").unwrap().await.unwrap();
                assert_eq!(commit(&log, DELIVERY, b"mail").err(), Some(CommitError::Full));
                world.clock.sleep(Duration::from_secs(2)).await;
            }
            assert!(log.is_full());
            // Room again: the refused delivery makes the log look, the next one goes.
            world.disk.set_capacity(None);
            assert_eq!(commit(&log, DELIVERY, b"mail").err(), Some(CommitError::Full));
            world.clock.sleep(Duration::from_secs(2)).await;
            assert!(!log.is_full());
            commit(&log, DELIVERY, b"mail").unwrap().await.unwrap();
        },
        options,
    );
    let (replayed, report) = replay(&world.disk.after_crash(3), Position::START, 1).unwrap();
    assert_eq!(replayed.len(), 12, "{report:?}");
}

#[test]
fn much_content_without_a_commit_is_written_early_and_holds_its_producer() {
    let world = World::new(SimDisk::new(), 1);
    world.run(
        async |log| {
            let generation = log.generation();
            let mut most = 0;
            for _ in 0..400 {
                log.pressure().await.unwrap();
                log.put(RecordType::Chunk, &[9; 100_000]).unwrap();
                most = most.max(log.stats().pending_bytes);
                futures_lite::future::yield_now().await;
            }
            assert!(most < 10 << 20, "{most} bytes were pending");
            assert!(log.stats().bytes_written > 30_000_000);
            assert_eq!(log.stats().syncs, 0);
            log.commit(DELIVERY, generation, b"all", Box::new(|_| ())).unwrap().await.unwrap();
        },
        Options { segment_bytes: 8 << 20, ..options() },
    );
    let (replayed, _) = replay(&world.disk.after_crash(1), Position::START, 1).unwrap();
    assert_eq!(replayed, [b"all"]);
}

#[test]
fn a_stopped_log_finishes_what_is_pending_and_takes_nothing_more() {
    let world = World::new(SimDisk::new(), 1);
    let model = Model::default();
    world.run(
        async |log| {
            let records = model.put_some(&log, &SimSeed::new(1));
            let ticket = model.commit(&log, DELIVERY, log.generation(), records).unwrap();
            // Before the committer had its first turn.
            log.stop().await;
            assert_eq!(model.acknowledged.get(), 1);
            assert_eq!(commit(&log, DELIVERY, b"late").err(), Some(CommitError::Stopped));
            assert_eq!(log.put(RecordType::Chunk, b"late").err(), Some(CommitError::Stopped));
            assert_eq!(
                log.commit(DELIVERY, log.generation(), b"x", Box::new(|_| ())).err(),
                Some(CommitError::Stopped)
            );
            ticket.await.unwrap();
        },
        options(),
    );
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_written() {
    let world = World::new(SimDisk::new(), 1);
    world.run(
        async |log| {
            let huge = vec![0; trawl_store::limits::record_payload_bytes_max + 1];
            let bytes = huge.len();
            assert_eq!(log.put(RecordType::Chunk, &huge).err(), Some(CommitError::TooLarge { bytes }));
            assert!(matches!(commit(&log, DELIVERY, &huge).err(), Some(CommitError::TooLarge { .. })));
            let (_, address) = log.put(RecordType::Chunk, &huge[1..]).unwrap();
            commit(&log, DELIVERY, b"ok").unwrap().await.unwrap();
            assert_eq!(log.read(address, 0).await.unwrap().len(), huge.len() - 1);
        },
        options(),
    );
}

#[test]
fn wall_time_never_decreases() {
    let world = World::new(SimDisk::new(), 1);
    // The world's replay asserts the order.
    world.run(
        async |log| {
            for _ in 0..5 {
                commit(&log, DELIVERY, b"x").unwrap().await.unwrap();
                world.clock.shift_wall(-10_000_000);
            }
        },
        options(),
    );
    let opened = world.open(options(), Position::START).unwrap();
    assert_eq!(opened.replayed.len(), 5);
    assert!(opened.log.wall() > world.clock.wall());
}
