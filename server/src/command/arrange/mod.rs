//! SORT and THREAD (RFC 5256), ESORT and CONTEXT=SORT (RFC 5267), SORT=DISPLAY (RFC 5957): a search, and then its messages in an order.
//!
//! What must hold: the messages are those that SEARCH finds; small answers are made here, others on a lane, and what waits for
//! lanes is bounded; a client that goes away stops it.

pub mod answer;
pub mod entries;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_lite::future;
use roaring::RoaringBitmap;
use trawl_store::uid_set::UidSet;

use super::context::{self, Found};
use super::search::{self, numbers};
use crate::lanes::SearchError;
use crate::lanes::arrange::{ArrangeJob, Arranged, How};
use crate::limits::{ARRANGE_ITEM_BYTES, SORT_INLINE_MESSAGES_MAX, THREAD_INLINE_MESSAGES_MAX};
use crate::response::encode;
use crate::response::status::{Answer, Done, Refusal, RefusalKind};
use crate::session::{Cx, Selected};
use crate::wire::ast::{Numbers, SearchCommand, SortCommand, ThreadCommand};

/// SORT.
pub async fn sort(s: &mut Selected, cx: &Cx, command: SortCommand) -> Answer {
    let SortCommand { criteria, search } = command;
    context::begin(s, cx, search.returns)?;
    let needs_entries = entries::are_needed(&criteria);
    let sorted = found(s, cx, &search, needs_entries, |_, _| How::Sort(criteria.clone())).await;
    if let Err(refusal) = &sorted
        && refusal.kind == RefusalKind::No
        && search.returns.is_some_and(|returns| returns.save)
    {
        s.saved = UidSet::new();
    }
    let (positions, arranged) = sorted?;
    let Arranged::Order(order) = arranged else { return Err(SearchError::Failed.into()) };
    let view = s.view.sequence_numbers();
    let called: Vec<u32> = numbers::numbers(view, search.by, &positions).collect();
    let Some(returns) = search.returns else {
        let hits = order.iter().filter_map(|&item| called.get(item as usize).copied());
        cx.out.with(|out| encode::numbers(out, "SORT", hits));
        cx.out.room().await?;
        return Ok(Done::ok("SORT done"));
    };
    let returns = search::answer::or_all(returns);
    if !search::answer::only_saves(returns) {
        let esearch = answer::esearch(returns, &order, search.by, &called);
        cx.out.with(|out| encode::esearch(out, &cx.tag, &esearch));
    }
    if returns.update {
        let uids: Vec<u32> = numbers::numbers(view, Numbers::Uid, &positions).collect();
        let order = order.iter().filter_map(|&item| uids.get(item as usize).copied()).collect();
        let found = Found { positions: &positions, sorted: Some((criteria, order)) };
        context::keep(s, cx, &search, found, false);
    }
    let view = s.view.sequence_numbers();
    if returns.save {
        s.saved = numbers::uids(view, &answer::saved(returns, &order, &positions));
    }
    cx.out.room().await?;
    Ok(Done::ok("SORT done"))
}

/// THREAD.
pub async fn thread(s: &mut Selected, cx: &Cx, command: ThreadCommand) -> Answer {
    let ThreadCommand { algorithm, search } = command;
    let how = |s: &Selected, positions: &RoaringBitmap| {
        let called = numbers::numbers(s.view.sequence_numbers(), search.by, positions).collect();
        How::Thread(algorithm, called)
    };
    let (_, arranged) = found(s, cx, &search, true, how).await?;
    let Arranged::Threads(threads) = arranged else { return Err(SearchError::Failed.into()) };
    cx.out.with(|out| {
        out.extend_from_slice(b"* THREAD");
        if !threads.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(&threads);
        out.extend_from_slice(b"\r\n");
    });
    cx.out.room().await?;
    Ok(Done::ok("THREAD done"))
}

/// What was found, and in which order it is.
async fn found(
    s: &mut Selected,
    cx: &Cx,
    command: &SearchCommand,
    needs_entries: bool,
    how: impl FnOnce(&Selected, &RoaringBitmap) -> How,
) -> Result<(RoaringBitmap, Arranged), Refusal> {
    let positions = search::find(s, cx, command).await?;
    let how = how(s, &positions);
    let arranged = search::in_time(cx, arranged(s, cx, &positions, how, needs_entries)).await?;
    Ok((positions, arranged))
}

/// The messages at these positions, arranged.
pub(super) async fn arranged(
    s: &mut Selected,
    cx: &Cx,
    positions: &RoaringBitmap,
    how: How,
    needs_entries: bool,
) -> Result<Arranged, Refusal> {
    // What waits for a lane is bounded for all sessions of the core together: some wait before they gather anything.
    let _held = cx.core.arrange_budget.take(positions.len() * ARRANGE_ITEM_BYTES).await;
    let (items, pages) = entries::gather(s, cx, positions, needs_entries).await?;
    let inline_max = match how {
        How::Sort(_) => SORT_INLINE_MESSAGES_MAX,
        How::Thread(..) => THREAD_INLINE_MESSAGES_MAX,
    };
    let cancel = Arc::new(AtomicBool::new(false));
    let job = ArrangeJob { items, pages, how, cancel: Arc::clone(&cancel) };
    if job.items.len() <= inline_max {
        return Ok(job.run()?);
    }
    let _stop = CancelOnDrop(Arc::clone(&cancel));
    let gone = async {
        cx.cancel.wait().await;
        Err(SearchError::Cancelled)
    };
    Ok(future::or(cx.core.lanes.arrange(job), gone).await?)
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
