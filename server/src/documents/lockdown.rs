//! What a worker gives up before it reads the first octet that somebody else wrote. Whoever takes it over through a hole in a parser can
//! open no file and no socket, start no process, take no more memory than a document may, and does not outlive the server.
//!
//! Several locks do the same, since a container may take away any of them. Each that could not be closed is a bit of [`Lacking`], which
//! the server tells once; the worker works all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::child::ChildArgs;
use crate::runtime::os;

/// The user and the group that own nothing.
const NOBODY: u32 = 65534;
/// Octets of stack; a document does not choose how much is needed.
const STACK_BYTES: u64 = 16 << 20;

/// Locks that could not be closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacking(u8);

impl Lacking {
    const NAMES: [(u8, &'static str); 6] = [
        (1, "resource limits"),
        (2, "another user than root"),
        (4, "no privileges"),
        (8, "an end with the server's"),
        (16, "a filter of system calls (seccomp)"),
        (32, "closed descriptors"),
    ];
    const LIMITS: Lacking = Lacking(1);
    const USER: Lacking = Lacking(2);
    const PRIVILEGES: Lacking = Lacking(4);
    const DEATH: Lacking = Lacking(8);
    const FILTER: Lacking = Lacking(16);
    const DESCRIPTORS: Lacking = Lacking(32);

    pub fn bits(self) -> u8 {
        self.0
    }

    pub fn from_bits(bits: u8) -> Lacking {
        Lacking(bits)
    }

    /// What is lacking, for people; `None` if nothing is.
    pub fn describe(self) -> Option<String> {
        let names = Lacking::NAMES.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| *name);
        Some(names.collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty())
    }

    fn unless(&mut self, done: bool, lock: Lacking) {
        if !done {
            self.0 |= lock.0;
        }
    }
}

/// Closes all locks of the calling process, which has one thread.
pub fn lock_down(arguments: &ChildArgs) -> Lacking {
    let mut lacking = Lacking::default();
    // Nothing of this process has opened anything yet that it would use again.
    lacking.unless(os::close_descriptors_from(3).is_ok(), Lacking::DESCRIPTORS);
    let _ = rustix::process::setpriority_process(None, 19);
    lacking.unless(limit(arguments), Lacking::LIMITS);
    if rustix::process::geteuid().is_root() {
        lacking.unless(become_nobody(), Lacking::USER);
    }
    // A service may have been given some without being root.
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    let capable = rustix::thread::clear_ambient_capability_set().is_err()
        || rustix::thread::set_capabilities(None, none).is_err();
    // A change of user resets both.
    let undumpable =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).is_ok();
    let no_more = rustix::thread::set_no_new_privs(true).is_ok();
    lacking.unless(undumpable && no_more && !capable, Lacking::PRIVILEGES);
    let death = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    lacking.unless(death.is_ok(), Lacking::DEATH);
    let filter = filter().and_then(|filter| seccompiler::apply_filter(&filter).ok());
    lacking.unless(filter.is_some(), Lacking::FILTER);
    lacking
}

/// Gives the document that comes now its share of processor time; over it the kernel ends the process.
pub fn begin_document(seconds: u64) {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), 0);
    let limit = used.as_secs().saturating_add(seconds).saturating_add(1);
    let hard = getrlimit(Resource::Cpu).maximum;
    let limit = hard.map_or(limit, |hard| limit.min(hard));
    let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(limit), maximum: hard });
}

fn limit(arguments: &ChildArgs) -> bool {
    let to = |resource, value: u64| {
        let hard = getrlimit(resource).maximum;
        let value = hard.map_or(value, |hard| value.min(hard));
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) }).is_ok()
    };
    let cpu = arguments.seconds.saturating_add(2).saturating_mul(arguments.documents.saturating_add(1));
    let memory = address_space().map(|begin| begin.saturating_add(arguments.memory));
    [
        to(Resource::Core, 0),
        to(Resource::Fsize, 0),
        to(Resource::Nofile, 3),
        to(Resource::Nproc, 0),
        to(Resource::Stack, STACK_BYTES),
        to(Resource::Cpu, cpu),
        memory.is_some_and(|memory| to(Resource::As, memory)),
    ]
    .into_iter()
    .all(|done| done)
}

/// Octets of address space that the process has; to be asked while a file can still be opened.
fn address_space() -> Option<u64> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split(' ').next()?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

fn become_nobody() -> bool {
    use rustix::process::{Gid, Uid};
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let groups = rustix::thread::set_thread_groups(&[]).is_ok();
    // The process has one thread, so that the thread's are its own.
    let group = rustix::thread::set_thread_res_gid(gid, gid, gid).is_ok();
    let user = rustix::thread::set_thread_res_uid(uid, uid, uid).is_ok();
    groups && group && user
}

/// System calls that are let through; all others fail with EPERM. Memory, but none that can be executed; the two pipes; time, randomness,
/// signals to itself, and the end.
fn filter() -> Option<BpfProgram> {
    let always = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_getrandom,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_sched_yield,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_getpid,
        libc::SYS_gettid,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        always.into_iter().map(|call| (call, Vec::new())).collect();
    let mut only = |call: i64, conditions: &[(u8, SeccompCmpOp, u64)]| {
        let conditions: Option<Vec<SeccompCondition>> = conditions
            .iter()
            .map(|(argument, operator, value)| {
                SeccompCondition::new(*argument, SeccompCmpArgLen::Qword, operator.clone(), *value).ok()
            })
            .collect();
        rules.insert(call, vec![SeccompRule::new(conditions?).ok()?]);
        Some(())
    };
    let executable = libc::PROT_EXEC as u64;
    only(libc::SYS_mmap, &[(2, SeccompCmpOp::MaskedEq(executable), 0)])?;
    only(libc::SYS_mprotect, &[(2, SeccompCmpOp::MaskedEq(executable), 0)])?;
    let itself = u64::from(std::process::id());
    only(libc::SYS_tgkill, &[(0, SeccompCmpOp::Eq, itself)])?;
    let cpu = libc::RLIMIT_CPU as u64;
    only(libc::SYS_prlimit64, &[(0, SeccompCmpOp::Eq, 0), (1, SeccompCmpOp::Eq, cpu)])?;
    let arch = std::env::consts::ARCH.try_into().ok()?;
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refused, SeccompAction::Allow, arch).ok()?.try_into().ok()
}
