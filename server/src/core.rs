//! What a session sees of its process and its core: settings, the shards this core owns, and the seams to
//! everything that is not a session's business (passwords, lanes, time, other sessions).
//!
//! Not here: any executor, socket or thread. The runtime makes the real one; tests and simulations make their own and
//! run the same sessions on it. Everything is single-threaded unless it says `Send`.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_lite::{AsyncRead, AsyncWrite};
use trawl_index::account::AccountIndex;
use trawl_store::LocalBoxFuture;
use trawl_store::clock::Clock;
use trawl_store::event::Event;
use trawl_store::shard::Shard;
use trawl_store::state::annotations::Annotations;
use trawl_store::types::{AccountId, MailboxId, ShardId, Uid, UidValidity, WallTime};

use crate::command::metadata;
use crate::config::Config;
use crate::indexing::Of;
use crate::lanes::Timed;
use crate::lanes::analyse::Budget;
use crate::lanes::arrange::{ArrangeJob, Arranged};
use crate::lanes::entries::{EntriesJob, Read, SaveJob};
use crate::lanes::search::{Found, SearchError, SearchJob};
use crate::limits::{
    ANALYSE_BUDGET_BYTES_MAX, ARRANGE_BUDGET_BYTES_MAX, CONTEXTS_BUDGET_BYTES_MAX, SEARCH_ROWS_BYTES_MAX,
};
use crate::mailbox::arranged::Kept;
use crate::mailbox::joined;
use crate::observe::metrics::Metrics;

/// A connection's bytes, TLS or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// The peer has closed its half, even if what it sent before is still unread. Asked while reading has to wait; a stream that
    /// cannot tell says no, and the end is found when it is read.
    fn is_hung_up(&self) -> bool {
        false
    }
}

/// A user who may log in. `Send`: it travels with a connection to the core of its shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRef {
    pub name: Arc<str>,
    pub account: AccountId,
    pub shard: ShardId,
}

/// Why a login was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuthError {
    #[error("wrong user name or password")]
    Wrong,
    #[error("too many failed attempts")]
    TooMany,
    #[error("too many logins are waiting")]
    Busy,
    #[error("logins are not possible at the moment")]
    Unavailable,
}

/// Verifies passwords; slow answers to wrong ones are part of it.
pub trait Auth {
    /// `peer` is the client's address; none for local ones.
    fn verify<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
        peer: Option<IpAddr>,
    ) -> LocalBoxFuture<'a, Result<AccountRef, AuthError>>;
}

/// Work that would block the core, done elsewhere. The simulated twin does it inline.
pub trait Lanes {
    /// The positions that match.
    fn search(&self, job: SearchJob) -> LocalBoxFuture<'_, Result<Found, SearchError>>;
    /// Messages in an order, or as threads.
    fn arrange(&self, job: ArrangeJob) -> LocalBoxFuture<'_, Result<Timed<Arranged>, SearchError>>;
    /// What SORT and THREAD compare; what is not given is for the caller to read.
    fn entries(&self, job: EntriesJob) -> LocalBoxFuture<'_, Result<Read, SearchError>> {
        let _ = job;
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Saves it for the next start, after a while; `false`: too much waits for that.
    fn save(&self, job: SaveJob) -> bool {
        let _ = job;
        false
    }
    /// For each of some normalised words those of an index of the account that are spelled like it; none without an index.
    fn similar<'a>(
        &'a self,
        account: &'a AccountRef,
        of: Of,
        words: Vec<String>,
        cancel: Arc<AtomicBool>,
    ) -> LocalBoxFuture<'a, Result<Timed<Vec<Vec<String>>>, SearchError>> {
        let _ = (account, of, cancel);
        Box::pin(async move { Ok(Timed::at_once(vec![Vec::new(); words.len()])) })
    }
    /// A search index of an account, opened by a lane if it is not; `None`: there is none, everything is scanned.
    fn index<'a>(&'a self, account: &'a AccountRef, of: Of) -> LocalBoxFuture<'a, Option<Arc<AccountIndex>>>;
    /// The encoded summary of a message ([`trawl_index::summary::Summary`]).
    fn analyse(&self, message: Vec<u8>) -> LocalBoxFuture<'_, Vec<u8>>;
}

/// The store's one source of UIDVALIDITY values; each is greater than all before it.
pub trait UidValidities {
    fn next(&self) -> LocalBoxFuture<'_, Result<UidValidity, Unavailable>>;
}

/// Something the server needs is not there at the moment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Counts the sessions of users over all cores.
pub trait Registry {
    /// Admits one more session of the user; the ticket ends with the session. None: the user has too many.
    fn admit(&self, account: &AccountRef) -> Option<Box<dyn Any>>;
}

/// Tells every session that the server stops. Clones are the same.
#[derive(Clone, Default)]
pub struct Stop {
    set: Rc<Cell<bool>>,
    event: Event,
}

impl Stop {
    pub fn set(&self) {
        self.set.set(true);
        self.event.notify();
    }
    pub fn is_set(&self) -> bool {
        self.set.get()
    }
    /// Resolves once it is set.
    pub async fn wait(&self) {
        self.event.until(|| self.set.get()).await;
    }
}

/// Figures of the sessions of one core.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Commands answered since the start.
    pub commands: u64,
    /// Sessions now.
    pub sessions: u64,
    /// Logins that succeeded and that failed.
    pub logins: u64,
    pub logins_failed: u64,
}

/// See the head of this file.
pub struct Core {
    pub config: Arc<Config>,
    pub auth: Rc<dyn Auth>,
    pub lanes: Rc<dyn Lanes>,
    pub uid_validities: Rc<dyn UidValidities>,
    pub registry: Rc<dyn Registry>,
    pub clock: Rc<dyn Clock>,
    pub stop: Stop,
    /// Memory for messages that are analysed at once.
    pub analyse_budget: Budget,
    /// Memory for messages that are sorted or threaded at once.
    pub arrange_budget: Budget,
    /// Memory for results that are kept up to date (RFC 5267).
    pub contexts_budget: Budget,
    /// What was compared of them, for the next time.
    pub arranged: Kept,
    /// Which messages many small mailboxes have, for the next search in all of them.
    pub joined: joined::Kept,
    /// The annotations that all users share, from the settings.
    pub shared_annotations: Annotations,
    pub counters: Cell<Counters>,
    /// What searches cost.
    pub metrics: Metrics,
    /// Wall time at which this core began to serve.
    pub started: WallTime,
    shards: RefCell<BTreeMap<ShardId, Shard>>,
    recents: RefCell<HashMap<(AccountId, MailboxId), Uid>>,
}

/// What a [`Core`] is made of.
pub struct CoreParts {
    pub config: Arc<Config>,
    pub auth: Rc<dyn Auth>,
    pub lanes: Rc<dyn Lanes>,
    pub uid_validities: Rc<dyn UidValidities>,
    pub registry: Rc<dyn Registry>,
    pub clock: Rc<dyn Clock>,
}

impl Core {
    pub fn new(parts: CoreParts) -> Core {
        let CoreParts { config, auth, lanes, uid_validities, registry, clock } = parts;
        let started = clock.wall();
        let shared_annotations = metadata::shared(&config.metadata);
        let arranged = Kept::new(config.index.arranged_effective(config.runtime.cores_effective()));
        Core {
            config,
            auth,
            lanes,
            uid_validities,
            registry,
            clock,
            stop: Stop::default(),
            analyse_budget: Budget::new(ANALYSE_BUDGET_BYTES_MAX),
            arrange_budget: Budget::new(ARRANGE_BUDGET_BYTES_MAX),
            contexts_budget: Budget::new(CONTEXTS_BUDGET_BYTES_MAX),
            arranged,
            joined: joined::Kept::new(SEARCH_ROWS_BYTES_MAX),
            shared_annotations,
            counters: Cell::default(),
            metrics: Metrics::default(),
            started,
            shards: RefCell::default(),
            recents: RefCell::default(),
        }
    }

    /// Makes this core the owner of a shard.
    pub fn own(&self, shard: ShardId, opened: Shard) {
        self.shards.borrow_mut().insert(shard, opened);
    }

    /// The shard, when this core owns it.
    pub fn shard(&self, shard: ShardId) -> Option<Shard> {
        self.shards.borrow().get(&shard).cloned()
    }

    /// All shards this core owns, ascending.
    pub fn shards(&self) -> Vec<(ShardId, Shard)> {
        self.shards.borrow().iter().map(|(id, shard)| (*id, shard.clone())).collect()
    }

    pub fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    /// The first UID of a mailbox that no read-write session has been told of yet; none when no read-write session has
    /// had the mailbox since this core began.
    ///
    /// This is all there is to \Recent (RFC 3501 2.3.2), in memory as the RFC allows: a message is recent in the first read-write
    /// session that is told of it; after a start, messages that came before it are not.
    pub fn first_recent(&self, account: AccountId, mailbox: MailboxId) -> Option<Uid> {
        self.recents.borrow().get(&(account, mailbox)).copied()
    }

    /// A read-write session was told of every message below `next`.
    pub fn claim_recent(&self, account: AccountId, mailbox: MailboxId, next: Uid) {
        self.recents.borrow_mut().insert((account, mailbox), next);
    }

    /// The mailbox is no more.
    pub fn forget_recent(&self, account: AccountId, mailbox: MailboxId) {
        self.recents.borrow_mut().remove(&(account, mailbox));
    }
}
