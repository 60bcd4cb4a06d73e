//! One search in several mailboxes of an account (MULTISEARCH, `trawl search`).
//!
//! Keys on state are answered for each mailbox by itself. What is left as a rule asks the same of texts in all of them, and texts are the
//! account's: they are searched once, for the messages of all mailboxes together. Where state stands between texts, or FUZZY, each mailbox
//! is searched on its own. What must hold: each mailbox has the answer that it has alone; a mailbox that is deleted meanwhile has none.

use std::sync::Arc;

use roaring::RoaringBitmap;
use trawl_index::query::Node;

use super::fuzzy::Hits;
use super::plan::Rest;
use super::{breathe, find_patiently, places, resolve_exactly, text};
use crate::limits::SEARCH_WINDOW_MESSAGES;
use crate::mailbox::message_numbers::{MessageNumbers, NO_MESSAGE};
use crate::observe::step::{How, Step};
use crate::response::status::{Refusal, RefusalKind};
use crate::session::{Cx, Selected};
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

/// What is found in each of some mailboxes of one account; `None` for one that is no more.
pub async fn find_each(
    mailboxes: &mut [&mut Selected],
    cx: &Cx,
    command: &SearchCommand,
) -> Result<Vec<Option<Hits>>, Refusal> {
    if let [s] = mailboxes {
        return Ok(vec![found_in(find_patiently(s, cx, command).await)?]);
    }
    let (mut states, mut groups) = (Vec::with_capacity(mailboxes.len()), Vec::new());
    for s in mailboxes.iter_mut() {
        breathe(cx).await?;
        let (began, mark) = (cx.micros(), cx.observer.mark());
        let state = found_in(begin(s, cx, command, &mut groups).await)?.unwrap_or(State::Done(None));
        cx.observer.tell(|| {
            let steps = cx.observer.since(mark);
            let us = cx.micros().saturating_sub(began);
            Step::Mailbox { name: name_of(s), how: state.how(&steps), us, steps }
        });
        states.push(state);
    }
    let Some(auth) = mailboxes.first().map(|s| &s.auth) else { return Ok(Vec::new()) };
    let mut found = Vec::with_capacity(groups.len());
    for (nth, Group { node, messages }) in groups.into_iter().enumerate() {
        let (began, mark, count) = (cx.micros(), cx.observer.mark(), messages.len());
        found.push(text::find_numbers(auth, cx, &node, messages).await?);
        cx.observer.tell(|| Step::Together {
            mailboxes: states.iter().filter(|state| state.is_in(nth)).count() as u64,
            messages: count,
            us: cx.micros().saturating_sub(began),
            steps: cx.observer.since(mark),
        });
    }
    let mut answers = Vec::with_capacity(states.len());
    for state in states {
        answers.push(match state {
            State::Done(hits) => hits,
            State::Open { candidates, numbers, group } => {
                let positions = at_which(cx, &numbers, candidates, &found[group]).await?;
                Some(Hits { positions, tiers: Vec::new() })
            }
        });
    }
    Ok(answers)
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
