//! Executors, sockets, lanes, signals: the only module of the server that names glommio.

pub mod executor;
pub mod listener;
pub mod lock;
pub mod logging;
pub mod mesh;
pub mod os;
pub mod panics;
pub mod pool;
pub mod signals;
pub mod socket;
