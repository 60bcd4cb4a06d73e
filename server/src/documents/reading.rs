//! What is done for an account whose messages may have documents: looking for them, having them read, writing down what was read.
//!
//! Not here: threads and the way to the log (the runtime), how a document is read (`worker`, `tika`). What must hold: messages are looked at in the
//! order of their numbers, each once, whatever comes of it; what was read is durable before anybody can find it; what can be read later is not given up;
//! memory is bounded by one message and by what is written down at once.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use trawl_index::document::Kind;
use trawl_index::extract::documents::{self, Attached};
use trawl_index::summary::{self, Summary};
use trawl_store::limits::documents_bytes_max;
use trawl_store::log::Address;
use trawl_store::shard::{Document, DocumentsRecord, LaneMessage};
use trawl_store::types::{EmailId, MessageNumber};

use super::backlog::Again;
use super::{Extractor, Outcome, Reason, kind};
use crate::config::DocumentsConfig;
use crate::limits::{
    DOCUMENTS_COMMIT_MESSAGES, DOCUMENTS_READ_MESSAGES, DOCUMENTS_RETRY_MS, DOCUMENTS_WINDOW_MESSAGES,
};
use crate::runtime::panics::guarded;

/// A message to be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    pub number: MessageNumber,
    pub email_id: EmailId,
    pub address: Address,
}

/// The next messages of an account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// Ascending.
    pub messages: Vec<Message>,
    /// Of these each one is among them or in no mailbox; all below were looked at before. `None`: there is nothing to be looked at.
    pub range: Option<Range<MessageNumber>>,
    /// There are more.
    pub more: bool,
}

/// What the log says of one account. Errors of whole calls end the step.
pub trait Source {
    /// The next messages to be looked at.
    fn next(&mut self, messages_max: usize) -> io::Result<Window>;
    /// Summaries with their versions, one answer each, in order.
    fn summaries(&mut self, addresses: &[Address]) -> Vec<Result<(u16, Vec<u8>), String>>;
    fn message(&mut self, address: Address) -> Result<LaneMessage, String>;
    /// Makes it durable, unless what is below `looked` has been forgotten meanwhile: then all is looked at again. `Err`: it is tried again after
    /// a while.
    fn add(
        &mut self,
        found: Vec<(MessageNumber, DocumentsRecord)>,
        looked: Range<MessageNumber>,
    ) -> io::Result<()>;
}

/// What was done since the start.
#[derive(Default)]
pub struct Figures {
    /// Documents whose text was read.
    pub read: AtomicU64,
    /// Octets of that.
    pub text_bytes: AtomicU64,
    /// Documents that cannot be read.
    pub failed: AtomicU64,
}

/// [`Document::outcome`] of one that was read; else the code of a [`Reason`].
const READ: u8 = 0;

/// Looks at the next messages of an account.
pub fn step(
    source: &mut dyn Source,
    extractor: &mut dyn Extractor,
    config: &DocumentsConfig,
    figures: &Figures,
    stop: &AtomicBool,
) -> io::Result<Again> {
    let Window { messages, range: Some(range), more } = source.next(DOCUMENTS_WINDOW_MESSAGES)? else {
        return Ok(Again::Never);
    };
    let from = range.start;
    let mut step = Step { source, extractor, config, figures, stop, from, found: Vec::new(), bytes: 0 };
    for messages in messages.chunks(DOCUMENTS_READ_MESSAGES) {
        let addresses: Vec<Address> = messages.iter().map(|message| message.address).collect();
        let summaries = step.source.summaries(&addresses);
        let possible = messages.iter().zip(summaries).filter(|(_, summary)| are_possible(summary));
        for (message, _) in possible {
            if stop.load(Ordering::Relaxed) || !step.look_at(message) {
                // What came before it is written down; it is looked at again.
                step.write(message.number)?;
                return Ok(Again::After(Duration::from_millis(DOCUMENTS_RETRY_MS)));
            }
            if step.found.len() >= DOCUMENTS_COMMIT_MESSAGES || step.bytes >= documents_bytes_max {
                step.write(MessageNumber(message.number.0.saturating_add(1)))?;
            }
        }
    }
    step.write(range.end)?;
    Ok(if more { Again::Now } else { Again::Never })
}

/// Whether a message with this summary can have documents; when in doubt, it can.
fn are_possible(stored: &Result<(u16, Vec<u8>), String>) -> bool {
    match stored {
        Ok((summary::VERSION, bytes)) => {
            Summary::decode(bytes).map_or(true, |summary| documents::are_possible(&summary.body_structure))
        }
        _ => true,
    }
}

struct Step<'a> {
    source: &'a mut dyn Source,
    extractor: &'a mut dyn Extractor,
    config: &'a DocumentsConfig,
    figures: &'a Figures,
    stop: &'a AtomicBool,
    /// Messages below were looked at, which is written down.
    from: MessageNumber,
    found: Vec<(MessageNumber, DocumentsRecord)>,
    bytes: usize,
}

impl Step<'_> {
    /// Has the documents of a message read; `false`: it has to be looked at again.
    fn look_at(&mut self, message: &Message) -> bool {
        let content = match self.source.message(message.address) {
            Ok(content) => content,
            Err(error) => {
                tracing::warn!(message = message.number.0, error, "its documents are not read");
                return true;
            }
        };
        let Step { extractor, config, figures, stop, .. } = self;
        let bytes_max = config.bounds().size;
        let wants = |media: &str, file: Option<&str>| Some((kind(config, media, file)?, media.to_owned()));
        let (mut documents, mut text, mut unavailable) = (Vec::new(), 0, false);
        let mut each = |attached: Attached<(Kind, String)>| {
            let Some(document) = read(&mut **extractor, attached, figures) else {
                unavailable = true;
                return ControlFlow::Break(());
            };
            text += document.text.len();
            documents.push(document);
            // Of more the log would keep nothing.
            if text > documents_bytes_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let walked = guarded(|| {
            let content = (&content.header[..], &content.body[..]);
            let _ = documents::each(content, &wants, bytes_max, stop, &mut each);
        });
        if walked.is_err() {
            tracing::error!(message = message.number.0, "looking for its documents broke down");
        }
        if unavailable || stop.load(Ordering::Relaxed) {
            return false;
        }
        if text > 0 {
            self.bytes += text;
            self.found.push((message.number, DocumentsRecord::new(message.email_id, &documents)));
        }
        true
    }

    /// Writes down what was found, and that all messages below were looked at.
    fn write(&mut self, upto: MessageNumber) -> io::Result<()> {
        self.bytes = 0;
        let looked = std::mem::replace(&mut self.from, upto)..upto;
        self.source.add(std::mem::take(&mut self.found), looked)
    }
}

/// A document as it is kept; `None`: it is to be tried again.
fn read(
    extractor: &mut dyn Extractor,
    attached: Attached<(Kind, String)>,
    figures: &Figures,
) -> Option<Document> {
    let Attached { part, kind: (kind, media_type), charset, content } = attached;
    let outcome = match &content {
        Some(content) => {
            let charset = charset.as_deref();
            extractor.extract(&super::Document { kind, media_type: &media_type, charset, content })
        }
        None => Outcome::Failed(Reason::TooLarge),
    };
    let document = Document { part, kind: kind.code(), ..Document::default() };
    match outcome {
        Outcome::Text { text, cut } => {
            figures.read.fetch_add(1, Ordering::Relaxed);
            figures.text_bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
            Some(Document { text, cut, outcome: READ, ..document })
        }
        Outcome::Failed(reason) if !reason.is_final() => None,
        Outcome::Failed(reason) => {
            figures.failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(part = document.part, ?kind, ?reason, "a document is not read");
            Some(Document { outcome: reason.code(), ..document })
        }
    }
}

#[cfg(test)]
mod tests;
