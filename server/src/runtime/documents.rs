//! Threads that have documents read, and their way to the log: they ask the executor that owns an account what there is, read it themselves,
//! and hand what was read back to it.
//!
//! What must hold: executors wait for none of it; a thread that waits for a document ends soon when the server does.

use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use futures_lite::future::block_on;
use trawl_store::log::Address;
use trawl_store::shard::{DocumentsRecord, LaneMessage, LaneReader};
use trawl_store::state::account::Account;
use trawl_store::types::{EmailId, MessageNumber};

use super::executor::yield_if_needed;
use super::indexing::{ask_owner, live};
use super::lanes::LaneDisk;
use super::panics::guarded;
use super::state::{CoreState, Shared};
use super::{memory, os};
use crate::documents::backlog::Again;
use crate::documents::extractor;
use crate::documents::reading::{self, Message, Source, Window};
use crate::documents::service::Documents;
use crate::indexing::{IndexKey, Of};
use crate::lanes::search::AccountKey;
use crate::limits::{DOCUMENTS_LIVE_MESSAGES, DOCUMENTS_RETRY_MS, DOCUMENTS_STOP_MS};

/// The threads.
pub struct DocumentThreads {
    threads: Vec<std::thread::JoinHandle<()>>,
    /// Closed when every one has ended.
    ended: Receiver<()>,
}

/// Starts the threads, which end when [`Documents::end`] is called. The first finds out which accounts there are.
pub fn start(shared: &Arc<Shared>, documents: &Arc<Documents>) -> io::Result<DocumentThreads> {
    let mut threads = Vec::new();
    let (running, ended) = channel();
    for nth in 0..documents.config.workers.max(1) {
        let (shared, documents, running) = (Arc::clone(shared), Arc::clone(documents), running.clone());
        let thread = std::thread::Builder::new().name("documents".to_owned());
        threads.push(thread.spawn(move || {
            os::lower_background_priority();
            if nth == 0 {
                survey(&shared, &documents);
                documents.backlog.set_surveying(false);
            }
            work(&shared, &documents);
            drop(running);
        })?);
    }
    Ok(DocumentThreads { threads, ended })
}

impl DocumentThreads {
    /// Waits for the threads, which end soon; not for one that is stuck.
    pub fn join(self) {
        let ended = self.ended.recv_timeout(Duration::from_millis(DOCUMENTS_STOP_MS));
        if let Err(RecvTimeoutError::Timeout) = ended {
            tracing::warn!("a thread that reads documents does not end; what it does is not needed");
            return;
        }
        for thread in self.threads {
            // It has said what went wrong.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Arc<Shared>, documents: &Documents) {
    let Documents { config, figures, stop, .. } = documents;
    let mut extractor = extractor(config, Arc::clone(stop));
    let mut before = None;
    while let Some(key) = documents.backlog.next() {
        if before.replace(key).is_some_and(|before| before != key) {
            extractor.turn_to_another_account();
        }
        let mut source = LogSource::new(shared, key);
        let done = guarded(|| reading::step(&mut source, &mut *extractor, config, figures, stop));
        let again = match done {
            Ok(Ok(again)) => again,
            Ok(Err(error)) => {
                if !documents.stop.load(Ordering::Relaxed) {
                    tracing::warn!(shard = key.0.0, account = key.1.0, %error, "documents are read later");
                }
                Again::After(Duration::from_millis(DOCUMENTS_RETRY_MS))
            }
            // What breaks down again would do so for ever; more mail gives it another try.
            Err(_) => Again::Never,
        };
        documents.backlog.done(key, again);
        if documents.backlog.waiting().0 == 0 {
            memory::give_back();
        }
    }
}

/// Queues the accounts with messages that nobody has looked at.
fn survey(shared: &Arc<Shared>, documents: &Documents) {
    for core in 0..shared.mesh.cores() {
        let asked = shared.mesh.ask(core, |core: Rc<CoreState>| {
            Box::pin(async move {
                let mut accounts = Vec::new();
                for (id, shard) in core.core.shards() {
                    for account in shard.accounts() {
                        if shard.with_account(account, is_behind) == Some(true) {
                            accounts.push((id, account));
                        }
                    }
                    yield_if_needed().await;
                }
                accounts
            })
        });
        // The server stops.
        let Ok(accounts) = block_on(asked) else { return };
        accounts.into_iter().for_each(|key| documents.backlog.add(key));
    }
}

fn is_behind(account: &Account) -> bool {
    account.documents().seen() < account.next_message()
}

/// The messages of one account.
struct LogSource {
    shared: Arc<Shared>,
    key: AccountKey,
    reader: LaneReader,
    disk: LaneDisk,
}

impl LogSource {
    fn new(shared: &Arc<Shared>, key: AccountKey) -> LogSource {
        LogSource {
            reader: LaneReader::new(shared.meta.uuid, key.0),
            disk: LaneDisk::new(shared.store.clone()),
            shared: Arc::clone(shared),
            key,
        }
    }
}

impl Source for LogSource {
    fn next(&mut self, messages_max: usize) -> io::Result<Window> {
        let account = self.key.1;
        let window = ask_owner(&self.shared, self.key.0, move |shard| {
            Box::pin(async move {
                let (seen, next) =
                    shard.with_account(account, |a| (a.documents().seen(), a.next_message()))?;
                if seen >= next {
                    return Some(Window::default());
                }
                let upto = MessageNumber(next.0.min(seen.0.saturating_add(messages_max as u32)));
                let range = Some(seen..upto);
                let many = (next.0 - seen.0) as usize >= DOCUMENTS_LIVE_MESSAGES;
                let held = if many { Some(live(&shard, account, seen.0).await?.0) } else { None };
                let messages = shard.with_account(account, |account| {
                    let messages = account.messages_from(seen).take_while(|(number, _)| *number < upto);
                    let is_held =
                        |number: MessageNumber| held.as_ref().is_none_or(|held| held.contains(number.0));
                    let message =
                        |(number, facts): (MessageNumber, trawl_store::types::MessageFacts)| Message {
                            number,
                            email_id: EmailId::of(account.id(), number),
                            address: facts.address,
                        };
                    messages.filter(|(number, _)| is_held(*number)).map(message).collect()
                })?;
                Some(Window { messages, range, more: upto < next })
            })
        })?;
        Ok(window.unwrap_or_default())
    }

    fn summaries(&mut self, addresses: &[Address]) -> Vec<Result<(u16, Vec<u8>), String>> {
        let disk = &mut self.disk;
        let summaries = self.reader.read_summaries(addresses, &mut |places| disk.read(places));
        summaries.into_iter().map(|read| read.map_err(|error| error.to_string())).collect()
    }

    fn message(&mut self, address: Address) -> Result<LaneMessage, String> {
        let disk = &mut self.disk;
        let mut read = self.reader.read_messages(&[address], true, &mut |places| disk.read(places));
        let read = read.pop().ok_or_else(|| "it was not read".to_owned())?;
        read.map_err(|error| error.to_string())
    }

    fn add(
        &mut self,
        found: Vec<(MessageNumber, DocumentsRecord)>,
        looked: Range<MessageNumber>,
    ) -> io::Result<()> {
        let account = self.key.1;
        let numbers: Vec<MessageNumber> = found.iter().map(|(number, _)| *number).collect();
        let added = ask_owner(&self.shared, self.key.0, move |shard| {
            Box::pin(async move {
                let added = shard.add_documents(account, found, looked).await;
                let sizes = shard.with_account(account, |account| {
                    let size =
                        |number: &MessageNumber| account.facts(*number).map(|facts| u64::from(facts.size));
                    numbers.iter().filter_map(size).collect::<Vec<u64>>()
                });
                Some(added.map(|()| sizes.unwrap_or_default()))
            })
        })?;
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the shard is not there");
        let sizes = added.ok_or_else(gone)?.map_err(io::Error::other)?;
        if let Some((indexing, _)) = &self.shared.indexing
            && !sizes.is_empty()
        {
            let key = IndexKey { shard: self.key.0, account, of: Of::Documented };
            indexing.arrived(key, sizes.len() as u32, sizes.iter().sum());
        }
        Ok(())
    }
}
