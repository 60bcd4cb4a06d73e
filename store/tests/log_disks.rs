//! The log on real files: the server's disk, the one of the tools, and the reader of the lanes agree.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod log_support;

use std::rc::Rc;

use futures_lite::future::block_on;
use glommio::{LocalExecutorBuilder, Placement};
use log_support::{Options, options};
use trawl_store::clock::SystemClock;
use trawl_store::disk::Disk;
use trawl_store::disk::blocking::BlockingDisk;
use trawl_store::disk::glommio::{GlommioClock, GlommioDisk};
use trawl_store::error::{Damage, ReadError};
use trawl_store::log::lane::LaneReader;
use trawl_store::log::{Address, CommitKind, Log, Position, RecordType, ReplayedCommit};
use trawl_store::seed::SystemSeed;

#[test]
fn what_the_server_writes_the_tools_and_the_lanes_read() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    let settings = || Options { segment_bytes: 1 << 20, reserve_bytes: 1 << 20, ..options() };
    let executor = LocalExecutorBuilder::new(Placement::Unbound).io_memory(1 << 20).make().unwrap();
    let written: Vec<(Address, Vec<u8>)> = executor.run(async {
        let disk: Rc<dyn Disk> = Rc::new(GlommioDisk::new(&root));
        disk.create_dir_all("log").await.unwrap();
        let mut written: Vec<(Address, Vec<u8>)> = Vec::new();
        for round in 0..3u8 {
            let mut replayed = 0;
            let seed = Rc::new(SystemSeed::new().unwrap());
            let clock = Rc::new(GlommioClock::new());
            let (log, report) =
                Log::open(disk.clone(), clock, seed, "log", settings(), Position::START, &mut |_| {
                    replayed += 1;
                    Ok(())
                })
                .await
                .unwrap();
            assert_eq!(replayed, usize::from(round) * 40);
            assert!(report.corruption.is_empty() && report.cut.is_none());
            let runner = log.clone();
            let committer = glommio::spawn_local(async move { runner.run().await });
            for n in 0..40u8 {
                log.pressure().await.unwrap();
                let payload = vec![n ^ round; usize::from(n) * 3000];
                let generation = log.generation();
                let (_, address) = log.put(RecordType::Chunk, &payload).unwrap();
                let ticket = log.commit(CommitKind::Delivery, generation, b"ops", Box::new(|_| ()));
                ticket.unwrap().await.unwrap();
                written.push((address, payload));
            }
            let wanted: Vec<(Address, usize)> = written.iter().map(|(at, p)| (*at, p.len())).collect();
            for (result, (_, payload)) in log.read_many(&wanted).await.into_iter().zip(&written) {
                assert_eq!(result.unwrap()[..], payload[..]);
            }
            log.stop().await;
            committer.await;
        }
        written
    });

    let clock = Rc::new(SystemClock::new());
    let seed = Rc::new(SystemSeed::new().unwrap());
    let disk = Rc::new(BlockingDisk::new(dir.path()));
    let read_only = Options { read_only: true, ..settings() };
    let mut replayed = 0;
    let mut count = |_: ReplayedCommit<'_>| {
        replayed += 1;
        Ok(())
    };
    let opened = Log::open(disk, clock, seed, "log", read_only, Position::START, &mut count);
    let (log, _) = block_on(opened).unwrap();
    assert_eq!(replayed, 120);

    let mut lane = LaneReader::new(dir.path().join("log"));
    // Hints may be unknown, right, or too small.
    for (hint, scale) in [(0, 0), (0, 1), (1, 0)] {
        let wanted: Vec<(Address, usize)> =
            written.iter().rev().map(|(at, p)| (*at, hint + scale * p.len())).collect();
        let answers = lane.read(&wanted);
        assert_eq!(answers.len(), written.len());
        for (answer, (address, payload)) in answers.into_iter().zip(written.iter().rev()) {
            assert_eq!(answer.unwrap()[..], payload[..]);
            assert_eq!(block_on(log.read(*address, payload.len())).unwrap()[..], payload[..]);
        }
    }
    let (good, payload) = &written[5];
    let nowhere = Address { segment: 999, offset: 4096 };
    let between = Address { segment: good.segment, offset: good.offset + 8 };
    let answers = lane.read(&[(nowhere, 10), (*good, 0), (between, 10)]);
    assert!(matches!(answers[0], Err(ReadError::Damaged { damage: Damage::Segment, .. })));
    assert_eq!(answers[1].as_ref().unwrap()[..], payload[..]);
    assert!(matches!(answers[2], Err(ReadError::Damaged { damage: Damage::Header, .. })));
}

#[test]
fn a_lane_reader_can_move_to_its_lane() {
    fn send<T: Send>() {}
    send::<LaneReader>();
    send::<Result<trawl_store::log::RecordBytes, ReadError>>();
}
