//! Bytes from the network: TLS, and how a listener counts and refuses.
//!
//! Executor-free: the sockets themselves are `runtime::socket` and `runtime::listener`.

pub mod admission;
pub mod tls;
pub mod tls_stream;
