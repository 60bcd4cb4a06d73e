//! `trawl status` and `trawl metrics`.

use std::process::ExitCode;

use indicatif::{HumanBytes, HumanCount, HumanDuration};

use super::control::Server;
use super::error::CliError;
use super::search::senseless;
use crate::config::Config;
use crate::control::protocol::{
    Answer, DocumentsStatus, IndexStatus, Latency, Request, SearchesStatus, Status,
};

pub fn run(config: &Config, json: bool) -> Result<ExitCode, CliError> {
    let server = Server::find_or_start(config)?;
    let answer = server.connect()?.ask(&Request::Status)?;
    let running = server.was_running();
    server.finish()?;
    let Answer::Status { status } = answer else {
        return Err(senseless());
    };
    if json {
        say!("{}", serde_json::to_string(&status).map_err(CliError::new)?);
    } else {
        print(&status, running);
    }
    Ok(if status.shards.iter().any(|s| s.poisoned.is_some()) { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Prometheus text.
pub fn metrics(config: &Config) -> Result<ExitCode, CliError> {
    let server = Server::find_or_start(config)?;
    let answer = server.connect()?.ask(&Request::Metrics)?;
    server.finish()?;
    let Answer::Metrics { text } = answer else { return Err(senseless()) };
    say!("{}", text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn print(status: &Status, running: bool) {
    say!("store        {} (format {})", status.store, status.format);
    if running {
        let uptime = std::time::Duration::from_secs(status.uptime_seconds);
        say!(
            "server       trawl {}, pid {}, running for {}",
            status.version,
            status.pid,
            HumanDuration(uptime)
        );
        say!(
            "listening    {}",
            if status.listening.is_empty() { "nowhere".into() } else { status.listening.join(", ") }
        );
        say!("connections  {}", status.connections);
    } else {
        say!("server       not running");
    }
    say!("accounts     {}", status.users);
    match &status.index {
        None => say!("index        switched off"),
        Some(index) => print_index(index),
    }
    match &status.documents {
        None => say!("documents    not read"),
        Some(documents) => print_documents(documents),
    }
    print_searches(&status.searches);
    for shard in &status.shards {
        say!(
            "shard {:04}   {} accounts, {} mailboxes, {} messages, {} of log, LSN {}",
            shard.shard,
            shard.accounts,
            shard.mailboxes,
            HumanCount(shard.messages),
            HumanBytes(shard.log_bytes),
            shard.durable_lsn
        );
        if !shard.recovery.is_empty() {
            say!("             at the start: {}", shard.recovery);
        }
        if let Some(reason) = &shard.poisoned {
            say!("             TAKES NO CHANGES until a restart: {reason}");
        }
    }
}

fn print_documents(documents: &DocumentsStatus) {
    say!(
        "documents    {} accounts waiting, {} being looked at, {} documents read ({} of text), {} could not be read",
        documents.queued,
        documents.working,
        HumanCount(documents.read),
        HumanBytes(documents.text_bytes),
        HumanCount(documents.failed)
    );
}

fn print_index(index: &IndexStatus) {
    say!(
        "index        {} open, {} segments, {} messages, {} on disk, {} of memory",
        index.open,
        index.segments,
        HumanCount(index.messages),
        HumanBytes(index.disk_bytes),
        HumanBytes(index.memory_bytes)
    );
    say!(
        "             {} accounts waiting, {} being indexed, {} messages to be indexed, {} indexed since the start",
        index.queued,
        index.working,
        HumanCount(index.tail_messages),
        HumanCount(index.indexed_messages)
    );
    if let Some(error) = &index.last_error {
        say!("             last error: {error}");
    }
}

fn print_searches(searches: &SearchesStatus) {
    if searches.families.is_empty() {
        return;
    }
    let SearchesStatus { families, indexed, in_memory, read, fallbacks_missing, fallbacks_damaged } =
        searches;
    say!("{:<12} {:<10} {:>9} {:>10} {:>10} {:>10}", "searches", "phase", "count", "p50", "p99", "max");
    let line = |family: &str, phase: &str, latency: &Latency| {
        let Latency { count, p50_us, p99_us, max_us } = *latency;
        let [p50, p99, max] = [p50_us, p99_us, max_us].map(duration);
        say!("  {family:<10} {phase:<10} {:>9} {p50:>10} {p99:>10} {max:>10}", HumanCount(count).to_string());
    };
    for family in families {
        line(&family.family, "whole", &family.whole);
        family.phases.iter().for_each(|of| line("", &of.phase, &of.latency));
        let others = family.outcomes.iter().filter(|(outcome, _)| *outcome != "found");
        let others: Vec<String> = others.map(|(outcome, count)| format!("{count} {outcome}")).collect();
        if !others.is_empty() {
            say!("  {:<10} {}", "", others.join(", "));
        }
    }
    say!(
        "  texts      {} by the index, {} in memory, {} read from the log; {fallbacks_missing} times without an index, {fallbacks_damaged} times with a damaged one",
        HumanCount(*indexed),
        HumanCount(*in_memory),
        HumanCount(*read)
    );
}

/// Microseconds for a person.
fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}
