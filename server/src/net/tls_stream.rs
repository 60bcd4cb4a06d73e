//! TLS over any byte stream: a small adapter around the buffered API of rustls.
//!
//! Not here: certificates and settings (`tls.rs`), sockets. What must hold: reading never waits for plaintext that rustls already
//! has; what is buffered is bounded ([`TLS_PLAINTEXT_BUFFER_BYTES_MAX`] of output, one record of input) and given back when idle; a
//! connection may move to another core only when nothing waits to be written ([`TlsStream::into_parts`]).

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};
use rustls::ServerConnection;

use crate::limits::TLS_PLAINTEXT_BUFFER_BYTES_MAX;

/// The server's side of a TLS session over `S`.
pub struct TlsStream<S> {
    io: S,
    tls: Box<ServerConnection>,
    /// The peer closed its half of the socket.
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Takes a connection that is new or was moved here. Its output buffer becomes bounded.
    pub fn new(io: S, mut tls: Box<ServerConnection>) -> TlsStream<S> {
        tls.set_buffer_limit(Some(TLS_PLAINTEXT_BUFFER_BYTES_MAX));
        TlsStream { io, tls, ended: false }
    }

    /// Completes the handshake. The caller limits the time.
    pub async fn handshake(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            while self.tls.is_handshaking() {
                ready!(self.poll_send(cx))?;
                if !self.tls.is_handshaking() {
                    break;
                }
                ready!(self.poll_receive(cx))?;
                if self.ended && self.tls.is_handshaking() {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
            }
            self.poll_send(cx)
        })
        .await
    }

    /// The stream below and the session, with everything it has read and not yet given out. `Err` when output waits: flush first.
    pub fn into_parts(self) -> Result<(S, Box<ServerConnection>), TlsStream<S>> {
        if self.tls.wants_write() { Err(self) } else { Ok((self.io, self.tls)) }
    }

    /// What is under the encryption.
    pub fn io(&self) -> &S {
        &self.io
    }

    pub fn session(&self) -> &ServerConnection {
        &self.tls
    }

    /// Writes TLS records until none waits.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let mut io = Blocking { io: &mut self.io, cx };
            match self.tls.write_tls(&mut io) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once from below and processes what came.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut io = Blocking { io: &mut self.io, cx };
        match self.tls.read_tls(&mut io) {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        }
        if let Err(error) = self.tls.process_new_packets() {
            // The alert says why; whether it can still be sent does not matter.
            let _ = self.poll_send(cx);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            match this.tls.reader().read(buffer) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The socket ended without close_notify. IMAP frames its commands itself, so a cut cannot be taken
                // for a shorter command; to the session it is an end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                Err(error) => return Poll::Ready(Err(error)),
            }
            if this.ended {
                return Poll::Ready(Ok(0));
            }
            // Key updates and tickets go out with the reads; a slow reader must not stop its own input here.
            if let Poll::Ready(Err(error)) = this.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
            ready!(this.poll_receive(cx))?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let taken = this.tls.writer().write(data)?;
            let sent = this.poll_send(cx)?;
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
            // Full: wait until the socket takes something, then there is room.
            ready!(sent);
            if this.tls.is_handshaking() {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // rustls sends one close_notify, however often it is asked.
        this.tls.send_close_notify();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.io).poll_close(cx)
    }
}

/// `S` as a blocking stream that says `WouldBlock` when it is pending, for one call into rustls.
struct Blocking<'a, 'b, S> {
    io: &'a mut S,
    cx: &'a mut Context<'b>,
}

impl<S: AsyncRead + Unpin> Read for Blocking<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.io).poll_read(self.cx, buffer))
    }
}

impl<S: AsyncWrite + Unpin> Write for Blocking<'_, '_, S> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.io).poll_write(self.cx, data))
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(Pin::new(&mut *self.io).poll_flush(self.cx))
    }
}

fn blocking<T>(result: Poll<io::Result<T>>) -> io::Result<T> {
    match result {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::{self, tests::client_of};
    use futures_lite::future::{block_on, poll_once, zip};
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    use rustls::ClientConnection;
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::task::Waker;

    /// One direction of a pipe that holds at most `room` bytes.
    #[derive(Default)]
    struct Lane {
        bytes: VecDeque<u8>,
        closed: bool,
        waker: Option<Waker>,
    }

    struct Pipe {
        input: Rc<RefCell<Lane>>,
        output: Rc<RefCell<Lane>>,
        room: usize,
    }

    fn pipe(room: usize) -> (Pipe, Pipe) {
        let (a, b) = (Rc::<RefCell<Lane>>::default(), Rc::<RefCell<Lane>>::default());
        (Pipe { input: Rc::clone(&a), output: Rc::clone(&b), room }, Pipe { input: b, output: a, room })
    }

    impl Lane {
        fn wake(&mut self) {
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    impl AsyncRead for Pipe {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let mut lane = self.input.borrow_mut();
            if lane.bytes.is_empty() && !lane.closed {
                lane.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let count = lane.bytes.read(buffer)?;
            lane.wake();
            Poll::Ready(Ok(count))
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            let mut lane = self.output.borrow_mut();
            let count = data.len().min(self.room - lane.bytes.len());
            if count == 0 {
                lane.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            lane.bytes.extend(&data[..count]);
            lane.wake();
            Poll::Ready(Ok(count))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            let mut lane = self.output.borrow_mut();
            lane.closed = true;
            lane.wake();
            Poll::Ready(Ok(()))
        }
    }

    /// A client: sends `request`, then reads until `answer_len` bytes came.
    async fn client(mut io: Pipe, mut tls: ClientConnection, request: &[u8], answer_len: usize) -> Vec<u8> {
        let mut sent = 0;
        let mut answer = Vec::new();
        std::future::poll_fn(|cx| {
            loop {
                if sent < request.len() && !tls.is_handshaking() {
                    sent += tls.writer().write(&request[sent..]).unwrap();
                }
                while tls.wants_write() {
                    let mut io = Blocking { io: &mut io, cx };
                    if tls.write_tls(&mut io).is_err() {
                        break;
                    }
                }
                let _ = tls.reader().read_to_end(&mut answer);
                if answer.len() >= answer_len {
                    return Poll::Ready(());
                }
                let mut io = Blocking { io: &mut io, cx };
                match tls.read_tls(&mut io) {
                    Ok(0) => return Poll::Ready(()),
                    Ok(_) => drop(tls.process_new_packets().unwrap()),
                    Err(_) => return Poll::Pending,
                }
            }
        })
        .await;
        answer
    }

    fn sessions() -> (Box<ServerConnection>, ClientConnection) {
        let folder = tempfile::tempdir().unwrap();
        let pair = tls::self_signed(folder.path()).unwrap();
        let config = tls::server_config(&pair).unwrap();
        (Box::new(ServerConnection::new(Arc::new(config)).unwrap()), client_of(&pair))
    }

    #[test]
    fn large_echo_through_a_narrow_pipe() {
        let (server, client_session) = sessions();
        let (near, far) = pipe(700);
        let request: Vec<u8> = (0..200_000u32).map(|i| (i * 7 % 251) as u8).collect();
        let serve = async {
            let mut stream = TlsStream::new(near, server);
            stream.handshake().await.unwrap();
            let mut got = vec![0; request.len()];
            stream.read_exact(&mut got).await.unwrap();
            stream.write_all(&got).await.unwrap();
            stream.flush().await.unwrap();
        };
        let (answer, ()) = block_on(zip(client(far, client_session, &request, request.len()), serve));
        assert!(answer == request);
    }

    #[test]
    fn a_session_moves_with_what_it_has_already_read() {
        let (server, client_session) = sessions();
        let (near, far) = pipe(1 << 20);
        let serve = async {
            let mut stream = TlsStream::new(near, server);
            stream.handshake().await.unwrap();
            let mut first = [0; 4];
            stream.read_exact(&mut first).await.unwrap();
            stream.flush().await.unwrap();
            let (io, session) = stream.into_parts().ok().unwrap();
            let mut moved = TlsStream::new(io, session);
            let mut rest = [0; 8];
            moved.read_exact(&mut rest).await.unwrap();
            moved.write_all(&[&first[..], &rest[..]].concat()).await.unwrap();
            moved.flush().await.unwrap();
            moved.close().await.unwrap();
        };
        // One record holds everything, so the second part is inside the session when it moves.
        let (answer, ()) = block_on(zip(client(far, client_session, b"abcdEFGHijkl", 12), serve));
        assert_eq!(answer, b"abcdEFGHijkl");
    }

    #[test]
    fn output_is_bounded_and_what_waits_forbids_the_move() {
        let (server, client_session) = sessions();
        let (near, far) = pipe(16 * 1024);
        let mut stream = TlsStream::new(near, server);
        let mut reading = Box::pin(client(far, client_session, b"x", usize::MAX));
        {
            let mut shake = Box::pin(stream.handshake());
            while block_on(poll_once(shake.as_mut())).is_none() {
                assert!(block_on(poll_once(reading.as_mut())).is_none());
            }
        }
        let mut written = 0;
        while let Some(result) = block_on(poll_once(stream.write(&[b'y'; 8192]))) {
            written += result.unwrap();
            assert!(
                written < 4 * TLS_PLAINTEXT_BUFFER_BYTES_MAX,
                "a reader that takes nothing must stop the writer"
            );
        }
        assert!(written > 0);
        let stream = stream.into_parts().err().unwrap();
        assert!(stream.session().wants_write());
    }

    #[test]
    fn clear_text_instead_of_a_handshake_is_an_error() {
        let (server, _) = sessions();
        let (near, mut far) = pipe(4096);
        block_on(async {
            far.write_all(b"a LOGIN ann secret\r\n").await.unwrap();
            let mut stream = TlsStream::new(near, server);
            assert_eq!(stream.handshake().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        });
    }
}
