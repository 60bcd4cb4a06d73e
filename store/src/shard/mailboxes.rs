//! Accounts and the mailbox tree: create, delete, rename, subscribe. Each has the account to itself.

use super::commit::Basis;
use super::{ChangeError, Shard};
use crate::limits;
use crate::state::account::Account;
use crate::state::mailbox::Mailbox;
use crate::state::names;
use crate::state::ops::Op;
use crate::types::{
    AccountId, MailboxId, MailboxObjectId, ModSeq, Row, SpecialUse, SpecialUses, Uid, UidValidity,
};
use std::rc::Rc;

/// The mailboxes of a new account, in the order of their UIDVALIDITYs; all are subscribed.
pub const INITIAL_MAILBOXES: [(&str, Option<SpecialUse>); 6] = [
    ("INBOX", None),
    ("Drafts", Some(SpecialUse::Drafts)),
    ("Sent", Some(SpecialUse::Sent)),
    ("Junk", Some(SpecialUse::Junk)),
    ("Trash", Some(SpecialUse::Trash)),
    ("Archive", Some(SpecialUse::Archive)),
];

/// What a rename did: every mailbox that has another name now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Renamed {
    /// (mailbox, old name, new name). Empty for INBOX, whose messages moved instead.
    pub names: Vec<(MailboxId, Rc<str>, Rc<str>)>,
    /// The mailbox that INBOX's messages went to.
    pub moved_inbox_to: Option<MailboxId>,
}

impl Shard {
    /// Makes an account with [`INITIAL_MAILBOXES`].
    pub async fn create_account(
        &self,
        account: AccountId,
        name: &str,
        uid_validities: [UidValidity; INITIAL_MAILBOXES.len()],
    ) -> Result<(), ChangeError> {
        let alone = self.turn_alone(account).await;
        if self.with_account(account, |_| ()).is_some() {
            return Err(ChangeError::AccountExists);
        }
        let mut ops = vec![Op::AccountCreate { name: name.to_owned() }];
        for ((nth, (name, special)), uid_validity) in (1..).zip(INITIAL_MAILBOXES).zip(uid_validities) {
            let special_uses = special.map_or(SpecialUses::NONE, SpecialUses::of);
            ops.push(create(account, MailboxId(nth), name, uid_validity, special_uses));
            ops.push(Op::Subscribe { name: name.to_owned() });
        }
        self.change(account, ops, Some(alone)).await
    }

    /// Removes an account and all it holds. Its id is never used again.
    pub async fn erase_account(&self, account: AccountId) -> Result<(), ChangeError> {
        let alone = self.turn_alone(account).await;
        self.with_account(account, |_| ()).ok_or(ChangeError::NoSuchAccount)?;
        self.change(account, vec![Op::AccountErase], Some(alone)).await
    }

    /// Makes a mailbox (RFC 9051 6.3.4); levels above it are implied. `uid_validity` is from the directory.
    pub async fn create_mailbox(
        &self,
        account: AccountId,
        name: &str,
        special_uses: SpecialUses,
        uid_validity: UidValidity,
    ) -> Result<MailboxId, ChangeError> {
        let name = names::checked(name)?;
        let alone = self.turn_alone(account).await;
        let (id, op) = self.compute(account, |basis| {
            let account = basis.account;
            if account.mailbox_named(&name).is_some() {
                return Err(ChangeError::AlreadyExists);
            }
            let taken = |mailbox: &Mailbox| mailbox.special_uses.0 & special_uses.0 != 0;
            if account.mailboxes().any(taken) {
                return Err(ChangeError::UseTaken);
            }
            let id = free_mailbox(account)?;
            if !is_new(account, &name, uid_validity) {
                return Err(ChangeError::OldUidValidity);
            }
            Ok((id, create(account.id(), id, &name, uid_validity, special_uses)))
        })?;
        self.change(account, vec![op], Some(alone)).await?;
        Ok(id)
    }

    /// Deletes a mailbox (RFC 9051 6.3.5): with mailboxes below it, the name stays as a level. INBOX is refused.
    pub async fn delete_mailbox(&self, account: AccountId, name: &str) -> Result<(), ChangeError> {
        let alone = self.turn_alone(account).await;
        let op = self.compute(account, |basis| match basis.account.mailbox_named(name) {
            Some(mailbox) if &**mailbox.name() == names::INBOX => Err(ChangeError::Inbox),
            Some(mailbox) => Ok(Op::MailboxDelete { mailbox: mailbox.id }),
            None if basis.account.has_children(name) => Err(ChangeError::HasChildren),
            None => Err(ChangeError::NoSuchMailbox),
        })?;
        self.change(account, vec![op], Some(alone)).await
    }

    /// Renames a mailbox, or a level, and everything below it (RFC 9051 6.3.6). INBOX's messages move to a new
    /// mailbox of the name; INBOX stays, empty, and so does what is below it. `uid_validity` is for that mailbox,
    /// and for those whose new name has had a greater one than theirs.
    pub async fn rename_mailbox(
        &self,
        account: AccountId,
        from: &str,
        to: &str,
        uid_validity: UidValidity,
    ) -> Result<Renamed, ChangeError> {
        let (from, to) = (names::folded(from), names::checked(to)?);
        let alone = self.turn_alone(account).await;
        let save_date = self.save_date();
        let (ops, renamed) = self.compute(account, |basis| {
            if basis.account.mailbox_named(&to).is_some() {
                return Err(ChangeError::AlreadyExists);
            }
            if from == names::INBOX {
                return move_inbox(&basis, &to, uid_validity, save_date);
            }
            rename_tree(basis.account, &from, &to, uid_validity)
        })?;
        self.change(account, ops, Some(alone)).await?;
        Ok(renamed)
    }

    /// Subscribes a name, whether or not there is such a mailbox (RFC 9051 6.3.7).
    pub async fn subscribe(&self, account: AccountId, name: &str) -> Result<(), ChangeError> {
        let name = names::checked(name)?;
        let alone = self.turn_alone(account).await;
        let known = self.compute(account, |basis| {
            let known = basis.account.is_subscribed(&name);
            if !known && basis.account.subscriptions.len() >= limits::subscriptions_per_account_max {
                return Err(ChangeError::OverLimit("subscriptions of an account"));
            }
            Ok(known)
        })?;
        if known { Ok(()) } else { self.change(account, vec![Op::Subscribe { name }], Some(alone)).await }
    }

    /// Ends a subscription; one that there is not is no error.
    pub async fn unsubscribe(&self, account: AccountId, name: &str) -> Result<(), ChangeError> {
        let name = names::folded(name);
        let alone = self.turn_alone(account).await;
        if self.compute(account, |basis| Ok(basis.account.is_subscribed(&name)))? {
            self.change(account, vec![Op::Unsubscribe { name }], Some(alone)).await?;
        }
        Ok(())
    }
}

fn create(
    account: AccountId,
    mailbox: MailboxId,
    name: &str,
    uid_validity: UidValidity,
    special_uses: SpecialUses,
) -> Op {
    let object_id = MailboxObjectId::of(account, mailbox);
    Op::MailboxCreate { mailbox, object_id, name: name.to_owned(), uid_validity, special_uses }
}

/// An id for one more mailbox.
fn free_mailbox(account: &Account) -> Result<MailboxId, ChangeError> {
    if account.mailboxes.len() >= limits::mailboxes_per_account_max {
        return Err(ChangeError::OverLimit("mailboxes of an account"));
    }
    let id = account.next_mailbox;
    if id.0 == u32::MAX { Err(ChangeError::Exhausted) } else { Ok(id) }
}

/// Whether a UIDVALIDITY is greater than all that a free name has had.
fn is_new(account: &Account, name: &str, uid_validity: UidValidity) -> bool {
    let had = account.former.get(name).copied().unwrap_or(0).max(account.former_floor);
    uid_validity.get() > had
}

fn move_inbox(
    basis: &Basis<'_>,
    to: &str,
    uid_validity: UidValidity,
    save_date: u32,
) -> Result<(Vec<Op>, Renamed), ChangeError> {
    let account = basis.account;
    let inbox = account.mailbox_named(names::INBOX).ok_or(ChangeError::NoSuchMailbox)?;
    let id = free_mailbox(account)?;
    if !is_new(account, to, uid_validity) {
        return Err(ChangeError::OldUidValidity);
    }
    let mut ops = vec![create(account.id(), id, to, uid_validity, SpecialUses::NONE)];
    let rows: Vec<Row> = inbox.rows().collect();
    if !rows.is_empty() {
        if !inbox.keywords.is_empty() {
            let names = inbox.keywords.iter().map(|name| name.to_string()).collect();
            ops.push(Op::Keywords { mailbox: id, first: 0, names });
        }
        ops.push(Op::Copy {
            mailbox: id,
            modseq: ModSeq::FIRST,
            save_date,
            first: Uid::MIN,
            rows: rows.iter().map(|row| (row.message, row.flags)).collect(),
        });
        let modseq = basis.mailbox(inbox.id)?.next_modseq()?;
        ops.push(Op::Expunge { mailbox: inbox.id, modseq, uids: rows.iter().map(|row| row.uid).collect() });
    }
    Ok((ops, Renamed { names: Vec::new(), moved_inbox_to: Some(id) }))
}

fn rename_tree(
    account: &Account,
    from: &str,
    to: &str,
    uid_validity: UidValidity,
) -> Result<(Vec<Op>, Renamed), ChangeError> {
    if names::below(to, from).is_some() {
        return Err(ChangeError::BelowItself);
    }
    let mut ops = Vec::new();
    let mut renamed = Vec::new();
    for mailbox in account.mailboxes() {
        let below = if &**mailbox.name() == from { Some("") } else { names::below(mailbox.name(), from) };
        let Some(below) = below else { continue };
        let name = names::checked(&format!("{to}{below}"))?;
        if account.mailbox_named(&name).is_some() {
            return Err(ChangeError::AlreadyExists);
        }
        let uid_validity = if is_new(account, &name, mailbox.uid_validity) {
            mailbox.uid_validity
        } else if is_new(account, &name, uid_validity) {
            uid_validity
        } else {
            return Err(ChangeError::OldUidValidity);
        };
        renamed.push((mailbox.id, mailbox.name.clone(), Rc::from(name.as_str())));
        ops.push(Op::MailboxRename { mailbox: mailbox.id, name, uid_validity });
    }
    if ops.is_empty() {
        return Err(ChangeError::NoSuchMailbox);
    }
    Ok((ops, Renamed { names: renamed, moved_inbox_to: None }))
}
