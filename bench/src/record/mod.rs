//! What was measured: a histogram of latencies for each class, second by second, and counts of verdicts. Each thread of the
//! driver has a recorder of its own; they are merged when all are done.

pub mod hlog;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::limits::EXAMPLES_MAX;
use crate::load::operation::Verdict;

/// Nanoseconds, three significant digits.
pub fn histogram() -> Histogram<u64> {
    // Three digits are always valid; `new` fails above five.
    Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are a valid precision"))
}

/// Puts a value into one of these histograms, which grow as they need to (`saturating_record` of the crate does not).
pub fn put(histogram: &mut Histogram<u64>, nanos: u64) {
    let _ = histogram.record(nanos.max(1));
}

/// Times and verdicts of one class.
#[derive(Clone, Debug)]
pub struct ClassRecord {
    pub name: String,
    /// From the due time (open loop) or from sending (closed loop) to the end of the answer.
    pub latency: Histogram<u64>,
    /// From sending, whatever the loop.
    pub service: Histogram<u64>,
    pub right: u64,
    pub wrong: u64,
    pub refused: u64,
    pub late: u64,
    /// What throughput is counted in.
    pub units: u64,
    /// The first wrong or refused answers.
    pub examples: Vec<String>,
}

impl ClassRecord {
    fn new(name: &str) -> ClassRecord {
        ClassRecord {
            name: name.to_owned(),
            latency: histogram(),
            service: histogram(),
            right: 0,
            wrong: 0,
            refused: 0,
            late: 0,
            units: 0,
            examples: Vec::new(),
        }
    }

    pub fn count(&self) -> u64 {
        self.right + self.wrong + self.refused + self.late
    }

    pub fn failed(&self) -> u64 {
        self.wrong + self.refused + self.late
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }

    /// Adds another record of the same class.
    pub fn merge(&mut self, other: &ClassRecord) {
        // Both resize themselves: adding cannot fail.
        let _ = self.latency.add(&other.latency);
        let _ = self.service.add(&other.service);
        self.right += other.right;
        self.wrong += other.wrong;
        self.refused += other.refused;
        self.late += other.late;
        self.units += other.units;
        for text in &other.examples {
            self.example(text.clone());
        }
    }
}

/// Latencies of one class within one second of a run.
pub type Intervals = BTreeMap<(u64, usize), Histogram<u64>>;

/// Of one thread, or of a whole run.
#[derive(Clone)]
pub struct Recorder {
    pub classes: Vec<ClassRecord>,
    /// How late the driver looked at due times, nanoseconds.
    pub lag: Histogram<u64>,
    pub intervals: Intervals,
    /// Times before this (nanoseconds) are warm-up: verdicts count, times do not.
    pub from: u64,
}

impl Recorder {
    pub fn new(classes: &[String], from: u64) -> Recorder {
        let classes = classes.iter().map(|name| ClassRecord::new(name)).collect();
        Recorder { classes, lag: histogram(), intervals: Intervals::new(), from }
    }

    /// An operation that was due at `due` and sent at `sent` ended at `now`.
    pub fn operation(&mut self, class: usize, due: u64, sent: u64, now: u64, verdict: Verdict, units: u64) {
        let measured = due >= self.from;
        let record = &mut self.classes[class];
        match verdict {
            Verdict::Right if !measured => return,
            Verdict::Right => record.right += 1,
            Verdict::Wrong(what) => {
                record.wrong += 1;
                record.example(what);
            }
            Verdict::Refused(what) => {
                record.refused += 1;
                record.example(format!("refused: {what}"));
            }
        }
        if measured {
            record.units += units;
            put(&mut record.service, now.saturating_sub(sent));
            self.time(class, due, now);
        }
    }

    /// An operation that was due at `due` had no answer when the run ended at `now`: it took at least that long.
    pub fn late(&mut self, class: usize, due: u64, now: u64) {
        let record = &mut self.classes[class];
        record.late += 1;
        if record.late == 1 {
            record.example("no answer in time".to_owned());
        }
        if due >= self.from {
            self.time(class, due, now);
        }
    }

    /// One more time of a class, which ended at `now`.
    pub fn note(&mut self, class: usize, nanos: u64, now: u64) {
        if now >= self.from {
            self.classes[class].right += 1;
            self.classes[class].units += 1;
            self.time(class, now - nanos.min(now), now);
        }
    }

    fn time(&mut self, class: usize, due: u64, now: u64) {
        let nanos = now.saturating_sub(due);
        put(&mut self.classes[class].latency, nanos);
        let second = now.saturating_sub(self.from) / 1_000_000_000;
        put(self.intervals.entry((second, class)).or_insert_with(histogram), nanos);
    }

    /// Takes in what another thread recorded in the same run.
    pub fn merge(&mut self, other: &Recorder) {
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            mine.merge(theirs);
        }
        let _ = self.lag.add(&other.lag);
        for (key, histogram_) in &other.intervals {
            let _ = self.intervals.entry(*key).or_insert_with(histogram).add(histogram_);
        }
    }
}
