//! Bytes that change after they were acknowledged: reported as corruption, skipped, never cut, and never
//! mistaken for a torn tail; and bytes that pretend to be records.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod log_support;

use futures_lite::future::block_on;
use log_support::{Options, World, options, replay, segment_path};
use trawl_store::disk::sim::SimDisk;
use trawl_store::disk::{Disk, OpenMode};
use trawl_store::error::{Damage, ReadError, StoreError};
use trawl_store::log::{Address, CommitKind, Log, LogOptions, Position, RecordType};
use trawl_store::seed::SimSeed;

fn small() -> LogOptions {
    Options { segment_bytes: 32 << 10, ..options() }
}

struct Written {
    world: World,
    /// Ops and the address of the one record of each commit.
    commits: Vec<(Vec<u8>, Address, Vec<u8>)>,
}

/// `n` commits, each durable before the next.
fn written(n: u32, options: LogOptions) -> Written {
    let world = World::new(SimDisk::new(), u64::from(n));
    let mut commits = Vec::new();
    world.run(
        async |log| {
            for i in 0..n {
                let payload = vec![i as u8; 1000 + i as usize * 10];
                let (_, address) = log.put(RecordType::Chunk, &payload).unwrap();
                let ops = format!("commit {i}").into_bytes();
                let ticket = log.commit(CommitKind::Delivery, log.generation(), &ops, Box::new(|_| ()));
                ticket.unwrap().await.unwrap();
                commits.push((ops, address, payload));
            }
        },
        options,
    );
    Written { world, commits }
}

fn ops(commits: &[(Vec<u8>, Address, Vec<u8>)]) -> Vec<Vec<u8>> {
    commits.iter().map(|(ops, ..)| ops.clone()).collect()
}

fn readable(log: &Log, commits: &[(Vec<u8>, Address, Vec<u8>)]) -> usize {
    commits
        .iter()
        .filter(|(_, address, payload)| match block_on(log.read(*address, 0)) {
            Ok(record) => {
                assert_eq!(record[..], payload[..]);
                true
            }
            Err(_) => false,
        })
        .count()
}

#[test]
fn a_damaged_record_is_corruption_and_everything_else_is_there() {
    let Written { world, commits } = written(20, small());
    let (_, victim, _) = commits[7];
    world.disk.flip(&segment_path(victim.segment), u64::from(victim.offset) + 100, 0x10);
    let opened = world.open(small(), Position::START).unwrap();
    assert_eq!(opened.replayed, ops(&commits));
    assert_eq!(opened.report.corruption.len(), 1, "{:?}", opened.report);
    let corruption = opened.report.corruption[0];
    assert_eq!((corruption.from, corruption.first), (victim, corruption.last));
    assert_eq!(opened.report.cut, None);
    assert_eq!(readable(&opened.log, &commits), 19);
    let error = block_on(opened.log.read(victim, 1000)).err().unwrap();
    assert!(matches!(error, ReadError::Damaged { damage: Damage::Payload, .. }), "{error}");
}

#[test]
fn a_damaged_header_loses_one_record_only() {
    let Written { world, commits } = written(20, small());
    let (_, victim, _) = commits[7];
    for byte in 0..24 {
        let disk = world.disk.snapshot();
        disk.flip(&segment_path(victim.segment), u64::from(victim.offset) + byte, 0x10);
        let world = World { disk, ..World::new(SimDisk::new(), 1) };
        let opened = world.open(small(), Position::START).unwrap();
        assert_eq!(opened.replayed, ops(&commits), "byte {byte}");
        assert_eq!(opened.report.corruption.len(), 1, "byte {byte}: {:?}", opened.report);
        assert_eq!(readable(&opened.log, &commits), 19);
    }
}

#[test]
fn a_damaged_commit_is_reported_with_its_number() {
    let Written { world, commits } = written(20, small());
    let (_, chunk, payload) = &commits[7];
    let commit = u64::from(chunk.offset) + Log::record_bytes(payload.len());
    world.disk.flip(&segment_path(chunk.segment), commit + 24 + 17, 1);
    let opened = world.open(small(), Position::START).unwrap();
    let mut expected = ops(&commits);
    expected.remove(7);
    assert_eq!(opened.replayed, expected);
    assert_eq!(opened.report.corruption.len(), 1);
    assert_eq!(readable(&opened.log, &commits), 20);
}

#[test]
fn random_rot_is_never_silent_and_never_hides_what_is_whole() {
    for seed in 0..300 {
        let random = SimSeed::new(seed);
        let Written { world, commits } = written(20, small());
        // Rot anywhere but in the last batch, which cannot be told from a torn tail.
        let (_, last, _) = commits[19];
        let files: Vec<String> = world.disk.files().into_iter().filter(|f| f.ends_with(".seg")).collect();
        let path = files[random.below(files.len() as u64) as usize].clone();
        let mut len = world.disk.peek(&path).unwrap().len() as u64;
        if path == segment_path(last.segment) {
            len = u64::from(last.offset);
        }
        let mut flipped = Vec::new();
        for _ in 0..=random.below(3) {
            let at = random.below(len);
            world.disk.flip(&path, at, 1 << random.below(8));
            flipped.push(at);
        }
        let opened = world.open(small(), Position::START).unwrap();
        let context = format!("seed {seed}, {path} {flipped:?}: {:?}", opened.report);
        assert!(opened.report.cut.is_none(), "{context}");
        let lost = 20 - readable(&opened.log, &commits);
        assert!(lost <= flipped.len(), "{context}");
        let all = ops(&commits);
        assert!(
            opened.replayed.iter().all(|o| all.contains(o))
                && opened.replayed.is_sorted_by_key(|o| all.iter().position(|a| a == o)),
            "{context}"
        );
        if lost > 0 || opened.replayed.len() < 20 {
            assert!(!opened.report.corruption.is_empty(), "{context}");
        }
        // Going on after it and opening again gives the same and the new.
        world.run_with(&opened.log, async |log| {
            let ticket = log.commit(CommitKind::Delivery, log.generation(), b"later", Box::new(|_| ()));
            ticket.unwrap().await.unwrap();
        });
        let (again, _) = replay(&world.disk.after_crash(seed), Position::START, seed).unwrap();
        assert_eq!(again[..again.len() - 1], opened.replayed[..], "{context}");
        assert_eq!(again.last().unwrap(), b"later", "{context}");
    }
}

#[test]
fn damage_of_the_last_batch_alone_is_a_torn_tail() {
    let Written { world, commits } = written(5, options());
    let (_, victim, _) = commits[4];
    world.disk.flip(&segment_path(victim.segment), u64::from(victim.offset) + 100, 0x10);
    let opened = world.open(options(), Position::START).unwrap();
    assert_eq!(opened.replayed, ops(&commits[..4]));
    let cut = opened.report.cut.unwrap();
    assert_eq!(cut.commits, 1);
    assert!(opened.report.corruption.is_empty());
    // Once more has been written, the cut stays a cut.
    world.run_with(&opened.log, async |log| {
        for _ in 0..3 {
            let ticket = log.commit(CommitKind::Delivery, log.generation(), b"later", Box::new(|_| ()));
            ticket.unwrap().await.unwrap();
        }
    });
    let (replayed, report) = replay(&world.disk, Position::START, 1).unwrap();
    assert_eq!(replayed.len(), 7);
    assert!(report.corruption.is_empty() && report.cut.is_none(), "{report:?}");
}

#[test]
fn a_missing_segment_is_reported_and_the_others_count() {
    let Written { world, commits } = written(60, small());
    let gone = commits[30].1.segment;
    assert!(gone > 1 && gone < commits[59].1.segment);
    block_on(world.disk.remove(&segment_path(gone))).unwrap();
    let opened = world.open(small(), Position::START).unwrap();
    let expected: Vec<_> = commits.iter().filter(|(_, at, _)| at.segment != gone).cloned().collect();
    assert_eq!(opened.replayed, ops(&expected));
    assert_eq!(opened.report.corruption.len(), 1, "{:?}", opened.report);
    let error = block_on(opened.log.read(commits[30].1, 0)).err().unwrap();
    assert!(matches!(error, ReadError::Damaged { damage: Damage::Segment, .. }));
}

#[test]
fn traces_of_a_crash_while_a_segment_was_begun_are_no_harm() {
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("zeros", vec![0; 64 << 10]),
        ("half a header", b"TRAWLSEG\x01".to_vec()),
        ("garbage", (0..10_000u32).map(|i| i as u8).collect()),
    ] {
        let Written { world, commits } = written(5, options());
        world.disk.poke(&segment_path(2), &bytes);
        for round in 0..3 {
            let opened = world.open(options(), Position::START).unwrap();
            assert_eq!(opened.replayed.len(), commits.len() + round, "{name}");
            assert!(opened.report.corruption.is_empty() && opened.report.cut.is_none(), "{name}");
            world.run_with(&opened.log, async |log| {
                let ticket = log.commit(CommitKind::Delivery, log.generation(), b"later", Box::new(|_| ()));
                ticket.unwrap().await.unwrap();
            });
        }
    }
}

#[test]
fn a_log_shorter_than_its_checkpoint_is_reported() {
    let Written { world, commits } = written(10, options());
    let opened = world.open(options(), Position::START).unwrap();
    let position = opened.log.durable_position();
    block_on(async {
        let file = world.disk.open(&segment_path(1), OpenMode::ReadWrite).await.unwrap();
        file.truncate(u64::from(commits[5].1.offset)).await.unwrap();
        file.sync().await.unwrap();
    });
    let opened = world.open(options(), position).unwrap();
    assert!(opened.replayed.is_empty());
    assert_eq!(opened.report.corruption.len(), 1);
    world.run_with(&opened.log, async |log| {
        let ticket = log.commit(CommitKind::Delivery, log.generation(), b"later", Box::new(|_| ()));
        let lsn = ticket.unwrap().await.unwrap();
        assert!(lsn >= position.next, "numbers are not given out again");
    });
    assert_eq!(world.open(options(), position).unwrap().replayed, [b"later"]);
}

#[test]
fn record_bytes_inside_a_message_never_pass_as_a_record() {
    let Written { world, commits } = written(3, options());
    // A message that contains the log's own first bytes, placed on block boundaries and everywhere else.
    let log_bytes = world.disk.peek(&segment_path(1)).unwrap();
    let opened = world.open(options(), Position::START).unwrap();
    let mut payload = vec![0; 4096 - 24];
    payload.extend_from_slice(&log_bytes);
    payload.extend_from_slice(&log_bytes[4096..]);
    world.run_with(&opened.log, async |log| {
        for _ in 0..3 {
            log.put(RecordType::Chunk, &payload).unwrap();
            let ticket = log.commit(CommitKind::Delivery, log.generation(), b"forged", Box::new(|_| ()));
            ticket.unwrap().await.unwrap();
        }
    });
    // Even when the record that holds them is damaged, so that recovery searches in it.
    world.disk.flip(&segment_path(2), 4096 + 3, 1);
    let (replayed, report) = replay(&world.disk, Position::START, 1).unwrap();
    let mut expected = ops(&commits);
    expected.extend([b"forged".to_vec(), b"forged".to_vec(), b"forged".to_vec()]);
    assert_eq!(replayed, expected);
    assert_eq!(report.corruption.len(), 1, "{report:?}");
}

#[test]
fn a_segment_of_another_store_shard_or_format_is_refused() {
    let Written { world, .. } = written(3, options());
    let foreign = world.open(Options { store_uuid: [7; 16], ..options() }, Position::START).err().unwrap();
    assert!(matches!(foreign, StoreError::Foreign { .. }), "{foreign}");
    let shard = trawl_store::types::ShardId(9);
    let foreign = world.open(Options { shard, ..options() }, Position::START).err().unwrap();
    assert!(matches!(foreign, StoreError::Foreign { .. }), "{foreign}");
    world.disk.flip(&segment_path(1), 8, 5 ^ 1);
    world.disk.flip(&segment_path(1), 2048 + 8, 5 ^ 1);
    let later = world.open(options(), Position::START).err().unwrap();
    assert!(matches!(later, StoreError::Version { found: 5, .. }), "{later}");
}

#[test]
fn many_records_are_read_in_order_also_beside_damage() {
    let Written { world, commits } = written(60, small());
    let victim = commits[20].1;
    world.disk.flip(&segment_path(victim.segment), u64::from(victim.offset) + 60, 1);
    let opened = world.open(small(), Position::START).unwrap();
    for hint in [0usize, 10, 5000] {
        let wanted: Vec<(Address, usize)> =
            (0..commits.len()).map(|i| (commits[i * 17 % commits.len()].1, hint)).collect();
        let got = block_on(opened.log.read_many(&wanted));
        assert_eq!(got.len(), wanted.len());
        for (i, result) in got.into_iter().enumerate() {
            let n = i * 17 % commits.len();
            match result {
                Ok(record) => assert_eq!(record[..], commits[n].2[..]),
                Err(error) => assert_eq!(n, 20, "{error}"),
            }
        }
    }
}
