//! A connection in memory: two ends, each a stream of bytes for the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};

/// Bytes one direction holds before the writer has to wait, as a socket buffer would.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

#[derive(Default)]
struct Direction {
    bytes: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

/// One end of a connection; dropping it closes both directions.
pub struct End {
    incoming: Rc<RefCell<Direction>>,
    outgoing: Rc<RefCell<Direction>>,
}

/// A new connection.
pub fn pipe() -> (End, End) {
    let (one, two) = (Rc::<RefCell<Direction>>::default(), Rc::<RefCell<Direction>>::default());
    (End { incoming: one.clone(), outgoing: two.clone() }, End { incoming: two, outgoing: one })
}

impl Drop for End {
    fn drop(&mut self) {
        for direction in [&self.incoming, &self.outgoing] {
            let mut direction = direction.borrow_mut();
            direction.closed = true;
            direction.wake();
        }
    }
}

impl trawl_server::core::Stream for End {}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut direction = self.incoming.borrow_mut();
        if direction.bytes.is_empty() {
            if direction.closed {
                return Poll::Ready(Ok(0));
            }
            direction.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = buf.len().min(direction.bytes.len());
        for (to, from) in buf.iter_mut().zip(direction.bytes.drain(..n)) {
            *to = from;
        }
        direction.wake();
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut direction = self.outgoing.borrow_mut();
        if direction.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = buf.len().min(BUFFER_BYTES_MAX - direction.bytes.len());
        if n == 0 && !buf.is_empty() {
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        direction.bytes.extend(&buf[..n]);
        direction.wake();
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut direction = self.outgoing.borrow_mut();
        direction.closed = true;
        direction.wake();
        Poll::Ready(Ok(()))
    }
}
