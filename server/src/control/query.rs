//! `trawl search` and `trawl explain`: the SEARCH of a session, asked over the control socket.
//!
//! Each mailbox is looked at as a session would see it that has just opened it read-only; everything from there on is what SEARCH
//! does. Not here: who may ask (the socket), printing.

use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use futures_lite::future::yield_now;
use roaring::RoaringBitmap;
use trawl_index::extract::fields;
use trawl_index::mime::header;
use trawl_index::search::Step;
use trawl_store::log::Address;
use trawl_store::types::{Uid, ZonedTime};

use super::protocol::{Explained, Hit};
use crate::command::search::filters;
use crate::command::search::fuzzy::Hits;
use crate::command::search::plan::Rest;
use crate::command::search::text::{self, Looked, Watch};
use crate::command::search::together::find_each;
use crate::command::search::{find_patiently, resolve_exactly};
use crate::core::AccountRef;
use crate::lanes::trace::{SearchTrace, SegmentTrace};
use crate::limits::{
    CONTROL_HIT_TEXT_CHARS_MAX, CONTROL_HITS_MAX, CONTROL_LINES_MAX, SEARCH_TOGETHER_MAILBOXES_MAX,
};
use crate::response::output::Output;
use crate::response::status::Refusal;
use crate::runtime::clock::ProcessStart;
use crate::runtime::state::CoreState;
use crate::session::io::{Cancel, Input, Patience};
use crate::session::reader::Reader;
use crate::session::{Connection, Cx, Link, Selected};
use crate::wire::ast::{CommandBody, Day, SearchCommand, SearchKey, Tag};
use crate::wire::date::civil_from_day;
use crate::wire::fragment::Policy;
use crate::wire::print;

/// Text of a refusal, for a person.
type Refused = String;

/// The newest messages of an account that match, at most `max` of them in all, and how many there are. On the core that owns
/// the account.
pub async fn search(
    core: &Rc<CoreState>,
    account: AccountRef,
    mailbox: Option<&str>,
    program: &str,
    max: usize,
) -> Result<(Vec<Hit>, u64), Refused> {
    let command = parse(program)?;
    let (mut hits, mut total) = (Vec::new(), 0);
    let names = match mailbox {
        Some(name) => {
            open(core, &account, name)?;
            vec![name.to_owned()]
        }
        None => mailboxes(core, &account)?,
    };
    for names in names.chunks(SEARCH_TOGETHER_MAILBOXES_MAX) {
        // One that is no more by now is passed over.
        let opened = names.iter().filter_map(|name| Some((name, open(core, &account, name).ok()?)));
        let (mut named, mut cx) = (Vec::new(), None);
        for (name, (selected, its_cx)) in opened {
            cx.get_or_insert(its_cx);
            named.push((name, selected));
            yield_now().await;
        }
        let Some(cx) = cx else { continue };
        let mut all: Vec<&mut Selected> = named.iter_mut().map(|(_, selected)| selected).collect();
        let Some(first) = all.first() else { continue };
        let command = filters::expanded(&first.auth, &cx.core, &command).map_err(said)?;
        let found = find_each(&mut all, &cx, &command).await.map_err(said)?;
        for ((name, selected), found) in named.iter().zip(found) {
            let Some(Hits { positions, .. }) = found else { continue };
            total += positions.len();
            let room = max.min(CONTROL_HITS_MAX).saturating_sub(hits.len());
            if room > 0 && !positions.is_empty() {
                hits.extend(show(selected, name, &positions, room).await?);
            }
        }
    }
    Ok((hits, total))
}

/// What a search does, and how long each part takes. On the core that owns the account.
pub async fn explain(
    core: &Rc<CoreState>,
    account: AccountRef,
    mailbox: &str,
    program: &str,
) -> Result<Explained, Refused> {
    let command = parse(program)?;
    let clock = ProcessStart::now();
    let trace = Arc::new(SearchTrace::new(Box::new(move || clock.nanos())));
    let (mut selected, cx) = open(core, &account, mailbox)?;
    let command = filters::expanded(&selected.auth, &cx.core, &command).map_err(said)?;
    let messages = u64::from(selected.view.len());
    let start = clock.nanos();
    if command.key.is_fuzzy() {
        let hits = find_patiently(&mut selected, &cx, &command).await.map_err(said)?;
        let total_us = clock.nanos().saturating_sub(start) / 1000;
        let lines = tiers(&hits);
        return Ok(Explained {
            messages,
            found: hits.positions.len(),
            total_us,
            lines,
            ..Explained::default()
        });
    }
    let rest = resolve_exactly(&selected, &cx, &command).await.map_err(said)?;
    let state_us = clock.nanos().saturating_sub(start) / 1000;
    let mut explained = Explained { messages, state_us, ..Explained::default() };
    if let SearchKey::Query(query) = &command.key
        && let Ok(key) = &query.key
    {
        let program = String::from_utf8_lossy(&print::program(key)).replace("\r\n", " ");
        explained.lines.push(format!("the query is {program}"));
    }
    let found = match rest {
        Rest::Found(positions) => {
            explained.left_by_state = positions.len();
            explained.lines.push("mailbox state alone answers it".to_owned());
            positions
        }
        Rest::Text { node, candidates } => {
            let mut watch = Watch { trace: Arc::clone(&trace), looked: Looked::default() };
            let found = text::find(&mut selected, &cx, &node, candidates, Some(&mut watch)).await;
            let found = found.map_err(said)?;
            let Looked { candidates, indexed, in_memory, read } = watch.looked;
            (explained.left_by_state, explained.indexed) = (candidates, indexed);
            (explained.in_memory, explained.read) = (in_memory, read);
            trace.take().iter().for_each(|segment| tell(segment, &mut explained.lines));
            found
        }
    };
    explained.found = found.len();
    explained.total_us = clock.nanos().saturating_sub(start) / 1000;
    if explained.lines.len() > CONTROL_LINES_MAX {
        explained.lines.truncate(CONTROL_LINES_MAX);
        explained.lines.push("...".to_owned());
    }
    Ok(explained)
}

/// How many messages each tier of a FUZZY search was the first to find.
fn tiers(hits: &Hits) -> Vec<String> {
    const TIERS: [&str; 4] =
        ["as it is written, in the subject", "as it is written", "all words", "words spelled like them"];
    // The first one is there for TEXT only.
    let names = TIERS.len().saturating_sub(hits.tiers.len());
    let line = |(name, tier): (&&str, &RoaringBitmap)| format!("FUZZY {name}: {} messages more", tier.len());
    TIERS[names..].iter().zip(&hits.tiers).map(line).collect()
}

/// A segment and, deeper, what was done with it; the parts of a step stand below it.
fn tell(segment: &SegmentTrace, lines: &mut Vec<String>) {
    let SegmentTrace { segment, before, after, nanos, steps } = segment;
    lines.push(format!("segment {segment}: {before} -> {after} messages in {} us", nanos / 1000));
    // Steps come in the order in which they ended: parts first.
    let mut open: Vec<(usize, Vec<String>)> = Vec::new();
    for step in steps {
        let indent = "  ".repeat(step.depth + 1);
        let Step { what, before, after, nanos, .. } = step;
        let line = format!("{indent}{}, {before} -> {after} messages in {} us", words(what), nanos / 1000);
        let at = open.iter().rposition(|(depth, _)| *depth <= step.depth).map_or(0, |at| at + 1);
        let parts = open.drain(at..).flat_map(|(_, lines)| lines);
        let whole = std::iter::once(line).chain(parts).collect();
        open.push((step.depth, whole));
    }
    lines.extend(open.into_iter().flat_map(|(_, lines)| lines));
}

/// A step for who does not know how segments are made.
fn words(what: &str) -> String {
    if let Some(count) = what.strip_suffix(" terms") {
        return format!("TERMS {count} found");
    }
    if let Some(count) = what.strip_suffix(" terms at the edge") {
        return format!("EDGE TERMS {count} found");
    }
    match what {
        "literals" => "LITERALS (words that one message has) searched".to_owned(),
        "verify" => "VERIFY in the text".to_owned(),
        "rare tokens" => "RARE WORDS looked up".to_owned(),
        what => what.to_owned(),
    }
}

/// The program as the argument of a SEARCH.
fn parse(program: &str) -> Result<SearchCommand, Refused> {
    let line = format!("x UID SEARCH {program}");
    match crate::wire::parse(line.as_bytes()) {
        Ok(command) => match command.body {
            CommandBody::Search(search) => Ok(search),
            _ => Err("this is not a search program".to_owned()),
        },
        Err(bad) => {
            let what = "--query takes what people type, as in from:bob has:attachment";
            Err(format!("the search program is not understood: {}; {what}", bad.reason))
        }
    }
}

fn said(refusal: Refusal) -> Refused {
    refusal.text.into_owned()
}

fn gone() -> Refused {
    "there is no such account".to_owned()
}

fn mailboxes(core: &CoreState, account: &AccountRef) -> Result<Vec<String>, Refused> {
    let shard = core.core.shard(account.shard).ok_or_else(gone)?;
    let names = shard.with_account(account.account, |account| {
        account.mailboxes().map(|mailbox| mailbox.name().to_string()).collect()
    });
    names.ok_or_else(gone)
}

/// A mailbox as a session has it that nobody is connected to.
fn open(core: &Rc<CoreState>, account: &AccountRef, name: &str) -> Result<(Selected, Cx), Refused> {
    let shard = core.core.shard(account.shard).ok_or_else(gone)?;
    let no_such = || format!("there is no mailbox {name:?}");
    let id = shard.with_account(account.account, |account| account.mailbox_named(name).map(|m| m.id()));
    let id = id.ok_or_else(gone)?.ok_or_else(no_such)?;
    let selected = Selected::glimpse(account, &shard, true, id).ok_or_else(no_such)?;
    let limits = &core.core.config.limits;
    let now = core.core.clock.monotonic();
    let silence = limits.idle_timeout.0;
    let link = Link {
        core: Rc::clone(&core.core),
        connection: Connection { id: core.shared.connection_id(), peer: None, tls: false, starttls: false },
        out: Output::new(),
        reader: Reader::new(Input::default(), Policy::authenticated()),
        cancel: Cancel::default(),
        patience: Patience::new(silence, now + silence, limits.stall_timeout.0),
    };
    let Some(tag) = Tag::new(b"x") else { unreachable!("a letter is a tag") };
    Ok((selected, Cx { link, tag }))
}

/// The newest of the messages found.
async fn show(
    selected: &Selected,
    mailbox: &str,
    found: &RoaringBitmap,
    room: usize,
) -> Result<Vec<Hit>, Refused> {
    let newest: Vec<u32> = found.iter().rev().take(room).collect();
    let known: Vec<(Uid, ZonedTime, Address)> = selected
        .auth
        .look(|account| {
            let one = |position: &u32| {
                let uid = selected.view.uid(position + 1)?;
                let row = selected.view.row(selected.mailbox_of(account)?, uid)?;
                let facts = account.facts(row.message)?;
                Some((uid, facts.internal, facts.address))
            };
            newest.iter().filter_map(one).collect()
        })
        .map_err(said)?;
    let addresses: Vec<Address> = known.iter().map(|(_, _, address)| *address).collect();
    let headers = selected.auth.shard.read_headers(&addresses).await;
    let hit = |((uid, internal, _), header): (&(Uid, ZonedTime, Address), _)| {
        let header: Vec<u8> = Result::unwrap_or_default(header);
        let field = |name: &str| {
            let field = header::fields(&header).find(|field| field.is(name.as_bytes()));
            shortened(&field.map(|field| fields::decoded(&field).into_owned()).unwrap_or_default())
        };
        Hit {
            mailbox: mailbox.to_owned(),
            uid: uid.get(),
            date: date(*internal),
            from: field("from"),
            subject: field("subject"),
        }
    };
    Ok(known.iter().zip(headers).map(hit).collect())
}

/// One line, not too long.
fn shortened(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(CONTROL_HIT_TEXT_CHARS_MAX).collect()
}

/// As written in its zone: `2021-03-04 05:06`.
fn date(time: ZonedTime) -> String {
    let minutes = (time.seconds + i64::from(time.zone_minutes) * 60).div_euclid(60);
    let (year, month, day) = civil_from_day(Day(time.day()));
    let of_day = minutes.rem_euclid(24 * 60);
    let mut out = String::new();
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {:02}:{:02}", of_day / 60, of_day % 60);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_below_their_step() {
        let step = |depth, what: &str| Step { depth, what: what.into(), before: 9, after: 3, nanos: 2500 };
        let steps = vec![step(1, "15 terms"), step(1, "literals"), step(0, "BODY \"A\""), step(0, "other")];
        let mut lines = Vec::new();
        tell(&SegmentTrace { segment: 2, before: 9, after: 3, nanos: 7000, steps }, &mut lines);
        assert_eq!(
            lines,
            [
                "segment 2: 9 -> 3 messages in 7 us",
                "  BODY \"A\", 9 -> 3 messages in 2 us",
                "    TERMS 15 found, 9 -> 3 messages in 2 us",
                "    LITERALS (words that one message has) searched, 9 -> 3 messages in 2 us",
                "  other, 9 -> 3 messages in 2 us",
            ]
        );
    }
}
