//! `sync-cold` and `sync-warm`: what a client asks of a mailbox that it has never seen, once.

use std::sync::Arc;

use super::row::Row;
use super::{Context, Loaded, Scenario, context};
use crate::check::Survey;
use crate::check::facts::LIST_FIELDS;
use crate::client::{Result, parse};
use crate::load::Pattern;
use crate::load::operation::{Check, Command, Io, Job, Operation, Outcome, Source, Step, Verdict};

pub struct Sync {
    /// The server is started anew before.
    pub cold: bool,
}

impl Scenario for Sync {
    fn name(&self) -> &'static str {
        if self.cold { "sync-cold" } else { "sync-warm" }
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        let commands = &cx.server.about.commands;
        (self.cold && (commands.start.is_none() || commands.stop.is_none()))
            .then(|| "start and stop in its description".to_owned())
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let envelope = "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)".to_owned();
        if self.cold {
            cx.server.stop()?;
            if cx.plan.drop_caches {
                drop_caches()?;
            }
            cx.server.start()?;
            let usage = || cx.server.processes().and_then(|p| p.usage());
            drop(cx.session(0)?);
            let before = usage();
            let mut row = self.measure(cx, "SELECT, ENVELOPE and BODYSTRUCTURE", envelope, 1)?;
            if let Some((before, after)) = before.zip(usage()) {
                let added = after.pss.saturating_sub(before.pss) as f64;
                row.figure(
                    "PSS added by the open mailbox",
                    added / cx.survey.facts.len() as f64,
                    "octets per message",
                );
            }
            return Ok(vec![row]);
        }
        let fields =
            format!("UID FETCH 1:* (RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({})])", LIST_FIELDS.join(" "));
        let kinds = [
            ("SELECT, ENVELOPE and BODYSTRUCTURE", envelope),
            ("SELECT, flags", "UID FETCH 1:* (FLAGS)".to_owned()),
            ("SELECT, header fields", fields),
        ];
        kinds.into_iter().map(|(label, text)| self.measure(cx, label, text, cx.plan.repeats)).collect()
    }
}

fn drop_caches() -> Result<()> {
    // Dirty pages cannot be dropped.
    std::process::Command::new("sync").status()?;
    Ok(std::fs::write("/proc/sys/vm/drop_caches", "3")?)
}

impl Sync {
    fn measure(&self, cx: &Context, label: &str, fetch: String, repeats: usize) -> Result<Row> {
        let connections = cx.connections(1, |_| cx.session(0))?;
        let (survey, loaded) = (cx.survey.clone(), cx.loaded.clone());
        let mut left = repeats;
        let source: Box<dyn Source> = Box::new(move |_| {
            left = left.checked_sub(1)?;
            let operation = Synced::new(survey.clone(), loaded.clone(), &fetch);
            Some(Job { class: 0, operation: Box::new(operation) })
        });
        let mut load = cx.load(Pattern::Closed, cx.plan.timeout);
        load.warmup = std::time::Duration::ZERO;
        load.depth = 1;
        let classes = [label.to_owned()];
        let (mut row, _) = cx.measure(
            self.name(),
            label.to_owned(),
            "messages",
            &load,
            connections,
            vec![source],
            &classes,
        )?;
        row.figure("received", row.received as f64 / row.seconds / 1e6, "MB/s");
        Ok(row)
    }
}

/// SELECT, then one FETCH of everything.
struct Synced {
    select: Command<Exists>,
    fetch: Command<All>,
    tag: u32,
    selecting: bool,
}

impl Synced {
    fn new(survey: Arc<Survey>, loaded: Arc<Loaded>, fetch: &str) -> Synced {
        let count = survey.facts.len() as u32;
        let sizes = fetch.contains("RFC822.SIZE");
        let all = All { survey, loaded, sizes, next: 0, wrong: None };
        Synced {
            select: Command::new(format!("SELECT {}", context::LOADED), Exists { count, seen: None }),
            fetch: Command::new(fetch, all),
            tag: 0,
            selecting: true,
        }
    }
}

impl Operation for Synced {
    fn start(&mut self, tag: u32, io: &mut Io<'_>) {
        // Tags of the two commands differ: those of operations are counted from 1.
        self.tag = tag;
        self.select.start(tag * 2, io);
    }

    fn line(&mut self, line: &[u8], io: &mut Io<'_>) -> Step {
        if !self.selecting {
            return self.fetch.line(line, io);
        }
        match self.select.line(line, io) {
            Step::Done(outcome) if outcome.verdict == Verdict::Right => {
                self.selecting = false;
                self.fetch.start(self.tag * 2 + 1, io);
                Step::More
            }
            step => step,
        }
    }
}

struct Exists {
    count: u32,
    seen: Option<u32>,
}

impl Check for Exists {
    fn untagged(&mut self, line: &[u8]) {
        if let Some((n, b" EXISTS")) = parse::number(line) {
            self.seen = Some(n);
        }
    }
    fn done(&mut self, _: &[u8]) -> Outcome {
        let right = self.seen == Some(self.count);
        let verdict = if right {
            Verdict::Right
        } else {
            Verdict::Wrong(format!("EXISTS {:?} instead of {}", self.seen, self.count))
        };
        Outcome { verdict, units: 0 }
    }
}

/// Every message once, in order, with its UID and size.
struct All {
    survey: Arc<Survey>,
    loaded: Arc<Loaded>,
    sizes: bool,
    next: usize,
    wrong: Option<String>,
}

/// The number of an item, which stands behind a space or the opening parenthesis.
fn item(items: &[u8], name: &str) -> Option<u32> {
    let first = items.strip_prefix(b"(").and_then(|rest| rest.strip_prefix(name.as_bytes()));
    match first {
        Some(rest) => parse::number(rest).map(|(n, _)| n),
        None => parse::after(items, format!(" {name}").as_bytes()),
    }
}

impl Check for All {
    fn untagged(&mut self, line: &[u8]) {
        let Some((sequence, items)) = parse::fetch(line) else { return };
        let n = self.next;
        self.next += 1;
        let expected = self.survey.facts.get(n).map(|facts| facts.size);
        let uid = item(items, "UID ");
        let right = sequence as usize == n + 1
            && uid.is_some()
            && uid == self.loaded.uids.get(n).copied()
            && (!self.sizes || item(items, "RFC822.SIZE ") == expected);
        if !right && self.wrong.is_none() {
            self.wrong = Some(format!("message {}: {sequence} {}", n + 1, crate::client::shown(items, 120)));
        }
    }

    fn done(&mut self, _: &[u8]) -> Outcome {
        let verdict = match self.wrong.take() {
            Some(what) => Verdict::Wrong(what),
            None if self.next != self.survey.facts.len() => {
                Verdict::Wrong(format!("{} of {} messages", self.next, self.survey.facts.len()))
            }
            None => Verdict::Right,
        };
        Outcome { verdict, units: self.next as u64 }
    }
}
