//! SELECT, EXAMINE, CLOSE, UNSELECT, CHECK: a mailbox is opened, looked after, closed.

use std::rc::Rc;

use trawl_store::types::{MailboxId, MailboxObjectId, SpecialUses, Uid, UidValidity};
use trawl_store::uid_set::UidSet;

use super::expunge;
use super::prelude::*;
use super::search::places::Places;
use crate::mailbox::contexts::Contexts;
use crate::mailbox::view::View;
use crate::response::encode::{ListAttribute, ListEntry};
use crate::session::selected::write_flags;
use crate::wire::name::MailboxName;

/// `SELECT` (RFC 9051 6.3.2, RFC 3501 6.3.1).
pub async fn select(session: Session, cx: &Cx, name: MailboxName) -> (Session, Answer) {
    open(session, cx, name, false)
}

/// `EXAMINE` (RFC 9051 6.3.3).
pub async fn examine(session: Session, cx: &Cx, name: MailboxName) -> (Session, Answer) {
    open(session, cx, name, true)
}

/// Whatever happens, no mailbox that was selected before stays so (RFC 9051 6.3.2).
fn open(session: Session, cx: &Cx, name: MailboxName, read_only: bool) -> (Session, Answer) {
    let auth = match session {
        Session::Authenticated(auth) => *auth,
        Session::Selected(selected) => {
            if selected.auth.rev2 {
                write_status(
                    &cx.out,
                    None,
                    Status::Ok,
                    Some(&Code::Closed),
                    "The previous mailbox is closed",
                );
            }
            selected.auth
        }
        session => return (session, Err(Refusal::bad(None, "Log in first"))),
    };
    match look_up(&auth, &name) {
        Ok((facts, view)) => {
            let saved = UidSet::new();
            let (mailbox, uid_validity) = (facts.mailbox, facts.uid_validity);
            let (places, contexts) = (Places::default(), Contexts::default());
            let mut selected =
                Selected { auth, mailbox, uid_validity, read_only, view, saved, places, contexts };
            selected.begin_recent(&cx.core);
            tell(&selected, cx, &facts, &name);
            let done = if read_only {
                Done::ok("EXAMINE done").with_code(Code::ReadOnly)
            } else {
                Done::ok("SELECT done").with_code(Code::ReadWrite)
            };
            (Session::Selected(Box::new(selected)), Ok(done))
        }
        Err(refusal) => (Session::Authenticated(Box::new(auth)), Err(refusal)),
    }
}

/// What SELECT tells of a mailbox.
struct Facts {
    mailbox: MailboxId,
    object_id: MailboxObjectId,
    name: Rc<str>,
    keywords: Vec<Rc<str>>,
    uid_validity: UidValidity,
    uid_next: Uid,
    /// Sequence number of the first message without \Seen.
    first_unseen: Option<u32>,
    special_uses: SpecialUses,
    has_children: bool,
    subscribed: bool,
}

fn look_up(auth: &Authenticated, name: &MailboxName) -> Result<(Facts, View), Refusal> {
    let id = auth.mailbox_id(name)?;
    let lease = auth.shard.lease(auth.id(), id).ok_or_else(Refusal::no_such_mailbox)?;
    let found = auth.look(|account| {
        let mailbox = account.mailbox(id)?;
        let facts = Facts {
            mailbox: id,
            object_id: mailbox.object_id(),
            name: mailbox.name().clone(),
            keywords: mailbox.keywords().to_vec(),
            uid_validity: mailbox.uid_validity(),
            uid_next: mailbox.uid_next(),
            first_unseen: mailbox.first_unseen().map(|(position, _)| position + 1),
            special_uses: mailbox.special_uses(),
            has_children: account.has_children(mailbox.name()),
            subscribed: account.is_subscribed(mailbox.name()),
        };
        Some((facts, View::new(mailbox, lease)))
    })?;
    found.ok_or_else(Refusal::no_such_mailbox)
}

/// The untagged responses of SELECT: rev1 has RECENT and UNSEEN, rev2 has LIST (RFC 9051 appendix E).
fn tell(selected: &Selected, cx: &Cx, facts: &Facts, asked: &MailboxName) {
    let (out, rev2) = (&cx.out, selected.auth.rev2);
    write_flags(out, &facts.keywords, selected.read_only);
    out.with(|buffer| encode::numbered(buffer, selected.view.len(), "EXISTS"));
    if !rev2 {
        out.with(|buffer| encode::numbered(buffer, selected.view.recent_len(), "RECENT"));
        if let Some(first) = facts.first_unseen {
            write_status(out, None, Status::Ok, Some(&Code::Unseen(first)), "The first unseen message");
        }
    }
    let validity = Code::UidValidity(facts.uid_validity);
    write_status(out, None, Status::Ok, Some(&validity), "UIDs are valid");
    write_status(out, None, Status::Ok, Some(&Code::UidNext(facts.uid_next)), "The next UID, at least");
    write_status(out, None, Status::Ok, Some(&Code::MailboxId(facts.object_id)), "Stays with the mailbox");
    if rev2 {
        let children =
            if facts.has_children { ListAttribute::HasChildren } else { ListAttribute::HasNoChildren };
        let mut attributes = vec![children];
        if facts.subscribed {
            attributes.push(ListAttribute::Subscribed);
        }
        let asked = String::from_utf8_lossy(asked.as_bytes());
        let entry = ListEntry {
            attributes: &attributes,
            special_uses: facts.special_uses,
            name: &facts.name,
            delimiter: Some('/'),
            child_info: &[],
            // The name was normalised (RFC 9051 6.3.9.7).
            old_name: (*asked != *facts.name).then_some(&*asked),
        };
        out.with(|buffer| encode::list_entry(buffer, "LIST", &entry, selected.auth.encoding()));
    }
}

/// `CLOSE` (RFC 9051 6.4.1): removes what has \Deleted, silently, and deselects. When that fails the mailbox stays selected.
pub async fn close(session: Session, _: &Cx) -> (Session, Answer) {
    let Session::Selected(selected) = session else {
        return (session, Err(Refusal::bad(None, "Select a mailbox first")));
    };
    if let Err(refusal) = expunge::close_expunge(&selected).await {
        return (Session::Selected(selected), Err(refusal));
    }
    (deselect(*selected), Ok(Done::ok("CLOSE done")))
}

/// `UNSELECT` (RFC 9051 6.4.2).
pub async fn unselect(session: Session, _: &Cx) -> (Session, Answer) {
    match session {
        Session::Selected(selected) => (deselect(*selected), Ok(Done::ok("UNSELECT done"))),
        session => (session, Err(Refusal::bad(None, "Select a mailbox first"))),
    }
}

/// `CHECK` (RFC 3501 6.4.1): everything that was answered is durable already.
pub async fn check(_: &mut Selected, _: &Cx) -> Answer {
    Ok(Done::ok("CHECK done"))
}

/// Back to the authenticated state; the view and its lease end.
pub fn deselect(selected: Selected) -> Session {
    Session::Authenticated(Box::new(selected.auth))
}
