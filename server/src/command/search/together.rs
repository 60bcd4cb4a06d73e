//! One search in several mailboxes of an account (MULTISEARCH, `trawl search`).
//!
//! Small mailboxes are searched as one (`joined`) where the program means the same in all of them. In others keys on state are answered for
//! each by itself. What is left as a rule asks the same of texts in all of them, and texts are the account's: they are searched once, for
//! the messages of all mailboxes together. FUZZY, and state between texts where a message is in several mailboxes, is searched mailbox by
//! mailbox. What must hold: each mailbox has the answer that it has alone; a mailbox that is deleted meanwhile has none.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use roaring::RoaringBitmap;
use trawl_index::query::Node;
use trawl_store::types::MailboxId;

use super::fuzzy::Hits;
use super::plan::Rest;
use super::{Pace, breathe, find_patiently, joined, places, resolve_exactly, text};
use crate::limits::{SEARCH_JOINED_MESSAGES_MAX, SEARCH_MAILBOX_COST, SEARCH_WINDOW_MESSAGES};
use crate::mailbox::joined::{Joined, Part};
use crate::mailbox::message_numbers::{MessageNumbers, NO_MESSAGE};
use crate::observe::step::{How, Step};
use crate::response::status::{Refusal, RefusalKind};
use crate::session::{Authenticated, Cx, Selected};
use crate::wire::ast::SearchCommand;

/// What is known of a mailbox.
enum State {
    Done(Option<Hits>),
    /// Positions whose texts decide, and which group of mailboxes asks the same of them.
    Open {
        candidates: RoaringBitmap,
        numbers: Arc<MessageNumbers>,
        group: usize,
    },
}

impl State {
    fn is_in(&self, nth: usize) -> bool {
        matches!(self, State::Open { group, .. } if *group == nth)
    }

    fn how(&self, steps: &[Step]) -> How {
        match self {
            State::Open { .. } => How::Together,
            State::Done(None) => How::Gone,
            State::Done(Some(_)) if steps.iter().all(|step| matches!(step, Step::State { .. })) => How::State,
            State::Done(Some(_)) => How::Alone,
        }
    }
}

fn name_of(s: &Selected) -> String {
    s.look(|mailbox| mailbox.name().to_string()).unwrap_or_default()
}

/// Mailboxes that ask the same of texts.
struct Group {
    node: Node,
    /// The messages that are asked about.
    messages: RoaringBitmap,
}

/// A row of small mailboxes: the places that match, or whose texts decide, and which group asks.
struct Row {
    joined: Rc<Joined>,
    places: RoaringBitmap,
    group: Option<usize>,
    /// All of its messages are asked about, and not among those of the group yet.
    whole: bool,
}

/// What was found in some mailboxes of one account.
#[derive(Default)]
pub struct FoundIn {
    /// In the mailbox that the session has selected, if it was one of them; `None` inside: it is no more.
    pub own: Option<Option<Hits>>,
    /// In those that were opened one by one.
    pub opened: Vec<(Selected, Hits)>,
    /// In rows of small mailboxes: places.
    pub rows: Vec<(Rc<Joined>, RoaringBitmap)>,
    /// Messages of all that were searched.
    pub messages: u64,
}

impl FoundIn {
    /// How many matches there are.
    pub fn count(&self) -> u64 {
        let own = self.own.iter().flatten().map(|hits| hits.positions.len());
        let opened = self.opened.iter().map(|(_, hits)| hits.positions.len());
        own.chain(opened).chain(self.rows.iter().map(|(_, places)| places.len())).sum()
    }
}

/// The small mailboxes of a row in which something was found, with the runs of their positions.
#[derive(Default)]
pub struct RowHits {
    parts: Vec<(Rc<Part>, Range<usize>)>,
    runs: Vec<Range<u32>>,
}

impl RowHits {
    pub fn of(row: &Joined, places: &RoaringBitmap) -> RowHits {
        let mut hits = RowHits::default();
        row.each_run(places, |part, run| {
            let nth = hits.runs.len();
            hits.runs.push(run);
            match hits.parts.last_mut() {
                Some((last, runs)) if Rc::ptr_eq(last, part) => runs.end = nth + 1,
                _ => hits.parts.push((Rc::clone(part), nth..nth + 1)),
            }
        });
        hits
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Part, &[Range<u32>])> {
        self.parts.iter().map(|(part, runs)| (&**part, self.runs.get(runs.clone()).unwrap_or_default()))
    }
}

/// What is found in each of some mailboxes of one account, which are the `nth` of those that are searched; `own` is one of them as the
/// session has it selected.
pub async fn find(
    mut own: Option<&mut Selected>,
    auth: &Authenticated,
    (mailboxes, nth): (&[MailboxId], usize),
    cx: &Cx,
    command: &SearchCommand,
) -> Result<FoundIn, Refusal> {
    let (small, large) = split(own.as_deref(), auth, mailboxes, command)?;
    let (mut found, mut groups) = (FoundIn::default(), Vec::new());
    let mut opened = Vec::with_capacity(large.len());
    for mailbox in &large {
        breathe(cx).await?;
        // One that is no more is passed over.
        opened.extend(Selected::glimpse(auth, *mailbox));
    }
    let alone = small.is_empty() && opened.len() + usize::from(own.is_some()) == 1;
    let (mut rows, mut pace) = (Vec::new(), Pace::default());
    if !small.is_empty() {
        let begun = joined::begin(auth, cx, command, &small, nth).await?;
        for (row, rest) in begun.rows.iter().zip(begun.rest) {
            match begin_row(Rc::clone(row), rest, &mut groups) {
                Ok(row) => rows.push(row),
                // A message in several mailboxes, with state between texts: one by one.
                Err(row) => {
                    opened
                        .extend(row.parts().iter().filter_map(|part| Selected::glimpse(auth, part.mailbox)));
                }
            }
            pace.spend(cx, SEARCH_MAILBOX_COST + row.len() / 16).await?;
        }
        for (nth, group) in groups.iter_mut().enumerate() {
            let whole = || rows.iter().filter(|row| row.whole && row.group == Some(nth));
            if whole().count() == begun.rows.len() {
                group.messages |= begun.rows.messages();
            } else {
                whole().for_each(|row| group.messages |= row.joined.messages());
            }
        }
    }
    let mut states = Vec::with_capacity(opened.len() + 1);
    for s in own.as_deref_mut().into_iter().chain(&mut opened) {
        breathe(cx).await?;
        found.messages += u64::from(s.view.len());
        let (began, mark) = (cx.micros(), cx.observer.mark());
        let state = if alone {
            let hits = found_in(find_patiently(s, cx, command).await)?;
            states.push(State::Done(hits));
            break;
        } else {
            found_in(begin(s, cx, command, &mut groups).await)?.unwrap_or(State::Done(None))
        };
        cx.observer.tell(|| {
            let steps = cx.observer.since(mark);
            let us = cx.micros().saturating_sub(began);
            Step::Mailbox { name: name_of(s), how: state.how(&steps), us, steps }
        });
        states.push(state);
    }
    let mut matching = Vec::with_capacity(groups.len());
    for (nth, Group { node, messages }) in groups.into_iter().enumerate() {
        let (began, mark, count) = (cx.micros(), cx.observer.mark(), messages.len());
        matching.push(text::find_numbers(auth, cx, &node, messages).await?);
        cx.observer.tell(|| {
            let of_rows = rows.iter().filter(|row| row.group == Some(nth));
            let in_rows: usize = of_rows.map(|row| row.joined.parts().len()).sum();
            let others = states.iter().filter(|state| state.is_in(nth)).count();
            Step::Together {
                mailboxes: (in_rows + others) as u64,
                messages: count,
                us: cx.micros().saturating_sub(began),
                steps: cx.observer.since(mark),
            }
        });
    }
    for Row { joined, mut places, group, .. } in rows {
        found.messages += u64::from(joined.len());
        if let Some(messages) = group.and_then(|group| matching.get(group)) {
            places &= joined.places_of(messages);
            pace.spend(cx, SEARCH_MAILBOX_COST + joined.len() / 4).await?;
        }
        found.rows.push((joined, places));
    }
    let mut answers = Vec::with_capacity(states.len());
    for state in states {
        answers.push(match state {
            State::Done(hits) => hits,
            State::Open { candidates, numbers, group } => {
                let positions = at_which(cx, &numbers, candidates, &matching[group]).await?;
                Some(Hits { positions, tiers: Vec::new() })
            }
        });
    }
    let mut answers = answers.into_iter();
    found.own = own.and_then(|_| answers.next());
    found.opened = opened.into_iter().zip(answers).filter_map(|(s, hits)| Some((s, hits?))).collect();
    Ok(found)
}

/// Which mailboxes are searched as one, and which are opened; one that is no more is neither.
fn split(
    own: Option<&Selected>,
    auth: &Authenticated,
    mailboxes: &[MailboxId],
    command: &SearchCommand,
) -> Result<(Vec<MailboxId>, Vec<MailboxId>), Refusal> {
    let own = own.map(|own| own.mailbox);
    let is_joinable = joined::is_joinable(command);
    let (mut small, mut large) = (Vec::with_capacity(mailboxes.len()), Vec::new());
    auth.look(|account| {
        for id in mailboxes.iter().filter(|id| Some(**id) != own) {
            let Some(mailbox) = account.mailbox(*id) else { continue };
            let is_small = is_joinable && mailbox.counts().messages <= SEARCH_JOINED_MESSAGES_MAX;
            if is_small { small.push(*id) } else { large.push(*id) }
        }
    })?;
    // Rows stay what they are when mailboxes are made, which come behind the others.
    small.sort_unstable();
    if small.len() == 1 {
        large.append(&mut small);
    }
    Ok((small, large))
}

/// What is left to be asked in a row; `Err` if its mailboxes have to be searched one by one.
fn begin_row(joined: Rc<Joined>, rest: Rest, groups: &mut Vec<Group>) -> Result<Row, Rc<Joined>> {
    let (node, places) = match rest {
        Rest::Found(places) => return Ok(Row { joined, places, group: None, whole: false }),
        Rest::Text { node, candidates } => (node.without_outer_state(), candidates),
    };
    if places.len() == u64::from(joined.len()) && !node.has_state() {
        let nth = groups.iter().position(|group| group.node == node).unwrap_or_else(|| {
            groups.push(Group { node, messages: RoaringBitmap::new() });
            groups.len() - 1
        });
        return Ok(Row { joined, places, group: Some(nth), whole: true });
    }
    let (has_state, messages) = (node.has_state(), joined.messages_at(&places));
    if has_state && messages.len() < places.len() {
        return Err(joined);
    }
    let node = joined::of_messages(node, &joined, &places);
    for (nth, group) in groups.iter_mut().enumerate() {
        // State of a message is that of the mailbox that it is in, never of two.
        if has_state && !group.messages.is_disjoint(&messages) {
            continue;
        }
        if joined::merge(&mut group.node, &node) {
            group.messages |= &messages;
            return Ok(Row { joined, places, group: Some(nth), whole: false });
        }
    }
    groups.push(Group { node, messages });
    Ok(Row { joined, places, group: Some(groups.len() - 1), whole: false })
}

/// `None` for a mailbox that is no more.
fn found_in<T>(found: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match found {
        Err(refusal) if refusal.kind == RefusalKind::Bye => Ok(None),
        found => found.map(Some),
    }
}

async fn begin(
    s: &mut Selected,
    cx: &Cx,
    command: &SearchCommand,
    groups: &mut Vec<Group>,
) -> Result<State, Refusal> {
    if command.key.is_fuzzy() {
        return find_patiently(s, cx, command).await.map(|hits| State::Done(Some(hits)));
    }
    let (node, candidates) = match resolve_exactly(s, cx, command).await? {
        Rest::Found(positions) => return Ok(State::Done(Some(Hits { positions, tiers: Vec::new() }))),
        Rest::Text { node, candidates } => (node.without_outer_state(), candidates),
    };
    if node.has_state() {
        let positions = text::find(s, cx, &node, candidates).await?;
        return Ok(State::Done(Some(Hits { positions, tiers: Vec::new() })));
    }
    let numbers = places::numbers(s, cx).await?;
    let group = groups.iter().position(|group| group.node == node).unwrap_or_else(|| {
        groups.push(Group { node, messages: RoaringBitmap::new() });
        groups.len() - 1
    });
    add_messages(cx, &numbers, &candidates, &mut groups[group].messages).await?;
    Ok(State::Open { candidates, numbers, group })
}

/// Adds the messages at these positions.
async fn add_messages(
    cx: &Cx,
    numbers: &MessageNumbers,
    positions: &RoaringBitmap,
    messages: &mut RoaringBitmap,
) -> Result<(), Refusal> {
    for first in (0..numbers.len()).step_by(SEARCH_WINDOW_MESSAGES) {
        for (run, number) in numbers.runs(first..first.saturating_add(SEARCH_WINDOW_MESSAGES as u32)) {
            if number == NO_MESSAGE {
                continue;
            }
            if positions.contains_range(run.clone()) {
                messages.insert_range(number..number + (run.end - run.start));
            } else {
                messages.extend(positions.range(run.clone()).map(|position| number + (position - run.start)));
            }
        }
        if numbers.len() > SEARCH_WINDOW_MESSAGES as u32 {
            breathe(cx).await?;
        }
    }
    Ok(())
}

/// Those of some positions that have one of these messages.
async fn at_which(
    cx: &Cx,
    numbers: &MessageNumbers,
    mut positions: RoaringBitmap,
    messages: &RoaringBitmap,
) -> Result<RoaringBitmap, Refusal> {
    let mut others = RoaringBitmap::new();
    for first in (0..numbers.len()).step_by(SEARCH_WINDOW_MESSAGES) {
        let end = numbers.len().min(first.saturating_add(SEARCH_WINDOW_MESSAGES as u32));
        numbers.without(first..end, messages, &mut others);
        if end < numbers.len() {
            breathe(cx).await?;
        }
    }
    positions -= others;
    Ok(positions)
}
