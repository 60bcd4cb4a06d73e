//! A client with a mailbox open.

use std::rc::Rc;

use trawl_store::state::account::Account;
use trawl_store::state::mailbox::Mailbox;
use trawl_store::types::{Flags, MailboxId, Uid, UidValidity};
use trawl_store::uid_set::UidSet;

use super::Authenticated;
use crate::command::search::places::Places;
use crate::core::Core;
use crate::mailbox::contexts::Contexts;
use crate::mailbox::recent;
use crate::mailbox::view::View;
use crate::response::encode::{self, Status};
use crate::response::output::Output;
use crate::response::status::{Code, Refusal, write_status};

/// RFC 9051 3.3.
pub struct Selected {
    pub auth: Authenticated,
    pub mailbox: MailboxId,
    /// As told at SELECT. A mailbox that is renamed can get another one: for this session it is no more then.
    pub uid_validity: UidValidity,
    /// Opened by EXAMINE.
    pub read_only: bool,
    pub view: View,
    /// `$`: the result that the last SEARCH RETURN (SAVE) kept (RFC 5182); holds UIDs of the view.
    pub saved: UidSet,
    /// What searches keep of the view.
    pub places: Places,
    /// Results of searches that the client is kept up to date with (RFC 5267 4.3).
    pub contexts: Contexts,
}

impl Selected {
    /// A mailbox as a session sees it that has just opened it read-only, and that nobody is connected to; `None`: there is none.
    pub fn glimpse(of: &Authenticated, mailbox: MailboxId) -> Option<Selected> {
        let lease = of.shard.lease(of.id(), mailbox)?;
        let opened = of.shard.with_account(of.id(), |account| {
            account.mailbox(mailbox).map(|mailbox| (mailbox.uid_validity(), View::new(mailbox, lease)))
        });
        let (uid_validity, view) = opened.flatten()?;
        let auth = Authenticated::glimpse(&of.account, &of.shard, of.rev2);
        let (saved, places, contexts) = (UidSet::new(), Places::default(), Contexts::default());
        Some(Selected { auth, mailbox, uid_validity, read_only: true, view, saved, places, contexts })
    }

    /// The selected mailbox as this session knows it: `None` when it was deleted, or got another UIDVALIDITY.
    pub fn mailbox_of<'a>(&self, account: &'a Account) -> Option<&'a Mailbox> {
        account.mailbox(self.mailbox).filter(|mailbox| mailbox.uid_validity() == self.uid_validity)
    }

    /// Looks at the selected mailbox; BYE when it is no more.
    pub fn look<R>(&self, look: impl FnOnce(&Mailbox) -> R) -> Result<R, Refusal> {
        self.auth.look(|account| self.mailbox_of(account).map(look))?.ok_or_else(Refusal::mailbox_deleted)
    }

    /// Refuses what would change a mailbox opened by EXAMINE.
    pub fn check_writable(&self) -> Result<(), Refusal> {
        if self.read_only { Err(Refusal::read_only()) } else { Ok(()) }
    }

    /// The session has just selected the mailbox: what no read-write session was told of before is recent here.
    pub fn begin_recent(&mut self, core: &Core) {
        let shard = self.auth.shard.clone();
        shard.with_account(self.auth.id(), |account| {
            if let Some(mailbox) = self.mailbox_of(account) {
                self.mark_recent(core, mailbox, Uid::MIN);
            }
        });
    }

    /// Messages from `from` on came into the view. Those that no read-write session was told of before are recent here.
    pub fn mark_recent(&mut self, core: &Core, mailbox: &Mailbox, from: Uid) {
        let first = recent::first(core, self.auth.id(), mailbox).max(from);
        self.view.set_recent_from(first);
        if !self.read_only {
            core.claim_recent(self.auth.id(), self.mailbox, mailbox.uid_next());
        }
    }
}

/// Tells which flags the mailbox has and which can be stored (RFC 9051 7.3.5, 7.1).
pub fn write_flags(out: &Output, keywords: &[Rc<str>], read_only: bool) {
    let system = [Flags::ANSWERED, Flags::FLAGGED, Flags::DELETED, Flags::SEEN, Flags::DRAFT];
    let flags = system.into_iter().fold(Flags::default(), Flags::with);
    let flags = (0..keywords.len()).fold(flags, |all, keyword| all.with(Flags::keyword(keyword)));
    out.with(|buffer| {
        encode::untagged(buffer, "FLAGS");
        encode::flags(buffer, flags, keywords, false);
        buffer.extend_from_slice(b"\r\n");
    });
    let (code, text) = if read_only {
        (Code::PermanentFlags { flags: Flags::default(), keywords: Vec::new(), any: false }, "Read-only")
    } else {
        let any = keywords.len() < Flags::KEYWORDS_MAX;
        (Code::PermanentFlags { flags, keywords: keywords.to_vec(), any }, "Flags that can be stored")
    };
    write_status(out, None, Status::Ok, Some(&code), text);
}
