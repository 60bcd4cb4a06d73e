//! What changes of a shard promise beyond the model: order, failure, views, limits, identities.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod support;

use support::{ACCOUNT, World, new_message, open, options, validities};
use trawl_store::clock::Clock;
use trawl_store::disk::sim::{SimDisk, SimFault, SimOp};
use trawl_store::error::CommitError;
use trawl_store::shard::{ChangeError, FlagChange, FlagMode};
use trawl_store::types::{AccountId, EmailId, Flags, SpecialUse, SpecialUses, ThreadId, Uid, UidValidity};
use trawl_store::uid_set::UidSet;

fn uid(n: u32) -> Uid {
    Uid::new(n).unwrap()
}

fn uids(numbers: &[u32]) -> UidSet {
    numbers.iter().map(|n| uid(*n)).collect()
}

fn world(messages: usize) -> World {
    let world = open(SimDisk::new(), 1, options());
    world.run(world.shard.create_account(ACCOUNT, "somebody", validities(100))).unwrap();
    append(&world, messages).unwrap();
    world
}

fn append(world: &World, messages: usize) -> Result<(), ChangeError> {
    let (shard, inbox) = (&world.shard, world.mailbox("INBOX"));
    world.run(async {
        for nth in 0..messages {
            let text = format!("Subject: {nth}\r\n\r\nbody {nth}\r\n");
            let message = new_message(shard, text.as_bytes(), Flags::default(), &[]).await?;
            shard.append(ACCOUNT, inbox, vec![message]).await?;
        }
        Ok(())
    })
}

fn change(mode: FlagMode, flags: Flags, keywords: &[&str]) -> FlagChange {
    FlagChange { mode, flags, keywords: keywords.iter().map(|name| (*name).to_owned()).collect() }
}

fn flags_of(world: &World, n: u32) -> Flags {
    let inbox = world.mailbox("INBOX");
    world.shard.with_account(ACCOUNT, |a| a.mailbox(inbox).unwrap().get(uid(n)).unwrap().flags).unwrap()
}

#[test]
fn changes_in_flight_build_on_each_other() {
    let world = world(4);
    let (shard, inbox) = (world.shard.clone(), world.mailbox("INBOX"));
    let task = |changes: FlagChange| {
        let shard = shard.clone();
        world.executor.spawn_with_result(async move {
            shard.store_flags(ACCOUNT, inbox, &uids(&[1, 2]), changes, None).await.unwrap()
        })
    };
    let syncs = shard.stats().log.syncs;
    let seen = task(change(FlagMode::Add, Flags::SEEN, &["first"]));
    let flagged = task(change(FlagMode::Add, Flags::FLAGGED, &["second"]));
    let again = task(change(FlagMode::Add, Flags::SEEN, &["FIRST"]));
    let expunge = {
        let shard = shard.clone();
        world.executor.spawn_with_result(async move {
            shard.expunge(ACCOUNT, inbox, Some(&uids(&[2, 3])), false).await.unwrap()
        })
    };
    let copy = {
        let shard = shard.clone();
        world.executor.spawn_with_result(async move {
            shard.copy(ACCOUNT, inbox, inbox, &uids(&[1, 2, 3, 4])).await.unwrap()
        })
    };
    let (seen, flagged, again, expunge, copy) = world.run(async {
        (
            seen.await.unwrap(),
            flagged.await.unwrap(),
            again.await.unwrap(),
            expunge.await.unwrap(),
            copy.await.unwrap(),
        )
    });
    assert!(shard.stats().log.syncs - syncs < 5, "commits in flight share syncs");
    let first = flags_of(&world, 1);
    assert!(first.contains(Flags::SEEN.with(Flags::FLAGGED)), "no change undoes another: {first:?}");
    assert_eq!(first.keywords().count(), 2, "a keyword in another case is the same one");
    assert!(
        seen.changed.is_empty() || again.changed.is_empty(),
        "only one of two equal changes changes something"
    );
    // The other one, if it came last, tells the MODSEQ of whatever was before it.
    let changing = if seen.changed.is_empty() { &again } else { &seen };
    assert_ne!(changing.modseq, flagged.modseq);
    assert_eq!(expunge.uids, uids(&[2, 3]));
    let copied = copy.source.len();
    assert!(copied == 2 || copied == 4, "the copy came before or after the expunge, not between: {copied}");
    assert_eq!(copy.target, (5..5 + copied as u32).map(uid).collect::<Vec<_>>());
}

#[test]
fn unchanged_since_fails_a_message_and_not_the_command() {
    let world = world(3);
    let (shard, inbox) = (&world.shard, world.mailbox("INBOX"));
    let result = world.run(async {
        let first = shard
            .store_flags(ACCOUNT, inbox, &uids(&[2]), change(FlagMode::Add, Flags::SEEN, &[]), None)
            .await
            .unwrap();
        let before = trawl_store::types::ModSeq::new(first.modseq.get() - 1);
        let both = change(FlagMode::Replace, Flags::DRAFT, &[]);
        shard.store_flags(ACCOUNT, inbox, &uids(&[1, 2, 9]), both, before).await.unwrap()
    });
    assert_eq!((result.modified, result.stored, result.changed), (uids(&[2]), uids(&[1]), uids(&[1])));
}

#[test]
fn a_failed_sync_shows_nothing_and_stops_writing() {
    let world = world(2);
    let (shard, inbox) = (&world.shard, world.mailbox("INBOX"));
    let fault = SimFault { op: SimOp::Sync, path: "seg".into(), after: 0, times: 1, errno: 5 };
    world.disk.inject(fault);
    let seen = world.run(shard.store_flags(
        ACCOUNT,
        inbox,
        &uids(&[1]),
        change(FlagMode::Add, Flags::SEEN, &["k"]),
        None,
    ));
    assert!(matches!(seen, Err(ChangeError::Commit(CommitError::Poisoned(_)))), "{seen:?}");
    assert_eq!(flags_of(&world, 1), Flags::default());
    assert!(shard.poisoned().is_some());
    let again = world.run(shard.expunge(ACCOUNT, inbox, None, false));
    assert!(matches!(again, Err(ChangeError::Commit(CommitError::Poisoned(_)))), "{again:?}");
    // Reading goes on.
    let address = shard.with_account(ACCOUNT, |a| {
        let row = a.mailbox(inbox).unwrap().get(uid(2)).unwrap();
        a.facts(row.message).unwrap().address
    });
    assert_eq!(world.run(shard.read_all(address.unwrap())).unwrap(), b"Subject: 1\r\n\r\nbody 1\r\n");
}

#[test]
fn a_full_disk_takes_nothing_back_and_goes_on_when_there_is_room() {
    let world = world(3);
    let (shard, inbox) = (world.shard.clone(), world.mailbox("INBOX"));
    world.disk.set_capacity(Some(world.disk.used()));
    let task = {
        let shard = shard.clone();
        world.executor.spawn_with_result(async move {
            let noise: Vec<u8> =
                (0..40_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
            let message = new_message(&shard, &noise, Flags::SEEN, &["k"]).await?;
            shard.append(ACCOUNT, inbox, vec![message]).await
        })
    };
    let refused = world.run(task).unwrap();
    assert_eq!(refused, Err(ChangeError::Commit(CommitError::Full)));
    shard.with_account(ACCOUNT, |account| {
        let mailbox = account.mailbox(inbox).unwrap();
        assert_eq!((mailbox.counts().messages, mailbox.uid_next(), mailbox.keywords().len()), (3, uid(4), 0));
    });
    world.disk.set_capacity(None);
    world.run(async {
        // The log looks for room now and then.
        for _ in 0..20 {
            let text = b"\r\nthere is room\r\n";
            let Ok(message) = new_message(&shard, text, Flags::default(), &[]).await else { continue };
            if let Ok(result) = shard.append(ACCOUNT, inbox, vec![message]).await {
                assert_eq!(result.uids, [uid(4)], "nobody was given the UID");
                return;
            }
        }
        panic!("it does not go on");
    });
    let again = open(world.disk.after_kill(), 2, options());
    assert!(again.shard.report().misfits.is_empty());
    assert_eq!(again.shard.with_account(ACCOUNT, |a| a.mailbox(inbox).unwrap().counts().messages), Some(4));
}

#[test]
fn what_another_expunged_stays_readable_in_a_view() {
    let world = world(3);
    let (shard, inbox) = (&world.shard, world.mailbox("INBOX"));
    let lease = shard.lease(ACCOUNT, inbox).unwrap();
    let event = shard.with_account(ACCOUNT, |a| a.mailbox(inbox).unwrap().changed().clone()).unwrap();
    let before = event.count();
    world.run(shard.expunge(ACCOUNT, inbox, Some(&uids(&[2])), false)).unwrap();
    assert_eq!(event.count(), before + 1, "one notice a commit");
    let row = lease.ghost(uid(2)).unwrap();
    let (facts, version) = shard
        .with_account(ACCOUNT, |a| (a.facts(row.message).unwrap(), a.mailbox(inbox).unwrap().version()))
        .unwrap();
    assert_eq!(world.run(shard.read_header(facts.address)).unwrap(), b"Subject: 1\r\n\r\n");
    lease.advance(version);
    assert_eq!(lease.ghost(uid(2)), None);
    // Also when the mailbox goes away as a whole.
    let archive = world.mailbox("Archive");
    world.run(shard.move_messages(ACCOUNT, inbox, archive, &uids(&[1]))).unwrap();
    let lease = shard.lease(ACCOUNT, archive).unwrap();
    world.run(shard.delete_mailbox(ACCOUNT, "Archive")).unwrap();
    assert!(lease.ghost(uid(1)).is_some() && shard.lease(ACCOUNT, archive).is_none());
}

#[test]
fn identities_and_threads_are_recorded_once() {
    let world = world(0);
    let (shard, inbox, sent) = (&world.shard, world.mailbox("INBOX"), world.mailbox("Sent"));
    let records = |world: &World, mailbox| {
        let addresses: Vec<_> = world
            .shard
            .with_account(ACCOUNT, |a| {
                let rows = a.mailbox(mailbox).unwrap().rows();
                rows.map(|row| a.facts(row.message).unwrap().address).collect()
            })
            .unwrap();
        world.run(world.shard.read_messages(&addresses)).into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    world.run(async {
        let mut messages = Vec::new();
        for (own, references) in [(1, vec![]), (2, vec![1]), (3, vec![])] {
            let mut message = new_message(shard, b"\r\n", Flags::default(), &[]).await.unwrap();
            (message.message_id_hashes, message.references) = (vec![own], references);
            messages.push(message);
        }
        shard.append(ACCOUNT, inbox, messages).await.unwrap();
        shard.copy(ACCOUNT, inbox, sent, &UidSet::all()).await.unwrap();
    });
    let (here, there) = (records(&world, inbox), records(&world, sent));
    assert_eq!(here, there, "a copy is the same message");
    assert_eq!(here[0].thread_id, here[1].thread_id);
    assert_ne!(here[0].thread_id, here[2].thread_id);
    // In memory as in the records, also when it comes from a checkpoint.
    let known = |world: &World| {
        let ids = |a: &trawl_store::state::account::Account| {
            let rows = a.mailbox(inbox).unwrap().rows();
            rows.map(|row| {
                let thread = a.facts(row.message).unwrap().thread;
                (EmailId::of(ACCOUNT, row.message), ThreadId::of(ACCOUNT, thread))
            })
            .collect::<Vec<_>>()
        };
        world.shard.with_account(ACCOUNT, ids).unwrap()
    };
    let recorded: Vec<_> = here.iter().map(|record| (record.email_id, record.thread_id)).collect();
    assert_eq!(known(&world), recorded);
    assert_eq!(recorded[1].1.first(ACCOUNT), recorded[0].0.message(ACCOUNT));
    assert_eq!(recorded[1].1.first(AccountId(ACCOUNT.0 + 1)), None);
    world.run(world.shard.checkpoint());
    let again = open(world.disk.after_kill(), 2, options());
    assert!(again.shard.report().checkpoint.is_some());
    assert_eq!((records(&again, inbox), known(&again)), (here, recorded));
}

#[test]
fn names_special_uses_and_limits_are_kept() {
    let world = world(1);
    let (shard, inbox) = (&world.shard, world.mailbox("INBOX"));
    let validity = |n| UidValidity::new(n).unwrap();
    world.run(async {
        let create = |name, uses, n| shard.create_mailbox(ACCOUNT, name, uses, validity(n));
        assert_eq!(create("x", SpecialUses::of(SpecialUse::Trash), 200).await, Err(ChangeError::UseTaken));
        assert!(matches!(create("../x", SpecialUses::NONE, 200).await, Err(ChangeError::Name(_))));
        create("x", SpecialUses::NONE, 200).await.unwrap();
        shard.delete_mailbox(ACCOUNT, "x").await.unwrap();
        assert_eq!(create("x", SpecialUses::NONE, 200).await, Err(ChangeError::OldUidValidity));
        let keywords: Vec<String> = (0..Flags::KEYWORDS_MAX).map(|n| format!("k{n}")).collect();
        let all: Vec<&str> = keywords.iter().map(String::as_str).collect();
        let store = |change| shard.store_flags(ACCOUNT, inbox, uids_one(), change, None);
        store(change(FlagMode::Add, Flags::default(), &all)).await.unwrap();
        let more = store(change(FlagMode::Add, Flags::default(), &["one-more"])).await;
        assert_eq!(more, Err(ChangeError::KeywordLimit));
        let bad = store(change(FlagMode::Add, Flags::default(), &["not an atom"])).await;
        assert_eq!(bad, Err(ChangeError::BadKeyword));
        store(change(FlagMode::Remove, Flags::default(), &["nobody-has-it"])).await.unwrap();
    });
    assert_eq!(flags_of(&world, 1).keywords().count(), Flags::KEYWORDS_MAX);
    let again = open(world.disk.after_kill(), 2, options());
    assert_eq!(flags_of(&again, 1).keywords().count(), Flags::KEYWORDS_MAX);
}

fn uids_one() -> &'static UidSet {
    Box::leak(Box::new(uids(&[1])))
}

fn annotations(world: &World) -> Vec<(String, Vec<u8>)> {
    let own = |account: &trawl_store::state::account::Account| {
        account.annotations().iter().map(|(name, value)| (name.to_string(), value.to_vec())).collect()
    };
    world.shard.with_account(ACCOUNT, own).unwrap_or_default()
}

/// (name, value) of an annotation; no value removes it.
fn annotation(name: &str, value: Option<&str>) -> (String, Option<Vec<u8>>) {
    (name.to_owned(), value.map(|value| value.as_bytes().to_vec()))
}

#[test]
fn annotations_change_together_or_not_at_all() {
    use trawl_store::limits::{annotation_bytes_max, annotation_name_bytes_max, annotations_per_account_max};
    let world = world(0);
    let annotate = |changes: &[(String, Option<Vec<u8>>)]| world.run(world.shard.annotate(ACCOUNT, changes));
    let event = world.shard.with_account(ACCOUNT, |a| a.changed().clone()).unwrap();
    let before = event.count();
    let changes = [("/private/a", Some("1")), ("/private/b", Some("")), ("/private/a", Some("2"))];
    annotate(&changes.map(|(name, value)| annotation(name, value))).unwrap();
    let both = [("/private/a".to_owned(), b"2".to_vec()), ("/private/b".to_owned(), Vec::new())];
    assert_eq!(annotations(&world), both);
    assert_eq!(event.count(), before + 1, "one notice a commit");
    // What changes nothing is not written.
    let commits = world.shard.stats().log.commits;
    annotate(&[annotation("/private/a", Some("2")), annotation("/private/c", None)]).unwrap();
    assert_eq!(world.shard.stats().log.commits, commits);
    let long = "x".repeat(annotation_bytes_max);
    let too_long = [annotation("/private/a", None), annotation("/private/c", Some(&format!("{long}x")))];
    assert_eq!(annotate(&too_long), Err(ChangeError::AnnotationTooLong));
    let name = "n".repeat(annotation_name_bytes_max + 1);
    assert!(matches!(annotate(&[annotation(&name, Some(""))]), Err(ChangeError::OverLimit(_))));
    assert_eq!(annotations(&world), both);
    // As many as there can be, of the greatest length; changing and removing goes on.
    let many: Vec<_> =
        (2..annotations_per_account_max).map(|n| annotation(&format!("/private/{n}"), Some(&long))).collect();
    annotate(&many).unwrap();
    let more = [
        annotation("/private/a", None),
        annotation("/private/y", Some("")),
        annotation("/private/z", Some("")),
    ];
    assert_eq!(annotate(&more), Err(ChangeError::TooManyAnnotations));
    assert_eq!(annotations(&world).len(), annotations_per_account_max);
    annotate(&[annotation("/private/a", Some("3"))]).unwrap();
    annotate(&more[..2]).unwrap();
    let known = annotations(&world);
    world.run(world.shard.checkpoint());
    let again = open(world.disk.after_kill(), 2, options());
    assert!(again.shard.report().misfits.is_empty() && again.shard.report().checkpoint.is_some());
    assert_eq!(annotations(&again), known);
    again.run(again.shard.erase_account(ACCOUNT)).unwrap();
    again.run(again.shard.create_account(ACCOUNT, "another", validities(300))).unwrap();
    assert!(annotations(&again).is_empty());
}

#[test]
fn an_annotation_that_did_not_become_durable_is_not_there() {
    let world = world(0);
    world.disk.inject(SimFault { op: SimOp::Sync, path: "seg".into(), after: 0, times: 1, errno: 5 });
    let refused = world.run(world.shard.annotate(ACCOUNT, &[annotation("/private/a", Some("1"))]));
    assert!(matches!(refused, Err(ChangeError::Commit(CommitError::Poisoned(_)))), "{refused:?}");
    assert!(annotations(&world).is_empty());
}

#[test]
fn a_full_disk_refuses_annotations_and_lets_them_be_removed() {
    let world =
        open(SimDisk::new(), 1, trawl_store::shard::ShardOptions { reserve_bytes: 256 << 10, ..options() });
    let shard = &world.shard;
    world.run(async {
        shard.create_account(ACCOUNT, "somebody", validities(100)).await.unwrap();
        shard.annotate(ACCOUNT, &[annotation("/private/a", Some("1"))]).await.unwrap();
    });
    world.disk.set_capacity(Some(world.disk.used()));
    let long = "x".repeat(8_000);
    let set = |name: &str| {
        let change = [annotation(name, Some(&long))];
        world.run(async { shard.annotate(ACCOUNT, &change).await })
    };
    let full = Err(ChangeError::Commit(CommitError::Full));
    // The first may be what finds the disk full.
    let answers: Vec<_> = ["/private/b", "/private/c", "/private/d"].map(set).into();
    assert!(answers.contains(&full), "{answers:?}");
    assert!(shard.is_full());
    assert_eq!(set("/private/e"), full);
    world.run(shard.annotate(ACCOUNT, &[annotation("/private/a", None)])).unwrap();
    assert!(annotations(&world).iter().all(|(name, _)| name != "/private/a"));
    // Also where the segment that was begun for them was taken back with them.
    world.disk.set_capacity(None);
    for _ in 0..20 {
        if set("/private/f").is_ok() {
            break;
        }
        // The log looks for room now and then.
        world.run(world.clock.sleep(std::time::Duration::from_secs(1)));
    }
    let known = annotations(&world);
    assert!(known.iter().any(|(name, _)| name == "/private/f"));
    let again = open(world.disk.after_kill(), 2, options());
    assert!(again.shard.report().misfits.is_empty());
    assert_eq!(annotations(&again), known);
}

#[test]
fn an_erased_account_is_gone_for_good() {
    let world = world(2);
    let inbox = world.mailbox("INBOX");
    let event = world.shard.with_account(ACCOUNT, |a| a.mailbox(inbox).unwrap().changed().clone()).unwrap();
    world.run(world.shard.erase_account(ACCOUNT)).unwrap();
    assert!(event.count() > 0, "sessions are told");
    assert_eq!(world.run(world.shard.subscribe(ACCOUNT, "x")), Err(ChangeError::NoSuchAccount));
    let again = open(world.disk.after_kill(), 2, options());
    assert!(again.shard.accounts().is_empty() && again.shard.report().misfits.is_empty());
}

#[test]
fn the_header_ends_at_the_first_empty_line_or_at_its_limit() {
    let world = world(0);
    let long = [b"X: ".to_vec(), vec![b'x'; 300 * 1024], b"\r\n\r\nbody".to_vec()].concat();
    let limit = trawl_store::limits::header_bytes_max;
    let cases: [(&[u8], usize); 9] = [
        (b"A: b\r\n\r\nbody", 8),
        (b"A: b\n\nbody", 6),
        (b"\r\nbody", 2),
        (b"\nbody", 1),
        (b"A: b\r\n", 6),
        (b"A: b\r\n\rx\r\n\r\n", 12),
        (b"", 0),
        (b"\r", 1),
        (&long, limit),
    ];
    for (content, header_len) in cases {
        for piece in [1, 3, usize::MAX] {
            if content.len() > 1_000 && piece < 1_000 {
                continue;
            }
            let stored = world.run(async {
                let mut writer = world.shard.content_writer();
                for bytes in content.chunks(piece) {
                    writer.write(bytes).await.unwrap();
                }
                writer.finish().await.unwrap()
            });
            assert_eq!((stored.header_len(), stored.size()), (header_len as u32, content.len() as u32));
        }
    }
}

/// What the server needs a message for all told, from the sizes that the pages have.
#[test]
fn a_message_takes_at_most_sixty_bytes() {
    use trawl_store::state::{messages, rows, thread};
    // A page's own data and the allocator's, spread over its entries; thread buckets are at least half full.
    let page = 160.0;
    let rows = rows::PACKED_ROW_BYTES as f64 + page / rows::PAGE_ROWS as f64;
    let table = messages::PACKED_MESSAGE_BYTES as f64 + page / messages::PAGE_MESSAGES as f64;
    let threads = thread::ENTRY_BYTES as f64 * (1.0 + 1.0 / 16.0) + page / 128.0;
    assert!(rows + table + threads <= 60.0, "{rows} + {table} + {threads}");
}
