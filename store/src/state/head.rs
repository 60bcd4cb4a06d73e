//! What an account will look like when everything queued is durable: the visible state and the queued operations
//! over it. Changes are computed against this and never shown from it.
//!
//! It holds: with nothing queued there is no overlay; when a commit fails, everything queued behind it fails as well,
//! so the overlay is dropped whole.

use super::account::Account;
use super::mailbox::Mailbox;
use super::ops::Op;
use crate::types::{Flags, MailboxId, MessageNumber, ModSeq, Row, Uid};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// The overlay of one account.
#[derive(Default)]
pub(crate) struct Head {
    /// Commits that are queued and not settled.
    queued: u32,
    next_message: u32,
    threads: HashMap<u64, MessageNumber>,
    /// As the last queued operation on documents leaves them.
    documents: Option<Looked>,
    mailboxes: BTreeMap<MailboxId, HeadMailbox>,
}

#[derive(Default)]
struct HeadMailbox {
    uid_next: u32,
    modseq: u64,
    flags: HashMap<Uid, (Flags, ModSeq)>,
    expunged: BTreeSet<Uid>,
    keywords: Vec<Rc<str>>,
}

/// How far documents have been looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Looked {
    /// Messages below were.
    pub seen: MessageNumber,
    /// The serial that the next text gets.
    pub next_serial: u32,
}

impl Head {
    pub fn is_idle(&self) -> bool {
        self.queued == 0
    }

    pub fn next_message(&self, account: &Account) -> MessageNumber {
        account.messages.next().max(MessageNumber(self.next_message))
    }

    pub fn documents(&self, account: &Account) -> Looked {
        let visible = Looked { seen: account.documents.seen(), next_serial: account.documents.next_serial() };
        self.documents.unwrap_or(visible)
    }

    pub fn thread(&self, account: &Account, hash: u64) -> Option<MessageNumber> {
        account.threads.get(hash).or_else(|| self.threads.get(&hash).copied())
    }

    /// A mailbox as it will be.
    pub fn mailbox<'a>(&'a self, mailbox: &'a Mailbox) -> MailboxHead<'a> {
        MailboxHead { mailbox, over: self.mailboxes.get(&mailbox.id) }
    }

    /// A commit was queued; `account` as it is visible, if it is.
    pub fn note(&mut self, account: Option<&Account>, ops: &[Op]) {
        self.queued += 1;
        if let Some(account) = account {
            self.note_documents(account, ops);
        }
        for op in ops {
            let Some(id) = op.mailbox() else { continue };
            let over = self.mailboxes.entry(id).or_default();
            match op {
                Op::Keywords { names, .. } => {
                    over.keywords.extend(names.iter().map(|name| Rc::from(name.as_str())))
                }
                Op::Append { modseq, messages, .. } => {
                    over.modseq = modseq.get();
                    for message in messages {
                        over.uid_next = message.uid.get() + 1;
                        self.next_message = message.message.0 + 1;
                        self.threads
                            .extend(message.thread_hashes.iter().map(|hash| (*hash, message.facts.thread)));
                    }
                }
                Op::Copy { modseq, first, rows, .. } => {
                    over.modseq = modseq.get();
                    over.uid_next = first.get() + rows.len() as u32;
                }
                Op::Flags { modseq, groups, .. } => {
                    over.modseq = modseq.get();
                    for (flags, uids) in groups {
                        over.flags.extend(uids.iter().map(|uid| (uid, (*flags, *modseq))));
                    }
                }
                Op::Expunge { modseq, uids, .. } => {
                    over.modseq = modseq.get();
                    over.expunged.extend(uids.iter());
                }
                Op::Raise { uid_next, modseq, .. } => {
                    over.uid_next = over.uid_next.max(uid_next.get());
                    over.modseq = over.modseq.max(modseq.get());
                }
                _ => {}
            }
        }
    }

    fn note_documents(&mut self, account: &Account, ops: &[Op]) {
        for op in ops {
            let before = self.documents(account);
            let after = match op {
                Op::DocumentsSeen { upto } => Looked { seen: before.seen.max(*upto), ..before },
                Op::Documents { first, records } => {
                    let seen = records.last().map_or(before.seen, |(last, _)| MessageNumber(last.0 + 1));
                    Looked {
                        seen: before.seen.max(seen),
                        next_serial: first.saturating_add(records.len() as u32),
                    }
                }
                Op::DocumentsForgotten => Looked { seen: MessageNumber(0), ..before },
                _ => continue,
            };
            self.documents = Some(after);
        }
    }

    /// The oldest queued commit was applied.
    pub fn applied(&mut self, ops: &[Op]) {
        self.queued -= 1;
        if self.queued == 0 {
            return self.clear();
        }
        for op in ops {
            let Some(over) = op.mailbox().and_then(|id| self.mailboxes.get_mut(&id)) else { continue };
            match op {
                Op::Keywords { names, .. } => {
                    over.keywords.drain(..names.len().min(over.keywords.len()));
                }
                Op::Append { messages, .. } => {
                    for hash in messages.iter().flat_map(|message| &message.thread_hashes) {
                        self.threads.remove(hash);
                    }
                }
                Op::Flags { modseq, groups, .. } => {
                    for uid in groups.iter().flat_map(|(_, uids)| uids.iter()) {
                        if over.flags.get(&uid).is_some_and(|(_, at)| at == modseq) {
                            over.flags.remove(&uid);
                        }
                    }
                }
                Op::Expunge { uids, .. } => {
                    for uid in uids.iter() {
                        over.expunged.remove(&uid);
                        over.flags.remove(&uid);
                    }
                }
                _ => {}
            }
        }
    }

    /// The oldest queued commit failed, and with it all behind it.
    pub fn failed(&mut self) {
        self.queued -= 1;
        self.clear();
    }

    fn clear(&mut self) {
        *self = Head { queued: self.queued, ..Head::default() };
    }
}

/// One mailbox as it will be when everything queued is durable.
#[derive(Clone, Copy)]
pub(crate) struct MailboxHead<'a> {
    pub mailbox: &'a Mailbox,
    over: Option<&'a HeadMailbox>,
}

impl<'a> MailboxHead<'a> {
    /// The UID that the next message gets.
    pub fn uid_next(&self) -> u32 {
        self.over.map_or(0, |over| over.uid_next).max(self.mailbox.uid_next.get())
    }

    pub fn modseq(&self) -> ModSeq {
        let queued = self.over.and_then(|over| ModSeq::new(over.modseq));
        queued.map_or(self.mailbox.highest_modseq, |queued| queued.max(self.mailbox.highest_modseq))
    }

    /// The row as it will be; `None` when it will be gone. `row` is visible.
    pub fn row(&self, row: Row) -> Option<Row> {
        let Some(over) = self.over else { return Some(row) };
        if over.expunged.contains(&row.uid) {
            return None;
        }
        match over.flags.get(&row.uid) {
            Some((flags, modseq)) => Some(Row { flags: *flags, modseq: *modseq, ..row }),
            None => Some(row),
        }
    }

    pub fn keywords(&self) -> impl Iterator<Item = &'a Rc<str>> {
        self.mailbox.keywords.iter().chain(self.over.into_iter().flat_map(|over| &over.keywords))
    }
}
