//! A connection from accept to close: TLS, its session, and the way to the core of its account.
//!
//! What must hold: a connection has its place in the counts from accept to close, on whichever core it is; it moves with every byte that was
//! read of it and with nothing left to be written; whatever fails closes it and touches no other.

use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::executor::{Priority, sleep, spawn};
use super::listener::prepare;
use super::socket::Socket;
use super::state::CoreState;
use super::transport::{Parcel, Transport};
use crate::limits::{CLOSE_WAIT_MS, LINGER_BYTES_MAX, LINGER_MS};
use crate::net::admission::Place;
use crate::session::{self, Connection, Outcome, Start};

/// How a listener's connections begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// In clear, with STARTTLS when there is TLS.
    Clear,
    /// TLS from the first byte.
    Tls,
}

/// A connection on this core.
struct Guest {
    transport: Transport,
    connection: Connection,
    place: Place,
}

/// A connection between cores.
struct Traveller {
    parcel: Parcel,
    connection: Connection,
    place: Place,
}

/// Takes a connection that a listener accepted.
pub fn welcome(core: &Rc<CoreState>, socket: Socket, opening: Opening) {
    let Some(peer) = prepare(&socket) else { return };
    let place = match core.shared.admission.connect(Some(peer.ip())) {
        Ok(place) => place,
        Err(full) => {
            tracing::warn!(%peer, reason = %full, "connection refused");
            if opening == Opening::Clear {
                spawn(Priority::Interactive, refuse(socket, full.to_string()));
            }
            return;
        }
    };
    let id = core.shared.connection_id();
    let starttls = opening == Opening::Clear && core.shared.tls.is_some();
    let connection = Connection { id, peer: Some(peer), tls: false, starttls };
    tracing::debug!(connection = id, %peer, "connected");
    let core = Rc::clone(core);
    spawn(Priority::Interactive, async move {
        let _ticket = core.guest();
        let guest = Guest { transport: Transport::Plain(socket), connection, place };
        match opening {
            Opening::Clear => entertain(&core, guest, Start::Greet, Vec::new()).await,
            Opening::Tls => {
                if let Some(guest) = secure(&core, guest).await {
                    entertain(&core, guest, Start::Greet, Vec::new()).await;
                }
            }
        }
    });
}

/// Turns a connection of the control socket into a session of `account`, on the core that owns it. `input` is what was read behind the
/// request.
pub async fn preauthenticate(
    core: &Rc<CoreState>,
    socket: Socket,
    place: Place,
    account: crate::core::AccountRef,
    input: Vec<u8>,
) {
    let id = core.shared.connection_id();
    let connection = Connection { id, peer: None, tls: false, starttls: false };
    let guest = Guest { transport: Transport::Plain(socket), connection, place };
    let owner = core.shared.mesh.owner(account.shard);
    move_to(core, guest, owner, Start::Preauth(account), input).await;
}

/// Runs sessions on a connection until it is closed or moves on.
async fn entertain(core: &Rc<CoreState>, mut guest: Guest, mut start: Start, mut input: Vec<u8>) {
    loop {
        let Guest { transport, connection, .. } = &mut guest;
        // Boxed: the task of a connection is then as large as its session needs now, not as its largest command.
        let outcome = Box::pin(session::run(transport, connection, start, input, &core.core)).await;
        match outcome {
            Outcome::Closed(why) => {
                tracing::debug!(connection = guest.connection.id, ?why, "closed");
                close(guest.transport).await;
                return;
            }
            Outcome::StartTls => {
                let Some(secured) = secure(core, guest).await else { return };
                guest = secured;
                (start, input) = (Start::AfterTls, Vec::new());
            }
            Outcome::HandOff { account, tag, input: unread } => {
                let owner = core.shared.mesh.owner(account.shard);
                let login = Start::Login { account, tag };
                if owner != core.index {
                    move_to(core, guest, owner, login, unread).await;
                    return;
                }
                (start, input) = (login, unread);
            }
        }
    }
}

/// The TLS handshake, within the time to log in. `None` when it failed; the connection is closed then.
async fn secure(core: &CoreState, guest: Guest) -> Option<Guest> {
    let Guest { transport, connection, place } = guest;
    let id = connection.id;
    let session = match core.shared.tls.as_ref().map(|tls| tls.session()) {
        Some(Ok(session)) => session,
        Some(Err(error)) => {
            tracing::error!(connection = id, %error, "no TLS session");
            return None;
        }
        None => return None,
    };
    let handshake = async { Some(transport.secure(session).await) };
    let patience = async {
        sleep(core.core.config.limits.login_timeout.0).await;
        None
    };
    match or(or(handshake, patience), async {
        core.core.stop.wait().await;
        None
    })
    .await
    {
        Some(Ok(transport)) => {
            let connection = Connection { tls: true, starttls: false, ..connection };
            Some(Guest { transport, connection, place })
        }
        Some(Err(error)) => {
            tracing::info!(connection = id, peer = ?connection.peer, %error, "TLS handshake failed");
            None
        }
        None => None,
    }
}

/// Sends a connection to another core, where `start` goes on with it.
async fn move_to(core: &Rc<CoreState>, guest: Guest, to: usize, start: Start, input: Vec<u8>) {
    let Guest { transport, connection, place } = guest;
    let id = connection.id;
    let parcel = match transport.pack().await {
        Ok(parcel) => parcel,
        Err(error) => {
            tracing::debug!(connection = id, %error, "lost on its way to another core");
            return;
        }
    };
    let traveller = Traveller { parcel, connection, place };
    let visit = move |there: &Rc<CoreState>| arrive(there, traveller, start, input);
    if core.shared.mesh.send(to, visit).await.is_err() {
        tracing::debug!(connection = id, "not moved: stopping");
    }
}

fn arrive(core: &Rc<CoreState>, traveller: Traveller, start: Start, input: Vec<u8>) {
    let core = Rc::clone(core);
    spawn(Priority::Interactive, async move {
        let _ticket = core.guest();
        let Traveller { parcel, connection, place } = traveller;
        let guest = Guest { transport: parcel.unpack(), connection, place };
        entertain(&core, guest, start, input).await;
    });
}

/// Ends the output, then reads on for a moment: closing with unread input would send a reset, which can overtake our last words.
async fn close(mut transport: Transport) {
    let limit = |ms| async move { sleep(Duration::from_millis(ms)).await };
    or(async { drop(transport.close().await) }, limit(CLOSE_WAIT_MS)).await;
    let drain = async {
        let mut buffer = [0; 512];
        let mut read = 0;
        while let Ok(count @ 1..) = transport.read(&mut buffer).await {
            read += count;
            if read > LINGER_BYTES_MAX {
                break;
            }
        }
    };
    or(drain, limit(LINGER_MS)).await;
}

/// Tells a client in clear that there is no room.
async fn refuse(mut socket: Socket, reason: String) {
    let line = format!("* BYE [UNAVAILABLE] {reason}\r\n");
    or(async { drop(socket.write_all(line.as_bytes()).await) }, sleep(Duration::from_millis(LINGER_MS)))
        .await;
    close(Transport::Plain(socket)).await;
}
