//! `trawl check`: verifies every checksum and every reference of a store, without writing a byte.
//!
//! Not here: repairing. It reads all of every log (not from the checkpoints, which are compared with the result), every
//! message record and every chunk that a mailbox refers to.

use crate::checkpoint;
use crate::clock::Clock;
use crate::directory::{Directory, DirectoryEnv, UserState, Users, route};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::limits;
use crate::log::{Address, RecoveryReport};
use crate::meta::{self, StoreMeta};
use crate::seed::Seed;
use crate::shard::{Env, MessageRecord, Shard, ShardOptions, shard_dir};
use crate::types::{EmailId, MessageFacts, MessageNumber, ShardId};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    pub shards: u64,
    pub segments: u64,
    /// Records of the logs, every checksum verified.
    pub records: u64,
    pub log_bytes: u64,
    pub commits: u64,
    pub checkpoints: u64,
    pub users: u64,
    pub accounts: u64,
    pub mailboxes: u64,
    pub annotations: u64,
    /// Messages in mailboxes, a copy counting again.
    pub rows: u64,
    /// Messages that were read in full.
    pub messages: u64,
    /// Octets of them.
    pub message_bytes: u64,
    /// Messages whose documents' texts were read.
    pub documents: u64,
    /// What is wrong, at most `limits::check_problems_max` of them.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problems_count: u64,
    /// What is worth knowing and not wrong: a torn tail, for example.
    pub notes: Vec<String>,
}

impl CheckReport {
    pub fn is_sound(&self) -> bool {
        self.problems_count == 0
    }

    fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problems_count += 1;
        if self.problems.len() < limits::check_problems_max {
            self.problems.push(Problem { place: place.into(), what: what.into() });
        }
    }

    fn log(&mut self, dir: &str, log: &RecoveryReport) {
        self.segments += u64::from(log.segments);
        self.records += log.records;
        self.commits += log.commits;
        self.log_bytes += log.bytes;
        for bad in &log.corruption {
            let what = format!(
                "acknowledged records {} to {} cannot be read (up to {})",
                bad.first, bad.last, bad.to
            );
            self.problem(format!("{dir}/{}", bad.from), what);
        }
        if let Some(cut) = &log.cut {
            self.notes
                .push(format!("{dir}/{}: a torn tail of a crash, never acknowledged and not read", cut.from));
        }
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File and offset, or account, mailbox and UID.
    pub place: String,
    pub what: String,
}

/// Checks the store in the root of `disk`, which nobody has open. `progress` is told from time to time what is being
/// looked at.
///
/// # Errors
/// Only when there is nothing to check: no store, or one of a later format. Everything else is a problem in the report.
pub async fn check(
    disk: Rc<dyn Disk>,
    clock: Rc<dyn Clock>,
    seed: Rc<dyn Seed>,
    progress: &mut dyn FnMut(&str),
) -> Result<CheckReport, StoreError> {
    let mut report = CheckReport::default();
    let meta = StoreMeta::read(&*disk).await?;
    let Some(meta) = meta else {
        return Err(StoreError::Corrupt { path: meta::PATH.to_owned(), what: "is not there".to_owned() });
    };
    let (store_uuid, epoch, shards) = (meta.uuid, meta.epoch, meta.shards);
    progress("directory");
    let env = DirectoryEnv {
        disk: disk.clone(),
        clock: clock.clone(),
        seed: seed.clone(),
        store_uuid,
        epoch,
        shards,
    };
    let users = match Directory::open(env, true).await {
        Ok(directory) => {
            report.log(crate::directory::DIR, directory.report());
            directory.misfits().iter().for_each(|misfit| report.problem(crate::directory::DIR, misfit));
            Some(directory.users())
        }
        Err(error) => {
            report.problem(crate::directory::DIR, error.to_string());
            None
        }
    };
    report.users = users.as_ref().map_or(0, |users| users.iter().count() as u64);
    for shard in (0..shards).map(ShardId) {
        report.shards += 1;
        let env =
            Env { disk: disk.clone(), clock: clock.clone(), seed: seed.clone(), shard, store_uuid, epoch };
        check_shard(env, shards, users.as_ref(), &mut report, progress).await?;
    }
    Ok(report)
}

async fn check_shard(
    env: Env,
    shards: u16,
    users: Option<&Arc<Users>>,
    report: &mut CheckReport,
    progress: &mut dyn FnMut(&str),
) -> Result<(), StoreError> {
    let dir = shard_dir(env.shard);
    progress(&format!("{dir}: log"));
    let options = ShardOptions { read_only: true, ..ShardOptions::default() };
    let shard = match Shard::open_from(env.clone(), options.clone(), false).await {
        Ok(shard) => shard,
        Err(error) => {
            report.problem(dir, error.to_string());
            return Ok(());
        }
    };
    report.log(&format!("{dir}/log"), &shard.report().log);
    shard.report().misfits.iter().for_each(|misfit| report.problem(&dir, misfit));
    check_checkpoints(&env, options, &dir, &shard, report, progress).await?;
    for user in users.into_iter().flat_map(|users| users.iter()).filter(|user| user.shard == env.shard) {
        if route(user.account, shards) != user.shard {
            report.problem(format!("user {}", user.name), "its account is routed to another shard");
        }
        if user.state == UserState::Active && shard.with_account(user.account, |_| ()).is_none() {
            report
                .problem(format!("user {}", user.name), format!("its account {} is not there", user.account));
        }
    }
    for account in shard.accounts() {
        let has_user = users.is_none_or(|users| users.iter().any(|user| user.account == account));
        if !has_user {
            report.notes.push(format!("{dir}: account {account} has no user"));
        }
        progress(&format!("{dir}: account {account}"));
        check_account(&shard, account, report).await;
    }
    Ok(())
}

/// Every checkpoint is read; the newest, with the log behind it, must say what all of the log says.
async fn check_checkpoints(
    env: &Env,
    options: ShardOptions,
    dir: &str,
    replayed: &Shard,
    report: &mut CheckReport,
    progress: &mut dyn FnMut(&str),
) -> Result<(), StoreError> {
    let names = match checkpoint::names(&*env.disk, dir).await {
        Ok(names) => names,
        Err(error) => {
            report.problem(dir, error.to_string());
            return Ok(());
        }
    };
    let any = !names.is_empty();
    for name in names {
        let path = format!("{dir}/{name}");
        progress(&path);
        report.checkpoints += 1;
        if let Err(what) = checkpoint::load(&*env.disk, &path, env).await {
            report.problem(path, what);
        }
    }
    if !any {
        return Ok(());
    }
    match Shard::open_from(env.clone(), options, true).await {
        Err(error) => report.problem(dir, format!("does not open from its checkpoint: {error}")),
        Ok(shard) => {
            let same = checkpoint::same(&shard.inner.state.borrow(), &replayed.inner.state.borrow());
            if !same {
                report.problem(dir, "its newest checkpoint and its log say different things");
            }
        }
    }
    Ok(())
}

/// Where a message is: for the operator, who knows mailboxes and not addresses.
type Places = Vec<String>;

async fn check_account(shard: &Shard, id: crate::types::AccountId, report: &mut CheckReport) {
    let mut messages: BTreeMap<MessageNumber, (MessageFacts, Places)> = BTreeMap::new();
    report.accounts += 1;
    shard.with_account(id, |account| {
        let annotations = account.annotations();
        report.annotations += annotations.len() as u64;
        let place = || format!("account {} ({id})", account.name());
        if annotations.len() > limits::annotations_per_account_max {
            report.problem(place(), format!("has {} annotations", annotations.len()));
        }
        for (name, value) in annotations.iter() {
            if name.len() > limits::annotation_name_bytes_max || value.len() > limits::annotation_bytes_max {
                report.problem(place(), format!("its annotation {name} is too long"));
            }
        }
        for mailbox in account.mailboxes() {
            report.mailboxes += 1;
            let place = |uid: String| {
                format!("account {} ({id}), mailbox {}, UID {uid}", account.name(), mailbox.name())
            };
            for row in mailbox.rows() {
                report.rows += 1;
                let here = place(row.uid.to_string());
                if row.uid >= mailbox.uid_next() {
                    report.problem(&here, format!("is not below UIDNEXT {}", mailbox.uid_next()));
                }
                if row.modseq > mailbox.highest_modseq() {
                    report.problem(&here, format!("has a MODSEQ above {}", mailbox.highest_modseq()));
                }
                match account.facts(row.message) {
                    None => report.problem(here, "refers to a message that the account does not have"),
                    Some(facts) => messages.entry(row.message).or_insert((facts, Vec::new())).1.push(here),
                }
            }
        }
    });
    check_documents(shard, id, &messages, report).await;
    let messages: Vec<(MessageFacts, Places)> = messages.into_values().collect();
    for batch in messages.chunks(limits::check_batch_messages) {
        let addresses: Vec<Address> = batch.iter().map(|(facts, _)| facts.address).collect();
        let records = shard.read_messages(&addresses).await;
        for ((facts, places), record) in batch.iter().zip(records) {
            let found = match record {
                Err(error) => Err(format!("its message record: {error}")),
                Ok(record) => check_message(shard, facts, &record).await,
            };
            match found {
                Ok(()) => {
                    report.messages += 1;
                    report.message_bytes += u64::from(facts.size);
                }
                Err(what) => places.iter().for_each(|place| report.problem(place, &what)),
            }
        }
    }
}

/// Every Documents record of a message in a mailbox is there, and is of that message.
async fn check_documents(
    shard: &Shard,
    id: crate::types::AccountId,
    messages: &BTreeMap<MessageNumber, (MessageFacts, Places)>,
    report: &mut CheckReport,
) {
    let entries = shard.with_account(id, |account| account.documents().iter().collect::<Vec<_>>());
    for entry in entries.unwrap_or_default() {
        let Some((_, places)) = messages.get(&entry.message) else { continue };
        let what = match shard.read_documents_record(entry.address).await {
            Ok((email_id, _)) if email_id == EmailId::of(id, entry.message) => {
                report.documents += 1;
                continue;
            }
            Ok(_) => format!("the texts of its documents at {} are of another message", entry.address),
            Err(error) => format!("the texts of its documents: {error}"),
        };
        places.iter().for_each(|place| report.problem(place, &what));
    }
}

/// The record says what memory says, and every chunk it refers to is there, whole and of the right length.
async fn check_message(shard: &Shard, facts: &MessageFacts, record: &MessageRecord) -> Result<(), String> {
    let recorded = (record.size, record.internal, record.sent_day);
    if recorded != (facts.size, facts.internal, facts.sent_day) {
        return Err(format!("its message record at {} is of another message", facts.address));
    }
    let mut start = 0u64;
    while start < u64::from(record.size) {
        let len = limits::read_run_bytes_max as usize;
        let bytes =
            shard.read_range_of(record, start, len).await.map_err(|error| format!("its content: {error}"))?;
        if bytes.is_empty() {
            return Err("its content is shorter than its record says".to_owned());
        }
        start += bytes.len() as u64;
    }
    Ok(())
}
