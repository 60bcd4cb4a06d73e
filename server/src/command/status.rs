//! STATUS: figures of a mailbox that need not be selected (RFC 9051 6.3.11, RFC 8438 SIZE, RFC 7889 APPENDLIMIT, RFC 8474
//! MAILBOXID).

use trawl_store::state::mailbox::Mailbox;

use super::prelude::*;
use crate::core::Core;
use crate::mailbox::recent;
use crate::response::encode::StatusValue;
use crate::wire::ast::StatusItem;
use crate::wire::name::MailboxName;

/// `STATUS`
pub async fn status(auth: &mut Authenticated, cx: &Cx, name: MailboxName, items: Vec<StatusItem>) -> Answer {
    let account = auth.id();
    let (name, values) = auth
        .look_named(&name, |mailbox| (mailbox.name().clone(), values(&cx.core, account, mailbox, &items)))?;
    cx.out.with(|buffer| encode::status_response(buffer, &name, auth.encoding(), &values));
    Ok(Done::ok("STATUS done"))
}

/// The figures asked for, in the order asked.
pub fn values(
    core: &Core,
    account: trawl_store::types::AccountId,
    mailbox: &Mailbox,
    items: &[StatusItem],
) -> Vec<StatusValue> {
    let counts = mailbox.counts();
    let value = |item: &StatusItem| match item {
        StatusItem::Messages => u64::from(counts.messages),
        StatusItem::Recent => u64::from(recent::count(core, account, mailbox)),
        StatusItem::UidNext => u64::from(mailbox.uid_next().get()),
        StatusItem::UidValidity => u64::from(mailbox.uid_validity().get()),
        StatusItem::Unseen => u64::from(counts.unseen),
        StatusItem::Deleted => u64::from(counts.deleted),
        StatusItem::Size => counts.size,
        StatusItem::AppendLimit => core.config.limits.append_bytes_max.0,
        StatusItem::MailboxId => mailbox.object_id().0,
    };
    items.iter().map(|item| (*item, Some(value(item)))).collect()
}
