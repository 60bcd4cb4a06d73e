//! Pieces that a segment of the index answers.
//!
//! The index knows message numbers, a view positions; this is where they meet. What must hold: an answer counts for exactly
//! the positions whose message the snapshot covers; a segment that cannot answer leaves its messages over, and the account's
//! index is discarded.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use roaring::RoaringBitmap;
use trawl_index::account::{AccountIndex, Snapshot};
use trawl_index::bits::Bits;
use trawl_index::query::Node;
use trawl_index::search::{Cx, Halt, Query, docs_of};
use trawl_index::segment::Segment;

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
    answers: Mutex<Answers>,
}

/// What was found, a bit for each position, and the messages that were not answered for.
#[derive(Default)]
struct Answers {
    found: Vec<u64>,
    left: RoaringBitmap,
}

/// What all segments have in common; made by the first lane that works on the search.
struct Plan {
    query: Query,
    /// A bit for each position that can match.
    asked: Vec<u64>,
    /// The messages there; made only for segments and views that bits cannot be copied between.
    messages: OnceLock<RoaringBitmap>,
    /// Positions that the query cannot stand for: their message is at an earlier position as well, where state may differ.
    apart: RoaringBitmap,
}

impl Segments {
    pub fn new(indexed: Indexed, node: &Node) -> Segments {
        Segments {
            indexed,
            node: node.without_outer_state(),
            plan: OnceLock::new(),
            answers: Mutex::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.indexed.snapshot.segments().len()
    }

    /// Octets of memory once it runs: which positions can match, as a set and as bits, and which do.
    pub fn octets(&self) -> usize {
        let positions = self.indexed.positions.max().map_or(0, |last| last as usize + 1);
        3 * positions.div_ceil(8)
    }

    pub fn run(&self, at: usize, stop: &AtomicBool) -> Result<(), SearchError> {
        let Some(segment) = self.indexed.snapshot.segments().get(at) else { return Ok(()) };
        let plan = self.plan();
        let mask = self.mask(segment, plan);
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
                self.note(segment, &docs);
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
        self.indexed.index.discard_damaged(&self.indexed.snapshot);
        let Some(segment) = self.indexed.snapshot.segments().get(at) else { return };
        let held: RoaringBitmap = segment.messages().collect();
        self.answers().left |= held;
    }

    /// The documents of a segment that can match.
    fn mask(&self, segment: &Segment, plan: &Plan) -> Bits {
        let numbers = &self.indexed.numbers;
        let mut mask = Bits::new(segment.docs());
        let Some((first, last)) = gapless(segment).filter(|_| numbers.ascend()) else {
            return docs_of(segment, plan.messages.get_or_init(|| image(numbers, &self.indexed.positions)));
        };
        for (positions, number) in numbers.runs(numbers.positions(first..last.saturating_add(1))) {
            let len = positions.end - positions.start;
            copy_bits(&plan.asked, positions.start, len, mask.words_mut(), number - first);
        }
        mask
    }

    /// Notes the positions of documents that match.
    fn note(&self, segment: &Segment, docs: &Bits) {
        let numbers = &self.indexed.numbers;
        if docs.is_empty() {
            return;
        }
        let mut answers = self.answers();
        let found = &mut answers.found;
        found.resize(numbers.len().div_ceil(64) as usize, 0);
        let mut insert = |position: u32| {
            if let Some(word) = found.get_mut((position / 64) as usize) {
                *word |= 1 << (position % 64);
            }
        };
        if !numbers.ascend() {
            // A message may be at several positions.
            let messages: RoaringBitmap = docs.iter().filter_map(|doc| segment.message(doc)).collect();
            for (positions, number) in numbers.runs(0..numbers.len()) {
                let last = number.saturating_add(positions.end - positions.start - 1);
                messages
                    .range(number..=last)
                    .for_each(|message| insert(positions.start + (message - number)));
            }
            return;
        }
        match gapless(segment) {
            Some((first, last)) => {
                for (positions, number) in numbers.runs(numbers.positions(first..last.saturating_add(1))) {
                    let len = positions.end - positions.start;
                    copy_bits(docs.words(), number - first, len, found, positions.start);
                }
            }
            None => docs.iter().filter_map(|doc| numbers.position(segment.message(doc)?)).for_each(insert),
        }
    }

    /// What was found, by position; once every segment has answered.
    pub fn finish(&self) -> Found {
        let Answers { found, left: messages } = std::mem::take(&mut *self.answers());
        let Indexed { snapshot, numbers, positions: asked, .. } = &self.indexed;
        let mut bytes = vec![0; found.len() * 8];
        bytes
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip(&found)
            .for_each(|(octets, word)| *octets = word.to_le_bytes());
        let mut positions = RoaringBitmap::from_lsb0_bytes(0, &bytes);
        if !numbers.ascend() {
            positions &= asked;
        }
        let mut left = RoaringBitmap::new();
        let apart = self.plan.get().map(|plan| &plan.apart);
        if !messages.is_empty() || apart.is_some_and(|apart| !apart.is_empty()) {
            let is_apart = |at: u32| apart.is_some_and(|apart| apart.contains(at));
            let is_left = |at: &u32| {
                let message = numbers.number(*at);
                snapshot.covered().contains(message) && (messages.contains(message) || is_apart(*at))
            };
            let appended = left.append(asked.iter().filter(is_left));
            debug_assert!(appended.is_ok(), "positions ascend");
            positions -= &left;
        }
        Found { positions, left, is_damaged: !messages.is_empty() }
    }

    fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| {
            let Indexed { numbers, positions, .. } = &self.indexed;
            let mut apart = RoaringBitmap::new();
            if self.node.has_state() && !numbers.ascend() {
                apart = numbers.repeats() & positions;
            }
            // By ranges: most searches ask for nearly all positions.
            let mut asked = Bits::new(numbers.len());
            let mut ranges = positions.iter();
            while let Some(range) = ranges.next_range() {
                asked.insert_range(*range.start()..range.end().saturating_add(1));
            }
            let asked = asked.words().to_vec();
            let query = Query::new(&by_number(&self.node, numbers, positions, &apart));
            Plan { query, asked, messages: OnceLock::new(), apart }
        })
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first and the last message of a segment that has every one between them.
fn gapless(segment: &Segment) -> Option<(u32, u32)> {
    let last = segment.docs().checked_sub(1)?;
    let (first, last_message) = (segment.message(0)?, segment.message(last)?);
    (last_message - first == last).then_some((first, last_message))
}

/// Sets the bits of `to` from bit `at` on that are set in `len` bits of `from` from bit `start` on. Bits beyond either end are
/// passed over.
fn copy_bits(from: &[u64], start: u32, len: u32, to: &mut [u64], at: u32) {
    let word_at = |bit: u32| {
        let (index, shift) = ((bit / 64) as usize, bit % 64);
        let low = from.get(index).copied().unwrap_or(0) >> shift;
        let high = from.get(index + 1).copied().unwrap_or(0);
        if shift == 0 { low } else { low | high << (64 - shift) }
    };
    let mut done = 0;
    while done < len {
        // As many bits as the word of `to` still takes.
        let (index, shift) = (((at + done) / 64) as usize, (at + done) % 64);
        let count = (64 - shift).min(len - done);
        let bits = word_at(start + done) & (!0 >> (64 - count));
        if let Some(word) = to.get_mut(index) {
            *word |= bits << shift;
        }
        done += count;
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

/// The program over messages instead of positions, for the positions `asked` without those that are `apart`: what state says of others
/// does not count, where the same messages may be.
fn by_number(node: &Node, numbers: &MessageNumbers, asked: &RoaringBitmap, apart: &RoaringBitmap) -> Node {
    let all = |nodes: &[Node]| nodes.iter().map(|node| by_number(node, numbers, asked, apart)).collect();
    match node {
        Node::State(positions) if numbers.ascend() => Node::State(image(numbers, positions)),
        Node::State(positions) => Node::State(image(numbers, &((positions & asked) - apart))),
        Node::Not(node) => Node::Not(Box::new(by_number(node, numbers, asked, apart))),
        Node::And(nodes) => Node::And(all(nodes)),
        Node::Or(nodes) => Node::Or(all(nodes)),
        Node::All | Node::None | Node::Text(_) => node.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_copied_between_any_places(
            from in prop::collection::vec(any::<u64>(), 0..5), before in prop::collection::vec(any::<u64>(), 0..5),
            start in 0u32..300, len in 0u32..300, at in 0u32..300,
        ) {
            let bit = |words: &[u64], n: u32| words.get((n / 64) as usize).is_some_and(|word| word >> (n % 64) & 1 == 1);
            let mut to = before.clone();
            copy_bits(&from, start, len, &mut to, at);
            for n in 0..to.len() as u32 * 64 {
                let copied = n >= at && n < at + len && bit(&from, start + (n - at));
                prop_assert_eq!(bit(&to, n), bit(&before, n) || copied, "bit {}", n);
            }
        }

        #[test]
        fn positions_have_their_messages(
            plain in prop::collection::vec(0u32..40, 0..40), asked in prop::collection::btree_set(0u32..40, 0..40),
        ) {
            let mut numbers = MessageNumbers::default();
            plain.iter().for_each(|number| numbers.push(*number));
            let asked: RoaringBitmap = asked.into_iter().filter(|at| *at < numbers.len()).collect();
            let wanted = asked.iter().map(|at| plain[at as usize]).collect::<RoaringBitmap>();
            prop_assert_eq!(image(&numbers, &asked), wanted);
        }
    }
}
