//! One session's sequence numbers: which UIDs the client counts as 1, 2, 3 and so on.
//!
//! Not here: the mailbox itself (the store's) and when the client is told of changes (`sync`). What must hold: the
//! view changes only by what the client is told; a message that others expunged stays in it, readable, until the client is
//! told (RFC 3501 5.5, 7.4.1). A view costs eight bytes a run of UIDs.

use std::ops::{Range, RangeInclusive};

use trawl_store::state::mailbox::Mailbox;
use trawl_store::state::view::ViewLease;
use trawl_store::types::{ModSeq, Row, Uid};
use trawl_store::uid_set::UidSet;

use super::numbers::SequenceNumbers;
use crate::response::status::Refusal;
use crate::wire::ast::Numbers;
use crate::wire::set::SetArg;

/// See the head of this file.
pub struct View {
    uids: SequenceNumbers,
    /// Messages from here on are not in the view yet.
    next: Uid,
    /// Expunges with MODSEQs up to this were told.
    expunges_told: ModSeq,
    /// Flag changes with MODSEQs up to this were told.
    changes_told: ModSeq,
    /// The version of the mailbox that was looked at last, and whether expunges were told then.
    version: u64,
    behind: bool,
    /// Messages that have \Recent in this session.
    recent: UidSet,
    keywords_told: usize,
    /// This session's own changes: rows that still have this MODSEQ need not be told.
    own: Vec<(UidSet, ModSeq)>,
    lease: ViewLease,
    /// How often messages left the view.
    removals: u64,
}

/// What the client is to be told, in this order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Sequence numbers that are expunged, highest first, so that none changes the others.
    pub expunged: Vec<u32>,
    /// The number of messages, when there are new ones.
    pub exists: Option<u32>,
    /// The keywords of the mailbox are more than the client knows.
    pub keywords: bool,
    /// Messages with other flags than the client knows, with their sequence numbers.
    pub flags: Vec<(u32, Row)>,
}

impl View {
    /// A view of the mailbox as it is now; `lease` was just taken of it.
    pub fn new(mailbox: &Mailbox, lease: ViewLease) -> View {
        View {
            uids: SequenceNumbers::new(&mailbox.uids()),
            next: mailbox.uid_next(),
            expunges_told: mailbox.highest_modseq(),
            changes_told: mailbox.highest_modseq(),
            version: mailbox.version(),
            behind: false,
            recent: UidSet::new(),
            keywords_told: mailbox.keywords().len(),
            own: Vec::new(),
            lease,
            removals: 0,
        }
    }

    /// Messages in the view: the number last told by EXISTS, less EXPUNGEs.
    pub fn len(&self) -> u32 {
        self.uids.len()
    }
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// The UID of a sequence number (from 1).
    pub fn uid(&self, seq: u32) -> Option<Uid> {
        self.uids.at(seq.checked_sub(1)?)
    }

    /// The sequence number (from 1) of a UID.
    pub fn seq(&self, uid: Uid) -> Option<u32> {
        self.uids.position(uid).map(|position| position + 1)
    }

    pub fn largest_uid(&self) -> Option<Uid> {
        self.uids.last()
    }

    /// All of them.
    pub fn sequence_numbers(&self) -> &SequenceNumbers {
        &self.uids
    }

    /// The UIDs at positions `from..to`, ascending: position p (from 0) has sequence number p + 1.
    pub fn uids(&self, from: u32, to: u32) -> impl Iterator<Item = Uid> + '_ {
        self.uids.uids(from, to)
    }

    /// The same as ranges, both ends included.
    pub fn slice(&self, from: u32, to: u32) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.uids.slice(from, to)
    }

    /// The positions of the messages with UIDs in a range, both ends included.
    pub fn positions(&self, uids: RangeInclusive<u32>) -> Range<u32> {
        let below = |uid: Option<Uid>| uid.map_or(0, |uid| self.uids.below(uid));
        let end = match uids.end().checked_add(1) {
            Some(end) => below(Uid::new(end)),
            None => self.len(),
        };
        below(Uid::new(*uids.start()))..end
    }

    /// Counts up whenever messages leave the view: until then positions stay what they are.
    pub fn removals(&self) -> u64 {
        self.removals
    }

    /// The UIDs of the view, from the first message that is not in it on: what a search sees next.
    pub fn next_uid(&self) -> Uid {
        self.next
    }

    /// Expunges with MODSEQs up to this were told; what was expunged later is in the view.
    pub fn expunges_told(&self) -> ModSeq {
        self.expunges_told
    }

    pub fn contains(&self, uid: Uid) -> bool {
        self.uids.position(uid).is_some()
    }

    /// The row of a message of the view, as it was when it was expunged if it is.
    pub fn row(&self, mailbox: &Mailbox, uid: Uid) -> Option<Row> {
        mailbox.get(uid).or_else(|| self.lease.ghost(uid))
    }

    /// Whether the message was expunged by someone and the client is not told yet.
    pub fn is_ghost(&self, mailbox: &Mailbox, uid: Uid) -> bool {
        self.contains(uid) && mailbox.get(uid).is_none()
    }

    /// Has the message \Recent in this session?
    pub fn is_recent(&self, uid: Uid) -> bool {
        self.recent.contains(uid)
    }
    pub fn recent(&self) -> &UidSet {
        &self.recent
    }
    /// How many messages of the view have \Recent.
    pub fn recent_len(&self) -> u32 {
        self.recent.len() as u32
    }
    /// Gives \Recent to the messages of the view from `first` on.
    pub fn set_recent_from(&mut self, first: Uid) {
        let from = self.uids.below(first);
        for (low, high) in self.uids.slice(from, self.uids.len()) {
            self.recent.insert_range(low, high);
        }
    }

    /// The UIDs that a command names and the view holds (RFC 9051 9, `sequence-set`; RFC 5182 for `$`).
    ///
    /// BAD for a sequence number above the number of messages. In an empty mailbox a set with `*` is the empty set: clients send
    /// `1:*` without looking at EXISTS, and every peer answers OK. UIDs that are not in the view are passed over (RFC 9051
    /// 6.4.9).
    pub fn resolve(&self, by: Numbers, set: &SetArg, saved: &UidSet) -> Result<UidSet, Refusal> {
        let numbers = match set {
            SetArg::Saved => return Ok(self.within(saved)),
            SetArg::Numbers(numbers) => numbers,
        };
        let mut uids = UidSet::new();
        match by {
            Numbers::Sequence => {
                let beyond = numbers.largest_number().is_some_and(|largest| largest > self.len());
                if self.is_empty() && numbers.has_star() {
                    return Ok(uids);
                }
                if beyond {
                    return Err(Refusal::bad(None, "There are not so many messages"));
                }
                for range in numbers.resolve(self.len()) {
                    for (low, high) in self.uids.slice(*range.start() - 1, *range.end()) {
                        uids.insert_range(low, high);
                    }
                }
            }
            Numbers::Uid => {
                for range in numbers.resolve(self.largest_uid().map_or(0, Uid::get)) {
                    if let (Some(low), Some(high)) = (Uid::new(*range.start()), Uid::new(*range.end())) {
                        uids.insert_range(low, high);
                    }
                }
                uids = self.within(&uids);
            }
        }
        Ok(uids)
    }

    /// Those of `uids` that are in the view.
    pub fn within(&self, uids: &UidSet) -> UidSet {
        self.uids.within(uids)
    }

    /// This session made a change with this MODSEQ and has told, or by .SILENT need not be told, what came of it for
    /// these messages: not told again, unless somebody changes them after that.
    pub fn told(&mut self, uids: &UidSet, modseq: ModSeq) {
        if !uids.is_empty() {
            self.own.push((uids.clone(), modseq));
        }
    }

    /// Whether the mailbox has keywords that the client was not told of; from now on it was.
    pub fn keywords_untold(&mut self, mailbox: &Mailbox) -> bool {
        let told = std::mem::replace(&mut self.keywords_told, mailbox.keywords().len());
        mailbox.keywords().len() > told
    }

    /// Brings the view up to the mailbox and says what the client is to be told of it; with `expunges` false, what was
    /// expunged stays in the view for now.
    pub fn advance(&mut self, mailbox: &Mailbox, expunges: bool) -> Changes {
        let mut changes = Changes::default();
        if self.version == mailbox.version() && !(self.behind && expunges) {
            return changes;
        }
        if expunges {
            changes.expunged = self.drop_expunged(mailbox);
        }
        let before = self.next;
        if mailbox.uid_next() > before {
            let len = self.uids.len();
            mailbox.range(before, Uid::MAX).for_each(|row| self.uids.append(row.uid, row.uid));
            if self.uids.len() > len {
                changes.exists = Some(self.len());
            }
            self.next = mailbox.uid_next();
        }
        changes.keywords = self.keywords_untold(mailbox);
        for row in mailbox.changes_since(self.changes_told) {
            let own = self.own.iter().any(|(uids, modseq)| row.modseq == *modseq && uids.contains(row.uid));
            if row.uid < before
                && !own
                && let Some(seq) = self.seq(row.uid)
            {
                changes.flags.push((seq, row));
            }
        }
        self.changes_told = mailbox.highest_modseq();
        self.own.clear();
        self.version = mailbox.version();
        if expunges {
            self.behind = false;
            self.expunges_told = mailbox.highest_modseq();
            self.lease.advance(mailbox.version());
        } else {
            self.behind = true;
        }
        changes
    }

    /// Takes what is expunged out of the view; its sequence numbers, highest first.
    fn drop_expunged(&mut self, mailbox: &Mailbox) -> Vec<u32> {
        let complete = mailbox.expunged_floor().is_none_or(|floor| self.expunges_told >= floor);
        let gone = if complete {
            self.within(&mailbox.expunged_since(self.expunges_told))
        } else {
            // So much was expunged that the mailbox has forgotten part of it.
            self.uids(0, self.len()).filter(|uid| mailbox.get(*uid).is_none()).collect()
        };
        if gone.is_empty() {
            return Vec::new();
        }
        self.removals += 1;
        let seqs = self.uids.remove(&gone).into_iter().rev().map(|position| position + 1).collect();
        for uid in gone.iter() {
            self.recent.remove(uid);
        }
        seqs
    }
}

// How views follow their mailbox is tested with real sessions, in `server/tests/session/sync.rs`.
