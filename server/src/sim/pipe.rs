//! Two streams in memory, joined: what one writes the other reads.
//!
//! Each direction holds a bounded number of bytes, so that a reader that does not read stops the writer. Dropping an end
//! closes both directions.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};

#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    bytes_max: usize,
    /// How often something was written.
    writes: u64,
    /// Nothing more is written.
    ended: bool,
    /// Nothing more is read.
    deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Way {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

/// One end.
pub struct Pipe {
    incoming: Rc<RefCell<Way>>,
    outgoing: Rc<RefCell<Way>>,
}

/// Two joined ends; `bytes_max` are held in each direction.
pub fn pipe(bytes_max: usize) -> (Pipe, Pipe) {
    let way = || Rc::new(RefCell::new(Way { bytes_max, ..Way::default() }));
    let (a, b) = (way(), way());
    (Pipe { incoming: Rc::clone(&a), outgoing: Rc::clone(&b) }, Pipe { incoming: b, outgoing: a })
}

impl crate::core::Stream for Pipe {}

impl Pipe {
    /// How often the other end has written.
    pub fn writes(&self) -> u64 {
        self.incoming.borrow().writes
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut way = self.incoming.borrow_mut();
        if way.bytes.is_empty() {
            if way.ended {
                return Poll::Ready(Ok(0));
            }
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = buffer.len().min(way.bytes.len());
        for (slot, byte) in buffer.iter_mut().zip(way.bytes.drain(..n)) {
            *slot = byte;
        }
        way.wake();
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut way = self.outgoing.borrow_mut();
        if way.deaf || way.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = bytes.len().min(way.bytes_max - way.bytes.len());
        if n == 0 && !bytes.is_empty() {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        way.bytes.extend(&bytes[..n]);
        way.writes += 1;
        way.wake();
        Poll::Ready(Ok(n))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut way = self.outgoing.borrow_mut();
        way.ended = true;
        way.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut way = self.outgoing.borrow_mut();
        way.ended = true;
        way.wake();
        drop(way);
        let mut way = self.incoming.borrow_mut();
        way.deaf = true;
        way.wake();
    }
}
