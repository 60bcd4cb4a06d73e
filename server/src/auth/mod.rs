//! Who may log in: argon2id, SCRAM verifiers, the cache of right passwords, delays after wrong ones.
//!
//! One `Authenticator` serves all cores; it is `Send` and its locks are held for microseconds. Hashing runs on its own lane with a
//! bounded queue, each thread using the memory of one hash. What must hold: an unknown user costs what a wrong password costs and gets the same
//! answer, delays included; passwords are never kept and never logged.

pub mod argon;
pub mod cache;
pub mod prepare;
pub mod scram;
pub mod throttle;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_channel::Sender;
use trawl_store::clock::Clock;
use trawl_store::directory::Credentials;

use crate::limits::{
    AUTH_ADDRESS_DELAY_MAX_MS, AUTH_ADDRESS_FREE_FAILURES, AUTH_USER_DELAY_MAX_MS, AUTH_USER_FREE_FAILURES,
};
use crate::runtime::pool::{Pool, PoolError};
use argon::{HashCost, HashError};
use cache::{Cache, Fingerprint};
use prepare::PrepareError;
use throttle::{Schedule, Throttle};

/// Settings of authentication.
#[derive(Clone, Copy, Debug)]
pub struct AuthSettings {
    pub cost: HashCost,
    pub scram_iterations: u32,
    /// How long a right password is remembered; zero turns that off.
    pub cache_life: Duration,
    /// Wrong passwords from one address within `failures_window` before its attempts are refused unseen.
    pub failures_max: u32,
    pub failures_window: Duration,
}

/// Why a log-in was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("wrong user name or password")]
    Wrong,
    #[error("too many attempts, try again later")]
    TooMany,
    #[error("too many log-ins at once, try again later")]
    Busy,
}

/// Why credentials could not be made of a password.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("the password cannot be used: {0}")]
    Password(#[from] PrepareError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error("hashing: {0}")]
    Lane(#[from] PoolError),
}

/// Verifies passwords for every core of the process.
pub struct Authenticator {
    settings: AuthSettings,
    hashing: Pool,
    /// A hash that no password matches, for users that do not exist.
    dummy: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    cache: Cache,
    addresses: Throttle<IpAddr>,
    users: Throttle<String>,
    /// Verifications under way; more connections with the same password wait for the first one's result.
    under_way: HashMap<Fingerprint, Vec<Sender<bool>>>,
}

impl Authenticator {
    /// Hashes once (for the dummy), so it takes as long as one log-in.
    pub fn new(settings: AuthSettings, hashing: Pool) -> Result<Authenticator, HashError> {
        let mut key = [0; 32];
        fill_random(&mut key)?;
        let mut salt = [0; 16];
        fill_random(&mut salt)?;
        let nobody: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let dummy = argon::hash(&nobody, &salt, settings.cost)?;
        fill_random(&mut key)?;
        let shared = Shared {
            cache: Cache::new(key, settings.cache_life),
            addresses: Throttle::new(Schedule {
                free_failures: AUTH_ADDRESS_FREE_FAILURES,
                delay_max: Duration::from_millis(AUTH_ADDRESS_DELAY_MAX_MS),
                failures_max: settings.failures_max,
                window: settings.failures_window,
            }),
            users: Throttle::new(Schedule {
                free_failures: AUTH_USER_FREE_FAILURES,
                delay_max: Duration::from_millis(AUTH_USER_DELAY_MAX_MS),
                // Never refused: anybody could lock anybody out.
                failures_max: u32::MAX,
                window: settings.failures_window,
            }),
            under_way: HashMap::new(),
        };
        Ok(Authenticator { settings, hashing, dummy, shared: Arc::new(Mutex::new(shared)) })
    }

    /// Checks `password` against `stored`, the argon2id string of `user` (`None`: no such user, or not allowed to log in), both
    /// prepared by the caller's lookup with [`prepare::user_name`]. `address` is `None` on the control socket only.
    pub async fn verify(
        &self,
        clock: &dyn Clock,
        address: Option<IpAddr>,
        user: &str,
        password: &str,
        stored: Option<&str>,
    ) -> Result<(), Refusal> {
        let address = address.map(throttle::address_key);
        if let Some(address) = &address {
            let wait = self.lock().addresses.reserve(clock.monotonic(), address);
            pause(clock, wait.map_err(|_| Refusal::TooMany)?).await;
        }
        // A password that cannot be prepared matches nothing; it is hashed all the same, for the time that takes.
        let (password, stored) = match (prepare::password(password), stored) {
            (Ok(password), stored) => (password, stored),
            (Err(_), _) => (String::from("?"), None),
        };
        let key = stored.unwrap_or(&self.dummy);
        let fingerprint = {
            let mut shared = self.lock();
            let fingerprint = shared.cache.fingerprint(user, &password, key);
            if stored.is_some() && shared.cache.contains(clock.monotonic(), user, &fingerprint) {
                return Ok(());
            }
            fingerprint
        };
        let wait = self.lock().users.reserve(clock.monotonic(), &user.to_owned());
        pause(clock, wait.map_err(|_| Refusal::TooMany)?).await;
        let right = self.hash_once(fingerprint, password, key.to_owned()).await? && stored.is_some();
        let now = clock.monotonic();
        let mut shared = self.lock();
        if right {
            shared.users.clear(&user.to_owned());
            shared.cache.insert(now, user, fingerprint);
            return Ok(());
        }
        if let Some(address) = &address {
            shared.addresses.failed(now, address);
        }
        shared.users.failed(now, &user.to_owned());
        Err(Refusal::Wrong)
    }

    /// Makes what is stored for a new password.
    pub async fn credentials(&self, password: &str) -> Result<Credentials, CredentialsError> {
        let prepared = prepare::password(password)?;
        let settings = self.settings;
        self.hashing.run(move |_| credentials(&prepared, settings)).await?.map_err(CredentialsError::Hash)
    }

    /// Drops what is remembered of a user whose password changed or whose account is gone.
    pub fn forget(&self, user: &str) {
        let mut shared = self.lock();
        shared.cache.forget(user);
        shared.users.clear(&user.to_owned());
    }

    /// Runs one verification on the lane; equal ones that come while it runs share its result.
    async fn hash_once(
        &self,
        fingerprint: Fingerprint,
        password: String,
        stored: String,
    ) -> Result<bool, Refusal> {
        let (give, take) = async_channel::bounded(1);
        let first = {
            let mut shared = self.lock();
            let waiters = shared.under_way.entry(fingerprint).or_default();
            waiters.push(give);
            waiters.len() == 1
        };
        if first {
            let flight = Flight { shared: Arc::clone(&self.shared), fingerprint, result: None };
            let job = move || flight.land(argon::verify(&password, &stored));
            // A job that is refused is dropped with its flight, which lets the waiters go.
            self.hashing.post(job).map_err(|_| Refusal::Busy)?;
        }
        take.recv().await.map_err(|_| Refusal::Busy)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

/// A verification under way. Dropping it, in whatever way the job ended, tells the result to all who wait, or that there is none.
struct Flight {
    shared: Arc<Mutex<Shared>>,
    fingerprint: Fingerprint,
    result: Option<bool>,
}

impl Flight {
    fn land(mut self, right: bool) {
        self.result = Some(right);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let waiters = lock(&self.shared).under_way.remove(&self.fingerprint).unwrap_or_default();
        if let Some(right) = self.result {
            for waiter in waiters {
                // A client that is gone does not take its answer.
                let _ = waiter.try_send(right);
            }
        }
    }
}

/// Credentials of a prepared password; blocks for the time of one hash.
fn credentials(prepared: &str, settings: AuthSettings) -> Result<Credentials, HashError> {
    let mut salt = [0; 16];
    fill_random(&mut salt)?;
    let argon2 = argon::hash(prepared, &salt, settings.cost)?;
    fill_random(&mut salt)?;
    let scram_sha_256 = scram::derive(prepared, salt.to_vec(), settings.scram_iterations);
    Ok(Credentials { argon2, scram_sha_256 })
}

/// No state of `Shared` is half-changed at a panic: a poisoned lock is as good as a sound one.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pause(clock: &dyn Clock, wait: Duration) {
    if !wait.is_zero() {
        clock.sleep(wait).await;
    }
}

/// Randomness for keys and salts, from the operating system (not from the simulated seed: secrets are never reproducible).
fn fill_random(bytes: &mut [u8]) -> Result<(), HashError> {
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(bytes)
        .map_err(|_| HashError("the system gave no randomness".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::pool::PoolThreads;
    use futures_lite::future::{block_on, poll_once, zip};
    use std::cell::Cell;
    use trawl_store::LocalBoxFuture;
    use trawl_store::types::WallTime;

    /// A clock that moves only when somebody sleeps.
    #[derive(Default)]
    struct SleepClock(std::rc::Rc<Cell<Duration>>);

    impl Clock for SleepClock {
        fn wall(&self) -> WallTime {
            WallTime(0)
        }
        fn monotonic(&self) -> Duration {
            self.0.get()
        }
        fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
            let now = std::rc::Rc::clone(&self.0);
            Box::pin(async move { now.set(now.get() + duration) })
        }
    }

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    fn authenticator(queue: usize) -> (Authenticator, PoolThreads, Credentials) {
        let settings = AuthSettings {
            cost: HashCost { memory_kib: 64, passes: 1, lanes: 1 },
            scram_iterations: 4096,
            cache_life: Duration::from_secs(60),
            failures_max: 30,
            failures_window: Duration::from_secs(300),
        };
        let (pool, threads) = Pool::start("hash", 1, queue).unwrap();
        let authenticator = Authenticator::new(settings, pool).unwrap();
        let credentials = block_on(authenticator.credentials("secret")).unwrap();
        (authenticator, threads, credentials)
    }

    #[test]
    fn right_wrong_and_unknown() {
        let (auth, _threads, credentials) = authenticator(8);
        let clock = SleepClock::default();
        let stored = Some(credentials.argon2.as_str());
        let verify = |user, password, stored| block_on(auth.verify(&clock, HERE, user, password, stored));
        assert_eq!(verify("ann", "secret", stored), Ok(()));
        assert_eq!(verify("ann", "secret", stored), Ok(()), "from the cache");
        assert_eq!(verify("ann", "Secret", stored), Err(Refusal::Wrong));
        assert_eq!(verify("ann", "bad\u{7}", stored), Err(Refusal::Wrong));
        assert_eq!(verify("bob", "secret", None), Err(Refusal::Wrong));
        let changed = block_on(auth.credentials("other")).unwrap();
        assert_eq!(
            verify("ann", "secret", Some(&changed.argon2)),
            Err(Refusal::Wrong),
            "cached, but changed"
        );
        assert_eq!(verify("ann", "other", Some(&changed.argon2)), Ok(()));
        assert!(block_on(auth.credentials("\u{7}")).is_err());
    }

    #[test]
    fn guessing_waits_longer_and_longer_and_is_refused_at_last() {
        let (auth, _threads, credentials) = authenticator(8);
        let clock = SleepClock::default();
        let stored = Some(credentials.argon2.as_str());
        let mut refused_after = None;
        for attempt in 0..40 {
            match block_on(auth.verify(&clock, HERE, "ann", "guess", stored)) {
                Err(Refusal::Wrong) => {}
                Err(Refusal::TooMany) => {
                    refused_after = Some(attempt);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(refused_after, Some(30));
        assert!(clock.monotonic() > Duration::from_secs(60), "{:?}", clock.monotonic());
        let elsewhere = Some("192.0.2.99".parse().unwrap());
        assert_eq!(
            block_on(auth.verify(&clock, elsewhere, "ann", "secret", stored)),
            Ok(()),
            "not locked out"
        );
    }

    #[test]
    fn equal_attempts_share_one_hash_and_a_full_queue_refuses() {
        let (auth, _threads, credentials) = authenticator(1);
        let clock = SleepClock::default();
        let stored = Some(credentials.argon2.as_str());
        let (release, gate) = std::sync::mpsc::channel::<()>();
        auth.hashing.post(move || gate.recv().unwrap_or_default()).unwrap();
        while auth.hashing.queued() > 0 {
            std::thread::yield_now();
        }
        let mut first = Box::pin(auth.verify(&clock, HERE, "ann", "secret", stored));
        let mut second = Box::pin(auth.verify(&clock, HERE, "ann", "secret", stored));
        assert!(block_on(poll_once(first.as_mut())).is_none());
        assert!(block_on(poll_once(second.as_mut())).is_none());
        assert_eq!(auth.hashing.queued(), 1, "one job for both");
        let other = block_on(auth.verify(&clock, HERE, "bob", "secret", stored));
        assert_eq!(other, Err(Refusal::Busy));
        release.send(()).unwrap();
        assert_eq!(block_on(zip(first, second)), (Ok(()), Ok(())));
    }
}
