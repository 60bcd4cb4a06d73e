//! Contexts (RFC 5267): a client that does to its copy of a result what it is told, and nothing else, always has what the same
//! search finds anew.

mod copy;
mod steps;

use std::time::Duration;

use proptest::prelude::*;
use trawl_server::limits::{CONTEXT_AGES_MS, CONTEXTS_MAX};
use trawl_server::sim::world::World;

use crate::documents::read_documents;
use crate::{MESSAGE, answer};
use copy::Watched;
use steps::{ANN, CRITERIA, Cast, KEYS, Step, message, step};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn copies_follow_the_mailbox(
        seed in any::<u64>(), first in 0..20usize, watches in prop::collection::vec((0..KEYS.len(), prop::option::of(0..CRITERIA.len()), any::<bool>()), 1..5),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let world = World::new(seed);
        let mut cast = Cast::new(&world);
        world.run(async {
            cast.truth.ok("EXAMINE INBOX").await;
            for n in 0..=first {
                cast.perform(&Step::Append { who: n % 3, what: n * 7 }).await;
            }
            cast.command(0, "NOOP").await;
            for (keys, criteria, by_uid) in watches {
                cast.perform(&Step::Watch { keys, criteria, by_uid, meanwhile: Vec::new() }).await;
            }
            cast.perform_all(&steps).await;
            cast.check("in the end").await;
        });
    }
}

/// Where little is told between, and then much at once.
#[test]
fn copies_follow_what_happened_meanwhile() {
    let world = World::new(71);
    let mut cast = Cast::new(&world);
    world.run(async {
        for n in 0..40 {
            cast.perform(&Step::Append { who: 1, what: n }).await;
        }
        cast.command(0, "NOOP").await;
        for (keys, criteria) in
            [(0, None), (0, Some(0)), (1, Some(3)), (6, Some(7)), (8, None), (13, Some(4))]
        {
            for by_uid in [false, true] {
                cast.perform(&Step::Watch { keys, criteria, by_uid, meanwhile: Vec::new() }).await;
            }
        }
        for round in 0..4 {
            for n in 0..5 {
                cast.perform(&Step::Append { who: 1, what: n * 3 + round }).await;
            }
            let low = round as u32 * 4 + 2;
            cast.perform(&Step::Flag { who: 2, nth: 1, to: 30, by_uid: true, add: round % 2 == 0, flag: 0 })
                .await;
            cast.perform(&Step::Expunge { who: 1, nth: low, to: low + 2 }).await;
            // Nothing but REMOVEFROM may be told of that.
            let lines = cast.clients[0].ok("FETCH 1 FLAGS").await;
            assert!(lines.iter().any(|line| line.contains("REMOVEFROM")), "{lines:?}");
            assert!(!lines.iter().any(|line| line.ends_with(" EXPUNGE")), "{lines:?}");
            cast.watched.apply(&lines);
            cast.check("later").await;
        }
        assert!(cast.watched.copies.iter().all(|copy| !copy.lost));
    });
}

/// Few that join many: each finds its place.
#[test]
fn one_after_the_other_finds_its_place() {
    let world = World::new(74);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for n in 0..70 {
            other.append("INBOX", &message(n * 5)).await;
        }
        let mut watched = Watched::default();
        watched.apply(&client.ok("NOOP").await);
        for criteria in CRITERIA {
            watched.watch(&mut client, true, true, &format!("{criteria} UTF-8 ALL")).await;
        }
        for n in 0..24 {
            other.append("INBOX", &message(n)).await;
            if n % 3 == 0 {
                other.append("INBOX", &message(n * 11)).await;
                other.ok(&format!("UID COPY {} INBOX", n + 1)).await;
            }
            watched.apply(&client.ok("NOOP").await);
            watched.check(&mut client, "one more", |_| false).await;
        }
    });
}

/// It leaves the results once, also if it would come back for not being the largest any more.
#[test]
fn the_largest_is_expunged_and_another_comes() {
    let world = World::new(76);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for n in 0..3 {
            other.append("INBOX", &message(n)).await;
        }
        let mut watched = Watched::default();
        watched.apply(&client.ok("NOOP").await);
        for keys in ["NOT UID *", "UID *", "UID 7:*"] {
            watched.watch(&mut client, false, false, keys).await;
        }
        other.ok("STORE 3 +FLAGS.SILENT (\\Deleted)").await;
        other.ok("EXPUNGE").await;
        watched.apply(&client.ok("FETCH 1 UID").await);
        other.append("INBOX", &message(3)).await;
        watched.apply(&client.ok("FETCH 1 UID").await);
        let lines = client.ok("NOOP").await;
        assert_eq!(lines, ["* 3 EXPUNGE"]);
        watched.apply(&lines);
        watched.check(&mut client, "another", |_| false).await;
        assert_eq!(watched.copies[0].numbers, [1, 2]);
    });
}

/// So much that the mailbox does not remember all of it.
#[test]
fn very_much_is_expunged() {
    let world = World::new(75);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for n in 0..3 {
            other.append("INBOX", &message(n)).await;
        }
        for _ in 0..14 {
            other.ok("COPY 1:* INBOX").await;
        }
        let mut watched = Watched::default();
        watched.apply(&client.ok("NOOP").await);
        assert!(watched.exists > 2 * 16_384);
        watched.watch(&mut client, true, false, "ALL").await;
        watched.watch(&mut client, false, false, "SUBJECT alpha").await;
        watched.watch(&mut client, false, true, "(REVERSE ARRIVAL) UTF-8 UNDELETED").await;
        let odd: Vec<String> = (1..=watched.exists).step_by(2).map(|uid| uid.to_string()).collect();
        other.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", odd.join(","))).await;
        other.ok("EXPUNGE").await;
        watched.apply(&client.ok("FETCH 2 UID").await);
        watched.apply(&client.ok("NOOP").await);
        watched.check(&mut client, "very much", |_| false).await;
        assert!(watched.copies.iter().all(|copy| !copy.lost && !copy.numbers.is_empty()));
    });
}

#[test]
fn time_goes_by() {
    let world = World::new(72);
    let mut client = world.select("ann", "INBOX");
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        client.ok("NOOP").await;
        let mut watched = Watched { exists: 1, ..Watched::default() };
        watched.watch(&mut client, true, false, "YOUNGER 100").await;
        watched.watch(&mut client, true, true, "(DATE) UTF-8 OLDER 100").await;
        watched.watch(&mut client, false, false, "NOT (OLDER 150) UNSEEN").await;
        world.core.clock.sleep(Duration::from_millis(2 * CONTEXT_AGES_MS)).await;
        let lines = client.append("INBOX", MESSAGE).await;
        watched.apply(&lines);
        watched.check(&mut client, "after a command", |_| false).await;
        assert_eq!(watched.copies[0].numbers, [2]);
        // IDLE looks by itself.
        let tag = client.begin("IDLE").await;
        while watched.copies[2].numbers.contains(&1) || watched.copies[0].numbers.contains(&2) {
            let line = client.line().await.unwrap();
            watched.apply(&[line]);
        }
        client.send("DONE\r\n").await;
        watched.apply(&client.finish(&tag).await);
        assert_eq!(watched.copies[1].numbers, [1, 2]);
    });
}

#[test]
fn there_are_so_many_and_no_more() {
    let world = World::new(73);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        for _ in 0..CONTEXTS_MAX {
            assert_eq!(client.ok("SEARCH RETURN (UPDATE COUNT) UNSEEN").await.len(), 1);
        }
        // What else was asked for is answered (RFC 5267 4.3.1).
        let lines = client.ok("UID SORT RETURN (UPDATE COUNT) (DATE) UTF-8 UNSEEN").await;
        assert!(lines[0].ends_with(" UID COUNT 1") && lines[1].starts_with("* NO [NOUPDATE \""), "{lines:?}");
        other.ok("NOOP").await;
        other.ok("STORE 1 +FLAGS.SILENT (\\Seen)").await;
        let lines = client.ok("NOOP").await;
        assert_eq!(lines.iter().filter(|line| line.ends_with("REMOVEFROM (0 1)")).count(), CONTEXTS_MAX);
        client.ok("CANCELUPDATE \"t5\" \"nobody\"").await;
        assert_eq!(client.ok("SEARCH RETURN (UPDATE COUNT) UNSEEN").await.len(), 1);
        // They end with the mailbox being closed.
        client.ok("SELECT INBOX").await;
        other.ok("STORE 1 -FLAGS.SILENT (\\Seen)").await;
        assert_eq!(client.ok("NOOP").await.len(), 1);
        answer(&mut client, "CANCELUPDATE", "BAD").await;
    });
}

/// Documents are read after the message came, and a session that waits is told.
#[test]
fn what_is_read_in_documents_is_told_in_idle() {
    let world = World::new(78);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for n in 0..4 {
            other.append("INBOX", &message(n)).await;
        }
        let mut watched = Watched::default();
        watched.apply(&client.ok("NOOP").await);
        watched.watch(&mut client, true, false, "BODY contract").await;
        watched.watch(&mut client, true, false, "NOT TEXT contract").await;
        watched.watch(&mut client, true, false, "SUBJECT contract").await;
        let idling = client.begin("IDLE").await;
        assert_eq!(client.line().await.unwrap(), "+ idling");
        read_documents(&world.shard, ANN, [(1, "the CONTRACT"), (3, "a contract")], 4).await;
        for _ in 0..2 {
            let line = client.line().await.unwrap();
            assert!(line.starts_with("* ESEARCH") && line.contains("2,4"), "{line}");
            watched.apply(&[line]);
        }
        client.send("DONE\r\n").await;
        watched.apply(&client.finish(&idling).await);
        watched.check(&mut client, "read", |_| false).await;
        world.shard.forget_documents(ANN).await.unwrap();
        watched.apply(&client.ok("NOOP").await);
        watched.check(&mut client, "forgotten", |_| false).await;
        assert!(watched.copies[0].numbers.is_empty() && watched.copies[1].numbers.len() == 4);
    });
}

/// Texts of documents that come and go while results are brought up to date, one after the other.
#[test]
fn texts_that_come_and_go_leave_nothing_behind() {
    for seed in 0..150 {
        let world = World::new(seed);
        let mut cast = Cast::new(&world);
        world.run(async {
            cast.truth.ok("EXAMINE INBOX").await;
            for n in 0..10 {
                cast.perform(&Step::Append { who: n % 3, what: n * 7 }).await;
            }
            for keys in [7, 8, 9, 6] {
                let none = Vec::new();
                cast.perform(&Step::Watch { keys, criteria: None, by_uid: false, meanwhile: none }).await;
            }
            cast.perform(&Step::Append { who: 1, what: seed as usize }).await;
            let looks = |times| std::iter::repeat_n(Step::Look { who: 1, how: 0 }, times as usize);
            let documents = |forget| Step::Documents { count: 20, word: 0, forget };
            let meanwhile = looks(seed % 5).chain([documents(false)]);
            let others = meanwhile.chain(looks(seed / 5 % 3)).chain([documents(true)]).collect();
            cast.perform(&Step::Meanwhile { how: 0, others }).await;
            cast.check("in the end").await;
        });
    }
}
