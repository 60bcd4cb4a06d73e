//! ESEARCH: one search over several mailboxes (MULTISEARCH, RFC 7377).
//!
//! Each mailbox is searched as a session would that had just opened it; the selected one as this session sees it. What must hold: a
//! mailbox is searched once; one that is deleted meanwhile, or is not there, is passed over; no answer about a mailbox without a match.

use std::collections::HashSet;
use std::rc::Rc;

use roaring::RoaringBitmap;
use trawl_store::state::account::Account;
use trawl_store::types::MailboxId;
use trawl_store::uid_set::UidSet;

use super::context::{self, Found};
use super::prelude::*;
use super::search::fuzzy::Hits;
use super::search::together::{self, RowHits};
use super::search::{self, answer, filters, numbers};
use crate::limits::{OUTPUT_PENDING_BYTES_MAX, SEARCH_TOGETHER_MAILBOXES_MAX};
use crate::mailbox::joined::Joined;
use crate::observe::metrics::Family;
use crate::response::status::RefusalKind;
use crate::wire::ast::{MultiSearchCommand, SearchCommand, Source};
use crate::wire::name::{MailboxName, NameEncoding};

/// `ESEARCH`
pub async fn esearch(session: &mut Session, cx: &Cx, command: MultiSearchCommand) -> Answer {
    cx.observed(Family::ESearch, answered(session, cx, command)).await?;
    Ok(Done::ok("ESEARCH done"))
}

/// Searches, and writes what was found.
async fn answered(session: &mut Session, cx: &Cx, command: MultiSearchCommand) -> Result<(), Refusal> {
    let MultiSearchCommand { sources, search } = command;
    let sources = sources.unwrap_or_else(|| vec![Source::Selected]);
    let only_selected = sources.iter().all(|source| *source == Source::Selected);
    if search.returns.is_some_and(|returns| returns.save) && !only_selected {
        return Err(Refusal::bad(None, "SAVE is for the selected mailbox only"));
    }
    let (auth, selected) = match session {
        Session::Selected(selected) => (&selected.auth, Some(selected.mailbox)),
        Session::Authenticated(_) if sources.contains(&Source::Selected) => {
            return Err(Refusal::bad(None, "Select a mailbox first"));
        }
        Session::Authenticated(auth) => (&**auth, None),
        _ => return Err(Refusal::bad(None, "Log in first")),
    };
    let returns = answer::or_all(search.returns.unwrap_or_default());
    if returns.update && selected.is_none() {
        return Err(Refusal::bad(None, "UPDATE is for the selected mailbox: select one first"));
    }
    // Once: the same for every mailbox.
    let search = match filters::expanded(auth, &cx.core, &search) {
        Ok(expanded) => expanded.into_owned(),
        Err(refusal) => {
            if let Session::Selected(own) = session
                && refusal.kind == RefusalKind::No
                && search.returns.is_some_and(|returns| returns.save)
            {
                own.saved = UidSet::new();
            }
            return Err(refusal);
        }
    };
    let encoding = auth.encoding();
    let names = |names: &[MailboxName]| -> Vec<String> {
        // A name that cannot be decoded names no mailbox.
        names.iter().filter_map(|name| auth.decode(name).ok()).collect()
    };
    let mailboxes = auth.look(|account| mailboxes(account, &sources, selected, &names))?;
    let auth = Authenticated::glimpse(&auth.account, &auth.shard, auth.rev2);
    if let Session::Selected(own) = &mut *session {
        context::begin(own, cx, search.returns)?;
    }
    let mut of_own = None;
    let searched = search::in_time(cx, async {
        for (nth, some) in mailboxes.chunks(SEARCH_TOGETHER_MAILBOXES_MAX).enumerate() {
            let mut own = match &mut *session {
                Session::Selected(own) if some.contains(&own.mailbox) => Some(&mut **own),
                _ => None,
            };
            let found = together::find(own.as_deref_mut(), &auth, (some, nth), cx, &search).await?;
            if let (Some(own), Some(hits)) = (own, found.own) {
                let hits = hits.ok_or_else(Refusal::mailbox_deleted)?;
                of_own = Some(tell(own, cx, &search, encoding, hits).await?);
            }
            for (mut s, hits) in found.opened {
                match tell(&mut s, cx, &search, encoding, hits).await {
                    Err(refusal) if refusal.kind == RefusalKind::Bye => {}
                    told => drop(told?),
                }
            }
            tell_rows(&auth, cx, &search, encoding, &found.rows).await?;
        }
        Ok(())
    })
    .await;
    if let Session::Selected(own) = session {
        match (&searched, of_own) {
            (Ok(()), Some(positions)) => {
                if returns.update {
                    context::keep(own, cx, &search, Found { positions: &positions, sorted: None }, true);
                }
                if returns.save {
                    own.saved =
                        numbers::uids(own.view.sequence_numbers(), &answer::saved(returns, &positions));
                }
            }
            (Ok(()), None) if returns.update => context::refuse(cx, "The selected mailbox was not searched"),
            (Err(refusal), _) if refusal.kind == RefusalKind::No && returns.save => own.saved = UidSet::new(),
            _ => {}
        }
    }
    searched
}

/// Which mailboxes these are, each once, in one pass over those that there are.
fn mailboxes(
    account: &Account,
    sources: &[Source],
    selected: Option<MailboxId>,
    decoded: &dyn Fn(&[MailboxName]) -> Vec<String>,
) -> Vec<MailboxId> {
    let (mut named, mut subtrees, mut parents) = (HashSet::new(), HashSet::new(), HashSet::new());
    let (mut all, mut subscribed) = (false, false);
    let mut found = Vec::new();
    for source in sources {
        match source {
            Source::Selected => found = selected.into_iter().collect(),
            // Mail is delivered to INBOX.
            Source::Inboxes => named.extend(["INBOX".to_owned()]),
            Source::Personal => all = true,
            Source::Subscribed => subscribed = true,
            Source::Subtree(names) => subtrees.extend(decoded(names)),
            Source::SubtreeOne(names) => parents.extend(decoded(names)),
            Source::Mailboxes(names) => named.extend(decoded(names)),
        }
    }
    let is_wanted = |name: &str| {
        all || named.contains(name)
            || subscribed && account.is_subscribed(name)
            || parents.contains(name)
            || name.rsplit_once('/').is_some_and(|(parent, _)| parents.contains(parent))
            || subtrees.contains(name)
            || name.match_indices('/').any(|(at, _)| subtrees.contains(&name[..at]))
    };
    let wanted = account.mailboxes_from(MailboxId(0)).filter(|mailbox| is_wanted(mailbox.name()));
    let first = found.first().copied();
    found.extend(wanted.map(|mailbox| mailbox.id()).filter(|mailbox| Some(*mailbox) != first));
    found
}

/// Tells what was found in a mailbox; gives the positions.
async fn tell(
    s: &mut Selected,
    cx: &Cx,
    command: &SearchCommand,
    encoding: NameEncoding,
    hits: Hits,
) -> Result<RoaringBitmap, Refusal> {
    let returns = answer::or_all(command.returns.unwrap_or_default());
    let relevancy = search::relevancy(s, cx, command.returns, &hits).await?;
    let positions = hits.positions;
    let view = s.view.sequence_numbers();
    if !positions.is_empty() && !answer::only_saves(returns) {
        let mut esearch = answer::esearch(returns, &positions, command.by, view);
        esearch.relevancy = relevancy.map(|scores| answer::relevancy(returns, scores));
        let (name, validity) = s.look(|mailbox| (mailbox.name().clone(), mailbox.uid_validity()))?;
        cx.out.with(|out| encode::esearch_of(out, &cx.tag, &name, encoding, validity, &esearch));
    }
    cx.out.room().await?;
    Ok(positions)
}

/// Tells what was found in small mailboxes, as much at a time as waits to be sent; one that is no more is passed over.
async fn tell_rows(
    auth: &Authenticated,
    cx: &Cx,
    command: &SearchCommand,
    encoding: NameEncoding,
    rows: &[(Rc<Joined>, RoaringBitmap)],
) -> Result<(), Refusal> {
    let returns = answer::or_all(command.returns.unwrap_or_default());
    for (row, places) in rows {
        let hits = RowHits::of(row, places);
        let mut parts = hits.iter().peekable();
        while parts.peek().is_some() {
            auth.look(|account| {
                cx.out.with(|out| {
                    for (part, runs) in parts.by_ref() {
                        let mailbox = account.mailbox(part.mailbox);
                        let there = mailbox.filter(|mailbox| mailbox.uid_validity() == part.uid_validity);
                        let Some(mailbox) = there else { continue };
                        let esearch = answer::esearch_of(returns, runs, command.by, &part.uids);
                        let validity = part.uid_validity;
                        encode::esearch_of(out, &cx.tag, mailbox.name(), encoding, validity, &esearch);
                        if out.len() >= OUTPUT_PENDING_BYTES_MAX {
                            break;
                        }
                    }
                });
            })?;
            cx.out.room().await?;
            if cx.out.pending() >= OUTPUT_PENDING_BYTES_MAX / 2 {
                search::breathe(cx).await?;
            }
        }
    }
    cx.out.room().await?;
    Ok(())
}
