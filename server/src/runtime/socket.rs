//! A connected socket on one executor, which can leave it and be adopted by another; audited for `unsafe`.
//!
//! Holds glommio's stream together with what it lacks: a way out (no `IntoRawFd`: the descriptor is duplicated, then the stream dropped) and
//! ownership at every step (an `OwnedFd` closes itself when a hand-over fails, glommio's `AcceptedTcpStream` does not). TCP and Unix sockets
//! are one type here: glommio only ever calls recv, send, poll and shutdown on them. Its read time-outs are never used (one that
//! follows an abandoned read fails at once); callers race a read with a timer, which loses no bytes.
#![allow(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::{TcpListener, TcpStream};

/// A connected stream socket, bound to the executor that adopted it.
pub struct Socket {
    stream: TcpStream,
}

impl Socket {
    /// Binds a socket to the executor of this thread. Panics outside an executor.
    pub fn adopt(fd: OwnedFd) -> Socket {
        // SAFETY: the descriptor is owned and its ownership passes to the stream.
        Socket { stream: unsafe { TcpStream::from_raw_fd(fd.into_raw_fd()) } }
    }

    /// Takes the socket off this executor. Nothing may be under way on it; bytes that the kernel holds stay there.
    pub fn release(self) -> io::Result<OwnedFd> {
        // SAFETY: the stream owns the descriptor and lives until the end of this function.
        let fd = unsafe { BorrowedFd::borrow_raw(self.stream.as_raw_fd()) };
        fd.try_clone_to_owned()
    }

    /// The peer has closed or reset the connection; bytes that it sent before may still wait to be read.
    pub fn is_hung_up(&self) -> bool {
        let mut look = libc::pollfd { fd: self.stream.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
        // SAFETY: one valid `pollfd`, used during the call only, which does not wait.
        let found = unsafe { libc::poll(&raw mut look, 1, 0) };
        found > 0 && look.revents & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0
    }

    /// Sends small answers at once (without it TLS set-up takes tens of milliseconds). Unix sockets need none of it.
    pub fn send_at_once(&self) {
        // It fails for Unix sockets and for connections that are gone already; both are told by the next read.
        let _ = self.stream.set_nodelay(true);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// A listening socket on one executor, TCP or Unix.
pub struct Listener {
    listener: TcpListener,
}

impl Listener {
    /// Binds a listening socket to the executor of this thread. Panics outside an executor.
    pub fn adopt(fd: OwnedFd) -> Listener {
        // SAFETY: the descriptor is owned and its ownership passes to the listener.
        Listener { listener: unsafe { TcpListener::from_raw_fd(fd.into_raw_fd()) } }
    }

    /// The next connection, already bound to this executor, so that it is closed whatever happens to it.
    pub async fn accept(&self) -> io::Result<Socket> {
        let stream = self.listener.accept().await.map_err(io::Error::from)?;
        Ok(Socket { stream })
    }
}

/// The address of the peer of a TCP socket.
pub fn peer_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.stream.peer_addr().map_err(io::Error::from)
}

/// True when accepting failed for want of descriptors or memory: accepting again at once would fail at once.
pub fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
