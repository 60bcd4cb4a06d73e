//! What one measured stretch of one scenario says.

use crate::load::operation::Verdict;
use crate::load::{Driver, Pattern, Run};
use crate::process::Usage;
use crate::record::Recorder;

/// A figure that is no latency.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
}

pub struct Row {
    pub scenario: &'static str,
    /// What distinguishes it from other rows of the scenario: `50 connections, closed`.
    pub label: String,
    pub pattern: Pattern,
    /// The part of saturation that an open loop is at, if it is that.
    pub part: Option<f64>,
    /// What throughput is counted in.
    pub unit: &'static str,
    pub recorder: Recorder,
    pub seconds: f64,
    pub received: u64,
    pub sent: u64,
    pub driver: Driver,
    /// What the server used meanwhile, and its memory at the end.
    pub server: Option<Usage>,
    pub figures: Vec<Figure>,
}

impl Row {
    pub fn of(scenario: &'static str, label: String, pattern: Pattern, unit: &'static str, run: Run) -> Row {
        Row {
            scenario,
            label,
            pattern,
            part: None,
            unit,
            recorder: run.recorder,
            seconds: run.seconds,
            received: run.received,
            sent: run.sent,
            driver: run.driver,
            server: None,
            figures: Vec::new(),
        }
    }

    /// A row without load: only figures, and times put into its recorder.
    pub fn figures(scenario: &'static str, label: &str, classes: &[String]) -> Row {
        Row {
            scenario,
            label: label.to_owned(),
            pattern: Pattern::Closed,
            part: None,
            unit: "",
            recorder: Recorder::new(classes, 0),
            seconds: 0.0,
            received: 0,
            sent: 0,
            driver: Driver::default(),
            server: None,
            figures: Vec::new(),
        }
    }

    pub fn figure(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.to_owned(), value, unit });
    }

    /// Something that was found afterwards and cannot be true.
    pub fn wrong(&mut self, what: String) {
        if self.recorder.classes.is_empty() {
            self.recorder = Recorder::new(&["check".to_owned()], 0);
        }
        self.recorder.operation(0, 0, 0, 0, Verdict::Wrong(what), 0);
    }

    /// Right, refused and late operations together.
    pub fn operations(&self) -> u64 {
        self.recorder.classes.iter().map(|class| class.count()).sum()
    }

    pub fn units(&self) -> u64 {
        self.recorder.classes.iter().map(|class| class.units).sum()
    }
}
