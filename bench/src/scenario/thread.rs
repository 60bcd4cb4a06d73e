//! `thread`: the whole mailbox as threads (RFC 5256), by each algorithm that the server has.

use std::sync::Arc;

use super::row::Row;
use super::{Context, Loaded, Scenario, sort};
use crate::client::{Result, parse};
use crate::load::operation::{Check, Outcome, Verdict};

pub struct Thread;

impl Scenario for Thread {
    fn name(&self) -> &'static str {
        "thread"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        algorithms(cx).is_empty().then(|| "THREAD=...".to_owned())
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let commands = algorithms(cx)
            .into_iter()
            .map(|name| (name.clone(), format!("UID THREAD {name} UTF-8 ALL")))
            .collect();
        sort::repeated(cx, "thread", commands, |cx, _| {
            Box::new(Threaded { loaded: cx.loaded.clone(), uids: Vec::new() })
        })
    }
}

fn algorithms(cx: &Context) -> Vec<String> {
    cx.capabilities.iter().filter_map(|c| c.strip_prefix("THREAD=")).map(str::to_owned).collect()
}

/// Every UID once.
struct Threaded {
    loaded: Arc<Loaded>,
    uids: Vec<u32>,
}

impl Check for Threaded {
    fn untagged(&mut self, line: &[u8]) {
        if let Some(rest) = line.strip_prefix(b"THREAD") {
            let numbers = rest.split(|b| !b.is_ascii_digit()).filter_map(parse::number);
            self.uids.extend(numbers.map(|(n, _)| n));
        }
    }
    fn done(&mut self, _: &[u8]) -> Outcome {
        let verdict = sort::once_each(&mut self.uids, &self.loaded.uids);
        Outcome { verdict: verdict.map_or_else(Verdict::Wrong, |()| Verdict::Right), units: 1 }
    }
}
