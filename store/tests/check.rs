//! `check` finds what is wrong, says whom it hits, and finds nothing in a sound store.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod support;

use std::rc::Rc;
use support::{ACCOUNT, World, env, new_message, options, validities};
use trawl_store::check::{CheckReport, check};
use trawl_store::clock::SimClock;
use trawl_store::directory::{Directory, DirectoryEnv};
use trawl_store::disk::sim::SimDisk;
use trawl_store::disk::sim_executor::SimExecutor;
use trawl_store::meta::{FORMAT, StoreMeta};
use trawl_store::seed::SimSeed;
use trawl_store::shard::{Document, DocumentsRecord, Shard};
use trawl_store::types::{EmailId, Flags, MessageNumber, WallTime};

fn store() -> SimDisk {
    let (disk, clock) = (SimDisk::new(), SimClock::new(WallTime(1_700_000_000_000)));
    let executor = SimExecutor::new(clock.clone(), 1);
    let shard_env = env(&disk, &clock, 1);
    let meta = StoreMeta { uuid: shard_env.store_uuid, format: FORMAT, epoch: 1, shards: 1 };
    let directory_env = DirectoryEnv {
        disk: shard_env.disk.clone(),
        clock: shard_env.clock.clone(),
        seed: shard_env.seed.clone(),
        store_uuid: meta.uuid,
        epoch: 1,
        shards: 1,
    };
    let (disk_again, runner) = (disk.clone(), executor.clone());
    let world = executor
        .run_until(async move {
            meta.write(&disk_again).await.unwrap();
            let directory = Directory::create(directory_env).await.unwrap();
            let running = directory.clone();
            runner.spawn(async move { running.run().await });
            directory.add_user("somebody", None).await.unwrap();
            directory.stop().await;
            let shard = Shard::create(shard_env, options()).await.unwrap();
            let running = shard.clone();
            runner.spawn(async move { running.run().await });
            shard
        })
        .map(|shard| World { disk: disk.clone(), clock: clock.clone(), executor, shard })
        .unwrap();
    let account = trawl_store::types::AccountId(1);
    world.run(async {
        let shard = &world.shard;
        shard.create_account(account, "somebody", validities(10)).await.unwrap();
        shard.create_account(ACCOUNT, "nobody", validities(20)).await.unwrap();
        let inbox = shard.with_account(account, |a| a.mailbox_named("INBOX").unwrap().id()).unwrap();
        for nth in 0..40u32 {
            let noise: Vec<u8> = (0..2_000u32)
                .flat_map(|n| ((n + nth).wrapping_mul(2_654_435_761) >> 5).to_le_bytes())
                .collect();
            let text = [b"Subject: x\r\n\r\n".to_vec(), noise].concat();
            let message = new_message(shard, &text, Flags::default(), &[]).await.unwrap();
            shard.append(account, inbox, vec![message]).await.unwrap();
        }
        let record = |number: u32| {
            let number = MessageNumber(number);
            let documents = [Document { text: "Zyxwvutsrq 0147258369".to_owned(), ..Document::default() }];
            (number, DocumentsRecord::new(EmailId::of(account, number), &documents))
        };
        shard
            .add_documents(account, vec![record(3), record(30)], MessageNumber(0)..MessageNumber(40))
            .await
            .unwrap();
        let changes = ["a", "b"].map(|name| (format!("/private/{name}"), Some(name.into())));
        shard.annotate(account, &changes).await.unwrap();
        shard.stop().await;
    });
    world.disk.after_kill()
}

fn checked(disk: &SimDisk) -> CheckReport {
    let clock = SimClock::new(WallTime(1_700_000_000_000));
    let executor = SimExecutor::new(clock.clone(), 1);
    let (files, writes) = (disk.files(), disk.crash_points());
    let mut progress = Vec::new();
    let report = executor
        .run_until(check(Rc::new(disk.clone()), Rc::new(clock), Rc::new(SimSeed::new(1)), &mut |what| {
            progress.push(what.to_owned());
        }))
        .unwrap()
        .unwrap();
    assert!(!progress.is_empty());
    assert_eq!((disk.files(), disk.crash_points()), (files, writes), "a check writes nothing");
    report
}

#[test]
fn a_sound_store_is_sound() {
    let report = checked(&store());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.users, report.accounts, report.mailboxes, report.annotations), (1, 2, 12, 2));
    assert_eq!(report.documents, 2);
    assert_eq!((report.rows, report.messages, report.message_bytes), (40, 40, 40 * 8_014));
    assert!(report.checkpoints > 0 && report.commits > 40 && report.records > 100);
    assert!(report.notes.iter().any(|note| note.contains("has no user")), "{:?}", report.notes);
}

#[test]
fn a_flipped_bit_anywhere_in_the_content_is_found_and_the_mailbox_named() {
    let sound = store();
    let segment = "shards/0000/log/00000001.seg";
    let len = sound.peek(segment).unwrap().len() as u64;
    let (mut found, mut named) = (0, 0);
    // Not in the last block of all, whose damage cannot be told from a torn tail.
    for nth in 1..24u64 {
        let disk = sound.after_kill();
        disk.flip(segment, 4_096 + (len - 8_192) * nth / 24, 0x10);
        let report = checked(&disk);
        found += u64::from(!report.is_sound());
        named += u64::from(report.problems.iter().any(|problem| problem.place.contains("INBOX")));
    }
    // Fill between records is not checked by anybody.
    assert!(found >= 20, "{found} of 23 found");
    assert!(named >= 15, "{named} of 23 named");
}

#[test]
fn a_damaged_checkpoint_is_found_and_a_lost_segment() {
    let sound = store();
    let checkpoint = sound.files().into_iter().find(|path| path.contains("checkpoint-")).unwrap();
    let disk = sound.after_kill();
    disk.flip(&checkpoint, 200, 1);
    assert!(checked(&disk).problems.iter().any(|problem| problem.place == checkpoint));
    let disk = sound.after_kill();
    disk.poke("shards/0000/log/00000002.seg", b"");
    assert!(!checked(&disk).is_sound());
}

#[test]
fn damaged_texts_of_documents_are_found_and_the_message_named() {
    let sound = store();
    // Too short to become smaller, it stands there as it is.
    let (mut found, mut places) = (0, 0);
    for path in sound.files().into_iter().filter(|path| path.ends_with(".seg") && path.contains("shards/")) {
        let bytes = sound.peek(&path).unwrap();
        for at in memchr_all(&bytes, b"Zyxwvutsrq 0147258369") {
            let disk = sound.after_kill();
            disk.flip(&path, at as u64, 1);
            let report = checked(&disk);
            places += 1;
            found += u64::from(
                report.problems.iter().any(|problem| problem.what.contains("texts of its documents")),
            );
        }
    }
    assert_eq!((places, found), (2, 2));
}

fn memchr_all(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    (0..bytes.len().saturating_sub(needle.len())).filter(|at| bytes[*at..].starts_with(needle)).collect()
}
