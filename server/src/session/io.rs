//! The rim of a session: the stream on one side, buffers on the other.
//!
//! The logic of a session (one future) reads [`Input`] and writes [`Output`]; the [`Pump`], polled beside it in the
//! same task, moves bytes between them and the stream, whatever a handler is doing: that is how a vanished client is
//! noticed in the middle of a search and how a slow one stops its producer. What must hold: read-ahead is bounded, an
//! idle connection holds no buffers and one timer, and nothing is dropped while the client is there.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use trawl_store::LocalBoxFuture;
use trawl_store::clock::Clock;
use trawl_store::event::Event;

use crate::core::Stream;
use crate::limits::{HANG_UP_LOOK_MS, INPUT_AHEAD_BYTES_MAX, INPUT_READ_BYTES};
use crate::response::output::{Gone, Output};

/// Tells work that is under way for a client that nobody wants its result any more. Clones are the same.
#[derive(Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    event: Event,
}

impl Cancel {
    /// For lanes: true once the client is gone.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }
    pub fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.event.notify();
    }
    /// Resolves once it is set.
    pub async fn wait(&self) {
        self.event.until(|| self.is_set()).await;
    }
}

/// What a session waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Awaited {
    #[default]
    Nothing,
    /// A command, or the end of IDLE: the client may take its time.
    Command,
    /// The rest of something it has begun.
    Rest,
}

/// What the client has sent and nobody has used yet. Clones are the same input.
#[derive(Clone, Default)]
pub struct Input {
    inner: Rc<InputInner>,
}

#[derive(Default)]
struct InputInner {
    bytes: RefCell<Vec<u8>>,
    closed: Cell<bool>,
    /// What is waited for, if anything: the idle timer runs.
    awaited: Cell<Awaited>,
    changed: Event,
}

impl Input {
    /// Bytes that are there now.
    pub fn available(&self) -> usize {
        self.inner.bytes.borrow().len()
    }

    /// Waits until there are bytes; error when there are none and will be none.
    pub async fn ready(&self, awaited: Awaited) -> Result<(), Gone> {
        let _awaiting = Awaiting::begin(&self.inner.awaited, awaited);
        self.inner.changed.until(|| self.available() > 0 || self.inner.closed.get()).await;
        if self.available() > 0 { Ok(()) } else { Err(Gone) }
    }

    /// Takes up to `max` of the bytes that are there.
    pub fn take(&self, max: usize) -> Vec<u8> {
        let mut bytes = self.inner.bytes.borrow_mut();
        if bytes.len() <= max {
            return std::mem::take(&mut *bytes);
        }
        let rest = bytes.split_off(max);
        std::mem::replace(&mut *bytes, rest)
    }

    /// Puts bytes back in front of the others.
    pub fn unread(&self, mut front: Vec<u8>) {
        let mut bytes = self.inner.bytes.borrow_mut();
        front.append(&mut bytes);
        *bytes = front;
    }

    /// The client will send no more.
    pub fn is_closed(&self) -> bool {
        self.inner.closed.get()
    }

    fn push(&self, more: &[u8]) {
        self.inner.bytes.borrow_mut().extend_from_slice(more);
        self.inner.changed.notify();
    }

    fn close(&self) {
        self.inner.closed.set(true);
        self.inner.changed.notify();
    }
}

/// Says what is awaited for as long as it lives, also when the waiting is given up.
struct Awaiting<'a>(&'a Cell<Awaited>);

impl<'a> Awaiting<'a> {
    fn begin(cell: &'a Cell<Awaited>, awaited: Awaited) -> Awaiting<'a> {
        cell.set(awaited);
        Awaiting(cell)
    }
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        self.0.set(Awaited::Nothing);
    }
}

/// How long the pump lets a client be silent.
#[derive(Clone)]
pub struct Patience {
    inner: Rc<PatienceInner>,
}

struct PatienceInner {
    /// Silence allowed while the session waits for the client.
    silence: Cell<Duration>,
    /// An end that no activity moves (login must be done by then); none when `Duration::MAX`.
    deadline: Cell<Duration>,
    /// How long output may make no progress.
    stall: Duration,
}

impl Patience {
    pub fn new(silence: Duration, deadline: Duration, stall: Duration) -> Patience {
        let inner = PatienceInner { silence: Cell::new(silence), deadline: Cell::new(deadline), stall };
        Patience { inner: Rc::new(inner) }
    }
    /// From now on `silence` is allowed and there is no deadline.
    pub fn set_silence(&self, silence: Duration) {
        self.inner.silence.set(silence);
        self.inner.deadline.set(Duration::MAX);
    }
}

/// Why the pump gave up.
#[derive(Debug)]
pub enum Stopped {
    /// The stream failed.
    Failed(io::Error),
    /// The client took nothing for too long.
    Stalled,
    /// The client sent nothing for too long; output still works.
    Silent,
}

/// Moves bytes between a stream and the buffers of its session.
pub struct Pump<'a> {
    stream: &'a mut dyn Stream,
    input: Input,
    output: Output,
    cancel: Cancel,
    patience: Patience,
    clock: Rc<dyn Clock>,
    timer: Option<LocalBoxFuture<'static, ()>>,
    /// Until the next look for an end of the stream behind a full read-ahead.
    hang_up_look: Option<LocalBoxFuture<'static, ()>>,
    last_read: Duration,
    last_write: Duration,
    /// Since when output waits for the client without progress.
    stalled_since: Option<Duration>,
    unflushed: bool,
}

impl<'a> Pump<'a> {
    pub fn new(
        stream: &'a mut dyn Stream,
        input: Input,
        output: Output,
        cancel: Cancel,
        patience: Patience,
        clock: Rc<dyn Clock>,
    ) -> Pump<'a> {
        let now = clock.monotonic();
        Pump {
            stream,
            input,
            output,
            cancel,
            patience,
            clock,
            timer: None,
            hang_up_look: None,
            last_read: now,
            last_write: now,
            stalled_since: None,
            unflushed: false,
        }
    }

    /// Moves what can be moved now; ready when the connection has come to its end, and not to be called again then, except
    /// after [`Stopped::Silent`]. Call it after the session's own future was polled, since that may have pushed output or
    /// made room for input.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stopped> {
        let failed = match (self.poll_write(cx), self.poll_read(cx)) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Stopped::Failed(error),
            _ => match self.poll_timer(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Stopped::Silent) => {
                    self.input.close();
                    return Poll::Ready(Stopped::Silent);
                }
                Poll::Ready(stopped) => stopped,
            },
        };
        // Whatever would still be written goes nowhere. The session's future ends by itself.
        self.output.set_gone();
        self.input.close();
        self.cancel.set();
        Poll::Ready(failed)
    }

    /// Writes what is pending and nothing else; ready when it is done or cannot be done.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.output.pending() > 0 {
            let stream = Pin::new(&mut *self.stream);
            let wrote = self.output.write_with(|bytes| match stream.poll_write(cx, bytes) {
                Poll::Ready(Ok(n)) => (n, Poll::Ready(Ok(n))),
                other => (0, other),
            });
            match wrote {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(_)) => {
                    self.last_write = self.clock.monotonic();
                    self.stalled_since = None;
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.stalled(),
            }
        }
        if self.unflushed {
            match Pin::new(&mut *self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.stalled(),
            }
        }
        self.stalled_since = None;
        Poll::Ready(Ok(()))
    }

    fn stalled(&mut self) -> Poll<io::Result<()>> {
        if self.stalled_since.is_none() {
            self.stalled_since = Some(self.clock.monotonic());
        }
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0u8; INPUT_READ_BYTES];
        while !self.input.is_closed() && self.input.available() < INPUT_AHEAD_BYTES_MAX {
            match Pin::new(&mut *self.stream).poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(0)) => {
                    // Commands that came before the end are still answered; long work is not worth it.
                    self.input.close();
                    self.cancel.set();
                }
                Poll::Ready(Ok(n)) => {
                    self.last_read = self.clock.monotonic();
                    self.input.push(&scratch[..n]);
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.input.close();
                    self.cancel.set();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if !self.input.is_closed() {
            self.poll_hang_up(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// The read-ahead is full, so the end of the stream cannot be read: it is looked for instead, or a client that sends much behind a
    /// long search and goes would keep the lanes busy to its end.
    fn poll_hang_up(&mut self, cx: &mut Context<'_>) {
        while !self.cancel.is_set() {
            if let Some(look) = &mut self.hang_up_look {
                if look.as_mut().poll(cx).is_pending() {
                    return;
                }
                if self.stream.is_hung_up() {
                    self.cancel.set();
                }
            }
            self.hang_up_look = Some(self.clock.sleep(Duration::from_millis(HANG_UP_LOOK_MS)));
        }
        self.hang_up_look = None;
    }

    /// One timer a connection: it wakes at the earliest moment at which patience could end, and looks again.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Stopped> {
        loop {
            if let Some(timer) = &mut self.timer {
                match timer.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => self.timer = None,
                }
                let now = self.clock.monotonic();
                let patience = &self.patience.inner;
                if let Some(since) = self.stalled_since {
                    if now >= since + patience.stall {
                        return Poll::Ready(Stopped::Stalled);
                    }
                } else {
                    let silence = match self.input.inner.awaited.get() {
                        Awaited::Nothing => Duration::MAX,
                        Awaited::Command => patience.silence.get(),
                        Awaited::Rest => patience.silence.get().min(patience.stall),
                    };
                    let silent_at = self.last_read.max(self.last_write).saturating_add(silence);
                    if now >= silent_at.min(patience.deadline.get()) && !self.input.is_closed() {
                        return Poll::Ready(Stopped::Silent);
                    }
                }
            }
            let now = self.clock.monotonic();
            let patience = &self.patience.inner;
            // Output may begin to stall at any time, so no sleep is longer than that.
            let silent_at = self.last_read.max(self.last_write).saturating_add(patience.silence.get());
            let next = silent_at.min(patience.deadline.get()).saturating_sub(now);
            let next = if next.is_zero() { patience.stall } else { next.min(patience.stall) };
            self.timer = Some(self.clock.sleep(next.max(Duration::from_millis(10))));
        }
    }
}
