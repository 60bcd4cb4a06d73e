//! The directory of a store: its users and the counter of UIDVALIDITYs, in a small log of its own.
//!
//! Not here: how passwords are hashed (the server). It lives on one core; others read snapshots.

mod ops;

use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::{CommitError, StoreError};
use crate::event::Event;
use crate::limits;
use crate::log::{CommitKind, Log, LogOptions, Position, RecoveryReport, ReplayedCommit};
use crate::seed::Seed;
use crate::types::{AccountId, Lsn, ShardId, UidValidity};
use ops::Op;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// Verifiers of RFC 7677 SCRAM-SHA-256.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramVerifier {
    pub salt: Vec<u8>,
    pub iterations: u32,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

/// What authentication needs of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// PHC string.
    pub argon2: String,
    pub scram_sha_256: ScramVerifier,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserState {
    Active,
    /// Being deleted: cannot log in, the account is not erased yet.
    Deleting,
}

#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub name: Arc<str>,
    pub account: AccountId,
    pub shard: ShardId,
    pub state: UserState,
    /// `None`: no password was set, nobody can log in.
    pub credentials: Option<Credentials>,
    /// Raised with every change of the credentials.
    pub credentials_version: u64,
}

/// All users by name. A value; share it as `Arc`.
#[derive(Clone, Default)]
pub struct Users {
    pub by_name: BTreeMap<Arc<str>, Arc<User>>,
}

impl Users {
    pub fn get(&self, name: &str) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.by_name.values()
    }
}

/// The shard of an account: the one place that says so.
pub fn route(account: AccountId, shards: u16) -> ShardId {
    ShardId((account.0 % u32::from(shards.max(1))) as u16)
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("the user exists already")]
    UserExists,
    #[error("no such user")]
    NoSuchUser,
    #[error("not a user name: {0}")]
    BadName(&'static str),
    #[error("all account ids, or all UIDVALIDITYs, are used up")]
    Exhausted,
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What the directory needs.
#[derive(Clone)]
pub struct DirectoryEnv {
    /// Rooted at the store's folder.
    pub disk: Rc<dyn Disk>,
    pub clock: Rc<dyn Clock>,
    pub seed: Rc<dyn Seed>,
    pub store_uuid: [u8; 16],
    pub epoch: u32,
    pub shards: u16,
}

/// Folder of the directory's log below the store's root.
pub const DIR: &str = "directory";
/// What the segments of the directory say in place of a shard's number.
pub const SHARD: ShardId = ShardId(u16::MAX);

/// See the module. Clones are the same directory.
#[derive(Clone)]
pub struct Directory {
    inner: Rc<Inner>,
}

struct Inner {
    env: DirectoryEnv,
    log: Rc<Log>,
    report: RecoveryReport,
    misfits: Vec<String>,
    state: RefCell<State>,
    changed: Event,
    /// One change at a time: the next is computed when the one before it is durable.
    busy: Cell<bool>,
    turn: Event,
}

struct State {
    users: Arc<Users>,
    next_account: u32,
    /// The next UIDVALIDITY; 0 before the first.
    uid_validity: u32,
    /// UIDVALIDITYs below this are durably reserved.
    reserved: u32,
}

impl State {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Put(user) => {
                self.next_account = self.next_account.max(user.account.0.saturating_add(1));
                Arc::make_mut(&mut self.users).by_name.insert(user.name.clone(), Arc::clone(user));
            }
            Op::Delete { name } => {
                Arc::make_mut(&mut self.users).by_name.remove(&**name);
            }
            Op::Reserve { below } => self.reserved = self.reserved.max(*below),
        }
    }
}

/// The one change that is being made.
struct Turn(Rc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.busy.set(false);
        self.0.turn.notify();
    }
}

impl Directory {
    /// Makes the folder of a new store's directory, durably, and opens it.
    pub async fn create(env: DirectoryEnv) -> Result<Directory, StoreError> {
        env.disk.create_dir_all(DIR).await.map_err(StoreError::io("create", DIR))?;
        env.disk.sync_dir("").await.map_err(StoreError::io("sync", "."))?;
        Directory::open(env, false).await
    }

    /// Replays the directory's log, which is small.
    pub async fn open(env: DirectoryEnv, read_only: bool) -> Result<Directory, StoreError> {
        let mut state = State { users: Arc::default(), next_account: 1, uid_validity: 0, reserved: 0 };
        let mut misfits = Vec::new();
        let options = LogOptions {
            store_uuid: env.store_uuid,
            shard: SHARD,
            epoch: env.epoch,
            segment_bytes: limits::directory_segment_bytes,
            preallocate: false,
            reserve_bytes: 0,
            read_only,
        };
        let mut replay = |commit: ReplayedCommit<'_>| {
            match ops::decode(commit.ops) {
                Ok(ops) => ops.iter().for_each(|op| state.apply(op)),
                Err(error) => misfits.push(format!("commit {} at {}: {error}", commit.lsn, commit.address)),
            }
            Ok(())
        };
        let (disk, clock, seed) = (env.disk.clone(), env.clock.clone(), env.seed.clone());
        let (log, report) = Log::open(disk, clock, seed, DIR, options, Position::START, &mut replay).await?;
        // What was left of the last block is skipped: some of it may have been given out.
        state.uid_validity = state.reserved;
        let (changed, turn) = (Event::new(), Event::new());
        let (state, busy) = (RefCell::new(state), Cell::new(false));
        Ok(Directory { inner: Rc::new(Inner { env, log, report, misfits, state, changed, busy, turn }) })
    }

    /// The committer; run it as one task. Ends after [`Directory::stop`].
    pub async fn run(&self) {
        self.inner.log.run().await;
    }

    /// Refuses new changes and waits for the one that is being made.
    pub async fn stop(&self) {
        self.inner.log.stop().await;
    }

    /// The first cause, when the directory takes no more writes.
    pub fn poisoned(&self) -> Option<Arc<str>> {
        self.inner.log.poisoned()
    }

    /// What recovery found.
    pub fn report(&self) -> &RecoveryReport {
        &self.inner.report
    }

    /// Commits that could not be understood.
    pub fn misfits(&self) -> &[String] {
        &self.inner.misfits
    }

    /// The users as they are durably known now.
    pub fn users(&self) -> Arc<Users> {
        self.inner.state.borrow().users.clone()
    }

    /// Notified after each change of the users.
    pub fn changed(&self) -> &Event {
        &self.inner.changed
    }

    async fn turn(&self) -> Turn {
        self.inner.turn.until(|| !self.inner.busy.replace(true)).await;
        Turn(Rc::clone(&self.inner))
    }

    /// Makes a change durable, then visible. The turn ends when it has settled, also when nobody waits any more.
    async fn change(&self, op: Op, turn: Turn) -> Result<(), DirectoryError> {
        let log = &self.inner.log;
        let payload = ops::encode(std::slice::from_ref(&op));
        let settled = Box::new(move |result: Result<Lsn, CommitError>| {
            if result.is_ok() {
                turn.0.state.borrow_mut().apply(&op);
                turn.0.changed.notify();
            }
        });
        log.commit(CommitKind::Housekeeping, log.generation(), &payload, settled)?.await?;
        Ok(())
    }

    fn user(&self, name: &str) -> Result<Arc<User>, DirectoryError> {
        self.inner.state.borrow().users.get(name).cloned().ok_or(DirectoryError::NoSuchUser)
    }

    /// Adds a user with a new account; the account itself is made by its shard afterwards.
    pub async fn add_user(
        &self,
        name: &str,
        credentials: Option<Credentials>,
    ) -> Result<Arc<User>, DirectoryError> {
        checked_user_name(name)?;
        let turn = self.turn().await;
        let account = {
            let state = self.inner.state.borrow();
            if state.users.get(name).is_some() {
                return Err(DirectoryError::UserExists);
            }
            AccountId(state.next_account)
        };
        if account.0 == u32::MAX {
            return Err(DirectoryError::Exhausted);
        }
        let user = Arc::new(User {
            name: name.into(),
            account,
            shard: route(account, self.inner.env.shards),
            state: UserState::Active,
            credentials,
            credentials_version: 1,
        });
        self.change(Op::Put(user.clone()), turn).await?;
        Ok(user)
    }

    /// Replaces the verifiers of a user's password.
    pub async fn set_credentials(
        &self,
        name: &str,
        credentials: Credentials,
    ) -> Result<Arc<User>, DirectoryError> {
        let turn = self.turn().await;
        let before = self.user(name)?;
        let user = Arc::new(User {
            credentials: Some(credentials),
            credentials_version: before.credentials_version + 1,
            ..(*before).clone()
        });
        self.change(Op::Put(user.clone()), turn).await?;
        Ok(user)
    }

    /// First step of a deletion: nobody logs in as the user any more.
    pub async fn begin_delete(&self, name: &str) -> Result<Arc<User>, DirectoryError> {
        let turn = self.turn().await;
        let before = self.user(name)?;
        let user = Arc::new(User {
            state: UserState::Deleting,
            credentials: None,
            credentials_version: before.credentials_version + 1,
            ..(*before).clone()
        });
        self.change(Op::Put(user.clone()), turn).await?;
        Ok(user)
    }

    /// Last step, after the account was erased.
    pub async fn finish_delete(&self, name: &str) -> Result<(), DirectoryError> {
        let turn = self.turn().await;
        self.user(name)?;
        self.change(Op::Delete { name: name.into() }, turn).await
    }

    /// A UIDVALIDITY greater than all before it, durably reserved. The first of a store is the wall clock's seconds.
    pub async fn next_uid_validity(&self) -> Result<UidValidity, DirectoryError> {
        loop {
            let turn = self.turn().await;
            let (next, reserved) = {
                let mut state = self.inner.state.borrow_mut();
                if state.uid_validity == 0 {
                    let seconds = self.inner.env.clock.wall().0.div_euclid(1_000);
                    state.uid_validity = u32::try_from(seconds.max(1)).unwrap_or(u32::MAX / 2);
                }
                if state.uid_validity == u32::MAX {
                    return Err(DirectoryError::Exhausted);
                }
                (state.uid_validity, state.reserved)
            };
            if next < reserved {
                self.inner.state.borrow_mut().uid_validity = next + 1;
                return UidValidity::new(next).ok_or(DirectoryError::Exhausted);
            }
            let below = next.saturating_add(limits::uid_validities_per_reservation);
            self.change(Op::Reserve { below }, turn).await?;
        }
    }

    /// Every UIDVALIDITY from now on is greater than `floor` (imported mailboxes).
    pub async fn raise_above(&self, floor: UidValidity) -> Result<(), DirectoryError> {
        let turn = self.turn().await;
        let next = floor.get().checked_add(1).ok_or(DirectoryError::Exhausted)?;
        let reserved = {
            let mut state = self.inner.state.borrow_mut();
            state.uid_validity = state.uid_validity.max(next);
            state.reserved
        };
        // Durable as well: what was imported must not be met again after a restart.
        if reserved < next { self.change(Op::Reserve { below: next }, turn).await } else { Ok(()) }
    }
}

/// User names are what a client can type and a log line can hold.
fn checked_user_name(name: &str) -> Result<(), DirectoryError> {
    if name.is_empty() {
        return Err(DirectoryError::BadName("it is empty"));
    }
    if name.len() > limits::user_name_bytes_max {
        return Err(DirectoryError::BadName("it is too long"));
    }
    if name.chars().any(char::is_control) {
        return Err(DirectoryError::BadName("it holds control characters"));
    }
    if name.trim() != name {
        return Err(DirectoryError::BadName("it begins or ends with a space"));
    }
    Ok(())
}
