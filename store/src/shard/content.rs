//! Writing message content: header and body apart, in chunks that can be read one by one.

use super::message::Extent;
use super::{ChangeError, Shard};
use crate::error::CommitError;
use crate::limits;
use crate::log::{Generation, RecordType};

/// Content that was written and is not referred to yet. Good until the log rolls back (then appending it fails with
/// `Full`); without an append it is garbage that nobody sees.
#[derive(Clone, Debug)]
pub struct StoredContent {
    pub(super) generation: Generation,
    pub(super) header: Vec<Extent>,
    pub(super) body: Vec<Extent>,
    size: u32,
    header_len: u32,
}

impl StoredContent {
    /// Octets of the message.
    pub fn size(&self) -> u32 {
        self.size
    }
    /// Octets up to and including the first empty line: all when there is none, at most
    /// `limits::header_bytes_max`.
    pub fn header_len(&self) -> u32 {
        self.header_len
    }
}

/// Takes a message's bytes as they come. Memory does not depend on the message's size.
pub struct ContentWriter {
    shard: Shard,
    generation: Generation,
    /// Bytes that are not in a chunk yet, all of the header or all of the body.
    pending: Vec<u8>,
    split: Split,
    header: Vec<Extent>,
    body: Vec<Extent>,
    len: u64,
    header_len: u64,
}

/// Where the writer is in the message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Split {
    /// In the header, on a line with nothing but a CR so far (`cr`) or nothing at all.
    LineStart {
        cr: bool,
    },
    /// In the header, within a line.
    InLine,
    Body,
}

impl ContentWriter {
    /// Adds bytes. Waits while the log has much to write.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ChangeError> {
        self.len += bytes.len() as u64;
        if self.len > limits::message_bytes_max {
            return Err(ChangeError::OverLimit("bytes of a message"));
        }
        let mut rest = bytes;
        if self.split != Split::Body {
            let (header, body) = rest.split_at(self.header_part(rest));
            self.header_len += header.len() as u64;
            self.fill(header, true).await?;
            if self.split == Split::Body {
                self.flush(true).await?;
            }
            rest = body;
        }
        self.fill(rest, false).await
    }

    /// How many of `bytes` belong to the header; moves to the body behind the first empty line or at the limit.
    fn header_part(&mut self, bytes: &[u8]) -> usize {
        let room = limits::header_bytes_max - self.header_len as usize;
        for (at, byte) in bytes.iter().enumerate() {
            if at == room {
                self.split = Split::Body;
                return at;
            }
            self.split = match (self.split, byte) {
                (Split::LineStart { .. }, b'\n') => {
                    self.split = Split::Body;
                    return at + 1;
                }
                (_, b'\n') => Split::LineStart { cr: false },
                (Split::LineStart { cr: false }, b'\r') => Split::LineStart { cr: true },
                _ => Split::InLine,
            };
        }
        bytes.len()
    }

    async fn fill(&mut self, mut bytes: &[u8], in_header: bool) -> Result<(), ChangeError> {
        while !bytes.is_empty() {
            let room = limits::chunk_raw_bytes_max - self.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == limits::chunk_raw_bytes_max {
                self.flush(in_header).await?;
            }
        }
        Ok(())
    }

    /// Writes what is pending as a chunk.
    async fn flush(&mut self, in_header: bool) -> Result<(), ChangeError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let inner = &self.shard.inner;
        inner.log.pressure().await?;
        if inner.log.generation() != self.generation {
            return Err(CommitError::Full.into());
        }
        let first = if in_header { self.header.is_empty() } else { self.body.is_empty() };
        if first {
            self.shard.sample(&self.pending);
        }
        let payload = self.shard.squeeze(&self.pending);
        let (_, address) = inner.log.put(RecordType::Chunk, &payload)?;
        let extent = Extent { address, stored_len: payload.len() as u32, raw_len: self.pending.len() as u32 };
        self.pending.clear();
        if in_header {
            self.header.push(extent)
        } else {
            self.body.push(extent)
        }
        // Compressing a chunk takes most of a millisecond; others have their turn between two.
        if extent.raw_len as usize == limits::chunk_raw_bytes_max {
            futures_lite::future::yield_now().await;
        }
        Ok(())
    }

    /// Octets so far.
    pub fn len(&self) -> u64 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub async fn finish(mut self) -> Result<StoredContent, ChangeError> {
        let in_header = self.split != Split::Body;
        self.flush(in_header).await?;
        Ok(StoredContent {
            generation: self.generation,
            header: self.header,
            body: self.body,
            size: self.len as u32,
            header_len: self.header_len as u32,
        })
    }
}

impl Shard {
    pub fn content_writer(&self) -> ContentWriter {
        ContentWriter {
            shard: self.clone(),
            generation: self.inner.log.generation(),
            pending: Vec::new(),
            split: Split::LineStart { cr: false },
            header: Vec::new(),
            body: Vec::new(),
            len: 0,
            header_len: 0,
        }
    }
}
