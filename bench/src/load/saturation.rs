//! Whether the driver itself was the bottleneck: its own processor time, its time on the run queue, its lag.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::limits::{DRIVER_CPU_MAX, DRIVER_LAG_NANOS, DRIVER_LAG_PART, DRIVER_STOOD_SECONDS};
use crate::record::Recorder;

/// What one thread used between two looks.
#[derive(Clone, Copy, Default, Debug)]
pub struct Usage {
    /// Nanoseconds on a processor, and nanoseconds ready to run without one.
    pub cpu: u64,
    pub waited: u64,
    /// Nanoseconds that went by.
    pub wall: u64,
    /// The longest time by which the loop came round later than it meant to, nanoseconds.
    pub stood: u64,
}

/// Processor and run-queue nanoseconds of this thread so far (`/proc/thread-self/schedstat`); zeros where the kernel has none.
pub fn thread_usage() -> (u64, u64) {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut numbers = text.split_whitespace().map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Time of all processors of the machine, busy and altogether, in clock ticks.
#[derive(Clone, Copy, Default)]
pub struct Machine {
    busy: u64,
    all: u64,
}

impl Machine {
    pub fn now() -> Machine {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal
        let numbers: Vec<u64> =
            line.split_whitespace().skip(1).take(8).map(|n| n.parse().unwrap_or(0)).collect();
        let all = numbers.iter().sum();
        let idle: u64 = numbers.iter().skip(3).take(2).sum();
        Machine { busy: all - idle, all }
    }

    /// Part of all processors that was busy since, 0 to 1.
    pub fn busy_since(&self) -> f64 {
        let now = Machine::now();
        (now.busy.saturating_sub(self.busy)) as f64 / (now.all.saturating_sub(self.all)).max(1) as f64
    }
}

/// How the driver itself fared in a run.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Driver {
    /// Part of the time that the busiest thread computed, 0 to 1.
    pub cpu_max: f64,
    /// Processor seconds of all threads.
    pub cpu_seconds: f64,
    /// Part of the time that the unluckiest thread was ready to run but did not.
    pub waited_max: f64,
    /// The longest time for which a thread stood still against its will, seconds.
    pub stood_seconds: f64,
    /// Part of the machine's processors that was busy, by anyone.
    pub machine_busy: f64,
    /// How late due times were looked at, milliseconds.
    pub lag_p50_ms: f64,
    pub lag_p99_ms: f64,
    pub lag_max_ms: f64,
    /// Why figures of this run are about the driver, if they are.
    pub saturated: Option<String>,
}

impl Driver {
    pub fn add(&mut self, usage: &Usage) {
        let wall = usage.wall.max(1) as f64;
        self.cpu_max = self.cpu_max.max(usage.cpu as f64 / wall);
        self.waited_max = self.waited_max.max(usage.waited as f64 / wall);
        self.cpu_seconds += usage.cpu as f64 / 1e9;
        self.stood_seconds = self.stood_seconds.max(usage.stood as f64 / 1e9);
    }

    /// Judges, when all threads are added.
    pub fn finish(&mut self, recorder: &Recorder, machine: &Machine) {
        self.machine_busy = machine.busy_since();
        let ms = |q| recorder.lag.value_at_quantile(q) as f64 / 1e6;
        (self.lag_p50_ms, self.lag_p99_ms, self.lag_max_ms) =
            (ms(0.5), ms(0.99), recorder.lag.max() as f64 / 1e6);
        // The quickest class is the one that lag hurts most.
        let quickest = recorder
            .classes
            .iter()
            .filter(|class| !class.latency.is_empty())
            .map(|class| class.latency.value_at_quantile(0.99))
            .min()
            .unwrap_or(0);
        let lag = recorder.lag.value_at_quantile(0.99);
        if self.stood_seconds > DRIVER_STOOD_SECONDS {
            let seconds = self.stood_seconds;
            self.saturated =
                Some(format!("the driver stood still for {seconds:.1} s: was the machine suspended?"));
        } else if self.cpu_max > DRIVER_CPU_MAX {
            self.saturated =
                Some(format!("a driver thread computed {:.0} % of the time", self.cpu_max * 100.0));
        } else if lag > DRIVER_LAG_NANOS && lag as f64 > quickest as f64 * DRIVER_LAG_PART {
            self.saturated = Some(format!("the driver was {:.1} ms late at p99", self.lag_p99_ms));
        }
    }
}
