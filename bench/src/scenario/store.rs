//! `store`: flags of single messages and of ranges, set and cleared in turn, on a copy of some of the mail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::row::Row;
use super::{Context, Scenario, context, ladder::Ladder};
use crate::client::parse::{self, quoted};
use crate::client::{Result, Session};
use crate::load::Connection;
use crate::load::operation::{Check, Command, Job, Outcome, Source, Verdict};

pub struct Store;

const MAILBOX: &str = "store";
const RANGE: usize = 100;

/// By connection: the next place in its part of the mailbox, and what is set and what cleared.
type Turns = Arc<Mutex<HashMap<usize, (usize, bool)>>>;

impl Scenario for Store {
    fn name(&self) -> &'static str {
        "store"
    }

    fn lacks(&self, _: &Context) -> Option<String> {
        None
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let uids = Arc::new(scratch(cx, MAILBOX, cx.plan.scratch)?);
        let mut rows = Vec::new();
        for (name, size) in [("single messages", 1), ("ranges of 100", RANGE)] {
            let size = size.min(uids.len() / cx.plan.readers.max(1)).max(1);
            let turns: Turns = Arc::default();
            let readers = cx.plan.readers.min(uids.len() / size).max(1);
            let source = || source(uids.clone(), size, readers, turns.clone());
            let ladder = Ladder {
                scenario: "store",
                what: name.to_owned(),
                unit: "messages",
                classes: vec![name.to_owned()],
                rate_of: None,
                connections: readers,
                loads: &cx.plan.loads,
                connect: &|n| Ok(Connection::new(n, cx.selected(0, MAILBOX)?)),
                source: &source,
            };
            rows.extend(ladder.climb(cx)?);
        }
        if let Some(last) = rows.last_mut() {
            settle(cx.selected(0, MAILBOX)?, uids.len(), last)?;
        }
        Ok(rows)
    }
}

/// A mailbox with a copy of the first `count` messages of the mail; their UIDs.
pub fn scratch(cx: &Context, mailbox: &str, count: usize) -> Result<Vec<u32>> {
    let mut session = cx.selected(0, context::LOADED)?;
    session.recreate(mailbox)?;
    let count = count.min(cx.survey.facts.len()).max(1);
    session.ok(format!("COPY 1:{count} {}", quoted(mailbox)).as_bytes())?;
    session.ok(format!("SELECT {}", quoted(mailbox)).as_bytes())?;
    Ok(session.ok(b"UID SEARCH ALL")?.numbers(b"SEARCH"))
}

fn source(uids: Arc<Vec<u32>>, size: usize, connections: usize, turns: Turns) -> Box<dyn Source> {
    Box::new(move |connection| {
        // Each connection has a part of its own, so that what it is told about it is its own doing.
        let part = uids.len() / connections / size * size;
        let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, set) = turns.entry(connection).or_insert((0, true));
        let from = connection * part + *place;
        let chunk = &uids[from..from + size];
        let (first, last) = (chunk[0], chunk[chunk.len() - 1]);
        let sign = if *set { '+' } else { '-' };
        let check = Stored { first, last, set: *set, count: size, seen: 0, wrong: None };
        let operation = Command::new(format!("UID STORE {first}:{last} {sign}FLAGS (\\Flagged)"), check);
        *place += size;
        if *place >= part {
            *place = 0;
            *set = !*set;
        }
        Some(Job { class: 0, operation: Box::new(operation) })
    })
}

struct Stored {
    first: u32,
    last: u32,
    set: bool,
    count: usize,
    seen: usize,
    wrong: Option<String>,
}

impl Check for Stored {
    fn untagged(&mut self, line: &[u8]) {
        let Some((_, items)) = parse::fetch(line) else { return };
        let Some(uid) = parse::after(items, b"UID ") else { return };
        if (self.first..=self.last).contains(&uid) {
            self.seen += 1;
            if (memchr::memmem::find(items, b"\\Flagged").is_some()) != self.set {
                self.wrong = Some(format!("UID {uid}: {}", crate::client::shown(items, 80)));
            }
        }
    }

    fn done(&mut self, _: &[u8]) -> Outcome {
        // A message that had the flag already may be left out (RFC 9051 6.4.6 does not demand it be told again).
        let verdict = match self.wrong.take() {
            Some(what) => Verdict::Wrong(what),
            None if self.seen > self.count => {
                Verdict::Wrong(format!("{} answers for {}", self.seen, self.count))
            }
            None => Verdict::Right,
        };
        Outcome { verdict, units: self.count as u64 }
    }
}

/// Afterwards, set on everything and cleared from everything has to be seen by a session of its own.
fn settle(mut session: Session, count: usize, row: &mut Row) -> Result<()> {
    for (sign, expected) in [('+', count), ('-', 0)] {
        session.ok(format!("STORE 1:* {sign}FLAGS.SILENT (\\Flagged)").as_bytes())?;
        let found = session.ok(b"UID SEARCH FLAGGED")?.numbers(b"SEARCH").len();
        if found != expected {
            row.wrong(format!("{found} messages are flagged where {expected} have to be"));
        }
    }
    Ok(())
}
