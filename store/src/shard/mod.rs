//! A shard: the accounts of one core's share, their log, and the domain operations on them.
//!
//! Not here: IMAP, sockets, users. Every change is computed against what is visible and what is queued before it, goes
//! into one commit, and becomes visible when that commit is durable, never earlier. Reading is synchronous and sees
//! only that. Changes of the mailbox tree have an account to themselves; others overlap and share syncs.

mod append;
mod content;
mod copy;
mod error;
mod expunge;
mod flags;
mod mailboxes;
mod read;

pub use append::{AppendResult, NewMessage};
pub use content::{ContentWriter, Extent, StoredContent};
pub use copy::CopyResult;
pub use error::ChangeError;
pub use expunge::ExpungeResult;
pub use flags::{FlagChange, FlagMode, StoreResult};
pub use mailboxes::{INITIAL_MAILBOXES, Renamed};
pub use read::{LaneMessage, LaneReader, MessageRecord, ReadAt, StoredSummary};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::log::{LogStats, RecoveryReport};
use crate::seed::Seed;
use crate::state::account::Account;
use crate::state::view::ViewLease;
use crate::types::{AccountId, Lsn, MailboxId, ShardId};
use std::rc::Rc;

/// What a shard needs of the world.
#[derive(Clone)]
pub struct Env {
    /// Rooted at the store's folder.
    pub disk: Rc<dyn Disk>,
    pub clock: Rc<dyn Clock>,
    pub seed: Rc<dyn Seed>,
    pub shard: ShardId,
    pub store_uuid: [u8; 16],
    pub epoch: u32,
}

/// Settings of a shard.
#[derive(Clone, Debug)]
pub struct ShardOptions {
    pub segment_bytes: u64,
    pub preallocate: bool,
    pub reserve_bytes: u64,
    /// A checkpoint is written after this many bytes of log.
    pub checkpoint_log_bytes: u64,
    /// Open without writing anything (offline tools).
    pub read_only: bool,
}

impl Default for ShardOptions {
    fn default() -> ShardOptions {
        ShardOptions {
            segment_bytes: crate::limits::segment_bytes_default,
            preallocate: true,
            reserve_bytes: crate::limits::log_reserve_bytes_default,
            checkpoint_log_bytes: crate::limits::checkpoint_log_bytes_default,
            read_only: false,
        }
    }
}

/// How the shard was opened.
#[derive(Clone, Debug, Default)]
pub struct ShardReport {
    pub log: RecoveryReport,
    /// LSN of the checkpoint that was loaded; `None` when the log was replayed from its beginning.
    pub checkpoint: Option<Lsn>,
    /// Checkpoints that could not be used, and why.
    pub damaged_checkpoints: Vec<String>,
    /// Operations of commits that did not fit the state (something before them is lost).
    pub misfits: Vec<String>,
}

/// Figures of a shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardStats {
    pub accounts: u64,
    pub mailboxes: u64,
    /// Rows, over all mailboxes.
    pub messages: u64,
    pub log: LogStats,
    pub checkpoints_written: u64,
}

/// Folder of a shard below the store's root.
pub fn shard_dir(shard: ShardId) -> String {
    format!("shards/{:04}", shard.0)
}

/// See the module. Clones are the same shard.
#[derive(Clone)]
pub struct Shard {
    inner: Rc<Inner>,
}

struct Inner {}

#[allow(unused_variables)]
impl Shard {
    /// Makes the folders of a new shard, durably.
    pub async fn create(env: Env, options: ShardOptions) -> Result<Shard, StoreError> {
        unreachable!()
    }

    /// Loads the newest good checkpoint and replays the log behind it.
    pub async fn open(env: Env, options: ShardOptions) -> Result<Shard, StoreError> {
        unreachable!()
    }

    /// The committer and the checkpoints; run it as one task. Ends after [`Shard::stop`].
    pub async fn run(&self) {}

    /// Refuses new changes, waits for the queued ones, writes a checkpoint.
    pub async fn stop(&self) {}

    /// The first cause, when the shard takes no more writes.
    pub fn poisoned(&self) -> Option<Rc<str>> {
        unreachable!()
    }

    /// True while deliveries are refused for want of space.
    pub fn is_full(&self) -> bool {
        unreachable!()
    }

    pub fn report(&self) -> &ShardReport {
        unreachable!()
    }

    pub fn stats(&self) -> ShardStats {
        unreachable!()
    }

    pub fn accounts(&self) -> Vec<AccountId> {
        unreachable!()
    }

    /// Looks at an account; `None` when there is none. The borrow ends with the closure: nothing can change meanwhile.
    pub fn with_account<R>(&self, account: AccountId, look: impl FnOnce(&Account) -> R) -> Option<R> {
        unreachable!()
    }

    /// A lease on a mailbox as it is now: what is expunged later stays readable through it.
    pub fn lease(&self, account: AccountId, mailbox: MailboxId) -> Option<ViewLease> {
        unreachable!()
    }
}
