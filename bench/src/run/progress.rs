//! What a person sees while a run goes on: a bar on a terminal, a line for each measured stretch anywhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::clock;
use crate::load::Watch;
use crate::report::numbers::{millis, rate};
use crate::scenario::Row;

pub struct Progress {
    bar: ProgressBar,
    watch: Arc<Watch>,
    quiet: bool,
}

impl Progress {
    pub fn new(quiet: bool) -> Progress {
        let hidden = quiet || !std::io::stderr().is_terminal();
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let progress = Progress { bar, watch: Arc::default(), quiet };
        progress.bar.set_style(progress.measuring());
        progress.bar.enable_steady_tick(Duration::from_millis(200));
        progress
    }

    /// How it looks while operations are counted: nobody knows how many there will be.
    fn measuring(&self) -> ProgressStyle {
        let watch = self.watch.clone();
        ProgressStyle::with_template("{spinner} [{elapsed_precise}] {msg}, {operations} operations")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .with_key("operations", move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{}", watch.done.load(Relaxed));
            })
    }

    /// Operations are counted in it.
    pub fn watch(&self) -> Arc<Watch> {
        self.watch.clone()
    }

    pub fn stage(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{text}");
            });
        }
    }

    pub fn row(&self, server: &str, row: &Row) {
        let mut line = format!("{server}: {}: {}", row.scenario, row.label);
        if row.seconds > 0.0 && !row.unit.is_empty() {
            line.push_str(&format!(": {} {}/s", rate(row.units() as f64 / row.seconds), row.unit));
        }
        let mut latency = crate::record::histogram();
        for class in &row.recorder.classes {
            let _ = latency.add(&class.latency);
        }
        if !latency.is_empty() {
            let at = |q| millis(latency.value_at_quantile(q) as f64 / 1e6);
            line.push_str(&format!(", p50 {} p99 {} ms", at(0.5), at(0.99)));
        }
        let failed: u64 = row.recorder.classes.iter().map(|class| class.failed()).sum();
        if failed > 0 {
            line.push_str(&format!(", {failed} NOT RIGHT"));
        }
        if let Some(why) = &row.driver.saturated {
            line.push_str(&format!(" (driver saturated: {why})"));
        }
        self.say(&line);
    }

    /// Shows `done` of `all` messages while `work` goes on.
    pub fn count<T>(&self, what: &str, all: usize, done: &AtomicUsize, work: impl FnOnce() -> T) -> T {
        let style = ProgressStyle::with_template(
            "{spinner} [{elapsed_precise}] {msg} {wide_bar} {pos} of {len} messages",
        );
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_length(all as u64);
        self.bar.set_message(what.to_owned());
        let over = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    self.bar.set_position(done.load(Relaxed) as u64);
                    clock::pause(Duration::from_millis(50));
                }
            });
            let result = work();
            over.store(true, Relaxed);
            result
        });
        self.bar.set_style(self.measuring());
        result
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
