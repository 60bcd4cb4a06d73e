//! Dictionaries that content is compressed with: training, the Dictionary record, and finding the one
//! that a segment's records need (`FORMAT.md`, "Dictionary").
//!
//! Mail of one shard repeats itself from message to message (header fields, quoting, signatures), and a frame for each part
//! sees none of that by itself. What must hold: a dictionary makes mail smaller and nothing else depends on it; a record is
//! written into a segment that begins with the dictionary that it needs; a bad Dictionary record loses nothing while a
//! neighbour has the same.

use super::message::{DICTIONARY_LEVEL, Squeezer};
use crate::codec::BadBytes;
use crate::limits;
use crate::types::Lsn;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zstd::zstd_safe::{CDict, DDict};

const VERSION: u8 = 1;
const HEAD: usize = limits::dictionary_record_bytes_max - limits::dictionary_bytes_max;

/// A dictionary, ready to be used by any thread.
pub struct Dictionary {
    record: Arc<[u8]>,
    trained: Lsn,
    /// The larger part in memory; made when something is compressed with it.
    encoder: OnceLock<Option<CDict<'static>>>,
    decoder: DDict<'static>,
}

impl Dictionary {
    /// From the payload of a Dictionary record.
    pub(crate) fn decode(record: &[u8]) -> Result<Dictionary, BadBytes> {
        let (head, bytes) = record.split_at_checked(HEAD).ok_or(BadBytes)?;
        let (version, trained) = head.split_first().ok_or(BadBytes)?;
        let trained = trained.try_into().map(u64::from_le_bytes).map_err(|_| BadBytes)?;
        if *version != VERSION || bytes.len() > limits::dictionary_bytes_max {
            return Err(BadBytes);
        }
        // Any bytes are a dictionary to zstd; frames would not say that they are of these.
        let decoder = DDict::try_create(bytes).ok_or(BadBytes)?;
        decoder.get_dict_id().ok_or(BadBytes)?;
        Ok(Dictionary { record: record.into(), trained: Lsn(trained), encoder: OnceLock::new(), decoder })
    }

    /// The payload of its record.
    pub(crate) fn record(&self) -> &Arc<[u8]> {
        &self.record
    }

    pub(super) fn id(&self) -> Option<NonZeroU32> {
        self.decoder.get_dict_id()
    }

    /// The LSN of the log when it was trained.
    pub(crate) fn trained(&self) -> Lsn {
        self.trained
    }

    pub(super) fn encoder(&self) -> Option<&CDict<'static>> {
        self.encoder.get_or_init(|| CDict::try_create(&self.record[HEAD..], DICTIONARY_LEVEL)).as_ref()
    }

    pub(super) fn decoder(&self) -> &DDict<'static> {
        &self.decoder
    }
}

/// What a dictionary is trained from: beginnings of headers and bodies.
#[derive(Default)]
pub struct Samples {
    bytes: Vec<u8>,
    lens: Vec<usize>,
}

impl Samples {
    pub(super) fn add(&mut self, piece: &[u8]) {
        let piece = &piece[..piece.len().min(limits::dictionary_sample_piece_bytes)];
        if !piece.is_empty() {
            self.bytes.extend_from_slice(piece);
            self.lens.push(piece.len());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.lens.iter().scan(0, |at, len| {
            let piece = self.bytes.get(*at..*at + len);
            *at += len;
            piece
        })
    }

    /// Octets of these pieces, compressed.
    fn compressed<'a>(pieces: impl Iterator<Item = &'a [u8]>, dictionary: Option<&Dictionary>) -> usize {
        let mut squeezer = Squeezer::new();
        pieces.map(|piece| squeezer.squeeze(piece, dictionary).len()).sum()
    }
}

/// Work for a lane: training takes half a second of processor time.
pub struct Training {
    pub(super) samples: Samples,
    pub(super) current: Option<Arc<Dictionary>>,
    pub(super) at: Lsn,
}

impl Training {
    /// A dictionary, if it makes samples that it was not trained from smaller by a twentieth than the one in use does.
    pub fn run(self) -> Option<Dictionary> {
        let samples = &self.samples;
        // One in nine is kept to judge by: headers and bodies come in turn.
        let is_judged = |nth: usize| nth % 9 == 8;
        let (mut bytes, mut lens) = (Vec::with_capacity(samples.len()), Vec::new());
        for (nth, piece) in samples.pieces().enumerate() {
            if !is_judged(nth) {
                bytes.extend_from_slice(piece);
                lens.push(piece.len());
            }
        }
        let room = (bytes.len() / limits::dictionary_sample_ratio_min).min(limits::dictionary_bytes_max);
        let trained = zstd::dict::from_continuous(&bytes, &lens, room).ok()?;
        let record = [&[VERSION][..], &self.at.0.to_le_bytes(), &trained].concat();
        let dictionary = Dictionary::decode(&record).ok()?;
        let judged =
            || samples.pieces().enumerate().filter(|(nth, _)| is_judged(*nth)).map(|(_, piece)| piece);
        let now = Samples::compressed(judged(), self.current.as_deref());
        let then = Samples::compressed(judged(), Some(&dictionary));
        (then + then / 19 < now).then_some(dictionary)
    }
}

/// Dictionaries of segments, as far as they were needed; shared by the core and the lanes. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Known {
    by_segment: Arc<Mutex<HashMap<u32, Arc<Dictionary>>>>,
}

impl Known {
    pub fn get(&self, segment: u32) -> Option<Arc<Dictionary>> {
        self.by_segment.lock().unwrap_or_else(PoisonError::into_inner).get(&segment).cloned()
    }

    /// Keeps a Dictionary record for `segment`, if it has this id; one that is the same as another's is shared with it.
    pub fn learn(&self, segment: u32, id: NonZeroU32, record: &[u8]) -> Result<(), BadBytes> {
        let mut known = self.by_segment.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known.values().find(|dictionary| **dictionary.record() == *record).cloned();
        let dictionary = match same {
            Some(dictionary) => dictionary,
            None => Arc::new(Dictionary::decode(record)?),
        };
        if dictionary.id() != Some(id) {
            return Err(BadBytes);
        }
        known.insert(segment, dictionary);
        Ok(())
    }

    /// Where the dictionary of `segment` is looked for, in this order: there, and then in its neighbours.
    pub fn places(segment: u32) -> impl Iterator<Item = u32> {
        let near = (1..=limits::dictionary_neighbours_max)
            .flat_map(move |far| [segment.checked_sub(far), segment.checked_add(far)])
            .flatten()
            .filter(|number| *number > 0);
        std::iter::once(segment).chain(near)
    }
}

/// Collects samples while a dictionary is wanted.
pub(super) struct Sampler {
    /// Bytes that are enough; 0: none are wanted.
    enough: usize,
    /// Not before the log has this LSN.
    due: Lsn,
    samples: Samples,
    /// Somebody trains.
    busy: bool,
}

impl Sampler {
    pub fn new(enough: usize, current: Option<&Dictionary>) -> Sampler {
        let mut sampler = Sampler { enough, due: Lsn(0), samples: Samples::default(), busy: false };
        if let Some(dictionary) = current {
            sampler.rest(dictionary.trained());
        }
        sampler
    }

    /// No samples before the log is a multiple of what it was at `trained`.
    fn rest(&mut self, trained: Lsn) {
        self.due = Lsn(trained.0.saturating_mul(limits::dictionary_retrain_growth));
    }

    pub fn add(&mut self, next: Lsn, piece: &[u8]) {
        if self.enough > 0 && !self.busy && !self.is_complete() && next >= self.due {
            self.samples.add(piece);
        }
    }

    pub fn is_complete(&self) -> bool {
        self.enough > 0 && self.samples.len() >= self.enough
    }

    pub fn take(&mut self) -> Samples {
        self.busy = true;
        std::mem::take(&mut self.samples)
    }

    /// Training came to an end at this LSN, with a dictionary or without.
    pub fn done(&mut self, at: Lsn) {
        self.busy = false;
        self.rest(at);
    }
}
