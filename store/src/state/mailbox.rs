//! One mailbox as it is visible: identity, rows, counts, what changed lately.
//!
//! Not here: how it changes (`apply`) and what is queued (`head`). It holds: counts agree with the rows, every UID
//! is below `uid_next`, every MODSEQ at most `highest_modseq`.

use super::expunged::Expunged;
use super::rows::{RowBlock, Rows};
use super::view::Views;
use crate::event::Event;
use crate::limits;
use crate::types::{Counts, MailboxId, MailboxObjectId, ModSeq, Row, SpecialUses, Uid, UidValidity};
use crate::uid_set::UidSet;
use std::collections::VecDeque;
use std::rc::Rc;

/// See the module.
pub struct Mailbox {
    pub(crate) id: MailboxId,
    pub(crate) object_id: MailboxObjectId,
    pub(crate) name: Rc<str>,
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: Uid,
    pub(crate) highest_modseq: ModSeq,
    pub(crate) special_uses: SpecialUses,
    pub(crate) keywords: Rc<Vec<Rc<str>>>,
    pub(crate) rows: Rows,
    pub(crate) expunged: Expunged,
    pub(crate) counts: Counts,
    pub(crate) version: u64,
    pub(crate) changed: Event,
    pub(crate) views: Rc<Views>,
    pub(crate) journal: Journal,
}

impl Mailbox {
    pub fn id(&self) -> MailboxId {
        self.id
    }
    /// RFC 8474 MAILBOXID.
    pub fn object_id(&self) -> MailboxObjectId {
        self.object_id
    }
    /// UTF-8, levels parted by `/`, INBOX in capitals.
    pub fn name(&self) -> &Rc<str> {
        &self.name
    }
    pub fn uid_validity(&self) -> UidValidity {
        self.uid_validity
    }
    pub fn uid_next(&self) -> Uid {
        self.uid_next
    }
    pub fn highest_modseq(&self) -> ModSeq {
        self.highest_modseq
    }
    pub fn special_uses(&self) -> SpecialUses {
        self.special_uses
    }
    /// Keywords by index (see [`Flags::keyword`]), spelled as they came first; never removed.
    pub fn keywords(&self) -> &[Rc<str>] {
        &self.keywords
    }
    /// Index of a keyword, in any case (RFC 9051 2.3.2).
    pub fn keyword(&self, name: &str) -> Option<usize> {
        self.keywords.iter().position(|known| known.eq_ignore_ascii_case(name))
    }
    pub fn counts(&self) -> Counts {
        self.counts
    }
    /// Counts the commits that were applied to this mailbox since the shard was opened.
    pub fn version(&self) -> u64 {
        self.version
    }
    /// Notified after each applied commit that touches this mailbox, its deletion included. Clone it to wait.
    pub fn changed(&self) -> &Event {
        &self.changed
    }

    // --- rows, by UID or by position (from 0)

    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row> + '_ {
        self.rows.iter()
    }
    /// The UIDs of all rows; steps over rows that follow each other without a gap.
    pub fn uids(&self) -> UidSet {
        self.rows.uids()
    }
    pub fn get(&self, uid: Uid) -> Option<Row> {
        self.rows.get(uid)
    }
    pub fn at(&self, position: u32) -> Option<Row> {
        self.rows.at(position)
    }
    pub fn position(&self, uid: Uid) -> Option<u32> {
        self.rows.position(uid)
    }
    pub fn last(&self) -> Option<Row> {
        self.rows.last()
    }
    /// Rows from `low` to `high`, both included.
    pub fn range(&self, low: Uid, high: Uid) -> impl Iterator<Item = Row> + '_ {
        self.rows.range(low, high)
    }
    /// How many rows have a UID below `uid`.
    pub fn below(&self, uid: Uid) -> u32 {
        self.rows.below(uid)
    }
    /// The rows at positions `from..to`, by columns.
    pub fn blocks(&self, from: u32, to: u32) -> impl Iterator<Item = RowBlock<'_>> + '_ {
        self.rows.blocks(from, to)
    }
    /// Rows whose UID is in the set, ascending.
    pub fn rows_in<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = Row> + 'a {
        uids.ranges().flat_map(|range| self.rows.range(*range.start(), *range.end()))
    }
    /// Rows with a UID above `uid`; all when `None`.
    pub fn appended_since(&self, uid: Option<Uid>) -> impl Iterator<Item = Row> + '_ {
        let low = uid.map_or(Some(Uid::MIN), |uid| Uid::new(uid.get().wrapping_add(1)));
        low.into_iter().flat_map(|low| self.rows.range(low, Uid::MAX))
    }
    /// Rows whose MODSEQ is above `modseq`, new ones included, ascending by UID. Cheap for what was seen lately.
    pub fn changes_since(&self, modseq: ModSeq) -> Vec<Row> {
        if modseq >= self.highest_modseq {
            return Vec::new();
        }
        match self.journal.since(modseq) {
            Some(uids) => self.rows_in(&uids).filter(|row| row.modseq > modseq).collect(),
            None => self.rows.iter().filter(|row| row.modseq > modseq).collect(),
        }
    }
    /// UIDs that were expunged with a MODSEQ above `modseq`. Complete when `modseq` is not below
    /// [`Mailbox::expunged_floor`]; else look up what the view holds.
    pub fn expunged_since(&self, modseq: ModSeq) -> UidSet {
        self.expunged.since(modseq)
    }
    /// Expunges up to this MODSEQ are forgotten (RFC 7162 3.2.5.2); `None` when none are.
    pub fn expunged_floor(&self) -> Option<ModSeq> {
        self.expunged.floor()
    }
    /// Position and UID of the first message without \Seen.
    pub fn first_unseen(&self) -> Option<(u32, Uid)> {
        if self.counts.unseen == 0 {
            return None;
        }
        self.rows.first_unseen()
    }
}

/// Which rows the last commits changed, so that a session that is nearly up to date need not scan.
#[derive(Default)]
pub(crate) struct Journal {
    entries: VecDeque<(ModSeq, UidSet)>,
    ranges: usize,
    /// Changes with a MODSEQ up to this are no longer (or never were) in `entries`.
    pub(crate) floor: u64,
}

impl Journal {
    pub(crate) fn starting_at(modseq: ModSeq) -> Journal {
        Journal { floor: modseq.get(), ..Journal::default() }
    }

    pub(crate) fn add(&mut self, modseq: ModSeq, uids: UidSet) {
        self.ranges += uids.ranges().len();
        self.entries.push_back((modseq, uids));
        while self.entries.len() > limits::journal_commits_max || self.ranges > limits::journal_ranges_max {
            let Some((modseq, uids)) = self.entries.pop_front() else { break };
            self.ranges -= uids.ranges().len();
            self.floor = modseq.get();
        }
    }

    fn since(&self, modseq: ModSeq) -> Option<UidSet> {
        if modseq.get() < self.floor {
            return None;
        }
        let from = self.entries.partition_point(|entry| entry.0 <= modseq);
        Some(self.entries.range(from..).fold(UidSet::new(), |set, entry| set.union(&entry.1)))
    }
}
