//! `search-...`: UID SEARCH with queries of one class, of which the right answers are known.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use roaring::RoaringBitmap;

use super::row::Row;
use super::{Context, Loaded, Scenario, context, ladder, ladder::Ladder};
use crate::check::Query;
use crate::client::{Result, parse};
use crate::load::Connection;
use crate::load::operation::{Check, Command, Job, Outcome, Source, Verdict};

/// Scenarios and their classes of queries.
pub const NAMES: [(&str, &str); 6] = [
    ("search-word", "word"),
    ("search-substring", "substring"),
    ("search-phrase", "phrase"),
    ("search-header", "header"),
    ("search-boolean", "boolean"),
    ("search-nohit", "nohit"),
];

/// Classes of rows: decades of hits.
pub const DECADES: [&str; 8] = [
    "no hit",
    "1-9 hits",
    "10-99",
    "100-999",
    "1,000-9,999",
    "10,000-99,999",
    "100,000-999,999",
    "1,000,000 and more",
];

pub struct Search {
    pub name: &'static str,
    pub class: &'static str,
}

impl Scenario for Search {
    fn name(&self) -> &'static str {
        self.name
    }

    fn lacks(&self, _: &Context) -> Option<String> {
        None
    }

    fn queries(&self) -> Option<&'static str> {
        Some(self.class)
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let Some(queries) = cx.survey.queries.get(self.class) else { return Ok(Vec::new()) };
        let queries: Arc<[Query]> = queries.clone().into();
        let plus = cx.can("LITERAL+");
        // All stretches go on through the same list, so that each asks different queries before any comes again.
        let next = Arc::new(AtomicUsize::new(0));
        let mut rows = Vec::new();
        let mut counts = vec![1, cx.plan.readers];
        counts.dedup();
        for connections in counts {
            let steps = Ladder {
                scenario: self.name,
                what: ladder::connections(connections),
                unit: "queries",
                classes: DECADES.iter().map(|decade| (*decade).to_owned()).collect(),
                rate_of: None,
                connections,
                loads: if connections == 1 { &[] } else { &cx.plan.loads },
                connect: &|n| Ok(Connection::new(n, cx.selected(0, context::LOADED)?)),
                source: &|| source(queries.clone(), cx.loaded.clone(), plus, next.clone()),
            };
            rows.extend(steps.climb(cx)?);
        }
        if let Some(row) = rows.first_mut() {
            let exact = queries.iter().filter(|query| query.is_exact()).count();
            row.figure("queries with one right answer", exact as f64 / queries.len() as f64 * 100.0, "%");
        }
        Ok(rows)
    }
}

/// Queries in turn; `next` is shared.
pub fn source(
    queries: Arc<[Query]>,
    loaded: Arc<Loaded>,
    plus: bool,
    next: Arc<AtomicUsize>,
) -> Box<dyn Source> {
    Box::new(move |_| {
        let query = &queries[next.fetch_add(1, Relaxed) % queries.len()];
        let check = Hits::new(query.clone(), loaded.clone());
        let class = query.decade().min(DECADES.len() - 1);
        Some(Job { class, operation: Box::new(Command::pieces(query.key.pieces(plus), check)) })
    })
}

/// The hits of a query are between what must and what may match.
pub struct Hits {
    query: Query,
    loaded: Arc<Loaded>,
    uids: Vec<u32>,
    answers: u32,
}

impl Hits {
    pub fn new(query: Query, loaded: Arc<Loaded>) -> Hits {
        Hits { query, loaded, uids: Vec::new(), answers: 0 }
    }

    /// Message numbers of UIDs; `None` where one is of no message.
    fn numbers(&self) -> Option<RoaringBitmap> {
        let all = &self.loaded.uids;
        self.uids
            .iter()
            .map(|uid| {
                let guess = (*uid as usize).wrapping_sub(1);
                let at = if all.get(guess) == Some(uid) { guess } else { all.binary_search(uid).ok()? };
                Some(at as u32)
            })
            .collect()
    }
}

impl Check for Hits {
    fn untagged(&mut self, line: &[u8]) {
        if let Some(rest) = line.strip_prefix(b"SEARCH") {
            self.answers += 1;
            parse::numbers(rest, &mut self.uids);
        }
    }

    fn done(&mut self, _: &[u8]) -> Outcome {
        let answer = &self.query.answer;
        let verdict = match self.numbers() {
            _ if self.answers == 0 => Verdict::Wrong(format!("no SEARCH line: {}", self.query.shown())),
            None => Verdict::Wrong(format!("a UID of no message: {}", self.query.shown())),
            Some(found) => {
                let missing = (&answer.must - &found).len();
                let more = (&found - &answer.may).len();
                if missing == 0 && more == 0 {
                    Verdict::Right
                } else {
                    let hits = answer.must.len();
                    Verdict::Wrong(format!(
                        "{missing} of {hits} hits missing, {more} too many: {}",
                        self.query.shown()
                    ))
                }
            }
        };
        Outcome { verdict, units: 1 }
    }
}
