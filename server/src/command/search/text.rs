//! The keys on text: which messages the index answers for, which ones are searched in memory, which ones are read.
//!
//! What must hold: the three are disjoint and together all that can match; the snapshot of the index is taken once for an
//! attempt; what neither the index nor the memory could answer for after all is searched anew, and in the end read.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_lite::future;
use roaring::RoaringBitmap;
use trawl_index::account::{AccountIndex, Snapshot};
use trawl_index::prepare::Prepared;
use trawl_index::query::Node;
use trawl_store::state::account::Account;
use trawl_store::state::documents::DocumentEntry;
use trawl_store::types::{MessageFacts, MessageNumber};

use super::documented::{self, Round};
use super::{breathe, places};
use crate::indexing::Of;
use crate::lanes::search::{Candidate, Found, Indexed, Order, SearchError, SearchJob};
use crate::lanes::times::Kind;
use crate::limits::{
    SEARCH_ATTEMPTS_MAX, SEARCH_KEPT_BYTES_MAX, SEARCH_KEPT_MESSAGES_MAX, SEARCH_WINDOW_MESSAGES,
};
use crate::mailbox::message_numbers::MessageNumbers;
use crate::observe::metrics::{By, Fallback, Phase};
use crate::observe::step::{Look, Pieces, Step};
use crate::response::status::Refusal;
use crate::session::{Authenticated, Cx, Selected};

/// What positions are.
enum Ground<'a> {
    Of(&'a mut Selected),
    /// Numbers of messages, of whatever mailbox.
    Account(&'a Authenticated),
    /// Serials of the texts of documents, of these messages.
    Documented(&'a Authenticated, &'a [DocumentEntry]),
}

impl Ground<'_> {
    fn auth(&self) -> &Authenticated {
        match self {
            Ground::Of(s) => &s.auth,
            Ground::Account(auth) | Ground::Documented(auth, _) => auth,
        }
    }

    async fn numbers(&mut self, cx: &Cx) -> Result<Arc<MessageNumbers>, Refusal> {
        match self {
            Ground::Of(s) => places::numbers(s, cx).await,
            Ground::Account(auth) => {
                let next = auth.look(|account| account.next_message())?;
                Ok(Arc::new(MessageNumbers::themselves(next.0)))
            }
            Ground::Documented(_, entries) => {
                let next = entries.last().map_or(0, |entry| entry.serial.saturating_add(1));
                Ok(Arc::new(MessageNumbers::themselves(next)))
            }
        }
    }

    /// The texts at positions whose messages have documents.
    async fn documented(
        &mut self,
        cx: &Cx,
        positions: &RoaringBitmap,
        node: &Node,
    ) -> Result<Vec<Rc<Round>>, Refusal> {
        match self {
            Ground::Of(s) => documented::of_view(s, cx, positions, node).await,
            Ground::Account(auth) => documented::of_numbers(auth, cx, positions, node).await,
            Ground::Documented(..) => Ok(Vec::new()),
        }
    }

    /// The index that knows the texts.
    fn index(&self) -> Of {
        match self {
            Ground::Of(_) | Ground::Account(_) => Of::Mail,
            Ground::Documented(..) => Of::Documented,
        }
    }

    /// Where the text at a position is.
    fn candidate(&self, account: &Account, position: u32, number: u32) -> Option<Candidate> {
        let (message, documents) = match self {
            Ground::Of(_) | Ground::Account(_) => (MessageNumber(number), None),
            Ground::Documented(_, entries) => {
                let at = entries.binary_search_by_key(&number, |entry| entry.serial).ok()?;
                let entry = entries.get(at)?;
                (entry.message, Some(entry.address))
            }
        };
        let MessageFacts { size, address, .. } = account.facts(message)?;
        Some(Candidate { position, message: number, size, address, documents })
    }

    /// Those of the positions that the snapshot does not answer for.
    async fn uncovered(
        &mut self,
        cx: &Cx,
        snapshot: &Arc<Snapshot>,
        positions: &RoaringBitmap,
    ) -> Result<RoaringBitmap, Refusal> {
        match self {
            Ground::Of(s) => Ok(places::uncovered(s, cx, snapshot).await? & positions),
            Ground::Account(_) | Ground::Documented(..) => Ok(positions - snapshot.covered()),
        }
    }
}

/// The positions among `positions` that match `node`, whose state bitmaps hold positions.
pub async fn find(
    s: &mut Selected,
    cx: &Cx,
    node: &Node,
    positions: RoaringBitmap,
) -> Result<RoaringBitmap, Refusal> {
    find_on(Ground::Of(s), cx, node, positions).await
}

/// The messages among `messages`, by number, that match `node`, whose state bitmaps hold numbers.
pub async fn find_numbers(
    auth: &Authenticated,
    cx: &Cx,
    node: &Node,
    messages: RoaringBitmap,
) -> Result<RoaringBitmap, Refusal> {
    find_on(Ground::Account(auth), cx, node, messages).await
}

async fn find_on(
    mut ground: Ground<'_>,
    cx: &Cx,
    node: &Node,
    positions: RoaringBitmap,
) -> Result<RoaringBitmap, Refusal> {
    let documented = ground.documented(cx, &positions, node).await?;
    if documented.is_empty() {
        return find_plain(&mut ground, cx, node, positions).await;
    }
    // Texts of messages with documents have numbers of their own: they are searched as if they were an account of theirs.
    let plain = documented.iter().fold(positions, |plain, round| plain - round.held());
    let mut found = find_plain(&mut ground, cx, node, plain).await?;
    let auth = ground.auth();
    for round in documented {
        let mut texts = Ground::Documented(auth, round.entries());
        let hits = find_plain(&mut texts, cx, &round.node(node), round.serials().clone()).await?;
        found |= round.positions(&hits);
        breathe(cx).await?;
    }
    Ok(found)
}

async fn find_plain(
    ground: &mut Ground<'_>,
    cx: &Cx,
    node: &Node,
    positions: RoaringBitmap,
) -> Result<RoaringBitmap, Refusal> {
    let mut found = RoaringBitmap::new();
    let mut open = positions;
    if open.is_empty() {
        return Ok(found);
    }
    for attempt in 1.. {
        let with_index = attempt < SEARCH_ATTEMPTS_MAX;
        let answer = attempt_of(ground, cx, node, open, with_index).await?;
        found |= answer.positions;
        open = answer.left;
        if open.is_empty() || !with_index {
            break;
        }
    }
    Ok(found)
}

/// With what the index and the memory have now, or by reading everything, which leaves nothing.
async fn attempt_of(
    ground: &mut Ground<'_>,
    cx: &Cx,
    node: &Node,
    positions: RoaringBitmap,
    with_index: bool,
) -> Result<Found, Refusal> {
    let began = cx.micros();
    let numbers = ground.numbers(cx).await?;
    let of = ground.index();
    let index = if with_index { cx.core.lanes.index(&ground.auth().account, of).await } else { None };
    // Nobody can take it apart from here on: the snapshot covers what it covers, everything else is searched as it is.
    let snapshot = index.as_ref().map(|index| index.snapshot());
    let apart = match &snapshot {
        Some(snapshot) => ground.uncovered(cx, snapshot, &positions).await?,
        None => positions.clone(),
    };
    let auth = ground.auth();
    let (prepared, scan) = gather(ground, cx, &numbers, &apart, index.as_deref()).await?;
    let look = Look {
        candidates: positions.len(),
        indexed: positions.len() - apart.len(),
        in_memory: prepared.len() as u64,
        read: scan.len() as u64,
        no_index: with_index && index.is_none() && cx.core.config.index.enabled,
        ..Look::default()
    };
    let trace = cx.observer.trace();
    let indexed = match (&index, snapshot) {
        (Some(index), Some(snapshot)) if look.indexed > 0 => Some(Indexed {
            index: Arc::clone(index),
            snapshot,
            numbers: Arc::clone(&numbers),
            positions,
            trace: trace.clone(),
        }),
        _ => None,
    };
    let order = Order { indexed, prepared, keep: keep(index.as_ref(), &scan), scan, ..base(auth, node) };
    let job = SearchJob::new(order);
    let mut noted = Noted { cx, job: job.clone(), look, is_answered: false };
    let answer = run(cx, job).await;
    if let Ok(found) = &answer {
        let look = &mut noted.look;
        noted.is_answered = true;
        // What is left is looked at again.
        let of_memory = found.left.intersection_len(&apart);
        let of_index = found.left.len() - of_memory;
        (look.left, look.found) = (found.left.len(), found.positions.len());
        look.indexed = look.indexed.saturating_sub(of_index);
        look.in_memory = look.in_memory.saturating_sub(of_memory);
        if found.is_damaged {
            cx.core.metrics.fell_back(Fallback::Damaged);
        }
    }
    noted.look.us = cx.micros().saturating_sub(began);
    trace.iter().for_each(|trace| noted.look.add_segments(&trace.take()));
    drop(noted);
    answer
}

/// A look that goes on. What lanes did is noted when it ends, also if it is given up in the middle.
struct Noted<'a> {
    cx: &'a Cx,
    job: SearchJob,
    look: Look,
    is_answered: bool,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        note(self.cx, &self.job, &mut self.look, self.is_answered);
        let look = std::mem::take(&mut self.look);
        self.cx.observer.tell(|| Step::Look(look));
    }
}

fn note(cx: &Cx, job: &SearchJob, look: &mut Look, is_answered: bool) {
    if look.no_index {
        cx.core.metrics.fell_back(Fallback::Missing);
    }
    // Of a search without an answer it is not known which messages were looked at.
    let known = |messages: u64| if is_answered { messages } else { 0 };
    let kinds = [
        (Kind::Segment, By::Index, Phase::Index, known(look.indexed), &mut look.index),
        (Kind::Prepared, By::Memory, Phase::Memory, known(look.in_memory), &mut look.memory),
        (Kind::Batch, By::Log, Phase::Log, known(look.read), &mut look.log),
    ];
    let mut waited = None;
    for (kind, by, phase, messages, told) in kinds {
        let spent = job.spent(kind);
        *told =
            Pieces { pieces: spent.pieces, waited_us: spent.waited / 1000, worked_us: spent.worked / 1000 };
        if spent.pieces > 0 {
            cx.took(phase, told.worked_us);
            cx.core.metrics.looked(by, spent.pieces, messages);
            waited = Some(waited.map_or(told.waited_us, |waited: u64| waited.min(told.waited_us)));
        }
    }
    if let Some(waited) = waited {
        cx.took(Phase::Wait, waited);
    }
}

fn base(auth: &Authenticated, node: &Node) -> Order {
    Order {
        account: (auth.account.shard, auth.id()),
        node: node.clone(),
        reader: auth.shard.lane_reader(),
        indexed: None,
        prepared: Vec::new(),
        scan: Vec::new(),
        keep: None,
        // A flag of its own: lanes raise it when the search is over, and the client may search again.
        cancel: Arc::new(AtomicBool::new(false)),
    }
}

async fn run(cx: &Cx, job: SearchJob) -> Result<Found, Refusal> {
    let stop = Arc::clone(job.cancel());
    let gone = async {
        cx.cancel.wait().await;
        stop.store(true, Ordering::Relaxed);
        Err(SearchError::Cancelled)
    };
    Ok(future::or(cx.core.lanes.search(job), gone).await?)
}

type Gathered = (Vec<(u32, Arc<Prepared>)>, Vec<Candidate>);

/// The messages at these positions: those whose texts are in memory, and where the others are.
async fn gather(
    ground: &Ground<'_>,
    cx: &Cx,
    numbers: &MessageNumbers,
    positions: &RoaringBitmap,
    index: Option<&AccountIndex>,
) -> Result<Gathered, Refusal> {
    let (mut prepared, mut scan) = (Vec::new(), Vec::with_capacity(positions.len() as usize));
    for window in windows(positions) {
        let messages: Vec<u32> = window.iter().map(|position| numbers.number(*position)).collect();
        let texts = match index {
            Some(index) if !index.tail().is_empty() => index.tail().get_all(&messages),
            _ => vec![None; messages.len()],
        };
        ground.auth().look(|account| {
            for ((position, message), texts) in window.iter().zip(messages).zip(texts) {
                if let Some(texts) = texts {
                    prepared.push((*position, texts));
                } else {
                    scan.extend(ground.candidate(account, *position, message));
                }
            }
        })?;
        breathe(cx).await?;
    }
    Ok((prepared, scan))
}

/// The positions, some thousands at a time.
pub fn windows(positions: &RoaringBitmap) -> impl Iterator<Item = Vec<u32>> + '_ {
    let mut positions = positions.iter();
    std::iter::from_fn(move || {
        let window: Vec<u32> = positions.by_ref().take(SEARCH_WINDOW_MESSAGES).collect();
        (!window.is_empty()).then_some(window)
    })
}

/// Where the texts of these messages are kept, if there are not too many of them.
fn keep(index: Option<&Arc<AccountIndex>>, scan: &[Candidate]) -> Option<Arc<AccountIndex>> {
    let bytes: u64 = scan.iter().map(|candidate| u64::from(candidate.size)).sum();
    let few = scan.len() <= SEARCH_KEPT_MESSAGES_MAX && bytes <= SEARCH_KEPT_BYTES_MAX;
    index.filter(|_| few).map(Arc::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A container of a bitmap holds 65,536 positions; full ones have been lost by `next_many` of roaring 0.12.
    #[test]
    fn windows_have_all_positions_of_a_large_mailbox() {
        let mut positions = RoaringBitmap::new();
        positions.insert_range(0..200_000);
        positions.remove(70_000);
        let found: Vec<u32> =
            windows(&positions).inspect(|window| assert!(window.len() <= 8192)).flatten().collect();
        assert_eq!(found, positions.iter().collect::<Vec<_>>());
    }
}
