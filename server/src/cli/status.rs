//! `trawl status`.

use std::process::ExitCode;

use indicatif::{HumanBytes, HumanCount, HumanDuration};

use super::control::Server;
use super::error::CliError;
use crate::config::Config;
use crate::control::protocol::{Answer, DocumentsStatus, IndexStatus, Request, Status};

pub fn run(config: &Config, json: bool) -> Result<ExitCode, CliError> {
    let server = Server::find_or_start(config)?;
    let answer = server.connect()?.ask(&Request::Status)?;
    let running = server.was_running();
    server.finish()?;
    let Answer::Status { status } = answer else {
        return Err(CliError::new("the server gave an answer that makes no sense"));
    };
    if json {
        say!("{}", serde_json::to_string(&status).map_err(CliError::new)?);
    } else {
        print(&status, running);
    }
    Ok(if status.shards.iter().any(|s| s.poisoned.is_some()) { ExitCode::from(1) } else { ExitCode::SUCCESS })
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
