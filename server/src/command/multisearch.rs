//! ESEARCH: one search over several mailboxes (MULTISEARCH, RFC 7377).
//!
//! Each mailbox is searched as a session would that had just opened it; the selected one as this session sees it. What must hold: a
//! mailbox is searched once; one that is deleted meanwhile, or is not there, is passed over; no answer about a mailbox without a match.

use std::collections::HashSet;

use roaring::RoaringBitmap;
use trawl_store::state::account::Account;
use trawl_store::types::MailboxId;
use trawl_store::uid_set::UidSet;

use super::context::{self, Found};
use super::prelude::*;
use super::search::fuzzy::Hits;
use super::search::{self, answer, filters, numbers, together};
use crate::limits::SEARCH_TOGETHER_MAILBOXES_MAX;
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
    let (account, shard, rev2) = (auth.account.clone(), auth.shard.clone(), auth.rev2);
    if let Session::Selected(own) = &mut *session {
        context::begin(own, cx, search.returns)?;
    }
    let mut of_own = None;
    let searched = search::in_time(cx, async {
        for some in mailboxes.chunks(SEARCH_TOGETHER_MAILBOXES_MAX) {
            let own = match &mut *session {
                Session::Selected(own) if some.contains(&own.mailbox) => Some(&mut **own),
                _ => None,
            };
            let mut others = Vec::with_capacity(some.len());
            for mailbox in some {
                if own.as_ref().is_none_or(|own| own.mailbox != *mailbox) {
                    search::breathe(cx).await?;
                    // One that is no more is passed over.
                    others.extend(Selected::glimpse(&account, &shard, rev2, *mailbox));
                }
            }
            let positions = several(own, &mut others, cx, &search, encoding).await?;
            of_own = positions.or(of_own.take());
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

/// Searches the selected mailbox, if it is one of them, and others, and tells what was found in each; gives the positions in the
/// selected one.
async fn several(
    own: Option<&mut Selected>,
    others: &mut [Selected],
    cx: &Cx,
    command: &SearchCommand,
    encoding: NameEncoding,
) -> Result<Option<RoaringBitmap>, Refusal> {
    let has_own = own.is_some();
    let mut mailboxes: Vec<&mut Selected> = own.into_iter().chain(others).collect();
    let found = together::find_each(&mut mailboxes, cx, command).await?;
    let mut of_own = None;
    for (nth, (s, hits)) in mailboxes.into_iter().zip(found).enumerate() {
        let is_own = has_own && nth == 0;
        let told = match hits {
            Some(hits) => tell(s, cx, command, encoding, hits).await,
            None => Err(Refusal::mailbox_deleted()),
        };
        match told {
            Err(refusal) if refusal.kind == RefusalKind::Bye && !is_own => {}
            told if is_own => of_own = Some(told?),
            told => drop(told?),
        }
    }
    Ok(of_own)
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
    let wanted = account.mailboxes().filter(|mailbox| is_wanted(mailbox.name()));
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
