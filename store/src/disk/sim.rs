//! The simulated disk. This comment is the fault model:
//!
//! * A write is visible to reads at once and durable only after `sync` of its file. In a crash, the unsynced
//!   writes of a file survive in any subset of their 512-byte sectors; a surviving sector may be torn at any byte
//!   (new bytes first, then old ones); the length of the file may survive without the data (zeros).
//! * Creations, removals and renames are durable only after `sync_dir` of their folder; until then any subset of
//!   them survives. A sync of a file does not make its name durable. A rename is atomic.
//! * A sync that fails writes some of the data, and forgets the rest: reads go on showing bytes that are not on
//!   the medium, and a later sync that succeeds does not put them there (Linux marks the pages clean).
//! * A full disk ([`SimDisk::set_capacity`]) writes what fits, then fails with ENOSPC.
//! * Any operation can be made to fail ([`SimDisk::inject`]); reads and writes can be short below the loops that
//!   hide it; bits can rot ([`SimDisk::flip`]); operations can take virtual time ([`SimDisk::set_latency`]).
//! * Sectors that are not being written do not change in a crash, and a sector once durable stays so.
//!
//! Crash points are counted at every operation that changes something, in the middle of it: a write has been
//! handed over, a sync or a directory sync has not had its effect. At each point the hook may take a
//! [`SimDisk::snapshot`], from which [`SimDisk::after_crash`] makes what a machine would find after power loss,
//! and [`SimDisk::after_kill`] what a new process would find (the page cache lives on).
//!
//! Not modelled: sectors that change without being written (shorn neighbours), and a disk that lies about a sync
//! other than by [`SimDisk::set_ignore_sync`], which exists to show that a missing sync is noticed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::sim_file::Inode;
use super::sim_names::Names;
use super::{Disk, DiskFile, OpenMode};
use crate::LocalBoxFuture;
use crate::clock::{Clock, SimClock};
use crate::seed::SimSeed;

/// Kinds of operation, for faults and counting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SimOp {
    Read,
    Write,
    Sync,
    Allocate,
    Truncate,
    Open,
    Create,
    CreateDir,
    Rename,
    Remove,
    RemoveDir,
    SyncDir,
    List,
    Length,
}

impl SimOp {
    fn changes(self) -> bool {
        !matches!(self, SimOp::Read | SimOp::Open | SimOp::List | SimOp::Length)
    }
}

/// A fault to come.
#[derive(Clone, Debug)]
pub struct SimFault {
    pub op: SimOp,
    /// Only for paths that contain this.
    pub path: String,
    /// How many matching operations go well first.
    pub after: u64,
    /// How often it then happens.
    pub times: u64,
    /// For example `libc::EIO`.
    pub errno: i32,
}

/// Virtual time that operations take.
#[derive(Clone)]
pub struct SimLatency {
    pub clock: SimClock,
    pub read: Duration,
    pub write: Duration,
    pub sync: Duration,
}

#[derive(Clone)]
struct World {
    inodes: BTreeMap<u64, Rc<Inode>>,
    next_inode: u64,
    names: Names,
    capacity: Option<u64>,
    points: u64,
    counts: BTreeMap<SimOp, u64>,
    faults: Vec<SimFault>,
    crash_at: Option<u64>,
    crashed: bool,
    ignore_sync: bool,
    short: bool,
}

type Hook = Box<dyn FnMut(&SimDisk, u64)>;

/// See the module. Clones are the same disk; [`SimDisk::snapshot`] makes another one.
#[derive(Clone)]
pub struct SimDisk {
    world: Rc<RefCell<World>>,
    hook: Rc<RefCell<Option<Hook>>>,
    latency: Rc<RefCell<Option<SimLatency>>>,
    seed: Rc<SimSeed>,
    freeze: Rc<Cell<bool>>,
}

/// Text of the error of every operation after a crash.
pub const CRASHED: &str = "the simulated machine has crashed";

impl Default for SimDisk {
    fn default() -> SimDisk {
        SimDisk::new()
    }
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> SimDisk {
        SimDisk::of(World {
            inodes: BTreeMap::new(),
            next_inode: 1,
            names: Names::default(),
            capacity: None,
            points: 0,
            counts: BTreeMap::new(),
            faults: Vec::new(),
            crash_at: None,
            crashed: false,
            ignore_sync: false,
            short: false,
        })
    }

    fn of(world: World) -> SimDisk {
        SimDisk {
            world: Rc::new(RefCell::new(world)),
            hook: Rc::default(),
            latency: Rc::default(),
            seed: Rc::new(SimSeed::new(0)),
            freeze: Rc::default(),
        }
    }

    /// A copy of the disk as it is, unsynced changes included, without hook, latency and faults.
    pub fn snapshot(&self) -> SimDisk {
        let world = self.world.borrow();
        SimDisk::of(World { faults: Vec::new(), crash_at: None, crashed: false, ..world.clone() })
    }

    /// What is left after the machine lost power now: a random subset of what was not synced.
    pub fn after_crash(&self, seed: u64) -> SimDisk {
        let disk = self.snapshot();
        let seed = SimSeed::new(seed);
        {
            let mut world = disk.world.borrow_mut();
            let world = &mut *world;
            world.names.crash(&seed);
            let live: std::collections::BTreeSet<u64> = world.names.inodes().collect();
            world.inodes.retain(|inode, _| live.contains(inode));
            for inode in world.inodes.values_mut() {
                Rc::make_mut(inode).crash(&seed);
            }
            world.points = 0;
            world.counts.clear();
        }
        disk
    }

    /// What a new process finds after this one was killed now: everything written, synced or not.
    pub fn after_kill(&self) -> SimDisk {
        self.snapshot()
    }

    /// Operations so far that changed something: the number of crash points.
    pub fn crash_points(&self) -> u64 {
        self.world.borrow().points
    }

    /// Operations of one kind so far.
    pub fn count(&self, op: SimOp) -> u64 {
        self.world.borrow().counts.get(&op).copied().unwrap_or(0)
    }

    /// From crash point `point` (from 1) on, every operation fails with [`CRASHED`]; the operation at the point
    /// has been handed over, but not completed.
    pub fn crash_at(&self, point: u64) {
        self.world.borrow_mut().crash_at = Some(point);
    }

    /// After the crash, operations never complete instead of failing.
    pub fn freeze_on_crash(&self) {
        self.freeze.set(true);
    }

    /// True after the point of [`SimDisk::crash_at`] was reached.
    pub fn crashed(&self) -> bool {
        self.world.borrow().crashed
    }

    /// Called at every crash point with its number; may take snapshots, must not do operations.
    pub fn set_hook(&self, hook: impl FnMut(&SimDisk, u64) + 'static) {
        *self.hook.borrow_mut() = Some(Box::new(hook));
    }

    pub fn clear_hook(&self) {
        *self.hook.borrow_mut() = None;
    }

    /// Adds a fault.
    pub fn inject(&self, fault: SimFault) {
        self.world.borrow_mut().faults.push(fault);
    }

    pub fn clear_faults(&self) {
        self.world.borrow_mut().faults.clear();
    }

    /// Bytes the disk holds; `None` for no bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world.borrow_mut().capacity = bytes;
    }

    /// Bytes in use by files that have a name.
    pub fn used(&self) -> u64 {
        used(&self.world.borrow())
    }

    /// Syncs (of files and folders) report success and do nothing.
    pub fn set_ignore_sync(&self, ignore: bool) {
        self.world.borrow_mut().ignore_sync = ignore;
    }

    /// Single reads and writes below the loops of the contract are cut at random.
    pub fn set_short(&self, short: bool) {
        self.world.borrow_mut().short = short;
    }

    pub fn set_latency(&self, latency: Option<SimLatency>) {
        *self.latency.borrow_mut() = latency;
    }

    /// Bit rot: inverts the bits of `mask` in one byte, durably.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn flip(&self, path: &str, pos: u64, mask: u8) {
        let mut world = self.world.borrow_mut();
        let inode = world.names.file(path).ok();
        let Some(inode) = inode.and_then(|inode| world.inodes.get_mut(&inode)) else {
            panic!("flip: there is no {path}");
        };
        let inode = Rc::make_mut(inode);
        for content in [&mut inode.current, &mut inode.durable] {
            // What was never synced is not on the medium yet.
            if let [byte] = content.read(pos, 1)[..] {
                content.write(pos, &[byte ^ mask]);
            }
        }
    }

    /// Whole content of a file as reads see it, outside the operations that are counted.
    pub fn peek(&self, path: &str) -> Option<Vec<u8>> {
        let world = self.world.borrow();
        let inode = world.inodes.get(&world.names.file(path).ok()?)?;
        Some(inode.current.read(0, inode.current.len() as usize))
    }

    /// Replaces the content of a file, durably, creating it when missing; outside the operations counted.
    ///
    /// # Panics
    /// When there is no such folder.
    pub fn poke(&self, path: &str, bytes: &[u8]) {
        let mut world = self.world.borrow_mut();
        let world = &mut *world;
        let inode = match world.names.file(path) {
            Ok(inode) => inode,
            Err(_) => {
                let inode = world.next_inode;
                world.next_inode += 1;
                let made = world.names.create(path, inode);
                let synced = made.and_then(|()| world.names.sync_dir(super::sim_names::parent(path)));
                assert!(synced.is_ok(), "poke: there is no folder for {path}");
                inode
            }
        };
        let mut fresh = Inode::default();
        fresh.write(0, bytes);
        fresh.sync();
        world.inodes.insert(inode, Rc::new(fresh));
    }

    /// Names of all files, sorted, as full paths.
    pub fn files(&self) -> Vec<String> {
        fn walk(names: &Names, dir: &str, out: &mut Vec<String>) {
            for name in names.list(dir).unwrap_or_default() {
                let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                if names.file(&path).is_ok() {
                    out.push(path);
                } else {
                    walk(names, &path, out);
                }
            }
        }
        let mut out = Vec::new();
        walk(&self.world.borrow().names, "", &mut out);
        out
    }

    /// Waits as the operation would, then checks for faults and for the crash.
    async fn begin(&self, op: SimOp, path: &str) -> io::Result<()> {
        let latency = self.latency.borrow().clone();
        match latency {
            None => futures_lite::future::yield_now().await,
            Some(latency) => {
                let time = match op {
                    SimOp::Read | SimOp::List | SimOp::Length | SimOp::Open => latency.read,
                    SimOp::Sync | SimOp::SyncDir => latency.sync,
                    _ => latency.write,
                };
                latency.clock.sleep(time).await;
            }
        }
        self.alive().await?;
        let mut world = self.world.borrow_mut();
        *world.counts.entry(op).or_default() += 1;
        let hit = world.faults.iter_mut().find(|f| f.op == op && f.times > 0 && path.contains(&f.path));
        if let Some(fault) = hit {
            if fault.after > 0 {
                fault.after -= 1;
            } else {
                fault.times -= 1;
                let errno = fault.errno;
                if op == SimOp::Sync
                    && let Ok(inode) = world.names.file(path)
                    && let Some(inode) = world.inodes.get_mut(&inode)
                {
                    Rc::make_mut(inode).sync_failed(&self.seed);
                }
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
        Ok(())
    }

    async fn alive(&self) -> io::Result<()> {
        if self.crashed() {
            if self.freeze.get() {
                std::future::pending::<()>().await;
            }
            return Err(io::Error::other(CRASHED));
        }
        Ok(())
    }

    /// The middle of an operation that changes something.
    async fn point(&self, op: SimOp) -> io::Result<()> {
        debug_assert!(op.changes());
        let n = {
            let mut world = self.world.borrow_mut();
            world.points += 1;
            if world.crash_at.is_some_and(|at| world.points >= at) {
                world.crashed = true;
            }
            world.points
        };
        let hook = self.hook.borrow_mut().take();
        if let Some(mut hook) = hook {
            hook(self, n);
            self.hook.borrow_mut().get_or_insert(hook);
        }
        self.alive().await
    }

    fn syncs_count(&self) -> bool {
        !self.world.borrow().ignore_sync
    }

    async fn name_op(
        &self,
        op: SimOp,
        path: &str,
        run: impl FnOnce(&mut World) -> io::Result<()>,
    ) -> io::Result<()> {
        self.begin(op, path).await?;
        run(&mut self.world.borrow_mut())?;
        self.point(op).await
    }
}

fn used(world: &World) -> u64 {
    world.names.inodes().filter_map(|inode| world.inodes.get(&inode)).map(|inode| inode.reserved).sum()
}

impl Disk for SimDisk {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> LocalBoxFuture<'a, io::Result<Rc<dyn DiskFile>>> {
        Box::pin(async move {
            let inode = if mode == OpenMode::Create {
                self.begin(SimOp::Create, path).await?;
                let inode = {
                    let mut world = self.world.borrow_mut();
                    let inode = world.next_inode;
                    world.names.create(path, inode)?;
                    world.next_inode += 1;
                    world.inodes.insert(inode, Rc::default());
                    inode
                };
                self.point(SimOp::Create).await?;
                inode
            } else {
                self.begin(SimOp::Open, path).await?;
                self.world.borrow().names.file(path)?
            };
            let writable = mode != OpenMode::Read;
            let file = SimFile { disk: self.clone(), inode, path: path.to_owned(), writable };
            Ok(Rc::new(file) as Rc<dyn DiskFile>)
        })
    }

    fn list<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<String>>> {
        Box::pin(async move {
            self.begin(SimOp::List, dir).await?;
            self.world.borrow().names.list(dir)
        })
    }

    fn create_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(self.name_op(SimOp::CreateDir, dir, move |world| world.names.create_dir_all(dir)))
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(self.name_op(SimOp::Rename, from, move |world| world.names.rename(from, to)))
    }

    fn remove<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(self.name_op(SimOp::Remove, path, move |world| world.names.remove(path)))
    }

    fn remove_dir_all<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(self.name_op(SimOp::RemoveDir, dir, move |world| {
            world.names.remove_dir_all(dir);
            Ok(())
        }))
    }

    fn sync_dir<'a>(&'a self, dir: &'a str) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.begin(SimOp::SyncDir, dir).await?;
            self.point(SimOp::SyncDir).await?;
            if self.syncs_count() { self.world.borrow_mut().names.sync_dir(dir) } else { Ok(()) }
        })
    }

    fn file_len<'a>(&'a self, path: &'a str) -> LocalBoxFuture<'a, io::Result<u64>> {
        Box::pin(async move {
            self.begin(SimOp::Length, path).await?;
            let world = self.world.borrow();
            let inode = world.names.file(path)?;
            Ok(world.inodes.get(&inode).map_or(0, |inode| inode.current.len()))
        })
    }
}

struct SimFile {
    disk: SimDisk,
    inode: u64,
    path: String,
    writable: bool,
}

impl SimFile {
    fn with<R>(&self, run: impl FnOnce(&mut Inode) -> R) -> io::Result<R> {
        let mut world = self.disk.world.borrow_mut();
        match world.inodes.get_mut(&self.inode) {
            Some(inode) => Ok(run(Rc::make_mut(inode))),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
    }

    /// Bytes by which the file may grow.
    fn room(&self) -> u64 {
        let world = self.disk.world.borrow();
        world.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used(&world)))
    }

    fn cut(&self, len: usize) -> usize {
        let short = self.disk.world.borrow().short;
        if short && len > 1 { 1 + self.disk.seed.below(len as u64) as usize } else { len }
    }

    async fn write_once(&self, pos: u64, data: &[u8]) -> io::Result<usize> {
        self.disk.begin(SimOp::Write, &self.path).await?;
        let room = self.room();
        let written = self.with(|inode| {
            let holds = inode.reserved.max(inode.current.len());
            data.len()
                .min(usize::try_from(holds.saturating_add(room).saturating_sub(pos)).unwrap_or(usize::MAX))
        })?;
        if written == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let written = self.cut(written);
        self.with(|inode| inode.write(pos, &data[..written]))?;
        self.disk.point(SimOp::Write).await?;
        Ok(written)
    }

    async fn read_once(&self, pos: u64, len: usize) -> io::Result<Vec<u8>> {
        self.disk.begin(SimOp::Read, &self.path).await?;
        let len = self.cut(len);
        let world = self.disk.world.borrow();
        match world.inodes.get(&self.inode) {
            Some(inode) => Ok(inode.current.read(pos, len)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, pos: u64, len: usize) -> LocalBoxFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(super::read_fully(pos, len, move |pos, len| self.read_once(pos, len)))
    }

    fn write_at<'a>(&'a self, pos: u64, data: &'a [u8]) -> LocalBoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.check_writable()?;
            super::write_fully(pos, data, |pos, data| self.write_once(pos, data)).await
        })
    }

    fn sync(&self) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            self.disk.begin(SimOp::Sync, &self.path).await?;
            self.disk.point(SimOp::Sync).await?;
            if self.disk.syncs_count() { self.with(Inode::sync) } else { Ok(()) }
        })
    }

    fn allocate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            self.check_writable()?;
            self.disk.begin(SimOp::Allocate, &self.path).await?;
            let room = self.room();
            let fits = self.with(|inode| {
                let fits = len.saturating_sub(inode.reserved) <= room;
                if fits {
                    inode.allocate(len);
                }
                fits
            })?;
            if !fits {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            self.disk.point(SimOp::Allocate).await
        })
    }

    fn truncate(&self, len: u64) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            self.check_writable()?;
            self.disk.begin(SimOp::Truncate, &self.path).await?;
            self.with(|inode| inode.truncate(len))?;
            self.disk.point(SimOp::Truncate).await
        })
    }

    fn len(&self) -> LocalBoxFuture<'_, io::Result<u64>> {
        Box::pin(async move {
            self.disk.begin(SimOp::Length, &self.path).await?;
            self.with(|inode| inode.current.len())
        })
    }
}

#[cfg(test)]
#[path = "sim_tests.rs"]
mod tests;
