//! The frames of a checkpoint: from a snapshot of the state and back (`FORMAT.md`).
//!
//! A snapshot shares the pages of rows, messages and threads with the state: it costs a pointer a page, and the state
//! goes on while it is written.

use crate::codec::{BadBytes, Reader, Writer};
use crate::event::Event;
use crate::state::account::Account;
use crate::state::annotations::Annotations;
use crate::state::apply::State;
use crate::state::documents::DocumentTable;
use crate::state::expunged::{Expunged, ExpungedRange};
use crate::state::mailbox::{Journal, Mailbox};
use crate::state::messages::MessageTable;
use crate::state::rows::Rows;
use crate::state::thread::ThreadTable;
use crate::types::{
    AccountId, Counts, Flags, MailboxId, MailboxObjectId, MessageFacts, MessageNumber, ModSeq, Row,
    SpecialUses, Uid, UidValidity,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

const ACCOUNT: u8 = 1;
const MESSAGES: u8 = 2;
const THREADS: u8 = 3;
const MAILBOX: u8 = 4;
const ROWS: u8 = 5;
const EXPUNGED: u8 = 6;
const ANNOTATIONS: u8 = 7;
const DOCUMENTS: u8 = 8;
const DOCUMENTS_SEEN: u8 = 9;

/// Entries in a frame: what is encoded between two yields.
const ENTRIES: usize = 512;

/// A state as it was at one LSN.
pub(super) struct Snapshot {
    accounts: Vec<AccountSnapshot>,
}

struct AccountSnapshot {
    id: AccountId,
    name: Rc<str>,
    next_mailbox: MailboxId,
    former_floor: u32,
    former: BTreeMap<Rc<str>, u32>,
    subscriptions: BTreeSet<Rc<str>>,
    annotations: Annotations,
    documents: DocumentTable,
    messages: MessageTable,
    threads: ThreadTable,
    mailboxes: Vec<MailboxSnapshot>,
}

struct MailboxSnapshot {
    id: MailboxId,
    object_id: MailboxObjectId,
    name: Rc<str>,
    uid_validity: UidValidity,
    uid_next: Uid,
    highest_modseq: ModSeq,
    special_uses: SpecialUses,
    keywords: Rc<Vec<Rc<str>>>,
    rows: Rows,
    expunged: Expunged,
}

impl Snapshot {
    pub fn of(state: &State) -> Snapshot {
        let mailbox = |mailbox: &Mailbox| MailboxSnapshot {
            id: mailbox.id,
            object_id: mailbox.object_id,
            name: mailbox.name.clone(),
            uid_validity: mailbox.uid_validity,
            uid_next: mailbox.uid_next,
            highest_modseq: mailbox.highest_modseq,
            special_uses: mailbox.special_uses,
            keywords: mailbox.keywords.clone(),
            rows: mailbox.rows.clone(),
            expunged: mailbox.expunged.clone(),
        };
        let account = |account: &Account| AccountSnapshot {
            id: account.id,
            name: account.name.clone(),
            next_mailbox: account.next_mailbox,
            former_floor: account.former_floor,
            former: account.former.clone(),
            subscriptions: account.subscriptions.clone(),
            annotations: account.annotations.clone(),
            documents: account.documents.clone(),
            messages: account.messages.clone(),
            threads: account.threads.clone(),
            mailboxes: account.mailboxes.values().map(mailbox).collect(),
        };
        Snapshot { accounts: state.accounts.values().map(account).collect() }
    }

    /// The frames, made as they are asked for.
    pub fn frames(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.accounts.iter().flat_map(|account| {
            std::iter::once(account.head())
                .chain(in_frames(MESSAGES, account.messages.iter(), |out, (number, facts), before| {
                    out.number(number.0 - *before);
                    *before = number.0;
                    out.address(facts.address);
                    out.number(facts.size);
                    out.zoned(facts.internal);
                    out.day(facts.sent_day);
                    out.number(number.0.wrapping_sub(facts.thread.0));
                }))
                .chain(in_frames(THREADS, account.threads.iter(), |out, (hash, thread), _| {
                    out.u64(hash);
                    out.number(thread.0);
                }))
                .chain(in_frames(ANNOTATIONS, account.annotations.iter(), |out, (name, value), _| {
                    out.str(name);
                    out.bytes(value);
                }))
                .chain(in_frames(DOCUMENTS, account.documents.iter(), |out, entry, before| {
                    out.number(entry.message.0 - *before);
                    *before = entry.message.0;
                    out.number(entry.serial);
                    out.address(entry.address);
                }))
                .chain(account.documents_seen())
                .chain(account.mailboxes.iter().flat_map(|mailbox| {
                    std::iter::once(mailbox.head())
                        .chain(in_frames(ROWS, mailbox.rows.iter(), |out, row, before| {
                            out.number(row.uid.get() - *before);
                            *before = row.uid.get();
                            out.number(row.message.0);
                            out.flags(row.flags);
                            out.modseq(row.modseq);
                            out.number(row.save_date);
                        }))
                        .chain(in_frames(EXPUNGED, mailbox.expunged.ranges(), |out, range, _| {
                            out.modseq(range.modseq);
                            out.uid(range.low);
                            out.number(range.high.get() - range.low.get());
                        }))
                }))
        })
    }
}

/// Frames of a type with up to [`ENTRIES`] entries each; `encode` gets a number to take differences from, which
/// starts at 0 in each frame.
fn in_frames<T>(
    kind: u8,
    entries: impl Iterator<Item = T>,
    encode: impl Fn(&mut Writer, T, &mut u32),
) -> impl Iterator<Item = Vec<u8>> {
    let mut entries = entries.peekable();
    std::iter::from_fn(move || {
        entries.peek()?;
        let mut out = Writer::new();
        out.u8(kind);
        let mut before = 0;
        entries.by_ref().take(ENTRIES).for_each(|entry| encode(&mut out, entry, &mut before));
        Some(out.bytes)
    })
}

impl AccountSnapshot {
    /// Behind the documents, so that they are in order.
    fn documents_seen(&self) -> Option<Vec<u8>> {
        if self.documents == DocumentTable::default() {
            return None;
        }
        let mut out = Writer::new();
        out.u8(DOCUMENTS_SEEN);
        out.number(self.documents.seen().0);
        out.number(self.documents.next_serial());
        Some(out.bytes)
    }

    fn head(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(ACCOUNT);
        out.number(self.id.0);
        out.str(&self.name);
        out.number(self.next_mailbox.0);
        out.number(self.former_floor);
        out.count(self.former.len());
        for (name, uid_validity) in &self.former {
            out.str(name);
            out.number(*uid_validity);
        }
        out.count(self.subscriptions.len());
        self.subscriptions.iter().for_each(|name| out.str(name));
        out.bytes
    }
}

impl MailboxSnapshot {
    fn head(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(MAILBOX);
        out.number(self.id.0);
        out.number(self.object_id.0);
        out.str(&self.name);
        out.number(self.uid_validity.get());
        out.uid(self.uid_next);
        out.modseq(self.highest_modseq);
        out.u8(self.special_uses.0);
        out.count(self.keywords.len());
        self.keywords.iter().for_each(|name| out.str(name));
        out.number(self.expunged.floor().map_or(0, ModSeq::get));
        out.bytes
    }
}

/// Makes a state of frames again.
#[derive(Default)]
pub(super) struct Rebuild {
    state: State,
    account: Option<Account>,
    mailbox: Option<Mailbox>,
    expunged: VecDeque<ExpungedRange>,
}

impl Rebuild {
    pub fn frame(&mut self, frame: &[u8]) -> Result<(), BadBytes> {
        let mut input = Reader::new(frame);
        match input.u8()? {
            ACCOUNT => {
                self.end_account();
                self.account = Some(account(&mut input)?);
            }
            MAILBOX => {
                self.end_mailbox();
                self.mailbox = Some(mailbox(&mut input)?);
            }
            MESSAGES => {
                let messages = &mut self.account.as_mut().ok_or(BadBytes)?.messages;
                let mut before = 0u32;
                while !input.is_empty() {
                    before = before.checked_add(input.u32()?).ok_or(BadBytes)?;
                    let (address, size) = (input.address()?, input.u32()?);
                    let (internal, sent_day) = (input.zoned()?, input.day()?);
                    let thread = MessageNumber(before.wrapping_sub(input.u32()?));
                    let facts = MessageFacts { size, internal, sent_day, address, thread };
                    if !messages.add(MessageNumber(before), &facts) {
                        return Err(BadBytes);
                    }
                }
            }
            THREADS => {
                let account = self.account.as_mut().ok_or(BadBytes)?;
                let mut entries = Vec::with_capacity(ENTRIES);
                while !input.is_empty() {
                    entries.push((input.u64()?, MessageNumber(input.u32()?)));
                }
                let messages = account.messages.next().0 as usize;
                if !account.threads.extend_ascending(&entries, messages) {
                    return Err(BadBytes);
                }
            }
            ANNOTATIONS => {
                let annotations = &mut self.account.as_mut().ok_or(BadBytes)?.annotations;
                while !input.is_empty() {
                    let (name, value) = (input.str()?, input.bytes()?);
                    if annotations.get(name).is_some() {
                        return Err(BadBytes);
                    }
                    annotations.set(name, Some(value));
                }
            }
            DOCUMENTS => {
                let account = self.account.as_mut().ok_or(BadBytes)?;
                let mut before = 0u32;
                while !input.is_empty() {
                    before = before.checked_add(input.u32()?).ok_or(BadBytes)?;
                    let (message, serial, address) = (MessageNumber(before), input.u32()?, input.address()?);
                    let known = account.messages.get(message).is_some();
                    if !known || !account.documents.add(message, serial, address) {
                        return Err(BadBytes);
                    }
                }
            }
            DOCUMENTS_SEEN => {
                let documents = &mut self.account.as_mut().ok_or(BadBytes)?.documents;
                documents.see(MessageNumber(input.u32()?));
                if !documents.raise_serial(input.u32()?) {
                    return Err(BadBytes);
                }
            }
            ROWS => {
                let messages = &self.account.as_ref().ok_or(BadBytes)?.messages;
                let mailbox = self.mailbox.as_mut().ok_or(BadBytes)?;
                let mut before = 0u32;
                while !input.is_empty() {
                    before = before.checked_add(input.u32()?).ok_or(BadBytes)?;
                    let row = Row {
                        uid: Uid::new(before).ok_or(BadBytes)?,
                        message: MessageNumber(input.u32()?),
                        flags: input.flags()?,
                        modseq: input.modseq()?,
                        save_date: input.u32()?,
                    };
                    let facts = messages.get(row.message).ok_or(BadBytes)?;
                    if row.uid >= mailbox.uid_next || !mailbox.rows.push(&row) {
                        return Err(BadBytes);
                    }
                    mailbox.counts.add(row.flags, facts.size);
                }
            }
            EXPUNGED => {
                while !input.is_empty() {
                    let (modseq, low) = (input.modseq()?, input.uid()?);
                    let high = low.get().checked_add(input.u32()?).and_then(Uid::new).ok_or(BadBytes)?;
                    self.expunged.push_back(ExpungedRange { modseq, low, high });
                }
            }
            _ => return Err(BadBytes),
        }
        // Heads are read to their end; lists always are.
        input.end()
    }

    fn end_mailbox(&mut self) {
        let expunged = std::mem::take(&mut self.expunged);
        let (Some(mut mailbox), Some(account)) = (self.mailbox.take(), self.account.as_mut()) else { return };
        mailbox.expunged = Expunged::restore(mailbox.expunged.floor(), expunged);
        account.names.insert(mailbox.name.clone(), mailbox.id);
        account.mailboxes.insert(mailbox.id, mailbox);
    }

    fn end_account(&mut self) {
        self.end_mailbox();
        if let Some(account) = self.account.take() {
            self.state.accounts.insert(account.id, account);
        }
    }

    pub fn finish(mut self) -> State {
        self.end_account();
        self.state
    }
}

fn account(input: &mut Reader<'_>) -> Result<Account, BadBytes> {
    let (id, name, next_mailbox) = (AccountId(input.u32()?), input.str()?.into(), MailboxId(input.u32()?));
    let former_floor = input.u32()?;
    let former = (0..input.count(2)?)
        .map(|_| Ok((input.str()?.into(), input.u32()?)))
        .collect::<Result<_, BadBytes>>()?;
    let subscriptions =
        (0..input.count(1)?).map(|_| Ok(input.str()?.into())).collect::<Result<_, BadBytes>>()?;
    Ok(Account {
        id,
        name,
        mailboxes: BTreeMap::new(),
        names: BTreeMap::new(),
        subscriptions,
        former,
        former_floor,
        annotations: Annotations::default(),
        documents: DocumentTable::default(),
        documents_changed: Event::new(),
        messages: MessageTable::default(),
        threads: ThreadTable::default(),
        next_mailbox,
        changed: Event::new(),
    })
}

fn mailbox(input: &mut Reader<'_>) -> Result<Mailbox, BadBytes> {
    let (id, object_id) = (MailboxId(input.u32()?), MailboxObjectId(input.number()?));
    let (name, uid_validity, uid_next) = (input.str()?.into(), input.uid_validity()?, input.uid()?);
    let (highest_modseq, special_uses) = (input.modseq()?, SpecialUses(input.u8()?));
    let keywords: Vec<Rc<str>> =
        (0..input.count(1)?).map(|_| Ok(input.str()?.into())).collect::<Result<_, BadBytes>>()?;
    if keywords.len() > Flags::KEYWORDS_MAX {
        return Err(BadBytes);
    }
    Ok(Mailbox {
        id,
        object_id,
        name,
        uid_validity,
        uid_next,
        highest_modseq,
        special_uses,
        keywords: Rc::new(keywords),
        rows: Rows::default(),
        expunged: Expunged::restore(ModSeq::new(input.number()?), VecDeque::new()),
        counts: Counts::default(),
        version: 0,
        changed: Event::new(),
        views: Rc::default(),
        journal: Journal::starting_at(highest_modseq),
    })
}
