//! What an indexing lane does for one account, one bounded step at a time.
//!
//! What must hold: memory is bounded by a batch or by one segment's text; the stop flag ends a step soon and leaves nothing
//! half done; a message that cannot be read or prepared, or that makes the indexing panic, is set aside (never covered, always
//! scanned) and never stops the indexing. Not here: when to do what (`policy.rs`), threads, where messages come from.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, TryLockError};

use roaring::RoaringBitmap;
use trawl_store::log::Address;

use super::building::{BuildFailure, Building, Made, forget_spare};
use super::manifest::Entry;
use super::publish::Change;
use super::snapshot::{self, OpenError, Snapshot};
use super::{AccountIndex, Fingerprint, Known, Opened, Phase, Reason, Worker};
use crate::limits::{INDEX_BATCH_MESSAGES_MAX, INDEX_BUILD_MESSAGES, SEGMENT_MESSAGES_MAX};
use crate::segment::{self, BuildError, BuildOptions, Segment};

/// What there is to do, as [`AccountIndex::needs`] says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// Read everything once, because the system was started since it was written.
    Verify,
    /// Remove the files of a discarded index.
    Clean,
    /// Make a segment of the oldest part of the tail.
    Build,
    /// Make one segment of these neighbours, named by their serials.
    Merge(Vec<u32>),
}

/// A message that is to be indexed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub message: u32,
    pub address: Address,
    /// Where the texts of its documents are, if it has any.
    pub documents: Option<Address>,
    pub fingerprint: Fingerprint,
}

/// The oldest messages of a tail.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// In some mailbox, committed, ascending.
    pub wanted: Vec<Wanted>,
    /// Every message below, and not below the number asked for, is wanted or in no mailbox.
    pub upto: u32,
    /// The newest commit of the shard when this was found out.
    pub lsn: u64,
}

/// A message as stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Content {
    pub header: Vec<u8>,
    pub body: Vec<u8>,
    /// Texts of its documents.
    pub documents: Vec<String>,
    /// Its summary as stored, with its version, if it is at hand: for what SORT and THREAD compare.
    pub summary: Option<(u16, Vec<u8>)>,
}

/// Where messages come from. Errors of whole calls end the step; it is tried again later.
pub trait Source {
    /// What the log knows now, and of this message.
    fn known(&mut self, witness: Option<u32>) -> io::Result<Known>;
    /// The first messages from `from` on, at most `messages_max`.
    fn batch(&mut self, from: u32, messages_max: usize) -> io::Result<Batch>;
    /// One answer for each, in order: what cannot be read is set aside.
    fn read(&mut self, wanted: &[Wanted]) -> Vec<Result<Content, String>>;
    /// Summaries of messages that are not read, because their texts are known: as in [`Content`], one for each in order; nothing where
    /// they cannot be read.
    fn summaries(&mut self, wanted: &[Wanted]) -> Vec<Option<(u16, Vec<u8>)>> {
        let _ = wanted;
        Vec::new()
    }
    /// The messages that are in some mailbox, if that is known: a merge drops the others.
    fn live(&mut self) -> Option<RoaringBitmap>;
}

/// A step that was done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Done {
    /// What verifying found; [`Opened::Ready`] or [`Opened::Discarded`].
    pub verified: Option<Opened>,
    /// Messages in the segment that was made.
    pub docs: u32,
    /// Bytes of its file.
    pub bytes: u64,
    /// Messages that only the scan can answer for, because of how they are written.
    pub unvouched: u32,
    /// Messages that were set aside because something is wrong with them, with the reason.
    pub set_aside: Vec<(u32, String)>,
}

/// Why a step was not done. The snapshot is that of before, or empty after [`Failure::Damaged`].
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("stopped")]
    Stopped,
    /// Something else is being done to this index.
    #[error("the index is being worked on")]
    Busy,
    /// What was to be done does not fit what there is now.
    #[error("there is nothing of that kind to do")]
    Outdated,
    /// Somebody discarded the index meanwhile.
    #[error("the index was discarded")]
    Discarded,
    /// It was discarded because of this.
    #[error("the index was discarded: {0}")]
    Damaged(Reason),
    #[error("a segment could not be made: {0}")]
    Build(#[source] BuildError),
    /// A merge did; it is not asked for again.
    #[error("the indexing panicked")]
    Panicked,
    #[error("{0}")]
    Io(#[source] io::Error),
}

impl AccountIndex {
    /// Does one step. To be called where panics may be caught.
    pub fn work(&self, work: Work, source: &mut dyn Source, stop: &AtomicBool) -> Result<Done, Failure> {
        let mut worker = match self.worker.try_lock() {
            Ok(worker) => worker,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Failure::Busy),
        };
        if self.state().phase == Phase::Discarded {
            self.clean(&mut worker)?;
        }
        let verified = self.state().phase != Phase::Unverified;
        let builds = work == Work::Build;
        if !builds {
            forget_spare();
        }
        let done = match work {
            Work::Clean => Ok(Done::default()),
            Work::Verify if verified => Err(Failure::Outdated),
            Work::Verify => {
                let verified = self.verify(&mut worker, stop)?;
                Ok(Done { verified: Some(verified), ..Done::default() })
            }
            _ if !verified => Err(Failure::Outdated),
            Work::Build => self.build(&mut worker, source, stop),
            Work::Merge(serials) => self.merge(&mut worker, &serials, source, stop),
        };
        if builds && done.is_err() {
            forget_spare();
        }
        done
    }

    fn build(
        &self,
        worker: &mut Worker,
        source: &mut dyn Source,
        stop: &AtomicBool,
    ) -> Result<Done, Failure> {
        let (base, era) = self.base();
        let from = base.next();
        let batch = source.batch(from, INDEX_BATCH_MESSAGES_MAX).map_err(Failure::Io)?;
        let in_order = batch.wanted.is_sorted_by(|a, b| a.message < b.message)
            && batch.wanted.first().is_none_or(|first| first.message >= from)
            && batch.wanted.last().is_none_or(|last| last.message < batch.upto);
        if !in_order || batch.upto <= from {
            return Err(Failure::Outdated);
        }
        let (mut made, taken) = self.assemble(&batch.wanted, source, stop)?;
        let compared = std::mem::take(&mut made.compared);
        let mut manifest = worker.manifest.clone();
        manifest.lsn = manifest.lsn.max(batch.lsn);
        manifest.next = batch.wanted.get(taken).map_or(batch.upto, |first| first.message);
        if let Some(last) = batch.wanted[..taken].last() {
            manifest.witness = Some((last.message, last.fingerprint));
        }
        let done = Done {
            docs: made.content.as_ref().map_or(0, |content| content.docs),
            bytes: made.content.as_ref().map_or(0, |content| content.bytes.len() as u64),
            unvouched: made.unvouched,
            set_aside: made.set_aside,
            verified: None,
        };
        let end = base.segments().len();
        self.publish(
            worker,
            Change { replaced: end..end, segment: made.content, manifest, base, era },
            stop,
        )?;
        self.save_built(compared, source, stop);
        Ok(done)
    }

    /// A segment of the first messages, and of how many. What makes the indexing panic is found and set aside.
    fn assemble(
        &self,
        wanted: &[Wanted],
        source: &mut dyn Source,
        stop: &AtomicBool,
    ) -> Result<(Made, usize), Failure> {
        let mut poison = RoaringBitmap::new();
        let mut wanted = wanted;
        loop {
            let mut building = Building::new(&poison, self.bounds);
            let made = building.take_all(wanted, source, self.tail(), stop);
            let finished = made.and_then(|taken| {
                // So many make another build, whatever their size.
                let more = (wanted.len() - taken) as u64 >= INDEX_BUILD_MESSAGES;
                Ok((building.finish(more, stop)?, taken))
            });
            match finished {
                Ok(made) => return Ok(made),
                Err(BuildFailure::Other(failure)) => return Err(failure),
                Err(BuildFailure::Panicked(Some(message))) => _ = poison.insert(message),
                // Which one it was is not known: those that are left over come again with the next step.
                Err(BuildFailure::Panicked(None)) => match wanted {
                    [one] => _ = poison.insert(one.message),
                    many => wanted = &many[..many.len().div_ceil(2)],
                },
            }
        }
    }

    fn merge(
        &self,
        worker: &mut Worker,
        serials: &[u32],
        source: &mut dyn Source,
        stop: &AtomicBool,
    ) -> Result<Done, Failure> {
        let (base, era) = self.base();
        let entries = base.entries();
        let start = serials.first().and_then(|first| entries.iter().position(|entry| entry.serial == *first));
        let range = start.map(|start| start..start + serials.len());
        let named = |range: &Range<usize>| {
            entries
                .get(range.clone())
                .is_some_and(|found| found.iter().map(|entry| entry.serial).eq(serials.iter().copied()))
        };
        let range = range.filter(named).ok_or(Failure::Outdated)?;
        let live = source.live();
        let keep = |message: u32| live.as_ref().is_none_or(|live| live.contains(message));
        let segments: Vec<&Segment> = base.segments()[range.clone()].iter().map(Arc::as_ref).collect();
        let kept = |segment: &&Segment| segment.messages().filter(|message| keep(*message)).count() as u32;
        let docs: u32 = segments.iter().map(kept).sum();
        let nothing_dead =
            range.len() == 1 && docs == segments.iter().map(|segment| segment.docs()).sum::<u32>();
        if nothing_dead || docs as usize > SEGMENT_MESSAGES_MAX {
            // Less of it is dead than was thought.
            self.forget_dead(&base, range);
            return Err(Failure::Outdated);
        }
        let share = |(entry, segment): (&Entry, &&Segment)| {
            entry.text * u64::from(kept(segment)) / u64::from(entry.docs.max(1))
        };
        let text = entries[range.clone()].iter().zip(&segments).map(share).sum();
        let mut content = None;
        if docs > 0 {
            let stopped = || stop.load(Ordering::Relaxed);
            let merged = catch_unwind(AssertUnwindSafe(|| {
                segment::merge(&segments, &keep, BuildOptions::default(), &stopped)
            }));
            let bytes = match merged {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(BuildError::Stopped)) => return Err(Failure::Stopped),
                Ok(Err(BuildError::Damaged(damage))) => {
                    return Err(self.failed(OpenError::damaged(damage.to_string())));
                }
                Ok(Err(error)) => {
                    self.state().refused = serials.to_vec();
                    return Err(Failure::Build(error));
                }
                Err(_) => {
                    self.state().refused = serials.to_vec();
                    return Err(Failure::Panicked);
                }
            };
            content = Some(snapshot::Content { bytes, docs, text });
        }
        let done = Done {
            docs,
            bytes: content.as_ref().map_or(0, |content| content.bytes.len() as u64),
            ..Done::default()
        };
        let manifest = worker.manifest.clone();
        let all: u32 = segments.iter().map(|segment| segment.docs()).sum();
        let mut messages = segments.iter().flat_map(|segment| segment.messages());
        let (first, last) = (messages.next(), messages.last());
        let first_and_last = first.map(|first| first..=last.unwrap_or(first)).filter(|_| docs < all);
        self.publish(worker, Change { replaced: range, segment: content, manifest, base, era }, stop)?;
        if let Some(messages) = first_and_last {
            self.forget_saved(messages);
        }
        Ok(done)
    }
}

impl AccountIndex {
    fn base(&self) -> (Arc<Snapshot>, u64) {
        let state = self.state();
        (state.snapshot.clone(), state.era)
    }

    fn forget_dead(&self, base: &Arc<Snapshot>, range: Range<usize>) {
        let mut state = self.state();
        if Arc::ptr_eq(&state.snapshot, base) {
            state.dead.get_mut(range).into_iter().flatten().for_each(|dead| *dead = 0);
        }
    }
}
