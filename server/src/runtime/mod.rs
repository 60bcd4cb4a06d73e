//! Executors, sockets, lanes, signals: the only module of the server that names glommio.

pub mod executor;
pub mod listener;
pub mod os;
pub mod panics;
pub mod pool;
pub mod socket;
