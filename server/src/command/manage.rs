//! The mailbox tree: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 6.3.4 to 6.3.8, RFC 6154 3).
//!
//! Not here: the rules of the tree (the store's); names on their way in are `wire::name`.

use trawl_store::types::{MailboxId, SpecialUses};

use super::prelude::*;
use super::select::deselect;
use crate::response::encode::{ListAttribute, ListEntry};
use crate::wire::ast::UseAttribute;
use crate::wire::name::{MailboxName, check_new_name};

/// `CREATE`
pub async fn create(
    auth: &mut Authenticated,
    cx: &Cx,
    asked: MailboxName,
    uses: Vec<UseAttribute>,
) -> Answer {
    let name = auth.decode(&asked)?;
    // A trailing delimiter announces that names will be made below (RFC 9051 6.3.4).
    let name = name.strip_suffix('/').unwrap_or(&name);
    check_new_name(name)?;
    let mut special_uses = SpecialUses::NONE;
    for attribute in uses {
        match attribute {
            UseAttribute::Known(special) => special_uses = special_uses.with(special),
            UseAttribute::Other(_) => return Err(Refusal::no(Code::UseAttr, "There is no such special use")),
        }
    }
    if auth.look(|account| account.mailbox_named(name).is_some())? {
        return Err(Refusal::no(Code::AlreadyExists, "There is a mailbox of that name already"));
    }
    let validity = cx.core.uid_validities.next().await?;
    let id = auth.shard.create_mailbox(auth.id(), name, special_uses, validity).await?;
    tell_new_name(auth, cx, id, asked.as_bytes().strip_suffix(b"/").unwrap_or(asked.as_bytes()))?;
    // RFC 8474 4.1. Another session may have deleted it since.
    let object_id = auth.look(|account| account.mailbox(id).map(|mailbox| mailbox.object_id()))?;
    let object_id = object_id.ok_or_else(Refusal::no_such_mailbox)?;
    Ok(Done::ok("CREATE done").with_code(Code::MailboxId(object_id)))
}

/// `DELETE`. A session that deletes the mailbox it has selected has none selected then.
pub async fn delete(mut session: Session, cx: &Cx, asked: MailboxName) -> (Session, Answer) {
    let Some(auth) = session.authenticated_mut() else {
        return (session, Err(Refusal::bad(None, "Log in first")));
    };
    match delete_named(auth, cx, &asked).await {
        Ok(id) => {
            let session = match session {
                Session::Selected(selected) if id.is_some_and(|id| id == selected.mailbox) => {
                    close(*selected, cx, "The deleted mailbox is closed")
                }
                session => session,
            };
            (session, Ok(Done::ok("DELETE done")))
        }
        Err(refusal) => (session, Err(refusal)),
    }
}

async fn delete_named(
    auth: &Authenticated,
    cx: &Cx,
    asked: &MailboxName,
) -> Result<Option<MailboxId>, Refusal> {
    let name = asked.decode(auth.encoding()).map_err(|_| Refusal::no_such_mailbox())?;
    let id = auth.look(|account| account.mailbox_named(&name).map(|mailbox| mailbox.id()))?;
    auth.shard.delete_mailbox(auth.id(), &name).await?;
    if let Some(id) = id {
        cx.core.forget_recent(auth.id(), id);
    }
    Ok(id)
}

/// The session's own command took its mailbox away: it has none selected now (RFC 9051 7.1, CLOSED).
fn close(selected: Selected, cx: &Cx, why: &str) -> Session {
    write_status(&cx.out, None, Status::Ok, Some(&Code::Closed), why);
    deselect(selected)
}

/// `RENAME`. A session whose own mailbox gets a new UIDVALIDITY by it (its new name has had a greater one) has none selected
/// then.
pub async fn rename(mut session: Session, cx: &Cx, from: MailboxName, to: MailboxName) -> (Session, Answer) {
    let Some(auth) = session.authenticated_mut() else {
        return (session, Err(Refusal::bad(None, "Log in first")));
    };
    let answer = rename_named(auth, cx, from, to).await;
    let session = match session {
        Session::Selected(selected) if answer.is_ok() && selected.look(|_| ()).is_err() => {
            close(*selected, cx, "The renamed mailbox has a new UIDVALIDITY")
        }
        session => session,
    };
    (session, answer)
}

/// With everything below; of INBOX: its messages move (RFC 9051 6.3.6).
async fn rename_named(auth: &Authenticated, cx: &Cx, from: MailboxName, to: MailboxName) -> Answer {
    let source = from.decode(auth.encoding()).map_err(|_| Refusal::no_such_mailbox())?;
    let target = auth.decode(&to)?;
    check_new_name(&target)?;
    let validity = cx.core.uid_validities.next().await?;
    let renamed = auth.shard.rename_mailbox(auth.id(), &source, &target, validity).await?;
    if auth.rev2 {
        for (id, old, _) in &renamed.names {
            // The name the client knows is the one it sent, also if it was normalised (RFC 9051 6.3.6).
            let old = if **old == *source { from.as_bytes() } else { old.as_bytes() };
            tell_new_name(auth, cx, *id, old)?;
            cx.out.room().await?;
        }
    }
    Ok(Done::ok("RENAME done"))
}

/// To rev2: the name a mailbox has now, when it is not the one the client knows (RFC 9051 6.3.9.7 OLDNAME).
fn tell_new_name(auth: &Authenticated, cx: &Cx, id: MailboxId, old: &[u8]) -> Result<(), Refusal> {
    if !auth.rev2 {
        return Ok(());
    }
    let old = String::from_utf8_lossy(old);
    let facts = auth.look(|account| {
        let mailbox = account.mailbox(id)?;
        let name = mailbox.name().clone();
        Some((account.has_children(&name), mailbox.special_uses(), name))
    })?;
    let Some((has_children, special_uses, name)) = facts else { return Ok(()) };
    if *name == *old {
        return Ok(());
    }
    let children = if has_children { ListAttribute::HasChildren } else { ListAttribute::HasNoChildren };
    let entry = ListEntry {
        attributes: &[children],
        special_uses,
        name: &name,
        delimiter: Some('/'),
        child_info: &[],
        old_name: Some(&old),
    };
    cx.out.with(|buffer| encode::list_entry(buffer, "LIST", &entry, auth.encoding()));
    Ok(())
}

/// `SUBSCRIBE`: of any name; there need not be a mailbox (RFC 9051 6.3.7).
pub async fn subscribe(auth: &mut Authenticated, _: &Cx, asked: MailboxName) -> Answer {
    let name = auth.decode(&asked)?;
    let name = name.strip_suffix('/').unwrap_or(&name);
    auth.shard.subscribe(auth.id(), name).await?;
    Ok(Done::ok("SUBSCRIBE done"))
}

/// `UNSUBSCRIBE`: succeeds also when the name is not subscribed.
pub async fn unsubscribe(auth: &mut Authenticated, _: &Cx, asked: MailboxName) -> Answer {
    let name = auth.decode(&asked)?;
    let name = name.strip_suffix('/').unwrap_or(&name);
    auth.shard.unsubscribe(auth.id(), name).await?;
    Ok(Done::ok("UNSUBSCRIBE done"))
}
