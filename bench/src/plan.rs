//! The sizes of a run: everything that may be set, with its default.

use std::time::Duration;

use serde::Serialize;

/// See `trawl-bench run --help`.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub seed: u64,
    pub rounds: usize,
    /// Seconds of each measured stretch, and of the warm-up before it.
    pub time: f64,
    pub warmup: f64,
    /// A stretch is made longer, up to this, until about `least` operations fit into it.
    pub time_max: f64,
    pub least: u64,
    /// Seconds after which an answer is late.
    pub timeout: f64,
    /// Driver threads.
    pub threads: usize,
    /// Operations under way on each connection in closed loops.
    pub depth: usize,
    /// Connections of append, deliver.
    pub connections: Vec<usize>,
    /// Connections of fetch-body, store, search.
    pub readers: usize,
    /// Open loops at these parts of the closed loop's throughput.
    pub loads: Vec<f64>,
    /// Instead: open loops of this many operations a second.
    pub rate: Option<f64>,
    /// Evenly spaced instead of a Poisson process.
    pub fixed: bool,
    /// Queries of each search class.
    pub queries: usize,
    /// Times that long single operations are repeated (sync, sort, thread, resync).
    pub repeats: usize,
    /// Connections of the idle fleet, accounts of it, deliveries a second to it.
    pub fleet: usize,
    pub fleet_accounts: usize,
    pub fleet_rate: f64,
    /// Seconds before its memory is looked at: servers hand idle connections over, and give memory back, with some delay.
    pub fleet_settle: f64,
    /// Accounts and connections of the peak hour, messages in each account.
    pub peak_accounts: usize,
    pub peak_connections: usize,
    pub peak_messages: usize,
    pub peak_loads: Vec<f64>,
    /// Messages of scratch mailboxes (store).
    pub scratch: usize,
    /// Messages of the mailbox of resync; 0: all.
    pub resync: usize,
    /// Drop the page cache before `sync-cold` (root).
    pub drop_caches: bool,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seed: 1,
            rounds: 2,
            time: 10.0,
            warmup: 2.0,
            time_max: 60.0,
            least: 30,
            timeout: 120.0,
            threads: 1,
            depth: 1,
            connections: vec![1, 50],
            readers: 4,
            loads: vec![0.5, 0.8],
            rate: None,
            fixed: false,
            queries: 100,
            repeats: 5,
            fleet: 1000,
            fleet_accounts: 100,
            fleet_rate: 50.0,
            fleet_settle: 4.0,
            peak_accounts: 200,
            peak_connections: 400,
            peak_messages: 50,
            peak_loads: vec![0.5, 0.8, 0.95],
            scratch: 5000,
            resync: 0,
            drop_caches: false,
        }
    }
}

impl Plan {
    /// So small that every scenario is over in seconds: to see that it works, not for figures.
    pub fn tiny() -> Plan {
        Plan {
            rounds: 1,
            time: 0.3,
            warmup: 0.0,
            time_max: 1.0,
            least: 4,
            timeout: 60.0,
            connections: vec![1, 3],
            readers: 2,
            loads: vec![0.5],
            queries: 8,
            repeats: 2,
            fleet: 12,
            fleet_accounts: 4,
            fleet_rate: 50.0,
            fleet_settle: 0.2,
            peak_accounts: 3,
            peak_connections: 6,
            peak_messages: 8,
            peak_loads: vec![0.5],
            scratch: 60,
            ..Plan::default()
        }
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }

    /// Seconds of a stretch in which `rate` operations a second are expected.
    pub fn stretch(&self, rate: f64) -> f64 {
        (self.least as f64 / rate.max(1e-9)).clamp(self.time, self.time_max.max(self.time))
    }
}
