//! Many questions in many worlds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::world::{Tally, World};

/// Questions after each thing that happens.
const QUERIES_PER_STEP: u64 = 5;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Of the first world; the next one has the next seed.
    pub seed: u64,
    pub worlds: u64,
    pub queries_per_world: u64,
    /// That arrive in one world, at most (a batch more).
    pub messages_max: usize,
    /// Worlds at the same time.
    pub threads: u64,
    /// Wrong answers after which to stop.
    pub wrong_max: usize,
}

/// What happened, and what was wrong. `report` is told after each world.
pub fn run(
    options: Options,
    archive: Vec<Vec<u8>>,
    report: &(dyn Fn(u64, &Tally, &[String]) + Sync),
) -> (Tally, Vec<String>) {
    let archive = Arc::new(archive);
    let result = Mutex::new((Tally::new(), Vec::new()));
    let next = AtomicU64::new(options.seed);
    let one_after_the_other = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let enough = result.lock().unwrap_or_else(PoisonError::into_inner).1.len() >= options.wrong_max;
            if enough || seed >= options.seed + options.worlds {
                return;
            }
            let (tally, wrong) = world(seed, options, archive.clone());
            let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
            for (what, count) in tally {
                let sum = result.0.entry(what).or_default();
                *sum = if what == "segments at once" { count.max(*sum) } else { *sum + count };
            }
            report(seed, &result.0, &wrong);
            result.1.extend(wrong);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(one_after_the_other);
        }
    });
    result.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn world(seed: u64, options: Options, archive: Arc<Vec<Vec<u8>>>) -> (Tally, Vec<String>) {
    let mut world = World::new(seed, options.messages_max, archive);
    let mut wrong = Vec::new();
    for _ in 0..options.queries_per_world.div_ceil(QUERIES_PER_STEP) {
        world.step();
        for _ in 0..QUERIES_PER_STEP {
            wrong.extend(world.ask().err());
        }
        if wrong.len() >= options.wrong_max {
            break;
        }
    }
    (world.tally, wrong)
}
