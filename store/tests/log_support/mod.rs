//! A log in the simulated world, and a model of what it must hold.

#![allow(dead_code, reason = "each test uses a part")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_lite::future::block_on;
use trawl_store::clock::SimClock;
use trawl_store::disk::sim::SimDisk;
use trawl_store::disk::sim_executor::SimExecutor;
use trawl_store::disk::{Disk, DiskFile, OpenMode};
use trawl_store::error::{CommitError, StoreError};
use trawl_store::log::{
    Address, CommitKind, Generation, Log, LogOptions, Position, RecordType, RecoveryReport, Ticket,
};
use trawl_store::seed::SimSeed;
use trawl_store::types::{ShardId, WallTime};

pub use trawl_store::log::LogOptions as Options;

pub const DIR: &str = "log";

pub fn options() -> LogOptions {
    LogOptions {
        store_uuid: *b"a store's uuid..",
        shard: ShardId(0),
        epoch: 1,
        segment_bytes: 1 << 20,
        preallocate: false,
        reserve_bytes: 0,
        read_only: false,
    }
}

pub fn segment_path(number: u32) -> String {
    format!("{DIR}/{number:08}.seg")
}

/// The simulated world around one log.
pub struct World {
    pub disk: SimDisk,
    pub clock: SimClock,
    pub executor: SimExecutor,
    pub seed: u64,
    pub opened: Cell<u64>,
}

impl World {
    pub fn new(disk: SimDisk, seed: u64) -> World {
        let clock = SimClock::new(WallTime(1_000_000));
        let executor = SimExecutor::new(clock.clone(), seed);
        executor.set_polls_max(50_000_000);
        block_on(async {
            disk.create_dir_all(DIR).await.unwrap();
            disk.sync_dir("").await.unwrap();
        });
        World { disk, clock, executor, seed, opened: Cell::new(0) }
    }

    pub fn open(&self, options: LogOptions, from: Position) -> Result<Opened, StoreError> {
        // Salts have to differ between segments, so between openings too.
        let salts = self.seed.wrapping_mul(1 << 20) + self.opened.replace(self.opened.get() + 1);
        let mut replayed = Vec::new();
        let mut wall = WallTime(i64::MIN);
        let (log, report) = block_on(Log::open(
            Rc::new(self.disk.clone()),
            Rc::new(self.clock.clone()),
            Rc::new(SimSeed::new(salts)),
            DIR,
            options,
            from,
            &mut |commit| {
                assert!(commit.wall >= wall, "wall time decreases");
                wall = commit.wall;
                replayed.push(commit.ops.to_vec());
                Ok(())
            },
        ))?;
        Ok(Opened { log, report, replayed })
    }

    /// Runs `body` with an open log and its committer, then stops the log.
    pub fn run<T>(&self, body: impl AsyncFnOnce(Rc<Log>) -> T, options: LogOptions) -> T {
        let log = self.open(options, Position::START).unwrap().log;
        self.run_with(&log, body)
    }

    pub fn run_with<T>(&self, log: &Rc<Log>, body: impl AsyncFnOnce(Rc<Log>) -> T) -> T {
        let runner = log.clone();
        self.executor.spawn(async move { runner.run().await });
        let run = async {
            let result = body(log.clone()).await;
            log.stop().await;
            result
        };
        self.executor.run_until(run).unwrap_or_else(|halt| panic!("seed {}: {halt:?}", self.seed))
    }
}

pub struct Opened {
    pub log: Rc<Log>,
    pub report: RecoveryReport,
    pub replayed: Vec<Vec<u8>>,
}

/// Replays without writing anything.
pub fn replay(
    disk: &SimDisk,
    from: Position,
    seed: u64,
) -> Result<(Vec<Vec<u8>>, RecoveryReport), StoreError> {
    let world = World { disk: disk.snapshot(), ..World::new(SimDisk::new(), seed) };
    let opened = world.open(LogOptions { read_only: true, ..options() }, from)?;
    Ok((opened.replayed, opened.report))
}

/// One record a commit refers to.
#[derive(Clone, Debug)]
pub struct Put {
    pub address: Address,
    pub payload: Vec<u8>,
}

/// Ops of a commit and the records it refers to.
type Made = (Vec<u8>, Vec<Put>);

/// What has been asked for, in LSN order, and how much of it was acknowledged.
#[derive(Clone, Default)]
pub struct Model {
    commits: Rc<RefCell<Vec<Made>>>,
    pub acknowledged: Rc<Cell<usize>>,
}

impl Model {
    pub fn commits(&self) -> Vec<Vec<u8>> {
        self.commits.borrow().iter().map(|(ops, _)| ops.clone()).collect()
    }

    pub fn put_some(&self, log: &Log, seed: &SimSeed) -> Vec<Put> {
        (0..seed.below(4))
            .map(|_| {
                let len = match seed.below(4) {
                    0 => seed.below(64),
                    1 => 4096 - 24 - seed.below(48),
                    2 => seed.below(3000),
                    _ => seed.below(20_000),
                };
                let byte = seed.below(256) as u8;
                let payload: Vec<u8> = (0..len).map(|i| byte.wrapping_add(i as u8)).collect();
                let (_, address) = log.put(RecordType::Chunk, &payload).unwrap();
                Put { address, payload }
            })
            .collect()
    }

    pub fn commit(
        &self,
        log: &Log,
        kind: CommitKind,
        generation: Generation,
        records: Vec<Put>,
    ) -> Result<Ticket, CommitError> {
        let n = self.commits.borrow().len();
        let mut ops = format!("commit {n}:").into_bytes();
        ops.resize(ops.len() + n % 37, b'.');
        let acknowledged = self.acknowledged.clone();
        let ticket = log.commit(
            kind,
            generation,
            &ops,
            Box::new(move |result| {
                if result.is_ok() {
                    assert_eq!(acknowledged.get(), n, "callbacks run in order");
                    acknowledged.set(n + 1);
                }
            }),
        )?;
        self.commits.borrow_mut().push((ops, records));
        Ok(ticket)
    }

    /// Recovers `disk` and compares; then lets it lose power again, and write on.
    pub fn check(
        &self,
        disk: &SimDisk,
        seed: u64,
        acknowledged: usize,
        preallocate: bool,
    ) -> Result<(), String> {
        let world = World { disk: disk.clone(), ..World::new(SimDisk::new(), seed) };
        // The first recovery itself may be interrupted anywhere.
        let points = {
            let trial = World { disk: disk.snapshot(), ..World::new(SimDisk::new(), seed) };
            let opened = trial.open(options(), Position::START).map_err(|e| format!("recovery: {e}"))?;
            self.compare(&trial, &opened, acknowledged)?;
            trial.disk.crash_points() - disk.crash_points()
        };
        let mut world = world;
        if points > 0 && seed.is_multiple_of(3) {
            world.disk.crash_at(world.disk.crash_points() + 1 + seed % points);
            if world.open(options(), Position::START).is_ok() {
                return Err("recovery was to be interrupted".to_owned());
            }
            world.disk = world.disk.after_crash(seed + 1);
        }
        let settings = LogOptions { segment_bytes: 32 << 10, preallocate, ..options() };
        let opened = world.open(settings.clone(), Position::START).map_err(|e| format!("recovery: {e}"))?;
        let recovered = self.compare(&world, &opened, acknowledged)?;

        // What recovery showed is durable: losing power now changes nothing.
        world.disk = world.disk.after_crash(seed + 2);
        let opened = world.open(settings, Position::START).map_err(|e| format!("second recovery: {e}"))?;
        if self.compare(&world, &opened, recovered)? != recovered {
            return Err("the second recovery found more than the first".to_owned());
        }
        // And the log goes on.
        world.run_with(&opened.log, async |log| {
            let ticket = log.commit(CommitKind::Delivery, log.generation(), b"later", Box::new(|_| ()));
            ticket.unwrap().await.unwrap();
        });
        let (replayed, report) =
            replay(&world.disk.after_crash(seed + 3), Position::START, seed).map_err(|e| e.to_string())?;
        let mut expected = self.commits();
        expected.truncate(recovered);
        expected.push(b"later".to_vec());
        if replayed != expected || !report.corruption.is_empty() {
            return Err(format!(
                "after going on: {} commits, expected {}; {report:?}",
                replayed.len(),
                expected.len()
            ));
        }
        Ok(())
    }

    /// Gives how many commits were found.
    fn compare(&self, world: &World, opened: &Opened, acknowledged: usize) -> Result<usize, String> {
        let found = opened.replayed.len();
        if !opened.report.corruption.is_empty() {
            return Err(format!("a crash was taken for corruption: {:?}", opened.report));
        }
        if found < acknowledged {
            return Err(format!(
                "{acknowledged} commits were acknowledged, {found} found: {:?}",
                opened.report
            ));
        }
        let commits = self.commits.borrow();
        for (n, ops) in opened.replayed.iter().enumerate() {
            let Some((expected, records)) = commits.get(n) else {
                return Err(format!("commit {n} was never made"));
            };
            if ops != expected {
                return Err(format!("commit {n} is another one"));
            }
            for put in records {
                match block_on(opened.log.read(put.address, put.payload.len())) {
                    Ok(record) if *record == put.payload[..] => {}
                    Ok(_) => return Err(format!("commit {n}: another record at {}", put.address)),
                    Err(error) => return Err(format!("commit {n}: {error}")),
                }
            }
        }
        let _ = world;
        Ok(found)
    }
}

/// Writes over a file, durably, outside the log.
pub fn overwrite(disk: &SimDisk, path: &str, pos: u64, bytes: &[u8]) {
    block_on(async {
        let file: Rc<dyn DiskFile> = disk.open(path, OpenMode::ReadWrite).await.unwrap();
        file.write_at(pos, bytes).await.unwrap();
        file.sync().await.unwrap();
    });
}
