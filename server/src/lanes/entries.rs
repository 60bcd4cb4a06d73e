//! What SORT and THREAD compare, read on a lane: what was saved beside the index, or summaries from the log; and saving it.
//!
//! Not here: which of it is needed, and where it is kept (`command/arrange/entries.rs`). A piece takes some milliseconds.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use trawl_index::account::AccountIndex;
use trawl_index::arrange::{PAGE_MESSAGES, Page};
use trawl_index::summary::{self, SummaryKeys};
use trawl_store::log::Address;
use trawl_store::shard::LaneReader;

use super::search::{ReadBatch, SearchError};
use crate::limits::ARRANGE_BATCH_MESSAGES;

/// Pages by their numbers.
pub type Read = Vec<(u32, Page)>;

/// Where entries come from.
pub enum EntriesJob {
    /// A group of pages that was saved.
    Saved { index: Arc<AccountIndex>, group: u32 },
    /// Summaries of messages in the log; those that cannot be read, or are of another version, are left out.
    Log {
        reader: LaneReader,
        wanted: Vec<(u32, Address)>,
        /// Raised when the caller is gone.
        cancel: Arc<AtomicBool>,
    },
}

impl EntriesJob {
    pub fn run(&self, read: &mut ReadBatch<'_>) -> Result<Read, SearchError> {
        let (reader, wanted, cancel) = match self {
            EntriesJob::Saved { index, group } => return Ok(index.saved(*group)),
            EntriesJob::Log { reader, wanted, cancel } => (reader, wanted, cancel),
        };
        let mut pages: BTreeMap<u32, Page> = BTreeMap::new();
        for batch in wanted.chunks(ARRANGE_BATCH_MESSAGES) {
            if cancel.load(Ordering::Relaxed) {
                return Err(SearchError::Cancelled);
            }
            let addresses: Vec<Address> = batch.iter().map(|(_, address)| *address).collect();
            let summaries = reader.read_summaries(&addresses, read);
            for ((message, _), stored) in batch.iter().zip(summaries) {
                let Ok((summary::VERSION, octets)) = stored else { continue };
                let Ok(keys) = SummaryKeys::new(&octets) else { continue };
                pages.entry(message / PAGE_MESSAGES).or_default().insert(*message, &keys);
            }
        }
        Ok(pages.into_iter().collect())
    }
}

/// Pages of a group that are to be saved.
pub struct SaveJob {
    pub index: Arc<AccountIndex>,
    pub group: u32,
    pub pages: Vec<(u32, Arc<Page>)>,
}

impl SaveJob {
    pub fn run(&self, stop: &AtomicBool) -> io::Result<()> {
        self.index.save(self.group, &self.pages, stop).map(|_| ())
    }
}
