//! `trawl search`: the SEARCH of a session, asked over the control socket; and how mailboxes are opened for it and for `trawl explain`.
//!
//! Each mailbox is looked at as a session would see it that has just opened it read-only; everything from there on is what SEARCH
//! does. Not here: who may ask (the socket), printing.

use std::fmt::Write;
use std::rc::Rc;

use futures_lite::future::yield_now;
use roaring::RoaringBitmap;
use trawl_index::extract::fields;
use trawl_index::mime::header;
use trawl_store::log::Address;
use trawl_store::types::{Uid, ZonedTime};

use super::protocol::Hit;
use crate::command::list::pattern::Pattern;
use crate::command::search::filters;
use crate::command::search::fuzzy::Hits;
use crate::command::search::together::find_each;
use crate::core::AccountRef;
use crate::limits::{CONTROL_HIT_TEXT_CHARS_MAX, CONTROL_HITS_MAX, SEARCH_TOGETHER_MAILBOXES_MAX};
use crate::observe::Observer;
use crate::observe::metrics::Family;
use crate::response::output::Output;
use crate::response::status::Refusal;
use crate::runtime::state::CoreState;
use crate::session::io::{Cancel, Input, Patience};
use crate::session::reader::Reader;
use crate::session::{Connection, Cx, Link, Selected};
use crate::wire::ast::{CommandBody, Day, SearchCommand, Tag};
use crate::wire::date::civil_from_day;
use crate::wire::fragment::Policy;

/// Text of a refusal, for a person.
pub(super) type Refused = String;

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
    let names = mailboxes_named(core, &account, mailbox)?;
    for names in names.chunks(SEARCH_TOGETHER_MAILBOXES_MAX) {
        let Some((mut named, cx)) = named_glimpses(core, &account, names).await else { continue };
        let mut all: Vec<&mut Selected> = named.iter_mut().map(|(_, selected)| selected).collect();
        let Some(first) = all.first() else { continue };
        let command = filters::expanded(&first.auth, &cx.core, &command).map_err(said)?;
        let found = cx.observed(Family::Tool, find_each(&mut all, &cx, &command)).await.map_err(said)?;
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

pub(super) fn said(refusal: Refusal) -> Refused {
    refusal.text.into_owned()
}

fn gone() -> Refused {
    "there is no such account".to_owned()
}

/// The mailboxes that are meant: all of them, those that a pattern of LIST names, or one, which must be there.
pub(super) fn mailboxes_named(
    core: &CoreState,
    account: &AccountRef,
    mailbox: Option<&str>,
) -> Result<Vec<String>, Refused> {
    let shard = core.core.shard(account.shard).ok_or_else(gone)?;
    let pattern = mailbox.map(Pattern::new);
    let names = shard.with_account(account.account, |account| {
        // A name that is one exactly is not a pattern.
        let exact =
            mailbox.and_then(|name| account.mailbox_named(name)).map(|mailbox| mailbox.name().to_string());
        let is_meant = |name: &str| match (&exact, &pattern) {
            (Some(exact), _) => name == exact,
            // One that is longer than any that makes sense names none.
            (None, Some(pattern)) => pattern.as_ref().is_some_and(|pattern| pattern.matches(name)),
            (None, None) => true,
        };
        let names = account.mailboxes().map(|mailbox| mailbox.name().to_string());
        names.filter(|name| is_meant(name)).collect::<Vec<String>>()
    });
    match (names.ok_or_else(gone)?, mailbox) {
        (names, Some(mailbox)) if names.is_empty() => Err(format!("there is no mailbox {mailbox:?}")),
        (names, _) => Ok(names),
    }
}

/// Mailboxes by name, and what all of them are searched with; one that is no more by now is passed over.
pub(super) async fn named_glimpses<'a>(
    core: &Rc<CoreState>,
    account: &AccountRef,
    names: &'a [String],
) -> Option<(Vec<(&'a String, Selected)>, Cx)> {
    let (mut named, mut cx) = (Vec::new(), None);
    for name in names {
        let Ok((selected, its_cx)) = open(core, account, name) else { continue };
        cx.get_or_insert(its_cx);
        named.push((name, selected));
        yield_now().await;
    }
    Some((named, cx?))
}

/// A mailbox as a session has it that nobody is connected to.
pub(super) fn open(
    core: &Rc<CoreState>,
    account: &AccountRef,
    name: &str,
) -> Result<(Selected, Cx), Refused> {
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
    Ok((selected, Cx { link, tag, observer: Observer::default() }))
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
