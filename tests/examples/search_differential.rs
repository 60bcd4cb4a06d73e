//! The long run of `tests/search_differential.rs`: the same worlds, larger and more of them, over all real mail that is there.
//!
//!     cargo run --release -p trawl-tests --example search_differential -- --seed 1 --worlds 100 --threads 2

// It is a test: what cannot be done is a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use trawl_tests::search::archives;
use trawl_tests::search::run::{Options, run};

fn main() {
    let mut options = Options {
        seed: 1,
        worlds: 100,
        queries_per_world: 2_000,
        messages_max: 3_000,
        threads: 2,
        wrong_max: 20,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse::<u64>().ok());
        match (name.as_str(), value) {
            ("--seed", Some(value)) => options.seed = value,
            ("--worlds", Some(value)) => options.worlds = value,
            ("--per-world", Some(value)) => options.queries_per_world = value,
            ("--messages", Some(value)) => options.messages_max = value as usize,
            ("--threads", Some(value)) => options.threads = value,
            ("--wrong", Some(value)) => options.wrong_max = value as usize,
            _ => {
                println!(
                    "[--seed N] [--worlds N] [--per-world N (queries)] [--messages N] [--threads N] [--wrong N (stop after so many)]"
                );
                std::process::exit(2);
            }
        }
    }
    let archive: Vec<Vec<u8>> = archives::found().iter().flat_map(|path| archives::messages(path)).collect();
    println!("{options:?}, {} real messages", archive.len());
    let (tally, wrong) = run(options, archive, &|seed, tally, wrong| {
        println!("seed {seed}: {} queries so far, {} wrong", tally["queries"], wrong.len());
        wrong.iter().for_each(|wrong| println!("{wrong}\n"));
    });
    println!("{tally:#?}");
    println!("{} queries, {} wrong", tally["queries"], wrong.len());
    std::process::exit(i32::from(!wrong.is_empty()));
}
