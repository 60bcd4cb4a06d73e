//! What a session sees of the process (`core.rs`), made of the real things.

use std::any::Any;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use trawl_index::account::AccountIndex;
use trawl_store::LocalBoxFuture;
use trawl_store::clock::Clock;
use trawl_store::directory::{User, UserState};
use trawl_store::types::UidValidity;

use super::state::Shared;
use super::{indexing, users};
use crate::auth::{Refusal, prepare};
use crate::core::{AccountRef, Auth, AuthError, Lanes, Registry, UidValidities, Unavailable};
use crate::indexing::{IndexKey, Of};
use crate::lanes::Timed;
use crate::lanes::arrange::{ArrangeJob, Arranged};
use crate::lanes::entries::{EntriesJob, Read, SaveJob};
use crate::lanes::search::{Found, SearchError, SearchJob};
use crate::lanes::similar::SimilarJob;

/// All seams of one core.
pub struct Seams {
    pub shared: Arc<Shared>,
    pub clock: Rc<dyn Clock>,
}

/// The account of a user who may use it.
pub fn account_of(user: &User) -> Option<AccountRef> {
    let active = user.state == UserState::Active;
    active.then(|| AccountRef { name: Arc::clone(&user.name), account: user.account, shard: user.shard })
}

impl Auth for Seams {
    fn verify<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
        peer: Option<IpAddr>,
    ) -> LocalBoxFuture<'a, Result<AccountRef, AuthError>> {
        Box::pin(async move {
            // A name that cannot be prepared is nobody's; it is delayed and hashed like any other.
            let name = prepare::user_name(user).unwrap_or_else(|_| "?".to_owned());
            let known = self.shared.users.load().get(&name).cloned();
            let stored = known
                .as_deref()
                .filter(|user| user.state == UserState::Active)
                .and_then(|user| user.credentials.as_ref())
                .map(|credentials| credentials.argon2.as_str());
            let verified =
                self.shared.authenticator.verify(&*self.clock, peer, &name, password, stored).await;
            verified.map_err(|refusal| match refusal {
                Refusal::Wrong => AuthError::Wrong,
                Refusal::TooMany => AuthError::TooMany,
                Refusal::Busy => AuthError::Busy,
            })?;
            // The user may have been deleted, or have another password, since the check began.
            let now = self.shared.users.load().get(&name).cloned();
            let version = known.map(|user| user.credentials_version);
            now.filter(|user| Some(user.credentials_version) == version)
                .and_then(|user| account_of(&user))
                .ok_or(AuthError::Wrong)
        })
    }
}

impl UidValidities for Seams {
    fn next(&self) -> LocalBoxFuture<'_, Result<UidValidity, Unavailable>> {
        Box::pin(async move {
            let given = self
                .shared
                .mesh
                .ask(0, |core| Box::pin(async move { users::next_uid_validity(&core).await }));
            match given.await {
                Ok(Ok(uid_validity)) => Ok(uid_validity),
                Ok(Err(error)) => Err(Unavailable(error)),
                Err(stopping) => Err(Unavailable(stopping.to_string())),
            }
        })
    }
}

impl Registry for Seams {
    fn admit(&self, account: &AccountRef) -> Option<Box<dyn Any>> {
        let place = self.shared.admission.log_in(&account.name).ok()?;
        Some(Box::new(place))
    }
}

impl Lanes for Seams {
    fn search(&self, job: SearchJob) -> LocalBoxFuture<'_, Result<Found, SearchError>> {
        Box::pin(self.shared.lanes.search(job))
    }
    fn arrange(&self, job: ArrangeJob) -> LocalBoxFuture<'_, Result<Timed<Arranged>, SearchError>> {
        Box::pin(self.shared.lanes.arrange(job))
    }
    fn entries(&self, job: EntriesJob) -> LocalBoxFuture<'_, Result<Read, SearchError>> {
        Box::pin(self.shared.lanes.entries(job))
    }
    fn save(&self, job: SaveJob) -> bool {
        self.shared.lanes.save(job)
    }
    fn similar<'a>(
        &'a self,
        account: &'a AccountRef,
        of: Of,
        words: Vec<String>,
        cancel: Arc<AtomicBool>,
    ) -> LocalBoxFuture<'a, Result<Timed<Vec<Vec<String>>>, SearchError>> {
        Box::pin(async move {
            let Some(index) = self.index(account, of).await else {
                return Ok(Timed::at_once(vec![Vec::new(); words.len()]));
            };
            self.shared.lanes.similar(SimilarJob { snapshot: index.snapshot(), words, cancel }).await
        })
    }
    fn index<'a>(&'a self, account: &'a AccountRef, of: Of) -> LocalBoxFuture<'a, Option<Arc<AccountIndex>>> {
        let key = IndexKey { shard: account.shard, account: account.account, of };
        Box::pin(indexing::for_search(&self.shared, key))
    }
    fn analyse(&self, message: Vec<u8>) -> LocalBoxFuture<'_, Vec<u8>> {
        Box::pin(self.shared.lanes.analyse(message))
    }
}
