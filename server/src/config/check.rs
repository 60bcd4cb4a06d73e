//! From text to a checked [`Config`]: syntax, unknown keys, types, ranges, and what settings say about each other.
//!
//! Every refusal names the line of the value at fault.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};
use trawl_store::limits::{annotation_bytes_max, annotations_per_account_max};

use super::{Config, ConfigError, DocumentsConfig, MetadataConfig, SharedFilter};
use crate::wire;
use crate::wire::ast::FilterName;

/// Shards are named with four digits in the store.
pub const SHARDS_MAX: u16 = 1024;

/// A value that fails a check: the path of its key, and why.
type Fault = (&'static str, String);

pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let config: Config = toml::from_str(text).map_err(|e| ConfigError {
        file: None,
        line: e.span().map(|span| line_of(text, span.start)),
        reason: reason(e.message()),
    })?;
    match check(&config) {
        Ok(()) => Ok(config),
        Err((path, why)) => {
            Err(ConfigError { file: None, line: locate(text, path), reason: format!("{path}: {why}") })
        }
    }
}

/// serde's words, one line.
fn reason(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(" ")
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count()
}

/// The line where the value of a dotted path stands; `None` when the file leaves it to its default.
fn locate(text: &str, path: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut line = None;
    for key in path.split('.') {
        let value = table.get(key)?;
        line = Some(line_of(text, value.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return line,
        }
    }
    line
}

fn check(config: &Config) -> Result<(), Fault> {
    let Config {
        store,
        storage,
        index,
        documents,
        listen: _,
        tls,
        auth,
        runtime,
        limits,
        metadata,
        metrics: _,
        log: _,
    } = config;
    if store.as_os_str().is_empty() {
        return Err(("store", "must not be empty".into()));
    }
    within("storage.shards", u64::from(storage.shards), 0, u64::from(SHARDS_MAX))?;
    within_size(
        "storage.checkpoint_bytes",
        storage.checkpoint_bytes,
        super::ByteSize::mib(1),
        super::ByteSize::mib(1 << 20),
    )?;

    let (least, most) = (super::ByteSize::mib(8), super::ByteSize::mib(1 << 20));
    if index.memory != super::ByteSize(0) {
        within_size("index.memory", index.memory, least, most)?;
    }
    within("index.lanes", u64::from(index.lanes), 0, 1024)?;
    check_documents(documents)?;

    if tls.certificate.is_some() && tls.key.is_none() {
        return Err(("tls.certificate", "tls.key must be given too".into()));
    }
    if tls.key.is_some() && tls.certificate.is_none() {
        return Err(("tls.key", "tls.certificate must be given too".into()));
    }

    within_size(
        "auth.argon2_memory",
        auth.argon2_memory,
        super::ByteSize(64 << 10),
        super::ByteSize::mib(4096),
    )?;
    within("auth.argon2_passes", u64::from(auth.argon2_passes), 1, 1000)?;
    within("auth.argon2_lanes", u64::from(auth.argon2_lanes), 1, 64)?;
    if auth.argon2_memory.0 < u64::from(auth.argon2_lanes) * 8 * 1024 {
        return Err(("auth.argon2_memory", "argon2id needs at least 8KiB for each lane".into()));
    }
    within("auth.scram_iterations", u64::from(auth.scram_iterations), 4096, 10_000_000)?;
    within("auth.hashing_threads", u64::from(auth.hashing_threads), 1, 256)?;
    within("auth.hashing_queue_max", u64::from(auth.hashing_queue_max), 1, 1_000_000)?;
    within("auth.failures_max", u64::from(auth.failures_max), 1, 1_000_000)?;
    within_span("auth.cache_life", auth.cache_life, 0, 86_400)?;
    within_span("auth.failures_window", auth.failures_window, 1, 86_400)?;

    within("runtime.cores", u64::from(runtime.cores), 0, 1024)?;
    within("runtime.lanes", u64::from(runtime.lanes), 0, 1024)?;

    within("limits.connections_max", u64::from(limits.connections_max), 1, 1_000_000)?;
    within(
        "limits.connections_per_address_max",
        u64::from(limits.connections_per_address_max),
        1,
        1_000_000,
    )?;
    within("limits.connections_per_user_max", u64::from(limits.connections_per_user_max), 1, 1_000_000)?;
    within_size(
        "limits.append_bytes_max",
        limits.append_bytes_max,
        super::ByteSize(64 << 10),
        super::ByteSize::mib(2048),
    )?;
    within_span("limits.login_timeout", limits.login_timeout, 1, 3600)?;
    within_span("limits.idle_timeout", limits.idle_timeout, 30 * 60, 7 * 86_400)?;
    within_span("limits.search_time", limits.search_time, 0, 86_400)?;
    within_span("limits.stall_timeout", limits.stall_timeout, 1, 86_400)?;
    check_metadata(metadata)
}

fn check_documents(documents: &DocumentsConfig) -> Result<(), Fault> {
    use super::ByteSize;
    within("documents.workers", u64::from(documents.workers), 1, 256)?;
    within_span("documents.time", documents.time, 1, 3600)?;
    within_size("documents.memory", documents.memory, ByteSize::mib(32), ByteSize::mib(16 << 10))?;
    within_size("documents.text", documents.text, ByteSize(4 << 10), ByteSize::mib(64))?;
    within_size("documents.size", documents.size, ByteSize(4 << 10), ByteSize::mib(1024))?;
    if documents.memory.0 < 2 * documents.size.0 {
        return Err(("documents.memory", "must be at least twice documents.size".into()));
    }
    const TIKA: &str = "documents.tika";
    if !documents.tika.is_empty() && !documents.tika.starts_with("http://") {
        return Err((TIKA, "is not a URL with http, as http://localhost:9998 is".into()));
    }
    if !documents.tika.is_empty() && (!is_uri(&documents.tika) || documents.tika.contains(['?', '#'])) {
        return Err((TIKA, "is not the URL of a server, as http://localhost:9998 is".into()));
    }
    Ok(())
}

fn check_metadata(metadata: &MetadataConfig) -> Result<(), Fault> {
    let too_long = |value: &str| value.len() > annotation_bytes_max;
    let long = || format!("is longer than {annotation_bytes_max} octets");
    for (path, value) in [("metadata.comment", &metadata.comment), ("metadata.admin", &metadata.admin)] {
        if too_long(value) {
            return Err((path, long()));
        }
    }
    if !metadata.admin.is_empty() && !is_uri(&metadata.admin) {
        return Err(("metadata.admin", "is not a URI, as mailto:postmaster@example.org is".into()));
    }
    const FILTERS: &str = "metadata.filters";
    if metadata.filters.len() > annotations_per_account_max {
        return Err((FILTERS, format!("has more than {annotations_per_account_max} filters")));
    }
    let mut names = BTreeSet::new();
    for (name, SharedFilter { value, description }) in &metadata.filters {
        if FilterName::new(name).is_none() {
            return Err((
                FILTERS,
                format!("{name:?} is not an atom without a slash of at most 200 characters"),
            ));
        }
        if !names.insert(name.to_ascii_lowercase()) {
            return Err((FILTERS, format!("{name} is there twice; case does not matter")));
        }
        if too_long(value) || too_long(description) {
            return Err((FILTERS, format!("{name} {}", long())));
        }
        wire::criteria(value.as_bytes())
            .map_err(|error| (FILTERS, format!("{name} is no search program: {}", error.reason)))?;
    }
    Ok(())
}

/// `scheme ":" …` without white space (RFC 3986 3).
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic())
}

fn within(path: &'static str, value: u64, min: u64, max: u64) -> Result<(), Fault> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err((path, format!("{value} is not between {min} and {max}")))
    }
}

fn within_size(
    path: &'static str,
    value: super::ByteSize,
    min: super::ByteSize,
    max: super::ByteSize,
) -> Result<(), Fault> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err((path, format!("{value} is not between {min} and {max}")))
    }
}

fn within_span(
    path: &'static str,
    value: super::Span,
    min_seconds: u64,
    max_seconds: u64,
) -> Result<(), Fault> {
    let seconds = |n| super::Span(std::time::Duration::from_secs(n));
    let (min, max) = (seconds(min_seconds), seconds(max_seconds));
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err((path, format!("{value} is not between {min} and {max}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TEMPLATE;

    #[test]
    fn empty_file_gives_the_defaults_and_they_pass() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn the_template_is_the_defaults_and_names_every_key() {
        let uncommented: String = TEMPLATE
            .lines()
            .map(|line| line.strip_prefix('#').filter(|l| !l.starts_with([' ', '#'])).unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        let mut config = parse(&uncommented).unwrap_or_else(|e| panic!("{e}\n{uncommented}"));
        assert!(config.tls.certificate.take().is_some() && config.tls.key.take().is_some());
        assert_eq!(config, Config::default());
        for line in Config::default().to_toml().lines() {
            let key = line.split('=').next().unwrap_or_default().trim();
            assert!(TEMPLATE.contains(key), "{key} is not in the template");
        }
    }

    #[test]
    fn shown_values_read_back() {
        let mut config = Config::default();
        config.tls.certificate = Some("/a/b.pem".into());
        config.tls.key = Some("/a/k.pem".into());
        config.limits.append_bytes_max = crate::config::ByteSize(123_456);
        config.metadata.admin = "mailto:postmaster@example.org".into();
        let filter = SharedFilter { value: "SUBJECT \"caf\u{e9}\"".into(), description: String::new() };
        config.metadata.filters.insert("Boss".into(), filter);
        assert_eq!(parse(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn refusals_have_line_and_reason() {
        for (text, line, reason) in [
            ("\n[listn]\n", 2, "unknown field `listn`"),
            ("[storage]\ncheckpoint_bytes = \"2MiB\"\nshard = 4\n", 3, "unknown field `shard`"),
            ("[storage]\nshards = \"four\"\n", 2, "invalid type"),
            ("[storage]\nshards = 5000\n", 2, "not between 0 and 1024"),
            ("[log]\n\nlevel = \"loud\"\n", 3, "unknown variant `loud`"),
            ("[listen]\nimap = [\"localhost\"]\n", 2, "invalid socket address"),
            ("[limits]\n\n\nidle_timeout = \"1m\"\n", 4, "not between 30m and 7d"),
            ("[limits]\nidle_timeout = 1800\n", 2, "with a unit"),
            ("[limits]\nappend_bytes_max = \"10 apples\"\n", 2, "unknown unit of size"),
            ("[tls]\nkey = \"k.pem\"\n", 2, "tls.certificate must be given too"),
            ("[auth]\nscram_iterations = 100\n", 2, "not between 4096"),
            ("[documents]\nworkers = 0\n", 2, "not between 1 and 256"),
            ("[documents]\nmemory = \"1MiB\"\n", 2, "not between 32MiB and 16GiB"),
            (
                "[documents]\nsize = \"1MiB\"\nmemory = \"32MiB\"\ntext = \"1GiB\"\n",
                4,
                "not between 4KiB and 64MiB",
            ),
            ("[documents]\nmemory = \"64MiB\"\n", 2, "at least twice documents.size"),
            ("[documents]\n\ntika = \"https://localhost\"\n", 3, "is not a URL with http"),
            ("[documents]\ntika = \"http://localhost:9998/?x\"\n", 2, "is not the URL of a server"),
            ("x = = 1\n", 1, ""),
            ("[metadata]\n\nadmin = \"postmaster@example.org\"\n", 3, "is not a URI"),
            ("[metadata]\nadmin = \"mailto:a b\"\n", 2, "is not a URI"),
            ("[metadata.filters]\nx = { value = \"OR SEEN\" }\n", 1, "x is no search program"),
            ("[metadata.filters]\n\"a/b\" = { value = \"SEEN\" }\n", 1, "is not an atom"),
            ("[metadata.filters]\nx = { value = \"SEEN\" }\nX = { value = \"SEEN\" }\n", 1, "is there twice"),
            ("[metadata.filters]\nx = { text = \"SEEN\" }\n", 2, "unknown field `text`"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, Some(line), "{text:?}: {error}");
            assert!(error.reason.contains(reason), "{text:?}: {error}");
        }
    }
}
