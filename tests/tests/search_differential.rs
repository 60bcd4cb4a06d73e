//! Index = scan: whatever mail comes and goes, however it is indexed, merged and damaged, a search through the index answers
//! what the scan answers, and the scan what its definition says.
//!
//! The long run: `cargo run --release -p trawl-tests --example search_differential -- --help`.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::AtomicBool;

use trawl_bench::chance::{Chance, Purpose};
use trawl_index::prepare::Prepared;
use trawl_index::scan::Compiled;
use trawl_tests::search::compose::Composer;
use trawl_tests::search::oracle::{Mail, Oracle};
use trawl_tests::search::run::{Options, run};
use trawl_tests::search::{archives, queries};

/// The answers of the scan and of prepared texts are those of the oracle.
#[test]
fn the_scan_is_its_definition() {
    let mut chance = Chance::new(1, Purpose::Text, 0);
    let composer = Composer::new(&mut chance);
    let messages: Vec<Mail> = (0..120).map(|_| Mail::new(composer.message(&mut chance))).collect();
    let stop = AtomicBool::new(false);
    let prepared: Vec<Prepared> =
        messages.iter().map(|mail| Prepared::new(&mail.message(), &stop).unwrap()).collect();
    for (mail, prepared) in messages.iter().zip(&prepared) {
        assert!(mail.agrees(prepared), "{}", mail.raw.escape_ascii());
    }
    assert!(prepared.iter().filter(|prepared| prepared.is_vouched()).count() > 90);
    let all: Vec<&Mail> = messages.iter().collect();
    let (mut hits, mut misses) = (0, 0);
    for _ in 0..300 {
        let node = queries::program(&mut chance, &all, 120);
        let (scan, oracle) = (Compiled::new(&node), Oracle::new(&node));
        for (number, (mail, prepared)) in (0..).zip(messages.iter().zip(&prepared)) {
            let expected = oracle.matches(number, mail);
            let said = scan.matches(number, &mail.message(), &stop);
            assert_eq!(said, Ok(expected), "{node:?}\n{}", mail.raw.escape_ascii());
            if prepared.is_vouched() {
                let said = prepared.matches(number, &scan, &stop);
                assert_eq!(said, Ok(expected), "prepared: {node:?}\n{}", mail.raw.escape_ascii());
            }
            *(if expected { &mut hits } else { &mut misses }) += 1;
        }
    }
    assert!(hits > 2_000 && misses > 2_000, "{hits} hits, {misses} misses");
}

#[test]
fn five_thousand_queries_through_the_index() {
    // Every tenth real message, where there are any.
    let archive = archives::found().iter().flat_map(|path| archives::messages(path)).step_by(10).collect();
    let options =
        Options { seed: 6, worlds: 10, queries_per_world: 500, messages_max: 500, threads: 2, wrong_max: 3 };
    let (tally, wrong) = run(options, archive, &|_, _, _| {});
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // Rare things happen more or less often, depending on the mail that is there.
    for (what, least) in [
        ("queries", 5_000),
        ("queries with some hits", 1_000),
        ("queries with one hit", 500),
        ("queries without hits", 500),
        ("hits in segments", 20_000),
        ("hits of file names in segments", 150),
        ("hits of attachments in segments", 300),
        ("hits in prepared texts", 2_000),
        ("hits of the scan", 5_000),
        ("segments at once", 6),
        ("built", 80),
        ("merged", 20),
        ("verified", 5),
        ("killed", 5),
        ("started again", 5),
        ("system crashed", 10),
        ("old index", 1),
        ("log with another past", 1),
        ("discarded by hand", 1),
        ("stopped", 1),
    ] {
        let count = tally.get(what).copied().unwrap_or(0);
        assert!(count >= least, "{what}: {count}, not {least}\n{tally:#?}");
    }
}
