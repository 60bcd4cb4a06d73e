//! Executors: one thread, one io_uring, one core each; and why one cannot start.
//!
//! What must hold: nothing here runs before [`check_io_uring`] has said that the kernel allows it; tasks are never cancelled (glommio
//! leaks each cancelled task), they end on their own; tasks are always detached, so that no join handle races a waker that another thread
//! drops.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::time::Duration;

use glommio::{Latency, LocalExecutorBuilder, Placement, Shares, TaskQueueHandle};

use super::os;
use super::pacemaker::Pacemaker;
use crate::limits::{
    EXECUTOR_BACKGROUND_SHARES, EXECUTOR_INTERACTIVE_SHARES, EXECUTOR_IO_MEMORY_BYTES, EXECUTOR_PREEMPT_MS,
};

/// io_uring is refused: what refuses it and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IoUringRefused {
    #[error(
        "the kernel refuses io_uring: kernel.io_uring_disabled is {0}; run `sysctl kernel.io_uring_disabled=0` as root \
         (2 refuses it to everybody, 1 to processes outside the group kernel.io_uring_group and without CAP_SYS_ADMIN)"
    )]
    Disabled(String),
    #[error(
        "io_uring is refused by a sandbox (seccomp): allow io_uring_setup, io_uring_enter and io_uring_register; with \
         Docker or Podman use `--security-opt seccomp=unconfined` or a profile that has them, with systemd add \
         `SystemCallFilter=@io-event`"
    )]
    Sandbox,
    #[error("this kernel has no io_uring: Linux 5.8 or newer, built with CONFIG_IO_URING, is needed")]
    Missing,
    #[error(
        "too little lockable memory for io_uring: RLIMIT_MEMLOCK is {0} bytes and at least {1} are needed; raise it with \
         `ulimit -l`, `LimitMEMLOCK=` (systemd) or `--ulimit memlock=` (containers)"
    )]
    LockedMemory(u64, u64),
    #[error("io_uring cannot be set up: {0}")]
    Other(String),
}

/// The least lockable memory that glommio accepts.
const LOCKED_MEMORY_BYTES_MIN: u64 = 512 * 1024;

/// Tries io_uring once; the error says which of the usual reasons it is.
pub fn check_io_uring() -> Result<(), IoUringRefused> {
    if let Err(error) = os::try_io_uring() {
        let switch = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
        return Err(explain(&error, switch.as_deref().map(str::trim), os::locked_memory_max()));
    }
    match os::locked_memory_max() {
        Some(limit) if limit < LOCKED_MEMORY_BYTES_MIN => {
            Err(IoUringRefused::LockedMemory(limit, LOCKED_MEMORY_BYTES_MIN))
        }
        _ => Ok(()),
    }
}

fn explain(error: &io::Error, switch: Option<&str>, locked: Option<u64>) -> IoUringRefused {
    match (error.raw_os_error(), switch) {
        (Some(libc::EPERM), Some(value @ ("1" | "2"))) => IoUringRefused::Disabled(value.to_owned()),
        (Some(libc::EPERM | libc::EACCES), _) => IoUringRefused::Sandbox,
        // The switch is there, so the kernel has io_uring and something in front of it says no.
        (Some(libc::ENOSYS), Some(_)) => IoUringRefused::Sandbox,
        (Some(libc::ENOSYS), None) => IoUringRefused::Missing,
        (Some(libc::ENOMEM), _) => IoUringRefused::LockedMemory(locked.unwrap_or(0), LOCKED_MEMORY_BYTES_MIN),
        _ => IoUringRefused::Other(error.to_string()),
    }
}

/// What a task is, which decides when it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// Somebody waits for it: connections, commits.
    Interactive,
    /// Nobody waits for it.
    Background,
}

#[derive(Clone, Copy)]
struct Queues {
    interactive: TaskQueueHandle,
    background: TaskQueueHandle,
}

thread_local! {
    static QUEUES: RefCell<Option<Queues>> = const { RefCell::new(None) };
}

/// Starts an executor on a thread of its own, on processor `cpu` if given, and runs `main` there.
pub fn start<F, T>(
    name: String,
    cpu: Option<usize>,
    main: impl FnOnce() -> F + Send + 'static,
) -> io::Result<std::thread::JoinHandle<io::Result<T>>>
where
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let slice = Duration::from_millis(EXECUTOR_PREEMPT_MS);
    std::thread::Builder::new().name(name).spawn(move || {
        if let Some(cpu) = cpu
            && let Err(error) = os::pin_to_cpu(cpu)
        {
            tracing::warn!(cpu, %error, "a core's thread cannot be kept on its processor");
        }
        os::shorten_own_slice();
        // Placement is done above: glommio's own reads sysfs and panics where that is hidden.
        let executor = LocalExecutorBuilder::new(Placement::Unbound)
            .io_memory(EXECUTOR_IO_MEMORY_BYTES)
            .preempt_timer(slice)
            .make()
            .map_err(io::Error::from)?;
        let (pacemaker, beat) = Pacemaker::new()?;
        Ok(executor.run(async move {
            let latency = Latency::Matters(slice);
            let proxy = glommio::executor();
            let queues = Queues {
                interactive: proxy.create_task_queue(
                    Shares::Static(EXECUTOR_INTERACTIVE_SHARES),
                    latency,
                    "interactive",
                ),
                background: proxy.create_task_queue(
                    Shares::Static(EXECUTOR_BACKGROUND_SHARES),
                    Latency::NotImportant,
                    "background",
                ),
            };
            QUEUES.set(Some(queues));
            spawn(Priority::Interactive, beat);
            let result = main().await;
            drop(pacemaker);
            result
        }))
    })
}

/// Starts a task on the executor of this thread; it runs until it ends by itself.
pub fn spawn(priority: Priority, task: impl Future<Output = ()> + 'static) {
    let Some(queues) = QUEUES.with_borrow(|queues| *queues) else {
        unreachable!("tasks are started on executors made by `start`")
    };
    let queue = match priority {
        Priority::Interactive => queues.interactive,
        Priority::Background => queues.background,
    };
    let Ok(task) = glommio::spawn_local_into(task, queue) else {
        unreachable!("both queues exist as long as their executor")
    };
    drop(task.detach());
}

/// Waits on this executor.
pub async fn sleep(duration: Duration) {
    glommio::timer::sleep(duration).await;
}

/// Lets other tasks run when this one's time slice is over; for loops that take long.
pub async fn yield_if_needed() {
    glommio::yield_if_needed().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::or;
    use std::cell::Cell;
    use std::rc::Rc;

    fn run<F: Future<Output = T> + 'static, T: Send + 'static>(
        main: impl FnOnce() -> F + Send + 'static,
    ) -> T {
        start("test".to_owned(), None, main).unwrap().join().unwrap().unwrap()
    }

    #[test]
    fn each_refusal_has_its_own_words() {
        let os = io::Error::from_raw_os_error;
        assert_eq!(explain(&os(libc::EPERM), Some("2"), None), IoUringRefused::Disabled("2".to_owned()));
        assert_eq!(explain(&os(libc::EPERM), Some("0"), None), IoUringRefused::Sandbox);
        assert_eq!(explain(&os(libc::ENOSYS), Some("0"), None), IoUringRefused::Sandbox);
        assert_eq!(explain(&os(libc::ENOSYS), None, None), IoUringRefused::Missing);
        let memory = explain(&os(libc::ENOMEM), None, Some(65536));
        assert_eq!(memory, IoUringRefused::LockedMemory(65536, LOCKED_MEMORY_BYTES_MIN));
        assert!(matches!(explain(&os(libc::EIO), None, None), IoUringRefused::Other(_)));
    }

    /// Workaround for cancelled tasks: a task that waits is stopped by closing what it waits for, and its future is dropped.
    #[test]
    fn a_task_stops_cooperatively_and_frees_what_it_holds() {
        let left = run(|| async {
            let (stop, stopped) = async_channel::bounded::<()>(1);
            let held = Rc::new(());
            for _ in 0..10 {
                let (held, stopped) = (Rc::clone(&held), stopped.clone());
                spawn(Priority::Interactive, async move {
                    let _held = held;
                    let _ = stopped.recv().await;
                });
            }
            sleep(Duration::from_millis(1)).await;
            assert_eq!(Rc::strong_count(&held), 11);
            stop.close();
            while Rc::strong_count(&held) > 1 {
                sleep(Duration::from_millis(1)).await;
            }
            Rc::strong_count(&held)
        });
        assert_eq!(left, 1);
    }

    /// Wakers cross threads: every value sent by other threads arrives, in both directions, while the executor sleeps in between.
    #[test]
    fn tasks_are_woken_from_other_threads() {
        const ROUNDS: u32 = 2000;
        let (to_core, at_core) = async_channel::bounded::<u32>(1);
        let (to_thread, at_thread) = async_channel::bounded::<u32>(1);
        let peer = std::thread::Builder::new()
            .spawn(move || {
                for round in 0..ROUNDS {
                    to_core.send_blocking(round).unwrap();
                    assert_eq!(at_thread.recv_blocking().unwrap(), round);
                }
            })
            .unwrap();
        let seen = run(move || async move {
            let seen = Rc::new(Cell::new(0));
            let (count, done) = (Rc::clone(&seen), async_channel::bounded::<()>(1));
            spawn(Priority::Interactive, async move {
                while let Ok(value) = at_core.recv().await {
                    count.set(count.get() + 1);
                    to_thread.send(value).await.unwrap();
                }
                done.0.close();
            });
            let _ = done.1.recv().await;
            seen.get()
        });
        peer.join().unwrap();
        assert_eq!(seen, ROUNDS);
    }

    /// Two executors play ball over bounded channels: the wakers of each are called on the other.
    #[test]
    fn executors_wake_each_other() {
        const ROUNDS: u32 = 5000;
        let (a, at_b) = async_channel::bounded::<u32>(4);
        let (b, at_a) = async_channel::bounded::<u32>(4);
        let far = start("far".to_owned(), None, move || async move {
            while let Ok(value) = at_b.recv().await {
                b.send(value + 1).await.unwrap();
            }
        })
        .unwrap();
        let total = run(move || async move {
            let mut value = 0;
            for _ in 0..ROUNDS {
                a.send(value).await.unwrap();
                value = at_a.recv().await.unwrap();
            }
            value
        });
        far.join().unwrap().unwrap();
        assert_eq!(total, ROUNDS);
    }

    /// A race with a timer leaves the loser dropped and the executor well.
    #[test]
    fn a_wait_can_be_raced_with_a_timer() {
        let outcome = run(|| async {
            let (_keep, never) = async_channel::bounded::<()>(1);
            let mut timed_out = 0;
            for _ in 0..50 {
                let wait = async { never.recv().await.is_ok() };
                let timer = async {
                    sleep(Duration::from_millis(1)).await;
                    false
                };
                timed_out += u32::from(!or(wait, timer).await);
            }
            timed_out
        });
        assert_eq!(outcome, 50);
    }
}
