//! Pieces that read messages from the log and scan them.
//!
//! What must hold: nothing is read that state or headers decide; a worker holds one batch; between messages whoever waits
//! for something quick goes first.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roaring::RoaringBitmap;
use trawl_index::account::AccountIndex;
use trawl_index::prepare::Prepared;
use trawl_index::query::Node;
use trawl_index::scan::{Compiled, Message, Stopped};
use trawl_store::log::Address;
use trawl_store::shard::{LaneMessage, LaneReader, ReadAt};

use super::{Candidate, SearchError, texts};
use crate::limits;

/// How much of a message to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    Header,
    Whole,
}

/// A message as it was read; `body` is empty when only the header was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Content {
    pub header: Vec<u8>,
    pub body: Vec<u8>,
    /// Texts of its documents, those that count.
    pub documents: Vec<String>,
}

/// Reads a batch for a lane: one answer for each place, in order; paths are relative to the store's root.
pub type ReadBatch<'a> = dyn FnMut(&[ReadAt]) -> Vec<io::Result<Vec<u8>>> + 'a;

/// Reads messages on the thread of a lane.
pub(super) trait ContentReader {
    /// One result for each address, in order.
    fn read(&mut self, wanted: &[Address], extent: Extent) -> Vec<Result<Content, String>>;
    /// The same for texts of documents.
    fn documents(&mut self, wanted: &[Address]) -> Vec<Result<Vec<String>, String>>;
}

/// The messages of a shard, read through what the lane offers.
pub(super) struct Stored<'a, 'b> {
    reader: &'a LaneReader,
    read: &'a mut ReadBatch<'b>,
}

impl<'a, 'b> Stored<'a, 'b> {
    pub fn new(reader: &'a LaneReader, read: &'a mut ReadBatch<'b>) -> Stored<'a, 'b> {
        Stored { reader, read }
    }
}

impl ContentReader for Stored<'_, '_> {
    fn read(&mut self, wanted: &[Address], extent: Extent) -> Vec<Result<Content, String>> {
        let messages =
            self.reader.read_messages(wanted, extent == Extent::Whole, &mut |places| (self.read)(places));
        messages
            .into_iter()
            .map(|message| match message {
                Ok(LaneMessage { header, body }) => Ok(Content { header, body, documents: Vec::new() }),
                Err(error) => Err(error.to_string()),
            })
            .collect()
    }

    fn documents(&mut self, wanted: &[Address]) -> Vec<Result<Vec<String>, String>> {
        let documents = self.reader.read_documents(wanted, &mut |places| (self.read)(places));
        documents.into_iter().map(|read| read.map(texts).map_err(|error| error.to_string())).collect()
    }
}

/// The messages of a search that are read, in batches.
pub(super) struct Batches {
    candidates: Vec<Candidate>,
    batches: Vec<Range<usize>>,
    /// Some key looks at headers alone: then those are read first and may decide.
    headers_first: bool,
    /// Where texts go that were read.
    keep: Option<Arc<AccountIndex>>,
}

impl Batches {
    pub fn new(node: &Node, candidates: Vec<Candidate>, keep: Option<Arc<AccountIndex>>) -> Batches {
        Batches { headers_first: has_header_key(node), batches: batches(&candidates), candidates, keep }
    }

    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Octets of memory.
    pub fn octets(&self) -> usize {
        self.candidates.len() * size_of::<Candidate>() + self.batches.len() * size_of::<Range<usize>>()
    }

    pub fn batch(&self, at: usize) -> Range<usize> {
        self.batches.get(at).cloned().unwrap_or_default()
    }

    pub fn candidates(&self, batch: Range<usize>) -> &[Candidate] {
        self.candidates.get(batch).unwrap_or_default()
    }

    pub fn run(
        &self,
        batch: Range<usize>,
        compiled: &Compiled,
        reader: &mut dyn ContentReader,
        cancel: &AtomicBool,
        others: &mut dyn FnMut(),
        found: &mut RoaringBitmap,
    ) -> Result<(), SearchError> {
        let stopped = |Stopped| SearchError::Cancelled;
        let mut open: Vec<Candidate> = Vec::with_capacity(batch.len());
        for candidate in self.candidates(batch) {
            match compiled.before_read(candidate.position) {
                Some(true) => _ = found.insert(candidate.position),
                Some(false) => {}
                None => open.push(*candidate),
            }
        }
        // Another search may have kept texts since this one was queued.
        if let Some(index) = &self.keep {
            let messages: Vec<u32> = open.iter().map(|candidate| candidate.message).collect();
            let mut unknown = Vec::new();
            for (candidate, texts) in open.into_iter().zip(index.tail().get_all(&messages)) {
                match texts {
                    Some(texts)
                        if texts.matches(candidate.position, compiled, cancel).map_err(stopped)? =>
                    {
                        found.insert(candidate.position);
                    }
                    Some(_) => {}
                    None => unknown.push(candidate),
                }
            }
            open = unknown;
        }
        // What is kept has to be whole.
        if self.keep.is_none() && (self.headers_first || !compiled.needs_body()) {
            let headers = read(reader, &open, Extent::Header, cancel)?;
            let mut undecided = Vec::new();
            for (candidate, content) in open.into_iter().zip(headers) {
                others();
                match compiled.before_body(candidate.position, &content.header, cancel).map_err(stopped)? {
                    Some(true) => _ = found.insert(candidate.position),
                    Some(false) => {}
                    None => undecided.push(candidate),
                }
            }
            open = undecided;
        }
        for (candidate, content) in open.iter().zip(read(reader, &open, Extent::Whole, cancel)?) {
            others();
            let Content { header, body, documents } = &content;
            let message = Message { header, body, documents };
            let matches = match &self.keep {
                None => compiled.matches(candidate.position, &message, cancel),
                Some(index) => keep(index, candidate, &message, compiled, cancel),
            };
            if matches.map_err(stopped)? {
                found.insert(candidate.position);
            }
        }
        Ok(())
    }
}

/// Searches a message and keeps its texts for the searches to come.
fn keep(
    index: &AccountIndex,
    candidate: &Candidate,
    message: &Message<'_>,
    compiled: &Compiled,
    cancel: &AtomicBool,
) -> Result<bool, Stopped> {
    let texts = Prepared::new(message, cancel)?;
    if !texts.is_vouched() {
        return compiled.matches(candidate.position, message, cancel);
    }
    let matches = texts.matches(candidate.position, compiled, cancel);
    index.tail().put(candidate.message, Arc::new(texts));
    matches
}

fn read(
    reader: &mut dyn ContentReader,
    candidates: &[Candidate],
    extent: Extent,
    cancel: &AtomicBool,
) -> Result<Vec<Content>, SearchError> {
    if cancel.load(Ordering::Relaxed) {
        return Err(SearchError::Cancelled);
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let addresses: Vec<Address> = candidates.iter().map(|candidate| candidate.address).collect();
    let mut contents: Vec<Content> = reader
        .read(&addresses, extent)
        .into_iter()
        .map(|read| read.map_err(SearchError::Read))
        .collect::<Result<_, _>>()?;
    if extent == Extent::Whole {
        let with_documents = || candidates.iter().zip(0..).filter_map(|(one, at)| Some((at, one.documents?)));
        let addresses: Vec<Address> = with_documents().map(|(_, address)| address).collect();
        let texts = if addresses.is_empty() { Vec::new() } else { reader.documents(&addresses) };
        for ((at, _), texts) in with_documents().zip(texts) {
            let at: usize = at;
            if let Some(content) = contents.get_mut(at) {
                content.documents = texts.map_err(SearchError::Read)?;
            }
        }
    }
    Ok(contents)
}

/// Cuts the candidates into batches of bounded number and bytes; a message larger than that has one
/// for itself.
pub(super) fn batches(candidates: &[Candidate]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0u64);
    for (at, candidate) in candidates.iter().enumerate() {
        let size = u64::from(candidate.size);
        let full = at - start >= limits::SEARCH_BATCH_MESSAGES_MAX;
        if at > start && (full || bytes + size > limits::SEARCH_BATCH_BYTES_MAX) {
            batches.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < candidates.len() {
        batches.push(start..candidates.len());
    }
    batches
}

fn has_header_key(node: &Node) -> bool {
    match node {
        Node::All | Node::None | Node::State(_) => false,
        Node::Text(key) => key.field.is_header_only(),
        Node::Not(node) => has_header_key(node),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(has_header_key),
    }
}
