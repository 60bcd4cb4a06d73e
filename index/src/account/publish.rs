//! How a change of the index becomes visible: the segment file, then the manifest, then the snapshot, then files that are not
//! needed any more go.
//!
//! What must hold: whatever step the process dies at, the folder is the index from before or the one from after.

use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

use super::building;
use super::manifest::{Entry, Manifest};
use super::snapshot::{self, Content, OpenError, Snapshot};
use super::work::Failure;
use super::{AccountIndex, MANIFEST, Opened, Phase, Reason, Worker};

static NEVER: AtomicBool = AtomicBool::new(false);

/// What replaces a range of the segments.
pub(super) struct Change {
    pub replaced: Range<usize>,
    /// `None` when nothing is left or came to be.
    pub segment: Option<Content>,
    /// The manifest with everything set but the segments.
    pub manifest: Manifest,
    /// The snapshot that the change was made from, and its era.
    pub base: Arc<Snapshot>,
    pub era: u64,
}

impl AccountIndex {
    /// Makes a change visible and durable as far as it goes.
    pub(super) fn publish(
        &self,
        worker: &mut Worker,
        change: Change,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        let Change { replaced, segment, mut manifest, base, era } = change;
        let mut segments = base.segments().to_vec();
        let mut added = None;
        if let Some(content) = segment {
            let serial = worker.manifest.serial;
            worker.manifest.serial =
                serial.checked_add(1).ok_or(Failure::Io(io::ErrorKind::StorageFull.into()))?;
            let written = snapshot::write_segment(&self.folder, serial, &content, stop);
            added = Some(written.map_err(|error| self.failed(error))?.ok_or(Failure::Stopped)?);
            building::keep(content.bytes, self.bounds);
        }
        manifest.serial = worker.manifest.serial;
        let entries = added.iter().map(|(entry, _)| *entry);
        let gone: Vec<Entry> = manifest.segments.splice(replaced.clone(), entries).collect();
        segments.splice(replaced.clone(), added.iter().map(|(_, segment)| segment.clone()));
        let written =
            Snapshot::new(&manifest, segments).map_err(|error| self.failed(error)).and_then(|snapshot| {
                self.folder.write(MANIFEST, &manifest.encode(), &NEVER).map_err(Failure::Io)?;
                Ok(snapshot)
            });
        let snapshot = match written {
            Ok(snapshot) => snapshot,
            Err(error) => {
                if let Some((entry, _)) = added {
                    let _ = self.folder.remove(&entry.file_name());
                }
                return Err(error);
            }
        };
        worker.manifest = manifest;
        let fresh = added.iter().map(|_| 0);
        self.show(snapshot, era, |dead| _ = dead.splice(replaced, fresh))?;
        for entry in gone {
            // What stays is a left-over that the next opening removes.
            let _ = self.folder.remove(&entry.file_name());
        }
        Ok(())
    }

    /// Reads every byte of every file, as the system was started since they were written; then the snapshot is that of before.
    pub(super) fn verify(&self, worker: &mut Worker, stop: &AtomicBool) -> Result<Opened, Failure> {
        let era = self.state().era;
        for entry in &worker.manifest.segments {
            let name = entry.file_name();
            match self.folder.crc(&name, stop) {
                Ok(Some(found)) if found == (entry.crc, entry.len) => {}
                Ok(Some(_)) => return self.give_up(worker, Reason::Damaged(format!("{name} has changed"))),
                Ok(None) => return Err(Failure::Stopped),
                Err(error) => {
                    return self.give_up(worker, Reason::Damaged(format!("{name} cannot be read: {error}")));
                }
            }
        }
        let snapshot = match snapshot::open(&self.folder, &worker.manifest) {
            Ok(snapshot) => snapshot,
            Err(OpenError::Damaged(reason)) => return self.give_up(worker, reason),
            Err(OpenError::Io(error)) => return Err(Failure::Io(error)),
        };
        let manifest = Manifest { boot: self.boot.clone(), ..worker.manifest.clone() };
        self.folder.write(MANIFEST, &manifest.encode(), &NEVER).map_err(Failure::Io)?;
        worker.manifest = manifest;
        let none = vec![0; snapshot.segments().len()];
        self.show(snapshot, era, |dead| *dead = none)?;
        Ok(Opened::Ready)
    }

    /// Swaps the snapshot, unless the index was discarded since `era`.
    fn show(&self, snapshot: Snapshot, era: u64, count: impl FnOnce(&mut Vec<u32>)) -> Result<(), Failure> {
        let next = snapshot.next();
        let mut state = self.state();
        if state.era != era {
            return Err(Failure::Discarded);
        }
        count(&mut state.dead);
        state.phase = Phase::Ready;
        let before = std::mem::replace(&mut state.snapshot, Arc::new(snapshot));
        drop(state);
        // Unmapped after the lock, which executors take.
        drop(before);
        self.tail.settle(next);
        Ok(())
    }

    /// Removes what was discarded and begins anew.
    pub(super) fn clean(&self, worker: &mut Worker) -> Result<(), Failure> {
        let _not_while_saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.folder.remove_all(MANIFEST).map_err(Failure::Io)?;
        // Serials go on: what is still mapped or left over keeps its name.
        worker.manifest =
            Manifest { serial: worker.manifest.serial, ..Manifest::new(self.identity, &self.boot) };
        let mut state = self.state();
        if state.phase == Phase::Discarded {
            state.phase = Phase::Ready;
        }
        Ok(())
    }

    fn give_up(&self, worker: &mut Worker, reason: Reason) -> Result<Opened, Failure> {
        self.discard();
        self.clean(worker)?;
        Ok(Opened::Discarded(reason))
    }

    /// A damaged segment ends the use of the whole index.
    pub(super) fn failed(&self, error: OpenError) -> Failure {
        match error.reason() {
            Ok(reason) => {
                self.discard();
                Failure::Damaged(reason)
            }
            Err(error) => Failure::Io(error),
        }
    }
}
