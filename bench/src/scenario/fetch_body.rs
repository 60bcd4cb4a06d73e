//! `fetch-body`: random messages, whole, in part, and the header fields that lists are made of.

use std::sync::Arc;

use super::row::Row;
use super::{Context, Loaded, Scenario, context, ladder::Ladder};
use crate::chance::{Chance, Purpose};
use crate::check::facts::{LIST_FIELDS, PARTIAL_BYTES};
use crate::check::{Facts, Survey};
use crate::client::{Result, parse};
use crate::load::Connection;
use crate::load::operation::{Check, Command, Job, Outcome, Source, Verdict};

pub struct FetchBody;

/// What is fetched of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    Body,
    Partial,
    Fields,
}

pub const ALL: [(What, &str); 3] = [
    (What::Body, "BODY.PEEK[]"),
    (What::Partial, "BODY.PEEK[TEXT]<0.4096>"),
    (What::Fields, "header fields"),
];

impl Scenario for FetchBody {
    fn name(&self) -> &'static str {
        "fetch-body"
    }

    fn lacks(&self, _: &Context) -> Option<String> {
        None
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (what, name) in ALL {
            let connect = |n| Ok(Connection::new(n, cx.selected(0, context::LOADED)?));
            let source = || source(cx.survey.clone(), cx.loaded.clone(), what, cx.plan.seed);
            let ladder = Ladder {
                scenario: "fetch-body",
                what: name.to_owned(),
                unit: "messages",
                classes: vec![name.to_owned()],
                rate_of: None,
                connections: cx.plan.readers,
                loads: &cx.plan.loads,
                connect: &connect,
                source: &source,
            };
            rows.extend(ladder.climb(cx)?);
        }
        Ok(rows)
    }
}

fn source(survey: Arc<Survey>, loaded: Arc<Loaded>, what: What, seed: u64) -> Box<dyn Source> {
    let mut chance = Chance::new(seed ^ 0x6665_7463, Purpose::Structure, 0);
    Box::new(move |_| {
        let n = chance.below(survey.facts.len() as u64) as usize;
        Some(Job { class: 0, operation: Box::new(command(loaded.uids[n], what, survey.facts[n])) })
    })
}

/// The fetch of one message of which the facts are known.
pub fn command(uid: u32, what: What, facts: Facts) -> Command<Fetched> {
    let item = match what {
        What::Body => "BODY.PEEK[]".to_owned(),
        What::Partial => format!("BODY.PEEK[TEXT]<0.{PARTIAL_BYTES}>"),
        What::Fields => format!("BODY.PEEK[HEADER.FIELDS ({})]", LIST_FIELDS.join(" ")),
    };
    Command::new(format!("UID FETCH {uid} ({item})"), Fetched { what, facts, seen: 0, wrong: None })
}

/// One message, as it was loaded.
pub struct Fetched {
    what: What,
    facts: Facts,
    seen: u32,
    wrong: Option<String>,
}

impl Check for Fetched {
    fn untagged(&mut self, line: &[u8]) {
        let Some((_, items)) = parse::fetch(line) else { return };
        let (name, expected): (&[u8], u32) = match self.what {
            What::Body => (b"BODY[]", self.facts.whole),
            What::Partial => (b"BODY[TEXT]<0>", self.facts.partial),
            What::Fields => (b"BODY[HEADER.FIELDS ", self.facts.fields),
        };
        // Flags that another session changed may be told meanwhile.
        let Some(at) = memchr::memmem::find(items, name) else { return };
        let items = match self.what {
            What::Fields => {
                items[at..].iter().position(|&b| b == b']').map_or(items, |end| &items[at + end..])
            }
            _ => &items[at..],
        };
        let name: &[u8] = if self.what == What::Fields { b"]" } else { name };
        self.seen += 1;
        match parse::string(items, name) {
            Some(found) if crc32fast::hash(found) == expected => {}
            Some(found) => self.wrong = Some(format!("{} octets that are not those loaded", found.len())),
            None => self.wrong = Some("no octets".to_owned()),
        }
    }

    fn done(&mut self, _: &[u8]) -> Outcome {
        let verdict = match (self.seen, self.wrong.take()) {
            (1, None) => Verdict::Right,
            (_, Some(what)) => Verdict::Wrong(what),
            (seen, None) => Verdict::Wrong(format!("{seen} answers for one message")),
        };
        Outcome { verdict, units: 1 }
    }
}
