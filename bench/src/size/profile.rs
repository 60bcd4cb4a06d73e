//! What a report says about the cost of things on one server.

use crate::report::Report;
use crate::report::model::RowReport;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Messages of the mailbox that was searched, octets of one.
    pub messages: f64,
    pub message_bytes: f64,
    /// Processor milliseconds of the server: of a command of the peak mix, a delivery, a search.
    pub command_ms: f64,
    pub delivery_ms: f64,
    pub search_ms: f64,
    /// Octets for each idle connection, for each message of an open mailbox, and without any.
    pub connection_bytes: f64,
    pub open_message_bytes: f64,
    pub base_bytes: f64,
    /// Octets on disk for each octet of mail.
    pub store_ratio: f64,
    pub index_ratio: f64,
}

impl Profile {
    /// Of one server of a report; the error says which scenarios have to be measured for it.
    pub fn of(report: &Report, server: &str) -> Result<Profile, String> {
        if !report.servers.iter().any(|s| s.name == server) {
            return Err(format!("the report has no server {server}"));
        }
        let rows = || report.rows.iter().filter(|row| row.server == server);
        let mut missing = Vec::new();
        let mut need = |value: Option<f64>, scenario: &'static str| {
            if value.is_none() && !missing.contains(&scenario) {
                missing.push(scenario);
            }
            value.unwrap_or(0.0)
        };
        let mean = |scenarios: &[&str]| {
            let costs: Vec<f64> = rows()
                .filter(|row| scenarios.contains(&row.scenario.as_str()))
                .filter_map(|row: &RowReport| row.cpu_ms_per_unit)
                .collect();
            (!costs.is_empty()).then(|| costs.iter().sum::<f64>() / costs.len() as f64)
        };
        let figure = |scenario: &str, name: &str| {
            rows()
                .filter(|row| row.scenario == scenario)
                .flat_map(|row| &row.figures)
                .find(|figure| figure.name == name)
                .map(|figure| figure.value)
        };
        let searches =
            ["search-word", "search-substring", "search-phrase", "search-header", "search-boolean"];
        let base = rows().filter_map(|row| row.usage).map(|usage| usage.pss as f64).reduce(f64::min);
        let profile = Profile {
            messages: report.about.messages as f64,
            message_bytes: report.about.bytes as f64 / report.about.messages.max(1) as f64,
            command_ms: need(mean(&["peak"]), "peak"),
            delivery_ms: need(mean(&["deliver"]).or_else(|| mean(&["append"])), "append"),
            search_ms: need(mean(&searches), "search"),
            connection_bytes: need(figure("idle-fleet", "PSS for each connection"), "idle-fleet"),
            open_message_bytes: need(figure("sync-cold", "PSS added by the open mailbox"), "sync-cold"),
            base_bytes: need(base, "append"),
            store_ratio: need(figure("disk", "mail and metadata"), "disk"),
            index_ratio: need(figure("disk", "index"), "disk"),
        };
        if missing.is_empty() {
            return Ok(profile);
        }
        Err(format!(
            "the report lacks figures of {server} for: {} (measure them, with a local server)",
            missing.join(", ")
        ))
    }
}
