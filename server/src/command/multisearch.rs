//! ESEARCH: one search over several mailboxes (MULTISEARCH, RFC 7377).
//!
//! Each mailbox is searched as a session would that had just opened it; the selected one as this session sees it. What must hold: a
//! mailbox is searched once; one that is deleted meanwhile, or is not there, is passed over; no answer about a mailbox without a match.

use trawl_store::state::account::Account;
use trawl_store::types::MailboxId;
use trawl_store::uid_set::UidSet;

use super::prelude::*;
use super::search::{self, answer, numbers};
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

/// Which mailboxes these are, each once.
fn mailboxes(
    account: &Account,
    sources: &[Source],
    selected: Option<MailboxId>,
    decoded: &dyn Fn(&[MailboxName]) -> Vec<String>,
) -> Vec<MailboxId> {
    let mut found: Vec<MailboxId> = Vec::new();
    let named = |name: &str| account.mailbox_named(name).map(|mailbox| mailbox.id());
    let below = |names: &[MailboxName], is_wanted: &dyn Fn(&str) -> bool| -> Vec<MailboxId> {
        let roots = decoded(names);
        let is_below = |name: &str, root: &String| {
            let rest = name.strip_prefix(root.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/').is_some_and(is_wanted))
        };
        let mailboxes = account.mailboxes();
        let mailboxes = mailboxes.filter(|mailbox| roots.iter().any(|root| is_below(mailbox.name(), root)));
        mailboxes.map(|mailbox| mailbox.id()).collect()
    };
    for source in sources {
        let more: Vec<MailboxId> = match source {
            Source::Selected => selected.into_iter().collect(),
            // Mail is delivered to INBOX.
            Source::Inboxes => named("INBOX").into_iter().collect(),
            Source::Personal => account.mailboxes().map(|mailbox| mailbox.id()).collect(),
            Source::Subscribed => account.subscriptions().filter_map(named).collect(),
            Source::Subtree(names) => below(names, &|_| true),
            Source::SubtreeOne(names) => below(names, &|rest| !rest.contains('/')),
            Source::Mailboxes(names) => decoded(names).iter().filter_map(|name| named(name)).collect(),
        };
        found.extend(more);
    }
    let mut met = std::collections::HashSet::new();
    found.retain(|mailbox| met.insert(*mailbox));
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
    let found = search::find(s, cx, command).await;
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
