//! A segment while messages are read, prepared and put into it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use roaring::RoaringBitmap;

use super::Tail;
use super::bounds::Bounds;
use super::saved::Compared;
use super::snapshot;
use super::work::{Content, Failure, Source, Wanted};
use crate::limits::{INDEX_MESSAGE_BYTES_MAX, INDEX_READ_BYTES_MAX};
use crate::prepare::Prepared;
use crate::scan::{Message, Stopped};
use crate::segment::{BuildError, BuildOptions, Builder};

/// The memory of the builder before, for the next build of any account: while much is indexed, what is new to the process would have to
/// be cleared by the system for each segment. One for the process, and none when there is nothing to build.
static SPARE: Mutex<Option<Builder>> = Mutex::new(None);

fn swap_spare(spare: Option<Builder>) -> Option<Builder> {
    std::mem::replace(&mut *SPARE.lock().unwrap_or_else(PoisonError::into_inner), spare)
}

/// Gives the memory back that was kept for the next build.
pub(super) fn forget_spare() {
    drop(swap_spare(None));
}

/// Keeps the memory of a segment that is written for the next one, if there is one.
pub(super) fn keep(octets: Vec<u8>, bounds: Bounds) {
    if let Some(builder) = SPARE.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        builder.leave(octets, bounds.spare());
    }
}

/// See the module.
pub(super) struct Building<'a> {
    /// Messages that are known to make the builder panic.
    poison: &'a RoaringBitmap,
    bounds: Bounds,
    builder: Builder,
    text: u64,
    docs: u32,
    unvouched: u32,
    set_aside: Vec<(u32, String)>,
    compared: Compared,
}

/// What came of it.
pub(super) struct Made {
    /// `None` when no message could be taken.
    pub content: Option<snapshot::Content>,
    /// Messages whose texts only the scan can answer for.
    pub unvouched: u32,
    /// Messages that something is wrong with.
    pub set_aside: Vec<(u32, String)>,
    /// What SORT and THREAD compare of those that were taken.
    pub compared: Compared,
}

pub(super) enum BuildFailure {
    /// The builder panicked; with this message, or with all of them together.
    Panicked(Option<u32>),
    Other(Failure),
}

impl From<Failure> for BuildFailure {
    fn from(failure: Failure) -> BuildFailure {
        BuildFailure::Other(failure)
    }
}

impl From<BuildError> for BuildFailure {
    fn from(error: BuildError) -> BuildFailure {
        BuildFailure::Other(match error {
            BuildError::Stopped => Failure::Stopped,
            error => Failure::Build(error),
        })
    }
}

impl<'a> Building<'a> {
    pub fn new(poison: &'a RoaringBitmap, bounds: Bounds) -> Building<'a> {
        let builder = swap_spare(None).map_or_else(|| Builder::new(BuildOptions::default()), Builder::anew);
        Building {
            poison,
            bounds,
            builder,
            text: 0,
            docs: 0,
            unvouched: 0,
            set_aside: Vec::new(),
            compared: Compared::default(),
        }
    }

    fn is_full(&self) -> bool {
        self.builder.is_full()
            || self.builder.memory() >= self.bounds.builder()
            || self.text >= self.bounds.batch_text()
    }

    /// Reads these messages and takes them until the segment is full; how many were taken or set aside.
    pub fn take_all(
        &mut self,
        wanted: &[Wanted],
        source: &mut dyn Source,
        tail: &Tail,
        stop: &AtomicBool,
    ) -> Result<usize, BuildFailure> {
        let mut taken = 0;
        while taken < wanted.len() && !self.is_full() {
            let rest = &wanted[taken..];
            taken += self.take(&rest[..first_read(rest)], source, tail, stop)?;
        }
        Ok(taken)
    }

    /// The same for messages that are read together.
    fn take(
        &mut self,
        wanted: &[Wanted],
        source: &mut dyn Source,
        tail: &Tail,
        stop: &AtomicBool,
    ) -> Result<usize, BuildFailure> {
        let known = tail.get_all(&wanted.iter().map(|wanted| wanted.message).collect::<Vec<_>>());
        let readable = |wanted: &Wanted| wanted.fingerprint.size <= INDEX_MESSAGE_BYTES_MAX;
        let unknown: Vec<Wanted> = wanted
            .iter()
            .zip(&known)
            .filter(|(wanted, known)| known.is_none() && readable(wanted))
            .map(|(wanted, _)| *wanted)
            .collect();
        let mut contents = if unknown.is_empty() { Vec::new() } else { source.read(&unknown) }.into_iter();
        for (nth, (wanted, known)) in wanted.iter().zip(known).enumerate() {
            if self.is_full() {
                return Ok(nth);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::Stopped.into());
            }
            let mut summary = None;
            let texts = match known {
                Some(texts) => Ok(texts),
                None if !readable(wanted) => Err("it is too large".to_owned()),
                None => match contents.next() {
                    Some(Ok(content)) => {
                        let texts = prepare(&content, stop)?;
                        summary = Some(content.summary);
                        texts
                    }
                    Some(Err(error)) => Err(error),
                    None => Err("it was not read".to_owned()),
                },
            };
            match texts {
                _ if self.poison.contains(wanted.message) => {
                    self.set_aside.push((wanted.message, "indexing it panics".to_owned()));
                }
                Ok(texts) if texts.is_vouched() => {
                    self.push(wanted.message, &texts)?;
                    match summary {
                        Some(stored) => self.compared.add(wanted.message, stored),
                        None => self.compared.read_later(*wanted),
                    }
                }
                Ok(_) => self.unvouched += 1,
                Err(why) => self.set_aside.push((wanted.message, why)),
            }
        }
        Ok(wanted.len())
    }

    fn push(&mut self, message: u32, texts: &Prepared) -> Result<(), BuildFailure> {
        let pushed = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            super::tests::poisoned(message, false);
            self.builder.push(message, texts)
        }));
        pushed.map_err(|_| BuildFailure::Panicked(Some(message)))??;
        self.text += texts.text_bytes() as u64;
        self.docs += 1;
        Ok(())
    }

    /// The segment; `more` follow at once.
    pub fn finish(self, more: bool, stop: &AtomicBool) -> Result<Made, BuildFailure> {
        let Building { bounds, mut builder, text, docs, unvouched, set_aside, compared, .. } = self;
        if docs == 0 {
            return Ok(Made { content: None, unvouched, set_aside, compared });
        }
        let bytes = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            super::tests::poisoned(docs, true);
            builder.finished_unless(&|| stop.load(Ordering::Relaxed))
        }));
        let bytes = bytes.map_err(|_| BuildFailure::Panicked(None))??;
        if more && builder.held() < bounds.spare() {
            swap_spare(Some(builder));
        }
        Ok(Made { content: Some(snapshot::Content { bytes, docs, text }), unvouched, set_aside, compared })
    }
}

/// How many of the first messages are read together: one at least.
fn first_read(wanted: &[Wanted]) -> usize {
    let mut bytes = 0;
    let fits = wanted.iter().take_while(|wanted| {
        bytes += u64::from(wanted.fingerprint.size);
        bytes <= INDEX_READ_BYTES_MAX
    });
    fits.count().max(1)
}

/// The texts of a message, or why it has to be set aside.
fn prepare(content: &Content, stop: &AtomicBool) -> Result<Result<Arc<Prepared>, String>, Failure> {
    let Content { header, body, documents, .. } = content;
    let message = Message { header, body, documents };
    match catch_unwind(AssertUnwindSafe(|| Prepared::new(&message, stop))) {
        Ok(Ok(texts)) => Ok(Ok(Arc::new(texts))),
        Ok(Err(Stopped)) => Err(Failure::Stopped),
        Err(_) => Ok(Err("preparing it panics".to_owned())),
    }
}
