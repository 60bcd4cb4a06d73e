//! What is compared of the messages that are arranged: from memory, else from their summaries in the log.
//!
//! Read in batches with a yield between them; what one command holds is bounded by `index.memory`. A message that cannot be read, or
//! of which nothing is left, is compared as one that says nothing, and is looked for again the next time.

use std::sync::Arc;

use roaring::RoaringBitmap;
use trawl_index::arrange::{By, Criterion, Item, PAGE_MESSAGES, Page, Pages};
use trawl_index::summary::{self, SummaryKeys};
use trawl_store::log::Address;
use trawl_store::types::MessageNumber;

use crate::command::search::{breathe, places, text::windows};
use crate::limits::{ARRANGE_BATCH_MESSAGES, ARRANGE_STEP_BYTES_MAX};
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
    let (began, mut in_memory, mut were_read, mut read_us) = (cx.micros(), 0, 0, 0);
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
        if !unknown.is_empty() {
            let start = cx.micros();
            read(s, cx, account, &mut pages, &unknown).await?;
            read_us += cx.micros().saturating_sub(start);
            were_read += unknown.len() as u64;
            unknown.clear();
            let octets: u64 = pages.0.values().map(|page| page.memory() as u64).sum();
            if octets > cx.core.config.index.memory_effective() {
                cx.core.arranged.trim(account);
                return Err(Refusal::no(
                    Code::Limit,
                    "Too much to be sorted at once; search for fewer messages",
                ));
            }
        }
        breathe(cx).await?;
    }
    cx.core.arranged.trim(account);
    let us = cx.micros().saturating_sub(began);
    cx.took(Phase::Gather, us);
    let messages = positions.len();
    cx.observer.tell(|| Step::Gathered { messages, in_memory, read: were_read, read_us, us });
    Ok((items, pages))
}

/// Reads the summaries of messages into pages, which are kept.
async fn read(
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
