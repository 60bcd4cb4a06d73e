//! The simulated twin of the lanes: the same work, done on the executor, reading through the disk of the store.
//!
//! For tests and the simulated world; the server's lanes are threads (`runtime`).

use roaring::RoaringBitmap;
use trawl_store::LocalBoxFuture;
use trawl_store::shard::Shard;

use super::analyse::analyse;
use super::{SearchError, SearchJob};
use crate::core::Lanes;

/// Lanes of one shard.
#[derive(Clone)]
pub struct InlineLanes {
    shard: Shard,
}

impl InlineLanes {
    pub fn new(shard: Shard) -> InlineLanes {
        InlineLanes { shard }
    }
}

impl Lanes for InlineLanes {
    fn search(&self, job: SearchJob) -> LocalBoxFuture<'_, Result<RoaringBitmap, SearchError>> {
        Box::pin(async move { job.run_inline(&self.shard).await })
    }

    fn analyse(&self, message: Vec<u8>) -> LocalBoxFuture<'_, Vec<u8>> {
        Box::pin(async move { analyse(&message) })
    }
}
