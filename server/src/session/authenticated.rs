//! A client with an account: everything that needs no selected mailbox.

use std::any::Any;

use trawl_store::shard::Shard;
use trawl_store::state::account::Account;
use trawl_store::state::annotations::Annotations;
use trawl_store::state::mailbox::Mailbox;
use trawl_store::types::{AccountId, MailboxId};

use crate::core::AccountRef;
use crate::response::status::Refusal;
use crate::wire::name::{MailboxName, NameEncoding};

/// RFC 9051 3.2.
pub struct Authenticated {
    pub account: AccountRef,
    pub shard: Shard,
    /// IMAP4rev2 was enabled (RFC 9051 6.3.1): its differences apply from then on.
    pub rev2: bool,
    /// The annotations that the client knows of, where METADATA-SERVER was enabled: it is told what becomes different (RFC 5464 4.1).
    pub known_annotations: Option<Annotations>,
    /// Counts the session among those of its user for as long as it lives.
    pub ticket: Box<dyn Any>,
}

impl Authenticated {
    /// An account that nobody is connected to.
    pub fn glimpse(account: &AccountRef, shard: &Shard, rev2: bool) -> Authenticated {
        let (account, shard) = (account.clone(), shard.clone());
        Authenticated { account, shard, rev2, known_annotations: None, ticket: Box::new(()) }
    }

    pub fn id(&self) -> AccountId {
        self.account.account
    }

    /// How mailbox names are written on this connection.
    pub fn encoding(&self) -> NameEncoding {
        if self.rev2 { NameEncoding::Utf8 } else { NameEncoding::ModifiedUtf7 }
    }

    /// The UTF-8 name that a client's argument stands for; NO [CANNOT] when it cannot name a mailbox.
    pub fn decode(&self, name: &MailboxName) -> Result<String, Refusal> {
        Ok(name.decode(self.encoding())?)
    }

    /// Looks at the account; the borrow ends with the closure.
    pub fn look<R>(&self, look: impl FnOnce(&Account) -> R) -> Result<R, Refusal> {
        self.shard.with_account(self.id(), look).ok_or_else(Refusal::account_gone)
    }

    /// Looks at a mailbox by the name a client gave; NO [NONEXISTENT] when there is none.
    pub fn look_named<R>(&self, name: &MailboxName, look: impl FnOnce(&Mailbox) -> R) -> Result<R, Refusal> {
        // A name that cannot be decoded names no mailbox.
        let name = name.decode(self.encoding()).map_err(|_| Refusal::no_such_mailbox())?;
        self.look(|account| account.mailbox_named(&name).map(look))?.ok_or_else(Refusal::no_such_mailbox)
    }

    /// The mailbox of the name a client gave.
    pub fn mailbox_id(&self, name: &MailboxName) -> Result<MailboxId, Refusal> {
        self.look_named(name, Mailbox::id)
    }
}
