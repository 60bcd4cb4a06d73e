//! Pieces that a segment of the index answers.
//!
//! The index knows message numbers, a view positions; this is where they meet. What must hold: an answer counts for exactly
//! the positions whose message the snapshot covers; a segment that cannot answer leaves its messages over, and the account's
//! index is discarded.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use roaring::RoaringBitmap;
use trawl_index::account::{AccountIndex, Snapshot};
use trawl_index::query::Node;
use trawl_index::search::{Cx, Halt, Query, docs_of};

use super::{Found, SearchError};
use crate::lanes::trace::SearchTrace;
use crate::mailbox::message_numbers::MessageNumbers;

/// The messages of a search that the index answers for.
pub struct Indexed {
    pub index: Arc<AccountIndex>,
    /// Taken once for the whole search.
    pub snapshot: Arc<Snapshot>,
    pub numbers: Arc<MessageNumbers>,
    /// Positions that can match; those of messages that the snapshot does not cover are passed over.
    pub positions: RoaringBitmap,
    pub trace: Option<Arc<SearchTrace>>,
}

/// See the module.
pub(super) struct Segments {
    indexed: Indexed,
    node: Node,
    plan: OnceLock<Plan>,
    found: Mutex<Numbers>,
}

/// By message number: what was found and what was not answered.
#[derive(Default)]
struct Numbers {
    found: RoaringBitmap,
    left: RoaringBitmap,
}

/// What all segments have in common; made by the first lane that works on the search.
struct Plan {
    query: Query,
    /// The messages that can match.
    messages: RoaringBitmap,
    /// Positions that the query cannot stand for: their message is at an earlier position as well, where state may differ.
    apart: RoaringBitmap,
}

impl Segments {
    pub fn new(indexed: Indexed, node: &Node) -> Segments {
        Segments { indexed, node: without_outer_state(node), plan: OnceLock::new(), found: Mutex::default() }
    }

    pub fn len(&self) -> usize {
        self.indexed.snapshot.segments().len()
    }

    pub fn run(&self, at: usize, stop: &AtomicBool) -> Result<(), SearchError> {
        let Some(segment) = self.indexed.snapshot.segments().get(at) else { return Ok(()) };
        let plan = self.plan();
        let mask = docs_of(segment, &plan.messages);
        if mask.is_empty() {
            return Ok(());
        }
        let docs = match &self.indexed.trace {
            None => plan.query.run(segment, &mask, &Cx { stop, trace: None }),
            Some(trace) => trace.of_segment(at, mask.count(), |trace| {
                plan.query.run(segment, &mask, &Cx { stop, trace: Some(trace) })
            }),
        };
        match docs {
            Ok(docs) => {
                let numbers: RoaringBitmap = docs.iter().filter_map(|doc| segment.message(doc)).collect();
                self.found().found |= numbers;
                Ok(())
            }
            Err(Halt::Stopped) => Err(SearchError::Cancelled),
            Err(Halt::Damaged(error)) => {
                self.give_up(at, &error.to_string());
                Ok(())
            }
        }
    }

    /// Leaves the messages of a segment over and discards the index.
    pub fn give_up(&self, at: usize, why: &str) {
        tracing::error!(
            why,
            "a search index is damaged; it is made anew, and the messages are read meanwhile"
        );
        self.indexed.index.discard();
        let Some(segment) = self.indexed.snapshot.segments().get(at) else { return };
        let held: RoaringBitmap = segment.messages().collect();
        let mut found = self.found();
        // It may have broken down over the plan: then everything is left.
        found.left |= match self.plan.get() {
            Some(plan) => held & &plan.messages,
            None => held,
        };
    }

    /// What was found, by position; once every segment has answered.
    pub fn finish(&self) -> Found {
        let numbers = std::mem::take(&mut *self.found());
        let covered = |mut positions: RoaringBitmap| {
            let Indexed { snapshot, numbers, .. } = &self.indexed;
            positions.retain(|at| snapshot.covered().contains(numbers.number(at)));
            positions
        };
        let mut left = RoaringBitmap::new();
        let Some(plan) = self.plan.get() else {
            // Nothing was asked, or the plan itself broke down.
            if !numbers.left.is_empty() {
                left = covered(self.indexed.positions.clone());
            }
            return Found { positions: RoaringBitmap::new(), left };
        };
        let mut positions = self.positions(&numbers.found);
        if !numbers.left.is_empty() {
            left = covered(self.positions(&numbers.left));
        }
        if !plan.apart.is_empty() {
            positions -= &plan.apart;
            left |= covered(plan.apart.clone());
        }
        Found { positions, left }
    }

    /// The positions of these messages, of those that were asked for.
    fn positions(&self, messages: &RoaringBitmap) -> RoaringBitmap {
        let Indexed { numbers, positions: asked, .. } = &self.indexed;
        let mut positions = RoaringBitmap::new();
        if numbers.ascend() {
            let mut ranges = messages.iter();
            while let Some(range) = ranges.next_range() {
                positions.insert_range(numbers.positions(*range.start()..range.end().saturating_add(1)));
            }
            positions &= asked;
        } else if !messages.is_empty() {
            for (range, number) in numbers.runs(0..numbers.len()) {
                let first = range.start;
                let held = asked.range(range).filter(|at| messages.contains(number + (at - first)));
                // Positions ascend from run to run.
                positions.extend(held);
            }
        }
        positions
    }

    fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| {
            let Indexed { numbers, positions, .. } = &self.indexed;
            let mut apart = RoaringBitmap::new();
            if has_state(&self.node) && !numbers.ascend() {
                apart = numbers.repeats() & positions;
            }
            let messages = if positions.len() == u64::from(numbers.len()) {
                numbers.all().clone()
            } else {
                image(numbers, positions)
            };
            let query = Query::new(&by_number(&self.node, numbers, &apart));
            Plan { query, messages, apart }
        })
    }

    fn found(&self) -> MutexGuard<'_, Numbers> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages at these positions.
fn image(numbers: &MessageNumbers, positions: &RoaringBitmap) -> RoaringBitmap {
    let Some((from, to)) = positions.min().zip(positions.max()) else { return RoaringBitmap::new() };
    let mut messages = Vec::with_capacity(positions.len() as usize);
    let mut runs = numbers.runs(from..to.saturating_add(1));
    let (mut run, mut number) = (0..0, 0);
    for position in positions {
        while position >= run.end {
            let Some(next) = runs.next() else { break };
            (run, number) = next;
        }
        if run.contains(&position) {
            messages.push(number + (position - run.start));
        }
    }
    if !numbers.ascend() {
        messages.sort_unstable();
        messages.dedup();
    }
    let mut set = RoaringBitmap::new();
    let appended = set.append(messages);
    debug_assert!(appended.is_ok(), "messages ascend");
    set
}

/// The program without the state that all of its answer has to meet: the positions asked for meet it.
fn without_outer_state(node: &Node) -> Node {
    match node {
        Node::And(nodes) => {
            let mut rest: Vec<Node> = nodes
                .iter()
                .filter(|node| !matches!(node, Node::State(_)))
                .map(without_outer_state)
                .collect();
            if rest.len() == 1 { rest.remove(0) } else { Node::And(rest) }
        }
        node => node.clone(),
    }
}

fn has_state(node: &Node) -> bool {
    match node {
        Node::State(_) => true,
        Node::All | Node::None | Node::Text(_) => false,
        Node::Not(node) => has_state(node),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(has_state),
    }
}

/// The program over messages instead of positions; `apart` are positions that do not count.
fn by_number(node: &Node, numbers: &MessageNumbers, apart: &RoaringBitmap) -> Node {
    let all = |nodes: &[Node]| nodes.iter().map(|node| by_number(node, numbers, apart)).collect();
    match node {
        Node::State(positions) if apart.is_empty() => Node::State(image(numbers, positions)),
        Node::State(positions) => Node::State(image(numbers, &(positions - apart))),
        Node::Not(node) => Node::Not(Box::new(by_number(node, numbers, apart))),
        Node::And(nodes) => Node::And(all(nodes)),
        Node::Or(nodes) => Node::Or(all(nodes)),
        Node::All | Node::None | Node::Text(_) => node.clone(),
    }
}
