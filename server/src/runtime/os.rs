//! The few system calls that neither std nor a library of ours offers; the audited file for `unsafe` in the server, with
//! `socket.rs` and `memory.rs` beside it.
//!
//! Each block is one call with arguments that live across it and a checked result. Nothing here keeps state.
#![allow(unsafe_code)]

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Niceness of lanes that somebody waits for (searches, orders, analyses, hashes of passwords): a third of an executor's share where both
/// want a processor. At 10, as indexing is, searches of a busy machine took seconds and large messages a tenth of one.
const AWAITED_NICENESS: libc::c_int = 5;
/// That of lanes in the background: a tenth.
const BACKGROUND_NICENESS: libc::c_int = 10;

/// For a thread that clients wait for: only executors go before it. Batch scheduling, higher niceness. Best effort: a sandbox may refuse.
pub fn lower_awaited_priority() {
    lower_to(AWAITED_NICENESS);
}

/// For a thread that nobody waits for: all others go before it.
pub fn lower_background_priority() {
    lower_to(BACKGROUND_NICENESS);
}

fn lower_to(niceness: libc::c_int) {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 names the calling thread for both calls; `parameters` outlives the call.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_BATCH, &parameters);
        libc::setpriority(libc::PRIO_PROCESS, 0, niceness);
    }
}

/// What the kernel takes for a thread's slice; the least that it allows.
const EXECUTOR_SLICE: Duration = Duration::from_micros(100);

/// Asks for the calling thread to be run as soon as it can, and for short turns: with a slice that is shorter than what runs, it goes
/// before it when it wakes (`sched_setattr(2)`, Linux 6.12), instead of after some milliseconds. Best effort; a thread that was given
/// another policy keeps it.
pub fn shorten_own_slice() {
    /// `struct sched_attr` of the first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        niceness: i32,
        priority: u32,
        /// Of an ordinary thread: its slice, in nanoseconds.
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    // SAFETY: 0 names the calling thread.
    if unsafe { libc::sched_getscheduler(0) } != libc::SCHED_OTHER {
        return;
    }
    // SAFETY: 0 names the calling thread.
    let niceness = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        niceness,
        priority: 0,
        runtime: EXECUTOR_SLICE.as_nanos() as u64,
        deadline: 0,
        period: 0,
    };
    // SAFETY: 0 names the calling thread; the kernel reads as many octets as `size` says, and `attributes` outlives the call.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// The processors this process may run on (cgroups and `taskset` included), ascending.
pub fn allowed_cpus() -> Vec<usize> {
    // SAFETY: `cpu_set_t` is plain data for which all zeroes is a value; the call writes at most its size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Vec::new();
        }
        set
    };
    // SAFETY: CPU_ISSET reads the set at an index below CPU_SETSIZE.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Keeps the calling thread, and those it starts, on one processor.
pub fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: zeroes are a `cpu_set_t`; the index is below CPU_SETSIZE; 0 names the calling thread.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    checked(result).map(drop)
}

/// A thread of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadId(libc::pid_t);

/// The calling thread.
pub fn this_thread() -> ThreadId {
    // SAFETY: takes nothing and cannot fail.
    ThreadId(unsafe { libc::gettid() })
}

/// Ends the system call that a thread waits in, by a signal whose handler must be there (`signals::catch_interrupts`). Nothing happens
/// if the thread has ended.
pub fn interrupt(thread: ThreadId) {
    // SAFETY: plain numbers; the signal has a handler that only sets a flag, whichever thread of the process gets it.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread.0, libc::SIGURG) };
}

/// Who may share the address of a listening socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// Other sockets of this user that allow it as well (SO_REUSEPORT): every core has its own listener.
    Cores,
    /// Nobody: the bind fails when anybody else listens there.
    Exclusive,
}

/// A listening TCP socket. `ipv6_only` matters for IPv6 addresses: without it `[::]` serves IPv4 as well.
pub fn listen(
    address: SocketAddr,
    sharing: Sharing,
    ipv6_only: bool,
    backlog: i32,
) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    // SAFETY: plain arguments; the result is checked before it is owned.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    // SAFETY: a non-negative result is a new descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(checked(fd)?) };
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, true)?;
    if sharing == Sharing::Cores {
        set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, true)?;
    }
    match address {
        SocketAddr::V4(v4) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            bind(&socket, &name)?;
        }
        SocketAddr::V6(v6) => {
            set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, ipv6_only)?;
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            bind(&socket, &name)?;
        }
    }
    // SAFETY: an owned descriptor and a plain number.
    checked(unsafe { libc::listen(socket.as_raw_fd(), backlog) })?;
    Ok(TcpListener::from(socket))
}

fn bind<T>(socket: &OwnedFd, name: &T) -> io::Result<()> {
    // SAFETY: `name` is a socket address structure of the given size and outlives the call.
    let result = unsafe {
        libc::bind(socket.as_raw_fd(), std::ptr::from_ref(name).cast(), size_of::<T>() as libc::socklen_t)
    };
    checked(result).map(drop)
}

fn set_option(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, on: bool) -> io::Result<()> {
    let on = libc::c_int::from(on);
    // SAFETY: `on` is read during the call only, with its own size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    checked(result).map(drop)
}

/// Closes all descriptors from this one on, whoever holds them: only for a process that has just begun and holds none.
pub fn close_descriptors_from(first: u32) -> io::Result<()> {
    // SAFETY: plain numbers; what the descriptors belonged to is the caller's to know.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0u32) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Asks the kernel for a small io_uring and gives it back; the error is the kernel's.
pub fn try_io_uring() -> io::Result<()> {
    let mut parameters = [0u8; 120];
    // SAFETY: io_uring_params has 120 bytes and zeroes ask for defaults; the kernel writes within them.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the result is a new descriptor; owning it closes it.
    drop(unsafe { OwnedFd::from_raw_fd(fd as RawFd) });
    Ok(())
}

/// The soft limit of locked memory in bytes (`None`: unlimited or unknown).
pub fn locked_memory_max() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes one `rlimit`.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// Raises the soft limit of open files to the hard one and returns it.
pub fn raise_open_files_max() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls read and write one `rlimit`.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return None;
        }
        let before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) != 0 {
            return Some(before);
        }
    }
    Some(limit.rlim_cur)
}

/// Takes an exclusive advisory lock on an open file; false when another process holds it. It ends with the descriptor.
pub fn lock_exclusively(file: &impl AsRawFd) -> io::Result<bool> {
    // SAFETY: a borrowed, open descriptor and plain flags.
    let result = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    match checked(result) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Runs `make` so that what it creates is for the owner only. The mask belongs to the process: call it before other threads create files.
pub fn with_private_umask<T>(make: impl FnOnce() -> T) -> T {
    // SAFETY: a plain number in and out; it cannot fail.
    let before = unsafe { libc::umask(0o177) };
    let made = make();
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    made
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cores_can_share_an_address_and_a_stranger_is_noticed() {
        let first = listen("127.0.0.1:0".parse().unwrap(), Sharing::Cores, false, 16).unwrap();
        let address = first.local_addr().unwrap();
        let second = listen(address, Sharing::Cores, false, 16).unwrap();
        let stranger = listen(address, Sharing::Exclusive, false, 16).unwrap_err();
        assert_eq!(stranger.kind(), io::ErrorKind::AddrInUse);
        drop((first, second));
        listen(address, Sharing::Exclusive, false, 16).unwrap();
    }

    #[test]
    fn locks_exclude_each_other_and_end_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("LOCK");
        let open =
            || std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).unwrap();
        let first = open();
        assert!(lock_exclusively(&first).unwrap());
        assert!(!lock_exclusively(&open()).unwrap());
        drop(first);
        assert!(lock_exclusively(&open()).unwrap());
    }

    #[test]
    fn this_process_runs_somewhere() {
        assert!(!allowed_cpus().is_empty());
    }
}
