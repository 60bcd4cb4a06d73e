//! The report as one HTML page that needs nothing else: no network, no scripts.

use std::fmt::Write;

use super::model::{ClassReport, Report, RowReport};
use super::numbers::{millis, octets, significant, thousands};
use super::ratios::{Ratio, ratios};
use super::svg::{Axis, Bar, Line, Scale, bars, escape, lines};

/// Colours of the page.
const COLOURS: usize = 8;

pub fn html(report: &Report) -> String {
    let mut out = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>trawl-bench</title><style>");
    out.push_str(include_str!("page.css"));
    out.push_str("</style></head><body>");
    head(report, &mut out);
    settings(report, &mut out);
    summary(report, &mut out);
    memory(report, &mut out);
    for scenario in scenarios(report) {
        section(report, scenario, &mut out);
    }
    notes(report, &mut out);
    out.push_str("</body></html>\n");
    out
}

fn scenarios(report: &Report) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for row in &report.rows {
        if !found.contains(&row.scenario.as_str()) {
            found.push(&row.scenario);
        }
    }
    found
}

fn colour(report: &Report, server: &str) -> usize {
    report.servers.iter().position(|s| s.name == server).unwrap_or(0) % COLOURS
}

fn head(report: &Report, out: &mut String) {
    let about = &report.about;
    let names: Vec<&str> = report.servers.iter().map(|s| s.name.as_str()).collect();
    let _ = write!(out, "<h1>IMAP servers measured: {}</h1>", escape(&names.join(", ")));
    let _ = write!(
        out,
        "<p class=\"soft\">{} &middot; trawl-bench {} &middot; {} processors ({}), {} of memory, Linux {}</p>",
        escape(&about.date),
        escape(&about.version),
        about.machine.processors,
        escape(&about.machine.processor),
        octets(about.machine.memory_bytes as f64),
        escape(&about.machine.kernel)
    );
    let _ = write!(
        out,
        "<p>{}: {} messages, {}. Latency counts from the time an operation was due (open loops) or was sent (closed loops) to the \
         last octet of its answer; all answers were checked.</p>",
        escape(&about.mail),
        thousands(about.messages as i64),
        octets(about.bytes as f64)
    );
    let verdict = if report.is_right() {
        "<p class=\"good\">Everything was answered rightly and in time (wrong answers of servers for which they are only counted aside).</p>"
    } else {
        "<p class=\"bad\">Not everything was answered rightly and in time: see below.</p>"
    };
    out.push_str(verdict);
    out.push_str("<nav><a href=\"#ratios\">ratios</a><a href=\"#memory\">memory</a>");
    for scenario in scenarios(report) {
        let _ = write!(out, "<a href=\"#{0}\">{0}</a>", escape(scenario));
    }
    out.push_str("<a href=\"#notes\">not supported, failed</a></nav>");
}

fn settings(report: &Report, out: &mut String) {
    out.push_str("<h2>Settings</h2><div class=\"wide\"><table><tr><th class=\"text\"></th>");
    for server in &report.servers {
        let _ = write!(out, "<th class=\"text\">{}</th>", escape(&server.name));
    }
    out.push_str("</tr>");
    let mut keys: Vec<&String> = report.servers.iter().flat_map(|s| s.settings.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let _ = write!(out, "<tr><td class=\"text\">{}</td>", escape(key));
        for server in &report.servers {
            let value = server.settings.get(key).map_or("", String::as_str);
            let _ = write!(out, "<td class=\"long\">{}</td>", escape(value));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
    let plan = serde_json::to_string(&report.about.plan).unwrap_or_default();
    let _ = write!(out, "<p class=\"soft\">Sizes of the run: <code>{}</code></p>", escape(&plan));
    if !report.about.queries.is_empty() {
        let list: Vec<String> = report
            .about
            .queries
            .iter()
            .map(|(class, (all, exact))| format!("{class} {all} ({exact} with one right answer only)"))
            .collect();
        let _ = write!(out, "<p class=\"soft\">Queries: {}.</p>", escape(&list.join(", ")));
    }
}

fn summary(report: &Report, out: &mut String) {
    let ratios = ratios(report);
    let Some(first) = report.servers.first() else { return };
    let name = escape(&first.name);
    let _ = write!(out, "<h2 id=\"ratios\">{name} against the others</h2>");
    if ratios.is_empty() {
        out.push_str("<p class=\"soft\">Only one server was measured, or nothing that can be compared.</p>");
        return;
    }
    let _ = write!(
        out,
        "<p>How many times better {name} is (more throughput, less time, processor time, memory, disk) than the best server whose answers in \
         that row were all right; in brackets than the best whatever it answered, where that is another. Below 1 it is worse. Latencies of open loops \
         are at the same part of each server's own saturation, unless the row says a rate.</p><div class=\"wide\"><table><tr><th class=\"text\">scenario</th>\
         <th class=\"text\">row</th>"
    );
    for (title, _) in MEASURES {
        let _ = write!(out, "<th>{title}</th>");
    }
    out.push_str("</tr>");
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for ratio in &ratios {
        if !lines.contains(&(&ratio.scenario, &ratio.label)) {
            lines.push((&ratio.scenario, &ratio.label));
        }
    }
    let mut last = "";
    for (scenario, label) in lines {
        let class = if scenario == last { "" } else { " class=\"first\"" };
        let shown = if scenario == last { "" } else { scenario };
        last = scenario;
        let of_row = || ratios.iter().filter(|r| r.scenario == scenario && r.label == label);
        let warn = if of_row().all(|r| r.right) { "" } else { " <span class=\"bad\">not all right</span>" };
        let (shown, label) = (escape(shown), escape(label));
        let _ =
            write!(out, "<tr{class}><td class=\"text\">{shown}</td><td class=\"text\">{label}{warn}</td>");
        for (_, names) in MEASURES {
            out.push_str("<td>");
            for ratio in of_row().filter(|r| names.contains(&r.measure)) {
                cell(ratio, report.servers.len() > 2, out);
            }
            out.push_str("</td>");
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
}

/// Columns of the table of ratios.
const MEASURES: [(&str, &[&str]); 5] = [
    ("throughput", &["throughput"]),
    ("p50", &["p50"]),
    ("p99", &["p99"]),
    ("server CPU", &["server CPU"]),
    ("memory, disk", &["memory", "size"]),
];

/// `named`: with the name of the other server, which is clear where there is only one.
fn cell(ratio: &Ratio, named: bool, out: &mut String) {
    let what = ratio.unit.rsplit_once(" (").map_or("", |(_, what)| what.trim_end_matches(')'));
    let title = format!("{} {}", significant(ratio.own), ratio.unit);
    let _ = write!(out, "<div title=\"{}\">", escape(&title));
    if !what.is_empty() {
        let _ = write!(out, "<span class=\"soft\">{}</span> ", escape(what));
    }
    let times = |best: &(String, f64, f64)| {
        let class = if best.2 >= 1.0 { "good" } else { "bad" };
        let name = if named { format!("<small>{}</small>", escape(&best.0)) } else { String::new() };
        format!("<span class=\"{class}\">{}&times;</span>{name}", significant(best.2))
    };
    match (&ratio.best_right, &ratio.fastest) {
        (Some(right), Some(all)) if right.0 == all.0 => out.push_str(&times(right)),
        (Some(right), Some(all)) => {
            let _ = write!(out, "{}<div class=\"other\">({})</div>", times(right), times(all));
        }
        (None, Some(all)) => {
            let _ = write!(out, "({})", times(all));
        }
        _ => out.push('-'),
    }
    out.push_str("</div>");
}

fn memory(report: &Report, out: &mut String) {
    let mut most = Vec::new();
    let mut each = Vec::new();
    for server in &report.servers {
        let rows = || report.rows.iter().filter(|row| row.server == server.name);
        let colour = colour(report, &server.name);
        if let Some(pss) = rows().filter_map(|row| row.usage).map(|usage| usage.pss).max() {
            most.push(Bar { name: server.name.clone(), colour, value: pss as f64, text: octets(pss as f64) });
        }
        for figure in rows().flat_map(|row| &row.figures).filter(|f| f.name == "PSS for each connection") {
            each.push(Bar {
                name: server.name.clone(),
                colour,
                value: figure.value,
                text: octets(figure.value),
            });
        }
    }
    if most.is_empty() && each.is_empty() {
        return;
    }
    out.push_str("<h2 id=\"memory\">Memory</h2><div class=\"plots\">");
    if !most.is_empty() {
        let _ = write!(
            out,
            "<figure><figcaption>Most at the end of any stretch (PSS of all processes; mapped page cache counts)</figcaption>{}</figure>",
            bars(&most)
        );
    }
    if !each.is_empty() {
        let _ = write!(
            out,
            "<figure><figcaption>For each idle connection (PSS)</figcaption>{}</figure>",
            bars(&each)
        );
    }
    out.push_str("</div>");
}

fn section(report: &Report, scenario: &str, out: &mut String) {
    let rows: Vec<&RowReport> = report.rows.iter().filter(|row| row.scenario == scenario).collect();
    let mut labels: Vec<&str> = Vec::new();
    for row in &rows {
        if !labels.contains(&row.label.as_str()) {
            labels.push(&row.label);
        }
    }
    let _ = write!(out, "<h2 id=\"{0}\">{0}</h2>", escape(scenario));
    timings(&rows, &labels, out);
    figures(&rows, out);
    out.push_str("<div class=\"plots\">");
    for label in labels.iter().take(6) {
        let curves: Vec<Line> = rows
            .iter()
            .filter(|row| row.label == *label)
            .filter_map(|row| Some((row, row.all()?)))
            .filter(|(_, class)| class.latency.count >= 4)
            .map(|(row, class)| Line {
                name: row.server.clone(),
                colour: colour(report, &row.server),
                points: class.curve.clone(),
                marks: false,
                dashed: class.failed() > 0,
            })
            .collect();
        if !curves.is_empty() {
            let x = Axis { scale: Scale::Nines, title: "percentile".into() };
            let y = Axis { scale: Scale::Log, title: "ms".into() };
            let _ = write!(
                out,
                "<figure><figcaption>Latency: {}</figcaption>{}</figure>",
                escape(label),
                lines(&x, &y, &curves)
            );
        }
    }
    against(report, &rows, out);
    out.push_str("</div>");
    if rows.iter().any(|row| row.failed() > 0) {
        out.push_str("<h3>Not right</h3><ul class=\"notes\">");
        for row in &rows {
            let classes =
                &row.classes[..row.classes.len().saturating_sub(usize::from(row.classes.len() > 1))];
            for example in classes.iter().flat_map(|class| &class.examples).take(4) {
                let _ = write!(
                    out,
                    "<li>{}, {}: <code>{}</code></li>",
                    escape(&row.server),
                    escape(&row.label),
                    escape(example)
                );
            }
        }
        out.push_str("</ul>");
    }
}

/// Throughput against latency, a line for each server and group of rows (what stands before the first comma of labels).
fn against(report: &Report, rows: &[&RowReport], out: &mut String) {
    let mut groups: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.is_open()) {
        let group = row.label.rsplit_once(", ").map_or("", |(group, _)| group);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    for group in groups {
        let mut curves = Vec::new();
        for server in &report.servers {
            for (p99, dashed) in [(false, true), (true, false)] {
                let mut points: Vec<(f64, f64)> = rows
                    .iter()
                    .filter(|row| row.server == server.name && row.label.starts_with(group))
                    .filter(|row| row.label[group.len()..].starts_with(", "))
                    .filter_map(|row| {
                        let all = row.all()?;
                        Some((row.throughput, if p99 { all.latency.p99 } else { all.latency.p50 }))
                    })
                    .collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                let name = format!("{} {}", server.name, if p99 { "p99" } else { "p50" });
                curves.push(Line { name, colour: colour(report, &server.name), points, marks: true, dashed });
            }
        }
        if curves.iter().all(|curve| curve.points.len() < 2) {
            continue;
        }
        let unit = rows.first().map_or("", |row| row.unit.as_str());
        let x = Axis { scale: Scale::Linear, title: format!("{unit}/s") };
        let y = Axis { scale: Scale::Log, title: "ms".into() };
        let _ = write!(
            out,
            "<figure><figcaption>Throughput against latency: {} (rightmost: closed loop)</figcaption>{}</figure>",
            escape(group),
            lines(&x, &y, &curves)
        );
    }
}

fn timings(rows: &[&RowReport], labels: &[&str], out: &mut String) {
    if rows.iter().all(|row| row.classes.is_empty()) {
        return;
    }
    let unit = rows.iter().map(|row| row.unit.as_str()).find(|unit| !unit.is_empty()).unwrap_or("units");
    let _ = write!(
        out,
        "<div class=\"wide\"><table><tr><th class=\"text\">row</th><th class=\"text\">server</th><th class=\"text\">class</th><th>{unit}/s</th>\
         <th class=\"text\">rounds</th><th>operations</th><th>p50 ms</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th><th>service p99</th>\
         <th>CPU ms/{}</th><th>not right</th></tr>",
        unit.trim_end_matches('s')
    );
    for label in labels {
        let mut first = true;
        for row in rows.iter().filter(|row| row.label == *label) {
            for (n, class) in row.classes.iter().enumerate() {
                let last = n + 1 == row.classes.len();
                let _ = write!(
                    out,
                    "<tr{}><td class=\"text\">{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td>",
                    if first { " class=\"first\"" } else { "" },
                    if first { escape(label) } else { String::new() },
                    if n == 0 { escape(&row.server) } else { String::new() },
                    if row.classes.len() > 1 { escape(&class.name) } else { String::new() }
                );
                timing(row, class, last, out);
                first = false;
            }
            if let Some(why) = &row.driver.saturated {
                let _ = write!(
                    out,
                    "<tr><td></td><td class=\"long bad\" colspan=\"13\">driver saturated: {}</td></tr>",
                    escape(why)
                );
            }
        }
    }
    out.push_str("</table></div>");
}

fn timing(row: &RowReport, class: &ClassReport, last: bool, out: &mut String) {
    let l = &class.latency;
    let rounds: Vec<String> = row.rounds.iter().map(|r| significant(*r)).collect();
    let (rate, rounds) = match last && row.seconds > 0.0 && row.units > 0 {
        true => (significant(row.throughput), rounds.join(" ")),
        false => (String::new(), String::new()),
    };
    let cpu = if last { row.cpu_ms_per_unit.map(significant).unwrap_or_default() } else { String::new() };
    let failed = match class.failed() {
        0 => "<td class=\"good\">0</td>".to_owned(),
        n => format!(
            "<td class=\"bad\" title=\"{} wrong, {} refused, {} late\">{n}</td>",
            class.wrong, class.refused, class.late
        ),
    };
    let _ = write!(
        out,
        "<td>{rate}</td><td class=\"text soft\">{rounds}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{cpu}</td>{failed}</tr>",
        thousands(l.count as i64),
        millis(l.p50),
        millis(l.p90),
        millis(l.p99),
        millis(l.p999),
        millis(l.max),
        if class.service.count > 0 { millis(class.service.p99) } else { String::new() },
    );
}

fn figures(rows: &[&RowReport], out: &mut String) {
    if rows.iter().all(|row| row.figures.is_empty()) {
        return;
    }
    out.push_str("<div class=\"wide\"><table><tr><th class=\"text\">figure</th><th class=\"text\">row</th><th class=\"text\">server</th><th></th><th class=\"text\">unit</th></tr>");
    let mut names: Vec<&str> = Vec::new();
    for figure in rows.iter().flat_map(|row| &row.figures) {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    for name in names {
        let mut first = true;
        for row in rows {
            for figure in row.figures.iter().filter(|f| f.name == name) {
                let _ = write!(
                    out,
                    "<tr{}><td class=\"text\">{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td><td>{}</td><td class=\"text soft\">{}</td></tr>",
                    if first { " class=\"first\"" } else { "" },
                    if first { escape(name) } else { String::new() },
                    escape(&row.label),
                    escape(&row.server),
                    significant(figure.value),
                    escape(&figure.unit)
                );
                first = false;
            }
        }
    }
    out.push_str("</table></div>");
}

fn notes(report: &Report, out: &mut String) {
    out.push_str("<h2 id=\"notes\">Not supported, failed</h2>");
    if report.unsupported.is_empty() && report.failures.is_empty() {
        out.push_str("<p class=\"soft\">Nothing.</p>");
        return;
    }
    out.push_str("<ul class=\"notes\">");
    for failure in &report.failures {
        let _ = write!(
            out,
            "<li class=\"bad\">failed: {} on {}: {}</li>",
            escape(&failure.scenario),
            escape(&failure.server),
            escape(&failure.what)
        );
    }
    for missing in &report.unsupported {
        let _ = write!(
            out,
            "<li>not supported: {} by {}, which lacks {}</li>",
            escape(&missing.scenario),
            escape(&missing.server),
            escape(&missing.what)
        );
    }
    out.push_str("</ul>");
}
