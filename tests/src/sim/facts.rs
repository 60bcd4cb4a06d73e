//! What a client was told, and from which commit on it was true.
//!
//! A fact may stop being true by a later commit. So a fact does not ask that it holds after a crash, but that nothing
//! before the commit that made it true was lost: recovery must have come at least as far as that commit.

use std::collections::BTreeSet;

use super::state::AccountState;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    Row {
        uid_validity: u32,
        uid: u32,
    },
    Flags {
        uid_validity: u32,
        uid: u32,
        flags: BTreeSet<String>,
    },
    Gone {
        uid_validity: u32,
        uid: u32,
    },
    UidNext {
        uid_validity: u32,
        uid_next: u32,
    },
    /// A mailbox of this name, or one below it.
    Level(String),
    NoMailbox(String),
    Subscribed(String),
    NotSubscribed(String),
    /// An entry and its value, if it has one.
    Annotation(String, Option<String>),
}

impl Fact {
    pub fn holds(&self, state: &AccountState) -> bool {
        match self {
            Fact::Row { uid_validity, uid } => {
                state.by_validity(*uid_validity).is_some_and(|m| m.rows.contains_key(uid))
            }
            Fact::Flags { uid_validity, uid, flags } => state
                .by_validity(*uid_validity)
                .is_some_and(|m| m.rows.get(uid).is_some_and(|row| row.flags == *flags)),
            Fact::Gone { uid_validity, uid } => state
                .by_validity(*uid_validity)
                .is_none_or(|m| !m.rows.contains_key(uid) && m.uid_next > *uid),
            Fact::UidNext { uid_validity, uid_next } => {
                state.by_validity(*uid_validity).is_some_and(|m| m.uid_next == *uid_next)
            }
            Fact::Level(name) => {
                let below = format!("{name}/");
                state.mailboxes.keys().any(|known| known == name || known.starts_with(&below))
            }
            Fact::NoMailbox(name) => !state.mailboxes.contains_key(name),
            Fact::Subscribed(name) => state.subscriptions.contains(name),
            Fact::NotSubscribed(name) => !state.subscriptions.contains(name),
            Fact::Annotation(name, value) => {
                state.annotations.get(name).map(Vec::as_slice) == value.as_ref().map(|value| value.as_bytes())
            }
        }
    }
}

/// A fact, and when it was told.
#[derive(Clone, Debug)]
pub struct Told {
    pub fact: Fact,
    /// Crash points passed when the client had read it.
    pub point: u64,
    /// Commits applied when the command began.
    pub begun_at: usize,
    /// The command, for messages.
    pub command: String,
}

impl Told {
    /// Index of the first state, from the command's begin on, in which it is true; facts that a session's older view still
    /// shows may have been true before.
    pub fn true_from(&self, states: &[AccountState]) -> Option<usize> {
        (self.begun_at..states.len())
            .chain((0..self.begun_at).rev())
            .find(|&index| self.fact.holds(&states[index]))
    }
}
