//! Executors, sockets, lanes, signals: the only module of the server that names glommio.

pub mod os;
pub mod panics;
pub mod pool;
