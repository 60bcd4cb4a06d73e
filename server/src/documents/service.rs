//! What the threads that read documents share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::backlog::Backlog;
use super::reading::Figures;
use crate::config::DocumentsConfig;

/// See the module.
pub struct Documents {
    pub config: DocumentsConfig,
    pub backlog: Backlog,
    pub figures: Figures,
    /// What is being done ends soon once this is set.
    pub stop: Arc<AtomicBool>,
}

impl Documents {
    pub fn new(config: DocumentsConfig) -> Documents {
        let backlog = Backlog::default();
        backlog.set_surveying(true);
        Documents { config, backlog, figures: Figures::default(), stop: Arc::default() }
    }

    /// Ends what is being done, soon.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.backlog.stop();
    }
}
