//! \Recent, as simple and honest as RFC 3501 2.3.2 allows.
//!
//! A message is recent in the first read-write session that is told of it (and in read-only ones until then). Which
//! messages were told is one UID per mailbox, kept in memory: after a start, messages that came into the mailbox before
//! it are not recent any more. IMAP4rev2 knows no \Recent.

use trawl_store::state::mailbox::Mailbox;
use trawl_store::types::{AccountId, Uid};

use crate::core::Core;

/// The first UID that is recent; `UIDNEXT` when none is.
pub fn first(core: &Core, account: AccountId, mailbox: &Mailbox) -> Uid {
    if let Some(first) = core.first_recent(account, mailbox.id()) {
        return first;
    }
    let started = core.started.0.div_euclid(1000);
    let since = |row: &trawl_store::types::Row| i64::from(row.save_date) >= started;
    mailbox.rows().rev().take_while(since).last().map_or(mailbox.uid_next(), |row| row.uid)
}

/// How many messages are recent.
pub fn count(core: &Core, account: AccountId, mailbox: &Mailbox) -> u32 {
    let first = first(core, account, mailbox);
    if first >= mailbox.uid_next() {
        return 0;
    }
    mailbox.range(first, Uid::MAX).count() as u32
}
