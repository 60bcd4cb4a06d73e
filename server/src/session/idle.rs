//! IDLE (RFC 2177, RFC 9051 6.3.13): the client waits and is told of every change at once, until it says DONE.
//!
//! It is a command in progress, so EXPUNGE may be told. The state below it, with or without a mailbox, stays.

use futures_lite::future;
use trawl_store::event::{Event as Changed, Wait};

use super::{Cx, Session};
use crate::command::{context, metadata};
use crate::mailbox::sync;
use crate::response::output::Gone;
use crate::response::status::{Answer, Code, Done, Refusal};
use crate::wire::fragment::Event;

/// `IDLE`
pub async fn idle(session: &mut Session, cx: &Cx) -> Answer {
    cx.reader.expect_line();
    cx.out.push(b"+ idling\r\n");
    let changed: Option<Changed> = match session {
        Session::Selected(selected) => Some(selected.look(|mailbox| mailbox.changed().clone())?),
        _ => None,
    };
    // Of the account, for who wants to know of its annotations.
    let annotated: Option<Changed> = match session.authenticated() {
        Some(auth) if auth.known_annotations.is_some() => {
            Some(auth.look(|account| account.changed().clone())?)
        }
        _ => None,
    };
    loop {
        // Made before looking, so that nothing that comes in between is missed.
        let (change, annotation) =
            (changed.as_ref().map(Changed::wait), annotated.as_ref().map(Changed::wait));
        // Documents that are read change the result of a search for what is in them.
        let read = match session {
            Session::Selected(selected) if selected.contexts.look_at_bodies() => {
                Some(selected.auth.look(|account| account.documents_changed().wait())?)
            }
            _ => None,
        };
        if let Session::Selected(selected) = session {
            sync::now(selected, cx).await?;
        }
        if let Some(auth) = session.authenticated_mut() {
            metadata::tell_changes(auth, &cx.out).await?;
        }
        match cx.reader.poll() {
            Some(Event::Line(line)) if line.eq_ignore_ascii_case(b"DONE") => {
                return Ok(Done::ok("IDLE done"));
            }
            Some(_) => return Err(Refusal::bad(None, "DONE was expected")),
            None => {}
        }
        if cx.core.stop.is_set() {
            return Err(Refusal::bye(Code::Unavailable, "The server is stopping"));
        }
        let change = future::or(future::or(of(change), of(annotation)), of(read));
        let stop = async {
            cx.core.stop.wait().await;
            Ok(())
        };
        // Time alone changes the result of a search for OLDER or YOUNGER (RFC 5032 2).
        let ages = matches!(session, Session::Selected(selected) if selected.contexts.have_ages());
        let ages = async {
            match ages {
                true => cx.core.clock.sleep(context::AGES).await,
                false => future::pending().await,
            }
            Ok(())
        };
        future::or(future::or(cx.reader.more(), change), future::or(stop, ages)).await?;
    }
}

/// The change, if there is one to wait for.
async fn of(change: Option<Wait>) -> Result<(), Gone> {
    match change {
        Some(change) => change.await,
        None => future::pending().await,
    }
    Ok(())
}
