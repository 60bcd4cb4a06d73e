//! Executors, sockets, lanes, signals: the only module of the server that names glommio.
//!
//! `executor`, `socket`, `listener` hold what glommio lacks and what it gets wrong; nothing outside has to know:
//!
//! | defect of glommio 0.9 | here |
//! |---|---|
//! | a cancelled task leaks | `executor::spawn` gives no handle; tasks end on their own, waits are raced inside them |
//! | 100 ms preemption starves connections | `executor::start`: 1 ms, a latency queue for what somebody waits for |
//! | a panic in `spawn_blocking` hangs its await | never used: `pool` has threads of its own and guards each job |
//! | a panic in a task leaves the process half dead | `panics`: the process ends, except inside a guarded job |
//! | read time-outs misfire after an abandoned read | never used: reads are raced with timers |
//! | a listener accepts once more after its stop | `listener::accept_until` drops that connection |
//! | accepted sockets without an owner leak | `socket::Listener` binds them at once |
//! | no way out for a socket | `socket::Socket::release` duplicates the descriptor and drops the stream |
//! | accept fails at once for want of descriptors | `listener` waits between attempts |
//! | sleeps with runnable tasks when the time slice ends before the first one ran | `pacemaker` wakes it from outside, and interrupts its sleep if it has not run yet |
//! | CPU placement panics where sysfs is hidden | `executor` pins by itself |

pub mod clock;
pub mod connection;
pub mod documents;
pub mod executor;
pub mod indexing;
pub mod lanes;
pub mod listener;
pub mod lock;
pub mod logging;
pub mod memory;
pub mod mesh;
pub mod os;
pub mod pacemaker;
pub mod panics;
pub mod pool;
pub mod seams;
pub mod serve;
pub mod signals;
pub mod socket;
pub mod state;
pub mod transport;
pub mod users;

pub use serve::{ServeError, ServeOptions, serve};
