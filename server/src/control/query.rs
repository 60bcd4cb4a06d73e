//! `trawl search`: the SEARCH of a session, asked over the control socket; and how mailboxes are opened for it and for `trawl explain`.
//!
//! Each mailbox is looked at as a session would see it that has just opened it read-only; everything from there on is what SEARCH
//! does. Not here: who may ask (the socket), printing.

use std::fmt::Write;
use std::rc::Rc;

use trawl_index::extract::fields;
use trawl_index::mime::header;
use trawl_store::log::Address;
use trawl_store::state::mailbox::Mailbox;
use trawl_store::types::{MailboxId, MessageNumber, Uid, ZonedTime};

use super::protocol::Hit;
use crate::command::list::pattern::Pattern;
use crate::command::search::together::{self, FoundIn, RowHits};
use crate::command::search::{filters, places};
use crate::core::AccountRef;
use crate::limits::{CONTROL_HIT_TEXT_CHARS_MAX, CONTROL_HITS_MAX, SEARCH_TOGETHER_MAILBOXES_MAX};
use crate::observe::Observer;
use crate::observe::metrics::Family;
use crate::response::output::Output;
use crate::response::status::Refusal;
use crate::runtime::state::CoreState;
use crate::session::io::{Cancel, Input, Patience};
use crate::session::reader::Reader;
use crate::session::{Authenticated, Connection, Cx, Link};
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
    let mailboxes = mailboxes_named(core, &account, mailbox)?;
    let (auth, cx) = nobody(core, &account)?;
    let command = filters::expanded(&auth, &cx.core, &command).map_err(said)?;
    for (nth, some) in mailboxes.chunks(SEARCH_TOGETHER_MAILBOXES_MAX).enumerate() {
        let search = together::find(None, &auth, (some, nth), &cx, &command);
        let found = cx.observed(Family::Tool, search).await.map_err(said)?;
        total += found.count();
        for (mailbox, messages) in newest(found, some, &cx, max.min(CONTROL_HITS_MAX)).await.map_err(said)? {
            let room = max.min(CONTROL_HITS_MAX).saturating_sub(hits.len());
            let messages = messages.get(..room).unwrap_or(&messages);
            if !messages.is_empty() {
                hits.extend(show(&auth, mailbox, messages).await?);
            }
        }
    }
    Ok((hits, total))
}

/// The newest messages that were found, newest first, at most `most` of each mailbox, in the order of mailboxes.
async fn newest(
    found: FoundIn,
    of: &[MailboxId],
    cx: &Cx,
    most: usize,
) -> Result<Vec<(MailboxId, Vec<(Uid, MessageNumber)>)>, Refusal> {
    let mut all = Vec::new();
    for (mut s, hits) in found.opened {
        let numbers = places::numbers(&mut s, cx).await?;
        let positions = hits.positions.iter().rev().take(most);
        let message = |at: u32| Some((s.view.uid(at + 1)?, MessageNumber(numbers.number(at))));
        all.push((s.mailbox, positions.filter_map(message).collect()));
    }
    for (row, places) in found.rows {
        for (part, runs) in RowHits::of(&row, &places).iter() {
            let positions = runs.iter().rev().flat_map(|run| run.clone().rev()).take(most);
            let message = |at: u32| Some((part.uids.at(at)?, MessageNumber(part.number(at)?)));
            all.push((part.mailbox, positions.filter_map(message).collect()));
        }
    }
    let at = |mailbox: &MailboxId| of.iter().position(|known| known == mailbox);
    all.sort_by_cached_key(|(mailbox, _)| at(mailbox));
    Ok(all)
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

/// The mailboxes that are meant, in the order of their names: all of them, those that a pattern of LIST names, or one, which must be there.
pub(super) fn mailboxes_named(
    core: &CoreState,
    account: &AccountRef,
    mailbox: Option<&str>,
) -> Result<Vec<MailboxId>, Refused> {
    let shard = core.core.shard(account.shard).ok_or_else(gone)?;
    let pattern = mailbox.map(Pattern::new);
    let mailboxes = shard.with_account(account.account, |account| {
        // A name that is one exactly is not a pattern.
        let exact = mailbox.and_then(|name| account.mailbox_named(name)).map(|mailbox| mailbox.id());
        let is_meant = |mailbox: &Mailbox| match (&exact, &pattern) {
            (Some(exact), _) => mailbox.id() == *exact,
            // One that is longer than any that makes sense names none.
            (None, Some(pattern)) => pattern.as_ref().is_some_and(|pattern| pattern.matches(mailbox.name())),
            (None, None) => true,
        };
        let meant = account.mailboxes().filter(|mailbox| is_meant(mailbox));
        meant.map(Mailbox::id).collect::<Vec<MailboxId>>()
    });
    match (mailboxes.ok_or_else(gone)?, mailbox) {
        (mailboxes, Some(mailbox)) if mailboxes.is_empty() => Err(format!("there is no mailbox {mailbox:?}")),
        (mailboxes, _) => Ok(mailboxes),
    }
}

/// An account that nobody is connected to, and what it is searched with.
pub(super) fn nobody(core: &Rc<CoreState>, account: &AccountRef) -> Result<(Authenticated, Cx), Refused> {
    let shard = core.core.shard(account.shard).ok_or_else(gone)?;
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
    let auth = Authenticated::glimpse(account, &shard, true);
    Ok((auth, Cx { link, tag, observer: Observer::default() }))
}

/// Messages of a mailbox that were found.
async fn show(
    auth: &Authenticated,
    mailbox: MailboxId,
    messages: &[(Uid, MessageNumber)],
) -> Result<Vec<Hit>, Refused> {
    let (name, known): (Option<String>, Vec<(Uid, ZonedTime, Address)>) = auth
        .look(|account| {
            let one = |(uid, message): &(Uid, MessageNumber)| {
                let facts = account.facts(*message)?;
                Some((*uid, facts.internal, facts.address))
            };
            let name = account.mailbox(mailbox).map(|mailbox| mailbox.name().to_string());
            (name, messages.iter().filter_map(one).collect())
        })
        .map_err(said)?;
    // One that is no more has nothing to show.
    let Some(name) = name else { return Ok(Vec::new()) };
    let addresses: Vec<Address> = known.iter().map(|(_, _, address)| *address).collect();
    let headers = auth.shard.read_headers(&addresses).await;
    let hit = |((uid, internal, _), header): (&(Uid, ZonedTime, Address), _)| {
        let header: Vec<u8> = Result::unwrap_or_default(header);
        let field = |name: &str| {
            let field = header::fields(&header).find(|field| field.is(name.as_bytes()));
            shortened(&field.map(|field| fields::decoded(&field).into_owned()).unwrap_or_default())
        };
        Hit {
            mailbox: name.clone(),
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
