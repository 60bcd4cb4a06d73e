//! What a scenario is given, and how it measures a stretch.

use std::sync::Arc;
use std::time::Duration;

use crate::check::Survey;
use crate::client::parse::quoted;
use crate::client::{Result, Session};
use crate::load::operation::Source;
use crate::load::{self, Connection, Load, Pattern, Watch};
use crate::mail::Mail;
use crate::plan::Plan;
use crate::process::disk::Disk;
use crate::server::Server;

use super::letters::Letters;
use super::row::Row;

/// The mailbox of account 0 that holds all of the mail, and which no scenario changes.
pub const LOADED: &str = "INBOX";

/// How loading went.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// UID of each message, ascending.
    pub uids: Vec<u32>,
    /// What the mail took on disk.
    pub disk: Option<Disk>,
    /// Whether the mailbox was there already, and `disk` is all of the data folder.
    pub found: bool,
    /// Seconds of loading, and of completing the index afterwards.
    pub seconds: f64,
    pub index_seconds: f64,
}

pub struct Context<'a> {
    pub server: &'a Server,
    pub survey: Arc<Survey>,
    pub mail: Arc<dyn Mail>,
    /// Messages for APPEND and LMTP.
    pub letters: Arc<Letters>,
    pub plan: &'a Plan,
    pub loaded: Arc<Loaded>,
    /// Of the logged-in state, upper case.
    pub capabilities: Vec<String>,
    pub watch: Arc<Watch>,
    pub round: usize,
}

impl Context<'_> {
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability)
    }

    /// What is missing of these capabilities.
    pub fn without(&self, capabilities: &[&str]) -> Option<String> {
        let missing: Vec<&str> = capabilities.iter().copied().filter(|c| !self.can(c)).collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    }

    pub fn session(&self, account: usize) -> Result<Session> {
        self.server.login(account)
    }

    /// Logged in, with a mailbox selected.
    pub fn selected(&self, account: usize, mailbox: &str) -> Result<Session> {
        let mut session = self.session(account)?;
        session.ok(format!("SELECT {}", quoted(mailbox)).as_bytes())?;
        Ok(session)
    }

    /// So many connections, each prepared by `make`.
    pub fn connections(
        &self,
        count: usize,
        mut make: impl FnMut(usize) -> Result<Session>,
    ) -> Result<Vec<Connection>> {
        (0..count).map(|n| Ok(Connection::new(n, make(n)?))).collect()
    }

    /// The load of a stretch of `seconds`.
    pub fn load(&self, pattern: Pattern, seconds: f64) -> Load {
        Load {
            pattern,
            depth: if pattern.is_open() { 1 } else { self.plan.depth },
            warmup: Duration::from_secs_f64(self.plan.warmup),
            time: Duration::from_secs_f64(seconds),
            least: self.plan.least,
            time_max: Duration::from_secs_f64(self.plan.time_max),
            timeout: self.plan.timeout(),
            threads: self.plan.threads,
            seed: self.plan.seed + self.round as u64,
        }
    }

    /// Open loops of this rate.
    pub fn open(&self, rate: f64) -> Pattern {
        if self.plan.fixed { Pattern::Fixed { rate } } else { Pattern::Poisson { rate } }
    }

    /// Drives a stretch and says what it cost the server; gives the connections back.
    pub fn measure(
        &self,
        scenario: &'static str,
        label: String,
        unit: &'static str,
        load: &Load,
        connections: Vec<Connection>,
        sources: Vec<Box<dyn Source>>,
        classes: &[String],
    ) -> Result<(Row, Vec<Connection>)> {
        let processes = self.server.processes();
        let before = processes.as_ref().and_then(|p| p.usage());
        let mut run = load::run(load, connections, sources, classes, &self.watch)?;
        let after = processes.as_ref().and_then(|p| p.usage());
        let connections = std::mem::take(&mut run.connections);
        let mut row = Row::of(scenario, label, load.pattern, unit, run);
        row.server = before.zip(after).map(|(before, after)| after.since(&before));
        Ok((row, connections))
    }
}
