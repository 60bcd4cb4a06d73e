//! A shard against a naive model: random operations, reopened at random moments, everything compared after each.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use support::{ACCOUNT, World, new_message, open, options, validities};
use trawl_store::seed::SimSeed;
use trawl_store::shard::{ChangeError, Document, DocumentsRecord, FlagChange, FlagMode, NewMessage};
use trawl_store::types::{EmailId, Flags, MessageNumber, ModSeq, SpecialUses, Uid, UidValidity};
use trawl_store::uid_set::UidSet;

#[derive(Clone, Debug, PartialEq)]
struct Message {
    number: u32,
    content: Vec<u8>,
    flags: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Mailbox {
    uid_validity: u32,
    uid_next: u32,
    messages: BTreeMap<u32, Message>,
    expunged: BTreeSet<u32>,
}

#[derive(Clone, Debug, PartialEq, Default)]
struct Model {
    mailboxes: BTreeMap<String, Mailbox>,
    subscriptions: BTreeSet<String>,
    annotations: BTreeMap<String, Vec<u8>>,
    /// By message number; and how far messages were looked at.
    documents: BTreeMap<u32, Vec<Document>>,
    looked: u32,
}

const SYSTEM: [(&str, Flags); 5] = [
    ("\\Seen", Flags::SEEN),
    ("\\Answered", Flags::ANSWERED),
    ("\\Flagged", Flags::FLAGGED),
    ("\\Deleted", Flags::DELETED),
    ("\\Draft", Flags::DRAFT),
];

/// The whole account as the model sees it; checks what the shard says twice.
fn observed(world: &World) -> Model {
    let shard = &world.shard;
    let (model, contents, documents) = shard
        .with_account(ACCOUNT, |account| {
            let mut contents = Vec::new();
            let mailboxes = account.mailboxes().map(|mailbox| {
                let mut messages = BTreeMap::new();
                let (mut unseen, mut deleted, mut size, mut deleted_size) = (0, 0, 0, 0);
                for (position, row) in mailbox.rows().enumerate() {
                    let facts = account.facts(row.message).unwrap();
                    let mut flags: BTreeSet<String> = SYSTEM
                        .iter()
                        .filter(|(_, flag)| row.flags.contains(*flag))
                        .map(|(name, _)| (*name).to_owned())
                        .collect();
                    flags.extend(row.flags.keywords().map(|index| mailbox.keywords()[index].to_string()));
                    unseen += u32::from(!row.flags.contains(Flags::SEEN));
                    size += u64::from(facts.size);
                    if row.flags.contains(Flags::DELETED) {
                        deleted += 1;
                        deleted_size += u64::from(facts.size);
                    }
                    assert_eq!(mailbox.at(position as u32), Some(row));
                    assert_eq!(mailbox.position(row.uid), Some(position as u32));
                    assert_eq!(mailbox.get(row.uid), Some(row));
                    assert!(row.modseq <= mailbox.highest_modseq() && row.uid < mailbox.uid_next());
                    contents.push((mailbox.name().to_string(), row.uid.get(), facts.address));
                    messages
                        .insert(row.uid.get(), Message { number: row.message.0, content: Vec::new(), flags });
                }
                let counts = mailbox.counts();
                assert_eq!(counts.messages as usize, messages.len());
                assert_eq!(
                    (counts.unseen, counts.deleted, counts.size, counts.deleted_size),
                    (unseen, deleted, size, deleted_size)
                );
                let model = Mailbox {
                    uid_validity: mailbox.uid_validity().get(),
                    uid_next: mailbox.uid_next().get(),
                    messages,
                    expunged: mailbox.expunged_since(ModSeq::FIRST).iter().map(Uid::get).collect(),
                };
                (mailbox.name().to_string(), model)
            });
            let mailboxes = mailboxes.collect();
            let subscriptions = account.subscriptions().map(str::to_owned).collect();
            let annotations = account.annotations().iter();
            let annotations = annotations.map(|(name, value)| (name.to_string(), value.to_vec())).collect();
            let looked = account.documents().seen().0;
            let documents: Vec<_> = account.documents().iter().collect();
            for entry in &documents {
                assert_eq!(account.documents().get(entry.message), Some(*entry));
                assert_eq!(account.documents().of_serial(entry.serial), Some(*entry));
                assert!(entry.serial < account.documents().next_serial() && entry.message.0 < looked);
            }
            let model = Model { mailboxes, subscriptions, annotations, documents: BTreeMap::new(), looked };
            (model, contents, documents)
        })
        .unwrap();
    let mut model = model;
    world.run(async {
        let lanes = shard.lane_reader();
        let addresses: Vec<_> = contents.iter().map(|(_, _, address)| *address).collect();
        let disk = world.disk.clone();
        let mut read = |wanted: &[trawl_store::shard::ReadAt]| {
            wanted
                .iter()
                .map(|at| {
                    let file = disk.peek(&at.path).ok_or(std::io::ErrorKind::NotFound)?;
                    let end = file.len().min(at.offset as usize + at.len);
                    Ok(file[(at.offset as usize).min(end)..end].to_vec())
                })
                .collect()
        };
        let from_lane = lanes.read_messages(&addresses, true, &mut read);
        let records: Vec<_> = documents.iter().map(|entry| entry.address).collect();
        for (entry, lane) in documents.iter().zip(lanes.read_documents(&records, &mut read)) {
            let read = shard.read_documents(entry.address).await.unwrap();
            assert_eq!(lane.unwrap(), read);
            model.documents.insert(entry.message.0, read);
        }
        let headers = shard.read_headers(&addresses).await;
        let summaries = shard.read_summaries(&addresses).await;
        for ((((name, uid, address), lane), header), summary) in
            contents.iter().zip(from_lane).zip(headers).zip(summaries)
        {
            let content = shard.read_all(*address).await.unwrap();
            let lane = lane.unwrap();
            assert_eq!([&lane.header[..], &lane.body].concat(), content);
            assert_eq!(lane.header, header.unwrap());
            let summary = summary.unwrap();
            assert_eq!(*summary.bytes, *support::summary(content.len()));
            assert_eq!(summary.version, 9);
            let middle = content.len() / 3;
            let part = shard.read_range(*address, middle as u64, content.len()).await.unwrap();
            assert_eq!(part, content[middle..]);
            let mailbox = model.mailboxes.get_mut(name).unwrap();
            mailbox.messages.get_mut(uid).unwrap().content = content;
        }
    });
    model
}

fn content(seed: &SimSeed) -> Vec<u8> {
    let lines = [1, 3, 20, 200, 6_000][seed.below(5) as usize];
    let mut bytes = Vec::new();
    if !seed.one_in(10) {
        bytes.extend_from_slice(format!("Subject: {}\r\nX: y\n", seed.below(1_000)).as_bytes());
    }
    if !seed.one_in(10) {
        bytes.extend_from_slice(b"\r\n");
    }
    for _ in 0..seed.below(lines) + 1 {
        bytes.extend_from_slice(
            format!("{:x} \0 text of a line that repeats\r\n", seed.below(1 << 20)).as_bytes(),
        );
    }
    bytes
}

fn uid_set(mailbox: &Mailbox, seed: &SimSeed) -> UidSet {
    let mut set = UidSet::new();
    for _ in 0..seed.below(3) + 1 {
        let low = 1 + seed.below(u64::from(mailbox.uid_next) + 2) as u32;
        set.insert_range(Uid::new(low).unwrap(), Uid::new(low + seed.below(6) as u32).unwrap());
    }
    set
}

const NAMES: [&str; 8] = ["a", "a/b", "a/b/c", "d", "Archive", "d/a", "inbox", "Inbox/x"];

/// One random operation on both; what it did.
fn step(world: &World, model: &mut Model, seed: &SimSeed, next_validity: &mut u32) -> &'static str {
    let shard = &world.shard;
    let names: Vec<String> = model.mailboxes.keys().cloned().collect();
    let pick = |seed: &SimSeed| names[seed.below(names.len() as u64) as usize].clone();
    let (name, other) = (pick(seed), pick(seed));
    let (id, other_id) = (world.mailbox(&name), world.mailbox(&other));
    let mailbox = model.mailboxes[&name].clone();
    let fold = |name: &str| {
        if name.starts_with("inbox") || name.starts_with("Inbox") {
            format!("INBOX{}", &name[5..])
        } else {
            name.to_owned()
        }
    };
    match seed.below(14) {
        0..4 => {
            let count = seed.below(3) + 1;
            let mut keywords: Vec<String> =
                (0..seed.below(3)).map(|_| format!("k{}", seed.below(40))).collect();
            keywords.dedup();
            let contents: Vec<Vec<u8>> = (0..count).map(|_| content(seed)).collect();
            let flags = if seed.one_in(2) { Flags::SEEN.with(Flags::DELETED) } else { Flags::default() };
            let without = [None, Some(true), Some(false)][seed.below(3) as usize];
            let result = world.run(async {
                let mut messages = Vec::new();
                for content in &contents {
                    let keywords: Vec<&str> = keywords.iter().map(String::as_str).collect();
                    let message = new_message(shard, content, flags, &keywords).await?;
                    messages.push(NewMessage { has_documents: without, ..message });
                }
                shard.append(ACCOUNT, id, messages).await
            });
            let result = result.unwrap();
            let mailbox = model.mailboxes.get_mut(&name).unwrap();
            let next = shard.with_account(ACCOUNT, |account| account.next_message().0).unwrap();
            let first = next - contents.len() as u32;
            if without == Some(false) && model.looked == first {
                model.looked = next;
            }
            for (number, (content, uid)) in (first..).zip(contents.into_iter().zip(result.uids)) {
                assert_eq!(uid.get(), mailbox.uid_next);
                mailbox.uid_next += 1;
                let mut names: BTreeSet<String> = keywords.iter().cloned().collect();
                if flags.contains(Flags::SEEN) {
                    names.extend(["\\Seen".to_owned(), "\\Deleted".to_owned()]);
                }
                mailbox.messages.insert(uid.get(), Message { number, content, flags: names });
            }
            "append"
        }
        13 => {
            let next = shard.with_account(ACCOUNT, |account| account.next_message().0).unwrap();
            if seed.one_in(6) {
                world.run(shard.forget_documents(ACCOUNT)).unwrap();
                (model.documents, model.looked) = (BTreeMap::new(), 0);
                return "forget documents";
            }
            // Some were looked at before, some are not there.
            let from = model.looked.saturating_sub(2);
            let upto = from + seed.below(u64::from(next - from) + 4) as u32;
            let some: Vec<u32> = (from..upto + 2).filter(|_| seed.one_in(2)).collect();
            let texts = |number: &u32| -> Vec<Document> {
                let document = |part: u64| Document {
                    part: format!("2.{part}"),
                    kind: part as u8,
                    outcome: 0,
                    cut: seed.one_in(9),
                    text: format!("of {number} ").repeat(seed.below(40_000) as usize % 3_000),
                };
                (0..seed.below(3)).map(document).collect()
            };
            let found: Vec<(u32, Vec<Document>)> = some.iter().map(|n| (*n, texts(n))).collect();
            let records = found.iter().map(|(n, texts)| {
                let number = MessageNumber(*n);
                (number, DocumentsRecord::new(EmailId::of(ACCOUNT, number), texts))
            });
            // Where it begins behind what was looked at, nothing is added.
            let from = from + upto % 4;
            let looked = MessageNumber(from)..MessageNumber(upto);
            world.run(shard.add_documents(ACCOUNT, records.collect(), looked)).unwrap();
            if from <= model.looked {
                let (looked, upto) = (model.looked, upto.min(next));
                model.documents.extend(found.into_iter().filter(|(n, _)| (looked..upto).contains(n)));
                model.looked = looked.max(upto);
            }
            "documents"
        }
        4 | 5 => {
            let uids = uid_set(&mailbox, seed);
            let mode = [FlagMode::Add, FlagMode::Remove, FlagMode::Replace][seed.below(3) as usize];
            let (system, flag) = SYSTEM[seed.below(5) as usize];
            let keywords: Vec<String> = (0..seed.below(2)).map(|_| format!("k{}", seed.below(40))).collect();
            let change = FlagChange { mode, flags: flag, keywords: keywords.clone() };
            let result = world.run(shard.store_flags(ACCOUNT, id, &uids, change, None)).unwrap();
            let named: BTreeSet<String> = keywords.into_iter().chain([system.to_owned()]).collect();
            let mailbox = model.mailboxes.get_mut(&name).unwrap();
            let mut changed = UidSet::new();
            for (uid, message) in &mut mailbox.messages {
                let uid = Uid::new(*uid).unwrap();
                assert_eq!(result.stored.contains(uid), uids.contains(uid));
                if !uids.contains(uid) {
                    continue;
                }
                let before = message.flags.clone();
                match mode {
                    FlagMode::Add => message.flags.extend(named.iter().cloned()),
                    FlagMode::Remove => message.flags.retain(|flag| !named.contains(flag)),
                    FlagMode::Replace => message.flags.clone_from(&named),
                }
                if message.flags != before {
                    changed.insert(uid);
                }
            }
            assert_eq!(result.changed, changed);
            let seen: UidSet = shard
                .with_account(ACCOUNT, |account| {
                    let mailbox = account.mailbox(id).unwrap();
                    assert_eq!(mailbox.highest_modseq(), result.modseq);
                    let before = ModSeq::new(result.modseq.get() - 1).unwrap_or(ModSeq::FIRST);
                    mailbox.changes_since(before).iter().map(|row| row.uid).collect()
                })
                .unwrap();
            assert!(changed.is_empty() || seen == changed, "changes_since tells what changed");
            "store"
        }
        6 => {
            let (uids, only_deleted) = (uid_set(&mailbox, seed), seed.one_in(2));
            let some = (!seed.one_in(3)).then_some(&uids);
            let result = world.run(shard.expunge(ACCOUNT, id, some, only_deleted)).unwrap();
            let mailbox = model.mailboxes.get_mut(&name).unwrap();
            let doomed: Vec<u32> = mailbox
                .messages
                .iter()
                .filter(|(uid, _)| some.is_none_or(|uids| uids.contains(Uid::new(**uid).unwrap())))
                .filter(|(_, message)| !only_deleted || message.flags.contains("\\Deleted"))
                .map(|(uid, _)| *uid)
                .collect();
            assert_eq!(result.uids.iter().map(Uid::get).collect::<Vec<_>>(), doomed);
            for uid in doomed {
                mailbox.messages.remove(&uid);
                mailbox.expunged.insert(uid);
            }
            "expunge"
        }
        7 | 8 => {
            let (uids, moving) = (uid_set(&mailbox, seed), seed.one_in(2));
            let result = world.run(async {
                if moving {
                    shard.move_messages(ACCOUNT, id, other_id, &uids).await
                } else {
                    shard.copy(ACCOUNT, id, other_id, &uids).await
                }
            });
            let result = result.unwrap();
            let source: Vec<u32> = mailbox
                .messages
                .keys()
                .copied()
                .filter(|uid| uids.contains(Uid::new(*uid).unwrap()))
                .collect();
            assert_eq!(result.source.iter().map(|uid| uid.get()).collect::<Vec<_>>(), source);
            for (uid, target) in source.iter().zip(&result.target) {
                let message = mailbox.messages[uid].clone();
                let to = model.mailboxes.get_mut(&other).unwrap();
                assert_eq!(target.get(), to.uid_next);
                to.messages.insert(to.uid_next, message);
                to.uid_next += 1;
                if moving {
                    let from = model.mailboxes.get_mut(&name).unwrap();
                    from.messages.remove(uid);
                    from.expunged.insert(*uid);
                }
            }
            if moving { "move" } else { "copy" }
        }
        9 => {
            let new = NAMES[seed.below(8) as usize];
            *next_validity += 1;
            let validity = UidValidity::new(*next_validity).unwrap();
            let result = world.run(shard.create_mailbox(ACCOUNT, new, SpecialUses::NONE, validity));
            let new = fold(new);
            if model.mailboxes.contains_key(&new) {
                assert_eq!(result, Err(ChangeError::AlreadyExists));
                return "create refused";
            }
            result.unwrap();
            let empty = Mailbox {
                uid_validity: *next_validity,
                uid_next: 1,
                messages: BTreeMap::new(),
                expunged: BTreeSet::new(),
            };
            model.mailboxes.insert(new, empty);
            "create"
        }
        10 => {
            let gone = NAMES[seed.below(8) as usize];
            let result = world.run(shard.delete_mailbox(ACCOUNT, gone));
            let gone = fold(gone);
            let has_children = model.mailboxes.keys().any(|name| name.starts_with(&format!("{gone}/")));
            match model.mailboxes.contains_key(&gone) {
                _ if gone == "INBOX" => assert_eq!(result, Err(ChangeError::Inbox)),
                true => {
                    result.unwrap();
                    model.mailboxes.remove(&gone);
                    return "delete";
                }
                false if has_children => assert_eq!(result, Err(ChangeError::HasChildren)),
                false => assert_eq!(result, Err(ChangeError::NoSuchMailbox)),
            }
            "delete refused"
        }
        11 => {
            let changes: Vec<(String, Option<Vec<u8>>)> = (0..seed.below(4))
                .map(|_| {
                    let len = [0, 3, 900][seed.below(3) as usize];
                    let value = (!seed.one_in(3)).then(|| vec![seed.below(256) as u8; len]);
                    (format!("/private/{}", seed.below(6)), value)
                })
                .collect();
            world.run(shard.annotate(ACCOUNT, &changes)).unwrap();
            for (name, value) in changes {
                match value {
                    Some(value) => model.annotations.insert(name, value),
                    None => model.annotations.remove(&name),
                };
            }
            "annotate"
        }
        _ => {
            let (from, to) = (NAMES[seed.below(8) as usize], NAMES[seed.below(8) as usize]);
            *next_validity += 1;
            let validity = UidValidity::new(*next_validity).unwrap();
            let result = world.run(shard.rename_mailbox(ACCOUNT, from, to, validity));
            let Ok(renamed) = result else { return "rename refused" };
            let (from, to) = (fold(from), fold(to));
            assert!(!model.mailboxes.contains_key(&to));
            if from == "INBOX" {
                let inbox = model.mailboxes.get_mut("INBOX").unwrap();
                let moved: Vec<Message> = std::mem::take(&mut inbox.messages)
                    .into_iter()
                    .map(|(uid, message)| {
                        inbox.expunged.insert(uid);
                        message
                    })
                    .collect();
                let target = Mailbox {
                    uid_validity: *next_validity,
                    uid_next: 1 + moved.len() as u32,
                    messages: (1..).zip(moved).collect(),
                    expunged: BTreeSet::new(),
                };
                model.mailboxes.insert(to, target);
                return "rename of INBOX";
            }
            for (id, old, new) in renamed.names {
                let mut mailbox = model.mailboxes.remove(&*old).unwrap();
                assert_eq!(*new, format!("{to}{}", old.strip_prefix(&from).unwrap()));
                // Its own UIDVALIDITY, or the new one when the name has had a greater one.
                let validity = shard
                    .with_account(ACCOUNT, |account| account.mailbox(id).unwrap().uid_validity().get())
                    .unwrap();
                assert!(validity == mailbox.uid_validity || validity == *next_validity);
                mailbox.uid_validity = validity;
                assert!(model.mailboxes.insert(new.to_string(), mailbox).is_none());
            }
            "rename"
        }
    }
}

#[test]
fn a_shard_does_what_the_model_does() {
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut checkpoints, mut greatest, mut with_dictionary) = (0, 0, 0);
    for run in 0..12u64 {
        let seed = SimSeed::new(run);
        let mut world = open(trawl_store::disk::sim::SimDisk::new(), run, options());
        let mut next_validity = 106;
        world.run(world.shard.create_account(ACCOUNT, "somebody", validities(100))).unwrap();
        let mut model = observed(&world);
        assert_eq!(model.subscriptions.len(), 6);
        // The greatest UIDVALIDITY that each name has had.
        let mut validities: BTreeMap<String, u32> = BTreeMap::new();
        for nth in 0..120 {
            let at = format!("run {run}, step {nth}");
            let what = step(&world, &mut model, &seed, &mut next_validity);
            *done.entry(what).or_default() += 1;
            for (name, mailbox) in &model.mailboxes {
                let had = validities.entry(name.clone()).or_default();
                assert!(mailbox.uid_validity >= *had, "{at} ({what}): the UIDVALIDITY of {name} went back");
                *had = mailbox.uid_validity;
            }
            let checked = nth % 10 == 9;
            if checked {
                assert_eq!(observed(&world), model, "{at} ({what})");
            }
            if seed.one_in(25) {
                checkpoints += world.shard.stats().checkpoints_written;
                let disk = if seed.one_in(2) { world.disk.after_kill() } else { world.disk.after_crash(nth) };
                world.executor.drop_tasks();
                world = open(disk, run * 1_000 + nth, options());
                let report = world.shard.report();
                assert!(
                    report.misfits.is_empty() && report.damaged_checkpoints.is_empty(),
                    "{at}: {report:?}"
                );
                assert!(report.log.corruption.is_empty(), "{at}: {report:?}");
                greatest = greatest.max(report.checkpoint.map_or(0, |lsn| lsn.0));
                assert_eq!(observed(&world), model, "{at}, reopened");
                *done.entry("reopen").or_default() += 1;
            }
        }
        with_dictionary += u32::from(world.shard.stats().dictionary_bytes > 0);
        // A clean stop leaves nothing to replay.
        world.run(world.shard.stop());
        let again = open(world.disk.after_kill(), run, options());
        assert_eq!(again.shard.report().log.commits, 0, "run {run}");
        assert_eq!(observed(&again), model, "run {run}, from the checkpoint alone");
        // Without checkpoints the log says the same.
        let disk = world.disk.after_kill();
        for path in disk.files() {
            if path.contains("checkpoint-") {
                disk.poke(&path, b"rubbish");
            }
        }
        let replayed = open(disk, run, options());
        assert!(replayed.shard.report().checkpoint.is_none());
        assert!(!replayed.shard.report().damaged_checkpoints.is_empty());
        assert_eq!(observed(&replayed), model, "run {run}, from the log alone");
    }
    for what in [
        "append",
        "store",
        "expunge",
        "copy",
        "move",
        "create",
        "delete",
        "rename",
        "rename of INBOX",
        "annotate",
        "documents",
        "forget documents",
        "reopen",
    ] {
        assert!(done.contains_key(what), "{what} never happened: {done:?}");
    }
    assert!(checkpoints > 0 && greatest > 0, "no checkpoint was written and used");
    assert!(with_dictionary > 6, "dictionaries were in use at the end of {with_dictionary} runs");
}
