//! Searches for tests that care only how they are worked off.

use std::sync::{Arc, LazyLock};

use trawl_index::prepare::Prepared;
use trawl_index::query::{Field, Node, TextKey};
use trawl_store::log::Address;
use trawl_store::shard::LaneReader;
use trawl_store::types::{AccountId, ShardId};

use super::{AccountKey, Candidate, Order, SearchJob};
use crate::limits::SEARCH_BATCH_BYTES_MAX;

impl Candidate {
    /// Some message at a position.
    pub fn at(position: u32) -> Candidate {
        let address = Address { segment: 1, offset: position };
        Candidate { position, message: position, size: 1, address, documents: None }
    }
}

/// For nothing, in nothing.
pub fn order() -> Order {
    Order {
        account: (ShardId(0), AccountId(0)),
        node: Node::All,
        reader: LaneReader::new([0; 16], ShardId(0)),
        indexed: None,
        prepared: Vec::new(),
        scan: Vec::new(),
        keep: None,
        cancel: Arc::default(),
    }
}

/// A search that reads so many batches of one message each.
pub fn reading_job(account: AccountKey, batches: u32) -> SearchJob {
    let node = Node::Text(TextKey { field: Field::Body, needle: "x".to_owned() });
    let size = SEARCH_BATCH_BYTES_MAX as u32;
    let scan = (0..batches).map(|at| Candidate { size, ..Candidate::at(at) }).collect();
    SearchJob::new(Order { account, node, scan, ..order() })
}

/// What memory keeps.
static TEXTS: LazyLock<Arc<Prepared>> = LazyLock::new(Arc::default);

/// A search over so many texts in memory.
pub fn prepared_job(account: AccountKey, messages: u32) -> SearchJob {
    let prepared = (0..messages).map(|at| (at, Arc::clone(&TEXTS))).collect();
    SearchJob::new(Order { account, prepared, ..order() })
}

/// A search in nothing for a needle of so many octets.
pub fn long_job(account: AccountKey, octets: usize) -> SearchJob {
    let node = Node::Text(TextKey { field: Field::Body, needle: "x".repeat(octets) });
    let prepared = vec![(0, Arc::clone(&TEXTS))];
    SearchJob::new(Order { account, node, prepared, ..order() })
}
