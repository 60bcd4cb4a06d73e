//! The directory of a store: its users and the counter of UIDVALIDITYs, in a small log of its own.
//!
//! Not here: how passwords are hashed (the server). It lives on one core; others read snapshots.

use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::{CommitError, StoreError};
use crate::seed::Seed;
use crate::types::{AccountId, ShardId, UidValidity};
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

/// See the module. Clones are the same directory.
#[derive(Clone)]
pub struct Directory {
    inner: Rc<Inner>,
}
struct Inner {}

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

#[allow(unused_variables)]
impl Directory {
    /// Makes the directory of a new store: the UIDVALIDITY counter starts at the wall clock's seconds.
    pub async fn create(env: DirectoryEnv) -> Result<Directory, StoreError> {
        unreachable!()
    }
    pub async fn open(env: DirectoryEnv, read_only: bool) -> Result<Directory, StoreError> {
        unreachable!()
    }
    /// The committer; run it as one task. Ends after [`Directory::stop`].
    pub async fn run(&self) {}
    pub async fn stop(&self) {}
    pub fn poisoned(&self) -> Option<Arc<str>> {
        unreachable!()
    }
    /// The users as they are durably known now.
    pub fn users(&self) -> Arc<Users> {
        unreachable!()
    }
    /// Notified after each change of the users.
    pub fn changed(&self) -> &crate::event::Event {
        unreachable!()
    }
    /// Adds a user with a new account; the account itself is made by its shard afterwards.
    pub async fn add_user(
        &self,
        name: &str,
        credentials: Option<Credentials>,
    ) -> Result<Arc<User>, DirectoryError> {
        unreachable!()
    }
    pub async fn set_credentials(
        &self,
        name: &str,
        credentials: Credentials,
    ) -> Result<Arc<User>, DirectoryError> {
        unreachable!()
    }
    /// First step of a deletion: nobody logs in as the user any more.
    pub async fn begin_delete(&self, name: &str) -> Result<Arc<User>, DirectoryError> {
        unreachable!()
    }
    /// Last step, after the account was erased.
    pub async fn finish_delete(&self, name: &str) -> Result<(), DirectoryError> {
        unreachable!()
    }
    /// A UIDVALIDITY greater than all before it, durably reserved.
    pub async fn next_uid_validity(&self) -> Result<UidValidity, DirectoryError> {
        unreachable!()
    }
    /// Every UIDVALIDITY from now on is greater than `floor` (imported mailboxes).
    pub async fn raise_above(&self, floor: UidValidity) -> Result<(), DirectoryError> {
        unreachable!()
    }
}
