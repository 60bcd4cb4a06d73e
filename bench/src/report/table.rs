//! The report as text for a terminal.

use std::fmt::Write;

use super::model::Report;
use super::numbers::{millis, rate, significant};
use super::ratios::ratios;

/// Everything, in lines of some 120 columns.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    let about = &report.about;
    let _ = writeln!(out, "{}, {} ({} messages)", about.date, about.mail, about.messages);
    let mut scenario = "";
    for row in &report.rows {
        if row.scenario != scenario {
            scenario = &row.scenario;
            let _ = writeln!(
                out,
                "\n{scenario:34} {:14} {:>12} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9}",
                "", "units/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "CPU ms", "not right"
            );
        }
        for (n, class) in row.classes.iter().enumerate() {
            let name = if n == 0 { row.label.as_str() } else { "" };
            let single = row.classes.len() == 1;
            let last = n + 1 == row.classes.len();
            let _ = writeln!(
                out,
                "{:34} {:14} {:>12} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9}{}",
                cut(name, 34),
                cut(if n == 0 { &row.server } else { "" }, 14),
                if last && row.seconds > 0.0 { rate(row.throughput) } else { String::new() },
                millis(class.latency.p50),
                millis(class.latency.p99),
                millis(class.latency.p999),
                millis(class.latency.max),
                if last { row.cpu_ms_per_unit.map(significant).unwrap_or_default() } else { String::new() },
                class.failed(),
                if single { String::new() } else { format!("  {}", class.name) },
            );
        }
        if let Some(why) = &row.driver.saturated {
            let _ = writeln!(out, "    driver saturated: {why}");
        }
        for figure in &row.figures {
            let _ = writeln!(
                out,
                "    {:40} {:14} {:>12} {}",
                if row.classes.is_empty() {
                    format!("{}: {}", row.label, figure.name)
                } else {
                    figure.name.clone()
                },
                row.server,
                significant(figure.value),
                figure.unit
            );
        }
        for class in &row.classes {
            if class.name != "all" || row.classes.len() == 1 {
                for example in &class.examples {
                    let _ = writeln!(out, "    not right: {example}");
                }
            }
        }
    }
    for missing in &report.unsupported {
        let _ = writeln!(
            out,
            "\nnot supported: {} by {}: it lacks {}",
            missing.scenario, missing.server, missing.what
        );
    }
    for failure in &report.failures {
        let _ = writeln!(out, "\nFAILED: {} on {}: {}", failure.scenario, failure.server, failure.what);
    }
    let ratios = ratios(report);
    if !ratios.is_empty() {
        let first = report.servers.first().map_or("", |s| s.name.as_str());
        let _ = writeln!(
            out,
            "\nTimes better: {first} against the best peer with right answers, and the fastest\n"
        );
        for ratio in ratios {
            let shown = |best: &Option<(String, f64, f64)>| {
                best.as_ref().map_or_else(
                    || "-".to_owned(),
                    |(name, value, times)| {
                        format!("{}x ({name} {})", significant(*times), significant(*value))
                    },
                )
            };
            let _ = writeln!(
                out,
                "{:16} {:34} {:11} {:>10} {:14} {:30} {}{}",
                ratio.scenario,
                cut(&ratio.label, 34),
                ratio.measure,
                significant(ratio.own),
                cut(&ratio.unit, 14),
                shown(&ratio.best_right),
                shown(&ratio.fastest),
                if ratio.right { "" } else { "  NOT ALL RIGHT" }
            );
        }
    }
    out
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
