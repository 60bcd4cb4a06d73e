//! `sort`: the whole mailbox in some order (RFC 5256).

use std::sync::Arc;

use super::row::Row;
use super::{Context, Loaded, Scenario, context};
use crate::check::Survey;
use crate::client::{Result, parse};
use crate::load::Pattern;
use crate::load::operation::{Check, Command, Job, Outcome, Source, Verdict};

pub struct Sort;

const ORDERS: [(&str, &str); 5] = [
    ("ARRIVAL", "UID SORT (ARRIVAL) UTF-8 ALL"),
    ("REVERSE DATE", "UID SORT (REVERSE DATE) UTF-8 ALL"),
    ("SUBJECT", "UID SORT (SUBJECT) UTF-8 ALL"),
    ("FROM", "UID SORT (FROM) UTF-8 ALL"),
    ("SIZE", "UID SORT (SIZE) UTF-8 ALL"),
];

impl Scenario for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        cx.without(&["SORT"])
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let commands = ORDERS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        repeated(cx, "sort", commands, |cx, name| {
            Box::new(Sorted {
                survey: cx.survey.clone(),
                loaded: cx.loaded.clone(),
                order: name.to_owned(),
                uids: Vec::new(),
            })
        })
    }
}

/// Each command `repeats` times from one connection, in turn.
pub fn repeated(
    cx: &Context,
    scenario: &'static str,
    commands: Vec<(String, String)>,
    check: impl Fn(&Context, &str) -> Box<dyn Check>,
) -> Result<Vec<Row>> {
    let connections = cx.connections(1, |_| cx.selected(0, context::LOADED))?;
    let mut jobs = Vec::new();
    for _ in 0..cx.plan.repeats {
        for (class, (name, text)) in commands.iter().enumerate() {
            let operation = Box::new(Command::new(text.as_bytes(), check(cx, name)));
            jobs.push(Job { class, operation });
        }
    }
    jobs.reverse();
    let source: Box<dyn Source> = Box::new(move |_| jobs.pop());
    let mut load = cx.load(Pattern::Closed, cx.plan.timeout * cx.plan.repeats as f64);
    load.warmup = std::time::Duration::ZERO;
    load.depth = 1;
    let classes: Vec<String> = commands.into_iter().map(|(name, _)| name).collect();
    let label = format!("{} messages", cx.survey.facts.len());
    let (row, _) = cx.measure(scenario, label, "commands", &load, connections, vec![source], &classes)?;
    Ok(vec![row])
}

impl Check for Box<dyn Check> {
    fn untagged(&mut self, line: &[u8]) {
        (**self).untagged(line);
    }
    fn done(&mut self, status: &[u8]) -> Outcome {
        (**self).done(status)
    }
}

/// Every UID once; in order, where the order is known.
struct Sorted {
    survey: Arc<Survey>,
    loaded: Arc<Loaded>,
    order: String,
    uids: Vec<u32>,
}

impl Check for Sorted {
    fn untagged(&mut self, line: &[u8]) {
        if let Some(rest) = line.strip_prefix(b"SORT") {
            parse::numbers(rest, &mut self.uids);
        }
    }

    fn done(&mut self, _: &[u8]) -> Outcome {
        let number = |uid: &u32| self.loaded.uids.binary_search(uid).unwrap_or(0);
        let facts = |uid: &u32| &self.survey.facts[number(uid)];
        // Ties keep the order of the mailbox (RFC 5256 3).
        let ordered = match self.order.as_str() {
            "ARRIVAL" => self.uids.is_sorted_by_key(|uid| (facts(uid).seconds, *uid)),
            "SIZE" => self.uids.is_sorted_by_key(|uid| (facts(uid).size, *uid)),
            _ => true,
        };
        let order = std::mem::take(&mut self.order);
        let verdict = once_each(&mut self.uids, &self.loaded.uids)
            .and_then(|()| if ordered { Ok(()) } else { Err(format!("{order}: not in order")) });
        Outcome { verdict: verdict.map_or_else(Verdict::Wrong, |()| Verdict::Right), units: 1 }
    }
}

/// Whether `found` are all UIDs, each once.
pub fn once_each(found: &mut [u32], all: &[u32]) -> std::result::Result<(), String> {
    found.sort_unstable();
    if found == all { Ok(()) } else { Err(format!("{} UIDs, not each of {} once", found.len(), all.len())) }
}
