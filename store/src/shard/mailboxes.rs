//! Accounts and the mailbox tree: create, delete, rename, subscribe. Each has the account to itself.

use super::{ChangeError, Shard};
use crate::types::{AccountId, MailboxId, SpecialUse, SpecialUses, UidValidity};
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

#[allow(unused_variables)]
impl Shard {
    /// Makes an account with [`INITIAL_MAILBOXES`].
    pub async fn create_account(
        &self,
        account: AccountId,
        name: &str,
        uid_validities: [UidValidity; INITIAL_MAILBOXES.len()],
    ) -> Result<(), ChangeError> {
        unreachable!()
    }

    /// Removes an account and all it holds. Its id is never used again.
    pub async fn erase_account(&self, account: AccountId) -> Result<(), ChangeError> {
        unreachable!()
    }

    /// Makes a mailbox (RFC 9051 6.3.4); levels above it are implied. `uid_validity` is from the directory.
    pub async fn create_mailbox(
        &self,
        account: AccountId,
        name: &str,
        special_uses: SpecialUses,
        uid_validity: UidValidity,
    ) -> Result<MailboxId, ChangeError> {
        unreachable!()
    }

    /// Deletes a mailbox (RFC 9051 6.3.5): with mailboxes below it, the name stays as a level. INBOX is refused.
    pub async fn delete_mailbox(&self, account: AccountId, name: &str) -> Result<(), ChangeError> {
        unreachable!()
    }

    /// Renames a mailbox and everything below it (RFC 9051 6.3.6). INBOX's messages move to a new mailbox of the
    /// name, which gets `uid_validity`; INBOX stays, empty, and what is below it stays.
    pub async fn rename_mailbox(
        &self,
        account: AccountId,
        from: &str,
        to: &str,
        uid_validity: UidValidity,
    ) -> Result<Renamed, ChangeError> {
        unreachable!()
    }

    /// Subscribes a name, whether or not there is such a mailbox (RFC 9051 6.3.7).
    pub async fn subscribe(&self, account: AccountId, name: &str) -> Result<(), ChangeError> {
        unreachable!()
    }

    pub async fn unsubscribe(&self, account: AccountId, name: &str) -> Result<(), ChangeError> {
        unreachable!()
    }
}
