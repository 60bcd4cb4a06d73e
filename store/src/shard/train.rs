//! Getting a dictionary: what is sampled, when one is trained, and its way into the log.
//!
//! Training itself runs wherever the caller likes (`Training::run`); a shard that nobody trains stays without one.

use super::Shard;
use super::dictionary::{Dictionary, Known, Training};
use crate::log::Log;
use crate::types::Lsn;
use std::sync::Arc;

/// What the last segment of the log began with: new ones begin with it as well. One that cannot be read is done without.
pub(super) async fn last_dictionary(log: &Log, known: &Known) -> Option<Arc<Dictionary>> {
    let last = log.durable_position().address.segment;
    let record = log.dictionary_of(last).await.ok().flatten()?;
    let id = Dictionary::decode(&record).ok()?.id()?;
    known.learn(last, id, &record).ok()?;
    let dictionary = known.get(last)?;
    log.begin_with(dictionary.record().clone());
    Some(dictionary)
}

impl Shard {
    pub(super) fn dictionaries(&self) -> &Known {
        self.inner.lanes_reader.dictionaries()
    }

    /// What comes in, while samples are wanted.
    pub(super) fn sample(&self, piece: &[u8]) {
        let mut sampler = self.inner.sampler.borrow_mut();
        sampler.add(self.next_lsn(), piece);
        if sampler.is_complete() {
            drop(sampler);
            self.inner.trainable.notify();
        }
    }

    pub(super) fn dictionary_bytes(&self) -> u64 {
        self.inner.dictionary.borrow().as_ref().map_or(0, |dictionary| dictionary.record().len() as u64)
    }

    fn next_lsn(&self) -> Lsn {
        Lsn(self.inner.log.durable_lsn().0 + 1)
    }

    /// For a record that is put before anything is waited for: into a segment that begins with this dictionary.
    pub(super) fn squeeze(&self, raw: &[u8]) -> Vec<u8> {
        let dictionary = self.inner.dictionary.borrow();
        self.inner.squeezer.borrow_mut().squeeze(raw, dictionary.as_deref())
    }

    /// Waits until a dictionary should be trained. `None` when the shard stops. Whoever takes it gives the result to
    /// [`Shard::use_dictionary`].
    pub async fn training(&self) -> Option<Training> {
        let inner = &self.inner;
        inner.trainable.until(|| inner.stopping.get() || inner.sampler.borrow().is_complete()).await;
        if inner.stopping.get() {
            return None;
        }
        let samples = inner.sampler.borrow_mut().take();
        Some(Training { samples, current: inner.dictionary.borrow().clone(), at: self.next_lsn() })
    }

    /// From now on content is compressed with this, in a new segment; `None`: with what was used so far.
    pub fn use_dictionary(&self, trained: Option<Dictionary>) {
        self.inner.sampler.borrow_mut().done(self.next_lsn());
        if let Some(dictionary) = trained {
            self.inner.log.begin_with(dictionary.record().clone());
            *self.inner.dictionary.borrow_mut() = Some(Arc::new(dictionary));
        }
    }
}
