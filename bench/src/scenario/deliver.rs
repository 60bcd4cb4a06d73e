//! `deliver`: LMTP (RFC 2033), one message and one recipient at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::letters::Letters;
use super::row::Row;
use super::{Context, Scenario, ladder, ladder::Ladder};
use crate::client::{Endpoint, Error, Result, Session, shown};
use crate::load::Connection;
use crate::load::operation::{Io, Job, Operation, Source, Step};

pub struct Deliver;

/// Accounts that are delivered to, from 1 on.
const ACCOUNTS_MAX: usize = 50;

impl Scenario for Deliver {
    fn name(&self) -> &'static str {
        "deliver"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        if cx.server.lmtp.is_none() {
            return Some("LMTP".to_owned());
        }
        (cx.server.about.accounts < 2).then(|| "a second account".to_owned())
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let Some(lmtp) = &cx.server.lmtp else { return Ok(Vec::new()) };
        let accounts = ACCOUNTS_MAX.min(cx.server.about.accounts - 1);
        let recipients: Arc<Vec<String>> = Arc::new((1..=accounts).map(|n| cx.server.recipient(n)).collect());
        let count = || -> Result<u64> {
            (1..=accounts).map(|n| Ok(u64::from(cx.session(n)?.messages("INBOX")?))).sum()
        };
        let mut rows = Vec::new();
        for &connections in &cx.plan.connections {
            let before = count()?;
            let next = Arc::new(AtomicUsize::new(0));
            let source = || source(cx.letters.clone(), recipients.clone(), next.clone());
            let steps = Ladder {
                scenario: "deliver",
                what: ladder::connections(connections),
                unit: "messages",
                classes: vec!["deliver".to_owned()],
                rate_of: None,
                connections,
                loads: &cx.plan.loads,
                connect: &|n| Ok(Connection::new(n, hello(lmtp)?)),
                source: &source,
            };
            let mut climbed = steps.climb(cx)?;
            let sent = next.load(Relaxed) as u64;
            let failed: u64 =
                climbed.iter().flat_map(|row| &row.recorder.classes).map(|class| class.failed()).sum();
            let have = count()?.saturating_sub(before);
            if let Some(last) = climbed.last_mut()
                && (have > sent || have + failed < sent)
            {
                last.wrong(format!(
                    "{sent} messages were sent, {failed} failed, the mailboxes have {have} more"
                ));
            }
            rows.extend(climbed);
        }
        Ok(rows)
    }
}

/// A connection that has said LHLO.
pub fn hello(to: &Endpoint) -> Result<Session> {
    let mut session = Session::connect(to)?;
    session.send(b"LHLO bench.example\r\n")?;
    loop {
        let line = session.line()?;
        if line.starts_with(b"250 ") {
            return Ok(session);
        }
        if !line.starts_with(b"250-") {
            return Err(Error::Refused { sent: "LHLO".into(), answer: shown(&line, 200) });
        }
    }
}

fn source(letters: Arc<Letters>, recipients: Arc<Vec<String>>, next: Arc<AtomicUsize>) -> Box<dyn Source> {
    Box::new(move |_| {
        let n = next.fetch_add(1, Relaxed);
        let data = stuffed(&letters.nth(n).bytes);
        let operation = Delivery { recipient: recipients[n % recipients.len()].clone(), data, stage: 0 };
        Some(Job { class: 0, operation: Box::new(operation) })
    })
}

/// With dots doubled at the start of lines, and the line with one dot at the end (RFC 5321 4.5.2).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// MAIL, RCPT, DATA in one packet, then the message. LMTP servers have to know PIPELINING (RFC 2033 5).
pub struct Delivery {
    pub recipient: String,
    pub data: Vec<u8>,
    /// Replies seen.
    pub stage: u8,
}

impl Operation for Delivery {
    fn start(&mut self, _: u32, io: &mut Io<'_>) {
        let head = format!("MAIL FROM:<bench@bench.example>\r\nRCPT TO:<{}>\r\nDATA\r\n", self.recipient);
        io.out.extend_from_slice(head.as_bytes());
    }

    fn line(&mut self, line: &[u8], io: &mut Io<'_>) -> Step {
        if line.get(3) == Some(&b'-') {
            return Step::More;
        }
        self.stage += 1;
        match (self.stage, line.first()) {
            (1 | 2, Some(b'2')) => Step::More,
            (3, Some(b'3')) => {
                io.out.append(&mut self.data);
                Step::More
            }
            (4, Some(b'2')) => Step::right(1),
            _ => Step::refused(line),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn dots() {
        assert_eq!(super::stuffed(b"a\r\n.b\r\n..\r\nc"), b"a\r\n..b\r\n...\r\nc\r\n.\r\n");
    }
}
