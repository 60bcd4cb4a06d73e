//! The segments that may be searched at one moment, and which messages they answer for. Immutable.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use roaring::RoaringBitmap;

use super::Reason;
use super::files::Folder;
use super::manifest::{Entry, Manifest};
use crate::limits::INDEX_END_BYTES;
use crate::segment::{Segment, Verify};

/// See the module. The default one is empty: everything is for the scan.
#[derive(Default)]
pub struct Snapshot {
    /// In the order of their messages, which do not overlap.
    segments: Vec<Arc<Segment>>,
    /// What the manifest says of each.
    entries: Vec<Entry>,
    covered: RoaringBitmap,
    next: u32,
}

impl Snapshot {
    /// In the order of their messages; no message is in two of them.
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The messages that the segments answer for; the scan answers for all others.
    pub fn covered(&self) -> &RoaringBitmap {
        &self.covered
    }

    /// Messages from here on are the tail.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Bytes of memory, mappings aside.
    pub fn memory(&self) -> usize {
        let segments: usize = self.segments.iter().map(|segment| segment.memory()).sum();
        segments + self.covered.serialized_size()
    }

    /// What [`Work::Merge`](super::work::Work::Merge) names the segments by.
    pub fn serials(&self) -> Vec<u32> {
        self.entries.iter().map(|entry| entry.serial).collect()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn count_dead(&self, live: &RoaringBitmap) -> Vec<u32> {
        let dead = |segment: &Arc<Segment>| {
            segment.messages().filter(|message| !live.contains(*message)).count() as u32
        };
        self.segments.iter().map(dead).collect()
    }

    /// One of these segments, which are those of the manifest.
    pub(super) fn new(manifest: &Manifest, segments: Vec<Arc<Segment>>) -> Result<Snapshot, OpenError> {
        let mut covered = RoaringBitmap::new();
        let mut from = 0;
        for segment in &segments {
            for (doc, message) in (0u32..).zip(segment.messages()) {
                if message < from || message >= manifest.next {
                    return Err(OpenError::damaged("segments overlap"));
                }
                from = message + 1;
                if !segment.unvouched().contains(doc) {
                    covered.insert(message);
                }
            }
        }
        covered.optimize();
        Ok(Snapshot { segments, entries: manifest.segments.clone(), covered, next: manifest.next })
    }
}

/// Why a segment or a snapshot could not be opened.
#[derive(Debug)]
pub(super) enum OpenError {
    Damaged(Reason),
    /// The system's fault, not that of the bytes.
    Io(io::Error),
}

impl OpenError {
    pub fn damaged(what: impl Into<String>) -> OpenError {
        OpenError::Damaged(Reason::Damaged(what.into()))
    }

    /// The reason to discard the index; or the error that says nothing about it.
    pub fn reason(self) -> io::Result<Reason> {
        match self {
            OpenError::Damaged(reason) => Ok(reason),
            OpenError::Io(error) => Err(error),
        }
    }
}

/// All segments of a manifest.
pub(super) fn open(folder: &Folder, manifest: &Manifest) -> Result<Snapshot, OpenError> {
    let segments: Result<Vec<Arc<Segment>>, OpenError> =
        manifest.segments.iter().map(|entry| open_segment(folder, entry)).collect();
    Snapshot::new(manifest, segments?)
}

/// Maps a file and checks that it is the one the manifest means.
fn open_segment(folder: &Folder, entry: &Entry) -> Result<Arc<Segment>, OpenError> {
    let name = entry.file_name();
    let (bytes, mapped) = folder.map(&name, entry.len).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::damaged(format!("{name} is missing")),
        io::ErrorKind::InvalidData => OpenError::damaged(format!("{name} has another length")),
        _ => OpenError::Io(error),
    })?;
    if ends_crc(&bytes) != entry.ends_crc {
        return Err(OpenError::damaged(format!("{name} is another file")));
    }
    let segment = Segment::open_mapped(bytes, Verify::Shape, mapped)
        .map_err(|damage| OpenError::damaged(format!("{name}: {damage}")))?;
    if segment.docs() != entry.docs {
        return Err(OpenError::damaged(format!("{name} has another number of messages")));
    }
    Ok(Arc::new(segment))
}

/// Writes a segment file and opens it as any other. `None`: the flag was raised first.
pub(super) fn write_segment(
    folder: &Folder,
    serial: u32,
    content: &Content,
    stop: &AtomicBool,
) -> Result<Option<(Entry, Arc<Segment>)>, OpenError> {
    let Content { bytes, docs, text } = content;
    let entry = Entry {
        serial,
        len: bytes.len() as u64,
        crc: crc32fast::hash(bytes),
        ends_crc: ends_crc(bytes),
        docs: *docs,
        text: *text,
    };
    let name = entry.file_name();
    if !folder.write(&name, bytes, stop).map_err(OpenError::Io)? {
        return Ok(None);
    }
    let opened = open_segment(folder, &entry);
    if opened.is_err() {
        let _ = folder.remove(&name);
    }
    Ok(Some((entry, opened?)))
}

/// A segment that was made.
pub(super) struct Content {
    pub bytes: Vec<u8>,
    pub docs: u32,
    /// Bytes of normalised text.
    pub text: u64,
}

/// See [`Entry::ends_crc`].
fn ends_crc(bytes: &[u8]) -> u32 {
    let len = bytes.len().min(INDEX_END_BYTES);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[..len]);
    sum.update(&bytes[bytes.len() - len..]);
    sum.finalize()
}
