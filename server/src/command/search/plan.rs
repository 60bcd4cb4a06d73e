//! From a search key of the wire to a program: state keys to evaluate, text keys for the search lanes.
//!
//! Pure. Not here: rows (`state`), reading messages (`lanes`), the answer (`answer`).
//! What must hold: a program means the same as its key; state keys never reach the lanes as keys, only
//! as the bitmaps they gave. Keys on positions, UIDs and \Recent are bitmaps from the start: no row is read for them.

use std::ops::{Range, RangeInclusive};

use roaring::RoaringBitmap;
use trawl_index::mime::charset;
use trawl_index::query::{Field, Node, TextKey};
use trawl_store::types::{AccountId, EmailId, Flags, ThreadId};

use super::fuzzy::relax::{self, Fuzz, Relaxed};
use super::state::StateKey;
use crate::limits::FUZZY_KEYS_MAX;
use crate::wire::ast::SearchKey;
use crate::wire::object_id::Kind;
use crate::wire::query::QueryError;
use crate::wire::set::SetArg;

/// What a key means depends on the session it is searched in.
pub struct Context<'a> {
    pub account: AccountId,
    /// Messages in the view; sequence numbers are 1 to this.
    pub messages: u32,
    /// The largest UID in the view, 0 for an empty one: what `*` means among UIDs.
    pub largest_uid: u32,
    /// Positions of the messages that `$` stands for (RFC 5182).
    pub saved: &'a dyn Fn() -> RoaringBitmap,
    /// Positions of the messages whose UIDs are in a range, both ends included.
    pub places: &'a dyn Fn(RangeInclusive<u32>) -> Range<u32>,
    /// Positions of the messages that are recent in this session (RFC 3501 2.3.2).
    pub recent: &'a dyn Fn() -> RoaringBitmap,
    /// Seconds since 1970 of OLDER and YOUNGER (RFC 5032).
    pub now: i64,
    /// The flag of a keyword, if any message of the mailbox ever had it.
    pub keyword: &'a dyn Fn(&str) -> Option<Flags>,
    /// The charset that the client named, if any.
    pub charset: Option<&'a str>,
    /// What FUZZY means.
    pub fuzz: Fuzz<'a>,
    /// Whether a mailbox of this name or role is the one that is searched; `None` if there is no such mailbox.
    pub within: &'a dyn Fn(&str) -> Option<bool>,
}

/// Why a search cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Its charset is not known: `NO [BADCHARSET (…)]`.
    Charset,
    /// A needle has bytes that mean nothing in its charset: BAD.
    Needle,
    /// A filter is still in it: whoever plans expands them first (`filters`).
    Filter,
    /// A query is not understood: NO.
    Query(QueryError),
    /// A query names a mailbox that is not there: NO.
    Mailbox(String),
}

/// A search key with its state keys taken out.
#[derive(Clone, PartialEq, Debug)]
pub struct Program {
    /// To be evaluated over the view, in this order.
    pub state: Vec<StateKey>,
    tree: Tree,
}

#[derive(Clone, PartialEq, Debug)]
enum Tree {
    Everything,
    Nothing,
    /// These positions.
    Known(RoaringBitmap),
    /// Index into [`Program::state`].
    State(usize),
    Text(TextKey),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

/// What is left of a program when its state keys are known.
#[derive(Clone, PartialEq, Debug)]
pub enum Rest {
    /// Nothing: these positions match.
    Found(RoaringBitmap),
    /// Text has to be looked at, and only in messages at `candidates`.
    Text { node: Node, candidates: RoaringBitmap },
}

impl Program {
    pub fn new(key: &SearchKey, context: &Context<'_>) -> Result<Program, Refused> {
        let charset = charset(context.charset)?;
        let mut planner = Planner {
            context,
            charset,
            state: Vec::new(),
            is_fuzzy: false,
            is_negated: false,
            room: FUZZY_KEYS_MAX,
        };
        let tree = planner.tree(key)?;
        Ok(Program { state: planner.state, tree })
    }

    /// The same program, of these positions only.
    pub fn among(self, positions: RoaringBitmap) -> Program {
        let mut trees = match self.tree {
            Tree::And(trees) => trees,
            tree => vec![tree],
        };
        trees.push(Tree::Known(positions));
        Program { tree: Tree::And(trees), ..self }
    }

    /// Whether it asks about texts.
    pub fn has_text(&self) -> bool {
        has_text(&self.tree)
    }

    /// Positions outside of this range do not match, whatever rows and texts say: no row there need be read.
    pub fn reach(&self, messages: u32) -> Range<u32> {
        let mut universe = RoaringBitmap::new();
        universe.insert_range(0..messages);
        let reach = reach(&self.tree, &universe);
        reach.min().unwrap_or(0)..reach.max().map_or(0, |last| last.saturating_add(1))
    }

    /// Keys of [`Program::state`] without which a message does not match: where one says no, what the others say is nobody's
    /// concern.
    pub fn required(&self) -> Vec<usize> {
        let key = |tree: &Tree| match tree {
            Tree::State(key) => Some(*key),
            _ => None,
        };
        match &self.tree {
            Tree::And(trees) => trees.iter().filter_map(key).collect(),
            tree => key(tree).into_iter().collect(),
        }
    }

    /// Puts the bitmaps of [`Program::state`] in place. `messages` is the size of the view.
    pub fn resolve(self, state: &[RoaringBitmap], messages: u32) -> Rest {
        let mut universe = RoaringBitmap::new();
        universe.insert_range(0..messages);
        match fold(self.tree, state, &universe) {
            Node::State(found) => Rest::Found(found),
            node => {
                let candidates = bound(&node, &universe);
                if candidates.is_empty() { Rest::Found(candidates) } else { Rest::Text { node, candidates } }
            }
        }
    }
}

fn has_text(tree: &Tree) -> bool {
    match tree {
        Tree::Everything | Tree::Nothing | Tree::Known(_) | Tree::State(_) => false,
        Tree::Text(_) => true,
        Tree::Not(tree) => has_text(tree),
        Tree::And(trees) | Tree::Or(trees) => trees.iter().any(has_text),
    }
}

struct Planner<'a> {
    context: &'a Context<'a>,
    charset: Option<charset::Charset>,
    state: Vec<StateKey>,
    /// Inside of FUZZY, and of NOT.
    is_fuzzy: bool,
    is_negated: bool,
    /// Keys that may still stand for fuzzy ones.
    room: usize,
}

impl Planner<'_> {
    fn tree(&mut self, key: &SearchKey) -> Result<Tree, Refused> {
        let widened = if self.relaxes() { relax::widened(key, self.context.fuzz.tier) } else { None };
        Ok(match widened.as_ref().unwrap_or(key) {
            SearchKey::All => Tree::Everything,
            SearchKey::And(keys) => {
                Tree::And(keys.iter().map(|key| self.tree(key)).collect::<Result<_, _>>()?)
            }
            SearchKey::Or(a, b) => Tree::Or(vec![self.tree(a)?, self.tree(b)?]),
            SearchKey::Not(key) => {
                let before = std::mem::replace(&mut self.is_negated, true);
                let tree = self.tree(key);
                self.is_negated = before;
                Tree::Not(Box::new(tree?))
            }
            SearchKey::Fuzzy(key) => {
                let before = std::mem::replace(&mut self.is_fuzzy, true);
                let tree = self.tree(key);
                self.is_fuzzy = before;
                tree?
            }
            SearchKey::Sequence(SetArg::Saved) | SearchKey::Uid(SetArg::Saved) => {
                Tree::Known((self.context.saved)())
            }
            SearchKey::Sequence(SetArg::Numbers(set)) => {
                let messages = self.context.messages;
                let mut positions = RoaringBitmap::new();
                for range in set.resolve(messages) {
                    // Sequence numbers are positions from 1.
                    positions.insert_range(range.start() - 1..(*range.end()).min(messages));
                }
                Tree::Known(positions)
            }
            SearchKey::Uid(SetArg::Numbers(set)) => {
                let mut positions = RoaringBitmap::new();
                for range in set.resolve(self.context.largest_uid) {
                    positions.insert_range((self.context.places)(range));
                }
                Tree::Known(positions)
            }
            SearchKey::Answered => self.state(StateKey::Has(Flags::ANSWERED)),
            SearchKey::Deleted => self.state(StateKey::Has(Flags::DELETED)),
            SearchKey::Draft => self.state(StateKey::Has(Flags::DRAFT)),
            SearchKey::Flagged => self.state(StateKey::Has(Flags::FLAGGED)),
            SearchKey::Seen => self.state(StateKey::Has(Flags::SEEN)),
            SearchKey::Unanswered => self.state(StateKey::Lacks(Flags::ANSWERED)),
            SearchKey::Undeleted => self.state(StateKey::Lacks(Flags::DELETED)),
            SearchKey::Undraft => self.state(StateKey::Lacks(Flags::DRAFT)),
            SearchKey::Unflagged => self.state(StateKey::Lacks(Flags::FLAGGED)),
            SearchKey::Unseen => self.state(StateKey::Lacks(Flags::SEEN)),
            SearchKey::New => Tree::And(vec![self.recent(), self.state(StateKey::Lacks(Flags::SEEN))]),
            SearchKey::Old => Tree::Not(Box::new(self.recent())),
            SearchKey::Recent => self.recent(),
            SearchKey::Keyword(keyword) => match (self.context.keyword)(keyword.as_str()) {
                Some(flag) => self.state(StateKey::Has(flag)),
                None => Tree::Nothing,
            },
            SearchKey::Unkeyword(keyword) => match (self.context.keyword)(keyword.as_str()) {
                Some(flag) => self.state(StateKey::Lacks(flag)),
                None => Tree::Everything,
            },
            SearchKey::Before(day) => self.state(StateKey::Before(day.0)),
            SearchKey::On(day) => self.state(StateKey::On(day.0)),
            SearchKey::Since(day) => self.state(StateKey::Since(day.0)),
            SearchKey::SentBefore(day) => self.state(StateKey::SentBefore(day.0)),
            SearchKey::SentOn(day) => self.state(StateKey::SentOn(day.0)),
            SearchKey::SentSince(day) => self.state(StateKey::SentSince(day.0)),
            SearchKey::SavedBefore(day) => self.state(StateKey::SavedBefore(day.0)),
            SearchKey::SavedOn(day) => self.state(StateKey::SavedOn(day.0)),
            SearchKey::SavedSince(day) => self.state(StateKey::SavedSince(day.0)),
            // Of every message in every mailbox.
            SearchKey::SaveDateSupported => Tree::Everything,
            SearchKey::Older(seconds) => {
                self.state(StateKey::Older(self.context.now - i64::from(seconds.get())))
            }
            SearchKey::Younger(seconds) => {
                self.state(StateKey::Younger(self.context.now - i64::from(seconds.get())))
            }
            SearchKey::EmailId(id) => {
                let message = id.number(Kind::Email).and_then(|id| EmailId(id).message(self.context.account));
                message.map_or(Tree::Nothing, |message| self.state(StateKey::Is(message)))
            }
            SearchKey::ThreadId(id) => {
                let first = id.number(Kind::Thread).and_then(|id| ThreadId(id).first(self.context.account));
                first.map_or(Tree::Nothing, |first| self.state(StateKey::InThread(first)))
            }
            SearchKey::Larger(bytes) => self.state(StateKey::Larger(*bytes)),
            SearchKey::Smaller(bytes) => self.state(StateKey::Smaller(*bytes)),
            SearchKey::Bcc(needle) => self.text(Field::Bcc, needle)?,
            SearchKey::Cc(needle) => self.text(Field::Cc, needle)?,
            SearchKey::From(needle) => self.text(Field::From, needle)?,
            SearchKey::To(needle) => self.text(Field::To, needle)?,
            SearchKey::Subject(needle) => self.text(Field::Subject, needle)?,
            SearchKey::Body(needle) => self.text(Field::Body, needle)?,
            SearchKey::Text(needle) => self.text(Field::Text, needle)?,
            SearchKey::Header { field, needle } => {
                let field = Field::Header(String::from_utf8_lossy(field).into_owned());
                self.text(field, needle)?
            }
            SearchKey::Filter(_) => return Err(Refused::Filter),
            SearchKey::Query(query) => {
                // Its needles are UTF-8 whatever the charset of the others is.
                let charset = self.charset.take();
                let tree = self.tree(query.key.as_ref().map_err(|error| Refused::Query(error.clone()))?)?;
                self.charset = charset;
                tree
            }
            SearchKey::Attachment => self.text(Field::Attachment, b"")?,
            SearchKey::FileName(needle) => self.text(Field::FileName, needle)?,
            SearchKey::In(name) => match (self.context.within)(name) {
                Some(true) => Tree::Everything,
                Some(false) => Tree::Nothing,
                None => return Err(Refused::Mailbox(name.clone())),
            },
        })
    }

    fn recent(&self) -> Tree {
        Tree::Known((self.context.recent)())
    }

    fn state(&mut self, key: StateKey) -> Tree {
        let known = self.state.iter().position(|known| *known == key);
        Tree::State(known.unwrap_or_else(|| {
            self.state.push(key);
            self.state.len() - 1
        }))
    }

    fn text(&mut self, field: Field, needle: &[u8]) -> Result<Tree, Refused> {
        let key = TextKey { field, needle: decoded(self.charset, needle)? };
        if !self.relaxes() {
            return Ok(Tree::Text(key));
        }
        Ok(match relax::text(key, self.context.fuzz, &mut self.room) {
            Relaxed::Key(key) => Tree::Text(key),
            Relaxed::AllOf(words) => {
                let any_of = |keys: Vec<TextKey>| Tree::Or(keys.into_iter().map(Tree::Text).collect());
                Tree::And(words.into_iter().map(any_of).collect())
            }
        })
    }

    fn relaxes(&self) -> bool {
        self.is_fuzzy && !self.is_negated
    }
}

/// The charset of this name.
pub(super) fn charset(name: Option<&str>) -> Result<Option<charset::Charset>, Refused> {
    name.map(|name| charset::lookup(name.as_bytes()).ok_or(Refused::Charset)).transpose()
}

/// A needle in a charset; without one it is UTF-8: rev2 says so, and of rev1's US-ASCII it is a superset.
pub(super) fn decoded(charset: Option<charset::Charset>, needle: &[u8]) -> Result<String, Refused> {
    let needle = match charset {
        None => String::from_utf8(needle.to_vec()).ok(),
        Some(charset) => charset.decode_strict(needle),
    };
    needle.ok_or(Refused::Needle)
}

/// Evaluates all that needs no text; the result is `Node::State` when nothing does.
fn fold(tree: Tree, state: &[RoaringBitmap], universe: &RoaringBitmap) -> Node {
    match tree {
        Tree::Everything => Node::State(universe.clone()),
        Tree::Nothing => Node::State(RoaringBitmap::new()),
        Tree::Known(found) => Node::State(found),
        Tree::State(key) => Node::State(state[key].clone()),
        Tree::Text(key) => Node::Text(key),
        Tree::Not(tree) => match fold(*tree, state, universe) {
            Node::State(found) => Node::State(universe - found),
            node => Node::Not(Box::new(node)),
        },
        Tree::And(trees) => {
            let (mut all, mut rest) = (universe.clone(), Vec::new());
            for tree in trees {
                match fold(tree, state, universe) {
                    Node::State(found) => all &= found,
                    node => rest.push(node),
                }
            }
            if rest.is_empty() || all.is_empty() {
                return Node::State(all);
            }
            if all != *universe {
                rest.insert(0, Node::State(all));
            }
            Node::And(rest)
        }
        Tree::Or(trees) => {
            let (mut any, mut rest) = (RoaringBitmap::new(), Vec::new());
            for tree in trees {
                match fold(tree, state, universe) {
                    Node::State(found) => any |= found,
                    node => rest.push(node),
                }
            }
            if rest.is_empty() || any == *universe {
                return Node::State(any);
            }
            if !any.is_empty() {
                rest.insert(0, Node::State(any));
            }
            Node::Or(rest)
        }
    }
}

/// A set that holds every position that can match before rows are read.
fn reach(tree: &Tree, universe: &RoaringBitmap) -> RoaringBitmap {
    match tree {
        Tree::Nothing => RoaringBitmap::new(),
        Tree::Known(found) => found & universe,
        Tree::Everything | Tree::State(_) | Tree::Text(_) => universe.clone(),
        Tree::Not(tree) => match &**tree {
            Tree::Known(found) => universe - found,
            Tree::Everything => RoaringBitmap::new(),
            _ => universe.clone(),
        },
        Tree::And(trees) => trees.iter().fold(universe.clone(), |set, tree| set & reach(tree, universe)),
        Tree::Or(trees) => trees.iter().fold(RoaringBitmap::new(), |set, tree| set | reach(tree, universe)),
    }
}

/// A set that holds every position that can match.
fn bound(node: &Node, universe: &RoaringBitmap) -> RoaringBitmap {
    match node {
        Node::None => RoaringBitmap::new(),
        Node::State(found) => found.clone(),
        Node::All | Node::Text(_) | Node::Not(_) => universe.clone(),
        Node::And(nodes) => nodes.iter().fold(universe.clone(), |set, node| set & bound(node, universe)),
        Node::Or(nodes) => nodes.iter().fold(RoaringBitmap::new(), |set, node| set | bound(node, universe)),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::state::{Evaluation, SearchRow};
    use super::*;
    use crate::command::search::fuzzy::relax::Tier;
    use crate::wire::ast::{Day, Keyword, Query};
    use crate::wire::object_id::ObjectId;
    use crate::wire::set::SeqSet;
    use crate::wire::set::{Bound, SeqRange};
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::collections::HashMap;
    use trawl_store::types::{MessageNumber, ZonedTime};

    const KNOWN: &str = "known";
    const HERE: &str = "here";

    fn keyword(name: &str) -> Option<Flags> {
        (name == KNOWN).then(|| Flags::keyword(3))
    }

    /// A row, its UID, and whether it is recent.
    #[derive(Clone, Copy, Debug)]
    struct TestRow {
        row: SearchRow,
        uid: u32,
        recent: bool,
    }

    fn positions(rows: &[TestRow], wanted: impl Fn(&TestRow) -> bool) -> RoaringBitmap {
        (0..).zip(rows).filter(|(_, row)| wanted(row)).map(|(position, _)| position).collect()
    }

    fn leak<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }

    fn context(saved: &RoaringBitmap, rows: &[TestRow]) -> Context<'static> {
        let (saved, rows) = (saved.clone(), rows.to_vec());
        let (for_saved, for_places, for_recent) = (rows.clone(), rows.clone(), rows.clone());
        Context {
            account: AccountId(9),
            messages: rows.len() as u32,
            largest_uid: rows.last().map_or(0, |row| row.uid),
            saved: leak(move || positions(&for_saved, |row| saved.contains(row.uid))),
            places: leak(move |uids: RangeInclusive<u32>| {
                let below = |uid: u32| for_places.partition_point(|row| row.uid < uid) as u32;
                below(*uids.start())..below(uids.end().saturating_add(1))
            }),
            recent: leak(move || positions(&for_recent, |row| row.recent)),
            now: 1_000_000,
            keyword: &keyword,
            charset: None,
            fuzz: Fuzz { tier: Tier::Exact, similar: leak(HashMap::new()) },
            within: &|name| {
                [(HERE, true), ("elsewhere", false)].into_iter().find(|at| at.0 == name).map(|at| at.1)
            },
        }
    }

    /// Stands for the scan: some pattern over needle and position.
    fn text_matches(needle: &str, position: u32) -> bool {
        !(needle.len() as u32 + position).is_multiple_of(3)
    }

    fn in_set(set: &SeqSet, number: u32, largest: u32) -> bool {
        let bound = |bound| match bound {
            Bound::Number(n) => n.get(),
            Bound::Star => largest,
        };
        set.as_ranges().iter().any(|range| match *range {
            SeqRange::One(a) => bound(a) == number,
            SeqRange::Range(a, b) => {
                let (a, b) = (bound(a), bound(b));
                (a.min(b)..=a.max(b)).contains(&number)
            }
        })
    }

    fn naive(key: &SearchKey, position: u32, at: &TestRow, context: &Context<'_>) -> bool {
        let row = &at.row;
        let flag = |flag| row.flags.contains(flag);
        match key {
            SearchKey::All => true,
            SearchKey::And(keys) => keys.iter().all(|key| naive(key, position, at, context)),
            SearchKey::Or(a, b) => naive(a, position, at, context) || naive(b, position, at, context),
            SearchKey::Not(key) => !naive(key, position, at, context),
            SearchKey::Fuzzy(key) => naive(key, position, at, context),
            SearchKey::Sequence(SetArg::Saved) | SearchKey::Uid(SetArg::Saved) => {
                (context.saved)().contains(position)
            }
            SearchKey::Sequence(SetArg::Numbers(set)) => in_set(set, position + 1, context.messages),
            SearchKey::Uid(SetArg::Numbers(set)) => in_set(set, at.uid, context.largest_uid),
            SearchKey::Seen => flag(Flags::SEEN),
            SearchKey::Unseen => !flag(Flags::SEEN),
            SearchKey::New => at.recent && !flag(Flags::SEEN),
            SearchKey::Old => !at.recent,
            SearchKey::Recent => at.recent,
            SearchKey::Keyword(word) => word.as_str() == KNOWN && flag(Flags::keyword(3)),
            SearchKey::Unkeyword(word) => !(word.as_str() == KNOWN && flag(Flags::keyword(3))),
            SearchKey::Since(day) => row.internal.day() >= day.0,
            SearchKey::SentBefore(day) => row.sent_day.is_some_and(|sent| sent < day.0),
            SearchKey::SavedSince(day) => row.saved / 86_400 >= day.0 as u32,
            SearchKey::SaveDateSupported => true,
            SearchKey::EmailId(id) => id.as_str() == format!("M00000009{:08x}", row.message.0),
            SearchKey::ThreadId(id) => id.as_str() == format!("T00000009{:08x}", row.thread.0),
            SearchKey::Larger(bytes) => u64::from(row.size) > *bytes,
            SearchKey::Younger(seconds) => row.internal.seconds >= context.now - i64::from(seconds.get()),
            SearchKey::Older(seconds) => row.internal.seconds <= context.now - i64::from(seconds.get()),
            SearchKey::Body(needle) => text_matches(std::str::from_utf8(needle).unwrap(), position),
            SearchKey::Query(query) => naive(query.key.as_ref().unwrap(), position, at, context),
            SearchKey::In(name) => name == HERE,
            other => panic!("{other:?} is not generated"),
        }
    }

    fn node_matches(node: &Node, position: u32) -> bool {
        match node {
            Node::All => true,
            Node::None => false,
            Node::State(found) => found.contains(position),
            Node::Text(key) => text_matches(&key.needle, position),
            Node::Not(node) => !node_matches(node, position),
            Node::And(nodes) => nodes.iter().all(|node| node_matches(node, position)),
            Node::Or(nodes) => nodes.iter().any(|node| node_matches(node, position)),
        }
    }

    fn any_set() -> impl Strategy<Value = SetArg> {
        let bound = prop_oneof![
            5 => (1u32..60).prop_map(|n| Bound::Number(NonZeroU32::new(n).unwrap())),
            1 => Just(Bound::Star),
        ];
        let range = prop_oneof![
            bound.clone().prop_map(SeqRange::One),
            (bound.clone(), bound).prop_map(|(a, b)| SeqRange::Range(a, b)),
        ];
        prop_oneof![
            5 => prop::collection::vec(range, 1..4).prop_map(|set| SetArg::Numbers(SeqSet::new(set).unwrap())),
            1 => Just(SetArg::Saved),
        ]
    }

    fn any_key() -> impl Strategy<Value = SearchKey> {
        let leaf = prop_oneof![
            Just(SearchKey::All),
            any_set().prop_map(SearchKey::Sequence),
            any_set().prop_map(SearchKey::Uid),
            Just(SearchKey::Seen),
            Just(SearchKey::Unseen),
            Just(SearchKey::New),
            Just(SearchKey::Old),
            Just(SearchKey::Recent),
            prop_oneof![Just(KNOWN), Just("other")]
                .prop_map(|word| SearchKey::Keyword(Keyword::new(word).unwrap())),
            prop_oneof![Just(KNOWN), Just("other")]
                .prop_map(|word| SearchKey::Unkeyword(Keyword::new(word).unwrap())),
            (5i32..15).prop_map(|day| SearchKey::Since(Day(day))),
            (-3i32..3).prop_map(|day| SearchKey::SentBefore(Day(day))),
            (0i32..4).prop_map(|day| SearchKey::SavedSince(Day(day))),
            Just(SearchKey::SaveDateSupported),
            "[MT]0000000[89]000000[0-4][0-9a-f]".prop_flat_map(|id| select(vec![
                SearchKey::EmailId,
                SearchKey::ThreadId
            ])
            .prop_map(move |key| key(ObjectId::new(&id).unwrap()))),
            (0u64..20).prop_map(SearchKey::Larger),
            (1u32..500_000).prop_map(|age| SearchKey::Younger(NonZeroU32::new(age).unwrap())),
            (1u32..500_000).prop_map(|age| SearchKey::Older(NonZeroU32::new(age).unwrap())),
            "a{0,4}".prop_map(|needle| SearchKey::Body(needle.into_bytes())),
            prop_oneof![Just(HERE), Just("elsewhere")].prop_map(|name| SearchKey::In(name.to_owned())),
        ];
        leaf.prop_recursive(4, 24, 4, |key| {
            prop_oneof![
                prop::collection::vec(key.clone(), 2..4).prop_map(SearchKey::And),
                (key.clone(), key.clone()).prop_map(|(a, b)| SearchKey::Or(Box::new(a), Box::new(b))),
                key.clone().prop_map(|key| SearchKey::Not(Box::new(key))),
                key.clone().prop_map(|key| SearchKey::Fuzzy(Box::new(key))),
                key.prop_map(|key| SearchKey::Query(Box::new(Query { text: String::new(), key: Ok(key) }))),
            ]
        })
    }

    fn any_rows() -> impl Strategy<Value = Vec<TestRow>> {
        let row = (
            1u32..4,
            any::<bool>(),
            any::<bool>(),
            500_000i64..1_000_000,
            prop::option::of(-3i32..3),
            0u32..20,
        );
        prop::collection::vec((row, any::<bool>()), 0..20).prop_map(|rows| {
            let mut uid = 0;
            rows.into_iter()
                .map(|((step, seen, known, seconds, sent_day, size), recent)| {
                    uid += step;
                    let mut flags = Flags::default();
                    if seen {
                        flags = flags.with(Flags::SEEN);
                    }
                    if known {
                        flags = flags.with(Flags::keyword(3));
                    }
                    let internal = ZonedTime { seconds, zone_minutes: 60 };
                    TestRow {
                        row: SearchRow {
                            flags,
                            internal,
                            sent_day,
                            size,
                            saved: uid * 20_000,
                            message: MessageNumber(uid),
                            thread: MessageNumber(uid / 2),
                        },
                        uid,
                        recent,
                    }
                })
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn a_program_means_what_its_key_means(
            key in any_key(), rows in any_rows(), saved in prop::collection::vec(1u32..60, 0..10),
        ) {
            let context = context(&saved.into_iter().collect(), &rows);
            let mut program = Program::new(&key, &context).unwrap();
            let reach = program.reach(context.messages);
            let required = program.required();
            let mut evaluation =
                Evaluation::new(std::mem::take(&mut program.state), &required, context.messages);
            let reached = &rows[reach.start as usize..reach.end as usize];
            evaluation.rows(reach.start, &reached.iter().map(|at| Some(at.row)).collect::<Vec<_>>());
            let state = evaluation.finish();
            let rest = program.resolve(&state, context.messages);
            for (position, row) in (0u32..).zip(&rows) {
                let found = match &rest {
                    Rest::Found(found) => found.contains(position),
                    Rest::Text { node, candidates } => {
                        candidates.contains(position) && node_matches(node, position)
                    }
                };
                prop_assert_eq!(found, naive(&key, position, row, &context), "{:?} at {}", key, position);
            }
        }
    }

    #[test]
    fn charsets_and_needles_that_mean_nothing_are_refused() {
        let nobody = context(&RoaringBitmap::new(), &[]);
        let key = SearchKey::Body(b"\xff".to_vec());
        assert_eq!(Program::new(&key, &nobody), Err(Refused::Needle));
        let named = |charset| Context { charset: Some(charset), ..context(&RoaringBitmap::new(), &[]) };
        assert_eq!(Program::new(&key, &named("X-NONE")), Err(Refused::Charset));
        assert_eq!(Program::new(&SearchKey::All, &named("X-NONE")), Err(Refused::Charset));
        assert!(Program::new(&key, &named("ISO-8859-1")).is_ok());
        assert_eq!(
            Program::new(&SearchKey::In("gone".into()), &nobody),
            Err(Refused::Mailbox("gone".into()))
        );
    }

    #[test]
    fn needles_of_queries_are_utf8_whatever_the_charset() {
        let context = Context { charset: Some("ISO-8859-1"), ..context(&RoaringBitmap::new(), &[]) };
        let body = || SearchKey::Body("é".into());
        let query = SearchKey::Query(Box::new(Query { text: "body:é".into(), key: Ok(body()) }));
        let program = Program::new(&SearchKey::And(vec![query, body()]), &context).unwrap();
        let needles = |tree: &Tree| match tree {
            Tree::And(trees) => trees.iter().map(|tree| format!("{tree:?}")).collect::<Vec<_>>(),
            tree => panic!("{tree:?}"),
        };
        let found = needles(&program.tree);
        assert!(found[0].contains("\"é\"") && found[1].contains("\"Ã©\""), "{found:?}");
    }

    #[test]
    fn state_narrows_what_text_is_looked_at() {
        let rows = [];
        let context = Context { messages: 9, largest_uid: 9, ..context(&RoaringBitmap::new(), &rows) };
        let body = || SearchKey::Body(b"x".to_vec());
        let key = SearchKey::And(vec![SearchKey::Seen, body(), SearchKey::Not(Box::new(body()))]);
        let program = Program::new(&key, &context).unwrap();
        let seen: RoaringBitmap = [2, 5].into_iter().collect();
        match program.clone().resolve(std::slice::from_ref(&seen), 9) {
            Rest::Text { candidates, .. } => assert_eq!(candidates, seen),
            rest => panic!("{rest:?}"),
        }
        match Program::new(&body(), &context).unwrap().among(seen.clone()).resolve(&[], 9) {
            Rest::Text { candidates, .. } => assert_eq!(candidates, seen),
            rest => panic!("{rest:?}"),
        }
        let everything = program.clone().among(seen.clone()).reach(9);
        assert_eq!(everything, 2..6);
        assert_eq!(program.resolve(&[RoaringBitmap::new()], 9), Rest::Found(RoaringBitmap::new()));
    }
}
