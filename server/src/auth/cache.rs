//! Passwords that were right a short while ago, so that the second connection of a client costs microseconds and not a hash.
//!
//! What must hold: the password is not kept. An entry is an HMAC under a random key of this process over user, password and the
//! stored hash: a changed password changes the stored hash, so an old entry can never match again; `forget` also frees it.
//! Only right passwords are kept, one per user.

use std::collections::HashMap;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::scram::keyed;
use crate::limits::AUTH_CACHE_ENTRIES_MAX;

/// Fingerprint of (user, password, stored hash).
pub type Fingerprint = [u8; 32];

struct Entry {
    fingerprint: Fingerprint,
    expires: Duration,
}

/// Positive results with a life time. Times are the clock's monotonic ones.
pub struct Cache {
    key: [u8; 32],
    life: Duration,
    entries: HashMap<String, Entry>,
}

impl Cache {
    /// `life` zero turns the cache off.
    pub fn new(key: [u8; 32], life: Duration) -> Cache {
        Cache { key, life, entries: HashMap::new() }
    }

    /// The fingerprint under which this triple is kept; lengths are hashed too, so that no two triples share one.
    pub fn fingerprint(&self, user: &str, password: &str, stored: &str) -> Fingerprint {
        let mut data = Vec::with_capacity(24 + user.len() + password.len() + stored.len());
        for part in [user, password, stored] {
            data.extend_from_slice(&(part.len() as u64).to_le_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        let fingerprint = keyed(&self.key, &data);
        data.fill(0);
        fingerprint
    }

    /// True when exactly this triple was right less than the life time ago.
    pub fn contains(&mut self, now: Duration, user: &str, fingerprint: &Fingerprint) -> bool {
        let Some(entry) = self.entries.get(user) else { return false };
        if entry.expires <= now {
            self.entries.remove(user);
            return false;
        }
        entry.fingerprint.ct_eq(fingerprint).into()
    }

    /// Remembers a right password. When full, what has expired goes first, then the entry nearest its end.
    pub fn insert(&mut self, now: Duration, user: &str, fingerprint: Fingerprint) {
        if self.life.is_zero() {
            return;
        }
        if self.entries.len() >= AUTH_CACHE_ENTRIES_MAX && !self.entries.contains_key(user) {
            self.entries.retain(|_, entry| entry.expires > now);
            if self.entries.len() >= AUTH_CACHE_ENTRIES_MAX {
                let oldest = self.entries.iter().min_by_key(|(_, e)| e.expires).map(|(name, _)| name.clone());
                if let Some(name) = oldest {
                    self.entries.remove(&name);
                }
            }
        }
        self.entries.insert(user.to_owned(), Entry { fingerprint, expires: now + self.life });
    }

    /// Drops what is known of a user (password changed, account deleted).
    pub fn forget(&mut self, user: &str) {
        self.entries.remove(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn only_the_same_triple_within_its_life_is_known() {
        let mut cache = Cache::new([1; 32], T(60));
        let right = cache.fingerprint("ann", "secret", "$hash1");
        cache.insert(T(0), "ann", right);
        assert!(cache.contains(T(59), "ann", &right));
        let wrong = cache.fingerprint("ann", "secreT", "$hash1");
        assert!(!cache.contains(T(1), "ann", &wrong));
        let changed = cache.fingerprint("ann", "secret", "$hash2");
        assert!(!cache.contains(T(1), "ann", &changed), "a new stored hash voids the entry");
        assert!(!cache.contains(T(1), "bob", &right));
        assert!(!cache.contains(T(60), "ann", &right), "expired");
        assert!(cache.entries.is_empty());
    }

    #[test]
    fn forgotten_and_shifted_parts_do_not_match() {
        let mut cache = Cache::new([1; 32], T(60));
        let right = cache.fingerprint("ann", "secret", "$h");
        assert_ne!(right, cache.fingerprint("anns", "ecret", "$h"));
        assert_ne!(right, Cache::new([2; 32], T(60)).fingerprint("ann", "secret", "$h"));
        cache.insert(T(0), "ann", right);
        cache.forget("ann");
        assert!(!cache.contains(T(0), "ann", &right));
    }

    #[test]
    fn the_cache_is_bounded_and_can_be_off() {
        let mut cache = Cache::new([1; 32], T(60));
        for i in 0..AUTH_CACHE_ENTRIES_MAX + 10 {
            cache.insert(T(i as u64 / 1000), &i.to_string(), [0; 32]);
        }
        assert_eq!(cache.entries.len(), AUTH_CACHE_ENTRIES_MAX);
        let mut off = Cache::new([1; 32], T(0));
        off.insert(T(0), "ann", [0; 32]);
        assert!(!off.contains(T(0), "ann", &[0; 32]));
    }
}
