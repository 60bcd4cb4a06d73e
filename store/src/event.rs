//! Waking on one thread: events, gates and oneshot values that work under any executor.
//!
//! Not a channel library and not thread-safe (`Rc`): between threads the runtime has its own means. Nothing here
//! runs a waiter's code; it only wakes it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

#[derive(Default)]
struct WakeList {
    next: Cell<u64>,
    wakers: RefCell<Vec<(u64, Waker)>>,
}

impl WakeList {
    fn register(&self, id: &mut Option<u64>, waker: &Waker) {
        let mut wakers = self.wakers.borrow_mut();
        let key = *id.get_or_insert_with(|| {
            let next = self.next.get();
            self.next.set(next + 1);
            next
        });
        match wakers.iter_mut().find(|(k, _)| *k == key) {
            Some((_, known)) => known.clone_from(waker),
            None => wakers.push((key, waker.clone())),
        }
    }
    fn forget(&self, id: Option<u64>) {
        if let Some(id) = id {
            self.wakers.borrow_mut().retain(|(k, _)| *k != id);
        }
    }
    fn wake_all(&self) {
        // Taken out first: a waker may run code that registers again.
        let wakers = std::mem::take(&mut *self.wakers.borrow_mut());
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// Something that happens again and again. Clones are the same event.
#[derive(Clone, Default)]
pub struct Event {
    inner: Rc<EventInner>,
}

#[derive(Default)]
struct EventInner {
    count: Cell<u64>,
    list: WakeList,
}

impl Event {
    pub fn new() -> Event {
        Event::default()
    }
    /// Wakes everyone who waits now.
    pub fn notify(&self) {
        self.inner.count.set(self.inner.count.get() + 1);
        self.inner.list.wake_all();
    }
    /// How often [`Event::notify`] was called.
    pub fn count(&self) -> u64 {
        self.inner.count.get()
    }
    /// Resolves at the first `notify` after this call (not after the first poll): make it, look at the state,
    /// then await, and no wake-up is lost.
    pub fn wait(&self) -> Wait {
        self.wait_since(self.count())
    }
    /// Resolves when `count()` differs from `seen`; at once when it already does.
    pub fn wait_since(&self, seen: u64) -> Wait {
        Wait { event: self.clone(), seen, id: None }
    }
    /// Resolves when `condition` is true, looking again after each `notify`.
    pub async fn until(&self, mut condition: impl FnMut() -> bool) {
        loop {
            let wait = self.wait();
            if condition() {
                return;
            }
            wait.await;
        }
    }
}

/// Future of [`Event::wait`]. It may be dropped at any time.
pub struct Wait {
    event: Event,
    seen: u64,
    id: Option<u64>,
}

impl Future for Wait {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.event.count() != self.seen {
            return Poll::Ready(());
        }
        let mut id = self.id;
        self.event.inner.list.register(&mut id, cx.waker());
        self.id = id;
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.event.inner.list.forget(self.id);
    }
}

/// A door: waiters pass while it is open. Clones are the same gate.
#[derive(Clone)]
pub struct Gate {
    open: Rc<Cell<bool>>,
    event: Event,
}

impl Gate {
    pub fn new(open: bool) -> Gate {
        Gate { open: Rc::new(Cell::new(open)), event: Event::new() }
    }
    pub fn is_open(&self) -> bool {
        self.open.get()
    }
    pub fn set_open(&self, open: bool) {
        if self.open.replace(open) != open && open {
            self.event.notify();
        }
    }
    /// Resolves when the gate is seen open.
    pub async fn pass(&self) {
        self.event.until(|| self.open.get()).await;
    }
}

/// A value handed over once.
pub fn oneshot<T>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let slot =
        Rc::new(Slot { value: RefCell::new(None), closed: Cell::new(false), waker: RefCell::new(None) });
    (OneshotSender { slot: slot.clone() }, OneshotReceiver { slot })
}

struct Slot<T> {
    value: RefCell<Option<T>>,
    closed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Slot<T> {
    fn close(&self) {
        self.closed.set(true);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Sending half of [`oneshot`]; dropping it unsent resolves the receiver with `None`.
pub struct OneshotSender<T> {
    slot: Rc<Slot<T>>,
}

impl<T> OneshotSender<T> {
    /// Hands the value over; lost when nobody waits any more.
    pub fn send(self, value: T) {
        *self.slot.value.borrow_mut() = Some(value);
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        self.slot.close();
    }
}

/// Receiving half of [`oneshot`]: a future of the value, `None` when the sender was dropped unsent.
pub struct OneshotReceiver<T> {
    slot: Rc<Slot<T>>,
}

impl<T> Future for OneshotReceiver<T> {
    type Output = Option<T>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.slot.closed.get() {
            return Poll::Ready(self.slot.value.borrow_mut().take());
        }
        *self.slot.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<F: Future + Unpin>(f: &mut F) -> Poll<F::Output> {
        Pin::new(f).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_event_between_making_and_polling_is_not_lost() {
        let event = Event::new();
        let mut wait = event.wait();
        event.notify();
        assert!(poll(&mut wait).is_ready());
        let mut again = event.wait();
        assert!(poll(&mut again).is_pending());
        drop(again);
        assert!(event.inner.list.wakers.borrow().is_empty(), "a dropped waiter leaves nothing");
    }

    #[test]
    fn a_oneshot_gives_its_value_or_says_that_none_comes() {
        let (tx, mut rx) = oneshot();
        assert!(poll(&mut rx).is_pending());
        tx.send(5);
        assert_eq!(poll(&mut rx), Poll::Ready(Some(5)));
        let (tx, mut rx) = oneshot::<u8>();
        drop(tx);
        assert_eq!(poll(&mut rx), Poll::Ready(None));
    }

    #[test]
    fn a_gate_holds_until_opened() {
        let gate = Gate::new(false);
        let mut pass = Box::pin(gate.pass());
        assert!(poll(&mut pass).is_pending());
        gate.set_open(true);
        assert!(poll(&mut pass).is_ready());
    }
}
