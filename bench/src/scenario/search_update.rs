//! `search-update`: a message is appended that belongs to a result the client is kept up to date with (RFC 5267), on the same
//! connection; told by the end of a NOOP.

use super::ladder::Ladder;
use super::row::Row;
use super::{Context, Scenario, append, tokens};
use crate::client::Result;
use crate::client::parse::{self, quoted};
use crate::load::Connection;
use crate::load::operation::{Check, Command, Io, Job, Note, Operation, Outcome, Step, Verdict};

pub struct SearchUpdate;

const MAILBOX: &str = "update";
/// What every message of [`tokens::message`] matches.
const PROGRAM: &str = "UID SEARCH RETURN (UPDATE COUNT) UNSEEN BODY \"a short message, with the word\"";

impl Scenario for SearchUpdate {
    fn name(&self) -> &'static str {
        "search-update"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        if cx.server.about.accounts < 2 {
            return Some("a second account".to_owned());
        }
        cx.without(&["CONTEXT=SEARCH", "UIDPLUS"])
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let mut session = cx.session(append::ACCOUNT)?;
        session.recreate(MAILBOX)?;
        for letter in cx.letters.0.iter().take(cx.plan.scratch.min(500)) {
            session.append(MAILBOX, &[(letter.arguments.clone(), letter.bytes.clone())])?;
        }
        let plus = cx.can("LITERAL+");
        let connect = |n| {
            let mut session = cx.selected(append::ACCOUNT, MAILBOX)?;
            session.ok(PROGRAM.as_bytes())?;
            Ok(Connection::new(n, session))
        };
        let steps = Ladder {
            scenario: "search-update",
            what: "in the same mailbox".to_owned(),
            unit: "messages",
            classes: vec!["APPEND and update".to_owned(), "of it until ADDTO".to_owned()],
            rate_of: Some(0),
            connections: cx.plan.readers,
            loads: &cx.plan.loads,
            connect: &connect,
            source: &|| Box::new(move |_| Some(Job { class: 0, operation: Box::new(Update::new(plus)) })),
        };
        steps.climb(cx)
    }
}

/// APPEND, and NOOP if its update did not come with the answer.
struct Update {
    command: Command<Answered>,
    tag: u32,
    began: u64,
    /// The UID of the message, once it is known.
    uid: Option<u32>,
    added: Vec<u32>,
    told: bool,
}

impl Update {
    fn new(plus: bool) -> Update {
        let message = tokens::message(&tokens::unique());
        let command = Command::pieces(append::pieces(&quoted(MAILBOX), "()", &message, plus), Answered);
        Update { command, tag: 0, began: 0, uid: None, added: Vec::new(), told: false }
    }

    fn verdict(&self) -> Verdict {
        if self.uid.is_some_and(|uid| self.added.contains(&uid)) {
            return Verdict::Right;
        }
        Verdict::Wrong(format!("ADDTO told of {:?}, not of {:?}", self.added, self.uid))
    }
}

impl Operation for Update {
    fn start(&mut self, tag: u32, io: &mut Io<'_>) {
        (self.tag, self.began) = (tag, io.now);
        self.command.start(tag * 2, io);
    }

    fn line(&mut self, line: &[u8], io: &mut Io<'_>) -> Step {
        let added = added(line);
        if !added.is_empty() && !std::mem::replace(&mut self.told, true) {
            io.notes.push(Note { class: 1, nanos: io.now.saturating_sub(self.began) });
        }
        self.added.extend(added);
        let outcome = match self.command.line(line, io) {
            Step::Done(outcome) if outcome.verdict == Verdict::Right => outcome,
            step => return step,
        };
        let waited = self.uid.is_some();
        if !waited {
            let code = parse::code(line, "APPENDUID");
            self.uid = code.and_then(|code| code.rsplit(' ').next().and_then(|uid| uid.parse().ok()));
        }
        let verdict = self.verdict();
        if verdict == Verdict::Right || waited || self.uid.is_none() {
            return Step::Done(Outcome { verdict, ..outcome });
        }
        self.command = Command::new("NOOP", Answered);
        self.command.start(self.tag * 2 + 1, io);
        Step::More
    }
}

/// The UIDs that a response adds to the result.
fn added(line: &[u8]) -> Vec<u32> {
    let Some(rest) = line.strip_prefix(b"* ESEARCH ") else { return Vec::new() };
    let Some(at) = memchr::memmem::find(rest, b" ADDTO (0 ") else { return Vec::new() };
    parse::set(&rest[at + b" ADDTO (0 ".len()..], 100_000)
}

struct Answered;

impl Check for Answered {
    fn untagged(&mut self, _: &[u8]) {}
    fn done(&mut self, _: &[u8]) -> Outcome {
        Outcome { verdict: Verdict::Right, units: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_found_in_the_response() {
        assert_eq!(added(b"* ESEARCH (TAG \"a1\") UID ADDTO (0 4:6,9)"), [4, 5, 6, 9]);
        assert_eq!(added(b"* ESEARCH (TAG \"a1\") UID REMOVEFROM (0 4) ADDTO (0 7)"), [7]);
        assert!(added(b"* ESEARCH (TAG \"a1\") UID COUNT 3").is_empty());
        assert!(added(b"t1 OK ADDTO (0 7)").is_empty());
    }
}
