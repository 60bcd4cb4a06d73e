//! SEARCH and UID SEARCH (RFC 3501 6.4.4, RFC 9051 6.4.4, RFC 4731, RFC 5032, RFC 5182, RFC 5267, RFC 5466, RFC 6203, RFC 9394).
//!
//! State keys are evaluated here, over windows of the view with a yield between them; what is left goes to the search
//! lanes with the messages that can still match (`text`). What must hold: the answer is about this session's view,
//! messages that others expunged included until the client is told; it is complete or it is a NO.

pub mod answer;
pub mod documented;
pub mod ends;
pub mod filters;
pub mod fuzzy;
pub mod joined;
pub mod numbers;
pub mod places;
pub mod plan;
pub mod readable;
pub mod state;
pub mod text;
pub mod together;
mod within;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use futures_lite::future::{self, yield_now};
use roaring::RoaringBitmap;
use trawl_store::state::account::Account;
use trawl_store::state::mailbox::Mailbox;
use trawl_store::types::{Flags, MessageFacts, Row, Uid};
use trawl_store::uid_set::UidSet;

use self::fuzzy::Hits;
use self::fuzzy::relax::{Fuzz, Tier};
use self::plan::{Context, Program, Refused, Rest};
use self::state::{Evaluation, SearchRow};
use self::within::Within;
use super::context::{self, Found};
use crate::lanes::search::SearchError;
use crate::limits::{INPROGRESS_MS, SEARCH_END_STEPS, SEARCH_STATE_END_STEPS, SEARCH_WINDOW_MESSAGES};
use crate::mailbox::view::View;
use crate::observe::metrics::{Family, Phase};
use crate::observe::step::Step;
use crate::response::encode;
use crate::response::number_list::number_list;
use crate::response::status::{Answer, Code, Done, Refusal, RefusalKind};
use crate::session::{Cx, Selected};
use crate::wire::ast::{SearchCommand, SearchReturn};
use crate::wire::query::{printable, quoted};

/// What BADCHARSET names: the charsets that are always known. Others of WHATWG are accepted as well.
const CHARSETS: [&str; 6] = ["US-ASCII", "UTF-8", "ISO-8859-1", "ISO-8859-15", "WINDOWS-1252", "KOI8-R"];

/// SEARCH.
pub async fn search(s: &mut Selected, cx: &Cx, command: SearchCommand) -> Answer {
    cx.observed(Family::Search, answered(s, cx, command)).await?;
    cx.out.room().await?;
    Ok(Done::ok("SEARCH done"))
}

/// Searches, and writes what was found.
async fn answered(s: &mut Selected, cx: &Cx, command: SearchCommand) -> Result<(), Refusal> {
    let command = expanded(s, cx, command)?;
    let saves = command.returns.is_some_and(|returns| returns.save);
    context::begin(s, cx, command.returns)?;
    let answer = in_time(cx, find_wanted(s, cx, &command)).await;
    if let Err(refusal) = &answer
        && refusal.kind == RefusalKind::No
        && saves
    {
        s.saved = UidSet::new();
    }
    let hits = answer?;
    let relevancy = relevancy(s, cx, command.returns, &hits).await?;
    let positions = hits.positions;
    let view = s.view.sequence_numbers();
    match command.returns {
        None if !s.auth.rev2 => {
            let hits = numbers::numbers(view, command.by, &positions);
            cx.out.with(|out| number_list(out, "SEARCH", hits));
        }
        returns => {
            let returns = answer::or_all(returns.unwrap_or_default());
            if !answer::only_saves(returns) {
                let mut esearch = answer::esearch(returns, &positions, command.by, view);
                esearch.relevancy = relevancy.map(|scores| answer::relevancy(returns, scores));
                cx.out.with(|out| encode::esearch(out, &cx.tag, &esearch));
            }
            if returns.update {
                context::keep(s, cx, &command, Found { positions: &positions, sorted: None }, false);
            }
            let view = s.view.sequence_numbers();
            if returns.save {
                let kept = answer::saved(returns, &positions);
                s.saved = numbers::uids(view, &kept);
            }
        }
    }
    Ok(())
}

/// The command with its filters expanded (RFC 5466 3.1). A refusal empties `$` if the result was to be kept there.
pub(super) fn expanded(s: &mut Selected, cx: &Cx, command: SearchCommand) -> Result<SearchCommand, Refusal> {
    match filters::expanded(&s.auth, &cx.core, &command) {
        Ok(Cow::Owned(expanded)) => return Ok(expanded),
        Ok(Cow::Borrowed(_)) => {}
        Err(refusal) => {
            if refusal.kind == RefusalKind::No && command.returns.is_some_and(|returns| returns.save) {
                s.saved = UidSet::new();
            }
            return Err(refusal);
        }
    }
    Ok(command)
}

/// The positions of the view that match. Filters are expanded.
pub(super) async fn find(s: &mut Selected, cx: &Cx, command: &SearchCommand) -> Result<Hits, Refusal> {
    in_time(cx, find_patiently(s, cx, command)).await
}

/// The same for whoever bounds its time ([`in_time`]).
pub async fn find_patiently(s: &mut Selected, cx: &Cx, command: &SearchCommand) -> Result<Hits, Refusal> {
    if command.key.is_fuzzy() {
        cx.observer.note_fuzzy();
        return fuzzy::find(s, cx, command).await;
    }
    let rest = resolve_exactly(s, cx, command).await?;
    let positions = finish(s, cx, rest).await?;
    Ok(Hits { positions, tiers: Vec::new() })
}

/// What is asked for of the positions that match, for whoever bounds the time.
pub async fn find_wanted(s: &mut Selected, cx: &Cx, command: &SearchCommand) -> Result<Hits, Refusal> {
    let wanted = command.returns.and_then(ends::wanted).filter(|_| !command.key.is_fuzzy());
    let Some(wanted) = wanted else { return find_patiently(s, cx, command).await };
    let fuzz = Fuzz { tier: Tier::Exact, similar: &HashMap::new() };
    let began = cx.micros();
    let program = compile(s, cx, command, fuzz)?;
    let positions = if program.has_text() || program.state.is_empty() {
        let rest = evaluate(s, cx, program, None).await?;
        tell_state(s, cx, &rest, began);
        match rest {
            Rest::Found(positions) => positions,
            Rest::Text { node, candidates } => {
                let look = async |some| text::find(s, cx, &node, some).await;
                ends::find(cx, candidates, &wanted, SEARCH_END_STEPS, look).await?
            }
        }
    } else {
        let mut all = RoaringBitmap::new();
        all.insert_range(program.reach(s.view.len()));
        let (mark, look) = (cx.observer.mark(), async |some: RoaringBitmap| {
            match evaluate(s, cx, program.clone().among(some.clone()), Some(&some)).await? {
                Rest::Found(positions) => Ok(positions),
                Rest::Text { .. } => Err(SearchError::Failed.into()),
            }
        });
        let positions = ends::find(cx, all, &wanted, SEARCH_STATE_END_STEPS, look).await?;
        let ends = cx.observer.since(mark);
        tell_state(s, cx, &Rest::Found(positions.clone()), began);
        ends.into_iter().for_each(|step| cx.observer.tell(|| step));
        positions
    };
    Ok(Hits { positions, tiers: Vec::new() })
}

/// The scores of what was found, in the order of the positions, if they are asked for.
pub(super) async fn relevancy(
    s: &mut Selected,
    cx: &Cx,
    returns: Option<SearchReturn>,
    hits: &Hits,
) -> Result<Option<Vec<u8>>, Refusal> {
    match returns {
        Some(SearchReturn { relevancy: true, .. }) => fuzzy::relevancy::scores(s, cx, hits).await.map(Some),
        _ => Ok(None),
    }
}

/// Those of the positions `among` that match, for whoever bounds the time; the others are not looked at. FUZZY keys mean what is
/// written.
pub(super) async fn find_among(
    s: &mut Selected,
    cx: &Cx,
    command: &SearchCommand,
    among: RoaringBitmap,
) -> Result<RoaringBitmap, Refusal> {
    let fuzz = Fuzz { tier: Tier::Exact, similar: &HashMap::new() };
    let began = cx.micros();
    let program = compile(s, cx, command, fuzz)?.among(among.clone());
    let rest = evaluate(s, cx, program, Some(&among)).await?;
    tell_state(s, cx, &rest, began);
    finish(s, cx, rest).await
}

async fn finish(s: &mut Selected, cx: &Cx, rest: Rest) -> Result<RoaringBitmap, Refusal> {
    match rest {
        Rest::Found(positions) => Ok(positions),
        // Dropping that search stops its lanes.
        Rest::Text { node, candidates } => text::find(s, cx, &node, candidates).await,
    }
}

/// Bounded by `limits.search_time`; meanwhile the client is told from time to time that it goes on (RFC 9585). `work` writes whole
/// responses only.
pub(super) async fn in_time<T>(
    cx: &Cx,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let limit = cx.core.config.limits.search_time.0;
    let mut left = if limit.is_zero() { Duration::MAX } else { limit };
    let interval = Duration::from_millis(INPROGRESS_MS);
    let watch = async {
        while left > interval {
            cx.core.clock.sleep(interval).await;
            left -= interval;
            // How much there is to do is not known.
            let line = format!("* OK [INPROGRESS (\"{}\" NIL NIL)] Still searching\r\n", cx.tag);
            cx.out.push(line.as_bytes());
        }
        cx.core.clock.sleep(left).await;
        cx.observer.note_timed_out();
        Err(SearchError::TooLong.into())
    };
    future::or(work, watch).await
}

/// Answers the keys on state; FUZZY keys mean what is written.
pub async fn resolve_exactly(s: &Selected, cx: &Cx, command: &SearchCommand) -> Result<Rest, Refusal> {
    resolve(s, cx, command, Fuzz { tier: Tier::Exact, similar: &HashMap::new() }).await
}

/// Answers the keys on state.
async fn resolve(s: &Selected, cx: &Cx, command: &SearchCommand, fuzz: Fuzz<'_>) -> Result<Rest, Refusal> {
    let began = cx.micros();
    let program = compile(s, cx, command, fuzz)?;
    let rest = evaluate(s, cx, program, None).await?;
    tell_state(s, cx, &rest, began);
    Ok(rest)
}

fn tell_state(s: &Selected, cx: &Cx, rest: &Rest, began: u64) {
    let us = cx.micros().saturating_sub(began);
    cx.took(Phase::State, us);
    let (left, text) = match rest {
        Rest::Found(positions) => (positions, false),
        Rest::Text { candidates, .. } => (candidates, true),
    };
    let messages = u64::from(s.view.len());
    cx.observer.tell(|| Step::State { messages, left: left.len(), text, us });
}

/// `among`: the program holds no other positions, so that no other rows need be read.
async fn evaluate(
    s: &Selected,
    cx: &Cx,
    mut program: Program,
    among: Option<&RoaringBitmap>,
) -> Result<Rest, Refusal> {
    let messages = s.view.len();
    let required = program.required();
    let mut evaluation = Evaluation::new(std::mem::take(&mut program.state), &required, messages);
    if !evaluation.is_empty() {
        let reach = program.reach(messages);
        let mut rows = Vec::new();
        for first in reach.clone().step_by(SEARCH_WINDOW_MESSAGES) {
            let window = first..reach.end.min(first.saturating_add(SEARCH_WINDOW_MESSAGES as u32));
            if among.is_some_and(|among| among.range_cardinality(window.clone()) == 0) {
                continue;
            }
            look(s, |account, mailbox| {
                if shows_as_is(&s.view, mailbox) {
                    for block in mailbox.blocks(window.start, window.end) {
                        evaluation.block(0, &block, |message| account.facts(message));
                    }
                    return;
                }
                rows.clear();
                rows.extend(view_rows(&s.view, mailbox, window).map(|(_, row)| {
                    let row = row?;
                    let facts = account.facts(row.message)?;
                    let Row { message, flags, save_date: saved, .. } = row;
                    let MessageFacts { internal, sent_day, size, thread, .. } = facts;
                    Some(SearchRow { flags, internal, sent_day, size, saved, message, thread })
                }));
                evaluation.rows(first, &rows);
            })?;
            breathe(cx).await?;
        }
    }
    Ok(program.resolve(&evaluation.finish(), messages))
}

fn compile(s: &Selected, cx: &Cx, command: &SearchCommand, fuzz: Fuzz<'_>) -> Result<Program, Refusal> {
    let view = &s.view;
    let positions = |uids: &UidSet| {
        let mut positions = RoaringBitmap::new();
        for range in uids.ranges() {
            positions.insert_range(view.positions(range.start().get()..=range.end().get()));
        }
        positions
    };
    let program = look(s, |account, mailbox| {
        let within = Within::new(account, mailbox);
        let context = Context {
            account: s.auth.id(),
            messages: view.len(),
            largest_uid: view.largest_uid().map_or(0, Uid::get),
            saved: &|| positions(&s.saved),
            places: &|uids| view.positions(uids),
            recent: &|| positions(view.recent()),
            now: cx.core.clock.wall().0.div_euclid(1000),
            keyword: &|name| mailbox.keyword(name).map(Flags::keyword),
            charset: command.charset.as_deref(),
            fuzz,
            within: &|name| within.is(name),
        };
        Program::new(&command.key, &context)
    })?;
    program.map_err(refused)
}

fn refused(refused: Refused) -> Refusal {
    match refused {
        Refused::Charset => Refusal::no(Code::BadCharset(CHARSETS.to_vec()), "This charset is not known"),
        Refused::Needle => Refusal::bad(None, "A string is not valid in its charset"),
        Refused::Filter => Refusal::no(Code::ServerBug, "A filter was not expanded"),
        Refused::Query(error) => {
            Refusal::no(Code::Cannot, format!("In the query: {}", printable(&error.to_string())))
        }
        Refused::Mailbox(name) => {
            let name = printable(&quoted(&name));
            Refusal::no(Code::NonExistent, format!("There is no mailbox {name} that in: could mean"))
        }
    }
}

/// Looks at the selected mailbox and its account.
fn look<R>(s: &Selected, look: impl FnOnce(&Account, &Mailbox) -> R) -> Result<R, Refusal> {
    let looked = s.auth.look(|account| Some(look(account, s.mailbox_of(account)?)))?;
    looked.ok_or_else(Refusal::mailbox_deleted)
}

/// Whether position p of the view is row p of the mailbox: nothing in the view was expunged by others. Rows below the UID at
/// which the view ends are all in the view.
fn shows_as_is(view: &View, mailbox: &Mailbox) -> bool {
    mailbox.below(view.next_uid()) == view.len()
}

/// The messages of a window of the view, with their rows as the mailbox or, for those that others expunged, the view has them;
/// `None` for one of which nothing is left.
fn view_rows<'a>(
    view: &'a View,
    mailbox: &'a Mailbox,
    window: Range<u32>,
) -> impl Iterator<Item = (Uid, Option<Row>)> + 'a {
    // Sequence numbers are positions from 1.
    let ends = view.uid(window.start + 1).zip(view.uid(window.end));
    // Both ascend; rows that are not in the view and ghosts that are not in the mailbox are the exceptions.
    let mut rows = ends.into_iter().flat_map(|(low, high)| mailbox.range(low, high)).peekable();
    view.uids(window.start, window.end).map(move |uid| {
        while rows.next_if(|row| row.uid < uid).is_some() {}
        (uid, rows.next_if(|row| row.uid == uid).or_else(|| view.row(mailbox, uid)))
    })
}

/// Lets others run from time to time. What something costs is counted in rows of a mailbox that are looked at.
#[derive(Default)]
pub(super) struct Pace(u32);

impl Pace {
    pub async fn spend(&mut self, cx: &Cx, cost: u32) -> Result<(), Refusal> {
        self.0 = self.0.saturating_add(cost);
        if self.0 < SEARCH_WINDOW_MESSAGES as u32 {
            return Ok(());
        }
        self.0 = 0;
        breathe(cx).await
    }
}

/// Lets others run; stops when the client is gone.
pub(super) async fn breathe(cx: &Cx) -> Result<(), Refusal> {
    yield_now().await;
    if cx.cancel.is_set() {
        return Err(SearchError::Cancelled.into());
    }
    Ok(())
}
