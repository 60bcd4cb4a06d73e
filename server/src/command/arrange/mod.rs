//! SORT and THREAD (RFC 5256), ESORT and CONTEXT=SORT (RFC 5267), SORT=DISPLAY (RFC 5957), SORT by RELEVANCY (RFC 6203 6): a search, and then its
//! messages in an order.
//!
//! What must hold: the messages are those that SEARCH finds; small answers are made here, others on a lane, and what waits for
//! lanes is bounded; a client that goes away stops it.

pub mod answer;
pub mod entries;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_lite::future;
use roaring::RoaringBitmap;
use trawl_index::arrange::{Algorithm, By, Criterion, Order, Wanted};
use trawl_store::uid_set::UidSet;

use super::context;
use super::search::fuzzy::relevancy;
use super::search::{self, numbers};
use crate::lanes::arrange::{ArrangeJob, Arranged, How};
use crate::lanes::{CancelOnDrop, SearchError, Timed};
use crate::limits::{ARRANGE_ITEM_BYTES, SORT_INLINE_MESSAGES_MAX, THREAD_INLINE_MESSAGES_MAX};
use crate::observe::metrics::{Family, Phase};
use crate::observe::step::Step;
use crate::response::encode;
use crate::response::number_list::number_list;
use crate::response::status::{Answer, Done, Refusal, RefusalKind};
use crate::session::{Cx, Selected};
use crate::wire::ast::{Numbers, SearchCommand, SortCommand, ThreadCommand};

/// SORT.
pub async fn sort(s: &mut Selected, cx: &Cx, command: SortCommand) -> Answer {
    cx.observed(Family::Sort, answered_sort(s, cx, command)).await?;
    cx.out.room().await?;
    Ok(Done::ok("SORT done"))
}

/// Sorts, and writes the order.
async fn answered_sort(s: &mut Selected, cx: &Cx, command: SortCommand) -> Result<(), Refusal> {
    let SortCommand { criteria, search } = command;
    let search = search::expanded(s, cx, search)?;
    context::begin(s, cx, search.returns)?;
    let sorted = sorted(s, cx, &search, &criteria).await;
    if let Err(refusal) = &sorted
        && refusal.kind == RefusalKind::No
        && search.returns.is_some_and(|returns| returns.save)
    {
        s.saved = UidSet::new();
    }
    let Found { positions, relevancy, arranged } = sorted?;
    let Arranged::Order(order) = arranged else { return Err(SearchError::Failed.into()) };
    let view = s.view.sequence_numbers();
    let called = answer::called(view, search.by, &positions, &order);
    let Some(returns) = search.returns else {
        let hits = order.items().filter_map(called);
        cx.out.with(|out| number_list(out, "SORT", hits));
        return Ok(());
    };
    let returns = search::answer::or_all(returns);
    if !search::answer::only_saves(returns) {
        let mut esearch = answer::esearch(returns, &order, search.by, called);
        if returns.relevancy {
            let score = |item: u32| relevancy.get(item as usize).copied();
            esearch.relevancy = Some(match returns.partial {
                Some(partial) => answer::part(&order, partial).filter_map(score).collect(),
                None => order.items().filter_map(score).collect(),
            });
        }
        cx.out.with(|out| encode::esearch(out, &cx.tag, &esearch));
    }
    if returns.update {
        let uids: Vec<u32> = numbers::numbers(view, Numbers::Uid, &positions).collect();
        let order = order.items().filter_map(|item| uids.get(item as usize).copied()).collect();
        let found = context::Found { positions: &positions, sorted: Some((criteria, order)) };
        context::keep(s, cx, &search, found, false);
    }
    let view = s.view.sequence_numbers();
    if returns.save {
        s.saved = numbers::uids(view, &answer::saved(returns, &order, &positions));
    }
    Ok(())
}

/// THREAD.
pub async fn thread(s: &mut Selected, cx: &Cx, command: ThreadCommand) -> Answer {
    cx.observed(Family::Thread, answered_thread(s, cx, command)).await?;
    cx.out.room().await?;
    Ok(Done::ok("THREAD done"))
}

/// Threads, and writes the threads.
async fn answered_thread(s: &mut Selected, cx: &Cx, command: ThreadCommand) -> Result<(), Refusal> {
    let ThreadCommand { algorithm, search } = command;
    let search = search::expanded(s, cx, search)?;
    let Found { arranged, .. } = threaded(s, cx, &search, algorithm).await?;
    let Arranged::Threads(threads) = arranged else { return Err(SearchError::Failed.into()) };
    cx.out.with(|out| {
        out.extend_from_slice(b"* THREAD");
        if !threads.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(&threads);
        out.extend_from_slice(b"\r\n");
    });
    Ok(())
}

/// What was found, in the order of the criteria; filters are expanded.
pub async fn sorted(
    s: &mut Selected,
    cx: &Cx,
    search: &SearchCommand,
    criteria: &[Criterion],
) -> Result<Found, Refusal> {
    let returns_relevancy = search.returns.is_some_and(|returns| returns.relevancy);
    let by_relevancy = criteria.iter().any(|criterion| criterion.by == By::Relevancy);
    let wanted = answer::wanted(search.returns);
    if wanted == (Wanted { first: 0, last: 0 }) {
        // How many there are, and which: no order is asked for.
        let positions = search::find(s, cx, search).await?.positions;
        let messages = positions.len();
        let arranged = Arranged::Order(Order::unknown(u32::try_from(messages).unwrap_or(u32::MAX)));
        cx.observer.tell(|| Step::Arranged {
            messages,
            threads: None,
            ordered: Some(0),
            on_lane: false,
            waited_room_us: 0,
            waited_us: 0,
            worked_us: 0,
        });
        return Ok(Found { positions, relevancy: Vec::new(), arranged });
    }
    let needs =
        Needs { entries: entries::are_needed(criteria), relevancy: returns_relevancy || by_relevancy };
    found(s, cx, search, needs, |_, _| How::Sort(criteria.to_vec(), wanted)).await
}

/// What was found, as threads; filters are expanded.
pub async fn threaded(
    s: &mut Selected,
    cx: &Cx,
    search: &SearchCommand,
    algorithm: Algorithm,
) -> Result<Found, Refusal> {
    let how = |s: &Selected, positions: &RoaringBitmap| {
        let called = numbers::numbers(s.view.sequence_numbers(), search.by, positions).collect();
        How::Thread(algorithm, called)
    };
    found(s, cx, search, Needs { entries: true, relevancy: false }, how).await
}

/// What has to be known of messages to arrange them.
#[derive(Clone, Copy)]
struct Needs {
    /// What summaries say.
    entries: bool,
    /// How well they match.
    relevancy: bool,
}

/// What was found, arranged.
pub struct Found {
    pub positions: RoaringBitmap,
    /// In their order, if it was needed.
    pub relevancy: Vec<u8>,
    pub arranged: Arranged,
}

/// What was found, and in which order it is.
async fn found(
    s: &mut Selected,
    cx: &Cx,
    command: &SearchCommand,
    needs: Needs,
    how: impl FnOnce(&Selected, &RoaringBitmap) -> How,
) -> Result<Found, Refusal> {
    let hits = search::find(s, cx, command).await?;
    let relevancy = if needs.relevancy { relevancy::scores(s, cx, &hits).await? } else { Vec::new() };
    let positions = hits.positions;
    let how = how(s, &positions);
    let arranged = arranged(s, cx, &positions, how, needs.entries, &relevancy);
    let arranged = search::in_time(cx, arranged).await?;
    Ok(Found { positions, relevancy, arranged })
}

/// The messages at these positions, arranged.
pub(super) async fn arranged(
    s: &mut Selected,
    cx: &Cx,
    positions: &RoaringBitmap,
    how: How,
    needs_entries: bool,
    relevancy: &[u8],
) -> Result<Arranged, Refusal> {
    // What waits for a lane is bounded for all sessions of the core together: some wait before they gather anything.
    let began = cx.micros();
    let _held = cx.core.arrange_budget.take(positions.len() * ARRANGE_ITEM_BYTES).await;
    let waited_room_us = cx.micros().saturating_sub(began);
    let (mut items, pages) = entries::gather(s, cx, positions, needs_entries).await?;
    items.iter_mut().zip(relevancy).for_each(|(item, score)| item.relevancy = *score);
    let inline_max = match how {
        How::Sort(..) => SORT_INLINE_MESSAGES_MAX,
        How::Thread(..) => THREAD_INLINE_MESSAGES_MAX,
    };
    let cancel = Arc::new(AtomicBool::new(false));
    let job = ArrangeJob { items, pages, how, cancel: Arc::clone(&cancel) };
    let on_lane = job.items.len() > inline_max;
    let Timed { answer, waited, worked } = if on_lane {
        let _stop = CancelOnDrop(Arc::clone(&cancel));
        let gone = async {
            cx.cancel.wait().await;
            Err(SearchError::Cancelled)
        };
        let timed = future::or(cx.core.lanes.arrange(job), gone).await?;
        cx.took(Phase::Wait, timed.waited);
        timed
    } else {
        let start = cx.micros();
        let answer = job.run()?;
        Timed { answer, waited: 0, worked: cx.micros().saturating_sub(start) }
    };
    cx.took(Phase::Arrange, worked);
    cx.observer.tell(|| Step::Arranged {
        messages: positions.len(),
        threads: answer.threads(),
        ordered: answer.ordered(),
        on_lane,
        waited_room_us,
        waited_us: waited,
        worked_us: worked,
    });
    Ok(answer)
}
