//! The simulated twin of the lanes: the same work, done on the executor, reading through the disk of the store.
//!
//! For tests and the simulated world; the server's lanes are threads (`runtime`).

use std::sync::Arc;

use trawl_index::account::AccountIndex;
use trawl_store::LocalBoxFuture;
use trawl_store::shard::Shard;

use super::analyse::analyse;
use super::arrange::{ArrangeJob, Arranged};
use super::{Found, SearchError, SearchJob, Timed};
use crate::core::{AccountRef, Lanes};
use crate::indexing::Of;

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
    fn search(&self, job: SearchJob) -> LocalBoxFuture<'_, Result<Found, SearchError>> {
        Box::pin(async move { job.run_inline(&self.shard).await })
    }
    fn arrange(&self, job: ArrangeJob) -> LocalBoxFuture<'_, Result<Timed<Arranged>, SearchError>> {
        Box::pin(async move { job.run().map(Timed::at_once) })
    }
    fn index<'a>(&'a self, _: &'a AccountRef, _: Of) -> LocalBoxFuture<'a, Option<Arc<AccountIndex>>> {
        Box::pin(async { None })
    }

    fn analyse(&self, message: Vec<u8>) -> LocalBoxFuture<'_, Vec<u8>> {
        Box::pin(async move { analyse(&message) })
    }
}
