//! A thread that wakes every executor that has something to do a few hundred times a second, against a defect of glommio 0.9.
//!
//! The defect: `LocalExecutor::run_task_queues` looks at the preemption timer before it runs the first task. When the timer has fired by
//! then (it is 1 ms here, and a busy machine may take the processor away for longer), it reports that nothing was runnable, and
//! the executor goes to sleep with runnable tasks until something else wakes it: seconds, or for ever. A timer on the same
//! executor is no cure, because the task that would arm it again may be one of those that do not run. The first task of all may be
//! one of them, before anything can be woken: then the system call that the executor sleeps in is interrupted.
//!
//! What must hold: a wake comes from outside, again and again, whether or not the last one was noticed. An executor that
//! did nothing but notice wakes for a while is left alone for longer, so that an idle server costs next to nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{os, signals};
use crate::limits::{PACEMAKER_IDLE_MS, PACEMAKER_MS, PACEMAKER_PATIENCE, PACEMAKER_QUIET_ROUNDS};

/// Wakers of the executors that run now.
#[derive(Default)]
struct Registry {
    pulses: Mutex<Vec<Pulse>>,
    /// Told when there is a first one.
    added: Condvar,
}

/// One executor; the waker appears when its task runs first.
#[derive(Clone)]
struct Pulse(Arc<Mutex<State>>);

struct State {
    thread: os::ThreadId,
    waker: Option<Waker>,
    /// Wakes that were due while there was no waker.
    missed: u32,
    /// How often the task was run.
    beats: u64,
    /// `beats` when the last wake was sent.
    beats_at_wake: u64,
    /// Tasks the executor had run when the task was run last.
    tasks: u64,
    /// Other tasks ran between the last two beats.
    active: bool,
    ended: bool,
}

static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// Paces the executor it was made on, until it is dropped.
pub struct Pacemaker(Pulse);

impl Pacemaker {
    /// A pacemaker for the executor of this thread and the task that has to run on it; the task ends when the pacemaker is dropped.
    pub fn new() -> std::io::Result<(Pacemaker, impl Future<Output = ()> + 'static)> {
        let registry = registry()?;
        let pulse = Pulse(Arc::new(Mutex::new(State {
            thread: os::this_thread(),
            waker: None,
            missed: 0,
            beats: 0,
            beats_at_wake: 0,
            tasks: 0,
            active: false,
            ended: false,
        })));
        lock(&registry.pulses).push(pulse.clone());
        registry.added.notify_one();
        Ok((Pacemaker(pulse.clone()), Beat(pulse)))
    }
}

impl Drop for Pacemaker {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0.0);
            state.ended = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Pending until its pulse has ended.
struct Beat(Pulse);

impl Future for Beat {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0.0);
        state.beats += 1;
        let tasks = glommio::executor().executor_stats().tasks_executed();
        state.active = tasks > state.tasks + 1;
        state.tasks = tasks;
        if state.ended {
            return Poll::Ready(());
        }
        if state.waker.is_none() {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// The registry; the first call starts the thread, which then lives as long as the process and sleeps while there is no executor.
fn registry() -> std::io::Result<&'static Registry> {
    if let Some(registry) = REGISTRY.get() {
        return Ok(registry);
    }
    signals::catch_interrupts()?;
    let registry = REGISTRY.get_or_init(Registry::default);
    std::thread::Builder::new().name("pacemaker".to_owned()).spawn(move || beat(registry))?;
    Ok(registry)
}

fn beat(registry: &Registry) {
    let mut pulses = lock(&registry.pulses);
    let mut quiet_rounds = 0u32;
    loop {
        let mut quiet = true;
        pulses.retain(|pulse| {
            let mut state = lock(&pulse.0);
            // A wake that was not noticed by the next round may have been lost like the one it should replace.
            quiet &= !state.active && state.beats > state.beats_at_wake;
            state.beats_at_wake = state.beats;
            match &state.waker {
                Some(waker) => waker.wake_by_ref(),
                None if state.ended => {}
                None => {
                    state.missed = state.missed.saturating_add(1);
                    if state.missed > PACEMAKER_PATIENCE {
                        os::interrupt(state.thread);
                    }
                }
            }
            !state.ended
        });
        // Between two commands, and while a server starts, there are moments without any work.
        quiet_rounds = if quiet { quiet_rounds.saturating_add(1) } else { 0 };
        let is_idle = quiet_rounds > PACEMAKER_QUIET_ROUNDS;
        pulses = if pulses.is_empty() {
            registry.added.wait(pulses).unwrap_or_else(PoisonError::into_inner)
        } else {
            let tick = Duration::from_millis(if is_idle { PACEMAKER_IDLE_MS } else { PACEMAKER_MS });
            registry.added.wait_timeout(pulses, tick).unwrap_or_else(PoisonError::into_inner).0
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::executor::{Priority, sleep, spawn, start};

    /// An executor that sleeps before its first task has run cannot be woken, so its thread is interrupted; as often as it takes.
    #[test]
    fn a_thread_that_sleeps_before_its_first_task_is_interrupted() {
        use std::io::{ErrorKind, Read};
        let (_other, mut socket) = std::os::unix::net::UnixStream::pair().unwrap();
        // A read with a time-out is not taken up again behind a signal.
        socket.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
        let (_pacemaker, _beat) = Pacemaker::new().unwrap();
        for _ in 0..3 {
            assert_eq!(socket.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::Interrupted));
        }
    }

    /// An executor that waits for nothing but a distant timer is woken again and again, and the task ends with its pacemaker.
    #[test]
    fn an_idle_executor_is_woken_from_outside() {
        let core = start("idle".to_owned(), None, || async {
            let (pacemaker, beat) = Pacemaker::new().unwrap();
            let pulse = pacemaker.0.clone();
            let (done, ended) = async_channel::bounded::<()>(1);
            spawn(Priority::Interactive, async move {
                beat.await;
                drop(done);
            });
            while lock(&pulse.0).beats < 5 {
                sleep(Duration::from_millis(50)).await;
            }
            drop(pacemaker);
            let _ = ended.recv().await;
        });
        core.unwrap().join().unwrap().unwrap();
    }
}
