//! The bytes of a shard, pinned: logs and checkpoints under `fixtures/format-*-shard` stay readable for ever, and the code of this
//! version writes exactly those bytes.
//!
//! Fixtures are never written again. (They were made by this test with `TRAWL_WRITE_FIXTURE=1`, which refuses to overwrite; the
//! one of format 1 before there was another.)

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "compares real files")]

mod support;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_lite::future::block_on;
use support::{ACCOUNT, env, new_message, open, options, validities};
use trawl_store::clock::SimClock;
use trawl_store::disk::blocking::BlockingDisk;
use trawl_store::disk::sim::SimDisk;
use trawl_store::shard::{Document, DocumentsRecord, Env, FlagChange, FlagMode, Shard, ShardOptions};
use trawl_store::types::{EmailId, Flags, MessageNumber, SpecialUses, Uid, UidValidity, WallTime};
use trawl_store::uid_set::UidSet;

/// Of segments. 1 has a checkpoint of format 1, which is passed over; 3 has annotations, and a checkpoint of format 2; 4 has texts of
/// documents, and a checkpoint of format 3.
const FORMATS: [u32; 3] = [1, 3, 4];

fn fixture(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format-{format}-shard"))
}

/// Something of everything, a checkpoint, and something behind it.
fn write(format: u32) -> (SimDisk, String) {
    let world = open(SimDisk::new(), 1, options());
    let shard = &world.shard;
    let validity = |n| UidValidity::new(n).unwrap();
    world.run(async {
        shard.create_account(ACCOUNT, "somebody", validities(100)).await.unwrap();
        let inbox = shard.with_account(ACCOUNT, |a| a.mailbox_named("INBOX").unwrap().id()).unwrap();
        shard.subscribe(ACCOUNT, "elsewhere").await.unwrap();
        shard.create_mailbox(ACCOUNT, "a/b", SpecialUses::NONE, validity(200)).await.unwrap();
        for text in ["Subject: 1\r\n\r\none", "Subject: 2\r\n\r\ntwo", "Subject: 3\r\n\r\nthree"] {
            let message = new_message(shard, text.as_bytes(), Flags::SEEN, &["k"]).await.unwrap();
            shard.append(ACCOUNT, inbox, vec![message]).await.unwrap();
        }
        let second: UidSet = [Uid::new(2).unwrap()].into_iter().collect();
        shard.expunge(ACCOUNT, inbox, Some(&second), false).await.unwrap();
        if format == 4 {
            add_documents(shard, &[0, 1], 2).await;
        }
        if format >= 3 {
            let changes = [("a", Some("1")), ("b", Some("")), ("c", Some("3"))].map(annotation);
            shard.annotate(ACCOUNT, &changes).await.unwrap();
        }
        shard.checkpoint().await;
        let change = FlagChange { mode: FlagMode::Add, flags: Flags::FLAGGED, keywords: Vec::new() };
        shard.store_flags(ACCOUNT, inbox, &UidSet::all(), change, None).await.unwrap();
        shard.rename_mailbox(ACCOUNT, "a", "c", validity(201)).await.unwrap();
        shard.unsubscribe(ACCOUNT, "elsewhere").await.unwrap();
        if format == 4 {
            add_documents(shard, &[2], 3).await;
        }
        if format >= 3 {
            let changes = [("c", None), ("a", Some("2")), ("d", Some("4"))].map(annotation);
            shard.annotate(ACCOUNT, &changes).await.unwrap();
        }
    });
    (world.disk.clone(), shown(shard))
}

async fn add_documents(shard: &Shard, messages: &[u32], upto: u32) {
    let record = |number: &u32| {
        let number = MessageNumber(*number);
        let text = format!("text of a document of message {number}");
        let document = Document { part: "2".to_owned(), kind: 1, outcome: 0, cut: number.0 == 1, text };
        (number, DocumentsRecord::new(EmailId::of(ACCOUNT, number), &[document]))
    };
    let found = messages.iter().map(record).collect();
    shard.add_documents(ACCOUNT, found, MessageNumber(0)..MessageNumber(upto)).await.unwrap();
}

fn annotation((name, value): (&str, Option<&str>)) -> (String, Option<Vec<u8>>) {
    (format!("/private/{name}"), value.map(|value| value.as_bytes().to_vec()))
}

/// Everything a session can see.
fn shown(shard: &Shard) -> String {
    let mut lines = Vec::new();
    shard.with_account(ACCOUNT, |account| {
        lines.push(format!("{} {:?}", account.name(), account.subscriptions().collect::<Vec<_>>()));
        for (name, value) in account.annotations().iter() {
            lines.push(format!("{name} {}", value.escape_ascii()));
        }
        for entry in account.documents().iter() {
            let documents = block_on(shard.read_documents(entry.address)).unwrap();
            lines.push(format!("{entry:?} {documents:?}"));
        }
        lines.push(format!("{} {}", account.documents().seen(), account.documents().next_serial()));
        for mailbox in account.mailboxes() {
            let rows: Vec<_> = mailbox.rows().map(|row| (row, account.facts(row.message))).collect();
            let (name, validity, next) = (mailbox.name(), mailbox.uid_validity(), mailbox.uid_next());
            lines.push(format!("{name} {validity} {next} {:?} {rows:?}", mailbox.keywords()));
        }
    });
    lines.join("\n")
}

#[test]
fn they_are_written_as_ever() {
    for format in FORMATS {
        let (disk, _) = write(format);
        let files = disk.files();
        if std::env::var_os("TRAWL_WRITE_FIXTURE").is_some() && !fixture(format).exists() {
            for path in &files {
                let file = fixture(format).join(path);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, disk.peek(path).unwrap()).unwrap();
            }
        }
        assert!(files.iter().any(|path| path.contains("checkpoint-")), "{files:?}");
        // Checkpoints of formats 1 and 2 are written no more.
        let is_written = |path: &String| format > 3 || !path.contains("checkpoint-");
        for path in files.into_iter().filter(is_written) {
            let pinned = std::fs::read(fixture(format).join(&path)).unwrap();
            assert!(pinned == disk.peek(&path).unwrap(), "format {format}: {path} differs");
        }
    }
}

#[test]
fn they_stay_readable() {
    for format in FORMATS {
        let (disk, written) = write(format);
        let known = env(&disk, &SimClock::new(WallTime(0)), 1);
        let from_files = Env { disk: Rc::new(BlockingDisk::new(fixture(format))), ..known };
        let read_only = ShardOptions { read_only: true, ..options() };
        let shard = block_on(Shard::open(from_files, read_only)).unwrap();
        let report = shard.report();
        assert_eq!(report.checkpoint.is_some(), format > 1, "{report:?}");
        assert!(report.damaged_checkpoints.is_empty(), "{report:?}");
        assert!(report.misfits.is_empty() && report.log.corruption.is_empty(), "{report:?}");
        assert!(report.log.commits >= 3, "what is behind the checkpoint is replayed: {report:?}");
        assert_eq!(shown(&shard), written);
    }
}
