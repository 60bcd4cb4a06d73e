//! The search indexes of all accounts: which are open, what is to be done, and doing it.
//!
//! The index of one account is `trawl_index::account`; here is what many of them share. Arrivals are counted (`feed`), what is
//! due waits in turns (`backlog`), what is open is bounded (`registry`), one step at a time is done on an indexing lane
//! (`lane`). Not here: threads and how a lane asks the executors (the runtime), searching (`lanes`). What must hold: nobody
//! waits for any of it; executors touch no file of an index; whatever goes wrong costs speed, never an answer.

pub mod backlog;
pub mod feed;
pub mod lane;
pub mod registry;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use trawl_index::account::work::Source;
use trawl_index::account::{AccountIndex, Bounds, Identity, boot_id};
use trawl_store::types::{AccountId, ShardId};

use self::backlog::{Backlog, Task};
use self::feed::Feed;
use self::registry::Registry;

/// Which of the messages of an account an index is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Of {
    /// Those without documents, by message number.
    Mail,
    /// Those whose documents were read, by the serials of their texts.
    Documented,
}

/// Whose index it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct IndexKey {
    pub shard: ShardId,
    pub account: AccountId,
    pub of: Of,
}

impl IndexKey {
    pub fn mail(shard: ShardId, account: AccountId) -> IndexKey {
        IndexKey { shard, account, of: Of::Mail }
    }

    /// The indexes that an account has.
    pub fn all((shard, account): (ShardId, AccountId)) -> [IndexKey; 2] {
        [Of::Mail, Of::Documented].map(|of| IndexKey { shard, account, of })
    }
}

/// Folder of all indexes below the store's root.
pub const FOLDER: &str = "index";

/// The folder of an index below the store's root.
pub fn folder(IndexKey { shard, account, of }: IndexKey) -> String {
    let of = match of {
        Of::Mail => "",
        Of::Documented => "-documented",
    };
    format!("{FOLDER}/{:04}/{}{of}", shard.0, account.0)
}

/// What every index of a store has in common.
#[derive(Clone, Debug)]
pub struct Settings {
    pub store: PathBuf,
    pub store_uuid: [u8; 16],
    pub epoch: u32,
    /// Memory that open indexes may use together, bytes.
    pub memory_bytes: u64,
    /// Threads that make segments. All of them together take as much memory again as the indexes may use, about.
    pub lanes: usize,
    /// Accounts are queued when enough has arrived, not only when asked for.
    pub on_arrival: bool,
}

/// What the log says of an account, for an indexing lane; asks the executor that owns it.
pub trait AccountSource: Source {
    /// The number of the next message, and the octets of the messages from `from` on. The sum may stop early once it is more than
    /// makes a tail due. `None`: there is no such account.
    fn tail(&mut self, from: u32) -> std::io::Result<Option<(u32, u64)>>;
}

/// See the module.
pub struct Indexing {
    settings: Settings,
    bounds: Bounds,
    boot: String,
    pub registry: Registry,
    pub backlog: Backlog,
    pub feed: Feed,
    /// Steps end soon once this is set.
    pub stop: AtomicBool,
    indexed: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// Figures of all of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Indexes that are open, with what they hold.
    pub open: u64,
    pub segments: u64,
    pub messages: u64,
    pub disk_bytes: u64,
    pub memory_bytes: u64,
    /// Accounts that wait for an indexing lane, and those that one is at.
    pub queued: u64,
    pub working: u64,
    /// Messages that arrived and are in no segment yet, as far as they are counted.
    pub tail_messages: u64,
    /// Messages that became part of a segment since the start.
    pub indexed_messages: u64,
    pub last_error: Option<String>,
}

impl Indexing {
    pub fn new(settings: Settings) -> Indexing {
        Indexing {
            registry: Registry::new(settings.memory_bytes),
            bounds: Bounds::of_memory(settings.memory_bytes / settings.lanes.max(1) as u64),
            settings,
            boot: boot_id(),
            backlog: Backlog::default(),
            feed: Feed::default(),
            stop: AtomicBool::new(false),
            indexed: AtomicU64::new(0),
            last_error: Mutex::default(),
        }
    }

    /// The index of an account if it is open: quick, for executors.
    pub fn opened(&self, key: IndexKey) -> Option<Arc<AccountIndex>> {
        self.registry.get(key)
    }

    /// The index of an account; opens it, which is for lanes.
    pub fn open(&self, key: IndexKey, source: &mut dyn Source) -> std::io::Result<Arc<AccountIndex>> {
        let path = self.settings.store.join(folder(key));
        let opened = self.registry.open(key, || {
            let (index, found) = AccountIndex::open(&path, &self.identity(key), &self.boot, source)?;
            Ok((index.bounded(self.bounds), found))
        });
        match opened {
            Ok((index, None)) => Ok(index),
            Ok((index, Some(found))) => {
                if let trawl_index::account::Opened::Discarded(why) = &found {
                    tracing::warn!(shard = key.shard.0, account = key.account.0, %why, "a search index is made anew");
                    self.note_error(key, why);
                }
                // Verifying, cleaning, and what the start's survey does not know of.
                self.backlog.add(Task::Account(key));
                Ok(index)
            }
            Err(error) => {
                self.note_error(key, &error);
                Err(error)
            }
        }
    }

    fn identity(&self, IndexKey { shard, account, of }: IndexKey) -> Identity {
        Identity {
            store: self.settings.store_uuid,
            epoch: self.settings.epoch,
            shard: shard.0,
            account: account.0,
            documented: of == Of::Documented,
        }
    }

    /// Messages arrived: counts them, and queues their account when that is enough for a segment. For executors.
    pub fn arrived(&self, key: IndexKey, messages: u32, bytes: u64) {
        if self.feed.add(key, u64::from(messages), bytes) && self.settings.on_arrival {
            self.backlog.add(Task::Account(key));
        }
    }

    /// The account is gone, and its indexes with it. For executors.
    pub fn forget(&self, shard: ShardId, account: AccountId) {
        for key in IndexKey::all((shard, account)) {
            self.feed.forget(key);
            self.backlog.add(Task::Remove(key));
        }
    }

    /// Ends what is being done, soon.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.backlog.stop();
    }

    pub fn figures(&self) -> Figures {
        let mut figures = Figures { last_error: self.last_error(), ..Figures::default() };
        for index in self.registry.all() {
            let one = index.figures();
            figures.open += 1;
            figures.segments += one.segments as u64;
            figures.messages += one.docs;
            figures.disk_bytes += one.disk;
            figures.memory_bytes += one.memory as u64;
        }
        (figures.queued, figures.working) = self.backlog.waiting();
        figures.tail_messages = self.feed.messages();
        figures.indexed_messages = self.indexed.load(Ordering::Relaxed);
        figures
    }

    fn note_error(&self, IndexKey { shard, account, .. }: IndexKey, error: &dyn std::fmt::Display) {
        let text = format!("account {} of shard {}: {error}", account.0, shard.0);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
