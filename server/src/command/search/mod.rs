//! SEARCH and UID SEARCH (RFC 3501 6.4.4, RFC 9051 6.4.4, RFC 4731, RFC 5032, RFC 5182).
//!
//! State keys are evaluated here, over windows of the view with a yield between them; what is left goes to the search
//! lanes with the messages that can still match. What must hold: the answer is about this session's view,
//! messages that others expunged included until the client is told; it is complete or it is a NO.

pub mod answer;
pub mod plan;
pub mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_lite::future::{self, yield_now};
use roaring::RoaringBitmap;
use trawl_index::query::Node;
use trawl_store::types::{Flags, MessageFacts, Row, Uid};
use trawl_store::uid_set::UidSet;

use self::plan::{Context, Program, Refused, Rest};
use self::state::{Evaluation, SearchRow};
use crate::lanes::search::{Candidate, SearchError, SearchJob};
use crate::limits::SEARCH_WINDOW_MESSAGES;
use crate::response::encode;
use crate::response::status::{Answer, Code, Done, Refusal, RefusalKind};
use crate::session::{Cx, Selected};
use crate::wire::ast::{Numbers, SearchCommand};

/// What BADCHARSET names: the charsets that are always known. Others of WHATWG are accepted as well.
const CHARSETS: [&str; 6] = ["US-ASCII", "UTF-8", "ISO-8859-1", "ISO-8859-15", "WINDOWS-1252", "KOI8-R"];

/// SEARCH.
pub async fn search(s: &mut Selected, cx: &Cx, command: SearchCommand) -> Answer {
    let saves = command.returns.is_some_and(|returns| returns.save);
    let answer = find(s, cx, &command).await;
    if let Err(refusal) = &answer
        && refusal.kind == RefusalKind::No
        && saves
    {
        s.saved = UidSet::new();
    }
    let positions = answer?;
    let uids = || ascending(positions.iter().filter_map(|position| s.view.uid(position + 1)).map(Uid::get));
    let found = match command.by {
        Numbers::Uid => uids(),
        Numbers::Sequence => ascending(positions.iter().map(|position| position + 1)),
    };
    let by_uid = command.by == Numbers::Uid;
    match command.returns {
        None if !s.auth.rev2 => cx.out.with(|out| encode::search(out, &found)),
        returns => {
            let returns = answer::or_all(returns.unwrap_or_default());
            if !answer::only_saves(returns) {
                let esearch = answer::esearch(returns, by_uid, &found);
                cx.out.with(|out| encode::esearch(out, &cx.tag, &esearch));
            }
            if returns.save {
                s.saved = answer::saved(returns, &uids()).iter().filter_map(Uid::new).collect();
            }
        }
    }
    cx.out.room().await?;
    Ok(Done::ok("SEARCH done"))
}

/// A set of numbers that come in ascending order.
fn ascending(numbers: impl Iterator<Item = u32>) -> RoaringBitmap {
    let mut set = RoaringBitmap::new();
    let appended = set.append(numbers);
    debug_assert!(appended.is_ok(), "the view is in ascending order");
    set
}

/// The positions of the view that match.
async fn find(s: &Selected, cx: &Cx, command: &SearchCommand) -> Result<RoaringBitmap, Refusal> {
    let messages = s.view.len();
    let mut program = compile(s, cx, command)?;
    let mut evaluation = Evaluation::new(std::mem::take(&mut program.state));
    if !evaluation.is_empty() {
        let mut rows = Vec::new();
        for first in (0..messages).step_by(SEARCH_WINDOW_MESSAGES) {
            rows.clear();
            look(s, first, |uid, known| {
                let row = known.map(|(row, facts)| SearchRow {
                    uid,
                    flags: row.flags,
                    internal: facts.internal,
                    sent_day: facts.sent_day,
                    size: facts.size,
                    recent: s.view.is_recent(uid),
                });
                rows.push(row);
            })?;
            evaluation.window(first, &rows);
            breathe(cx).await?;
        }
    }
    match program.resolve(&evaluation.finish(), messages) {
        Rest::Found(positions) => Ok(positions),
        Rest::Text { node, candidates } => scan(s, cx, &node, &candidates).await,
    }
}

fn compile(s: &Selected, cx: &Cx, command: &SearchCommand) -> Result<Program, Refusal> {
    let mut saved = RoaringBitmap::new();
    for range in s.view.within(&s.saved).ranges() {
        saved.insert_range(range.start().get()..=range.end().get());
    }
    let program = s.look(|mailbox| {
        let context = Context {
            messages: s.view.len(),
            largest_uid: s.view.largest_uid().map_or(0, Uid::get),
            saved: &saved,
            now: cx.core.clock.wall().0.div_euclid(1000),
            keyword: &|name| mailbox.keyword(name).map(Flags::keyword),
            charset: command.charset.as_deref(),
        };
        Program::new(&command.key, &context)
    })?;
    program.map_err(|refused| match refused {
        Refused::Charset => Refusal::no(Code::BadCharset(CHARSETS.to_vec()), "This charset is not known"),
        Refused::Needle => Refusal::bad(None, "A string is not valid in its charset"),
    })
}

/// Reads the messages that can match on the search lanes.
async fn scan(
    s: &Selected,
    cx: &Cx,
    node: &Node,
    positions: &RoaringBitmap,
) -> Result<RoaringBitmap, Refusal> {
    let mut candidates = Vec::with_capacity(positions.len() as usize);
    for first in (0..s.view.len()).step_by(SEARCH_WINDOW_MESSAGES) {
        let mut position = first;
        look(s, first, |_, known| {
            if let Some((_, facts)) = known
                && positions.contains(position)
            {
                candidates.push(Candidate { position, size: facts.size, address: facts.address });
            }
            position += 1;
        })?;
        breathe(cx).await?;
    }
    // A flag of its own: lanes raise it when the search is over, and the client may search again.
    let stop = Arc::new(AtomicBool::new(false));
    let job = SearchJob::new(node, s.auth.shard.lane_reader(), candidates, Arc::clone(&stop));
    let gone = async {
        cx.cancel.wait().await;
        stop.store(true, Ordering::Relaxed);
        Err(SearchError::Cancelled)
    };
    Ok(future::or(cx.core.lanes.search(job), gone).await?)
}

/// Shows a window of the view, from position `first` on, with what the mailbox knows of each message; `None`
/// for one of which nothing is left.
fn look(
    s: &Selected,
    first: u32,
    mut show: impl FnMut(Uid, Option<(Row, MessageFacts)>),
) -> Result<(), Refusal> {
    let end = s.view.len().min(first.saturating_add(SEARCH_WINDOW_MESSAGES as u32));
    // Sequence numbers are positions from 1.
    let (Some(low), Some(high)) = (s.view.uid(first + 1), s.view.uid(end)) else { return Ok(()) };
    let looked = s.auth.look(|account| {
        let mailbox = s.mailbox_of(account)?;
        // Both ascend; rows that are not in the view and ghosts that are not in the mailbox are the exceptions.
        let mut rows = mailbox.range(low, high).peekable();
        for uid in s.view.uids(first, end) {
            while rows.next_if(|row| row.uid < uid).is_some() {}
            let row = rows.next_if(|row| row.uid == uid).or_else(|| s.view.row(mailbox, uid));
            show(uid, row.and_then(|row| Some((row, account.facts(row.message)?))));
        }
        Some(())
    })?;
    looked.ok_or_else(Refusal::mailbox_deleted)
}

/// Lets others run; stops when the client is gone.
async fn breathe(cx: &Cx) -> Result<(), Refusal> {
    yield_now().await;
    if cx.cancel.is_set() {
        return Err(SearchError::Cancelled.into());
    }
    Ok(())
}
