//! From operations to a commit: turns on an account, the queue, and what happens when a commit settles.
//!
//! It holds: between looking at the head and queueing there is no await; a queued commit is noted in the head, and
//! is taken out again when it settles, applied or failed.

use super::{Arrived, ChangeError, Inner, Shard};
use crate::error::CommitError;
use crate::log::{CommitKind, Generation, Ticket};
use crate::state::account::Account;
use crate::state::apply::{State, Touched};
use crate::state::head::{Head, MailboxHead};
use crate::state::ops::{self, Op};
use crate::types::{AccountId, Lsn, MailboxId, MessageNumber, ModSeq, Row};
use crate::uid_set::UidSet;
use std::rc::Rc;

/// What a shard keeps of an account beside its visible state.
#[derive(Default)]
pub(super) struct Lane {
    pub head: Head,
    /// A change of the mailbox tree has the account to itself.
    alone: bool,
}

/// The account belongs to one change until this is dropped.
pub(super) struct Alone {
    inner: Rc<Inner>,
    account: AccountId,
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(lane) = self.inner.lanes.borrow_mut().get_mut(&self.account) {
            lane.alone = false;
        }
        self.inner.turn.notify();
    }
}

/// What a change is computed from.
pub(super) struct Basis<'a> {
    pub account: &'a Account,
    pub head: &'a Head,
}

impl<'a> Basis<'a> {
    pub fn mailbox(&self, id: MailboxId) -> Result<MailboxHead<'a>, ChangeError> {
        self.account
            .mailboxes
            .get(&id)
            .map(|mailbox| self.head.mailbox(mailbox))
            .ok_or(ChangeError::NoSuchMailbox)
    }
}

impl MailboxHead<'_> {
    /// The MODSEQ of the next commit that touches the mailbox.
    pub(super) fn next_modseq(&self) -> Result<ModSeq, ChangeError> {
        // RFC 7162 1: 63 bits.
        let next = self.modseq().get() + 1;
        ModSeq::new(next).filter(|next| next.get() < 1 << 63).ok_or(ChangeError::Exhausted)
    }

    /// The first of `count` UIDs that are free. The last UID of all is never given out: there is always a UIDNEXT.
    pub(super) fn free_uids(&self, count: usize) -> Result<u32, ChangeError> {
        let first = self.uid_next();
        match u32::try_from(count).ok().and_then(|count| first.checked_add(count)) {
            Some(_) => Ok(first),
            None => Err(ChangeError::Exhausted),
        }
    }

    /// Rows of the set as they will be, ascending.
    pub(super) fn rows_in<'b>(&'b self, uids: &'b UidSet) -> impl Iterator<Item = Row> + 'b {
        self.mailbox.rows_in(uids).filter_map(|row| self.row(row))
    }
}

impl Shard {
    /// Waits while a change of the mailbox tree has the account.
    pub(super) async fn turn(&self, account: AccountId) {
        let lanes = &self.inner.lanes;
        self.inner.turn.until(|| lanes.borrow().get(&account).is_none_or(|lane| !lane.alone)).await;
    }

    /// Waits until the account can be had alone: others wait from now on, and nothing is queued any more.
    pub(super) async fn turn_alone(&self, account: AccountId) -> Alone {
        let lanes = &self.inner.lanes;
        let take = || !std::mem::replace(&mut lanes.borrow_mut().entry(account).or_default().alone, true);
        self.inner.turn.until(take).await;
        let alone = Alone { inner: Rc::clone(&self.inner), account };
        self.inner.turn.until(|| lanes.borrow().get(&account).is_none_or(|lane| lane.head.is_idle())).await;
        alone
    }

    /// Computes something from an account as it will be.
    pub(super) fn compute<R>(
        &self,
        account: AccountId,
        compute: impl FnOnce(Basis<'_>) -> Result<R, ChangeError>,
    ) -> Result<R, ChangeError> {
        let state = self.inner.state.borrow();
        let account = state.accounts.get(&account).ok_or(ChangeError::NoSuchAccount)?;
        let mut lanes = self.inner.lanes.borrow_mut();
        compute(Basis { account, head: &lanes.entry(account.id()).or_default().head })
    }

    /// Queues a commit that was computed since the last await. `alone` is held until it has settled.
    pub(super) fn enqueue(
        &self,
        account: AccountId,
        kind: CommitKind,
        generation: Generation,
        ops: Vec<Op>,
        alone: Option<Alone>,
    ) -> Result<Ticket, ChangeError> {
        let payload = ops::encode(account, &ops);
        let ops: Rc<[Op]> = ops.into();
        let (inner, queued) = (Rc::clone(&self.inner), Rc::clone(&ops));
        let settled = Box::new(move |result: Result<Lsn, CommitError>| {
            inner.settle(account, &queued, result);
            drop(alone);
        });
        let ticket = self.inner.log.commit(kind, generation, &payload, settled)?;
        let state = self.inner.state.borrow();
        let visible = state.accounts.get(&account);
        self.inner.lanes.borrow_mut().entry(account).or_default().head.note(visible, &ops);
        Ok(ticket)
    }

    /// Queues a change that brings no content and waits until it is applied.
    pub(super) async fn change(
        &self,
        account: AccountId,
        ops: Vec<Op>,
        alone: Option<Alone>,
    ) -> Result<(), ChangeError> {
        let generation = self.inner.log.generation();
        self.enqueue(account, CommitKind::Housekeeping, generation, ops, alone)?.await?;
        Ok(())
    }

    /// Waits until everything that is queued for an account now is durable; fails when it fails.
    pub(super) async fn settled(&self, account: AccountId) -> Result<(), ChangeError> {
        let idle = self.inner.lanes.borrow().get(&account).is_none_or(|lane| lane.head.is_idle());
        if idle { Ok(()) } else { self.change(account, Vec::new(), None).await }
    }
}

impl Inner {
    /// The committer's word on a commit of `ops`, the oldest that is queued.
    fn settle(&self, account: AccountId, ops: &[Op], result: Result<Lsn, CommitError>) {
        let mut touched = Touched::default();
        let mut applied = None;
        {
            let mut lanes = self.lanes.borrow_mut();
            let head = &mut lanes.entry(account).or_default().head;
            match result {
                Err(_) => head.failed(),
                Ok(lsn) => {
                    applied = Some(lsn);
                    let misfits = self.state.borrow_mut().apply(account, ops, &mut touched);
                    if !misfits.is_empty() {
                        // The log says one thing and memory another; whatever is shown from here on may be wrong.
                        broken_invariant(&format!(
                            "a commit does not fit the state it was computed from: {misfits:?}"
                        ));
                    }
                    head.applied(ops);
                }
            }
        }
        let observer = self.observer.borrow().clone();
        if let (Some(lsn), Some(observer)) = (applied, observer) {
            observer(lsn);
        }
        if applied.is_some() {
            self.tell_arrivals(account, ops);
        }
        touched.notify();
        self.turn.notify();
    }

    /// Tells whoever watches that a commit brought messages.
    fn tell_arrivals(&self, account: AccountId, ops: &[Op]) {
        let Some(told) = self.arrivals.borrow().clone() else { return };
        let appended = ops.iter().filter_map(|op| match op {
            Op::Append { messages, .. } => Some(messages),
            _ => None,
        });
        let (mut messages, mut bytes, mut last) = (0, 0, None);
        for message in appended.flatten() {
            messages += 1;
            bytes += u64::from(message.facts.size);
            last = Some(message.message);
        }
        if let Some(last) = last {
            let next = MessageNumber(last.0.saturating_add(1));
            let seen = |state: &State| Some(state.accounts.get(&account)?.documents.seen());
            let looked = seen(&self.state.borrow()).is_some_and(|seen| seen >= next);
            told(account, Arrived { messages, bytes, next, looked });
        }
    }
}

#[allow(clippy::print_stderr, reason = "last words of a process that must not go on")]
fn broken_invariant(what: &str) -> ! {
    eprintln!("trawl: broken invariant: {what}");
    std::process::abort();
}
