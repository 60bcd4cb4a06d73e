//! The first server against the others: to the best one whose answers are right, and to the fastest one whatever it answers.

use super::model::{Report, RowReport};

#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    pub scenario: String,
    pub label: String,
    pub measure: &'static str,
    pub unit: String,
    /// Of the first server.
    pub own: f64,
    /// Whether all its answers were right.
    pub right: bool,
    /// Name, value and how many times better the first server is (below 1: worse).
    pub best_right: Option<(String, f64, f64)>,
    pub fastest: Option<(String, f64, f64)>,
}

/// All ratios of the first server of the report.
pub fn ratios(report: &Report) -> Vec<Ratio> {
    let Some(own) = report.servers.first() else { return Vec::new() };
    let mut found = Vec::new();
    for row in report.rows.iter().filter(|row| row.server == own.name) {
        let peers: Vec<&RowReport> = report
            .rows
            .iter()
            .filter(|r| r.server != own.name && r.scenario == row.scenario && r.label == row.label)
            .collect();
        if peers.is_empty() {
            continue;
        }
        let right = row.failed() == 0;
        let mut add = |measure: &'static str,
                       unit: &str,
                       more: bool,
                       value: &dyn Fn(&RowReport) -> Option<f64>| {
            let Some(own) = value(row).filter(|v| *v > 0.0) else { return };
            let best = |only_right: bool| {
                let mut values: Vec<(String, f64, f64)> = peers
                    .iter()
                    .filter(|peer| !only_right || peer.failed() == 0)
                    .filter_map(|peer| {
                        let theirs = value(peer).filter(|v| *v > 0.0)?;
                        Some((peer.server.clone(), theirs, if more { own / theirs } else { theirs / own }))
                    })
                    .collect();
                values.sort_by(|a, b| a.2.total_cmp(&b.2));
                values.into_iter().next()
            };
            found.push(Ratio {
                scenario: row.scenario.clone(),
                label: row.label.clone(),
                measure,
                unit: unit.to_owned(),
                own,
                right,
                best_right: best(true),
                fastest: best(false),
            });
        };
        // Where it is time that matters, operations a second say nothing of their own.
        let timed = ["restart", "resync", "idle-fleet"].contains(&row.scenario.as_str());
        if row.seconds > 0.0 && !row.is_open() && !timed {
            add("throughput", &format!("{}/s", row.unit), true, &|row| Some(row.throughput));
        }
        add("p50", "ms", false, &|row| row.all().map(|class| class.latency.p50));
        add("p99", "ms", false, &|row| row.all().map(|class| class.latency.p99));
        if row.seconds > 0.0 {
            add("server CPU", &format!("ms/{}", row.unit), false, &|row| row.cpu_ms_per_unit);
        }
        for figure in &row.figures {
            // Of figures only sizes have a better side that is the same everywhere.
            let part =
                row.scenario == "disk" && !["all", "mail and metadata"].contains(&figure.name.as_str());
            if figure.unit.starts_with("octets") && !part {
                let name = figure.name.clone();
                add(
                    if row.scenario == "disk" { "size" } else { "memory" },
                    &format!("{} ({name})", figure.unit),
                    false,
                    &|row| row.figures.iter().find(|f| f.name == name).map(|f| f.value),
                );
            }
        }
    }
    found
}
