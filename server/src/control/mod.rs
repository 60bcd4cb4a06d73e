//! The control socket: user commands, status and imports while the server runs. And figures for those who collect them.

pub mod explain;
pub mod metrics;
pub mod protocol;
pub mod query;
pub mod scrape;
pub mod server;
