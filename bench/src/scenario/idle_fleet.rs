//! `idle-fleet`: many connections in IDLE, then a delivery to each account: memory for each connection, and how soon all
//! of them are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::row::Row;
use super::{Context, Scenario, append, tokens};
use crate::client::{Error, Result, parse};
use crate::clock;
use crate::load::operation::{AnyOk, Command, Io, Job, Note, Operation, Source, Step};
use crate::load::{self, Pattern, Watch};

pub struct IdleFleet;

impl Scenario for IdleFleet {
    fn name(&self) -> &'static str {
        "idle-fleet"
    }

    fn lacks(&self, cx: &Context) -> Option<String> {
        if cx.server.about.accounts < 2 {
            return Some("a second account".to_owned());
        }
        cx.without(&["IDLE"])
    }

    fn run(&self, cx: &Context) -> Result<Vec<Row>> {
        let accounts = cx.plan.fleet_accounts.min(cx.server.about.accounts - 1).max(1);
        let usage = || cx.server.processes().and_then(|p| p.usage());
        // Whatever one connection makes the server set up is there before.
        for account in 1..=accounts {
            cx.selected(account, "INBOX")?;
        }
        settle(cx);
        let before = usage();
        let connections = cx.connections(cx.plan.fleet, |n| cx.selected(1 + n % accounts, "INBOX"))?;
        let shared = Arc::new(Shared {
            idling: AtomicUsize::new(0),
            sent: (0..accounts).map(|_| AtomicU64::new(0)).collect(),
        });
        let idle: Vec<Box<dyn Source>> =
            (0..cx.plan.threads).map(|_| idle_source(shared.clone(), cx.plan.fleet)).collect();
        let seconds = accounts as f64 / cx.plan.fleet_rate.max(1.0);
        let wait = Duration::from_secs_f64(seconds) + cx.plan.timeout();
        let mut fleet = cx.load(Pattern::Closed, wait.as_secs_f64());
        fleet.warmup = Duration::ZERO;
        fleet.timeout = wait;
        fleet.depth = 1;
        let classes = ["IDLE".to_owned(), "notification".to_owned()];
        let quiet = Watch::default();
        let count = connections.len();
        let (ran, delivered) = std::thread::scope(|scope| {
            let idling = scope.spawn(|| load::run(&fleet, connections, idle, &classes, &quiet));
            let delivered = deliver(cx, &shared, count, &idling, accounts, &usage);
            if delivered.is_err() {
                quiet.stop.store(true, SeqCst);
            }
            let panicked = |_| Err(Error::Protocol("the idling thread panicked".into()));
            (idling.join().unwrap_or_else(panicked), delivered)
        });
        let (run, (after, mut deliveries)) = (ran?, delivered?);
        let label = format!("{count} connections, {accounts} accounts");
        let mut row = Row::of("idle-fleet", label, Pattern::Closed, "notifications", run);
        // The time of an IDLE itself says nothing.
        let failed = row.recorder.classes[0].clone();
        let told = &mut row.recorder.classes[1];
        (told.wrong, told.refused, told.late) = (failed.wrong, failed.refused, failed.late);
        told.examples = failed.examples;
        row.recorder.classes.remove(0);
        row.recorder.intervals.clear();
        if let Some((before, after)) = before.zip(after) {
            let each = |after: u64, before: u64| after.saturating_sub(before) as f64 / count.max(1) as f64;
            row.figure("RSS for each connection", each(after.rss, before.rss), "octets");
            row.figure("PSS for each connection", each(after.pss, before.pss), "octets");
            row.server = Some(after);
        }
        deliveries.label = "deliveries to the fleet".to_owned();
        Ok(vec![row, deliveries])
    }
}

struct Shared {
    /// Connections that the server has let into IDLE.
    idling: AtomicUsize,
    /// When the delivery to each account was sent, nanoseconds; 0 before.
    sent: Vec<AtomicU64>,
}

fn settle(cx: &Context) {
    clock::pause(Duration::from_secs_f64(cx.plan.fleet_settle));
}

type Idling<'s> = std::thread::ScopedJoinHandle<'s, Result<load::Run>>;

/// Waits until all idle, looks at the memory, then sends one message to each account at a fixed rate.
fn deliver(
    cx: &Context,
    shared: &Arc<Shared>,
    count: usize,
    idling: &Idling<'_>,
    accounts: usize,
    usage: &dyn Fn() -> Option<crate::process::Usage>,
) -> Result<(Option<crate::process::Usage>, Row)> {
    let until = clock::now() + clock::nanos(cx.plan.timeout());
    while shared.idling.load(SeqCst) < count {
        if idling.is_finished() || clock::now() > until {
            return Err(Error::Protocol(format!(
                "{} of {count} connections were let into IDLE",
                shared.idling.load(SeqCst)
            )));
        }
        clock::pause(Duration::from_millis(10));
    }
    settle(cx);
    let after = usage();
    // One connection for each account, so that each delivery is by its owner.
    let connections = cx.connections(accounts, |n| cx.session(1 + n))?;
    let plus = cx.can("LITERAL+");
    let sent = shared.clone();
    let mut done: Vec<bool> = vec![false; accounts];
    let source: Box<dyn Source> = Box::new(move |connection: usize| {
        if std::mem::replace(&mut done[connection], true) {
            return None;
        }
        let pieces = append::pieces("INBOX", "()", &tokens::message(&tokens::unique()), plus);
        let append = Command::pieces(pieces, AnyOk(1));
        Some(Job {
            class: 0,
            operation: Box::new(Delivery { append, account: connection, shared: sent.clone() }),
        })
    });
    let mut load = cx.load(Pattern::Fixed { rate: cx.plan.fleet_rate }, cx.plan.timeout);
    load.warmup = Duration::ZERO;
    load.threads = 1;
    let (row, _) = cx.measure(
        "idle-fleet",
        String::new(),
        "messages",
        &load,
        connections,
        vec![source],
        &["APPEND".to_owned()],
    )?;
    Ok((after, row))
}

/// An APPEND that notes when it was sent.
struct Delivery {
    append: Command<AnyOk>,
    account: usize,
    shared: Arc<Shared>,
}

impl Operation for Delivery {
    fn start(&mut self, tag: u32, io: &mut Io<'_>) {
        self.shared.sent[self.account].store(io.now.max(1), SeqCst);
        self.append.start(tag, io);
    }
    fn line(&mut self, line: &[u8], io: &mut Io<'_>) -> Step {
        self.append.line(line, io)
    }
}

fn idle_source(shared: Arc<Shared>, count: usize) -> Box<dyn Source> {
    let mut started = vec![false; count];
    let mut left = count;
    Box::new(move |connection: usize| {
        if std::mem::replace(&mut started[connection], true) {
            return None;
        }
        left = left.checked_sub(1)?;
        let idle = Idle {
            shared: shared.clone(),
            account: connection % shared.sent.len(),
            tag: Vec::new(),
            told: false,
        };
        Some(Job { class: 0, operation: Box::new(idle) })
    })
}

/// IDLE until a message comes.
struct Idle {
    shared: Arc<Shared>,
    account: usize,
    tag: Vec<u8>,
    told: bool,
}

impl Operation for Idle {
    fn start(&mut self, tag: u32, io: &mut Io<'_>) {
        self.tag = load::operation::tag(tag);
        io.out.extend_from_slice(&self.tag);
        io.out.extend_from_slice(b"IDLE\r\n");
    }

    fn line(&mut self, line: &[u8], io: &mut Io<'_>) -> Step {
        if line.starts_with(b"+") {
            self.shared.idling.fetch_add(1, SeqCst);
            return Step::More;
        }
        if let Some(status) = line.strip_prefix(&self.tag[..]) {
            return match (status.starts_with(b"OK"), self.told) {
                (true, true) => Step::right(1),
                (true, false) => Step::wrong("IDLE ended without a notification".to_owned()),
                (false, _) => Step::refused(status),
            };
        }
        let sent = self.shared.sent[self.account].load(SeqCst);
        if let Some((_, b" EXISTS")) = line.strip_prefix(b"* ").and_then(parse::number)
            && !self.told
            && sent > 0
        {
            self.told = true;
            io.notes.push(Note { class: 1, nanos: io.now.saturating_sub(sent) });
            io.out.extend_from_slice(b"DONE\r\n");
        }
        Step::More
    }
}
