//! `search-fresh`: a message is appended and searched for at once, on the same connection, while others search.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::ladder::Ladder;
use super::row::Row;
use super::{Context, Scenario, append, context, search, tokens};
use crate::client::parse::{self, quoted};
use crate::client::{Error, Result};
use crate::load::operation::{AnyOk, Check, Command, Io, Job, Note, Operation, Outcome, Step, Verdict};
use crate::load::{self, Connection, Pattern, Watch};

pub struct SearchFresh;

const MAILBOX: &str = "fresh";
/// Connections that search the loaded mail meanwhile.
const OTHERS: usize = 2;

impl Scenario for SearchFresh {
    fn name(&self) -> &'static str {
        "search-fresh"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        (cx.server.about.accounts < 2).then(|| "a second account".to_owned())
    }

    fn queries(&self) -> Option<&'static str> {
        Some("word")
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        cx.session(append::ACCOUNT)?.recreate(MAILBOX)?;
        // Among some mail, as fresh mail is.
        let mut session = cx.session(append::ACCOUNT)?;
        for letter in cx.letters.0.iter().take(cx.plan.scratch.min(500)) {
            session.append(MAILBOX, &[(letter.arguments.clone(), letter.bytes.clone())])?;
        }
        let plus = cx.can("LITERAL+");
        let classes = ["APPEND and SEARCH".to_owned(), "of it SEARCH".to_owned()];
        let others = cx.connections(OTHERS, |_| cx.selected(0, context::LOADED))?;
        let queries = cx.survey.queries.get("word").cloned().unwrap_or_default();
        let quiet = Watch::default();
        let mut background = cx.load(Pattern::Closed, 24.0 * 3600.0);
        background.threads = 1;
        let next = Arc::new(AtomicUsize::new(0));
        let searches = search::source(queries.into(), cx.loaded.clone(), plus, next);
        let decades: Vec<String> = search::DECADES.iter().map(|d| (*d).to_owned()).collect();
        let steps = Ladder {
            scenario: "search-fresh",
            what: "while others search".to_owned(),
            unit: "messages",
            classes: classes.to_vec(),
            rate_of: Some(0),
            connections: cx.plan.readers,
            loads: &cx.plan.loads,
            connect: &|n| Ok(Connection::new(n, cx.selected(append::ACCOUNT, MAILBOX)?)),
            source: &|| Box::new(move |_| Some(Job { class: 0, operation: Box::new(Fresh::new(plus)) })),
        };
        let (foreground, behind) = std::thread::scope(|scope| {
            let behind = scope.spawn(|| load::run(&background, others, vec![searches], &decades, &quiet));
            let foreground = steps.climb(cx);
            quiet.stop.store(true, Relaxed);
            let panicked = |_| Err(Error::Protocol("the searching thread panicked".into()));
            (foreground, behind.join().unwrap_or_else(panicked))
        });
        let (mut rows, behind) = (foreground?, behind?);
        let searched: u64 = behind.recorder.classes.iter().map(|class| class.count()).sum();
        for row in &mut rows {
            row.figure("searches of others", searched as f64 / behind.seconds, "queries/s");
        }
        Ok(rows)
    }
}

/// APPEND, then SEARCH.
struct Fresh {
    token: String,
    append: Command<AnyOk>,
    search: Option<Command<Found>>,
    plus: bool,
    tag: u32,
    appended: u64,
}

impl Fresh {
    fn new(plus: bool) -> Fresh {
        let token = tokens::unique();
        let message = tokens::message(&token);
        let append = Command::pieces(append::pieces(&quoted(MAILBOX), "()", &message, plus), AnyOk(1));
        Fresh { token, append, search: None, plus, tag: 0, appended: 0 }
    }
}

impl Operation for Fresh {
    fn start(&mut self, tag: u32, io: &mut Io<'_>) {
        self.tag = tag;
        self.append.start(tag * 2, io);
    }

    fn line(&mut self, line: &[u8], io: &mut Io<'_>) -> Step {
        if let Some(search) = &mut self.search {
            let step = search.line(line, io);
            if let Step::Done(_) = &step {
                io.notes.push(Note { class: 1, nanos: io.now - self.appended });
            }
            return step;
        }
        match self.append.line(line, io) {
            Step::Done(outcome) if outcome.verdict == Verdict::Right => {
                let uid = parse::code(line, "APPENDUID")
                    .and_then(|code| code.rsplit(' ').next().and_then(|uid| uid.parse().ok()));
                self.appended = io.now;
                let key = crate::check::Key::Text(crate::check::Scope::Body, self.token.clone());
                let check = Found { uid, token: self.token.clone(), uids: Vec::new() };
                let mut search = Command::pieces(key.pieces(self.plus), check);
                search.start(self.tag * 2 + 1, io);
                self.search = Some(search);
                Step::More
            }
            step => step,
        }
    }
}

struct Found {
    uid: Option<u32>,
    token: String,
    uids: Vec<u32>,
}

impl Check for Found {
    fn untagged(&mut self, line: &[u8]) {
        if let Some(rest) = line.strip_prefix(b"SEARCH") {
            parse::numbers(rest, &mut self.uids);
        }
    }
    fn done(&mut self, _: &[u8]) -> Outcome {
        let right = self.uids.len() == 1 && self.uid.is_none_or(|uid| self.uids[0] == uid);
        let verdict = if right {
            Verdict::Right
        } else {
            Verdict::Wrong(format!("BODY {}: {:?} instead of {:?}", self.token, self.uids, self.uid))
        };
        Outcome { verdict, units: 1 }
    }
}
