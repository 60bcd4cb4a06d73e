//! The words of the control socket: one JSON line asks, one JSON line answers.
//!
//! The socket is `<store>/control.sock`, for its owner only; who can open it may do everything. After a
//! [`Request::Imap`] that is answered with [`Answer::Done`] the connection is an IMAP session of that user, greeted with
//! PREAUTH. Every other connection may ask any number of times. Not here: sockets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::observe::step::Step;

/// Name of the socket in the store's folder.
pub const SOCKET: &str = "control.sock";
/// Longest line either side accepts.
pub const LINE_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A new account with its special-use mailboxes.
    UserAdd {
        name: String,
        password: String,
    },
    /// A new password; sessions that are open stay open.
    UserPasswd {
        name: String,
        password: String,
    },
    UserList,
    /// The account and all its mail.
    UserDelete {
        name: String,
    },
    Status,
    /// Makes the search index of an account, or of all, anew; with `keep`, only what it lacks.
    Reindex {
        user: Option<String>,
        keep: bool,
        /// Forget what was read in documents, and read them again.
        #[serde(default)]
        documents: bool,
    },
    /// Whether indexes are still being made, of an account or of any.
    Indexing {
        user: Option<String>,
    },
    /// The messages of an account, or of one of its mailboxes, that match; at most `max` are shown.
    Search {
        user: String,
        mailbox: Option<String>,
        program: String,
        max: u32,
    },
    /// What a search does.
    Explain {
        user: String,
        asked: ExplainRequest,
    },
    /// Figures of everything, for a program that collects them.
    Metrics,
    /// Turns the connection into an IMAP session of `user`.
    Imap {
        user: String,
    },
    /// Graceful stop.
    Stop,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Done,
    Users {
        users: Vec<UserLine>,
    },
    Status {
        status: Status,
    },
    /// How many accounts' indexes are to be made.
    Reindex {
        accounts: u64,
    },
    Indexing {
        busy: bool,
        index: IndexStatus,
    },
    Hits {
        hits: Vec<Hit>,
        /// Also those that are not shown.
        total: u64,
    },
    Explained {
        explained: Explained,
    },
    /// Text of Prometheus.
    Metrics {
        text: String,
    },
    /// Refused; the text is for a person.
    Refused {
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLine {
    pub name: String,
    pub account: u32,
    pub shard: u16,
    pub mailboxes: u64,
    pub messages: u64,
    /// Sum of the RFC822.SIZEs.
    pub bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    pub uptime_seconds: u64,
    pub store: String,
    pub format: u32,
    pub cores: u32,
    /// Addresses served, as `imap 127.0.0.1:143`.
    pub listening: Vec<String>,
    pub connections: u64,
    pub users: u64,
    /// None: the search index is switched off.
    pub index: Option<IndexStatus>,
    /// None: nobody reads documents.
    pub documents: Option<DocumentsStatus>,
    /// Since the start.
    pub searches: SearchesStatus,
    pub shards: Vec<ShardStatus>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexStatus {
    /// Indexes that are open, with what they hold; the others are on disk only.
    pub open: u64,
    pub segments: u64,
    pub messages: u64,
    pub disk_bytes: u64,
    pub memory_bytes: u64,
    /// Accounts that wait to be indexed, and those that are being.
    pub queued: u64,
    pub working: u64,
    /// Messages that no segment covers yet, as far as they were counted since the start.
    pub tail_messages: u64,
    /// Messages that were indexed since the start.
    pub indexed_messages: u64,
    pub last_error: Option<String>,
}

/// Documents in messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentsStatus {
    /// Accounts with messages to be looked at, and those that are being.
    pub queued: u64,
    pub working: u64,
    /// Since the start: documents whose text was read, and those that cannot be read.
    pub read: u64,
    pub failed: u64,
    /// Octets of text.
    pub text_bytes: u64,
}

/// What searches cost since the start. Families and phases that did not happen are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchesStatus {
    pub families: Vec<FamilyStatus>,
    /// Messages whose texts the index answered for, that were searched in memory, and that were read from the log.
    pub indexed: u64,
    pub in_memory: u64,
    pub read: u64,
    /// How often messages were read because an index was missing, or damaged.
    pub fallbacks_missing: u64,
    pub fallbacks_damaged: u64,
}

/// Searches by one family of commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyStatus {
    pub family: String,
    /// How they ended.
    pub outcomes: BTreeMap<String, u64>,
    /// From the command to its answer.
    pub whole: Latency,
    pub phases: Vec<PhaseStatus>,
}

/// One phase of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseStatus {
    pub phase: String,
    #[serde(flatten)]
    pub latency: Latency,
}

/// How often something was done, and how long it took; the quantiles are an eighth too large at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    pub count: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    pub mailbox: String,
    pub uid: u32,
    /// INTERNALDATE to the minute, in its zone.
    pub date: String,
    pub from: String,
    pub subject: String,
}

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// A mailbox, or a pattern of LIST.
    pub mailbox: String,
    /// Search keys.
    pub program: String,
    /// Return options, sort criteria, a threading algorithm: as in IMAP, without their parentheses.
    pub returns: Option<String>,
    pub sort: Option<String>,
    pub thread: Option<String>,
}

/// What a search did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The search keys, with what filters and queries stand for.
    pub program: String,
    pub mailboxes: u64,
    pub messages: u64,
    /// How often state was looked at: once for each mailbox, or for each tier of FUZZY.
    pub searches: u64,
    /// Messages that could match once everything but text was looked at, of all searches.
    pub left_by_state: u64,
    pub state_us: u64,
    /// Of those: how many the index answered for, how many were searched in memory, how many were read from the log.
    pub indexed: u64,
    pub in_memory: u64,
    pub read: u64,
    /// Of what was looked at.
    pub found: u64,
    /// With return options in one mailbox: what a client is answered.
    pub answer: Option<String>,
    pub total_us: u64,
    pub steps: Vec<Step>,
    /// There was more than fits.
    pub is_cut: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStatus {
    pub shard: u16,
    pub accounts: u64,
    pub mailboxes: u64,
    pub messages: u64,
    /// Bytes of log on disk.
    pub log_bytes: u64,
    /// Last durable LSN.
    pub durable_lsn: u64,
    /// Why the shard takes no changes until a restart, if it does not.
    pub poisoned: Option<String>,
    /// What recovery found at the start, for a person; empty when there was nothing to say.
    pub recovery: String,
}

/// Passwords never reach a log.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Request::UserAdd { name, .. } => write!(f, "user_add {name}"),
            Request::UserPasswd { name, .. } => write!(f, "user_passwd {name}"),
            Request::UserList => f.write_str("user_list"),
            Request::UserDelete { name } => write!(f, "user_delete {name}"),
            Request::Status => f.write_str("status"),
            Request::Metrics => f.write_str("metrics"),
            Request::Reindex { user, keep, documents } => {
                write!(f, "reindex {user:?} keep={keep} documents={documents}")
            }
            Request::Indexing { user } => write!(f, "indexing {user:?}"),
            // What is searched for is nobody's business.
            Request::Search { user, .. } => write!(f, "search {user}"),
            Request::Explain { user, .. } => write!(f, "explain {user}"),
            Request::Imap { user } => write!(f, "imap {user}"),
            Request::Stop => f.write_str("stop"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_both_ways() {
        for request in [
            Request::UserAdd { name: "anna".into(), password: "a \"b\"\n".into() },
            Request::UserList,
            Request::Imap { user: "anna".into() },
        ] {
            let line = serde_json::to_string(&request).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert!(serde_json::from_str::<Request>(&line).unwrap() == request);
        }
        assert_eq!(serde_json::to_string(&Request::Stop).unwrap(), r#"{"op":"stop"}"#);
        assert_eq!(serde_json::to_string(&Answer::Done).unwrap(), r#"{"answer":"done"}"#);
        assert!(serde_json::from_str::<Request>(r#"{"op":"imap","user":"a","now":1}"#).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"op":"format"}"#).is_err());
    }

    #[test]
    fn debug_hides_passwords() {
        let request = Request::UserPasswd { name: "anna".into(), password: "secret".into() };
        assert!(!format!("{request:?}").contains("secret"));
    }
}
