//! Messages whose documents have been read: which positions they are at, and the serials that their texts have.
//!
//! A message's number stands for its text without documents, which never changes; the text with them has a serial, and never changes either.
//! So what a search is to look at is told by what the log says when it begins, and each of the account's indexes is right for what it has. What
//! must hold: a position is searched by the number or by the serial, never by both.

use std::rc::Rc;

use roaring::RoaringBitmap;
use trawl_index::query::Node;
use trawl_store::state::documents::{DocumentEntry, DocumentTable};
use trawl_store::types::MessageNumber;

use super::{breathe, places};
use crate::limits::SEARCH_WINDOW_MESSAGES;
use crate::mailbox::contexts::DocumentsSeen;
use crate::mailbox::message_numbers::MessageNumbers;
use crate::response::status::Refusal;
use crate::session::{Authenticated, Cx, Selected};

/// A position, and the text there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Documented {
    pub position: u32,
    pub entry: DocumentEntry,
}

/// Which positions of a view have documents, as far as that was looked for.
#[derive(Default)]
pub struct Known {
    /// As far as this.
    seen: DocumentsSeen,
    /// Positions that were looked at.
    len: u32,
    positions: RoaringBitmap,
    /// All of them, once a search has asked for them; searches of the same view ask again and again.
    round: Option<Rc<Round>>,
}

/// The texts at those of the positions `wanted` whose messages have documents, to be searched for `node`; none if there are none.
pub async fn of_view(
    s: &mut Selected,
    cx: &Cx,
    wanted: &RoaringBitmap,
    node: &Node,
) -> Result<Vec<Rc<Round>>, Refusal> {
    let seen = s.auth.look(|account| DocumentsSeen::of(account.documents()))?;
    if seen.first.is_none() {
        s.places.documented = Known::default();
        return Ok(Vec::new());
    }
    let numbers = places::numbers(s, cx).await?;
    let mut known = std::mem::take(&mut s.places.documented);
    if known.seen.first != seen.first || known.seen != seen && !numbers.ascend() {
        known = Known::default();
    }
    if known.seen != seen || known.len < numbers.len() {
        known.round = None;
    }
    if known.len > 0 && known.seen.next < seen.next {
        // What was read since at positions that were looked at: messages ascend, and so do serials.
        s.auth.look(|account| {
            for entry in account.documents().of_serials_from(known.seen.next) {
                let position = numbers.position(entry.message.0);
                known.positions.extend(position.filter(|position| *position < known.len));
            }
        })?;
    }
    known.seen = seen;
    while known.len < numbers.len() {
        let window = known.len..numbers.len().min(known.len.saturating_add(SEARCH_WINDOW_MESSAGES as u32));
        s.auth.look(|account| {
            known.positions.extend(at(account.documents(), &numbers, window.clone()));
        })?;
        known.len = window.end;
        if known.len < numbers.len() {
            breathe(cx).await?;
        }
    }
    if known.positions.is_empty() {
        s.places.documented = known;
        return Ok(Vec::new());
    }
    let all = match known.round.take() {
        Some(round) => round,
        None => {
            let mut places = Vec::with_capacity(known.positions.len() as usize);
            for window in super::text::windows(&known.positions) {
                s.auth.look(|account| {
                    places.extend(window.iter().filter_map(|position| {
                        let entry = account.documents().get(MessageNumber(numbers.number(*position)))?;
                        Some(Documented { position: *position, entry })
                    }));
                })?;
                breathe(cx).await?;
            }
            Rc::new(Round::new(places))
        }
    };
    known.round = Some(Rc::clone(&all));
    let whole = known.positions.is_subset(wanted) && !has_state(node);
    s.places.documented = known;
    if whole {
        return Ok(vec![all]);
    }
    Ok(rounds(all.places.iter().copied().filter(|one| wanted.contains(one.position)), node))
}

/// The positions of a view whose messages may have other texts of documents than when it was `before`.
pub async fn since(
    s: &mut Selected,
    cx: &Cx,
    before: DocumentsSeen,
    now: DocumentsSeen,
) -> Result<RoaringBitmap, Refusal> {
    let numbers = places::numbers(s, cx).await?;
    let mut positions = RoaringBitmap::new();
    if before.were_forgotten(now) {
        positions.insert_range(0..numbers.len());
        return Ok(positions);
    }
    // A few, as a rule, so that runs are looked at and not messages.
    let read: RoaringBitmap = s.auth.look(|account| {
        account.documents().of_serials_from(before.next).map(|entry| entry.message.0).collect()
    })?;
    for (run, number) in numbers.runs(0..numbers.len()) {
        let end = number.saturating_add(run.end - run.start);
        positions.extend(read.range(number..end).map(|message| run.start + (message - number)));
    }
    Ok(positions)
}

/// The positions in a window whose messages have documents.
fn at<'a>(
    documents: &'a DocumentTable,
    numbers: &'a MessageNumbers,
    window: std::ops::Range<u32>,
) -> impl Iterator<Item = u32> + 'a {
    numbers.runs(window).flat_map(|(positions, number)| {
        let end = number.saturating_add(positions.end - positions.start);
        let entries = documents.of_messages_from(MessageNumber(number));
        entries
            .take_while(move |entry| entry.message.0 < end)
            .map(move |entry| positions.start + (entry.message.0 - number))
    })
}

/// The same where positions are message numbers.
pub async fn of_numbers(
    auth: &Authenticated,
    cx: &Cx,
    wanted: &RoaringBitmap,
    node: &Node,
) -> Result<Vec<Rc<Round>>, Refusal> {
    let mut found = Vec::new();
    let Some(mut from) = wanted.min() else { return Ok(Vec::new()) };
    loop {
        let more = auth.look(|account| {
            let mut entries = account.documents().of_messages_from(MessageNumber(from));
            for entry in entries.by_ref().take(SEARCH_WINDOW_MESSAGES) {
                if wanted.contains(entry.message.0) {
                    found.push(Documented { position: entry.message.0, entry });
                }
                from = entry.message.0.saturating_add(1);
            }
            entries.next().is_some()
        })?;
        if !more {
            return Ok(rounds(found.into_iter(), node));
        }
        breathe(cx).await?;
    }
}

/// Texts that are searched together: no serial twice where state tells positions apart.
#[derive(Default)]
pub struct Round {
    /// Ascending by serial, then by position.
    places: Vec<Documented>,
    /// Each text once, ascending by serial.
    entries: Vec<DocumentEntry>,
    serials: RoaringBitmap,
    held: RoaringBitmap,
}

/// Cuts texts into rounds. There is one, unless a message is several times in the mailbox and the program asks for state.
fn rounds(places: impl Iterator<Item = Documented>, node: &Node) -> Vec<Rc<Round>> {
    let mut places: Vec<Documented> = places.collect();
    if places.is_empty() {
        return Vec::new();
    }
    if !has_state(node) {
        return vec![Rc::new(Round::new(places))];
    }
    places.sort_by_key(|one| (one.entry.serial, one.position));
    let mut rounds: Vec<Vec<Documented>> = Vec::new();
    let (mut before, mut nth) = (None, 0);
    for one in places {
        nth = if before == Some(one.entry.serial) { nth + 1 } else { 0 };
        before = Some(one.entry.serial);
        if rounds.len() <= nth {
            rounds.push(Vec::new());
        }
        if let Some(round) = rounds.get_mut(nth) {
            round.push(one);
        }
    }
    rounds.into_iter().map(|places| Rc::new(Round::new(places))).collect()
}

fn has_state(node: &Node) -> bool {
    match node {
        Node::State(_) => true,
        Node::All | Node::None | Node::Text(_) => false,
        Node::Not(node) => has_state(node),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(has_state),
    }
}

impl Round {
    fn new(mut places: Vec<Documented>) -> Round {
        places.sort_by_key(|one| (one.entry.serial, one.position));
        let mut entries: Vec<DocumentEntry> = places.iter().map(|one| one.entry).collect();
        entries.dedup_by_key(|entry| entry.serial);
        let serials = entries.iter().map(|entry| entry.serial).collect();
        let held = places.iter().map(|one| one.position).collect();
        Round { places, entries, serials, held }
    }

    pub fn entries(&self) -> &[DocumentEntry] {
        &self.entries
    }

    pub fn serials(&self) -> &RoaringBitmap {
        &self.serials
    }

    /// Where the texts are.
    pub fn held(&self) -> &RoaringBitmap {
        &self.held
    }

    /// The program over serials instead of positions.
    pub fn node(&self, node: &Node) -> Node {
        let all = |nodes: &[Node]| nodes.iter().map(|node| self.node(node)).collect();
        match node {
            Node::State(positions) => {
                let here = self.places.iter().filter(|one| positions.contains(one.position));
                Node::State(here.map(|one| one.entry.serial).collect())
            }
            Node::Not(node) => Node::Not(Box::new(self.node(node))),
            Node::And(nodes) => Node::And(all(nodes)),
            Node::Or(nodes) => Node::Or(all(nodes)),
            Node::All | Node::None | Node::Text(_) => node.clone(),
        }
    }

    /// The positions of these serials.
    pub fn positions(&self, serials: &RoaringBitmap) -> RoaringBitmap {
        let of = |serial: u32| {
            let first = self.places.partition_point(|one| one.entry.serial < serial);
            let places = self.places.get(first..).unwrap_or_default();
            places.iter().take_while(move |one| one.entry.serial == serial).map(|one| one.position)
        };
        serials.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trawl_index::query::{Field, TextKey};
    use trawl_store::log::Address;

    fn one(position: u32, serial: u32) -> Documented {
        let address = Address { segment: 1, offset: 8 * serial };
        Documented {
            position,
            entry: DocumentEntry { message: MessageNumber(serial + 100), serial, address },
        }
    }

    fn set(numbers: &[u32]) -> RoaringBitmap {
        numbers.iter().copied().collect()
    }

    #[test]
    fn a_text_at_several_positions_is_searched_once_unless_state_tells_them_apart() {
        let places = vec![one(1, 7), one(4, 9), one(6, 7), one(8, 7), one(9, 2)];
        let text = Node::Text(TextKey { field: Field::Body, needle: "x".to_owned() });
        let [all] = &rounds(places.clone().into_iter(), &text)[..] else { panic!("one round") };
        assert_eq!(all.serials(), &set(&[2, 7, 9]));
        assert_eq!(all.held(), &set(&[1, 4, 6, 8, 9]));
        assert_eq!(all.entries().iter().map(|entry| entry.serial).collect::<Vec<_>>(), [2, 7, 9]);
        assert_eq!(all.positions(&set(&[7])), set(&[1, 6, 8]));

        let mixed = Node::Or(vec![Node::Not(Box::new(Node::State(set(&[1, 2, 8, 9])))), text.clone()]);
        let rounds = rounds(places.into_iter(), &mixed);
        let serials: Vec<_> = rounds.iter().map(|round| round.serials().clone()).collect();
        assert_eq!(serials, [set(&[2, 7, 9]), set(&[7]), set(&[7])]);
        let state =
            |serials: &[u32]| Node::Or(vec![Node::Not(Box::new(Node::State(set(serials)))), text.clone()]);
        let nodes: Vec<_> = rounds.iter().map(|round| round.node(&mixed)).collect();
        assert_eq!(nodes, [state(&[2, 7]), state(&[]), state(&[7])]);
        let found: Vec<_> = rounds.iter().map(|round| round.positions(&set(&[7, 9]))).collect();
        assert_eq!(found, [set(&[1, 4]), set(&[6]), set(&[8])]);
    }
}
