//! The text exposition format of Prometheus, version 0.0.4. Pure.
//!
//! What must hold: all samples of a metric stand together behind its HELP and TYPE; label values are escaped.

use std::fmt::{Display, Write};

use super::histogram::Histogram;

/// Upper bounds of a histogram's buckets: 2 to these powers, in microseconds; from 64 us to 67 s, by fours.
const POWERS: [u32; 11] = [6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26];

/// Labels of a sample, with their values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A text that is being written.
#[derive(Default)]
pub struct Text {
    out: String,
    name: &'static str,
}

impl Text {
    /// Begins a metric whose value goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) {
        self.begin(name, "gauge", help);
    }

    /// Begins one that only rises; its name ends with `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) {
        self.begin(name, "counter", help);
    }

    /// Begins one of times; its name ends with `_seconds`.
    pub fn histogram(&mut self, name: &'static str, help: &str) {
        self.begin(name, "histogram", help);
    }

    fn begin(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the metric that was begun last.
    pub fn value(&mut self, labels: Labels<'_>, value: impl Display) {
        self.sample("", labels, None, value);
    }

    /// Times of the metric that was begun last, which is a histogram.
    pub fn times(&mut self, labels: Labels<'_>, times: &Histogram) {
        for power in POWERS {
            let bound = seconds(1 << power);
            self.sample("_bucket", labels, Some(&bound), times.below_power(power));
        }
        self.sample("_bucket", labels, Some("+Inf"), times.count());
        self.sample("_sum", labels, None, seconds(times.sum()));
        self.sample("_count", labels, None, times.count());
    }

    fn sample(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: impl Display) {
        let _ = write!(self.out, "{}{suffix}", self.name);
        let mut open = '{';
        for (name, value) in labels.iter().copied().chain(le.map(|bound| ("le", bound))) {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.out, "{open}{name}=\"{value}\"");
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        let _ = writeln!(self.out, "{close} {value}");
    }

    pub fn finish(self) -> String {
        self.out
    }
}

/// Microseconds as seconds, exactly.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_the_format_says() {
        let mut text = Text::default();
        text.gauge("trawl_x", "Some.");
        text.value(&[], 3);
        text.value(&[("a", "1 \"2\" \\ 3\n"), ("b", "")], 1.5);
        assert_eq!(
            text.finish(),
            "# HELP trawl_x Some.\n# TYPE trawl_x gauge\ntrawl_x 3\ntrawl_x{a=\"1 \\\"2\\\" \\\\ 3\\n\",b=\"\"} 1.5\n"
        );
    }

    #[test]
    fn buckets_hold_what_is_below_them() {
        let mut times = Histogram::default();
        [0, 63, 64, 255, 256, 1_048_575, 1_048_576, 1 << 26, u64::from(u32::MAX)]
            .into_iter()
            .for_each(|micros| times.add(micros));
        let mut text = Text::default();
        text.histogram("t_seconds", "Times.");
        text.times(&[("family", "sort")], &times);
        let text = text.finish();
        let value = |of: &str| text.lines().find_map(|line| line.strip_prefix(of)).unwrap().trim().to_owned();
        let bucket = |le: &str| value(&format!("t_seconds_bucket{{family=\"sort\",le=\"{le}\"}}"));
        assert_eq!(
            ["0.000064", "0.000256", "1.048576", "67.108864", "+Inf"].map(bucket),
            ["2", "4", "6", "7", "9"]
        );
        assert_eq!(value("t_seconds_count{family=\"sort\"}"), "9");
        assert_eq!(value("t_seconds_sum{family=\"sort\"}"), "4364.173948");
    }
}
