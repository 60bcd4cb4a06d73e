//! `append`: APPEND of one message at a time, from one connection and from many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::letters::Letters;
use super::row::Row;
use super::{Context, Scenario, ladder, ladder::Ladder};
use crate::client::parse::{self, quoted};
use crate::client::{Result, Session};
use crate::load::Connection;
use crate::load::operation::{AnyOk, Command, Job, Source};

pub struct Append;

/// The account that is written to; account 0 holds the loaded mail.
pub const ACCOUNT: usize = 1;
/// Messages read back.
const SAMPLES: usize = 20;

impl Scenario for Append {
    fn name(&self) -> &'static str {
        "append"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        (cx.server.about.accounts < 2).then(|| "a second account".to_owned())
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for &connections in &cx.plan.connections {
            let mailbox = format!("append{connections}");
            cx.session(ACCOUNT)?.recreate(&mailbox)?;
            let plus = cx.can("LITERAL+");
            let next = Arc::new(AtomicUsize::new(0));
            let source = || source(cx.letters.clone(), &mailbox, plus, next.clone());
            let steps = Ladder {
                scenario: "append",
                what: ladder::connections(connections),
                unit: "messages",
                classes: vec!["append".to_owned()],
                rate_of: None,
                connections,
                loads: &cx.plan.loads,
                connect: &|n| Ok(Connection::new(n, cx.session(ACCOUNT)?)),
                source: &source,
            };
            let mut climbed = steps.climb(cx)?;
            if let Some(last) = climbed.last_mut() {
                let sent = next.load(Relaxed) as u64;
                stored(cx.selected(ACCOUNT, &mailbox)?, &mailbox, sent, &cx.letters, last)?;
            }
            rows.extend(climbed);
        }
        Ok(rows)
    }
}

fn source(letters: Arc<Letters>, mailbox: &str, plus: bool, next: Arc<AtomicUsize>) -> Box<dyn Source> {
    let mailbox = quoted(mailbox);
    Box::new(move |_| {
        let letter = letters.nth(next.fetch_add(1, Relaxed));
        let operation =
            Box::new(Command::pieces(pieces(&mailbox, &letter.arguments, &letter.bytes, plus), AnyOk(1)));
        Some(Job { class: 0, operation })
    })
}

/// An APPEND; `mailbox` is quoted already.
pub fn pieces(mailbox: &str, arguments: &str, message: &[u8], plus: bool) -> Vec<Vec<u8>> {
    let sign = if plus { "+" } else { "" };
    let mut head = format!("APPEND {mailbox} {arguments} {{{}{sign}}}\r\n", message.len()).into_bytes();
    if plus {
        head.extend_from_slice(message);
        return vec![head];
    }
    vec![head, message.to_vec()]
}

/// Everything that was sent was acknowledged or counted as failed; so the mailbox holds all that was sent, but for failures.
fn stored(mut session: Session, mailbox: &str, sent: u64, letters: &Letters, row: &mut Row) -> Result<()> {
    let failed: u64 = row.recorder.classes.iter().map(|class| class.failed()).sum();
    let have = u64::from(session.messages(mailbox)?);
    if have > sent || have + failed < sent {
        row.wrong(format!("{sent} messages were sent, {failed} failed, STATUS says {have}"));
    }
    for n in 0..SAMPLES.min(have as usize) {
        let number = 1 + n as u64 * have / SAMPLES as u64;
        let answer = session.ok(format!("FETCH {number} (BODY.PEEK[])").as_bytes())?;
        let right = answer
            .untagged
            .iter()
            .find_map(|line| parse::string(line, b"BODY[]"))
            .is_some_and(|body| letters.has(crc32fast::hash(body)));
        if !right {
            row.wrong(format!("message {number} of {mailbox} is none that was sent"));
        }
    }
    Ok(())
}
