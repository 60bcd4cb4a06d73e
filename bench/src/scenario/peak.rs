//! `peak`: the commands of a day's busiest hour over many accounts, while one client imports and one searches a large
//! mailbox without pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use roaring::RoaringBitmap;

use super::fetch_body::{What, command};
use super::row::Row;
use super::{Context, Scenario, append, context, ladder::Ladder, search};
use crate::chance::{Chance, Purpose};
use crate::check::{Key, Query, Scope};
use crate::client::parse::{self, quoted};
use crate::client::{Error, Result};
use crate::load::operation::{AnyOk, Check, Command, Job, Operation, Outcome, Source, Verdict};
use crate::load::{self, Connection, Pattern, Watch};

pub struct Peak;

const MAILBOX: &str = "peak";

/// What a connection does next, in parts of a hundred, and why.
const MIX: [(u64, &str); 11] = [
    // Clients that poll, and keep connections alive.
    (12, "NOOP"),
    // Webmail and phones look at the folders they do not hold open.
    (12, "STATUS"),
    // A mailbox is opened.
    (7, "SELECT"),
    // Flags of everything: clients without CONDSTORE, after each SELECT.
    (10, "FETCH flags"),
    // The list of the newest messages.
    (14, "FETCH list"),
    // A message is read.
    (16, "FETCH body"),
    // Its beginning, for previews and phones.
    (7, "FETCH partial"),
    // Read, flagged.
    (9, "STORE"),
    // Sent mail, drafts.
    (4, "APPEND"),
    // What is unread.
    (6, "SEARCH UNSEEN"),
    // Somebody looks for something.
    (3, "SEARCH text"),
];

impl Scenario for Peak {
    fn name(&self) -> &'static str {
        "peak"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        (cx.server.about.accounts < 2).then(|| "a second account".to_owned())
    }

    fn queries(&self) -> Option<&'static str> {
        Some("word")
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let accounts = cx.plan.peak_accounts.min(cx.server.about.accounts - 1);
        let world = Arc::new(World {
            accounts: (1..=accounts).map(|n| fill(cx, n)).collect::<Result<_>>()?,
            survey: cx.survey.clone(),
            words: words(cx),
            letters: cx.letters.clone(),
            plus: cx.can("LITERAL+"),
        });
        // What was loaded a moment ago is no day's mail: indexes are complete here as well.
        cx.server.run(cx.server.about.commands.index.as_ref())?;
        let mut others =
            vec![Connection::new(0, cx.session(1)?), Connection::new(1, cx.selected(0, context::LOADED)?)];
        cx.session(1)?.recreate("import")?;
        let behind = background(cx);
        let quiet = Watch::default();
        let mut beside = cx.load(Pattern::Closed, 24.0 * 3600.0);
        beside.threads = 1;
        let seed = AtomicUsize::new(0);
        let classes =
            ["import".to_owned()].into_iter().chain(search::DECADES.map(str::to_owned)).collect::<Vec<_>>();
        let (rows, behind) = std::thread::scope(|scope| {
            let (beside, quiet, classes) = (&beside, &quiet, &classes);
            let others = std::mem::take(&mut others);
            let behind = scope.spawn(move || load::run(beside, others, vec![behind], classes, quiet));
            let source = || world.clone().source(cx.plan.seed + seed.fetch_add(1, Relaxed) as u64);
            let ladder = Ladder {
                scenario: "peak",
                what: format!("{accounts} accounts, {} connections", cx.plan.peak_connections),
                unit: "commands",
                classes: MIX.iter().map(|(_, name)| (*name).to_owned()).collect(),
                rate_of: None,
                connections: cx.plan.peak_connections,
                loads: &cx.plan.peak_loads,
                connect: &|n| Ok(Connection::new(n, cx.selected(1 + n % accounts, MAILBOX)?)),
                source: &source,
            };
            let rows = ladder.climb(cx);
            quiet.stop.store(true, Relaxed);
            let panicked = |_| Err(Error::Protocol("the thread beside panicked".into()));
            (rows, behind.join().unwrap_or_else(panicked))
        });
        let (mut rows, behind) = (rows?, behind?);
        let rate = |classes: &[crate::record::ClassRecord]| {
            classes.iter().map(|class| class.count()).sum::<u64>() as f64 / behind.seconds
        };
        if let Some(last) = rows.last_mut() {
            last.figure("imported beside", rate(&behind.recorder.classes[..1]), "messages/s");
            last.figure("searched beside", rate(&behind.recorder.classes[1..]), "queries/s");
        }
        Ok(rows)
    }
}

/// Connection 0 imports, connection 1 searches.
fn background(cx: &Context) -> Box<dyn Source> {
    let next = Arc::new(AtomicUsize::new(0));
    let plus = cx.can("LITERAL+");
    let letters = cx.letters.clone();
    let queries: Arc<[Query]> = cx.survey.queries.get("word").cloned().unwrap_or_default().into();
    let mut searches = search::source(queries, cx.loaded.clone(), plus, next.clone());
    Box::new(move |connection| {
        if connection == 1 {
            return searches.next(connection).map(|job| Job { class: job.class + 1, ..job });
        }
        let letter = letters.nth(next.fetch_add(1, Relaxed));
        let pieces = append::pieces(&quoted("import"), &letter.arguments, &letter.bytes, plus);
        Some(Job { class: 0, operation: Box::new(Command::pieces(pieces, AnyOk(1))) })
    })
}

/// The messages of one account: number in the mail and UID, ascending.
struct Account {
    messages: Vec<(usize, u32)>,
}

struct World {
    accounts: Vec<Account>,
    survey: Arc<crate::check::Survey>,
    words: Vec<Query>,
    letters: Arc<super::letters::Letters>,
    plus: bool,
}

/// The mailbox of an account with its part of the mail; one that is there from an earlier round is used as it is.
fn fill(cx: &Context, account: usize) -> Result<Account> {
    let count = cx.plan.peak_messages;
    let numbers: Vec<usize> = (0..count).map(|n| ((account - 1) * count + n) % cx.mail.count()).collect();
    let mut session = cx.session(account)?;
    let have = if cx.round == 0 { 0 } else { session.messages(MAILBOX).unwrap_or(0) as usize };
    if have < count {
        session.recreate(MAILBOX)?;
        let size = if session.can("MULTIAPPEND") { 25 } else { 1 };
        for chunk in numbers.chunks(size) {
            let letters = chunk
                .iter()
                .map(|n| cx.mail.letter(*n).map(|l| (crate::mail::append_arguments(&l), l.bytes)))
                .collect::<std::io::Result<Vec<_>>>()?;
            session.append(MAILBOX, &letters)?;
        }
    }
    session.ok(format!("SELECT {}", quoted(MAILBOX)).as_bytes())?;
    let uids = session.ok(b"UID SEARCH ALL")?.numbers(b"SEARCH");
    Ok(Account { messages: numbers.into_iter().zip(uids).collect() })
}

/// Queries of one needle, to be asked of small mailboxes.
fn words(cx: &Context) -> Vec<Query> {
    let all = cx.survey.queries.get("word").cloned().unwrap_or_default();
    all.into_iter().filter(|query| matches!(query.key, Key::Text(Scope::Body | Scope::Text, _))).collect()
}

impl World {
    fn source(self: Arc<World>, seed: u64) -> Box<dyn Source> {
        let mut chance = Chance::new(seed ^ 0x7065_616b, Purpose::Structure, 0);
        Box::new(move |connection| {
            let mut roll = chance.below(MIX.iter().map(|(part, _)| part).sum());
            let mut class = 0;
            while roll >= MIX[class].0 {
                roll -= MIX[class].0;
                class += 1;
            }
            let account = &self.accounts[connection % self.accounts.len()];
            Some(Job { class, operation: self.operation(MIX[class].1, account, &mut chance) })
        })
    }

    fn operation(&self, name: &str, account: &Account, chance: &mut Chance) -> Box<dyn Operation> {
        let (number, uid) = *chance.pick(&account.messages);
        let facts = self.survey.facts[number];
        let count = account.messages.len() as u32;
        let plain = |text: &str| Box::new(Command::new(text, AnyOk(1))) as Box<dyn Operation>;
        match name {
            "STATUS" => plain("STATUS INBOX (MESSAGES UNSEEN UIDNEXT)"),
            "SELECT" => plain("SELECT peak"),
            "FETCH flags" => {
                Box::new(Command::new("UID FETCH 1:* (FLAGS)", AtLeast { least: count, seen: 0 }))
            }
            "FETCH list" => {
                let first = account.messages[account.messages.len().saturating_sub(20)].1;
                let text = format!("UID FETCH {first}:{uid} (UID FLAGS RFC822.SIZE ENVELOPE)");
                Box::new(Command::new(text, AtLeast { least: 1, seen: 0 }))
            }
            "FETCH body" => Box::new(command(uid, What::Body, facts)),
            "FETCH partial" => Box::new(command(uid, What::Partial, facts)),
            "STORE" => {
                let sign = if chance.permille(500) { '+' } else { '-' };
                plain(&format!("UID STORE {uid} {sign}FLAGS (\\Seen)"))
            }
            "APPEND" => {
                let letter = self.letters.nth(chance.draw() as usize);
                let pieces = append::pieces(MAILBOX, &letter.arguments, &letter.bytes, self.plus);
                Box::new(Command::pieces(pieces, AnyOk(1)))
            }
            "SEARCH UNSEEN" => plain("UID SEARCH UNSEEN"),
            "SEARCH text" if !self.words.is_empty() => {
                let query = chance.pick(&self.words).clone();
                let known = account.messages.iter().map(|(number, uid)| (*number as u32, *uid)).collect();
                let pieces = query.key.pieces(self.plus);
                Box::new(Command::pieces(pieces, Part { query, known, uids: RoaringBitmap::new() }))
            }
            _ => plain("NOOP"),
        }
    }
}

/// So many FETCH lines or more: messages are appended meanwhile.
struct AtLeast {
    least: u32,
    seen: u32,
}

impl Check for AtLeast {
    fn untagged(&mut self, line: &[u8]) {
        self.seen += u32::from(parse::fetch(line).is_some());
    }
    fn done(&mut self, _: &[u8]) -> Outcome {
        let verdict = if self.seen >= self.least {
            Verdict::Right
        } else {
            Verdict::Wrong(format!("{} messages of at least {}", self.seen, self.least))
        };
        Outcome { verdict, units: 1 }
    }
}

/// The answer of a query among the messages of one account that are known; there may be others.
struct Part {
    query: Query,
    known: Vec<(u32, u32)>,
    uids: RoaringBitmap,
}

impl Check for Part {
    fn untagged(&mut self, line: &[u8]) {
        if let Some(rest) = line.strip_prefix(b"SEARCH") {
            let mut uids = Vec::new();
            parse::numbers(rest, &mut uids);
            self.uids.extend(uids);
        }
    }
    fn done(&mut self, _: &[u8]) -> Outcome {
        let answer = &self.query.answer;
        let wrong = self.known.iter().find(|(number, uid)| {
            let found = self.uids.contains(*uid);
            (answer.must.contains(*number) && !found) || (found && !answer.may.contains(*number))
        });
        let verdict = match wrong {
            None => Verdict::Right,
            Some((_, uid)) => Verdict::Wrong(format!("UID {uid}: {}", self.query.shown())),
        };
        Outcome { verdict, units: 1 }
    }
}
