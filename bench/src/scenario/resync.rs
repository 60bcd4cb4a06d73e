//! `resync`: a client comes back to a mailbox of which one message in a thousand changed (RFC 7162 QRESYNC).

use std::collections::BTreeSet;

use super::row::Row;
use super::{Context, Scenario, store::scratch};
use crate::chance::{Chance, Purpose};
use crate::client::parse::{self, quoted};
use crate::client::{Error, Result, Session};
use crate::clock;
use crate::load::operation::Verdict;

pub struct Resync;

const MAILBOX: &str = "resync";
/// One in so many changes.
const CHANGED: usize = 1000;
/// One of so many changes is an expunge.
const EXPUNGED: usize = 10;

impl Scenario for Resync {
    fn name(&self) -> &'static str {
        "resync"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        cx.without(&["QRESYNC"])
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let count = if cx.plan.resync == 0 { usize::MAX } else { cx.plan.resync };
        let mut uids = scratch(cx, MAILBOX, count)?;
        let mut changer = cx.selected(0, MAILBOX)?;
        let mut chance = Chance::new(cx.plan.seed ^ 0x7265_7379, Purpose::Structure, cx.round as u64);
        let class = "SELECT (QRESYNC ...)".to_owned();
        let mut row = Row::figures("resync", &format!("{} messages, 0.1 % changed", uids.len()), &[class]);
        row.unit = "times";
        let usage = || cx.server.processes().and_then(|p| p.usage());
        let before = usage();
        let began = clock::now();
        for turn in 0..cx.plan.repeats {
            let (validity, modseq) = state(cx)?;
            let (mut flagged, mut gone) = (BTreeSet::new(), BTreeSet::new());
            for n in 0..(uids.len() / CHANGED).max(2) {
                let uid = uids[chance.below(uids.len() as u64) as usize];
                if n % EXPUNGED == 1 {
                    gone.insert(uid);
                } else {
                    flagged.insert(uid);
                }
            }
            flagged.retain(|uid| !gone.contains(uid));
            // A flag that no message has had before, so that each of these is a change.
            let keyword = format!("resync{}x{turn}", cx.round);
            let set = |uids: &BTreeSet<u32>| uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            if !flagged.is_empty() {
                changer.ok(format!("UID STORE {} +FLAGS.SILENT ({keyword})", set(&flagged)).as_bytes())?;
            }
            changer.ok(format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", set(&gone)).as_bytes())?;
            changer.ok(format!("UID EXPUNGE {}", set(&gone)).as_bytes())?;
            uids.retain(|uid| !gone.contains(uid));

            let mut client = cx.session(0)?;
            client.ok(b"ENABLE QRESYNC")?;
            let tag = client.next_tag();
            let command = format!("{tag} SELECT {} (QRESYNC ({validity} {modseq}))\r\n", quoted(MAILBOX));
            let (mut told, mut vanished) = (BTreeSet::new(), BTreeSet::new());
            let sent = clock::now();
            client.send(command.as_bytes())?;
            let status = client.until(&tag, |line| understand(line, &mut told, &mut vanished))?;
            let now = clock::now();
            let verdict = if !status.starts_with(b"OK") {
                Verdict::Refused(crate::client::shown(&status, 200))
            } else if told != flagged || vanished != gone {
                let (changed, expunged) = (flagged.len(), gone.len());
                Verdict::Wrong(format!(
                    "{} changed and {} vanished were told; {changed} and {expunged} it was",
                    told.len(),
                    vanished.len()
                ))
            } else {
                Verdict::Right
            };
            row.recorder.operation(0, sent, sent, now, verdict, 1);
        }
        row.seconds = (clock::now() - began) as f64 / 1e9;
        row.server = before.zip(usage()).map(|(before, after)| after.since(&before));
        Ok(vec![row])
    }
}

/// UIDVALIDITY and HIGHESTMODSEQ.
fn state(cx: &Context) -> Result<(String, String)> {
    let mut session: Session = cx.session(0)?;
    let answer = session.ok(format!("SELECT {} (CONDSTORE)", quoted(MAILBOX)).as_bytes())?;
    let missing = || Error::Protocol("SELECT (CONDSTORE) without UIDVALIDITY and HIGHESTMODSEQ".into());
    let validity = answer.code("UIDVALIDITY").ok_or_else(missing)?;
    Ok((validity, answer.code("HIGHESTMODSEQ").ok_or_else(missing)?))
}

fn understand(line: &[u8], told: &mut BTreeSet<u32>, vanished: &mut BTreeSet<u32>) {
    if let Some((_, items)) = parse::fetch(line) {
        told.extend(parse::after(items, b"UID "));
    } else if let Some(set) = line.strip_prefix(b"VANISHED (EARLIER) ") {
        vanished.extend(parse::set(set, 10_000_000));
    }
}
