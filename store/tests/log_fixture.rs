//! The bytes of format 1, pinned: the log under `fixtures/format-1-log` stays readable for ever, and the code of
//! this version writes exactly those bytes.
//!
//! The fixture is never written again. (It was made by this test with `TRAWL_WRITE_FIXTURE=1`, which refuses to
//! overwrite.)

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::disallowed_types, reason = "compares real files")]

mod log_support;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_lite::future::block_on;
use log_support::{Options, World, options, segment_path};
use trawl_store::clock::SystemClock;
use trawl_store::disk::blocking::BlockingDisk;
use trawl_store::disk::sim::SimDisk;
use trawl_store::log::{Address, CommitKind, Log, Position, RecordType, ReplayedCommit};
use trawl_store::seed::SystemSeed;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1-log")
}

fn small() -> Options {
    Options { segment_bytes: 16 << 10, ..options() }
}

fn content(n: usize) -> (RecordType, Vec<u8>) {
    let kind = if n.is_multiple_of(2) { RecordType::Chunk } else { RecordType::Message };
    (kind, (0..n * 700).map(|i| (i * 7 + n) as u8).collect())
}

/// A log of four segments in the simulated world, where everything repeats.
fn write() -> (SimDisk, Vec<Address>) {
    let world = World::new(SimDisk::new(), 1);
    let mut addresses = Vec::new();
    world.run(
        async |log| {
            for n in 0..8 {
                let (kind, payload) = content(n);
                addresses.push(log.put(kind, &payload).unwrap().1);
                let ops = format!("ops of commit {n}");
                let ticket =
                    log.commit(CommitKind::Delivery, log.generation(), ops.as_bytes(), Box::new(|_| ()));
                ticket.unwrap().await.unwrap();
            }
        },
        small(),
    );
    (world.disk, addresses)
}

#[test]
fn format_1_is_written_as_ever() {
    let (disk, _) = write();
    if std::env::var_os("TRAWL_WRITE_FIXTURE").is_some() {
        std::fs::create_dir_all(fixture().join("log")).unwrap();
        for path in disk.files() {
            assert!(!fixture().join(&path).exists(), "a fixture is never written again");
            std::fs::write(fixture().join(&path), disk.peek(&path).unwrap()).unwrap();
        }
    }
    assert_eq!(disk.files(), (1..=4).map(segment_path).collect::<Vec<_>>());
    for path in disk.files() {
        assert!(std::fs::read(fixture().join(&path)).unwrap() == disk.peek(&path).unwrap(), "{path} differs");
    }
}

#[test]
fn format_1_stays_readable() {
    let (_, addresses) = write();
    let read_only = Options { read_only: true, ..small() };
    let mut replayed = Vec::new();
    let mut replay = |commit: ReplayedCommit<'_>| {
        replayed.push(String::from_utf8(commit.ops.to_vec()).unwrap());
        Ok(())
    };
    let opened = Log::open(
        Rc::new(BlockingDisk::new(fixture())),
        Rc::new(SystemClock::new()),
        Rc::new(SystemSeed::new().unwrap()),
        "log",
        read_only,
        Position::START,
        &mut replay,
    );
    let (log, report) = block_on(opened).unwrap();
    assert!(report.corruption.is_empty() && report.cut.is_none(), "{report:?}");
    assert_eq!(replayed, (0..8).map(|n| format!("ops of commit {n}")).collect::<Vec<_>>());
    for (n, address) in addresses.into_iter().enumerate() {
        let record = block_on(log.read(address, 0)).unwrap();
        assert_eq!((record.kind, record.to_vec()), content(n));
    }
}
