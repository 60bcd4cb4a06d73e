//! A shard: the accounts of one core's share, their log, and the domain operations on them.
//!
//! Not here: IMAP, sockets, users. Every change is computed against what is visible and what is queued before it, goes
//! into one commit, and becomes visible when that commit is durable, never earlier. Reading is synchronous and sees
//! only that. Changes of the mailbox tree have an account to themselves; others overlap and share syncs.

mod annotations;
mod append;
mod commit;
mod content;
mod copy;
mod dictionary;
mod documents;
mod error;
mod expunge;
mod flags;
mod keywords;
mod lane_reader;
mod mailboxes;
mod message;
mod read;
mod train;

pub use append::{AppendResult, NewMessage};
pub use content::{ContentWriter, StoredContent};
pub use copy::CopyResult;
pub use dictionary::{Dictionary, Training};
pub use documents::{Document, DocumentsRecord};
pub use error::ChangeError;
pub use expunge::ExpungeResult;
pub use flags::{FlagChange, FlagMode, StoreResult};
pub use lane_reader::{LaneMessage, LaneReader, ReadAt};
pub use mailboxes::{INITIAL_MAILBOXES, Renamed};
pub use message::{Extent, MessageRecord};
pub use read::StoredSummary;

use crate::checkpoint::{self, Checkpoints};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::event::Event;
use crate::log::{Log, LogOptions, LogStats, Position, RecoveryReport, ReplayedCommit};
use crate::seed::Seed;
use crate::state::account::Account;
use crate::state::apply::{State, Touched};
use crate::state::ops;
use crate::state::view::ViewLease;
use crate::types::{AccountId, Lsn, MailboxId, MessageNumber, ShardId};
use commit::Lane;
use dictionary::Sampler;
use message::Squeezer;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

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
    /// A checkpoint is written after this many bytes of log at the latest, sooner where it is small.
    pub checkpoint_log_bytes: u64,
    /// Bytes of samples from which a dictionary is trained, when somebody does ([`Shard::training`]); 0: none is.
    pub dictionary_sample_bytes: usize,
    /// Open without writing anything (offline tools).
    pub read_only: bool,
}

impl Default for ShardOptions {
    fn default() -> ShardOptions {
        ShardOptions {
            segment_bytes: crate::limits::segment_bytes_default,
            preallocate: false,
            reserve_bytes: crate::limits::log_reserve_bytes_default,
            checkpoint_log_bytes: crate::limits::checkpoint_log_bytes_default,
            dictionary_sample_bytes: crate::limits::dictionary_sample_bytes_default,
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
#[derive(Clone, Debug, Default)]
pub struct ShardStats {
    pub accounts: u64,
    pub mailboxes: u64,
    /// Rows, over all mailboxes.
    pub messages: u64,
    pub log: LogStats,
    pub checkpoints_written: u64,
    /// Bytes of the dictionary in use; 0: none.
    pub dictionary_bytes: u64,
    /// Why the last checkpoint could not be written; opening takes longer then, nothing else.
    pub checkpoint_error: Option<String>,
}

/// Folder of a shard below the store's root.
pub fn shard_dir(shard: ShardId) -> String {
    format!("shards/{:04}", shard.0)
}

/// See the module. Clones are the same shard.
#[derive(Clone)]
pub struct Shard {
    pub(crate) inner: Rc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) options: ShardOptions,
    pub(crate) log: Rc<Log>,
    pub(crate) state: RefCell<State>,
    lanes: RefCell<HashMap<AccountId, Lane>>,
    /// Notified whenever a commit settles or an account is free again.
    pub(crate) turn: Event,
    squeezer: RefCell<Squeezer>,
    /// What new segments begin with.
    dictionary: RefCell<Option<Arc<Dictionary>>>,
    sampler: RefCell<Sampler>,
    /// Samples are complete, or the shard stops.
    trainable: Event,
    stopping: Cell<bool>,
    /// Clones of it go to lanes; it knows the dictionaries of segments.
    lanes_reader: LaneReader,
    pub(crate) report: ShardReport,
    pub(crate) checkpoints: Checkpoints,
    observer: RefCell<Option<Observer>>,
    arrivals: RefCell<Option<Arrivals>>,
}

/// What a simulation wants to be told: see [`Shard::observe`].
type Observer = Rc<dyn Fn(Lsn)>;
/// Who is told of new messages: see [`Shard::watch_arrivals`].
type Arrivals = Rc<dyn Fn(AccountId, Arrived)>;

/// New messages of one account, durable and applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrived {
    pub messages: u32,
    /// Sum of their RFC822.SIZEs.
    pub bytes: u64,
    /// The number that the next message of the account gets.
    pub next: MessageNumber,
    /// All of the account's messages were looked at for documents.
    pub looked: bool,
}

impl Shard {
    /// Makes the folders of a new shard, durably, and opens it.
    pub async fn create(env: Env, options: ShardOptions) -> Result<Shard, StoreError> {
        let dir = shard_dir(env.shard);
        let log = log_dir(env.shard);
        env.disk.create_dir_all(&log).await.map_err(StoreError::io("create", &log))?;
        // From the top: a name is worth nothing while the folder it is in may vanish.
        for dir in ["", "shards", dir.as_str()] {
            env.disk.sync_dir(dir).await.map_err(StoreError::io("sync", dir))?;
        }
        Shard::open(env, options).await
    }

    /// Loads the newest good checkpoint and replays the log behind it.
    pub async fn open(env: Env, options: ShardOptions) -> Result<Shard, StoreError> {
        Shard::open_from(env, options, true).await
    }

    /// The same; without checkpoints all of the log is read and verified.
    pub(crate) async fn open_from(
        env: Env,
        options: ShardOptions,
        checkpoints: bool,
    ) -> Result<Shard, StoreError> {
        let dir = shard_dir(env.shard);
        let mut report = ShardReport::default();
        let loaded = if checkpoints {
            checkpoint::load_newest(&*env.disk, &dir, &env, &mut report.damaged_checkpoints).await?
        } else {
            None
        };
        let mut wall = None;
        let (mut state, from) = match loaded {
            Some(loaded) => {
                report.checkpoint = Some(loaded.lsn());
                wall = Some(loaded.wall);
                (loaded.state, loaded.position)
            }
            None => (State::default(), Position::START),
        };
        let log_options = LogOptions {
            store_uuid: env.store_uuid,
            shard: env.shard,
            epoch: env.epoch,
            segment_bytes: options.segment_bytes,
            preallocate: options.preallocate,
            reserve_bytes: options.reserve_bytes,
            read_only: options.read_only,
        };
        let misfits = &mut report.misfits;
        let mut replay = |commit: ReplayedCommit<'_>| {
            match ops::decode(commit.ops) {
                Ok((account, ops)) => {
                    let found = state.apply(account, &ops, &mut Touched::default());
                    misfits.extend(
                        found
                            .iter()
                            .map(|what| format!("commit {} at {}: {what}", commit.lsn, commit.address)),
                    );
                }
                Err(error) => misfits.push(format!("commit {} at {}: {error}", commit.lsn, commit.address)),
            }
            Ok(())
        };
        let (disk, clock, seed) = (env.disk.clone(), env.clock.clone(), env.seed.clone());
        let (log, recovered) =
            Log::open(disk, clock, seed, &log_dir(env.shard), log_options, from, &mut replay).await?;
        report.log = recovered;
        if let Some(wall) = wall {
            log.raise_wall(wall);
        }
        let lanes_reader = LaneReader::new(env.store_uuid, env.shard);
        let dictionary = train::last_dictionary(&log, lanes_reader.dictionaries()).await;
        let enough = if options.read_only { 0 } else { options.dictionary_sample_bytes };
        let inner = Inner {
            dictionary: RefCell::new(dictionary.clone()),
            sampler: RefCell::new(Sampler::new(enough, dictionary.as_deref())),
            trainable: Event::new(),
            stopping: Cell::new(false),
            lanes_reader,
            checkpoints: Checkpoints::new(report.checkpoint),
            env,
            options,
            log,
            state: RefCell::new(state),
            lanes: RefCell::default(),
            turn: Event::new(),
            squeezer: RefCell::new(Squeezer::new()),
            report,
            observer: RefCell::default(),
            arrivals: RefCell::default(),
        };
        Ok(Shard { inner: Rc::new(inner) })
    }

    /// The committer and the checkpoints; run it as one task. Ends after [`Shard::stop`].
    pub async fn run(&self) {
        futures_lite::future::zip(self.inner.log.run(), self.write_checkpoints()).await;
    }

    /// Calls `observer` after each commit that was applied, before anybody can see it (a simulation compares what is found
    /// after a crash with the state at each commit).
    pub fn observe(&self, observer: impl Fn(Lsn) + 'static) {
        *self.inner.observer.borrow_mut() = Some(Rc::new(observer));
    }

    /// Calls `told` after each commit that brought messages, before anybody can see them. It must be quick: it runs for every
    /// delivery.
    pub fn watch_arrivals(&self, told: impl Fn(AccountId, Arrived) + 'static) {
        *self.inner.arrivals.borrow_mut() = Some(Rc::new(told));
    }

    /// Refuses new changes, waits for the queued ones, writes a checkpoint.
    pub async fn stop(&self) {
        self.inner.stopping.set(true);
        self.inner.trainable.notify();
        self.inner.log.stop().await;
        self.stop_checkpoints().await;
    }

    /// The first cause, when the shard takes no more writes.
    pub fn poisoned(&self) -> Option<Arc<str>> {
        self.inner.log.poisoned()
    }

    /// True while deliveries are refused for want of space.
    pub fn is_full(&self) -> bool {
        self.inner.log.is_full()
    }

    pub fn report(&self) -> &ShardReport {
        &self.inner.report
    }

    /// The last LSN that is durable; may be given out again after a crash.
    pub fn durable_lsn(&self) -> Lsn {
        self.inner.log.durable_lsn()
    }

    /// The LSN of the last change that is durable: what is derived from the log says by it how far it got, because it is never
    /// ahead of the same log after a crash.
    pub fn committed_lsn(&self) -> Lsn {
        self.inner.log.committed_lsn()
    }

    pub fn stats(&self) -> ShardStats {
        let state = self.inner.state.borrow();
        let mailboxes = || state.accounts.values().flat_map(|account| account.mailboxes.values());
        ShardStats {
            accounts: state.accounts.len() as u64,
            mailboxes: mailboxes().count() as u64,
            messages: mailboxes().map(|mailbox| u64::from(mailbox.counts.messages)).sum(),
            log: self.inner.log.stats(),
            checkpoints_written: self.inner.checkpoints.written(),
            dictionary_bytes: self.dictionary_bytes(),
            checkpoint_error: self.inner.checkpoints.error(),
        }
    }

    pub fn accounts(&self) -> Vec<AccountId> {
        self.inner.state.borrow().accounts.keys().copied().collect()
    }

    /// Looks at an account; `None` when there is none. The borrow ends with the closure: nothing can change meanwhile.
    pub fn with_account<R>(&self, account: AccountId, look: impl FnOnce(&Account) -> R) -> Option<R> {
        self.inner.state.borrow().accounts.get(&account).map(look)
    }

    /// A lease on a mailbox as it is now: what is expunged later stays readable through it.
    pub fn lease(&self, account: AccountId, mailbox: MailboxId) -> Option<ViewLease> {
        self.with_account(account, |account| {
            let mailbox = account.mailbox(mailbox)?;
            Some(mailbox.views.lease(mailbox.version))
        })?
    }
}

/// Folder of a shard's log.
pub(crate) fn log_dir(shard: ShardId) -> String {
    format!("{}/log", shard_dir(shard))
}
