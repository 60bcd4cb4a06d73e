//! Growing delays after wrong passwords, per address and per user.
//!
//! Pure: time comes in, delays go out; the caller sleeps. What must hold: attempts under one key are spaced (each reserves its place behind
//! the one before it, so opening many connections gains nothing), memory is bounded, and nobody is locked out for
//! longer than the longest delay by what somebody else does.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::limits::{AUTH_DELAY_FIRST_MS, AUTH_THROTTLE_KEYS_MAX, AUTH_THROTTLE_WAIT_MAX_MS};

/// How fast delays grow under one kind of key.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Failures that cost nothing: people mistype, clients retry with an old password.
    pub free_failures: u32,
    /// The longest delay between two attempts.
    pub delay_max: Duration,
    /// From this many failures on, attempts are refused until some are forgotten. `u32::MAX` for keys that
    /// strangers can make fail.
    pub failures_max: u32,
    /// Half of the failures are forgotten each time this has passed.
    pub window: Duration,
}

/// Too many attempts wait already; the attempt is refused without looking at the password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

struct Entry {
    failures: u32,
    /// Failures are forgotten one by one, counted from here.
    since: Duration,
    /// The earliest start of the next attempt.
    next: Duration,
}

/// Attempts under keys of one kind.
pub struct Throttle<K> {
    schedule: Schedule,
    entries: HashMap<K, Entry>,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    pub fn new(schedule: Schedule) -> Throttle<K> {
        Throttle { schedule, entries: HashMap::new() }
    }

    /// Takes a place for one attempt; the caller waits as long as this says before it checks the password.
    pub fn reserve(&mut self, now: Duration, key: &K) -> Result<Duration, Refused> {
        let schedule = self.schedule;
        let Some(entry) = self.entries.get_mut(key) else { return Ok(Duration::ZERO) };
        entry.forget(now, schedule.window);
        if entry.failures >= schedule.failures_max {
            return Err(Refused);
        }
        let start = entry.next.max(now);
        let wait = start - now;
        if wait > Duration::from_millis(AUTH_THROTTLE_WAIT_MAX_MS) {
            return Err(Refused);
        }
        entry.next = start + schedule.delay(entry.failures);
        Ok(wait)
    }

    /// Counts a wrong password.
    pub fn failed(&mut self, now: Duration, key: &K) {
        if self.entries.len() >= AUTH_THROTTLE_KEYS_MAX && !self.entries.contains_key(key) {
            self.make_room(now);
        }
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            failures: 0,
            since: now,
            next: Duration::ZERO,
        });
        entry.forget(now, self.schedule.window);
        entry.failures = entry.failures.saturating_add(1);
        entry.next = entry.next.max(now + self.schedule.delay(entry.failures));
    }

    /// Clears the failures under a key.
    pub fn clear(&mut self, key: &K) {
        self.entries.remove(key);
    }

    /// Drops what is forgotten anyway; when that frees nothing, the quarter with the fewest failures.
    fn make_room(&mut self, now: Duration) {
        let window = self.schedule.window;
        self.entries.retain(|_, entry| {
            entry.forget(now, window);
            entry.failures > 0
        });
        if self.entries.len() < AUTH_THROTTLE_KEYS_MAX {
            return;
        }
        let mut counts: Vec<u32> = self.entries.values().map(|entry| entry.failures).collect();
        let quarter = counts.len() / 4;
        let (_, limit, _) = counts.select_nth_unstable(quarter);
        let (limit, mut left) = (*limit, quarter.max(1));
        self.entries.retain(|_, entry| {
            let goes = left > 0 && entry.failures <= limit;
            left -= usize::from(goes);
            !goes
        });
    }
}

impl Entry {
    fn forget(&mut self, now: Duration, window: Duration) {
        while self.failures > 0 && now.saturating_sub(self.since) >= window {
            self.failures /= 2;
            self.since += window;
        }
        if self.failures == 0 {
            self.since = now;
        }
    }
}

impl Schedule {
    /// Nothing for the free failures, then doubling up to the longest.
    fn delay(&self, failures: u32) -> Duration {
        let Some(over) = failures.checked_sub(self.free_failures + 1) else { return Duration::ZERO };
        let factor = 1u64 << over.min(20);
        Duration::from_millis(AUTH_DELAY_FIRST_MS * factor).min(self.delay_max)
    }
}

/// The key of an address: an IPv4 address, or the /64 of an IPv6 one (a host owns all of it).
pub fn address_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        free_failures: 2,
        delay_max: Duration::from_secs(8),
        failures_max: u32::MAX,
        window: Duration::from_secs(300),
    };
    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn delays_grow_and_stop_growing() {
        let mut throttle = Throttle::new(SCHEDULE);
        let mut now = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..10 {
            let wait = throttle.reserve(now, &"ann").unwrap();
            now += wait;
            waits.push(wait);
            throttle.failed(now, &"ann");
        }
        assert_eq!(waits[..4], [MS(0), MS(0), MS(0), MS(AUTH_DELAY_FIRST_MS)]);
        assert!(waits.windows(2).all(|w| w[0] <= w[1]), "{waits:?}");
        assert_eq!(waits[9], SCHEDULE.delay_max);
        assert_eq!(throttle.reserve(now, &"bob"), Ok(Duration::ZERO), "others do not wait");
        throttle.clear(&"ann");
        assert_eq!(throttle.reserve(now, &"ann"), Ok(Duration::ZERO));
    }

    #[test]
    fn many_at_once_stand_in_line_and_then_are_refused() {
        let mut throttle = Throttle::new(SCHEDULE);
        for _ in 0..8 {
            throttle.failed(Duration::ZERO, &1);
        }
        let mut waits = Vec::new();
        while let Ok(wait) = throttle.reserve(Duration::ZERO, &1) {
            waits.push(wait);
            assert!(waits.len() < 1000, "never refused");
        }
        assert!(waits.len() >= 2 && waits.windows(2).all(|w| w[0] < w[1]), "{waits:?}");
    }

    #[test]
    fn failures_are_forgotten_with_time() {
        let mut throttle = Throttle::new(SCHEDULE);
        for _ in 0..8 {
            throttle.failed(Duration::ZERO, &1);
        }
        let later = SCHEDULE.window * 5;
        assert_eq!(throttle.reserve(later, &1), Ok(Duration::ZERO));
        assert_eq!(throttle.reserve(later, &1), Ok(Duration::ZERO), "no spacing either");
    }

    #[test]
    fn too_many_failures_are_refused_for_a_while() {
        let mut throttle = Throttle::new(Schedule { failures_max: 4, ..SCHEDULE });
        for _ in 0..4 {
            throttle.failed(Duration::ZERO, &1);
        }
        assert_eq!(throttle.reserve(MS(60_000), &1), Err(Refused));
        assert!(throttle.reserve(SCHEDULE.window, &1).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_the_worst_offender_stays() {
        let mut throttle = Throttle::new(SCHEDULE);
        for _ in 0..9 {
            throttle.failed(Duration::ZERO, &u64::MAX);
        }
        for key in 0..2 * AUTH_THROTTLE_KEYS_MAX as u64 {
            throttle.failed(Duration::ZERO, &key);
            assert!(throttle.entries.len() <= AUTH_THROTTLE_KEYS_MAX);
        }
        assert!(throttle.reserve(Duration::ZERO, &u64::MAX).unwrap() > Duration::ZERO);
    }

    #[test]
    fn ipv6_counts_by_64() {
        let key = |s: &str| address_key(s.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
