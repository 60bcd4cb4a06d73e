//! A shard on a simulated disk, and small helpers for the tests of the store.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::future::Future;
use std::rc::Rc;
use trawl_store::clock::SimClock;
use trawl_store::disk::sim::SimDisk;
use trawl_store::disk::sim_executor::{SimExecutor, SimHalt};
use trawl_store::seed::SimSeed;
use trawl_store::shard::{ChangeError, Env, NewMessage, Shard, ShardOptions};
use trawl_store::types::{AccountId, Flags, MailboxId, ShardId, UidValidity, WallTime, ZonedTime};

pub const ACCOUNT: AccountId = AccountId(7);

/// A shard that runs on a simulated disk.
pub struct World {
    pub disk: SimDisk,
    pub clock: SimClock,
    pub executor: SimExecutor,
    pub shard: Shard,
}

pub fn options() -> ShardOptions {
    ShardOptions {
        segment_bytes: 64 << 10,
        preallocate: false,
        reserve_bytes: 0,
        checkpoint_log_bytes: 48 << 10,
        dictionary_sample_bytes: 20 << 10,
        read_only: false,
    }
}

pub fn env(disk: &SimDisk, clock: &SimClock, seed: u64) -> Env {
    Env {
        disk: Rc::new(disk.clone()),
        clock: Rc::new(clock.clone()),
        seed: Rc::new(SimSeed::new(seed)),
        shard: ShardId(0),
        store_uuid: [5; 16],
        epoch: 1,
    }
}

/// Opens the shard on `disk`, making it when there is none.
pub fn open(disk: SimDisk, seed: u64, options: ShardOptions) -> World {
    let clock = SimClock::new(WallTime(1_700_000_000_000));
    let executor = SimExecutor::new(clock.clone(), seed);
    let env = env(&disk, &clock, seed);
    let is_new = disk.files().is_empty();
    let opening = async move {
        if is_new { Shard::create(env, options).await } else { Shard::open(env, options).await }
    };
    let shard = executor.run_until(opening).unwrap().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let running = shard.clone();
    executor.spawn(async move { running.run().await });
    let trained = shard.clone();
    executor.spawn(async move {
        while let Some(training) = trained.training().await {
            trained.use_dictionary(training.run());
        }
    });
    World { disk, clock, executor, shard }
}

impl World {
    pub fn run<T>(&self, main: impl Future<Output = T>) -> T {
        self.executor.run_until(main).unwrap()
    }

    /// Runs until done or until the disk has crashed.
    pub fn run_or_crash<T>(&self, main: impl Future<Output = T>) -> Option<T> {
        match self.executor.run_until(main) {
            Ok(value) => Some(value),
            Err(SimHalt::Halted | SimHalt::Deadlock) => None,
            Err(SimHalt::Polls) => panic!("it never ends"),
        }
    }

    pub fn mailbox(&self, name: &str) -> MailboxId {
        self.shard.with_account(ACCOUNT, |account| account.mailbox_named(name).unwrap().id()).unwrap()
    }
}

pub fn validities(first: u32) -> [UidValidity; 6] {
    std::array::from_fn(|nth| UidValidity::new(first + nth as u32).unwrap())
}

/// Mail as it is: fields that are in every message, and words that come again in another order.
pub fn mail(nth: u32) -> Vec<u8> {
    let word = |n: u32| {
        ["budget", "meeting", "boat", "harbour", "letter", "Tuesday", "colour", "answer"][n as usize % 8]
    };
    let mut text = format!(
        "Return-Path: <bounces-{nth}@lists.harbour.example>\r\n\
         Received: from mx{}.harbour.example (mx{}.harbour.example [192.0.2.{}])\r\n\tby mail.trawl.example with ESMTPS id {:08x}\r\n\
         Authentication-Results: mail.trawl.example; dkim=pass header.d=harbour.example; spf=pass\r\n\
         List-Unsubscribe: <https://lists.harbour.example/unsubscribe?id={nth}>\r\n\
         Subject: {} and {}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
        nth % 7,
        nth % 7,
        nth % 200,
        nth.wrapping_mul(2_654_435_761),
        word(nth),
        word(nth / 3),
    );
    for n in 0..nth % 9 + 3 {
        text +=
            &format!("The {} of the {} is about the {}.\r\n", word(nth ^ n), word(nth / 5 + n), word(n * 3));
    }
    text.into_bytes()
}

/// The summary of a message of so many octets; some are longer than readers expect.
pub fn summary(octets: usize) -> Vec<u8> {
    format!("summary of {octets} octets ").repeat(if octets.is_multiple_of(3) { 400 } else { 1 }).into_bytes()
}

pub async fn new_message(
    shard: &Shard,
    content: &[u8],
    flags: Flags,
    keywords: &[&str],
) -> Result<NewMessage, ChangeError> {
    let mut writer = shard.content_writer();
    for piece in content.chunks(50_000) {
        writer.write(piece).await?;
    }
    Ok(NewMessage {
        content: writer.finish().await?,
        summary: summary(content.len()),
        summary_version: 9,
        internal: ZonedTime { seconds: 1_000_000 + content.len() as i64, zone_minutes: -90 },
        sent_day: Some(content.len() as i32),
        message_id_hashes: vec![content.len() as u64],
        references: Vec::new(),
        flags,
        keywords: keywords.iter().map(|name| (*name).to_owned()).collect(),
        has_documents: None,
    })
}
