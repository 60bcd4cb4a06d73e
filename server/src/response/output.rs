//! The output of one connection: bytes that handlers push and the connection's pump writes.
//!
//! Not here: the socket. What must hold: `push` never waits and never fails, so that a response is whole or absent;
//! a handler that makes many responses calls [`Output::room`] between them, so that a slow reader stops the
//! producer and what is pending stays below [`OUTPUT_PENDING_BYTES_MAX`] and one response.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use trawl_store::event::Event;

use crate::limits::{OUTPUT_KEPT_BYTES_MAX, OUTPUT_PENDING_BYTES_MAX};

/// The client is not there any more: nothing that is written reaches it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the client is gone")]
pub struct Gone;

/// Where handlers write. Clones are the same output.
#[derive(Clone, Default)]
pub struct Output {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    bytes: RefCell<Vec<u8>>,
    /// How much at the front of `bytes` is written already.
    written: Cell<usize>,
    /// Written bytes in all, for logs and for noticing progress.
    written_total: Cell<u64>,
    gone: Cell<bool>,
    /// Something was written, or the client is gone.
    drain: Event,
}

impl Output {
    pub fn new() -> Output {
        Output::default()
    }

    /// Appends bytes; nothing when the client is gone.
    pub fn push(&self, bytes: &[u8]) {
        self.with(|out| out.extend_from_slice(bytes));
    }

    /// Lets `write` append to the buffer. It must only append.
    pub fn with(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.inner.gone.get() {
            write(&mut self.inner.bytes.borrow_mut());
        }
    }

    /// Bytes not yet written.
    pub fn pending(&self) -> usize {
        self.inner.bytes.borrow().len() - self.inner.written.get()
    }

    /// Bytes written since the connection began.
    pub fn written_total(&self) -> u64 {
        self.inner.written_total.get()
    }

    /// Resolves when less than [`OUTPUT_PENDING_BYTES_MAX`] is pending.
    pub async fn room(&self) -> Result<(), Gone> {
        self.inner.drain.until(|| self.inner.gone.get() || self.pending() < OUTPUT_PENDING_BYTES_MAX).await;
        self.alive()
    }

    /// Resolves when everything is written.
    pub async fn drained(&self) -> Result<(), Gone> {
        self.inner.drain.until(|| self.inner.gone.get() || self.pending() == 0).await;
        self.alive()
    }

    fn alive(&self) -> Result<(), Gone> {
        if self.inner.gone.get() { Err(Gone) } else { Ok(()) }
    }

    /// For the pump: the client cannot be written to any more.
    pub fn set_gone(&self) {
        self.inner.gone.set(true);
        self.inner.bytes.take();
        self.inner.written.set(0);
        self.inner.drain.notify();
    }

    /// For the pump: hands the pending bytes to `write`, which says how many it took.
    pub fn write_with<T>(&self, write: impl FnOnce(&[u8]) -> (usize, T)) -> T {
        let mut bytes = self.inner.bytes.borrow_mut();
        let from = self.inner.written.get();
        let (taken, value) = write(&bytes[from..]);
        let written = from + taken;
        self.inner.written_total.set(self.inner.written_total.get() + taken as u64);
        if written == bytes.len() {
            bytes.clear();
            // An idle connection keeps no large buffer.
            if bytes.capacity() > OUTPUT_KEPT_BYTES_MAX {
                *bytes = Vec::new();
            }
            self.inner.written.set(0);
        } else if written >= OUTPUT_PENDING_BYTES_MAX {
            bytes.drain(..written);
            self.inner.written.set(0);
        } else {
            self.inner.written.set(written);
        }
        drop(bytes);
        if taken > 0 {
            self.inner.drain.notify();
        }
        value
    }

    /// Takes what is pending, unwritten: for a connection that moves to another core.
    pub fn take_pending(&self) -> Vec<u8> {
        let bytes = self.inner.bytes.take();
        let from = self.inner.written.replace(0);
        bytes[from..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(f: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        f.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_slow_reader_stops_the_producer() {
        let out = Output::new();
        out.push(&vec![b'x'; OUTPUT_PENDING_BYTES_MAX]);
        let waiting = out.clone();
        let mut room = std::pin::pin!(waiting.room());
        assert!(poll(room.as_mut()).is_pending());
        out.write_with(|bytes| {
            assert_eq!(bytes.len(), OUTPUT_PENDING_BYTES_MAX);
            (1, ())
        });
        assert_eq!(poll(room.as_mut()), Poll::Ready(Ok(())));
        let waiting = out.clone();
        let mut drained = std::pin::pin!(waiting.drained());
        assert!(poll(drained.as_mut()).is_pending());
        out.write_with(|bytes| (bytes.len(), ()));
        assert_eq!(poll(drained.as_mut()), Poll::Ready(Ok(())));
        assert_eq!(out.written_total(), OUTPUT_PENDING_BYTES_MAX as u64);
    }

    #[test]
    fn a_client_that_is_gone_takes_no_memory() {
        let out = Output::new();
        out.push(&vec![b'x'; OUTPUT_PENDING_BYTES_MAX]);
        out.set_gone();
        out.push(b"more");
        assert_eq!(out.pending(), 0);
        assert_eq!(poll(std::pin::pin!(out.room())), Poll::Ready(Err(Gone)));
    }

    #[test]
    fn partial_writes_lose_and_repeat_nothing() {
        let out = Output::new();
        let mut seen = Vec::new();
        for n in 0..2_000u32 {
            out.push(format!("line {n}\r\n").as_bytes());
            out.write_with(|bytes| {
                let n = bytes.len().min(7);
                seen.extend_from_slice(&bytes[..n]);
                (n, ())
            });
        }
        seen.extend_from_slice(&out.take_pending());
        let all: String = (0..2_000u32).map(|n| format!("line {n}\r\n")).collect();
        assert!(seen == all.into_bytes());
    }
}
