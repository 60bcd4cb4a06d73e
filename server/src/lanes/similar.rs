//! Words that are spelled like those of a FUZZY key, looked up in the index of an account on a lane.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use trawl_index::account::Snapshot;
use trawl_index::search::{Halt, similar};

use super::SearchError;
use crate::limits::FUZZY_SIMILAR_WORDS_MAX;

/// See the module.
pub struct SimilarJob {
    pub snapshot: Arc<Snapshot>,
    /// Normalised.
    pub words: Vec<String>,
    /// Raised when the caller is gone.
    pub cancel: Arc<AtomicBool>,
}

impl SimilarJob {
    /// For each word the others; takes some milliseconds for each segment and word.
    pub fn run(&self) -> Result<Vec<Vec<String>>, SearchError> {
        let found = similar(self.snapshot.segments(), &self.words, FUZZY_SIMILAR_WORDS_MAX, &self.cancel);
        found.map_err(|halt| match halt {
            Halt::Stopped => SearchError::Cancelled,
            Halt::Damaged(_) => SearchError::Failed,
        })
    }
}
