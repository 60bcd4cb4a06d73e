//! One session's sequence numbers: which UIDs the client counts as 1, 2, 3 and so on.
//!
//! Not here: the mailbox itself (the store's) and when the client is told of changes (`sync`). What must hold: the
//! view changes only by what the client is told; a message that others expunged stays in it, readable, until the client is
//! told (RFC 3501 5.5, 7.4.1). A view costs four bytes a message.

use trawl_store::state::mailbox::Mailbox;
use trawl_store::state::view::ViewLease;
use trawl_store::types::{ModSeq, Row, Uid};
use trawl_store::uid_set::UidSet;

use crate::response::status::Refusal;
use crate::wire::ast::Numbers;
use crate::wire::set::SetArg;

/// See the head of this file.
pub struct View {
    /// Ascending; the message with sequence number n is at n - 1.
    uids: Vec<Uid>,
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
        let mut uids = Vec::with_capacity(mailbox.counts().messages as usize);
        uids.extend(mailbox.rows().map(|row| row.uid));
        View {
            uids,
            next: mailbox.uid_next(),
            expunges_told: mailbox.highest_modseq(),
            changes_told: mailbox.highest_modseq(),
            version: mailbox.version(),
            behind: false,
            recent: UidSet::new(),
            keywords_told: mailbox.keywords().len(),
            own: Vec::new(),
            lease,
        }
    }

    /// Messages in the view: the number last told by EXISTS, less EXPUNGEs.
    pub fn len(&self) -> u32 {
        self.uids.len() as u32
    }
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// The UID of a sequence number (from 1).
    pub fn uid(&self, seq: u32) -> Option<Uid> {
        self.uids.get(seq.checked_sub(1)? as usize).copied()
    }

    /// The sequence number (from 1) of a UID.
    pub fn seq(&self, uid: Uid) -> Option<u32> {
        self.uids.binary_search(&uid).ok().map(|at| at as u32 + 1)
    }

    pub fn largest_uid(&self) -> Option<Uid> {
        self.uids.last().copied()
    }

    /// All UIDs of the view, ascending: position p (from 0) has sequence number p + 1.
    pub fn uids(&self) -> &[Uid] {
        &self.uids
    }

    /// The UIDs of the view, from the first message that is not in it on: what a search sees next.
    pub fn next_uid(&self) -> Uid {
        self.next
    }

    pub fn contains(&self, uid: Uid) -> bool {
        self.uids.binary_search(&uid).is_ok()
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
        let from = self.uids.partition_point(|uid| *uid < first);
        for uid in &self.uids[from..] {
            self.recent.insert(*uid);
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
                    let (low, high) = (*range.start() as usize, *range.end() as usize);
                    insert_ascending(&mut uids, &self.uids[low - 1..high]);
                }
            }
            Numbers::Uid => {
                for range in numbers.resolve(self.largest_uid().map_or(0, Uid::get)) {
                    let from = self.uids.partition_point(|uid| uid.get() < *range.start());
                    let to = self.uids.partition_point(|uid| uid.get() <= *range.end());
                    insert_ascending(&mut uids, &self.uids[from..to]);
                }
            }
        }
        Ok(uids)
    }

    /// Those of `uids` that are in the view.
    pub fn within(&self, uids: &UidSet) -> UidSet {
        let mut held = UidSet::new();
        for range in uids.ranges() {
            let from = self.uids.partition_point(|uid| uid < range.start());
            let to = self.uids.partition_point(|uid| uid <= range.end());
            insert_ascending(&mut held, &self.uids[from..to]);
        }
        held
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
            let new = mailbox.range(before, Uid::MAX).map(|row| row.uid);
            let len = self.uids.len();
            self.uids.extend(new);
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
            self.uids.iter().copied().filter(|uid| mailbox.get(*uid).is_none()).collect()
        };
        if gone.is_empty() {
            return Vec::new();
        }
        let mut seqs: Vec<u32> =
            (1..).zip(&self.uids).filter(|(_, uid)| gone.contains(**uid)).map(|(seq, _)| seq).collect();
        seqs.reverse();
        self.uids.retain(|uid| !gone.contains(*uid));
        for uid in gone.iter() {
            self.recent.remove(uid);
        }
        seqs
    }
}

/// Adds ascending UIDs in runs: one step for neighbours instead of one for each.
fn insert_ascending(set: &mut UidSet, mut uids: &[Uid]) {
    while let [first, ..] = uids {
        let run = run_length(uids);
        set.insert_range(*first, uids[run - 1]);
        uids = &uids[run..];
    }
}

/// How many of the ascending UIDs from the beginning follow each other without a gap. Among ascending UIDs, one is
/// in the run exactly when it is as far from the first as its position says.
fn run_length(uids: &[Uid]) -> usize {
    let first = uids[0].get();
    let (mut low, mut high) = (1, uids.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if (uids[middle].get() - first) as usize == middle {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // How views follow their mailbox is tested with real sessions, in `server/tests/session/sync.rs`.

    proptest! {
        #[test]
        fn ascending_uids_become_runs(uids in prop::collection::btree_set(1u32..60, 0..40)) {
            let uids: Vec<Uid> = uids.into_iter().filter_map(Uid::new).collect();
            let mut set = UidSet::new();
            insert_ascending(&mut set, &uids);
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), uids.clone());
            if let Some(first) = uids.first() {
                let naive = uids.iter().zip(first.get()..).take_while(|(uid, n)| uid.get() == *n).count();
                prop_assert_eq!(run_length(&uids), naive);
            }
        }
    }
}
