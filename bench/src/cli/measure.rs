//! `trawl-bench run`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Ended, print};
use crate::corpus::SizeProfile;
use crate::mail::{self, Mail};
use crate::plan::Plan;
use crate::report::{html, table};
use crate::run::Run;
use crate::run::progress::Progress;
use crate::scenario;
use crate::server::{Description, Server};

#[derive(clap::Args)]
pub struct Arguments {
    /// Description of a server (TOML); give it again for each server. The first is the one that ratios are of
    #[arg(long = "server", value_name = "FILE")]
    servers: Vec<PathBuf>,
    /// Instead of a description: imap://host:port or imaps://host:port
    #[arg(long, requires_all = ["user", "password"], conflicts_with = "servers")]
    imap: Option<String>,
    /// With --imap: user name; {n} is the number of the account, from 0. INBOX of account 0 has to be empty
    #[arg(long)]
    user: Option<String>,
    #[arg(long)]
    password: Option<String>,
    /// With --imap: how many accounts there are
    #[arg(long, default_value_t = 1)]
    accounts: usize,
    /// With --imap: host:port of LMTP
    #[arg(long)]
    lmtp: Option<String>,
    /// With --imap: process number of the server, if it is local
    #[arg(long)]
    pid: Option<u32>,

    /// Which scenarios: names, separated by commas; `search` for all search-..., `all`. See `trawl-bench list`
    #[arg(long, default_value = "all", value_delimiter = ',')]
    scenarios: Vec<String>,

    /// Messages to load (generated; at most so many from --mail)
    #[arg(long)]
    messages: Option<u64>,
    /// Seed of generated mail and of everything drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Size of generated messages
    #[arg(long, default_value = "typical", value_parser = ["small", "typical", "large"])]
    size_profile: String,
    /// Instead of generated mail: an mbox file, a Maildir or a folder of .eml files
    #[arg(long)]
    mail: Option<PathBuf>,

    /// Folder for report.json, report.html and *.hlog; made if need be
    #[arg(long)]
    out: Option<PathBuf>,
    /// Sizes so small that all is over in a minute: to see that it works
    #[arg(long)]
    tiny: bool,
    /// No progress, no table
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    sizes: Sizes,
}

/// Sizes of a run, where they are not the defaults.
#[derive(clap::Args)]
struct Sizes {
    /// Rounds over all servers
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measured stretch
    #[arg(long)]
    time: Option<f64>,
    /// Seconds before it that are not recorded
    #[arg(long)]
    warmup: Option<f64>,
    /// Seconds to which a stretch is made longer for slow operations
    #[arg(long)]
    time_max: Option<f64>,
    /// Seconds after which an answer is late
    #[arg(long)]
    timeout: Option<f64>,
    /// Driver threads
    #[arg(long)]
    threads: Option<usize>,
    /// Operations under way on each connection in closed loops
    #[arg(long)]
    depth: Option<usize>,
    /// Connections of append and deliver
    #[arg(long, value_delimiter = ',')]
    connections: Option<Vec<usize>>,
    /// Connections of fetch-body, store, search
    #[arg(long)]
    readers: Option<usize>,
    /// Open loops at these parts of the closed loop's throughput: 0.5,0.8 for half of it and four fifths
    #[arg(long, value_delimiter = ',', value_parser = part)]
    load: Option<Vec<f64>>,
    /// Open loops of so many operations a second instead
    #[arg(long)]
    rate: Option<f64>,
    /// Evenly spaced operations instead of a Poisson process
    #[arg(long)]
    fixed: bool,
    /// Queries of each search class
    #[arg(long)]
    queries: Option<usize>,
    /// Repetitions of long operations (sync, sort, thread, resync)
    #[arg(long)]
    repeats: Option<usize>,
    /// Connections of idle-fleet
    #[arg(long)]
    fleet: Option<usize>,
    /// Seconds before the memory of idle-fleet is looked at
    #[arg(long)]
    fleet_settle: Option<f64>,
    /// Accounts of idle-fleet
    #[arg(long)]
    fleet_accounts: Option<usize>,
    /// Accounts of peak
    #[arg(long)]
    peak_accounts: Option<usize>,
    /// Connections of peak
    #[arg(long)]
    peak_connections: Option<usize>,
    /// Messages in each account of peak
    #[arg(long)]
    peak_messages: Option<usize>,
    /// Messages of the mailbox of resync; 0: all
    #[arg(long)]
    resync: Option<usize>,
    /// Drop the page cache before sync-cold (root)
    #[arg(long)]
    drop_caches: bool,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let sizes = &self.sizes;
        let base = if self.tiny { Plan::tiny() } else { Plan::default() };
        Plan {
            seed: self.seed,
            rounds: sizes.rounds.unwrap_or(base.rounds),
            time: sizes.time.unwrap_or(base.time),
            warmup: sizes.warmup.unwrap_or(base.warmup),
            time_max: sizes.time_max.unwrap_or(base.time_max),
            timeout: sizes.timeout.unwrap_or(base.timeout),
            threads: sizes.threads.unwrap_or(base.threads),
            depth: sizes.depth.unwrap_or(base.depth),
            connections: sizes.connections.clone().unwrap_or(base.connections),
            readers: sizes.readers.unwrap_or(base.readers).max(1),
            peak_loads: sizes.load.clone().unwrap_or(base.peak_loads),
            loads: sizes.load.clone().unwrap_or(base.loads),
            rate: sizes.rate,
            fixed: sizes.fixed,
            queries: sizes.queries.unwrap_or(base.queries),
            repeats: sizes.repeats.unwrap_or(base.repeats),
            fleet: sizes.fleet.unwrap_or(base.fleet),
            fleet_settle: sizes.fleet_settle.unwrap_or(base.fleet_settle),
            fleet_accounts: sizes.fleet_accounts.unwrap_or(base.fleet_accounts),
            peak_accounts: sizes.peak_accounts.unwrap_or(base.peak_accounts),
            peak_connections: sizes.peak_connections.unwrap_or(base.peak_connections),
            peak_messages: sizes.peak_messages.unwrap_or(base.peak_messages),
            resync: sizes.resync.unwrap_or(base.resync),
            drop_caches: sizes.drop_caches,
            ..base
        }
    }

    fn servers(&self) -> Result<Vec<Server>, String> {
        if let Some(imap) = &self.imap {
            let about = Description {
                name: "server".to_owned(),
                imap: imap.clone(),
                lmtp: self.lmtp.clone(),
                user: self.user.clone().unwrap_or_default(),
                password: self.password.clone().unwrap_or_default(),
                recipient: "{n}".to_owned(),
                accounts: self.accounts,
                authorities: None,
                pid_file: None,
                pid: self.pid,
                cgroup: None,
                data: None,
                layout: Default::default(),
                commands: Default::default(),
                wrong_answers: Default::default(),
                settings: BTreeMap::new(),
            };
            return Ok(vec![Server::new(about, PathBuf::new()).map_err(|e| e.to_string())?]);
        }
        if self.servers.is_empty() {
            return Err("which server? (--server FILE or --imap URL)".to_owned());
        }
        let servers: Vec<Server> = self
            .servers
            .iter()
            .map(|path| Server::read(path))
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        for (n, server) in servers.iter().enumerate() {
            if servers[..n].iter().any(|other| other.name() == server.name()) {
                return Err(format!("two servers are named {}", server.name()));
            }
        }
        Ok(servers)
    }

    fn mail(&self) -> Result<Arc<dyn Mail>, String> {
        if let Some(path) = &self.mail {
            let most = self.messages.map_or(usize::MAX, |n| n as usize);
            return Ok(mail::open(path, most).map_err(|e| format!("{}: {e}", path.display()))?.into());
        }
        let profile = match self.size_profile.as_str() {
            "small" => SizeProfile::Small,
            "large" => SizeProfile::Large,
            _ => SizeProfile::Typical,
        };
        let count = self.messages.unwrap_or(if self.tiny { 200 } else { 10_000 }).max(1);
        Ok(mail::generated(count, self.seed, profile).into())
    }
}

pub fn run(arguments: &Arguments) -> Ended {
    let (servers, mail, plan) = (arguments.servers()?, arguments.mail()?, arguments.plan());
    let scenarios = scenario::chosen(&arguments.scenarios)?;
    more_files();
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let progress = Progress::new(arguments.quiet);
    let run =
        Run { servers, scenarios, mail, plan: &plan, folder: arguments.out.as_deref(), progress: &progress };
    let report = run.go().map_err(|e| e.to_string())?;
    progress.finish();
    if let Some(folder) = &arguments.out {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
        };
        write("report.json", serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?)?;
        write("report.html", html::html(&report))?;
    }
    if !arguments.quiet {
        print(&table::table(&report));
    }
    Ok(report.is_right())
}

/// A part of a throughput. Far more than all of it only measures how long the queue becomes.
fn part(text: &str) -> Result<f64, String> {
    let part: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if part > 0.0 && part <= 2.0 {
        Ok(part)
    } else {
        Err("a part of the throughput is wanted, above 0 and at most 2: 0.5 is half of it".to_owned())
    }
}

/// A connection is a file: as many as are allowed.
fn more_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_load_is_a_part_of_the_throughput() {
        assert_eq!(part("0.8"), Ok(0.8));
        for text in ["50", "0", "-1", "nan", "half", ""] {
            assert!(part(text).is_err(), "{text:?}");
        }
    }
}
