//! `restart`: kill -9 while messages are appended, then a start: how soon it answers, and whether anything that was
//! acknowledged is lost.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use super::row::Row;
use super::{Context, Scenario, append, context, tokens};
use crate::client::parse::{self, quoted};
use crate::client::{Error, Result};
use crate::clock;
use crate::load::operation::{Check, Command, Job, Outcome, Source, Verdict};
use crate::load::{self, Pattern, Watch};

pub struct Restart;

const MAILBOX: &str = "restart";
const CONNECTIONS: usize = 4;
/// Messages that have to be acknowledged before the kill.
const LEAST: u64 = 50;

type Acknowledged = Arc<Mutex<Vec<String>>>;

impl Scenario for Restart {
    fn name(&self) -> &'static str {
        "restart"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        let about = &cx.server.about;
        let killable = about.commands.kill.is_some() || cx.server.processes().is_some();
        (about.commands.start.is_none() || !killable || about.accounts < 2)
            .then(|| "start, kill and a second account in its description".to_owned())
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        cx.session(append::ACCOUNT)?.recreate(MAILBOX)?;
        let connections = cx.connections(CONNECTIONS, |_| cx.session(append::ACCOUNT))?;
        let (acknowledged, watch) = (Acknowledged::default(), Watch::default());
        let source = source(acknowledged.clone(), cx.can("LITERAL+"));
        let mut load = cx.load(Pattern::Closed, 3600.0);
        load.threads = 1;
        let ran = std::thread::scope(|scope| {
            let load = &load;
            let appending =
                scope.spawn(|| load::run(load, connections, vec![source], &["APPEND".to_owned()], &watch));
            let from = clock::now();
            while watch.done.load(Relaxed) < LEAST || clock::now() - from < (cx.plan.time * 5e8) as u64 {
                if appending.is_finished() {
                    break;
                }
                clock::pause(std::time::Duration::from_millis(1));
            }
            let killed = cx.server.kill();
            watch.stop.store(true, Relaxed);
            let panicked = |_| Err(Error::Protocol("the appending thread panicked".into()));
            killed.and(appending.join().unwrap_or_else(panicked))
        })?;
        drop(ran);

        let began = clock::now();
        let mut child = cx.server.begin()?;
        let until = began + 600_000_000_000;
        let mut session = loop {
            match cx.session(0) {
                Ok(session) => break session,
                Err(error) if clock::now() > until => return Err(error),
                Err(_) => clock::pause(std::time::Duration::from_millis(1)),
            }
        };
        let first = clock::now();
        session.ok(format!("SELECT {}", context::LOADED).as_bytes())?;
        let selected = clock::now();
        if let Some(child) = &mut child {
            child.wait()?;
        }
        let classes = ["from start to the first OK".to_owned(), "from start to SELECT".to_owned()];
        let mut row = Row::figures("restart", "after kill -9 under APPEND", &classes);
        row.unit = "starts";
        row.recorder.operation(0, began, began, first, Verdict::Right, 1);
        row.recorder.operation(1, began, began, selected, Verdict::Right, 1);
        row.seconds = (selected - began) as f64 / 1e9;
        let acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = present(cx)?;
        let lost = acknowledged.iter().filter(|token| !found.contains(*token)).count();
        row.figure("acknowledged before", acknowledged.len() as f64, "messages");
        row.figure("lost", lost as f64, "messages");
        if lost > 0 {
            row.wrong(format!("{lost} of {} acknowledged messages are lost", acknowledged.len()));
        }
        Ok(vec![row])
    }
}

fn source(acknowledged: Acknowledged, plus: bool) -> Box<dyn Source> {
    let mailbox = quoted(MAILBOX);
    Box::new(move |_| {
        let token = tokens::unique();
        let pieces = append::pieces(&mailbox, "()", &tokens::message(&token), plus);
        let operation = Command::pieces(pieces, Note { token, acknowledged: acknowledged.clone() });
        Some(Job { class: 0, operation: Box::new(operation) })
    })
}

/// Remembers what was acknowledged.
struct Note {
    token: String,
    acknowledged: Acknowledged,
}

impl Check for Note {
    fn untagged(&mut self, _: &[u8]) {}
    fn done(&mut self, _: &[u8]) -> Outcome {
        let token = std::mem::take(&mut self.token);
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(token);
        Outcome { verdict: Verdict::Right, units: 1 }
    }
}

/// The words of the messages that are there, by their Message-IDs.
fn present(cx: &Context) -> Result<BTreeSet<String>> {
    let mut session = cx.selected(append::ACCOUNT, MAILBOX)?;
    let answer = session.ok(b"FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")?;
    let text = |line: &Vec<u8>| {
        let items = parse::string(parse::fetch(line)?.1, b"]")?;
        let text = String::from_utf8_lossy(items).into_owned();
        Some(text.split_once('<')?.1.split_once('@')?.0.to_owned())
    };
    Ok(answer.untagged.iter().filter_map(text).collect())
}
