//! How many connections there may be: in all, from one address, of one user.
//!
//! One table serves all cores. What must hold: a place is given back whenever its owner is dropped, wherever that happens; the tables
//! hold only what is open, so they are bounded by the connections themselves.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::throttle::address_key;

/// The caps.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    pub connections_max: usize,
    pub per_address_max: usize,
    pub per_user_max: usize,
}

/// Why a connection is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Full {
    #[error("too many connections")]
    Server,
    #[error("too many connections from this address")]
    Address,
    #[error("too many connections of this user")]
    User,
}

/// Counts open connections.
#[derive(Clone)]
pub struct Admission {
    caps: Caps,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    connections: usize,
    addresses: HashMap<IpAddr, usize>,
    users: HashMap<String, usize>,
}

/// One connection's place. It moves with the connection from core to core.
pub struct Place {
    open: Arc<Mutex<Open>>,
    address: Option<IpAddr>,
}

/// One session's place among those of its user.
pub struct UserPlace {
    open: Arc<Mutex<Open>>,
    user: String,
}

impl Admission {
    pub fn new(caps: Caps) -> Admission {
        Admission { caps, open: Arc::default() }
    }

    /// A place for a new connection; `None` is the control socket, which is not counted by address.
    pub fn connect(&self, address: Option<IpAddr>) -> Result<Place, Full> {
        let address = address.map(address_key);
        let mut open = lock(&self.open);
        if open.connections >= self.caps.connections_max {
            return Err(Full::Server);
        }
        if let Some(address) = address {
            take(&mut open.addresses, address, self.caps.per_address_max).map_err(|()| Full::Address)?;
        }
        open.connections += 1;
        Ok(Place { open: Arc::clone(&self.open), address })
    }

    /// A place for a session that logged in as `user`.
    pub fn log_in(&self, user: &str) -> Result<UserPlace, Full> {
        let mut open = lock(&self.open);
        take(&mut open.users, user.to_owned(), self.caps.per_user_max).map_err(|()| Full::User)?;
        Ok(UserPlace { open: Arc::clone(&self.open), user: user.to_owned() })
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        lock(&self.open).connections
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.connections -= 1;
        if let Some(address) = self.address {
            give_back(&mut open.addresses, &address);
        }
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        give_back(&mut lock(&self.open).users, &self.user);
    }
}

fn take<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: K, most: usize) -> Result<(), ()> {
    let count = counts.entry(key).or_insert(0);
    if *count >= most {
        return Err(());
    }
    *count += 1;
    Ok(())
}

fn give_back<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Counts are changed in single steps; a panic elsewhere leaves them whole.
fn lock(open: &Mutex<Open>) -> std::sync::MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cap_holds_and_places_come_back() {
        let admission = Admission::new(Caps { connections_max: 3, per_address_max: 2, per_user_max: 1 });
        let here: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        let there: Option<IpAddr> = Some("192.0.2.2".parse().unwrap());
        let first = admission.connect(here).unwrap();
        let _second = admission.connect(here).unwrap();
        assert_eq!(admission.connect(here).err(), Some(Full::Address));
        let _third = admission.connect(there).unwrap();
        assert_eq!(admission.connect(there).err(), Some(Full::Server));
        drop(first);
        assert_eq!(admission.connections(), 2);
        let _again = admission.connect(here).unwrap();
        let user = admission.log_in("ann").unwrap();
        assert_eq!(admission.log_in("ann").err(), Some(Full::User));
        drop(user);
        admission.log_in("ann").unwrap();
        assert!(lock(&admission.open).users.is_empty());
    }
}
