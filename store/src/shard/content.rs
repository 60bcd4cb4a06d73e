//! Writing message content: header and body apart, in chunks that can be read one by one.

use super::{ChangeError, Shard};
use crate::log::{Address, Generation};

/// One chunk of content: where its record is, bytes of the record's payload, bytes of content in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    pub address: Address,
    pub stored_len: u32,
    pub raw_len: u32,
}

/// Content that was written and is not referred to yet. Good until the log rolls back (then appending it fails with
/// `Full`); without an append it is garbage that nobody sees.
#[derive(Clone, Debug)]
pub struct StoredContent {
    pub(crate) generation: Generation,
    pub(crate) header: Vec<Extent>,
    pub(crate) body: Vec<Extent>,
    size: u32,
    header_len: u32,
}

impl StoredContent {
    /// Octets of the message.
    pub fn size(&self) -> u32 {
        self.size
    }
    /// Octets up to and including the first empty line (all when there is none).
    pub fn header_len(&self) -> u32 {
        self.header_len
    }
}

/// Takes a message's bytes as they come. Memory does not depend on the message's size.
pub struct ContentWriter {
    #[allow(dead_code)]
    shard: Shard,
}

#[allow(unused_variables)]
impl ContentWriter {
    /// Adds bytes. Waits while the log has much to write.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ChangeError> {
        unreachable!()
    }
    /// Octets so far.
    pub fn len(&self) -> u64 {
        unreachable!()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub async fn finish(self) -> Result<StoredContent, ChangeError> {
        unreachable!()
    }
}

impl Shard {
    pub fn content_writer(&self) -> ContentWriter {
        ContentWriter { shard: self.clone() }
    }
}
