//! The control socket: user commands, status and imports while the server runs.

pub mod explain;
pub mod metrics;
pub mod protocol;
pub mod query;
pub mod server;
