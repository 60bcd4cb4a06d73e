//! Contexts (RFC 5267 4): the return option UPDATE of SEARCH, SORT and ESEARCH, and CANCELUPDATE.
//!
//! `program` is what a search means as time goes by, `judge` looks at what changed, `order` finds the places of messages in the
//! result of a SORT; results and responses are `mailbox::contexts`. What must hold: whenever the client has been told all that it can
//! be told, its copy is what the same search would find now.

mod judge;
mod order;
mod program;

pub use judge::{AGES, update};

use roaring::RoaringBitmap;
use trawl_index::arrange::Criterion;
use trawl_store::types::Uid;

use super::prelude::*;
use super::search::numbers;
use crate::mailbox::contexts::{Context, DocumentsSeen, Results, bitmap};
use crate::wire::ast::{SearchCommand, SearchReturn};

/// `CANCELUPDATE` (RFC 5267 4.3.5). A tag without a context is passed over: it may have been given up meanwhile.
pub async fn cancel_update(s: &mut Selected, _: &Cx, tags: Vec<Vec<u8>>) -> Answer {
    s.contexts.cancel(&tags);
    Ok(Done::ok("CANCELUPDATE done"))
}

/// To be called before a search that may have UPDATE: BAD when its tag is in use (RFC 5267 4.3).
pub fn begin(s: &mut Selected, cx: &Cx, returns: Option<SearchReturn>) -> Result<(), Refusal> {
    if !returns.is_some_and(|returns| returns.update) {
        return Ok(());
    }
    if s.contexts.has(&cx.tag) {
        return Err(Refusal::bad(None, "Tag reuse: results of a command with this tag are kept up to date"));
    }
    let mut contexts = std::mem::take(&mut s.contexts);
    let documents = s.auth.look(|account| DocumentsSeen::of(account.documents()))?;
    let begun = s.look(|mailbox| contexts.begin(&s.view, mailbox, documents, judge::now(cx)));
    s.contexts = contexts;
    begun
}

/// What a search found.
pub struct Found<'a> {
    pub positions: &'a RoaringBitmap,
    /// Of a SORT: by what it sorted, and the UIDs in that order.
    pub sorted: Option<(Vec<Criterion>, Vec<u32>)>,
}

/// Keeps what a search with UPDATE found up to date from now on, or tells that it is not (RFC 5267 4.3.1). To be called before `$`
/// changes.
pub fn keep(s: &mut Selected, cx: &Cx, command: &SearchCommand, found: Found<'_>, of_mailbox: bool) {
    if command.key.is_fuzzy() {
        return refuse(cx, "Results of FUZZY keys are not followed");
    }
    let context = made(s, cx, command, found, of_mailbox);
    let Some(context) = context.filter(|context| s.contexts.have_room(context.octets())) else {
        return refuse(cx, "Too many contexts, or too large");
    };
    tracing::debug!(
        connection = cx.connection.id,
        tag = %context.tag,
        messages = context.results.members().len(),
        octets = context.octets(),
        "context"
    );
    s.contexts.add(context);
}

/// `None`: it would be too large, or was not begun.
fn made(
    s: &Selected,
    cx: &Cx,
    command: &SearchCommand,
    found: Found<'_>,
    of_mailbox: bool,
) -> Option<Context> {
    let key = program::fixed(&command.key, &s.view, &s.saved)?;
    let nature = program::nature(&key);
    let search = SearchCommand { by: command.by, returns: None, charset: command.charset.clone(), key };
    let uids = bitmap(&numbers::uids(s.view.sequence_numbers(), found.positions));
    let (criteria, order) = found.sorted.unzip();
    let mut context = Context {
        tag: cx.tag.clone(),
        search,
        nature,
        of_mailbox,
        criteria: criteria.unwrap_or_default(),
        results: Results::new(uids, order),
        largest: s.view.largest_uid().map_or(0, Uid::get),
        aged: s.contexts.began()?,
        memory: cx.core.contexts_budget.none(),
    };
    let octets = context.octets();
    context.memory.resize(octets).then_some(context)
}

/// The results of this command are not kept up to date.
pub fn refuse(cx: &Cx, why: &str) {
    write_status(&cx.out, None, Status::No, Some(&Code::NoUpdate(cx.tag.clone())), why);
}
