//! The simulated twin of the process around a session: for tests and simulations only.
//!
//! Real sessions, real handlers and the real store run on a simulated disk and clock; passwords, lanes, UIDVALIDITYs and the
//! stream are replaced by the simplest thing that keeps their contracts. Nothing here is used by the server itself.

pub mod pipe;
pub mod world;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use trawl_index::account::AccountIndex;
use trawl_store::LocalBoxFuture;
use trawl_store::shard::Shard;
use trawl_store::types::UidValidity;

use crate::core::{AccountRef, Auth, AuthError, Lanes, Registry, UidValidities, Unavailable};
use crate::indexing::Of;
use crate::lanes::arrange::{ArrangeJob, Arranged};
use crate::lanes::{Found, SearchError, SearchJob, Timed, analyse};

/// Passwords in clear, verified at once.
#[derive(Clone, Default)]
pub struct SimAuth {
    users: Rc<RefCell<BTreeMap<String, (String, AccountRef)>>>,
}

impl SimAuth {
    pub fn add(&self, password: &str, account: AccountRef) {
        self.users.borrow_mut().insert(account.name.to_string(), (password.to_owned(), account));
    }
}

impl Auth for SimAuth {
    fn verify<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
        _: Option<IpAddr>,
    ) -> LocalBoxFuture<'a, Result<AccountRef, AuthError>> {
        let users = self.users.borrow();
        let found =
            users.get(user).filter(|(known, _)| known == password).map(|(_, account)| account.clone());
        Box::pin(async move { found.ok_or(AuthError::Wrong) })
    }
}

/// Searches and analyses in line, reading through one shard.
#[derive(Clone)]
pub struct SimLanes {
    pub shard: Shard,
}

impl Lanes for SimLanes {
    fn search(&self, job: SearchJob) -> LocalBoxFuture<'_, Result<Found, SearchError>> {
        Box::pin(async move { job.run_inline(&self.shard).await })
    }
    fn arrange(&self, job: ArrangeJob) -> LocalBoxFuture<'_, Result<Timed<Arranged>, SearchError>> {
        Box::pin(async move { job.run().map(Timed::at_once) })
    }
    fn index<'a>(&'a self, _: &'a AccountRef, _: Of) -> LocalBoxFuture<'a, Option<Arc<AccountIndex>>> {
        Box::pin(async { None })
    }
    fn analyse(&self, message: Vec<u8>) -> LocalBoxFuture<'_, Vec<u8>> {
        Box::pin(async move { analyse::analyse(&message) })
    }
}

/// Counts up from a start; not durable.
#[derive(Clone)]
pub struct SimUidValidities {
    next: Rc<Cell<u32>>,
}

impl SimUidValidities {
    pub fn starting_at(first: u32) -> SimUidValidities {
        SimUidValidities { next: Rc::new(Cell::new(first)) }
    }

    /// The next value; the numbers end long after any test does.
    pub fn take(&self) -> Option<UidValidity> {
        let value = self.next.get();
        self.next.set(value.checked_add(1)?);
        UidValidity::new(value)
    }
}

impl UidValidities for SimUidValidities {
    fn next(&self) -> LocalBoxFuture<'_, Result<UidValidity, Unavailable>> {
        let next = self.take().ok_or_else(|| Unavailable("no UIDVALIDITY is left".to_owned()));
        Box::pin(async move { next })
    }
}

/// Admits up to a number of sessions.
pub struct SimRegistry {
    pub sessions_max: Rc<Cell<usize>>,
    admitted: Rc<()>,
}

impl SimRegistry {
    pub fn new(sessions_max: usize) -> SimRegistry {
        SimRegistry { sessions_max: Rc::new(Cell::new(sessions_max)), admitted: Rc::new(()) }
    }
}

impl Registry for SimRegistry {
    fn admit(&self, _: &AccountRef) -> Option<Box<dyn Any>> {
        (Rc::strong_count(&self.admitted) <= self.sessions_max.get()).then(|| {
            let ticket: Box<dyn Any> = Box::new(Rc::clone(&self.admitted));
            ticket
        })
    }
}
