//! The configuration: one TOML file, every key with a default, checked once.
//!
//! `Config` holds values that have passed every check; the rest of the server never looks at the file again. Unknown
//! keys and bad values are refused with file, line and reason ([`ConfigError`]). Relative paths in the file are
//! relative to the folder of the file. Not here: limits that an operator has no reason to change (`limits.rs`).

mod check;
mod machine;
mod template;
mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::documents::Bounds;

pub use template::TEMPLATE;
pub use units::{ByteSize, Span};

/// Where the configuration is looked for when none is named.
pub const DEFAULT_FILE: &str = "/etc/trawl/trawl.toml";
/// Shards of a new store on a small machine (measured: `store/MEASURED.md`).
const SHARDS_DEFAULT: u16 = 8;

/// The effective settings of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder of the store.
    pub store: PathBuf,
    pub storage: StorageConfig,
    pub index: IndexConfig,
    pub documents: DocumentsConfig,
    pub listen: ListenConfig,
    pub tls: TlsConfig,
    pub auth: AuthConfig,
    pub runtime: RuntimeConfig,
    pub limits: LimitsConfig,
    pub metadata: MetadataConfig,
    pub metrics: MetricsConfig,
    pub log: LogConfig,
}

/// `[storage]`: how the mail is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// Shards that `trawl init` creates; fixed afterwards. 0: eight, or one for each core where there are more.
    pub shards: u16,
    /// Log written since the last checkpoint before a shard makes a new one, at the latest; bounds the time of a start.
    pub checkpoint_bytes: ByteSize,
}

/// `[index]`: the search index, which is derived from the mail and can be removed at any time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexConfig {
    /// Without it every search over text reads the messages.
    pub enabled: bool,
    /// Memory that the indexes of all accounts which are in use may take together, beside the page cache; 0: an eighth of the
    /// machine's, at least 256 MiB. What SORT and THREAD keep is a quarter of it, besides.
    pub memory: ByteSize,
    /// Threads that make indexes; 0: one for every two cores of the machine.
    pub lanes: u16,
}

/// `[documents]`: the text of attached documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentsConfig {
    pub enabled: bool,
    /// Processes that read documents, or requests that Tika gets at once.
    pub workers: u16,
    /// Processor time for one document; five times as much may pass.
    pub time: Span,
    /// Memory for one document.
    pub memory: ByteSize,
    /// Text that is taken of one document.
    pub text: ByteSize,
    /// Larger documents are not looked at.
    pub size: ByteSize,
    /// URL of a Tika server that reads documents instead of processes of our own; empty: none.
    pub tika: String,
}

/// `[listen]`: the addresses served; an empty list switches a listener off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenConfig {
    /// IMAP with STARTTLS.
    pub imap: Vec<SocketAddr>,
    /// IMAP over TLS from the first byte.
    pub imaps: Vec<SocketAddr>,
}

/// `[tls]`: PEM files; both or neither. With neither the server makes a self-signed certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// `[auth]`: how passwords are accepted, hashed and protected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Allow passwords without TLS from addresses other than loopback.
    pub allow_cleartext_login: bool,
    /// argon2id memory for each hash.
    pub argon2_memory: ByteSize,
    /// argon2id passes.
    pub argon2_passes: u32,
    /// argon2id degree of parallelism.
    pub argon2_lanes: u32,
    /// PBKDF2 iterations of the SCRAM-SHA-256 verifiers (RFC 7677 asks for at least 4096).
    pub scram_iterations: u32,
    /// Threads that hash passwords; each uses `argon2_memory` while it works.
    pub hashing_threads: u16,
    /// Logins that may wait for a hashing thread; beyond it they are refused for now.
    pub hashing_queue_max: u32,
    /// How long a right password is remembered (keyed, in memory); 0 switches it off.
    pub cache_life: Span,
    /// Failed logins of one address within `failures_window` before more from it are refused.
    pub failures_max: u32,
    pub failures_window: Span,
}

/// `[runtime]`: threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    /// Executors; 0: one for each core of the machine.
    pub cores: u16,
    /// Threads for searches and for the analysis of large messages; 0: one for each core of the machine. There is one more for
    /// searches of accounts that have none running.
    pub lanes: u16,
}

/// `[limits]`: what clients may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections in all.
    pub connections_max: u32,
    /// Connections from one address.
    pub connections_per_address_max: u32,
    /// Connections of one user.
    pub connections_per_user_max: u32,
    /// Largest message that is accepted (APPENDLIMIT).
    pub append_bytes_max: ByteSize,
    /// A connection that has not logged in after this time is closed.
    pub login_timeout: Span,
    /// A logged-in connection that sends nothing for this time is closed (RFC 9051 5.4: at least 30 minutes).
    pub idle_timeout: Span,
    /// A SEARCH that takes longer is ended with NO [LIMIT]; 0: none is.
    pub search_time: Span,
    /// A client that takes no output, or stops in the middle of a command, for this time is closed.
    pub stall_timeout: Span,
}

/// `[metadata]`: what every user can read of the server (RFC 5464 3.2.1.1) and search with (RFC 5466). Empty: there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetadataConfig {
    /// `/shared/comment`.
    pub comment: String,
    /// `/shared/admin`: a URI by which the operator is reached.
    pub admin: String,
    /// Filters by name.
    pub filters: BTreeMap<String, SharedFilter>,
}

/// A filter that all users share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedFilter {
    /// A search program.
    pub value: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// `[metrics]`: figures for a Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Addresses at which `/metrics` is served over HTTP, to whoever asks; empty: nowhere.
    pub listen: Vec<SocketAddr>,
}

/// `[log]`: what is told on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// From the least to the most that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The name `tracing` filters use.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            store: PathBuf::from("/var/lib/trawl"),
            storage: StorageConfig::default(),
            index: IndexConfig::default(),
            documents: DocumentsConfig::default(),
            listen: ListenConfig::default(),
            tls: TlsConfig::default(),
            auth: AuthConfig::default(),
            runtime: RuntimeConfig::default(),
            limits: LimitsConfig::default(),
            metadata: MetadataConfig::default(),
            metrics: MetricsConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        StorageConfig { shards: 0, checkpoint_bytes: ByteSize::mib(64) }
    }
}

impl Default for IndexConfig {
    fn default() -> Self {
        IndexConfig { enabled: true, memory: ByteSize(0), lanes: 0 }
    }
}

impl Default for DocumentsConfig {
    fn default() -> Self {
        DocumentsConfig {
            enabled: true,
            workers: 1,
            time: Span(Duration::from_secs(20)),
            memory: ByteSize::mib(256),
            text: ByteSize::mib(4),
            size: ByteSize::mib(64),
            tika: String::new(),
        }
    }
}

impl Default for ListenConfig {
    fn default() -> Self {
        ListenConfig {
            imap: vec![SocketAddr::from(([0, 0, 0, 0], 143))],
            imaps: vec![SocketAddr::from(([0, 0, 0, 0], 993))],
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        AuthConfig {
            allow_cleartext_login: false,
            argon2_memory: ByteSize::mib(19),
            argon2_passes: 2,
            argon2_lanes: 1,
            scram_iterations: 15_000,
            hashing_threads: 2,
            hashing_queue_max: 256,
            cache_life: Span::minutes(5),
            failures_max: 20,
            failures_window: Span::minutes(5),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            connections_max: 10_000,
            connections_per_address_max: 1_000,
            connections_per_user_max: 100,
            append_bytes_max: ByteSize::mib(100),
            login_timeout: Span::minutes(1),
            idle_timeout: Span::minutes(31),
            search_time: Span::minutes(1),
            stall_timeout: Span::minutes(5),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { level: LogLevel::Info, format: LogFormat::Text }
    }
}

impl RuntimeConfig {
    /// Executors to start: the setting, or what the machine (or its cgroup) gives this process.
    pub fn cores_effective(&self) -> usize {
        if self.cores == 0 { machine::cores() } else { usize::from(self.cores) }
    }

    /// Search lanes that one account may have.
    pub fn lanes_effective(&self) -> usize {
        if self.lanes == 0 { machine::cores() } else { usize::from(self.lanes) }
    }
}

impl IndexConfig {
    /// Octets that indexes may take: the setting, or a share of what the machine (or its cgroup) gives this process.
    pub fn memory_effective(&self) -> u64 {
        const SHARE: u64 = 8;
        let least = ByteSize::mib(256).0;
        match self.memory.0 {
            0 => machine::memory().map_or(least, |all| least.max(all / SHARE)),
            set => set,
        }
    }

    /// Octets that each of so many executors may keep of what SORT and THREAD compare: a quarter as much as indexes may take, together.
    pub fn arranged_effective(&self, cores: usize) -> usize {
        let all = usize::try_from(self.memory_effective() / 4).unwrap_or(usize::MAX);
        all / cores.max(1)
    }

    /// Indexing lanes to start.
    pub fn lanes_effective(&self) -> usize {
        if self.lanes == 0 { (machine::cores() / 2).max(1) } else { usize::from(self.lanes) }
    }
}

impl DocumentsConfig {
    /// What one document may cost.
    pub fn bounds(&self) -> Bounds {
        let size = |size: ByteSize| usize::try_from(size.0).unwrap_or(usize::MAX);
        Bounds { time: self.time.0, memory: self.memory.0, text: size(self.text), size: size(self.size) }
    }
}

impl StorageConfig {
    /// Shards for `trawl init`. A store outlives its machine, so that a small one gets room to grow.
    pub fn shards_effective(&self) -> u16 {
        match self.shards {
            0 => u16::try_from(machine::cores()).unwrap_or(u16::MAX).clamp(SHARDS_DEFAULT, check::SHARDS_MAX),
            shards => shards,
        }
    }
}

/// Why a configuration was refused. `Display` gives `FILE:LINE: reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub file: Option<PathBuf>,
    /// From 1.
    pub line: Option<usize>,
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            f.write_str(" ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks `file`. Relative paths in it become relative to its folder.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        let refuse = |line, reason| ConfigError { file: Some(file.to_owned()), line, reason };
        let text = std::fs::read_to_string(file).map_err(|e| refuse(None, format!("cannot be read: {e}")))?;
        let mut config = Config::parse(&text).map_err(|e| refuse(e.line, e.reason))?;
        if let Some(folder) = file.parent() {
            config.anchor(folder);
        }
        Ok(config)
    }

    /// The file named, or `TRAWL_CONFIG`'s, or [`DEFAULT_FILE`] when it exists, or the defaults.
    ///
    /// Also returns which file it was.
    pub fn find(named: Option<&Path>) -> Result<(Config, Option<PathBuf>), ConfigError> {
        let file = named
            .map(Path::to_owned)
            .or_else(|| std::env::var_os("TRAWL_CONFIG").map(PathBuf::from))
            .or_else(|| Path::new(DEFAULT_FILE).exists().then(|| PathBuf::from(DEFAULT_FILE)));
        match file {
            Some(file) => Ok((Config::load(&file)?, Some(file))),
            None => Ok((Config::default(), None)),
        }
    }

    /// Parses and checks the text of a configuration.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        check::parse(text)
    }

    /// The effective values as TOML, in the form [`Config::parse`] reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|e| format!("# cannot be shown: {e}\n"))
    }

    fn anchor(&mut self, folder: &Path) {
        let paths = [Some(&mut self.store), self.tls.certificate.as_mut(), self.tls.key.as_mut()];
        for path in paths.into_iter().flatten() {
            if path.is_relative() {
                *path = folder.join(&*path);
            }
        }
    }
}
