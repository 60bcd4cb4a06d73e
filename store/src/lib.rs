//! The log: the only truth of a Trawl store, and the mailbox state that is replayed from it.
//!
//! Nothing here knows IMAP, sockets or an executor; `disk/glommio.rs` alone names glommio.

use std::future::Future;
use std::pin::Pin;

pub mod check;
mod checkpoint;
pub mod clock;
pub mod codec;
pub mod directory;
pub mod disk;
pub mod error;
pub mod event;
pub mod limits;
pub mod log;
pub mod meta;
pub mod seed;
pub mod shard;
pub mod state;
pub mod types;
pub mod uid_set;

/// A future that stays on the thread that made it.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
