//! What changed is judged, and the client is told of what came into its results and what left them.
//!
//! Only messages that came, or changed in a way that can matter to the program, are looked at, by the ways of any search: keys on
//! state here, keys on text by the lanes. Where nothing changed nothing is done. What must hold: what happens to the mailbox
//! while this goes on is judged the next time; a context that cannot be followed is given up, which the client is told.

use std::time::Duration;

use roaring::RoaringBitmap;
use trawl_store::types::Uid;

use super::{order, program};
use crate::command::search::{self, documented, numbers};
use crate::limits::CONTEXT_AGES_MS;
use crate::mailbox::contexts::{Changed, Context, DocumentsSeen, Updates, bitmap, called, is_there};
use crate::observe::metrics::Family;
use crate::response::encode::Status;
use crate::response::status::{Code, Refusal, RefusalKind, write_status};
use crate::session::{Cx, Selected};
use crate::wire::ast::SearchCommand;

/// How often ages are looked at.
pub const AGES: Duration = Duration::from_millis(CONTEXT_AGES_MS);

/// Seconds since 1970.
pub fn now(cx: &Cx) -> i64 {
    cx.core.clock.wall().0.div_euclid(1000)
}

/// Brings all results up to the view and tells the client. Err only when the session ends.
pub async fn update(s: &mut Selected, cx: &Cx) -> Result<(), Refusal> {
    let mut contexts = std::mem::take(&mut s.contexts);
    let look_at_bodies = contexts.look_at_bodies();
    let held = contexts.take();
    let mut changed = s.look(|mailbox| contexts.changed(&s.view, mailbox))?;
    let documents = s.auth.look(|account| DocumentsSeen::of(account.documents()))?;
    if let Some(before) = contexts.documents(documents).filter(|_| look_at_bodies) {
        match documented::since(s, cx, before, documents).await {
            Ok(positions) => {
                changed.documents = bitmap(&numbers::uids(s.view.sequence_numbers(), &positions));
            }
            Err(_) if cx.cancel.is_set() => return Ok(()),
            Err(refusal) => return Err(refusal),
        }
    }
    for mut context in held {
        let lines = match judge(s, cx, &mut context, &changed).await {
            Ok(lines) => lines,
            Err(refusal) if matches!(refusal.kind, RefusalKind::Bye | RefusalKind::Gone) => {
                return Err(refusal);
            }
            // The client is gone, or the server stops: nobody follows any more.
            Err(_) if cx.cancel.is_set() => return Ok(()),
            Err(refusal) => {
                give_up(cx, &context, &refusal.text);
                continue;
            }
        };
        for line in &lines {
            cx.out.push(line);
            cx.out.room().await?;
        }
        let octets = context.octets();
        if !contexts.have_room(octets) || !context.memory.resize(octets) {
            give_up(cx, &context, "The results have become too large");
            continue;
        }
        contexts.add(context);
    }
    s.contexts = contexts;
    Ok(())
}

/// RFC 5267 4.3.1, for one that was kept until now.
fn give_up(cx: &Cx, context: &Context, why: &str) {
    let code = Code::NoUpdate(context.tag.clone());
    write_status(&cx.out, None, Status::No, Some(&code), why);
}

/// Brings one result up to the view: the responses that tell of it.
async fn judge(
    s: &mut Selected,
    cx: &Cx,
    context: &mut Context,
    changed: &Changed,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let candidates = candidates(s, cx, context, changed).await?;
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    cx.observed(Family::Context, judged(s, cx, context, candidates)).await
}

/// Judges these messages.
async fn judged(
    s: &mut Selected,
    cx: &Cx,
    context: &mut Context,
    candidates: RoaringBitmap,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let found = among(s, cx, &context.search, &candidates).await?;
    let members = context.results.members();
    let (added, gone) = (&found - members, (members & &candidates) - &found);
    if added.is_empty() && gone.is_empty() {
        return Ok(Vec::new());
    }
    let mut updates = Updates::default();
    context.results.remove(&gone, &mut updates, called(context.search.by, &s.view));
    match context.results.order() {
        None => context.results.add(&added, &mut updates, called(context.search.by, &s.view)),
        Some(known) => {
            let places = search::in_time(cx, order::places(s, cx, &context.criteria, known, &added)).await?;
            context.results.insert(&places, &mut updates, called(context.search.by, &s.view));
        }
    }
    let (name, validity) = s.look(|mailbox| (mailbox.name().clone(), mailbox.uid_validity()))?;
    Ok(context.lines(&updates, Some((&name, s.auth.encoding(), validity))))
}

/// The UIDs of the messages that may have come into the results or left them. What others expunged is not among them: it has left.
async fn candidates(
    s: &mut Selected,
    cx: &Cx,
    context: &mut Context,
    changed: &Changed,
) -> Result<RoaringBitmap, Refusal> {
    let mut candidates = changed.new.clone();
    if context.nature.flags {
        candidates |= &changed.flags;
    }
    let mut others = aged(s, cx, context).await?;
    if context.nature.body {
        others |= &changed.documents;
    }
    if context.nature.largest {
        let largest = s.view.largest_uid().map_or(0, Uid::get);
        let before = std::mem::replace(&mut context.largest, largest);
        if before != largest {
            others.extend([before, largest]);
        }
    }
    if !others.is_empty() {
        s.look(|mailbox| {
            candidates.extend(others.iter().filter(|uid| {
                is_there(mailbox, *uid) && Uid::new(*uid).is_some_and(|uid| s.view.contains(uid))
            }));
        })?;
    }
    Ok(candidates)
}

/// The UIDs of the messages that have become too old or old enough, from time to time (RFC 5032 2).
async fn aged(s: &mut Selected, cx: &Cx, context: &mut Context) -> Result<RoaringBitmap, Refusal> {
    let now = now(cx);
    let elapsed = now - context.aged;
    if context.nature.ages.is_empty() || (0..AGES.as_secs() as i64).contains(&elapsed) {
        return Ok(RoaringBitmap::new());
    }
    context.aged = now;
    let everything = || {
        let view = s.view.slice(0, s.view.len());
        view.fold(RoaringBitmap::new(), |mut all, (low, high)| {
            all.insert_range(low.get()..=high.get());
            all
        })
    };
    // A clock that was set back.
    let Ok(elapsed) = u32::try_from(elapsed) else { return Ok(everything()) };
    let Some(key) = program::aged(&context.nature.ages, elapsed) else { return Ok(RoaringBitmap::new()) };
    let command = SearchCommand { key, ..context.search.clone() };
    let found = search::in_time(cx, search::find_patiently(s, cx, &command));
    let found = cx.observed(Family::Context, found).await?.positions;
    Ok(bitmap(&numbers::uids(s.view.sequence_numbers(), &found)))
}

/// The UIDs of those messages that match.
async fn among(
    s: &mut Selected,
    cx: &Cx,
    command: &SearchCommand,
    uids: &RoaringBitmap,
) -> Result<RoaringBitmap, Refusal> {
    let among = positions(s, uids);
    let found = search::in_time(cx, search::find_among(s, cx, command, among)).await?;
    Ok(bitmap(&numbers::uids(s.view.sequence_numbers(), &found)))
}

/// Where messages of the view are.
pub(super) fn positions(s: &Selected, uids: &RoaringBitmap) -> RoaringBitmap {
    let (mut positions, mut ranges) = (RoaringBitmap::new(), uids.iter());
    while let Some(range) = ranges.next_range() {
        positions.insert_range(s.view.positions(range));
    }
    positions
}
