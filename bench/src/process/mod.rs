//! The server from outside: what its processes use, and what its files take on disk. Linux, /proc.

pub mod disk;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Ticks a second in /proc (USER_HZ, 100 on every Linux that matters).
const TICKS: f64 = 100.0;

/// Which processes are the server.
#[derive(Clone, Debug)]
pub enum Processes {
    /// This one and all below it.
    Tree(u32),
    /// All of a control group (version 2), by the path of its folder.
    Group(PathBuf),
}

/// Sums over all processes; what is counted since their start.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    pub processes: u32,
    /// Octets.
    pub rss: u64,
    /// Octets; shared pages in proportion.
    pub pss: u64,
    /// User and system, ended children included.
    pub cpu_seconds: f64,
    /// Octets from and to storage.
    pub read: u64,
    pub written: u64,
    pub switches_voluntary: u64,
    pub switches_involuntary: u64,
}

impl Usage {
    /// What was used between two looks; memory as it is now.
    pub fn since(&self, before: &Usage) -> Usage {
        Usage {
            cpu_seconds: (self.cpu_seconds - before.cpu_seconds).max(0.0),
            read: self.read.saturating_sub(before.read),
            written: self.written.saturating_sub(before.written),
            switches_voluntary: self.switches_voluntary.saturating_sub(before.switches_voluntary),
            switches_involuntary: self.switches_involuntary.saturating_sub(before.switches_involuntary),
            ..*self
        }
    }
}

impl Processes {
    /// `None` if there are none, or they may not be looked at.
    pub fn usage(&self) -> Option<Usage> {
        let mut usage = Usage::default();
        for pid in self.pids() {
            add(pid, &mut usage);
        }
        if let Processes::Group(path) = self {
            // Ended processes are in the group's sums only.
            if let Some(micros) =
                number_after(&fs::read_to_string(path.join("cpu.stat")).unwrap_or_default(), "usage_usec")
            {
                usage.cpu_seconds = micros as f64 / 1e6;
            }
        }
        (usage.processes > 0).then_some(usage)
    }

    pub fn pids(&self) -> Vec<u32> {
        match self {
            Processes::Tree(root) => tree(*root),
            Processes::Group(path) => fs::read_to_string(path.join("cgroup.procs"))
                .unwrap_or_default()
                .lines()
                .filter_map(|line| line.parse().ok())
                .collect(),
        }
    }
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    })
}

/// The fields of `/proc/PID/stat` behind the name of the program; the first is the state.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

fn add(pid: u32, usage: &mut Usage) {
    let Some(fields) = stat(pid) else { return };
    usage.processes += 1;
    // utime, stime, cutime, cstime
    usage.cpu_seconds += fields.get(11..15).map_or(0, |times| times.iter().sum::<u64>()) as f64 / TICKS;
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let memory = read("smaps_rollup");
    usage.rss += number_after(&memory, "Rss").unwrap_or(0) * 1024;
    usage.pss += number_after(&memory, "Pss").unwrap_or(0) * 1024;
    let io = read("io");
    usage.read += number_after(&io, "read_bytes").unwrap_or(0);
    usage.written += number_after(&io, "write_bytes").unwrap_or(0);
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        usage.switches_voluntary += number_after(&status, "voluntary_ctxt_switches").unwrap_or(0);
        usage.switches_involuntary += number_after(&status, "nonvoluntary_ctxt_switches").unwrap_or(0);
    }
}

fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(fields) = stat(pid)
        {
            children.entry(fields.get(1).copied().unwrap_or(0) as u32).or_default().push(pid);
        }
    }
    let (mut found, mut todo) = (Vec::new(), vec![root]);
    while let Some(pid) = todo.pop() {
        if stat(pid).is_some() && !found.contains(&pid) {
            found.push(pid);
            todo.extend(children.remove(&pid).unwrap_or_default());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = Processes::Tree(std::process::id()).usage().unwrap();
        assert!(usage.processes >= 1 && usage.rss > 1 << 20 && usage.pss <= usage.rss, "{usage:?}");
        assert!(Processes::Tree(u32::MAX).usage().is_none());
    }
}
