//! The index of one account: a folder of immutable segments that grows with the account's log, and what is in memory of it.
//!
//! What must hold: a snapshot is exact or empty, whatever the folder holds: segments of another store, epoch, account or
//! version, of a log with another past, damaged or missing ones are noticed and the whole folder is made anew; nothing is
//! visible before it is complete; nothing here is needed for an answer to be right, for the scan answers for every message
//! that a snapshot does not cover. Everything that touches files is for lanes; executors take snapshots and ask what there
//! is to do.
//!
//! One [`AccountIndex`] per folder at a time, which is enforced. Dropped, nothing of it stays in memory; snapshots that are
//! still in use keep their segments.

mod bounds;
mod building;
mod files;
mod manifest;
mod map;
pub mod policy;
mod publish;
mod saved;
mod snapshot;
mod tail;
pub mod work;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use roaring::RoaringBitmap;

pub use bounds::Bounds;
pub use files::boot_id;
use files::{Folder, Watch};
use manifest::{BadManifest, Manifest};
use saved::Saved;
pub use snapshot::Snapshot;
pub use tail::Tail;
use work::{Source, Work};

use crate::limits::MANIFEST_BYTES_MAX;

/// Whose index a folder is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    pub store: [u8; 16],
    pub epoch: u32,
    pub shard: u16,
    pub account: u32,
    /// Of its messages with documents, by the serials of their texts; else of all others, by their numbers.
    pub documented: bool,
}

/// What the log says of a message, enough to notice that it is another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// RFC822.SIZE.
    pub size: u32,
    /// INTERNALDATE in seconds since 1970.
    pub internal: i64,
}

/// What the log knows when an index is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The newest commit of the shard.
    pub lsn: u64,
    /// The number of the account's next message.
    pub next: u32,
    /// The message that was asked for; `None` if there is none of that number.
    pub witness: Option<Fingerprint>,
}

/// What was found in a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// The snapshot is that of before.
    Ready,
    /// The system has been started since: [`Work::Verify`] first, the snapshot is empty until then.
    Verify,
    /// No index yet.
    Nothing,
    /// What was there is not used and will be made anew.
    Discarded(Reason),
}

/// Why an index was thrown away.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reason {
    #[error("it was made by another version")]
    Version,
    #[error("it belongs to another store, epoch or account")]
    Foreign,
    #[error("it is ahead of the log, or the log has another past")]
    Ahead,
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// What an index takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    pub segments: usize,
    pub docs: u64,
    /// Bytes of normalised text in the segments.
    pub text: u64,
    /// Bytes on disk, which are mapped.
    pub disk: u64,
    /// Bytes of memory of its own, the texts of the tail included.
    pub memory: usize,
    /// Mappings.
    pub maps: usize,
}

const MANIFEST: &str = "manifest";

/// See the module.
pub struct AccountIndex {
    folder: Folder,
    identity: Identity,
    boot: String,
    tail: Tail,
    state: Mutex<State>,
    bounds: Bounds,
    /// What the folder holds; locked for as long as something is done to it.
    worker: Mutex<Worker>,
    /// Held while files of entries are written or removed: not together with what takes long.
    saving: Mutex<()>,
    _claim: Claim,
}

/// What executors see; locked for moments only.
struct State {
    snapshot: Arc<Snapshot>,
    phase: Phase,
    /// Changes when the index is discarded: work that was begun before must not be published.
    era: u64,
    /// Dead documents of each segment of the snapshot, as last counted.
    dead: Vec<u32>,
    /// Serials of segments that cannot be merged, by a fault of ours.
    refused: Vec<u32>,
    saved: Saved,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Ready,
    Unverified,
    /// Files are still there and mean nothing.
    Discarded,
}

struct Worker {
    manifest: Manifest,
}

impl AccountIndex {
    /// Opens the index in `path`; there may be none. `boot` is [`boot_id`]. An error: the folder cannot be used (permissions, a
    /// failing disk, or another [`AccountIndex`] has it open); everything has to be scanned.
    pub fn open(
        path: &Path,
        identity: &Identity,
        boot: &str,
        source: &mut dyn Source,
    ) -> io::Result<(AccountIndex, Opened)> {
        AccountIndex::open_watched(path, identity, boot, source, None)
    }

    fn open_watched(
        path: &Path,
        identity: &Identity,
        boot: &str,
        source: &mut dyn Source,
        watch: Option<Watch>,
    ) -> io::Result<(AccountIndex, Opened)> {
        let claim = Claim::new(path)?;
        let folder = Folder::new(path, watch);
        let empty = Manifest::new(*identity, boot);
        let (manifest, snapshot, opened) = match read(&folder, identity, source)? {
            Read::Nothing => (empty, None, Opened::Nothing),
            Read::Bad(reason) => (empty, None, Opened::Discarded(reason)),
            Read::Good(manifest) if manifest.boot != empty.boot || empty.boot.is_empty() => {
                (manifest, None, Opened::Verify)
            }
            Read::Good(manifest) => match snapshot::open(&folder, &manifest) {
                Ok(snapshot) => (manifest, Some(snapshot), Opened::Ready),
                Err(error) => (empty, None, Opened::Discarded(error.reason()?)),
            },
        };
        let mut saved = Saved::default();
        if matches!(opened, Opened::Discarded(_)) {
            folder.remove_all(MANIFEST)?;
        } else {
            let wanted: HashSet<String> = manifest.segments.iter().map(|entry| entry.file_name()).collect();
            if opened != Opened::Nothing {
                saved = Saved::among(&folder.names(), manifest.next);
            }
            folder.keep_only(&|name| {
                name == MANIFEST && opened != Opened::Nothing || wanted.contains(name) || saved.has(name)
            });
        }
        let snapshot = snapshot.unwrap_or_default();
        let tail = Tail::default();
        tail.settle(snapshot.next());
        let state = State {
            phase: if opened == Opened::Verify { Phase::Unverified } else { Phase::Ready },
            era: 0,
            dead: vec![0; snapshot.segments().len()],
            refused: Vec::new(),
            saved,
            snapshot: Arc::new(snapshot),
        };
        let index = AccountIndex {
            folder,
            identity: *identity,
            boot: manifest::boot_name(boot),
            tail,
            bounds: Bounds::default(),
            state: Mutex::new(state),
            worker: Mutex::new(Worker { manifest }),
            saving: Mutex::default(),
            _claim: claim,
        };
        Ok((index, opened))
    }

    /// The same index, whose segments become as large as this says.
    pub fn bounded(mut self, bounds: Bounds) -> AccountIndex {
        self.bounds = bounds;
        self
    }

    /// What may be searched now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.state().snapshot.clone()
    }

    /// The texts of messages that no segment covers.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// What there is to do for an account whose next message is `next` and whose messages from the snapshot's `next` on have
    /// `tail_bytes` octets; `pressed`: there is no memory for their texts.
    pub fn needs(&self, next: u32, tail_bytes: u64, pressed: bool) -> Option<Work> {
        let state = self.state();
        match state.phase {
            Phase::Unverified => return Some(Work::Verify),
            Phase::Discarded => return Some(Work::Clean),
            Phase::Ready => {}
        }
        let tail = policy::TailSize {
            messages: u64::from(next.saturating_sub(state.snapshot.next())),
            bytes: tail_bytes,
            pressed,
        };
        let sizes: Vec<policy::Size> = state
            .snapshot
            .entries()
            .iter()
            .zip(&state.dead)
            .map(|(entry, dead)| policy::Size { docs: entry.docs, text: entry.text, dead: *dead })
            .collect();
        match policy::next(tail, &sizes, self.bounds) {
            policy::Step::Nothing => None,
            policy::Step::Build => Some(Work::Build),
            policy::Step::Merge(range) => {
                let serials: Vec<u32> =
                    state.snapshot.entries()[range].iter().map(|entry| entry.serial).collect();
                match serials == state.refused {
                    false => Some(Work::Merge(serials)),
                    true => {
                        (policy::next(tail, &[], self.bounds) == policy::Step::Build).then_some(Work::Build)
                    }
                }
            }
        }
    }

    /// Counts the documents whose messages are not among `live`, so that segments that are mostly dead are written anew.
    pub fn count_dead(&self, live: &RoaringBitmap) {
        let snapshot = self.snapshot();
        let dead = snapshot.count_dead(live);
        let mut state = self.state();
        if Arc::ptr_eq(&state.snapshot, &snapshot) {
            state.dead = dead;
        }
    }

    /// Stops using what there is, at once; its files go with the next [`AccountIndex::work`]. To make an index anew.
    pub fn discard(&self) {
        self.discard_if(&|_| true);
    }

    /// The same because a segment of `snapshot` turned out to be damaged; nothing if that is not in use any more.
    pub fn discard_damaged(&self, snapshot: &Arc<Snapshot>) {
        self.discard_if(&|now| Arc::ptr_eq(now, snapshot));
    }

    fn discard_if(&self, wanted: &dyn Fn(&Arc<Snapshot>) -> bool) {
        let mut state = self.state();
        if !wanted(&state.snapshot) {
            return;
        }
        state.era += 1;
        state.phase = Phase::Discarded;
        state.dead = Vec::new();
        state.saved = Saved::default();
        let snapshot = std::mem::take(&mut state.snapshot);
        drop(state);
        // Freed after the lock.
        drop(snapshot);
        self.tail.settle(0);
    }

    pub fn figures(&self) -> Figures {
        let snapshot = self.snapshot();
        Figures {
            segments: snapshot.segments().len(),
            docs: snapshot.entries().iter().map(|entry| u64::from(entry.docs)).sum(),
            text: snapshot.entries().iter().map(|entry| entry.text).sum(),
            disk: snapshot.entries().iter().map(|entry| entry.len).sum(),
            memory: snapshot.memory() + self.tail.bytes(),
            maps: snapshot.segments().len(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AccountIndex {
    /// Perhaps there would have been more to build.
    fn drop(&mut self) {
        building::forget_spare();
    }
}

/// The `next` of the index in a folder (messages below are settled) as its manifest says, without a look at the segments or
/// the log; `None` if there is no index or none that could be opened. For a survey of many accounts.
pub fn peek(path: &Path, identity: &Identity) -> Option<u32> {
    let bytes = Folder::new(path, None).read(MANIFEST, MANIFEST_BYTES_MAX).ok()??;
    let manifest = Manifest::decode(&bytes).ok()?;
    (manifest.identity == *identity).then_some(manifest.next)
}

enum Read {
    Nothing,
    Bad(Reason),
    Good(Manifest),
}

/// The manifest, if it is one that the log agrees with.
fn read(folder: &Folder, identity: &Identity, source: &mut dyn Source) -> io::Result<Read> {
    let Some(bytes) = folder.read(MANIFEST, MANIFEST_BYTES_MAX)? else { return Ok(Read::Nothing) };
    let manifest = match Manifest::decode(&bytes) {
        Ok(manifest) => manifest,
        Err(BadManifest::Version) => return Ok(Read::Bad(Reason::Version)),
        Err(error) => return Ok(Read::Bad(Reason::Damaged(error.to_string()))),
    };
    if manifest.identity != *identity {
        return Ok(Read::Bad(Reason::Foreign));
    }
    let known = source.known(manifest.witness.map(|(message, _)| message)).map_err(io::Error::other)?;
    let same_past = manifest.witness.is_none_or(|(_, fingerprint)| known.witness == Some(fingerprint));
    if manifest.lsn > known.lsn || manifest.next > known.next || !same_past {
        return Ok(Read::Bad(Reason::Ahead));
    }
    Ok(Read::Good(manifest))
}

/// A folder that is open in this process.
struct Claim(PathBuf);

static CLAIMED: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

impl Claim {
    fn new(path: &Path) -> io::Result<Claim> {
        let claim = path.to_owned();
        let fresh = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).insert(claim.clone());
        if fresh { Ok(Claim(claim)) } else { Err(io::ErrorKind::ResourceBusy.into()) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}
