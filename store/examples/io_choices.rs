//! Measures what `MEASURED.md` decides: buffered or direct writes, preallocated or not; one log per core or per
//! shard; buffered or direct reads.
//!
//! `cargo run --release -p trawl-store --example io_choices -- <folder on the disk to measure> [seconds per row] [writes|logs|reads]`
//! Not a test: figures depend on the machine. Cold reads need root (drop_caches) and are left out without.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measuring program")]

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use glommio::io::{BufferedFile, DmaFile, OpenOptions};
use glommio::{LocalExecutorBuilder, Placement};
use trawl_store::clock::now_instant;
use trawl_store::disk::Disk;
use trawl_store::disk::blocking::{BatchReader, ReadRequest};
use trawl_store::disk::glommio::{GlommioClock, GlommioDisk};
use trawl_store::log::{CommitKind, Log, LogOptions, Position, RecordType};
use trawl_store::seed::{SimSeed, SystemSeed};
use trawl_store::types::ShardId;

const MESSAGE: usize = 8 << 10;
const SEGMENT: u64 = 64 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Growing,
    Allocated,
    Zeroed,
    DirectGrowing,
    DirectAllocated,
}

enum Target {
    Buffered(BufferedFile),
    Direct(DmaFile),
}

impl Target {
    async fn begin(path: &Path, way: Way) -> Target {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        if matches!(way, Way::DirectGrowing | Way::DirectAllocated) {
            let file = options.dma_open(path).await.unwrap();
            if way == Way::DirectAllocated {
                file.pre_allocate(SEGMENT, false).await.unwrap();
                file.fdatasync().await.unwrap();
            }
            return Target::Direct(file);
        }
        let file = options.buffered_open(path).await.unwrap();
        match way {
            Way::Allocated => file.pre_allocate(SEGMENT, false).await.unwrap(),
            Way::Zeroed => {
                for at in 0..SEGMENT >> 20 {
                    file.write_at(vec![0; 1 << 20], at << 20).await.unwrap();
                }
            }
            _ => {}
        }
        file.fdatasync().await.unwrap();
        Target::Buffered(file)
    }

    async fn write(&self, pos: u64, bytes: &[u8]) {
        match self {
            Target::Buffered(file) => {
                assert_eq!(file.write_at(bytes.to_vec(), pos).await.unwrap(), bytes.len());
                file.fdatasync().await.unwrap();
            }
            Target::Direct(file) => {
                let mut buffer = file.alloc_dma_buffer(bytes.len());
                buffer.as_bytes_mut().copy_from_slice(bytes);
                assert_eq!(file.write_at(buffer, pos).await.unwrap(), bytes.len());
                file.fdatasync().await.unwrap();
            }
        }
    }

    async fn end(self) {
        match self {
            Target::Buffered(file) => file.close().await.unwrap(),
            Target::Direct(file) => file.close().await.unwrap(),
        }
    }
}

fn percentile(times: &mut [Duration], p: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * p / 100).min(times.len() - 1)].as_secs_f64() * 1e3
}

async fn writes(dir: &Path, time: Duration) {
    println!("\n| writes, 8 KiB messages | a sync | messages/s | p50 ms | p99 ms |\n|---|---|---|---|---|");
    let ways = [
        ("buffered, growing", Way::Growing),
        ("buffered, preallocated", Way::Allocated),
        ("buffered, zero-filled", Way::Zeroed),
        ("direct, growing", Way::DirectGrowing),
        ("direct, preallocated", Way::DirectAllocated),
    ];
    for batch in [1, 50] {
        for (name, way) in ways {
            let path = dir.join("writes");
            let bytes: Vec<u8> = (0..batch * MESSAGE).map(|i| (i * 31) as u8).collect();
            let (mut spent, mut times, mut pos) = (Duration::ZERO, Vec::new(), 0);
            let mut target = Target::begin(&path, way).await;
            while spent < time {
                if pos + bytes.len() as u64 > SEGMENT {
                    // The cost of making segments is left out: it comes once in 64 MiB.
                    target.end().await;
                    target = Target::begin(&path, way).await;
                    pos = 0;
                }
                let start = now_instant();
                target.write(pos, &bytes).await;
                times.push(start.elapsed());
                spent += start.elapsed();
                pos += bytes.len() as u64;
            }
            target.end().await;
            let rate = (times.len() * batch) as f64 / spent.as_secs_f64();
            let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
            println!("| {name} | {batch} | {rate:.0} | {p50:.2} | {p99:.2} |");
        }
    }
}

async fn logs(dir: &Path, time: Duration) {
    println!(
        "\n| logs on one core | preallocated | writers | accounts | messages/s | messages a sync | p50 ms | p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (count, preallocate, writers, accounts) in [
        (1, false, 1, 1),
        (1, true, 1, 1),
        (1, false, 50, 1),
        (1, true, 50, 1),
        (1, false, 50, 50),
        (2, false, 50, 50),
        (4, false, 50, 50),
        (8, false, 50, 50),
        (16, false, 50, 50),
        (16, true, 50, 50),
        (1, false, 1, 50),
        (16, false, 1, 50),
    ] {
        let disk: Rc<dyn Disk> = Rc::new(GlommioDisk::new(dir));
        let mut logs = Vec::new();
        let mut committers = Vec::new();
        for shard in 0..count {
            let name = format!("logs/{shard}");
            disk.remove_dir_all(&name).await.unwrap();
            disk.create_dir_all(&name).await.unwrap();
            let options = LogOptions {
                store_uuid: [1; 16],
                shard: ShardId(shard),
                epoch: 1,
                segment_bytes: SEGMENT,
                preallocate,
                reserve_bytes: 0,
                read_only: false,
            };
            let seed = Rc::new(SystemSeed::new().unwrap());
            let clock = Rc::new(GlommioClock::new());
            let (log, _) =
                Log::open(disk.clone(), clock, seed, &name, options, Position::START, &mut |_| Ok(()))
                    .await
                    .unwrap();
            let runner = log.clone();
            committers.push(glommio::spawn_local(async move { runner.run().await }));
            logs.push(log);
        }
        let logs = Rc::new(logs);
        let start = now_instant();
        let tasks: Vec<_> = (0..writers)
            .map(|writer: usize| {
                let logs = logs.clone();
                glommio::spawn_local(async move {
                    let payload: Vec<u8> = (0..MESSAGE).map(|i| (i * 31) as u8).collect();
                    let mut times = Vec::new();
                    let mut n = writer;
                    while start.elapsed() < time {
                        // With one writer on many accounts, each message goes to another one.
                        let account = if writers == 1 { n % accounts } else { writer % accounts };
                        let log = &logs[account % logs.len()];
                        let asked = now_instant();
                        let generation = log.generation();
                        log.put(RecordType::Chunk, &payload).unwrap();
                        let ticket =
                            log.commit(CommitKind::Delivery, generation, &[0; 200], Box::new(|_| ()));
                        ticket.unwrap().await.unwrap();
                        times.push(asked.elapsed());
                        n += 1;
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await);
        }
        let spent = start.elapsed().as_secs_f64();
        let syncs: u64 = logs.iter().map(|log| log.stats().syncs).sum();
        for log in logs.iter() {
            log.stop().await;
        }
        for committer in committers {
            committer.await;
        }
        let rate = times.len() as f64 / spent;
        let each = times.len() as f64 / syncs.max(1) as f64;
        let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
        let pre = if preallocate { "yes" } else { "no" };
        println!(
            "| {count} | {pre} | {writers} | {accounts} | {rate:.0} | {each:.1} | {p50:.2} | {p99:.2} |"
        );
    }
    disk_remove(dir).await;
}

async fn disk_remove(dir: &Path) {
    GlommioDisk::new(dir).remove_dir_all("logs").await.unwrap();
}

/// Drops the page cache; false without the right to.
fn drop_caches() -> bool {
    std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

async fn reads(dir: &Path, time: Duration) {
    const SIZE: u64 = 1 << 30;
    println!(
        "\n| random reads of 8 KiB out of 1 GiB | depth | warm reads/s | cold reads/s |\n|---|---|---|---|"
    );
    let path = dir.join("reads");
    let file = BufferedFile::create(&path).await.unwrap();
    for at in 0..SIZE >> 20 {
        let bytes: Vec<u8> = (0..1 << 20).map(|i: u64| (i * 7 + at) as u8).collect();
        file.write_at(bytes, at << 20).await.unwrap();
    }
    file.fdatasync().await.unwrap();
    file.close().await.unwrap();
    for depth in [1usize, 64] {
        for way in ["buffered", "direct", "lane (BatchReader)"] {
            let warm = read_rate(&path, way, depth, time, SIZE).await;
            let cold = if drop_caches() {
                format!("{:.0}", read_rate(&path, way, depth, time, SIZE).await)
            } else {
                "-".to_owned()
            };
            // The direct rows leave the cache cold: fill it again.
            let _ = std::fs::read(&path);
            println!("| {way} | {depth} | {warm:.0} | {cold} |");
        }
    }
    std::fs::remove_file(&path).unwrap();
}

async fn read_rate(path: &Path, way: &str, depth: usize, time: Duration, size: u64) -> f64 {
    let start: Instant = now_instant();
    let place = move |seed: &SimSeed| seed.below((size - MESSAGE as u64) / 512) * 512;
    let done = Rc::new(Cell::new(0u64));
    if way.starts_with("lane") {
        let mut reader = BatchReader::new();
        let seed = SimSeed::new(depth as u64);
        while start.elapsed() < time {
            let requests: Vec<ReadRequest> = (0..depth)
                .map(|_| ReadRequest { path: path.to_owned(), pos: place(&seed), len: MESSAGE })
                .collect();
            let read = reader.read_batch(&requests);
            assert!(read.iter().all(|r| r.as_ref().unwrap().len() == MESSAGE));
            done.set(done.get() + depth as u64);
        }
    } else {
        let direct = way == "direct";
        let tasks: Vec<_> = (0..depth)
            .map(|n| {
                let (path, done): (PathBuf, _) = (path.to_owned(), done.clone());
                glommio::spawn_local(async move {
                    let seed = SimSeed::new(n as u64 * 1000 + 1);
                    // Not DmaFile: its polled reads are refused (EOPNOTSUPP) by disks without poll queues.
                    let flags = if direct { libc::O_DIRECT } else { 0 };
                    let mut options = OpenOptions::new();
                    let file = options.read(true).custom_flags(flags).buffered_open(&path).await.unwrap();
                    while start.elapsed() < time {
                        match file.read_at(place(&seed), MESSAGE).await {
                            Ok(bytes) => assert_eq!(bytes.len(), MESSAGE),
                            // The disk wants more alignment than an ordinary buffer has.
                            Err(_) => break,
                        }
                        done.set(done.get() + 1);
                    }
                    file.close().await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    }
    done.get() as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(dir) = arguments.next() else {
        eprintln!("usage: io_choices <folder on the disk to measure> [seconds per row]");
        std::process::exit(2);
    };
    let seconds: f64 = arguments.next().map_or(3.0, |s| s.parse().expect("seconds is a number"));
    let dir = PathBuf::from(dir).join("io_choices");
    std::fs::create_dir_all(&dir).expect("the folder can be written");
    let time = Duration::from_secs_f64(seconds);
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .io_memory(16 << 20)
        .make()
        .expect("io_uring is allowed");
    let only = arguments.next();
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    executor.run(async {
        if wanted("writes") {
            writes(&dir, time).await;
        }
        if wanted("logs") {
            logs(&dir, time).await;
        }
        if wanted("reads") {
            reads(&dir, time).await;
        }
    });
    std::fs::remove_dir_all(&dir).expect("the folder can be removed");
}
