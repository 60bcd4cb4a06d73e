//! What is compared of the messages that are arranged: from memory, else from what was saved beside the index, else from their summaries in
//! the log.
//!
//! Much is read by lanes, in pieces of some milliseconds, a few of which are under way at once; little is read here, in batches with a
//! yield between them. What one command holds is bounded by `index.memory`. A message that cannot be read, or of which nothing is left,
//! is compared as one that says nothing, and is looked for again the next time.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;

use futures_lite::future;
use roaring::RoaringBitmap;
use trawl_index::arrange::saved::group;
use trawl_index::arrange::{By, Criterion, Item, PAGE_MESSAGES, Page, Pages};
use trawl_index::summary::{self, SummaryKeys};
use trawl_store::LocalBoxFuture;
use trawl_store::log::Address;
use trawl_store::types::MessageNumber;

use crate::command::search::{breathe, places, text::windows};
use crate::indexing::Of;
use crate::lanes::entries::{EntriesJob, Read, SaveJob};
use crate::lanes::{CancelOnDrop, SearchError};
use crate::limits::{
    ARRANGE_BATCH_MESSAGES, ARRANGE_LANE_MESSAGES, ARRANGE_SAVED_MESSAGES_MIN, ARRANGE_STEP_BYTES_MAX,
    SEARCH_WINDOW_MESSAGES,
};
use crate::mailbox::arranged::AccountKey;
use crate::observe::metrics::Phase;
use crate::observe::step::Step;
use crate::response::status::{Code, Refusal};
use crate::session::{Cx, Selected};

/// Whether these criteria compare more than what the mailbox knows.
pub fn are_needed(criteria: &[Criterion]) -> bool {
    criteria.iter().any(|criterion| !matches!(criterion.by, By::Arrival | By::Size | By::Relevancy))
}

/// The messages at these positions, in order, with the pages that have what is compared of them.
pub async fn gather(
    s: &mut Selected,
    cx: &Cx,
    positions: &RoaringBitmap,
    needs_entries: bool,
) -> Result<(Vec<Item>, Pages), Refusal> {
    let (began, mut in_memory) = (cx.micros(), 0);
    let numbers = places::numbers(s, cx).await?;
    let account = (s.auth.account.shard, s.auth.id());
    let (mut items, mut pages) = (Vec::with_capacity(positions.len() as usize), Pages::default());
    let mut unknown: Vec<(u32, Address)> = Vec::new();
    for window in windows(positions) {
        s.auth.look(|known| {
            let mut page: Option<(u32, Arc<Page>)> = None;
            for position in &window {
                let message = numbers.number(*position);
                let facts = known.facts(MessageNumber(message));
                let (internal, size) =
                    facts.as_ref().map_or((0, 0), |facts| (facts.internal.seconds, facts.size));
                items.push(Item { message, internal, size, relevancy: 0 });
                let Some(facts) = facts.filter(|_| needs_entries) else { continue };
                let number = message / PAGE_MESSAGES;
                if page.as_ref().is_none_or(|(at, _)| *at != number) {
                    let kept =
                        pages.0.get(&number).cloned().or_else(|| cx.core.arranged.get(account, number));
                    let kept = kept.unwrap_or_default();
                    pages.0.insert(number, Arc::clone(&kept));
                    page = Some((number, kept));
                }
                if page.as_ref().is_some_and(|(_, page)| !page.has(message)) {
                    unknown.push((message, facts.address));
                } else {
                    in_memory += 1;
                }
            }
        })?;
        breathe(cx).await?;
    }
    let (mut saved, mut were_read, mut read_us) = (0, 0, 0);
    if !unknown.is_empty() {
        let start = cx.micros();
        let all = unknown.len() as u64;
        let read = read(s, cx, account, &mut pages, &mut unknown).await;
        if read.is_err() {
            cx.core.arranged.trim(account);
        }
        were_read = read?;
        saved = all - were_read;
        read_us = cx.micros().saturating_sub(start);
    }
    save(s, cx, account).await;
    cx.core.arranged.trim(account);
    let us = cx.micros().saturating_sub(began);
    cx.took(Phase::Gather, us);
    let messages = positions.len();
    cx.observer.tell(|| Step::Gathered { messages, in_memory, saved, read: were_read, read_us, us });
    Ok((items, pages))
}

/// Reads entries into pages, which are kept; how many came from the log.
async fn read(
    s: &Selected,
    cx: &Cx,
    account: AccountKey,
    pages: &mut Pages,
    unknown: &mut Vec<(u32, Address)>,
) -> Result<u64, Refusal> {
    if unknown.len() > ARRANGE_BATCH_MESSAGES
        && let Some(index) = cx.core.lanes.index(&s.auth.account, Of::Mail).await
    {
        // Where less is missing, reading its summaries is less work than reading the file.
        let saved = by_group(unknown)
            .into_iter()
            .filter(|(group, missing)| *missing >= ARRANGE_SAVED_MESSAGES_MIN && index.has_saved(*group));
        let jobs = saved.map(|(group, _)| EntriesJob::Saved { index: Arc::clone(&index), group });
        on_lanes(cx, account, pages, jobs).await?;
        forget_known(cx, pages, unknown).await?;
    }
    let (were_read, mut of_log) = (unknown.len() as u64, by_group(unknown));
    if unknown.len() > ARRANGE_BATCH_MESSAGES {
        let cancel = Arc::new(AtomicBool::new(false));
        let _stop = CancelOnDrop(Arc::clone(&cancel));
        let jobs = unknown.chunks(ARRANGE_LANE_MESSAGES).map(|wanted| EntriesJob::Log {
            reader: s.auth.shard.lane_reader(),
            wanted: wanted.to_vec(),
            cancel: Arc::clone(&cancel),
        });
        on_lanes(cx, account, pages, jobs).await?;
        forget_known(cx, pages, unknown).await?;
    }
    read_here(s, cx, account, pages, unknown).await?;
    forget_known(cx, pages, unknown).await?;
    for (group, left) in by_group(unknown) {
        of_log.entry(group).and_modify(|read| *read = read.saturating_sub(left));
    }
    cx.core.arranged.note_read(account, of_log.into_iter());
    Ok(were_read)
}

/// How many of these messages each group has.
fn by_group(messages: &[(u32, Address)]) -> BTreeMap<u32, u32> {
    let mut groups = BTreeMap::new();
    for run in messages.chunk_by(|(a, _), (b, _)| group(*a) == group(*b)) {
        if let Some((message, _)) = run.first() {
            *groups.entry(group(*message)).or_default() += run.len() as u32;
        }
    }
    groups
}

/// Leaves those that are still not known.
async fn forget_known(cx: &Cx, pages: &Pages, unknown: &mut Vec<(u32, Address)>) -> Result<(), Refusal> {
    let mut left = Vec::new();
    for window in unknown.chunks(SEARCH_WINDOW_MESSAGES) {
        let entries = pages.entries(window.iter().map(|(message, _)| *message));
        left.extend(window.iter().zip(entries).filter(|(_, entry)| entry.is_none()).map(|(one, _)| *one));
        breathe(cx).await?;
    }
    *unknown = left;
    Ok(())
}

/// Does jobs on lanes, a few at a time, and keeps what comes of them for pages that are wanted.
async fn on_lanes(
    cx: &Cx,
    account: AccountKey,
    pages: &mut Pages,
    jobs: impl Iterator<Item = EntriesJob>,
) -> Result<(), Refusal> {
    let mut jobs = jobs.fuse();
    let mut under_way: Vec<LocalBoxFuture<'_, Result<Read, SearchError>>> = Vec::new();
    loop {
        // One more than there are lanes, so that none waits for this core.
        while under_way.len() <= cx.core.config.runtime.lanes_effective()
            && let Some(job) = jobs.next()
        {
            under_way.push(cx.core.lanes.entries(job));
        }
        if under_way.is_empty() {
            return Ok(());
        }
        let first = poll_fn(|waker| {
            let answers = under_way.iter_mut().enumerate();
            let mut ready = answers.filter_map(|(at, answer)| match answer.as_mut().poll(waker) {
                Poll::Ready(answer) => Some((at, answer)),
                Poll::Pending => None,
            });
            ready.next().map_or(Poll::Pending, Poll::Ready)
        });
        let gone = async {
            cx.cancel.wait().await;
            (usize::MAX, Err(SearchError::Cancelled))
        };
        let (at, read) = future::or(first, gone).await;
        for (number, page) in read? {
            let Some(known) = pages.0.get_mut(&number) else { continue };
            // Not shared with what is kept, so that it grows in place.
            cx.core.arranged.take(account, number, known);
            if known.known() == 0 {
                *known = Arc::new(page);
            } else {
                Arc::make_mut(known).absorb(&page, |_| true);
            }
            cx.core.arranged.put(account, number, Arc::clone(known));
        }
        drop(under_way.swap_remove(at));
        bounded(cx, pages)?;
        breathe(cx).await?;
    }
}

/// Refuses what one command may not hold.
fn bounded(cx: &Cx, pages: &Pages) -> Result<(), Refusal> {
    let octets: u64 = pages.0.values().map(|page| page.memory() as u64).sum();
    if octets > cx.core.config.index.memory_effective() {
        return Err(Refusal::no(Code::Limit, "Too much to be sorted at once; search for fewer messages"));
    }
    Ok(())
}

/// Has saved what was read from the log, where that is enough for a file.
async fn save(s: &Selected, cx: &Cx, account: AccountKey) {
    if !cx.core.arranged.is_due(account, ARRANGE_SAVED_MESSAGES_MIN) {
        return;
    }
    let Some(index) = cx.core.lanes.index(&s.auth.account, Of::Mail).await else { return };
    let next = index.snapshot().next();
    for (group, pages) in cx.core.arranged.due(account, ARRANGE_SAVED_MESSAGES_MIN, next) {
        if !cx.core.lanes.save(SaveJob { index: Arc::clone(&index), group, pages }) {
            return;
        }
        cx.core.arranged.note_saved(account, group, next);
    }
}

/// Reads the summaries of messages into pages, which are kept.
async fn read_here(
    s: &Selected,
    cx: &Cx,
    account: AccountKey,
    pages: &mut Pages,
    messages: &[(u32, Address)],
) -> Result<(), Refusal> {
    for batch in messages.chunks(ARRANGE_BATCH_MESSAGES) {
        let addresses: Vec<Address> = batch.iter().map(|(_, address)| *address).collect();
        let summaries = s.auth.shard.read_summaries(&addresses).await;
        let mut octets = 0;
        for (&(message, address), stored) in batch.iter().zip(summaries) {
            if octets >= ARRANGE_STEP_BYTES_MAX {
                octets = 0;
                breathe(cx).await?;
            }
            let stored = stored.ok().filter(|stored| stored.version == summary::VERSION);
            octets += stored.as_ref().map_or(0, |stored| stored.bytes.len());
            let rebuilt;
            let keys = match stored.as_ref().and_then(|stored| SummaryKeys::new(&stored.bytes).ok()) {
                Some(keys) => keys,
                None => {
                    rebuilt = rebuild(s, cx, address).await;
                    let Ok(keys) = SummaryKeys::new(&rebuilt) else { continue };
                    keys
                }
            };
            let number = message / PAGE_MESSAGES;
            let page = pages.0.entry(number).or_default();
            // Not shared with what is kept, so that it grows in place.
            cx.core.arranged.take(account, number, page);
            Arc::make_mut(page).insert(message, &keys);
        }
        let mut last = None;
        for number in batch.iter().map(|(message, _)| message / PAGE_MESSAGES) {
            if last.replace(number) != Some(number)
                && let Some(page) = pages.0.get(&number)
            {
                cx.core.arranged.put(account, number, Arc::clone(page));
            }
        }
        bounded(cx, pages)?;
        breathe(cx).await?;
    }
    Ok(())
}

/// The summary of a message whose recorded one is damaged or of another version, made anew; nothing if it cannot be read.
async fn rebuild(s: &Selected, cx: &Cx, address: Address) -> Vec<u8> {
    match s.auth.shard.read_all(address).await {
        Ok(message) => cx.core.lanes.analyse(message).await,
        Err(error) => {
            tracing::error!(%error, "a message could not be read to sort it");
            Vec::new()
        }
    }
}
