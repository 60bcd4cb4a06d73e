//! ESEARCH: one search over several mailboxes (MULTISEARCH, RFC 7377).
//!
//! Each mailbox is searched as a session would that had just opened it; the selected one as this session sees it. What must hold: a
//! mailbox is searched once; one that is deleted meanwhile, or is not there, is passed over; no answer about a mailbox without a match.

use std::collections::HashSet;

use trawl_store::state::account::Account;
use trawl_store::types::MailboxId;
use trawl_store::uid_set::UidSet;

use super::prelude::*;
use super::search::{self, answer, filters, numbers};
use crate::response::status::RefusalKind;
use crate::wire::ast::{MultiSearchCommand, SearchCommand, Source};
use crate::wire::name::{MailboxName, NameEncoding};

/// `ESEARCH`
pub async fn esearch(session: &mut Session, cx: &Cx, command: MultiSearchCommand) -> Answer {
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
    search::in_time(cx, async {
        for mailbox in mailboxes {
            search::breathe(cx).await?;
            if let Session::Selected(own) = &mut *session
                && own.mailbox == mailbox
            {
                one(own, cx, &search, encoding).await?;
                continue;
            }
            let Some(mut glimpse) = Selected::glimpse(&account, &shard, rev2, mailbox) else { continue };
            match one(&mut glimpse, cx, &search, encoding).await {
                // It is no more.
                Err(refusal) if refusal.kind == RefusalKind::Bye => {}
                searched => searched?,
            }
        }
        Ok(Done::ok("ESEARCH done"))
    })
    .await
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

/// Searches a mailbox and tells what was found in it.
async fn one(
    s: &mut Selected,
    cx: &Cx,
    command: &SearchCommand,
    encoding: NameEncoding,
) -> Result<(), Refusal> {
    let returns = answer::or_all(command.returns.unwrap_or_default());
    let found = search::find_patiently(s, cx, command).await;
    if let Err(refusal) = &found
        && refusal.kind == RefusalKind::No
        && returns.save
    {
        s.saved = UidSet::new();
    }
    let positions = found?;
    let view = s.view.sequence_numbers();
    if !positions.is_empty() && !answer::only_saves(returns) {
        let esearch = answer::esearch(returns, &positions, command.by, view);
        let (name, validity) = s.look(|mailbox| (mailbox.name().clone(), mailbox.uid_validity()))?;
        cx.out.with(|out| encode::esearch_of(out, &cx.tag, &name, encoding, validity, &esearch));
    }
    if returns.save {
        s.saved = numbers::uids(view, &answer::saved(returns, &positions));
    }
    cx.out.room().await?;
    Ok(())
}
