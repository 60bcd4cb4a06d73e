//! What the machine has, or the part of it that this process may use: processors and memory.
//!
//! A cgroup that cannot be read limits nothing here; the kernel holds the process to it all the same.

use std::path::Path;

/// Processors.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Octets of memory: those of the machine, or the least limit of the cgroups (version 2) that this process is in; `None` where neither
/// is known.
pub fn memory() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let all = read(Path::new("/proc/meminfo")).as_deref().and_then(memory_of_machine);
    let groups = read(Path::new("/proc/self/cgroup"));
    let limit = groups.as_deref().and_then(group).and_then(|group| {
        let root = Path::new("/sys/fs/cgroup");
        let own = root.join(group.trim_start_matches('/'));
        let folders = own.ancestors().take_while(|folder| folder.starts_with(root));
        folders.filter_map(|folder| limit(&read(&folder.join("memory.max"))?)).min()
    });
    all.into_iter().chain(limit).min()
}

/// `MemTotal` of /proc/meminfo, which counts in KiB.
fn memory_of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The group of version 2 in /proc/self/cgroup.
fn group(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::"))
}

/// What memory.max says: octets, or `max` for no limit.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let meminfo = "MemTotal:       24689352 kB\nMemFree:        20000000 kB\n";
        assert_eq!(memory_of_machine(meminfo), Some(24_689_352 * 1024));
        assert_eq!(memory_of_machine("MemTotal: 1 MB\n"), None);
        assert_eq!(memory_of_machine(""), None);
        assert_eq!(
            group("12:pids:/x\n0::/system.slice/trawl.service\n"),
            Some("/system.slice/trawl.service")
        );
        assert_eq!(group("12:pids:/x\n"), None);
        assert_eq!((limit("max\n"), limit("1073741824\n")), (None, Some(1 << 30)));
    }

    #[test]
    fn this_machine_has_some() {
        assert!(cores() >= 1);
        assert!(memory().is_some_and(|octets| octets >= 1 << 20));
    }
}
