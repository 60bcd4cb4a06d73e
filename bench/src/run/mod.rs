//! A run: survey, load, rounds over all servers, and the report of what came out.

pub mod loading;
pub mod progress;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::check::{self, Survey};
use crate::client::{Error, Result};
use crate::mail::Mail;
use crate::plan::Plan;
use crate::record::hlog;
use crate::report::model::{About, Report};
use crate::scenario::letters::Letters;
use crate::scenario::{Context, Loaded, Row, Scenario};
use crate::server::Server;
use progress::Progress;

/// Everything a run needs.
pub struct Run<'a> {
    pub servers: Vec<Server>,
    pub scenarios: Vec<Box<dyn Scenario>>,
    pub mail: Arc<dyn Mail>,
    pub plan: &'a Plan,
    /// Where histogram logs go; `None`: nowhere.
    pub folder: Option<&'a Path>,
    pub progress: &'a Progress,
}

impl Run<'_> {
    /// The report so far is given back even where servers failed: what failed stands in it.
    pub fn go(&self) -> Result<Report> {
        let survey = Arc::new(self.survey()?);
        let letters = Arc::new(Letters::draw(&*self.mail, self.plan.seed)?);
        let mut report = Report::new(About::of(self.plan, &*self.mail, &survey), &self.servers);
        let mut loaded: Vec<Option<Arc<Loaded>>> = Vec::new();
        for server in &self.servers {
            self.progress.stage(&format!("{}: load", server.name()));
            match self.prepare(server, &survey) {
                Ok(done) => {
                    self.progress.say(&format!("{}: loaded", server.name()));
                    loaded.push(Some(Arc::new(done)));
                }
                Err(error) => {
                    self.progress.say(&format!("{}: load FAILED: {error}", server.name()));
                    report.failed(server.name(), "load", &error.to_string());
                    loaded.push(None);
                }
            }
        }
        for round in 0..self.plan.rounds {
            for (server, loaded) in self.servers.iter().zip(&loaded) {
                let Some(loaded) = loaded else { continue };
                if let Err(error) = self.round(round, server, loaded, &survey, &letters, &mut report) {
                    report.failed(server.name(), "round", &error.to_string());
                }
            }
        }
        report.finish();
        Ok(report)
    }

    fn survey(&self) -> Result<Survey> {
        let mut classes: Vec<&'static str> = self.scenarios.iter().filter_map(|s| s.queries()).collect();
        classes.sort_unstable();
        classes.dedup();
        let seen = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        self.progress.count("survey", self.mail.count(), &seen, || {
            check::survey(&*self.mail, self.plan.seed, &classes, self.plan.queries, threads, &seen)
                .map_err(Error::from)
        })
    }

    fn prepare(&self, server: &Server, survey: &Survey) -> Result<Loaded> {
        server.start()?;
        let loaded = loading::load(server, &self.mail, survey, self.progress)?;
        server.stop()?;
        Ok(loaded)
    }

    fn round(
        &self,
        round: usize,
        server: &Server,
        loaded: &Arc<Loaded>,
        survey: &Arc<Survey>,
        letters: &Arc<Letters>,
        report: &mut Report,
    ) -> Result<()> {
        server.start()?;
        let capabilities = server.login(0)?.capabilities;
        report.capabilities(server.name(), &capabilities);
        let cx = Context {
            server,
            survey: survey.clone(),
            mail: self.mail.clone(),
            letters: letters.clone(),
            plan: self.plan,
            loaded: loaded.clone(),
            capabilities,
            watch: self.progress.watch(),
            round,
        };
        for scenario in &self.scenarios {
            self.progress.stage(&format!("round {}, {}: {}", round + 1, server.name(), scenario.name()));
            if let Some(lacks) = scenario.lacks(&cx) {
                report.unsupported(server.name(), scenario.name(), &lacks);
                continue;
            }
            match scenario.run(&cx) {
                Ok(rows) => {
                    for row in rows {
                        self.progress.row(server.name(), &row);
                        self.log(server, round, &row)?;
                        report.add(server, row);
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    self.progress.say(&format!("{}: {}: FAILED: {text}", server.name(), scenario.name()));
                    report.failed(server.name(), scenario.name(), &text);
                }
            }
        }
        server.stop()
    }

    fn log(&self, server: &Server, round: usize, row: &Row) -> Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        if row.recorder.intervals.is_empty() {
            return Ok(());
        }
        let name = format!("{}.{}.{}.{}", server.name(), row.scenario, row.label, round + 1);
        let name: String = name
            .chars()
            .map(|c| if c.is_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let about = format!("{} {} {} round {}", server.name(), row.scenario, row.label, round + 1);
        let mut bytes = Vec::new();
        hlog::write(&mut bytes, &about, &row.recorder)?;
        Ok(std::fs::write(folder.join(format!("{name}.hlog")), bytes)?)
    }
}
