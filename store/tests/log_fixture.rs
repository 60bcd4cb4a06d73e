//! The bytes of formats 1 to 4, pinned: the logs under `fixtures/format-1-log` to `fixtures/format-4-log` stay readable for
//! ever, and the code of this version writes exactly those bytes.
//!
//! Fixtures are never written again. (They were made by this test with `TRAWL_WRITE_FIXTURE=1`, which refuses to
//! overwrite.)

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::disallowed_types, reason = "compares real files")]

mod log_support;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use futures_lite::future::block_on;
use log_support::{Options, World, options, segment_path};
use trawl_store::clock::SystemClock;
use trawl_store::disk::blocking::BlockingDisk;
use trawl_store::disk::sim::SimDisk;
use trawl_store::log::{Address, CommitKind, Log, Position, RecordType, ReplayedCommit};
use trawl_store::seed::SystemSeed;

/// Format, segments, and how many of the eight records are in a segment that begins with a dictionary.
const FORMATS: [(u32, u32, u32); 4] = [(1, 4, 0), (2, 4, 5), (3, 5, 3), (4, 4, 0)];

fn fixture(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format-{format}-log"))
}

fn small() -> Options {
    Options { segment_bytes: 16 << 10, ..options() }
}

fn content(format: u32, n: usize) -> (RecordType, Vec<u8>) {
    let kind = match n {
        4 | 7 if format == 4 => RecordType::Documents,
        n if n.is_multiple_of(2) => RecordType::Chunk,
        _ => RecordType::Message,
    };
    (kind, (0..n * 700).map(|i| (i * 7 + n) as u8).collect())
}

/// What segments of formats 2 and 3 begin with; the log does not look at it.
fn dictionary() -> Arc<[u8]> {
    (0..700u32).map(|i| (i * 5) as u8).collect()
}

/// A log of some segments in the simulated world, where everything repeats; those after the first messages begin with a
/// dictionary in format 2, and are of format 3 in format 3, where a dictionary comes later; in format 4 they have texts of documents.
fn write(format: u32) -> (SimDisk, Vec<Address>) {
    let world = World::new(SimDisk::new(), 1);
    let mut addresses = Vec::new();
    world.run(
        async |log| {
            for n in 0..8 {
                let (kind, payload) = content(format, n);
                if format == 4 && n == 2 {
                    log.begin_documented();
                }
                if format == 3 && n == 3 {
                    log.begin_annotated();
                }
                if (format, n) == (2, 3) || (format, n) == (3, 5) {
                    log.begin_with(dictionary());
                }
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
fn they_are_written_as_ever() {
    for (format, segments, _) in FORMATS {
        let (disk, _) = write(format);
        if std::env::var_os("TRAWL_WRITE_FIXTURE").is_some() && !fixture(format).exists() {
            std::fs::create_dir_all(fixture(format).join("log")).unwrap();
            for path in disk.files() {
                std::fs::write(fixture(format).join(&path), disk.peek(&path).unwrap()).unwrap();
            }
        }
        assert_eq!(disk.files(), (1..=segments).map(segment_path).collect::<Vec<_>>());
        for path in disk.files() {
            let pinned = std::fs::read(fixture(format).join(&path)).unwrap();
            assert!(pinned == disk.peek(&path).unwrap(), "format {format}: {path} differs");
        }
    }
}

#[test]
fn they_stay_readable() {
    for (format, _, with_dictionary) in FORMATS {
        let (_, addresses) = write(format);
        let read_only = Options { read_only: true, ..small() };
        let mut replayed = Vec::new();
        let mut replay = |commit: ReplayedCommit<'_>| {
            replayed.push(String::from_utf8(commit.ops.to_vec()).unwrap());
            Ok(())
        };
        let opened = Log::open(
            Rc::new(BlockingDisk::new(fixture(format))),
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
        let mut dictionaries = 0;
        for (n, address) in addresses.into_iter().enumerate() {
            let record = block_on(log.read(address, 0)).unwrap();
            assert_eq!((record.kind, record.to_vec()), content(format, n));
            let begins_with = block_on(log.dictionary_of(address.segment)).unwrap();
            assert!(begins_with.as_deref().is_none_or(|found| *found == *dictionary()));
            dictionaries += u32::from(begins_with.is_some());
        }
        assert_eq!(dictionaries, with_dictionary, "format {format}");
    }
}
