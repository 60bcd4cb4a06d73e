//! Applying the operations of a durable commit. The same code serves the running shard and recovery.
//!
//! It decides nothing. An operation that does not fit (what it builds on was lost) changes nothing and is reported; on
//! a running shard that cannot be.

use super::account::Account;
use super::annotations::Annotations;
use super::documents::DocumentTable;
use super::expunged::Expunged;
use super::mailbox::{Journal, Mailbox};
use super::ops::{Appended, Op};
use super::rows::Rows;
use crate::event::Event;
use crate::limits;
use crate::types::{AccountId, Counts, Flags, MailboxId, ModSeq, Row, Uid};
use crate::uid_set::UidSet;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// All accounts of a shard, as they are visible.
#[derive(Default)]
pub(crate) struct State {
    pub accounts: BTreeMap<AccountId, Account>,
}

/// What a commit woke up: notify these when the state is no longer borrowed.
#[derive(Default)]
pub(crate) struct Touched {
    account: bool,
    mailboxes: Vec<MailboxId>,
    events: Vec<Event>,
}

impl Touched {
    pub fn notify(self) {
        self.events.iter().for_each(Event::notify);
    }

    /// Counts the mailbox's version up, once a commit.
    fn mailbox(&mut self, mailbox: &mut Mailbox) {
        if !self.mailboxes.contains(&mailbox.id) {
            self.mailboxes.push(mailbox.id);
            self.events.push(mailbox.changed.clone());
            mailbox.version += 1;
        }
    }
}

/// An operation that does not fit: what is wrong.
pub(crate) type Misfit = &'static str;

impl State {
    /// Applies a commit; what did not fit.
    pub fn apply(&mut self, id: AccountId, ops: &[Op], touched: &mut Touched) -> Vec<Misfit> {
        ops.iter().filter_map(|op| self.apply_one(id, op, touched).err()).collect()
    }

    fn apply_one(&mut self, id: AccountId, op: &Op, touched: &mut Touched) -> Result<(), Misfit> {
        match op {
            Op::AccountCreate { name } => {
                if self.accounts.contains_key(&id) {
                    return Err("the account exists");
                }
                self.accounts.insert(id, Account::new(id, name));
                Ok(())
            }
            Op::AccountErase => {
                let mut account = self.accounts.remove(&id).ok_or("no such account")?;
                account.mailboxes.values_mut().for_each(|mailbox| mailbox.end(touched));
                touched.events.push(account.changed);
                Ok(())
            }
            _ => self.accounts.get_mut(&id).ok_or("no such account")?.apply(op, touched),
        }
    }
}

impl Account {
    fn new(id: AccountId, name: &str) -> Account {
        Account {
            id,
            name: name.into(),
            mailboxes: BTreeMap::new(),
            names: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            former: BTreeMap::new(),
            former_floor: 0,
            annotations: Annotations::default(),
            documents: DocumentTable::default(),
            documents_changed: Event::new(),
            messages: Default::default(),
            threads: Default::default(),
            next_mailbox: MailboxId(1),
            changed: Event::new(),
        }
    }

    fn apply(&mut self, op: &Op, touched: &mut Touched) -> Result<(), Misfit> {
        match op {
            Op::AccountCreate { .. } | Op::AccountErase => unreachable!("handled by the state"),
            Op::MailboxCreate { mailbox: id, object_id, name, uid_validity, special_uses } => {
                if self.mailboxes.contains_key(id) || self.names.contains_key(name.as_str()) {
                    return Err("the mailbox exists");
                }
                let name: Rc<str> = name.as_str().into();
                self.names.insert(name.clone(), *id);
                self.next_mailbox = self.next_mailbox.max(MailboxId(id.0.saturating_add(1)));
                let mailbox = Mailbox {
                    id: *id,
                    object_id: *object_id,
                    name,
                    uid_validity: *uid_validity,
                    uid_next: Uid::MIN,
                    highest_modseq: ModSeq::FIRST,
                    special_uses: *special_uses,
                    keywords: Rc::default(),
                    rows: Rows::default(),
                    expunged: Expunged::default(),
                    counts: Counts::default(),
                    version: 0,
                    changed: Event::new(),
                    views: Rc::default(),
                    journal: Journal::starting_at(ModSeq::FIRST),
                };
                self.mailboxes.insert(*id, mailbox);
            }
            Op::MailboxDelete { mailbox: id } => {
                let mut mailbox = self.mailboxes.remove(id).ok_or("no such mailbox")?;
                self.names.remove(&mailbox.name);
                self.give_up_name(mailbox.name.clone(), mailbox.uid_validity.get());
                mailbox.end(touched);
            }
            Op::MailboxRename { mailbox: id, name, uid_validity } => {
                if self.names.contains_key(name.as_str()) {
                    return Err("the new name exists");
                }
                let mailbox = self.mailboxes.get_mut(id).ok_or("no such mailbox")?;
                let (old, old_validity) = (mailbox.name.clone(), mailbox.uid_validity.get());
                let name: Rc<str> = name.as_str().into();
                mailbox.name = name.clone();
                mailbox.uid_validity = *uid_validity;
                touched.mailbox(mailbox);
                self.names.remove(&old);
                self.names.insert(name, *id);
                self.give_up_name(old, old_validity);
            }
            Op::Subscribe { name } => {
                self.subscriptions.insert(name.as_str().into());
            }
            Op::Unsubscribe { name } => {
                self.subscriptions.remove(name.as_str());
            }
            Op::Annotate { name, value } => self.annotations.set(name, value.as_deref()),
            Op::DocumentsSeen { .. } | Op::Documents { .. } | Op::DocumentsForgotten => {
                return self.apply_documents(op, touched);
            }
            Op::Keywords { .. }
            | Op::Append { .. }
            | Op::Copy { .. }
            | Op::Flags { .. }
            | Op::Expunge { .. }
            | Op::Raise { .. } => {
                return self.apply_to_mailbox(op, touched);
            }
        }
        if !std::mem::replace(&mut touched.account, true) {
            touched.events.push(self.changed.clone());
        }
        Ok(())
    }

    fn apply_documents(&mut self, op: &Op, touched: &mut Touched) -> Result<(), Misfit> {
        let mut result = Ok(());
        match op {
            Op::DocumentsSeen { upto } => self.documents.see(*upto),
            Op::Documents { first, records } => {
                for (serial, (message, address)) in (*first..).zip(records) {
                    let known = self.messages.get(*message).is_some();
                    if !known || !self.documents.add(*message, serial, *address) {
                        result = Err("documents of an unknown message, or out of order");
                    }
                }
                touched.events.push(self.documents_changed.clone());
            }
            _ => {
                self.documents.forget();
                touched.events.push(self.documents_changed.clone());
            }
        }
        result
    }

    /// Remembers which UIDVALIDITY a name had that is free now.
    fn give_up_name(&mut self, name: Rc<str>, uid_validity: u32) {
        let known = self.former.entry(name).or_default();
        *known = uid_validity.max(*known);
        while self.former.len() > limits::former_names_max {
            let Some((name, lowest)) = self
                .former
                .iter()
                .min_by_key(|(_, validity)| **validity)
                .map(|(name, low)| (name.clone(), *low))
            else {
                break;
            };
            self.former.remove(&name);
            self.former_floor = self.former_floor.max(lowest);
        }
    }

    fn apply_to_mailbox(&mut self, op: &Op, touched: &mut Touched) -> Result<(), Misfit> {
        let id = op.mailbox().ok_or("no mailbox named")?;
        let mailbox = self.mailboxes.get_mut(&id).ok_or("no such mailbox")?;
        touched.mailbox(mailbox);
        match op {
            Op::Keywords { first, names, .. } => {
                let (first, known) = (*first as usize, Rc::make_mut(&mut mailbox.keywords));
                if first != known.len() || known.len() + names.len() > Flags::KEYWORDS_MAX {
                    return Err("keywords out of step");
                }
                known.extend(names.iter().map(|name| Rc::from(name.as_str())));
                known.shrink_to_fit();
                Ok(())
            }
            Op::Append { modseq, save_date, messages, .. } => {
                let mut result = Ok(());
                for message in messages {
                    let Appended { uid, message: number, facts, flags, thread_hashes } = message;
                    if !self.messages.add(*number, facts) {
                        result = Err("a message number given out twice");
                        continue;
                    }
                    thread_hashes.iter().for_each(|hash| self.threads.add(*hash, facts.thread));
                    let row = Row {
                        uid: *uid,
                        message: *number,
                        flags: *flags,
                        modseq: *modseq,
                        save_date: *save_date,
                    };
                    result = result.and(mailbox.push(&row, facts.size));
                }
                mailbox.step(*modseq, messages.iter().map(|message| message.uid).collect());
                result
            }
            Op::Copy { modseq, save_date, first, rows, .. } => {
                let mut result = Ok(());
                let mut uids = UidSet::new();
                for (nth, (message, flags)) in rows.iter().enumerate() {
                    let uid =
                        first.get().checked_add(nth as u32).and_then(Uid::new).ok_or("UID out of range")?;
                    let row =
                        Row { uid, message: *message, flags: *flags, modseq: *modseq, save_date: *save_date };
                    let Some(facts) = self.messages.get(*message) else {
                        result = Err("a copy of an unknown message");
                        continue;
                    };
                    result = result.and(mailbox.push(&row, facts.size));
                    uids.insert(uid);
                }
                mailbox.step(*modseq, uids);
                result
            }
            Op::Flags { modseq, groups, .. } => {
                let mut result = Ok(());
                let mut all = UidSet::new();
                for (flags, uids) in groups {
                    // From the rows that exist, so that damaged sets of any size cost no more than the mailbox has.
                    let found: Vec<Row> = mailbox.rows_in(uids).collect();
                    if found.len() as u64 != uids.len() {
                        result = Err("flags of an unknown UID");
                    }
                    for row in found {
                        let size = self.messages.get(row.message).map_or(0, |facts| facts.size);
                        mailbox.rows.set_flags(row.uid, *flags, *modseq);
                        mailbox.counts.remove(row.flags, size);
                        mailbox.counts.add(*flags, size);
                    }
                    all = all.union(uids);
                }
                mailbox.step(*modseq, all);
                result
            }
            Op::Expunge { modseq, uids, .. } => {
                let found: Vec<Uid> = mailbox.rows_in(uids).map(|row| row.uid).collect();
                let result = if found.len() as u64 == uids.len() {
                    Ok(())
                } else {
                    Err("an expunge of an unknown UID")
                };
                let removed = mailbox.rows.remove(found.into_iter());
                for row in &removed {
                    let size = self.messages.get(row.message).map_or(0, |facts| facts.size);
                    mailbox.counts.remove(row.flags, size);
                }
                mailbox.views.expunged(&removed, mailbox.version);
                mailbox.expunged.add(uids, *modseq);
                mailbox.highest_modseq = mailbox.highest_modseq.max(*modseq);
                result
            }
            Op::Raise { uid_next, modseq, .. } => {
                mailbox.uid_next = mailbox.uid_next.max(*uid_next);
                mailbox.highest_modseq = mailbox.highest_modseq.max(*modseq);
                Ok(())
            }
            _ => Err("not an operation on a mailbox"),
        }
    }
}

impl Mailbox {
    fn push(&mut self, row: &Row, size: u32) -> Result<(), Misfit> {
        if row.uid < self.uid_next {
            return Err("a UID given out twice");
        }
        // `Uid::MAX` is never given out, so that there is always a UIDNEXT.
        let next = row.uid.get().checked_add(1).and_then(Uid::new).ok_or("UID out of range")?;
        if !self.rows.push(row) {
            return Err("a UID below the last");
        }
        self.uid_next = next;
        self.counts.add(row.flags, size);
        Ok(())
    }

    /// A commit with `modseq` changed these rows.
    fn step(&mut self, modseq: ModSeq, uids: UidSet) {
        self.highest_modseq = self.highest_modseq.max(modseq);
        self.journal.add(modseq, uids);
    }

    /// The mailbox is gone: everything becomes a ghost for the views that are left.
    fn end(&mut self, touched: &mut Touched) {
        touched.mailbox(self);
        if self.views.are_held() {
            let rows: Vec<Row> = self.rows.iter().collect();
            self.views.expunged(&rows, self.version);
        }
    }
}

impl Counts {
    pub(crate) fn add(&mut self, flags: Flags, size: u32) {
        self.messages += 1;
        self.size += u64::from(size);
        self.unseen += u32::from(!flags.contains(Flags::SEEN));
        if flags.contains(Flags::DELETED) {
            self.deleted += 1;
            self.deleted_size += u64::from(size);
        }
    }

    pub(crate) fn remove(&mut self, flags: Flags, size: u32) {
        self.messages -= 1;
        self.size -= u64::from(size);
        self.unseen -= u32::from(!flags.contains(Flags::SEEN));
        if flags.contains(Flags::DELETED) {
            self.deleted -= 1;
            self.deleted_size -= u64::from(size);
        }
    }
}
