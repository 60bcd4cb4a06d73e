//! The driver: threads with an event loop each, which send operations when they are due, judge the answers and record
//! the times.

pub mod operation;
pub mod saturation;
pub mod schedule;
pub mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use crate::client::reader::Reader;
use crate::client::transport::Transport;
use crate::client::{Result, Session};
use crate::clock::{self, nanos};
use crate::record::Recorder;
use operation::Source;
pub use saturation::Driver;
pub use schedule::Pattern;

/// One stretch of load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub pattern: Pattern,
    /// Operations under way on one connection at a time.
    pub depth: usize,
    /// Sent and checked, not recorded.
    pub warmup: Duration,
    /// Of sending, after the warm-up.
    pub time: Duration,
    /// A closed loop goes on beyond `time`, until so many operations are measured or this time is over: one that is slow
    /// would say nothing else.
    pub least: u64,
    pub time_max: Duration,
    /// An answer that takes longer is late, and its connection is given up. Also how long is waited after the end.
    pub timeout: Duration,
    pub threads: usize,
    pub seed: u64,
}

/// Seen from other threads while a run goes on.
#[derive(Default)]
pub struct Watch {
    /// Answered operations.
    pub done: AtomicU64,
    /// Those that were not right.
    pub failed: AtomicU64,
    /// Raised to end the run early.
    pub stop: AtomicBool,
}

/// A connection for the driver, and its number among all of the run.
pub struct Connection {
    pub number: usize,
    pub transport: Transport,
    pub reader: Reader,
}

impl Connection {
    pub fn new(number: usize, session: Session) -> Connection {
        let (transport, reader) = session.into_parts();
        Connection { number, transport, reader }
    }
}

/// What came out of one stretch of load.
pub struct Run {
    pub recorder: Recorder,
    /// Of the measured part: from the end of the warm-up to the last answer to something that was due in time.
    pub seconds: f64,
    /// Octets received and sent in that part, over all connections.
    pub received: u64,
    pub sent: u64,
    pub driver: Driver,
    /// The connections that still work, for reuse.
    pub connections: Vec<Connection>,
}

/// Drives `connections` with operations of `sources` (one for each thread; more threads than connections are not started).
/// Ends when the time is over or the sources are exhausted, and everything that was sent is answered or late.
pub fn run(
    load: &Load,
    connections: Vec<Connection>,
    mut sources: Vec<Box<dyn Source>>,
    classes: &[String],
    watch: &Watch,
) -> Result<Run> {
    let threads = load.threads.min(connections.len()).min(sources.len()).max(1);
    sources.truncate(threads);
    let mut parts: Vec<Vec<Connection>> = (0..threads).map(|_| Vec::new()).collect();
    for (n, connection) in connections.into_iter().enumerate() {
        connection.transport.set_nonblocking(true)?;
        parts[n % threads].push(connection);
    }
    let start = clock::now() + 1_000_000;
    let from = start + nanos(load.warmup);
    let until = from + nanos(load.time);
    let latest = if load.pattern.is_open() { until } else { from + nanos(load.time_max.max(load.time)) };
    let setup = worker::Setup { load: *load, start, from, until, latest, threads };
    let machine = saturation::Machine::now();
    let results: Vec<Result<worker::Worked>> = std::thread::scope(|scope| {
        let handles: Vec<_> = parts
            .into_iter()
            .zip(sources)
            .enumerate()
            .map(|(n, (part, source))| {
                let setup = &setup;
                scope.spawn(move || worker::Worker::new(setup, n, part, source, classes, watch)?.work())
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| {
                handle.join().unwrap_or_else(|_| {
                    Err(crate::client::Error::Protocol("a driver thread panicked".into()))
                })
            })
            .collect()
    });
    let mut recorder = Recorder::new(classes, from);
    let (mut connections, mut driver, mut last) = (Vec::new(), Driver::default(), from);
    let (mut received, mut sent) = (0, 0);
    for result in results {
        let worked = result?;
        recorder.merge(&worked.recorder);
        driver.add(&worked.usage);
        connections.extend(worked.connections);
        last = last.max(worked.last);
        received += worked.received;
        sent += worked.sent;
    }
    connections.sort_by_key(|c| c.number);
    for connection in &connections {
        connection.transport.set_nonblocking(false)?;
    }
    driver.finish(&recorder, &machine);
    // A run that ended before its warm-up did has no measured part.
    let seconds = (last.saturating_sub(from) as f64 / 1e9).max(1e-9);
    Ok(Run { recorder, seconds, received, sent, driver, connections })
}
