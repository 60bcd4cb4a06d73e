//! `trawl metrics`: figures of the whole server in the words of Prometheus, and those of searches for `trawl status`.
//!
//! Names are for good: dashboards are made of them. They are listed in `docs/metrics.md`, which a test compares with what is told.

use std::rc::Rc;

use super::protocol::{FamilyStatus, Latency, PhaseStatus, SearchesStatus, ShardStatus, Status};
use crate::core::Counters;
use crate::observe::histogram::Histogram;
use crate::observe::metrics::{By, Fallback, Family, Figures, Outcome, Phase};
use crate::observe::prometheus::Text;
use crate::runtime::state::CoreState;

/// What searches cost, and what sessions did, on all cores.
pub async fn figures(core: &Rc<CoreState>) -> Result<(Figures, Counters), String> {
    let (mut figures, mut counters) = (Figures::default(), Counters::default());
    for index in 0..core.shared.mesh.cores() {
        let asked = core.shared.mesh.ask(index, |there: Rc<CoreState>| {
            Box::pin(async move { (there.core.metrics.figures(), there.core.counters.get()) })
        });
        let (more, counted) = asked.await.map_err(|error| error.to_string())?;
        figures.add_all(&more);
        counters.commands += counted.commands;
        counters.sessions += counted.sessions;
        counters.logins += counted.logins;
        counters.logins_failed += counted.logins_failed;
    }
    Ok((figures, counters))
}

/// For `trawl status`.
pub fn searches(figures: &Figures) -> SearchesStatus {
    let happened = |family: &&Family| figures.whole(**family).count() > 0;
    let families = Family::ALL.iter().filter(happened).map(|family| FamilyStatus {
        family: family.name().to_owned(),
        outcomes: Outcome::ALL
            .iter()
            .map(|outcome| (outcome.name().to_owned(), figures.outcome(*family, *outcome)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        whole: latency(figures.whole(*family)),
        phases: Phase::ALL
            .iter()
            .map(|phase| (phase, latency(figures.phase(*family, *phase))))
            .filter(|(_, latency)| latency.count > 0)
            .map(|(phase, latency)| PhaseStatus { phase: phase.name().to_owned(), latency })
            .collect(),
    });
    SearchesStatus {
        families: families.collect(),
        indexed: figures.looked(By::Index).1,
        in_memory: figures.looked(By::Memory).1,
        read: figures.looked(By::Log).1,
        fallbacks_missing: figures.fallback(Fallback::Missing),
        fallbacks_damaged: figures.fallback(Fallback::Damaged),
    }
}

fn latency(of: &Histogram) -> Latency {
    Latency { count: of.count(), p50_us: of.permille(500), p99_us: of.permille(990), max_us: of.max() }
}

/// All of it.
pub fn text(status: &Status, figures: &Figures, counters: Counters) -> String {
    let mut text = Text::default();
    of_process(&mut text, status, counters);
    of_shards(&mut text, &status.shards);
    of_index(&mut text, status);
    of_documents(&mut text, status);
    of_searches(&mut text, figures);
    text.finish()
}

fn of_process(text: &mut Text, status: &Status, counters: Counters) {
    text.gauge("trawl_build_info", "Always 1; the version is a label.");
    text.value(&[("version", &status.version)], 1);
    text.gauge("trawl_uptime_seconds", "Since the server started.");
    text.value(&[], status.uptime_seconds);
    text.gauge("trawl_connections", "Connections that are open.");
    text.value(&[], status.connections);
    text.gauge("trawl_sessions", "Sessions of IMAP, also those over the control socket.");
    text.value(&[], counters.sessions);
    text.gauge("trawl_users", "Accounts that can log in.");
    text.value(&[], status.users);
    text.counter("trawl_commands_total", "Commands answered.");
    text.value(&[], counters.commands);
    text.counter("trawl_logins_total", "Attempts to log in.");
    text.value(&[("result", "ok")], counters.logins);
    text.value(&[("result", "failed")], counters.logins_failed);
}

fn of_shards(text: &mut Text, shards: &[ShardStatus]) {
    type Figure = fn(&ShardStatus) -> u64;
    let figures: [(&'static str, &str, Figure); 6] = [
        ("trawl_shard_accounts", "Accounts.", |shard| shard.accounts),
        ("trawl_shard_mailboxes", "Mailboxes.", |shard| shard.mailboxes),
        ("trawl_shard_messages", "Messages.", |shard| shard.messages),
        ("trawl_shard_log_bytes", "Log on disk.", |shard| shard.log_bytes),
        ("trawl_shard_durable_lsn", "Last durable LSN.", |shard| shard.durable_lsn),
        ("trawl_shard_poisoned", "1: takes no changes until a restart.", |shard| {
            u64::from(shard.poisoned.is_some())
        }),
    ];
    for (name, help, figure) in figures {
        text.gauge(name, help);
        for shard in shards {
            text.value(&[("shard", &format!("{:04}", shard.shard))], figure(shard));
        }
    }
}

fn of_documents(text: &mut Text, status: &Status) {
    text.gauge("trawl_documents_enabled", "1: documents in messages are read.");
    text.value(&[], u64::from(status.documents.is_some()));
    let Some(documents) = &status.documents else { return };
    text.gauge("trawl_documents_queued_accounts", "Accounts with messages to be looked at.");
    text.value(&[], documents.queued);
    text.gauge("trawl_documents_working_accounts", "Accounts whose messages are being looked at.");
    text.value(&[], documents.working);
    text.counter("trawl_documents_total", "Documents that were looked at, by what came of it.");
    text.value(&[("outcome", "read")], documents.read);
    text.value(&[("outcome", "failed")], documents.failed);
    text.counter("trawl_documents_text_bytes_total", "Text that was read in documents.");
    text.value(&[], documents.text_bytes);
}

fn of_index(text: &mut Text, status: &Status) {
    text.gauge("trawl_index_enabled", "1: there are search indexes.");
    text.value(&[], u64::from(status.index.is_some()));
    let Some(index) = &status.index else { return };
    let gauges = [
        ("trawl_index_open", "Indexes that are open; the following three are about these.", index.open),
        ("trawl_index_segments", "Their segments.", index.segments),
        ("trawl_index_messages", "Messages in them.", index.messages),
        ("trawl_index_disk_bytes", "Their files.", index.disk_bytes),
        ("trawl_index_memory_bytes", "Memory that indexes and texts of messages take.", index.memory_bytes),
        ("trawl_index_queued_accounts", "Accounts that wait to be indexed.", index.queued),
        ("trawl_index_working_accounts", "Accounts that are being indexed.", index.working),
        (
            "trawl_index_backlog_messages",
            "Messages that no segment has yet, as far as known.",
            index.tail_messages,
        ),
    ];
    for (name, help, value) in gauges {
        text.gauge(name, help);
        text.value(&[], value);
    }
    text.counter("trawl_index_indexed_messages_total", "Messages that became part of a segment.");
    text.value(&[], index.indexed_messages);
}

fn of_searches(text: &mut Text, figures: &Figures) {
    text.counter("trawl_searches_total", "Searches by family of command and how they ended.");
    for family in Family::ALL {
        for outcome in Outcome::ALL {
            let labels = [("family", family.name()), ("outcome", outcome.name())];
            text.value(&labels, figures.outcome(*family, *outcome));
        }
    }
    text.histogram("trawl_search_seconds", "From a command to its answer.");
    for family in Family::ALL {
        text.times(&[("family", family.name())], figures.whole(*family));
    }
    text.histogram(
        "trawl_search_phase_seconds",
        "Phases of searches; those of a family that never had one are left out.",
    );
    for family in Family::ALL {
        for phase in Phase::ALL {
            let times = figures.phase(*family, *phase);
            if times.count() > 0 {
                text.times(&[("family", family.name()), ("phase", phase.name())], times);
            }
        }
    }
    text.counter("trawl_search_pieces_total", "Pieces of searches that lanes did.");
    for by in By::ALL {
        text.value(&[("by", by.name())], figures.looked(*by).0);
    }
    text.counter("trawl_search_messages_total", "Messages whose texts were looked at.");
    for by in By::ALL {
        text.value(&[("by", by.name())], figures.looked(*by).1);
    }
    text.counter("trawl_search_fallbacks_total", "Looks at texts for which an index was missing or damaged.");
    for why in Fallback::ALL {
        text.value(&[("reason", why.name())], figures.fallback(*why));
    }
}
