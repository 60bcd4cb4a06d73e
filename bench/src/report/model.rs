//! The report as it is in `report.json`; everything else is made from it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::check::Survey;
use crate::clock;
use crate::dates;
use crate::load::Driver;
use crate::mail::Mail;
use crate::plan::Plan;
use crate::process::Usage;
use crate::record::ClassRecord;
use crate::scenario::Row;
use crate::server::{Server, WrongAnswers};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub about: About,
    pub servers: Vec<ServerReport>,
    pub rows: Vec<RowReport>,
    pub unsupported: Vec<Missing>,
    /// Scenarios that ended with an error.
    pub failures: Vec<Missing>,
    /// Histograms across rounds, until the report is finished.
    #[serde(skip)]
    records: Vec<Vec<ClassRecord>>,
}

/// What was measured with what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    pub version: String,
    /// RFC 5322, UTC.
    pub date: String,
    pub machine: Machine,
    pub mail: String,
    pub messages: usize,
    pub bytes: u64,
    /// By class: queries, and how many of them have one right answer only.
    pub queries: BTreeMap<String, (usize, usize)>,
    /// The sizes of the run.
    pub plan: serde_json::Value,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub processors: usize,
    pub memory_bytes: u64,
    pub kernel: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerReport {
    pub name: String,
    pub settings: BTreeMap<String, String>,
    pub capabilities: Vec<String>,
    pub wrong_answers: WrongAnswers,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    pub server: String,
    pub scenario: String,
    pub what: String,
}

/// One stretch of one scenario on one server, all rounds together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowReport {
    pub server: String,
    pub scenario: String,
    pub label: String,
    /// Open loops: operations a second, of the last round.
    pub rate: Option<f64>,
    /// Open loops: the part of saturation.
    pub part: Option<f64>,
    pub unit: String,
    /// Units a second: all rounds, and each.
    pub throughput: f64,
    pub rounds: Vec<f64>,
    pub seconds: f64,
    pub units: u64,
    pub received: u64,
    pub sent: u64,
    /// If there are several, the last is all of them together, named `all`.
    pub classes: Vec<ClassReport>,
    /// Of the round in which it fared worst.
    pub driver: Driver,
    /// Sums over the rounds; memory at the end of the last.
    pub usage: Option<Usage>,
    /// Of the server, for each unit.
    pub cpu_ms_per_unit: Option<f64>,
    /// Medians over the rounds.
    pub figures: Vec<FigureReport>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FigureReport {
    pub name: String,
    pub value: f64,
    pub unit: String,
    pub rounds: Vec<f64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClassReport {
    pub name: String,
    pub right: u64,
    pub wrong: u64,
    pub refused: u64,
    pub late: u64,
    /// From the due time in open loops, from sending in closed ones; milliseconds.
    pub latency: Quantiles,
    /// From sending.
    pub service: Quantiles,
    /// Points for plots: quantile and milliseconds.
    pub curve: Vec<(f64, f64)>,
    pub examples: Vec<String>,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Quantiles {
    fn of(histogram: &Histogram<u64>) -> Quantiles {
        let ms = |nanos: u64| nanos as f64 / 1e6;
        let at = |q| ms(histogram.value_at_quantile(q));
        Quantiles {
            count: histogram.len(),
            mean: histogram.mean() / 1e6,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(histogram.max()),
        }
    }
}

impl ClassReport {
    fn of(record: &ClassRecord) -> ClassReport {
        let mut curve = Vec::new();
        // Even steps on an axis of nines: 0, 50, 75, 87.5 ... %.
        for step in 0..=68 {
            let quantile = 1.0 - 0.5f64.powf(f64::from(step) / 4.0);
            let enough = record.latency.len() as f64 * (1.0 - quantile) >= 1.0 || step == 0;
            if !record.latency.is_empty() && enough {
                curve.push((quantile, record.latency.value_at_quantile(quantile) as f64 / 1e6));
            }
        }
        ClassReport {
            name: record.name.clone(),
            right: record.right,
            wrong: record.wrong,
            refused: record.refused,
            late: record.late,
            latency: Quantiles::of(&record.latency),
            service: Quantiles::of(&record.service),
            curve,
            examples: record.examples.clone(),
        }
    }

    pub fn failed(&self) -> u64 {
        self.wrong + self.refused + self.late
    }
}

impl RowReport {
    /// All classes together.
    pub fn all(&self) -> Option<&ClassReport> {
        self.classes.last()
    }

    pub fn failed(&self) -> u64 {
        self.all().map_or(0, ClassReport::failed)
    }

    pub fn is_open(&self) -> bool {
        self.rate.is_some()
    }
}

impl About {
    pub fn of(plan: &Plan, mail: &dyn Mail, survey: &Survey) -> About {
        let seconds =
            clock::wall().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
        let exact =
            |queries: &Vec<crate::check::Query>| queries.iter().filter(|query| query.is_exact()).count();
        About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            date: dates::rfc5322(seconds, 0),
            machine: Machine::this(),
            mail: mail.about(),
            messages: survey.facts.len(),
            bytes: survey.bytes,
            queries: survey
                .queries
                .iter()
                .map(|(class, q)| ((*class).to_owned(), (q.len(), exact(q))))
                .collect(),
            plan: serde_json::to_value(plan).unwrap_or_default(),
        }
    }
}

impl Machine {
    fn this() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| Some(line.strip_prefix(name)?.split_once(':')?.1.trim().to_owned()))
                .unwrap_or_default()
        };
        let memory = after(&read("/proc/meminfo"), "MemTotal");
        Machine {
            processor: after(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(1, |n| n.get()),
            memory_bytes: memory.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl Report {
    pub fn new(about: About, servers: &[Server]) -> Report {
        let servers = servers
            .iter()
            .map(|server| ServerReport {
                name: server.name().to_owned(),
                settings: server.about.settings.clone(),
                capabilities: Vec::new(),
                wrong_answers: server.about.wrong_answers,
            })
            .collect();
        Report {
            about,
            servers,
            rows: Vec::new(),
            unsupported: Vec::new(),
            failures: Vec::new(),
            records: Vec::new(),
        }
    }

    pub fn capabilities(&mut self, server: &str, capabilities: &[String]) {
        if let Some(found) = self.servers.iter_mut().find(|s| s.name == server) {
            found.capabilities = capabilities.to_vec();
        }
    }

    pub fn unsupported(&mut self, server: &str, scenario: &str, what: &str) {
        let missing = Missing { server: server.into(), scenario: scenario.into(), what: what.into() };
        if !self.unsupported.contains(&missing) {
            self.unsupported.push(missing);
        }
    }

    pub fn failed(&mut self, server: &str, scenario: &str, what: &str) {
        self.failures.push(Missing { server: server.into(), scenario: scenario.into(), what: what.into() });
    }

    /// Takes in a row; one of an earlier round is joined.
    pub fn add(&mut self, server: &Server, row: Row) {
        let units = row.units();
        let rate = if row.seconds > 0.0 { units as f64 / row.seconds } else { 0.0 };
        let same =
            |r: &RowReport| r.server == server.name() && r.scenario == row.scenario && r.label == row.label;
        let at = self.rows.iter().position(same).unwrap_or_else(|| {
            self.rows.push(RowReport {
                server: server.name().to_owned(),
                scenario: row.scenario.to_owned(),
                label: row.label.clone(),
                rate: None,
                part: row.part,
                unit: row.unit.to_owned(),
                throughput: 0.0,
                rounds: Vec::new(),
                seconds: 0.0,
                units: 0,
                received: 0,
                sent: 0,
                classes: Vec::new(),
                driver: Driver::default(),
                usage: None,
                cpu_ms_per_unit: None,
                figures: Vec::new(),
            });
            self.records.push(row.recorder.classes.iter().map(|class| empty(&class.name)).collect());
            self.rows.len() - 1
        });
        let (into, records) = (&mut self.rows[at], &mut self.records[at]);
        into.rate = row.pattern.rate();
        into.rounds.push(rate);
        into.seconds += row.seconds;
        into.units += units;
        into.received += row.received;
        into.sent += row.sent;
        if into.driver.saturated.is_none()
            && (row.driver.saturated.is_some() || row.driver.cpu_max >= into.driver.cpu_max)
        {
            into.driver = row.driver;
        }
        if let Some(usage) = row.server {
            let sum = into.usage.unwrap_or_default();
            into.usage = Some(Usage {
                cpu_seconds: sum.cpu_seconds + usage.cpu_seconds,
                read: sum.read + usage.read,
                written: sum.written + usage.written,
                switches_voluntary: sum.switches_voluntary + usage.switches_voluntary,
                switches_involuntary: sum.switches_involuntary + usage.switches_involuntary,
                ..usage
            });
        }
        for class in &row.recorder.classes {
            match records.iter_mut().find(|record| record.name == class.name) {
                Some(record) => record.merge(class),
                None => records.push(class.clone()),
            }
        }
        for figure in row.figures {
            match into.figures.iter_mut().find(|f| f.name == figure.name) {
                Some(found) => found.rounds.push(figure.value),
                None => into.figures.push(FigureReport {
                    name: figure.name,
                    value: 0.0,
                    unit: figure.unit.to_owned(),
                    rounds: vec![figure.value],
                }),
            }
        }
    }

    /// Makes figures of what was gathered.
    pub fn finish(&mut self) {
        for (row, records) in self.rows.iter_mut().zip(&self.records) {
            row.throughput = if row.seconds > 0.0 { row.units as f64 / row.seconds } else { 0.0 };
            row.cpu_ms_per_unit = row
                .usage
                .filter(|_| row.units > 0 && row.seconds > 0.0)
                .map(|usage| usage.cpu_seconds * 1000.0 / row.units as f64);
            let used: Vec<&ClassRecord> = records.iter().filter(|record| record.count() > 0).collect();
            row.classes = used.iter().map(|record| ClassReport::of(record)).collect();
            if used.len() > 1 {
                let mut all = empty("all");
                used.iter().for_each(|record| all.merge(record));
                row.classes.push(ClassReport::of(&all));
            }
            for figure in &mut row.figures {
                let mut sorted = figure.rounds.clone();
                sorted.sort_by(f64::total_cmp);
                figure.value = sorted[sorted.len() / 2];
            }
        }
    }

    /// Whether everything that was asked was answered rightly, in time; servers whose wrong answers are only counted aside.
    pub fn is_right(&self) -> bool {
        let counted = |name: &str| {
            self.servers.iter().any(|s| s.name == name && s.wrong_answers == WrongAnswers::Counted)
        };
        self.failures.is_empty() && self.rows.iter().all(|row| row.failed() == 0 || counted(&row.server))
    }
}

fn empty(name: &str) -> ClassRecord {
    crate::record::Recorder::new(&[name.to_owned()], 0).classes.swap_remove(0)
}
