//! `trawl explain`: a search as a session would do it, that tells what it does.
//!
//! The commands' own functions are called, so that what is told is what they do. Not here: how it is told (`cli/explain.rs`).

use std::rc::Rc;
use std::sync::Arc;

use trawl_store::types::MailboxId;

use super::protocol::{ExplainRequest, Explained};
use super::query::{Refused, mailboxes_named, nobody, said};
use crate::command::arrange;
use crate::command::search::fuzzy::Hits;
use crate::command::search::{answer, filters, find_wanted, fuzzy, readable, together};
use crate::core::AccountRef;
use crate::lanes::arrange::Arranged;
use crate::limits::{EXPLAIN_PROGRAM_BYTES_MAX, EXPLAIN_TEXT_BYTES_MAX, SEARCH_TOGETHER_MAILBOXES_MAX};
use crate::observe::Observer;
use crate::observe::metrics::Family;
use crate::observe::step::{self, Step, Totals};
use crate::response::encode::{self, ESearch};
use crate::response::status::Refusal;
use crate::runtime::clock::ProcessStart;
use crate::runtime::state::CoreState;
use crate::session::{Authenticated, Cx, Selected};
use crate::wire::ast::{CommandBody, SearchCommand};

/// What a search does, and how long each part takes. On the core that owns the account.
pub async fn explain(
    core: &Rc<CoreState>,
    account: AccountRef,
    asked: ExplainRequest,
) -> Result<Explained, Refused> {
    let body = parse(&asked)?;
    let mailboxes = mailboxes_named(core, &account, Some(&asked.mailbox))?;
    let search = match &body {
        CommandBody::Search(search) => search,
        CommandBody::Sort(sort) => &sort.search,
        CommandBody::Thread(thread) => &thread.search,
        _ => return Err("this is not a search program".to_owned()),
    };
    let mut explained = Explained { mailboxes: mailboxes.len() as u64, ..Explained::default() };
    let (auth, mut cx) = nobody(core, &account)?;
    cx.observer = explaining();
    let search = filters::expanded(&auth, &cx.core, search).map_err(said)?.into_owned();
    explained.program = readable::shown(&search, None);
    match &mailboxes[..] {
        [mailbox] => {
            let selected = Selected::glimpse(&auth, *mailbox);
            let mut selected = selected.ok_or("the mailbox is no more")?;
            explained.messages = u64::from(selected.view.len());
            let began = cx.micros();
            let found = cx.observed(Family::Tool, one(&mut selected, &cx, &body, &search)).await;
            let One { found, answer, relevancy } = found.map_err(said)?;
            explained.total_us = cx.micros().saturating_sub(began);
            (explained.found, explained.answer) = (found, answer);
            finish(&mut explained, &cx.observer, relevancy);
        }
        _ if !matches!(body, CommandBody::Search(_)) => {
            return Err("SORT and THREAD are for one mailbox".to_owned());
        }
        mailboxes => several(&auth, &cx, mailboxes, &search, &mut explained).await?,
    }
    Ok(explained)
}

fn explaining() -> Observer {
    let clock = ProcessStart::now();
    Observer::explaining(Arc::new(move || clock.nanos()))
}

/// The command that these words are the arguments of.
fn parse(asked: &ExplainRequest) -> Result<CommandBody, Refused> {
    let ExplainRequest { program, returns, sort, thread, .. } = asked;
    let returns = returns.as_ref().map_or_else(String::new, |options| format!("RETURN ({options}) "));
    let line = match (sort, thread) {
        (Some(criteria), None) => format!("x UID SORT {returns}({criteria}) UTF-8 {program}"),
        (None, Some(algorithm)) => format!("x UID THREAD {algorithm} UTF-8 {program}"),
        (None, None) => format!("x UID SEARCH {returns}{program}"),
        (Some(_), Some(_)) => return Err("messages are either sorted or threaded".to_owned()),
    };
    match crate::wire::parse(line.as_bytes()) {
        Ok(command) => Ok(command.body),
        Err(bad) => {
            let what = "--query takes what people type, as in from:bob has:attachment";
            Err(format!("the search is not understood: {}; {what}", bad.reason))
        }
    }
}

/// What a search in one mailbox came to.
struct One {
    found: u64,
    answer: Option<String>,
    relevancy: Relevancy,
}

/// Of a program with FUZZY keys: the least and the greatest score of each tier.
type Relevancy = Vec<Option<(u8, u8)>>;

async fn one(s: &mut Selected, cx: &Cx, body: &CommandBody, search: &SearchCommand) -> Result<One, Refusal> {
    let arranged = match body {
        CommandBody::Sort(sort) => Some(arrange::sorted(s, cx, search, &sort.criteria).await?),
        CommandBody::Thread(thread) => Some(arrange::threaded(s, cx, search, thread.algorithm).await?),
        _ => None,
    };
    let returns = search.returns.map(answer::or_all);
    if let Some(arrange::Found { positions, arranged, .. }) = arranged {
        let mut told = None;
        if let (Some(returns), Arranged::Order(order)) = (returns, arranged) {
            let called = arrange::answer::called(s.view.sequence_numbers(), search.by, &positions, &order);
            told = Some(written(cx, &arrange::answer::esearch(returns, &order, search.by, called)));
        }
        return Ok(One { found: positions.len(), answer: told, relevancy: Vec::new() });
    }
    let hits = find_wanted(s, cx, search).await?;
    let mut relevancy = Vec::new();
    if !hits.tiers.is_empty() {
        relevancy = of_tiers(&hits, &fuzzy::relevancy::scores(s, cx, &hits).await?);
    }
    let view = s.view.sequence_numbers();
    let told =
        returns.map(|returns| written(cx, &answer::esearch(returns, &hits.positions, search.by, view)));
    Ok(One { found: hits.positions.len(), answer: told, relevancy })
}

/// What a client is answered, without what does not differ.
fn written(cx: &Cx, answer: &ESearch) -> String {
    let mut out = Vec::new();
    encode::esearch(&mut out, &cx.tag, answer);
    let mut text = String::from_utf8_lossy(&out).trim_end().to_owned();
    if let Some((_, rest)) = text.split_once(") ") {
        text = rest.to_owned();
    }
    if text.len() > EXPLAIN_PROGRAM_BYTES_MAX {
        text.truncate(text.floor_char_boundary(EXPLAIN_PROGRAM_BYTES_MAX));
        text.push_str("...");
    }
    text
}

/// The least and the greatest score of each tier.
fn of_tiers(hits: &Hits, scores: &[u8]) -> Relevancy {
    let mut all = vec![None; hits.tiers.len()];
    for (position, score) in hits.positions.iter().zip(scores) {
        let tier = hits.tiers.iter().position(|tier| tier.contains(position));
        if let Some(ends) = tier.and_then(|tier| all.get_mut(tier)) {
            let (low, high) = ends.unwrap_or((*score, *score));
            *ends = Some((low.min(*score), high.max(*score)));
        }
    }
    all
}

/// As ESEARCH and `trawl search` do it.
async fn several(
    auth: &Authenticated,
    cx: &Cx,
    mailboxes: &[MailboxId],
    search: &SearchCommand,
    explained: &mut Explained,
) -> Result<(), Refused> {
    for (nth, some) in mailboxes.chunks(SEARCH_TOGETHER_MAILBOXES_MAX).enumerate() {
        let began = cx.micros();
        let found = together::find(None, auth, (some, nth), cx, search);
        let found = cx.observed(Family::Tool, found).await.map_err(said)?;
        explained.total_us += cx.micros().saturating_sub(began);
        explained.messages += found.messages;
        explained.found += found.count();
    }
    finish(explained, &cx.observer, Vec::new());
    Ok(())
}

/// Takes what was told.
fn finish(explained: &mut Explained, observer: &Observer, relevancy: Relevancy) {
    explained.steps = observer.since(0);
    let tiers = explained.steps.iter_mut().filter_map(|step| match step {
        Step::Tier { relevancy, .. } => Some(relevancy),
        _ => None,
    });
    tiers.zip(relevancy).for_each(|(told, known)| *told = known);
    let Totals { searches, left, state_us, indexed, in_memory, read } = observer.totals();
    (explained.searches, explained.left_by_state, explained.state_us) = (searches, left, state_us);
    (explained.indexed, explained.in_memory, explained.read) = (indexed, in_memory, read);
    let mut room = EXPLAIN_TEXT_BYTES_MAX;
    explained.is_cut = !step::bound(&mut explained.steps, &mut room) || observer.is_cut();
}

#[cfg(test)]
mod tests {
    use super::*;
    use roaring::RoaringBitmap;

    #[test]
    fn tiers_have_their_scores() {
        let tiers: Vec<RoaringBitmap> =
            [&[4u32][..], &[1, 9], &[]].map(|tier| tier.iter().copied().collect()).into();
        let positions = tiers.iter().fold(RoaringBitmap::new(), |all, tier| all | tier);
        let found = of_tiers(&Hits { positions, tiers }, &[50, 100, 70]);
        assert_eq!(found, [Some((100, 100)), Some((50, 70)), None]);
    }

    #[test]
    fn the_arguments_become_a_command() {
        let asked = |sort: Option<&str>, thread: Option<&str>, returns: Option<&str>| ExplainRequest {
            mailbox: "INBOX".to_owned(),
            program: "BODY x".to_owned(),
            returns: returns.map(str::to_owned),
            sort: sort.map(str::to_owned),
            thread: thread.map(str::to_owned),
        };
        assert!(matches!(parse(&asked(None, None, Some("MIN PARTIAL 1:5"))), Ok(CommandBody::Search(_))));
        assert!(matches!(parse(&asked(Some("REVERSE DATE"), None, Some("COUNT"))), Ok(CommandBody::Sort(_))));
        assert!(matches!(parse(&asked(None, Some("REFS"), None)), Ok(CommandBody::Thread(_))));
        assert!(parse(&asked(Some("NEVER"), None, None)).is_err());
        assert!(parse(&asked(Some("DATE"), Some("REFS"), None)).is_err());
    }
}
