//! Every bound of the server that an operator has no reason to change, with its reason; the others are settings.
//!
//! The unit is last in each name. What must hold between limits is asserted at compile time.

// --- authentication

/// Longest user name, in bytes after preparation.
pub const USER_NAME_BYTES_MAX: usize = 255;
/// Longest password, in bytes; bounds the work of preparing and hashing it.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Users whose right password is remembered.
pub const AUTH_CACHE_ENTRIES_MAX: usize = 8192;
/// Addresses, and users, whose failures are remembered.
pub const AUTH_THROTTLE_KEYS_MAX: usize = 16 * 1024;
/// The first delay after the free failures; it doubles from there.
pub const AUTH_DELAY_FIRST_MS: u64 = 250;
/// An attempt that would have to wait longer than this is refused at once.
pub const AUTH_THROTTLE_WAIT_MAX_MS: u64 = 30_000;
/// Wrong passwords from one address that cost no delay.
pub const AUTH_ADDRESS_FREE_FAILURES: u32 = 10;
/// Longest delay between two attempts from one address.
pub const AUTH_ADDRESS_DELAY_MAX_MS: u64 = 10_000;
/// Wrong passwords for one user that cost no delay.
pub const AUTH_USER_FREE_FAILURES: u32 = 3;
/// Longest delay between two attempts for one user; short, because others can cause it.
pub const AUTH_USER_DELAY_MAX_MS: u64 = 4_000;

const _: () = const { assert!(AUTH_ADDRESS_DELAY_MAX_MS < AUTH_THROTTLE_WAIT_MAX_MS) };
const _: () = const { assert!(AUTH_USER_DELAY_MAX_MS <= AUTH_ADDRESS_DELAY_MAX_MS) };

// --- connections

/// Plaintext that one TLS connection may hold for output, and again as much encrypted, before its producer waits.
pub const TLS_PLAINTEXT_BUFFER_BYTES_MAX: usize = 32 * 1024;
/// Connections that the kernel queues for one listener of one core.
pub const LISTEN_BACKLOG: i32 = 1024;
/// Pause after an accept that failed for want of descriptors or memory.
pub const ACCEPT_BACKOFF_MS: u64 = 100;

// --- executors

/// Memory that an executor registers for direct I/O; small, because the store reads and writes through the page cache.
pub const EXECUTOR_IO_MEMORY_BYTES: usize = 1 << 20;
/// Time slice of a task that yields, and how soon a waiting connection is served; 100 ms, glommio's own, would starve them.
pub const EXECUTOR_PREEMPT_MS: u64 = 1;
/// Shares of tasks that somebody waits for.
pub const EXECUTOR_INTERACTIVE_SHARES: usize = 1000;
/// Shares of the others.
pub const EXECUTOR_BACKGROUND_SHARES: usize = 100;
/// Visits (connections handed over, questions of other cores) that wait for one core.
pub const CORE_VISITS_MAX: usize = 1024;

const _: () = const { assert!(EXECUTOR_BACKGROUND_SHARES < EXECUTOR_INTERACTIVE_SHARES) };
