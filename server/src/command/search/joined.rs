//! Many small mailboxes that are searched as one (`mailbox::joined`).
//!
//! A program that means the same in all of them is planned once for a row of mailboxes, and keys on state are evaluated over all of its
//! rows. What must hold: a mailbox is looked at in one step, so that nothing of it has to be kept readable; each message is found in the
//! mailboxes in which a search of that mailbox alone would find it.

use std::collections::HashMap;
use std::rc::Rc;

use roaring::RoaringBitmap;
use trawl_index::query::Node;
use trawl_store::types::{MailboxId, MessageNumber};

use super::fuzzy::relax::{Fuzz, Tier};
use super::plan::{Context, Program, Rest};
use super::state::{Evaluation, StateKey};
use super::{Pace, refused};
use crate::limits::{SEARCH_MAILBOX_COST, SEARCH_WINDOW_MESSAGES};
use crate::mailbox::joined::{Joined, Key, Rower, Rows};
use crate::observe::metrics::Phase;
use crate::observe::step::Step;
use crate::response::status::Refusal;
use crate::session::{Authenticated, Cx};
use crate::wire::ast::SearchCommand;

/// Whether a program means the same in all mailboxes, and nothing but which messages match is asked for.
pub fn is_joinable(command: &SearchCommand) -> bool {
    let scores = command.returns.is_some_and(|returns| returns.relevancy);
    !(scores || command.key.is_fuzzy() || command.key.is_by_mailbox())
}

/// What is left of a program in rows of mailboxes.
pub struct Begun {
    pub rows: Rc<Rows>,
    /// Of each row.
    pub rest: Vec<Rest>,
}

/// Answers the keys on state in some mailboxes, ascending; those that are no more are passed over. `nth` says which of the account's
/// mailboxes they are, for what is kept.
pub async fn begin(
    auth: &Authenticated,
    cx: &Cx,
    command: &SearchCommand,
    mailboxes: &[MailboxId],
    nth: usize,
) -> Result<Begun, Refusal> {
    let began = cx.micros();
    let program = compile(auth, cx, command)?;
    let key: Key = ((auth.account.shard, auth.id()), nth);
    let on_rows = of_state(&program, StateKey::is_on_row);
    let (mut rower, mut pace, mut made) = (Rower::new(cx.core.joined.get(key)), Pace::default(), 0);
    let mut state = Vec::new();
    let mut evaluation = on_rows.evaluation(0);
    let mut left = mailboxes;
    while !left.is_empty() || !rower.is_empty() {
        let mut cost = 0;
        auth.look(|account| {
            let Some(first) = left.first() else { return };
            let mut there = account.mailboxes_from(*first).peekable();
            while let Some((id, rest)) = left.split_first()
                && !rower.is_full()
                && cost < SEARCH_WINDOW_MESSAGES as u32
            {
                left = rest;
                while there.next_if(|mailbox| mailbox.id() < *id).is_some() {}
                let Some(mailbox) = there.next_if(|mailbox| mailbox.id() == *id) else { continue };
                let start = rower.len();
                let is_new = rower.push(mailbox);
                made += u64::from(is_new);
                let messages = rower.len() - start;
                cost += SEARCH_MAILBOX_COST + if is_new { messages } else { 0 };
                if !evaluation.is_empty() {
                    cost += messages;
                    evaluation.grow(rower.len());
                    mailbox.blocks(0, messages).for_each(|block| evaluation.block(start, &block, |_| None));
                }
            }
        })?;
        if rower.is_full() || left.is_empty() {
            rower.end();
            state.push(std::mem::replace(&mut evaluation, on_rows.evaluation(0)).finish());
        }
        pace.spend(cx, cost).await?;
    }
    let (rows, is_other) = rower.finish();
    if is_other {
        cx.core.joined.put(key, Rc::clone(&rows));
    }
    let of_messages = on_messages(auth, cx, &program, &rows, (&on_rows, &state), &mut pace).await?;
    let mut rest = Vec::with_capacity(rows.len());
    for (row, state) in rows.iter().zip(state) {
        let mut all = vec![RoaringBitmap::new(); program.state.len()];
        let known = on_rows.places.iter().copied().zip(state);
        let facts = of_messages.iter().map(|(key, messages)| (*key, row.places_of(messages)));
        known.chain(facts).for_each(|(key, places)| all[key] = places);
        rest.push(program.clone().resolve(&all, row.len()));
        pace.spend(cx, SEARCH_MAILBOX_COST + if of_messages.is_empty() { 0 } else { row.len() / 4 }).await?;
    }
    let us = cx.micros().saturating_sub(began);
    cx.took(Phase::State, us);
    cx.observer.tell(|| {
        let (mut left, mut text) = (0, false);
        for rest in &rest {
            left += match rest {
                Rest::Found(places) => places.len(),
                Rest::Text { candidates, .. } => {
                    text = true;
                    candidates.len()
                }
            };
        }
        let messages = rows.iter().map(|row| u64::from(row.len())).sum();
        let mailboxes = rows.iter().map(|row| row.parts().len() as u64).sum();
        Step::Joined { mailboxes, made, us, steps: vec![Step::State { messages, left, text, us }] }
    });
    Ok(Begun { rows, rest })
}

/// Some of the keys of a program.
struct Keys {
    keys: Vec<StateKey>,
    /// Where they are among all.
    places: Vec<usize>,
}

impl Keys {
    /// Of so many positions.
    fn evaluation(&self, positions: u32) -> Evaluation {
        Evaluation::new(self.keys.clone(), &[], positions)
    }
}

fn of_state(program: &Program, which: impl Fn(&StateKey) -> bool) -> Keys {
    let some = program.state.iter().enumerate().filter(|(_, key)| which(key));
    let (places, keys) = some.map(|(at, key)| (at, key.clone())).unzip();
    Keys { keys, places }
}

/// For each key on facts the messages that it finds: facts are the account's, and lie in the order of messages. Those are passed over
/// that other keys rule out.
async fn on_messages(
    auth: &Authenticated,
    cx: &Cx,
    program: &Program,
    rows: &Rows,
    (on_rows, state): (&Keys, &[Vec<RoaringBitmap>]),
    pace: &mut Pace,
) -> Result<Vec<(usize, RoaringBitmap)>, Refusal> {
    let on_facts = of_state(program, |key| !key.is_on_row());
    if on_facts.keys.is_empty() {
        return Ok(Vec::new());
    }
    let required = program.required();
    let required: Vec<usize> =
        (0..on_rows.places.len()).filter(|at| required.contains(&on_rows.places[*at])).collect();
    let mut asked = RoaringBitmap::new();
    for (row, state) in rows.iter().zip(state) {
        let open = required.iter().filter_map(|at| state.get(*at)).cloned().reduce(|open, more| open & more);
        if let Some(open) = open {
            asked |= row.messages_at(&open);
            pace.spend(cx, row.len() / 8).await?;
        }
    }
    let asked = if required.is_empty() { rows.messages() } else { &asked };
    let mut evaluation = on_facts.evaluation(asked.max().map_or(0, |last| last.saturating_add(1)));
    let window = SEARCH_WINDOW_MESSAGES as u32;
    let mut runs = asked.iter();
    let runs = std::iter::from_fn(|| runs.next_range()).flat_map(|run| {
        let end = run.end().saturating_add(1);
        run.step_by(SEARCH_WINDOW_MESSAGES).map(move |from| from..end.min(from.saturating_add(window)))
    });
    let mut runs = runs.peekable();
    while runs.peek().is_some() {
        let mut messages = 0;
        auth.look(|account| {
            while messages < window
                && let Some(run) = runs.next()
            {
                let facts = account.messages_from(MessageNumber(run.start));
                let facts = facts.map(|(message, facts)| (message.0, facts));
                evaluation.messages(facts.take_while(|(message, _)| *message < run.end));
                messages += run.end - run.start;
            }
        })?;
        pace.spend(cx, messages).await?;
    }
    Ok(on_facts.places.into_iter().zip(evaluation.finish()).collect())
}

fn compile(auth: &Authenticated, cx: &Cx, command: &SearchCommand) -> Result<Program, Refusal> {
    // Keys that would ask for these are looked at mailbox by mailbox.
    let context = Context {
        account: auth.id(),
        messages: 0,
        largest_uid: 0,
        saved: &RoaringBitmap::new,
        places: &|_| 0..0,
        recent: &RoaringBitmap::new,
        now: cx.core.clock.wall().0.div_euclid(1000),
        keyword: &|_| None,
        charset: command.charset.as_deref(),
        fuzz: Fuzz { tier: Tier::Exact, similar: &HashMap::new() },
        within: &|_| None,
    };
    Program::new(&command.key, &context).map_err(refused)
}

/// A program over messages instead of places, of these places only.
pub fn of_messages(node: Node, row: &Joined, places: &RoaringBitmap) -> Node {
    let all = |nodes: Vec<Node>| nodes.into_iter().map(|node| of_messages(node, row, places)).collect();
    match node {
        Node::State(here) => Node::State(row.messages_at(&(here & places))),
        Node::Not(node) => Node::Not(Box::new(of_messages(*node, row, places))),
        Node::And(nodes) => Node::And(all(nodes)),
        Node::Or(nodes) => Node::Or(all(nodes)),
        node => node,
    }
}

/// Takes a program about other messages into one about some, if they ask the same of texts.
pub fn merge(node: &mut Node, other: &Node) -> bool {
    if !alike(node, other) {
        return false;
    }
    unite(node, other);
    true
}

fn alike(node: &Node, other: &Node) -> bool {
    match (node, other) {
        (Node::State(_), Node::State(_)) => true,
        (Node::Not(node), Node::Not(other)) => alike(node, other),
        (Node::And(nodes), Node::And(others)) | (Node::Or(nodes), Node::Or(others)) => {
            nodes.len() == others.len() && nodes.iter().zip(others).all(|(node, other)| alike(node, other))
        }
        (node, other) => node == other,
    }
}

fn unite(node: &mut Node, other: &Node) {
    match (node, other) {
        (Node::State(messages), Node::State(others)) => *messages |= others,
        (Node::Not(node), Node::Not(other)) => unite(node, other),
        (Node::And(nodes), Node::And(others)) | (Node::Or(nodes), Node::Or(others)) => {
            nodes.iter_mut().zip(others).for_each(|(node, other)| unite(node, other));
        }
        _ => {}
    }
}
