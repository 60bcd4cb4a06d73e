//! A connection's bytes on this executor: clear or TLS, and how it leaves for another core.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite, AsyncWriteExt};
use rustls::ServerConnection;

use super::socket::Socket;
use crate::core::Stream;
use crate::net::tls_stream::TlsStream;

/// See the module.
pub enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A connection between two executors: `Send`, and closed when it is dropped.
pub struct Parcel {
    fd: OwnedFd,
    tls: Option<Box<ServerConnection>>,
}

impl Transport {
    /// Begins TLS on a clear connection and completes the handshake. Fails on one that has TLS.
    pub async fn secure(self, session: Box<ServerConnection>) -> io::Result<Transport> {
        let Transport::Plain(socket) = self else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "TLS is on already"));
        };
        let mut stream = Box::new(TlsStream::new(socket, session));
        stream.handshake().await?;
        Ok(Transport::Tls(stream))
    }

    /// Writes what waits and takes the connection off this executor, with all that TLS has read and not given out.
    pub async fn pack(self) -> io::Result<Parcel> {
        match self {
            Transport::Plain(socket) => Ok(Parcel { fd: socket.release()?, tls: None }),
            Transport::Tls(mut stream) => {
                stream.flush().await?;
                let (socket, tls) = stream
                    .into_parts()
                    .map_err(|_| io::Error::other("TLS output appeared after everything was written"))?;
                Ok(Parcel { fd: socket.release()?, tls: Some(tls) })
            }
        }
    }
}

impl Parcel {
    /// Binds the connection to the executor of this thread.
    pub fn unpack(self) -> Transport {
        let socket = Socket::adopt(self.fd);
        match self.tls {
            None => Transport::Plain(socket),
            Some(tls) => Transport::Tls(Box::new(TlsStream::new(socket, tls))),
        }
    }
}

impl Stream for Transport {
    fn is_hung_up(&self) -> bool {
        match self {
            Transport::Plain(socket) => socket.is_hung_up(),
            Transport::Tls(stream) => stream.io().is_hung_up(),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_write(cx, data),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(socket) => Pin::new(socket).poll_close(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}
