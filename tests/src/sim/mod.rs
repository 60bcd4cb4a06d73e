//! The simulated world: real sessions and the real store on a simulated disk, in virtual time.
//!
//! `world` puts a server together without sockets and threads, `pipe` and `client` are the other ends of its
//! connections, `state` is what an account is at one commit, `facts` what a client was told, `actor` one
//! client, `workload` what it does.

pub mod actor;
pub mod client;
pub mod disk;
pub mod facts;
pub mod pipe;
pub mod state;
pub mod workload;
pub mod world;
