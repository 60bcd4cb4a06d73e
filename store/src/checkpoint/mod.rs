//! Checkpoints: a shard's state at one LSN in a file, so that opening replays only the log behind it.
//!
//! Not here: the content of the frames (`frames`). A checkpoint is derived: a damaged one is passed over for the one
//! before it, or for the whole log. It holds: a file of the final name was synced before it got the name.

mod file;
mod frames;

use crate::disk::Disk;
use crate::error::StoreError;
use crate::limits;
use crate::log::Position;
use crate::shard::{Env, Shard, shard_dir};
use crate::state::apply::State;
use crate::types::{Lsn, WallTime};
use std::cell::{Cell, RefCell};
use std::io;

const NEW: &str = "checkpoint.new";
const PREFIX: &str = "checkpoint-";
/// How many are kept.
const KEPT: usize = 2;

/// A checkpoint that was loaded.
pub(crate) struct Loaded {
    pub state: State,
    pub position: Position,
    /// The log's wall time then.
    pub wall: WallTime,
}

impl Loaded {
    /// The last LSN it holds.
    pub fn lsn(&self) -> Lsn {
        Lsn(self.position.next.0.saturating_sub(1))
    }
}

fn name(position: Position) -> String {
    format!("{PREFIX}{:016x}", position.next.0)
}

/// Names of the checkpoints in a shard's folder, newest first.
pub(crate) async fn names(disk: &dyn Disk, dir: &str) -> Result<Vec<String>, StoreError> {
    let mut names = disk.list(dir).await.map_err(StoreError::io("list", dir))?;
    names.retain(|name| {
        name.strip_prefix(PREFIX).is_some_and(|hex| hex.len() == 16 && u64::from_str_radix(hex, 16).is_ok())
    });
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

/// Loads one checkpoint.
pub(crate) async fn load(disk: &dyn Disk, path: &str, env: &Env) -> Result<Loaded, String> {
    let mut input = file::Input::open(disk, path, env).await?;
    let mut rebuild = frames::Rebuild::default();
    while let Some(frame) = input.frame().await? {
        rebuild.frame(&frame).map_err(|what| format!("a frame that does not fit: {what}"))?;
    }
    Ok(Loaded { state: rebuild.finish(), position: input.position, wall: input.wall })
}

/// Loads the newest checkpoint that is good; what is wrong with the others goes to `damaged`.
pub(crate) async fn load_newest(
    disk: &dyn Disk,
    dir: &str,
    env: &Env,
    damaged: &mut Vec<String>,
) -> Result<Option<Loaded>, StoreError> {
    for name in names(disk, dir).await? {
        match load(disk, &format!("{dir}/{name}"), env).await {
            Ok(loaded) => return Ok(Some(loaded)),
            Err(what) => damaged.push(format!("{dir}/{name}: {what}")),
        }
    }
    Ok(None)
}

/// Whether two states are the same in everything that a checkpoint holds.
pub(crate) fn same(a: &State, b: &State) -> bool {
    frames::Snapshot::of(a).frames().eq(frames::Snapshot::of(b).frames())
}

/// When a shard writes checkpoints.
pub(crate) struct Checkpoints {
    last: Cell<Option<Lsn>>,
    written: Cell<u64>,
    /// Bytes of log at the last one, or at the last attempt.
    mark: Cell<u64>,
    /// Bytes of the last one that was written.
    size: Cell<u64>,
    busy: Cell<bool>,
    stopping: Cell<bool>,
    error: RefCell<Option<String>>,
}

impl Checkpoints {
    pub fn new(last: Option<Lsn>) -> Checkpoints {
        Checkpoints {
            last: Cell::new(last),
            written: Cell::new(0),
            mark: Cell::new(0),
            size: Cell::new(0),
            busy: Cell::new(false),
            stopping: Cell::new(false),
            error: RefCell::default(),
        }
    }
    pub fn written(&self) -> u64 {
        self.written.get()
    }
    /// Bytes of log after which the next one is due: as few as it is cheap beside, at most `most`.
    fn interval(&self, most: u64) -> u64 {
        let cheap = self.size.get().saturating_mul(limits::checkpoint_log_ratio);
        cheap.max(limits::checkpoint_log_bytes_least).min(most)
    }
    pub fn error(&self) -> Option<String> {
        self.error.borrow().clone()
    }
}

impl Shard {
    fn log_bytes(&self) -> u64 {
        // What was replayed counts as well: it will be again, until there is a checkpoint behind it.
        self.inner.report.log.bytes + self.inner.log.stats().bytes_written
    }

    /// Writes checkpoints when they are due, until [`Shard::stop_checkpoints`].
    pub(crate) async fn write_checkpoints(&self) {
        let checkpoints = &self.inner.checkpoints;
        loop {
            let most = self.inner.options.checkpoint_log_bytes;
            let due = || self.log_bytes() - checkpoints.mark.get() >= checkpoints.interval(most);
            self.inner.turn.until(|| checkpoints.stopping.get() || due()).await;
            if checkpoints.stopping.get() {
                return;
            }
            // Failing is no harm but a longer start: tried again after as many bytes.
            checkpoints.mark.set(self.log_bytes());
            self.checkpoint().await;
        }
    }

    /// Waits for a checkpoint that is being written and writes a last one, when there is something new.
    pub(crate) async fn stop_checkpoints(&self) {
        let checkpoints = &self.inner.checkpoints;
        checkpoints.stopping.set(true);
        self.inner.turn.notify();
        self.inner.turn.until(|| !checkpoints.busy.get()).await;
        if !self.inner.options.read_only && self.poisoned().is_none() {
            self.checkpoint().await;
        }
    }

    /// Writes a checkpoint of what is visible now. An error is told in [`crate::shard::ShardStats`].
    pub async fn checkpoint(&self) {
        let checkpoints = &self.inner.checkpoints;
        let position = self.inner.log.durable_position();
        let lsn = Lsn(position.next.0.saturating_sub(1));
        if checkpoints.last.get() == Some(lsn) || checkpoints.busy.replace(true) {
            return;
        }
        let wall = self.inner.log.wall();
        let snapshot = frames::Snapshot::of(&self.inner.state.borrow());
        let result = self.write(position, wall, &snapshot).await;
        checkpoints.busy.set(false);
        self.inner.turn.notify();
        match result {
            Ok(bytes) => {
                checkpoints.size.set(bytes);
                checkpoints.last.set(Some(lsn));
                checkpoints.written.set(checkpoints.written.get() + 1);
                checkpoints.error.take();
            }
            Err(error) => *checkpoints.error.borrow_mut() = Some(error.to_string()),
        }
    }

    async fn write(
        &self,
        position: Position,
        wall: WallTime,
        snapshot: &frames::Snapshot,
    ) -> Result<u64, StoreError> {
        let env = &self.inner.env;
        let (disk, dir) = (&*env.disk, shard_dir(env.shard));
        let new = format!("{dir}/{NEW}");
        match disk.remove(&new).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", new)(error));
            }
            _ => {}
        }
        let written = async {
            let format = if snapshot.is_annotated() { file::ANNOTATED } else { file::PLAIN };
            let mut output = file::Output::create(disk, &new, env, format, position, wall).await?;
            let mut bytes = 0;
            for frame in snapshot.frames() {
                bytes += frame.len() as u64;
                output.frame(&frame).await?;
            }
            output.finish().await.map(|()| bytes)
        };
        let bytes = written.await.map_err(StoreError::io("write", &new))?;
        let path = format!("{dir}/{}", name(position));
        disk.rename(&new, &path).await.map_err(StoreError::io("rename", &path))?;
        disk.sync_dir(&dir).await.map_err(StoreError::io("sync", &dir))?;
        for old in names(disk, &dir).await?.into_iter().skip(KEPT) {
            let old = format!("{dir}/{old}");
            disk.remove(&old).await.map_err(StoreError::io("remove", &old))?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_checkpoints_come_sooner_and_none_comes_later_than_set() {
        let checkpoints = Checkpoints::new(None);
        let interval = |size, most| {
            checkpoints.size.set(size);
            checkpoints.interval(most) >> 20
        };
        assert_eq!(interval(0, 64 << 20), 16);
        assert_eq!(interval(1 << 20, 64 << 20), 16);
        assert_eq!(interval(4 << 20, 64 << 20), 32);
        assert_eq!(interval(100 << 20, 64 << 20), 64);
        assert_eq!(interval(u64::MAX, 64 << 20), 64);
        assert_eq!(interval(4 << 20, 1 << 20), 1);
    }
}
