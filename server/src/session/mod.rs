//! Sessions: what a connection may do now, and the driver that takes it from command to command.
//!
//! A session is an enum of state structs; LOGIN, SELECT, CLOSE and LOGOUT consume one and return the next. Not here: what
//! the commands do (`command`), bytes (`io`, `wire`). What must hold: commands run in the order they came; a state that
//! a command needs is in the value it gets, so no handler can run in a wrong one.

pub mod authenticated;
pub mod driver;
pub mod idle;
pub mod io;
pub mod not_authenticated;
pub mod reader;
pub mod selected;

use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;

use crate::core::{AccountRef, Core};
use crate::observe::Observer;
use crate::response::output::Output;
use crate::wire::ast::Tag;
pub use authenticated::Authenticated;
pub use driver::run;
use io::{Cancel, Patience};
pub use not_authenticated::NotAuthenticated;
use reader::Reader;
pub use selected::Selected;

/// The state of a session (RFC 9051 3).
pub enum Session {
    NotAuthenticated(NotAuthenticated),
    Authenticated(Box<Authenticated>),
    Selected(Box<Selected>),
    /// The connection ends or goes elsewhere, once what is pending is written.
    Ended(Ending),
}

/// How a session ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    Logout,
    /// A BYE was written.
    Bye,
    /// The client went without LOGOUT.
    Gone,
    StartTls,
    /// To the core that owns the account's shard, which gives the answer of the login.
    HandOff {
        account: AccountRef,
        tag: Tag,
    },
}

impl Session {
    /// The account of a session that has one.
    pub fn authenticated(&self) -> Option<&Authenticated> {
        match self {
            Session::Authenticated(auth) => Some(auth),
            Session::Selected(selected) => Some(&selected.auth),
            Session::NotAuthenticated(_) | Session::Ended(_) => None,
        }
    }
    pub fn authenticated_mut(&mut self) -> Option<&mut Authenticated> {
        match self {
            Session::Authenticated(auth) => Some(auth),
            Session::Selected(selected) => Some(&mut selected.auth),
            Session::NotAuthenticated(_) | Session::Ended(_) => None,
        }
    }
}

/// Who is connected and how. `Send`: it moves with the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Unique in the process; in every log line.
    pub id: u64,
    /// None: a connection inside this machine's own control socket.
    pub peer: Option<SocketAddr>,
    /// The stream is encrypted.
    pub tls: bool,
    /// STARTTLS can be done on it: there is TLS and it is not on yet.
    pub starttls: bool,
}

impl Connection {
    /// May a password be sent on it? Under TLS, on loopback, or when the operator allows it by name.
    pub fn allows_passwords(&self, core: &Core) -> bool {
        let local = self.peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
        self.tls || local || core.config.auth.allow_cleartext_login
    }
}

/// How a session begins. `Send`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// A new connection: greet it.
    Greet,
    /// TLS has just been established: no greeting.
    AfterTls,
    /// Greet it as authenticated already.
    Preauth(AccountRef),
    /// It logged in on another core: the OK with `tag` is still to be given.
    Login { account: AccountRef, tag: Tag },
}

/// What is to be done with the connection when [`run`] returns. `Send`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Close it.
    Closed(Closed),
    /// Everything is written: do the TLS handshake, then run it again with [`Start::AfterTls`] and no input.
    StartTls,
    /// Move it to the core that owns `account.shard`, with every byte that was read, and run it there with [`Start::Login`].
    HandOff { account: AccountRef, tag: Tag, input: Vec<u8> },
}

/// Why a connection is closed; for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    Logout,
    /// The client closed it.
    Client,
    /// The stream failed.
    Failed,
    /// The client took no output for too long.
    Stalled,
    /// The client sent nothing for too long.
    Silent,
    /// We said BYE.
    Bye,
    /// The server stops.
    Stopping,
}

/// One connection's surroundings. Clones are the same.
#[derive(Clone)]
pub struct Link {
    pub core: Rc<Core>,
    pub connection: Connection,
    pub out: Output,
    pub reader: Reader,
    /// Set once the client is gone: long work stops.
    pub cancel: Cancel,
    pub patience: Patience,
}

/// What a handler gets besides the state.
pub struct Cx {
    pub link: Link,
    /// The tag of the command.
    pub tag: Tag,
    /// Is told what searches do.
    pub observer: Observer,
}

impl Deref for Cx {
    type Target = Link;
    fn deref(&self) -> &Link {
        &self.link
    }
}
