//! Crash at every write of a workload; what was acknowledged is there, and nothing half.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use support::{ACCOUNT, World, mail, new_message, open, options, validities};
use trawl_store::disk::sim::SimDisk;
use trawl_store::shard::{ChangeError, Document, DocumentsRecord, FlagChange, FlagMode};
use trawl_store::types::{EmailId, Flags, MessageNumber, SpecialUses, Uid, UidValidity};
use trawl_store::uid_set::UidSet;

/// Mailbox -> (UID -> flags, UIDNEXT), annotations, messages with texts of documents and how far was looked: what a session can see.
type Seen = (BTreeMap<String, (BTreeMap<u32, u128>, u32)>, BTreeMap<String, Vec<u8>>, (Vec<(u32, u32)>, u32));

fn seen(world: &World) -> Option<Seen> {
    world.shard.with_account(ACCOUNT, |account| {
        let mailbox = |mailbox: &trawl_store::state::mailbox::Mailbox| {
            let rows = mailbox.rows().map(|row| (row.uid.get(), row.flags.0)).collect();
            (mailbox.name().to_string(), (rows, mailbox.uid_next().get()))
        };
        let annotations = account.annotations().iter();
        let annotations = annotations.map(|(name, value)| (name.to_string(), value.to_vec())).collect();
        let documents = account.documents();
        let entries = documents.iter().map(|entry| (entry.message.0, entry.serial)).collect();
        (account.mailboxes().map(mailbox).collect(), annotations, (entries, documents.seen().0))
    })
}

/// Messages that are there before the others.
const MAILS: u32 = 60;

fn text(nth: u32) -> Vec<u8> {
    format!("Subject: {nth}\r\n\r\n{}", "words and words\r\n".repeat(nth as usize * 37 % 400)).into_bytes()
}

/// Does the workload, telling after each step what is visible. Ends with the first error.
async fn workload(world: &World, visible: &RefCell<Vec<Option<Seen>>>) -> Result<(), ChangeError> {
    let shard = &world.shard;
    let note = || visible.borrow_mut().push(seen(world));
    note();
    shard.create_account(ACCOUNT, "somebody", validities(100)).await?;
    note();
    let (inbox, archive) = (world.mailbox("INBOX"), world.mailbox("Archive"));
    // Enough to train a dictionary from: what follows is compressed with it.
    let mut first = Vec::new();
    for nth in 0..MAILS {
        first.push(new_message(shard, &mail(nth), Flags::default(), &[]).await?);
    }
    shard.append(ACCOUNT, inbox, first).await?;
    note();
    for nth in 1..=8u32 {
        let message = new_message(shard, &text(nth), Flags::default(), &["k"]).await?;
        shard.append(ACCOUNT, inbox, vec![message]).await?;
        note();
        let set: UidSet = [Uid::new(nth / 2 + 1).unwrap()].into_iter().collect();
        let change =
            FlagChange { mode: FlagMode::Add, flags: Flags::SEEN, keywords: vec![format!("k{nth}")] };
        shard.store_flags(ACCOUNT, inbox, &set, change, None).await?;
        note();
        if nth % 3 == 0 {
            shard.move_messages(ACCOUNT, inbox, archive, &set).await?;
            note();
        }
        if nth == 2 || nth == 5 {
            let value = |text: &str| Some(text.repeat(nth as usize).into_bytes());
            let names = ["/private/filters/values/a", "/private/filters/values/b"].map(str::to_owned);
            let changes = names.clone().map(|name| (name, value("FROM x ")));
            shard.annotate(ACCOUNT, &changes).await?;
            note();
            let [first, second] = names;
            shard.annotate(ACCOUNT, &[(first, None), (second, value("TO y "))]).await?;
            note();
        }
        if nth % 2 == 1 {
            let record = |number: u32| {
                let number = MessageNumber(number);
                let text = "text of a document ".repeat(number.0 as usize * 400);
                let documents = [Document { part: "2".to_owned(), text, ..Document::default() }];
                (number, DocumentsRecord::new(EmailId::of(ACCOUNT, number), &documents))
            };
            let found = [nth * 4, nth * 4 + 3].map(record).into();
            shard.add_documents(ACCOUNT, found, MessageNumber(0)..MessageNumber(nth * 4 + 6)).await?;
            note();
        }
        if nth == 6 {
            shard.forget_documents(ACCOUNT).await?;
            note();
        }
        if nth == 4 {
            shard.checkpoint().await;
            shard.create_mailbox(ACCOUNT, "a/b", SpecialUses::NONE, UidValidity::new(300).unwrap()).await?;
            note();
        }
        if nth == 6 {
            shard.rename_mailbox(ACCOUNT, "INBOX", "old", UidValidity::new(301).unwrap()).await?;
            note();
            shard.rename_mailbox(ACCOUNT, "a", "c", UidValidity::new(302).unwrap()).await?;
            note();
        }
    }
    shard.expunge(ACCOUNT, archive, None, false).await?;
    note();
    shard.delete_mailbox(ACCOUNT, "old").await?;
    note();
    shard.checkpoint().await;
    Ok(())
}

/// What is visible after each step when nothing goes wrong, and how many crash points there are.
fn undisturbed() -> (Vec<Option<Seen>>, u64) {
    let world = open(SimDisk::new(), 3, options());
    let start = world.disk.crash_points();
    let visible = RefCell::new(Vec::new());
    world.run(workload(&world, &visible)).unwrap();
    assert!(world.shard.stats().dictionary_bytes > 0, "a segment with a dictionary is begun on the way");
    let mut states = visible.into_inner();
    states.dedup();
    (states, world.disk.crash_points() - start)
}

/// Runs the workload to crash point `point`, opens what is left, and compares with the undisturbed run: everything
/// that was visible is there, and at most the one change that was on its way, whole.
fn crash_at(point: u64, states: &[Option<Seen>], ignore_sync: bool) -> Result<(), String> {
    let world = open(SimDisk::new(), 3, options());
    world.disk.set_ignore_sync(ignore_sync);
    world.disk.freeze_on_crash();
    world.disk.crash_at(world.disk.crash_points() + point);
    let disk = world.disk.clone();
    world.executor.halt_when(move || disk.crashed());
    let visible = RefCell::new(Vec::new());
    let done = world.run_or_crash(workload(&world, &visible));
    assert!(done.is_none(), "crash point {point} is behind the end");
    let last = seen(&world);
    let position = states.iter().rposition(|state| *state == last);
    let position = position.ok_or_else(|| format!("shown and not in the undisturbed run: {last:?}"))?;
    let disk = world.disk.after_crash(point.wrapping_mul(31));
    world.executor.drop_tasks();
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open(disk, 4, options())));
    let again = again.map_err(|_| "it does not open".to_owned())?;
    let report = again.shard.report();
    if !report.misfits.is_empty() || !report.log.corruption.is_empty() {
        return Err(format!("{report:?}"));
    }
    let found = seen(&again);
    if !states[position..].iter().take(2).any(|state| *state == found) {
        return Err(format!("visible: {last:?}\nfound: {found:?}"));
    }
    let addresses: Vec<_> = again
        .shard
        .with_account(ACCOUNT, |account| {
            let rows = account.mailboxes().flat_map(|mailbox| mailbox.rows()).collect::<Vec<_>>();
            rows.iter().map(|row| account.facts(row.message).unwrap().address).collect()
        })
        .unwrap_or_default();
    for address in addresses {
        let content = again.run(again.shard.read_all(address)).map_err(|error| error.to_string())?;
        if (1..=8).all(|nth| text(nth) != content) && (0..MAILS).all(|nth| mail(nth) != content) {
            return Err("a message holds other bytes".to_owned());
        }
    }
    Ok(())
}

#[test]
fn nothing_visible_is_lost_at_any_crash_point() {
    let (states, points) = undisturbed();
    assert!(states.len() > 20 && points > 50, "{} states, {points} crash points", states.len());
    for point in 1..=points {
        if let Err(what) = crash_at(point, &states, false) {
            panic!("crash point {point}: {what}");
        }
    }
}

#[test]
fn a_missing_sync_is_noticed() {
    let (states, points) = undisturbed();
    let lost = (points / 2..points).any(|point| crash_at(point, &states, true).is_err());
    assert!(lost, "the syncs could be taken out and nothing would be lost");
}
