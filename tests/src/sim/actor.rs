//! A client of the workload as it stands: its connection, what it knows of its mailbox, and what it is told.
//!
//! What it does next is `workload`'s business.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use rand::rngs::SmallRng;

use super::client::{Client, Line};
use super::facts::{Fact, Told};
use super::world::World;

/// What the run knows of itself; shared by clients, observer and crash points.
#[derive(Default)]
pub struct Journal {
    pub told: RefCell<Vec<Told>>,
    /// Crash points passed.
    pub point: Cell<u64>,
    /// States seen so far (index of the newest + 1).
    pub states: Cell<usize>,
    /// How often each kind of command was answered OK.
    pub kinds: RefCell<BTreeMap<&'static str, u32>>,
    /// What was appended, by (UIDVALIDITY, UID).
    pub contents: RefCell<BTreeMap<(u32, u32), Vec<u8>>>,
}

pub(super) struct Selected {
    pub(super) uid_validity: u32,
    /// UIDs by sequence number, as far as they are known.
    pub(super) uids: Vec<Option<u32>>,
}

/// One client: logs in, sends `commands` commands, logs out now and then.
pub struct Actor {
    pub(super) world: World,
    pub(super) journal: Rc<Journal>,
    pub(super) random: SmallRng,
    pub(super) client: Client,
    pub(super) selected: Option<Selected>,
    pub(super) number: u64,
    pub(super) messages: u64,
    /// The latest lines in both directions, for messages.
    pub(super) history: std::collections::VecDeque<String>,
}

impl Actor {
    /// The server ended the session (its mailbox was deleted by another): connect again.
    pub(super) async fn again(&mut self) -> io::Result<()> {
        self.selected = None;
        self.client = self.world.connect().await;
        Box::pin(self.log_in()).await
    }

    pub(super) fn answered(&mut self, kind: &'static str, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line);
        let status = text.split_once(' ').map_or("", |(_, rest)| rest);
        assert!(!status.starts_with("BAD"), "session {}: {kind}: {text}: {:#?}", self.number, self.history);
        let ok = status.starts_with("OK");
        if ok {
            *self.journal.kinds.borrow_mut().entry(kind).or_default() += 1;
        }
        ok
    }

    pub(super) async fn command(
        &mut self,
        kind: &'static str,
        text: &str,
    ) -> io::Result<(bool, Vec<Line>, String)> {
        self.command_bytes(kind, text.as_bytes()).await
    }

    /// Sends a command and hears everything up to its tagged answer: (OK?, untagged lines, the tagged line).
    pub(super) async fn command_bytes(
        &mut self,
        kind: &'static str,
        text: &[u8],
    ) -> io::Result<(bool, Vec<Line>, String)> {
        let begun_at = self.journal.states.get();
        let tag = self.client.tag();
        let mut bytes = format!("{tag} ").into_bytes();
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(b"\r\n");
        self.remember(&bytes);
        self.client.send(&bytes).await?;
        let mut lines = Vec::new();
        loop {
            let line = match self.client.line().await {
                Ok(line) => line,
                Err(error)
                    if error.kind() == io::ErrorKind::UnexpectedEof
                        && lines.iter().any(|l: &Line| l.starts_with(b"* BYE")) =>
                {
                    self.again().await?;
                    return Ok((false, lines, String::new()));
                }
                Err(error) => return Err(error),
            };
            self.remember(&line);
            if line.starts_with(format!("{tag} ").as_bytes()) {
                let ok = self.answered(kind, &line);
                return Ok((ok, lines, String::from_utf8_lossy(&line).into_owned()));
            }
            self.hear(&line, begun_at, kind);
            lines.push(line);
        }
    }

    /// Takes an untagged response for what it says about messages.
    pub(super) fn hear(&mut self, line: &[u8], begun_at: usize, kind: &'static str) {
        let text = String::from_utf8_lossy(line).into_owned();
        if text.starts_with("* OK [CLOSED]") {
            // The session's own DELETE took its mailbox away.
            self.selected = None;
        }
        let mut words = text.split(' ').skip(1);
        let (Some(first), Some(what)) = (words.next(), words.next()) else { return };
        let Ok(number) = first.parse::<usize>() else { return };
        let Some(selected) = &mut self.selected else { return };
        let uid_validity = selected.uid_validity;
        match what {
            "EXISTS" => {
                assert!(number >= selected.uids.len(), "EXISTS must not shrink: {text}");
                selected.uids.resize(number, None);
            }
            "EXPUNGE" => {
                assert!((1..=selected.uids.len()).contains(&number), "EXPUNGE of what is not there: {text}");
                if let Some(uid) = selected.uids.remove(number - 1) {
                    self.tell_since(Fact::Gone { uid_validity, uid }, begun_at, kind);
                }
            }
            "FETCH" => {
                assert!((1..=selected.uids.len()).contains(&number), "FETCH of what is not there: {text}");
                let after = |word: &str| text.split_once(word).map(|(_, rest)| rest);
                if let Some(uid) = after("UID ") {
                    let uid: u32 = uid
                        .chars()
                        .take_while(char::is_ascii_digit)
                        .collect::<String>()
                        .parse()
                        .expect("a UID");
                    let known = &mut selected.uids[number - 1];
                    assert!(
                        known.is_none_or(|known| known == uid),
                        "message {number} was {known:?} and is {uid}"
                    );
                    *known = Some(uid);
                }
                let known = selected.uids[number - 1];
                if let (Some(uid), Some(flags)) =
                    (known, after("FLAGS (").and_then(|rest| rest.split_once(')')))
                {
                    let flags: BTreeSet<String> = flags
                        .0
                        .split(' ')
                        .filter(|f| !f.is_empty() && *f != "\\Recent")
                        .map(str::to_owned)
                        .collect();
                    self.tell_since(Fact::Flags { uid_validity, uid, flags }, begun_at, kind);
                }
            }
            _ => {}
        }
    }

    pub(super) fn remember(&mut self, line: &[u8]) {
        self.history.push_back(String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned());
        if self.history.len() > 12 {
            self.history.pop_front();
        }
    }

    pub(super) fn tell(&self, fact: Fact, command: &str) {
        self.tell_since(fact, self.journal.states.get().saturating_sub(1), command);
    }

    pub(super) fn tell_since(&self, fact: Fact, begun_at: usize, command: &str) {
        let told = Told {
            fact,
            point: self.journal.point.get(),
            begun_at: begun_at.saturating_sub(1),
            command: format!("session {}: {command}", self.number),
        };
        self.journal.told.borrow_mut().push(told);
    }
}
