//! Threads for the search indexes, and how they reach the log: they ask the executor that owns an account what there is, and
//! read it themselves.
//!
//! What must hold: an executor that is asked answers in windows; an index lane waits for executors, never the other way
//! round, except for the first search of an account, which waits until a thread of its own has opened its index.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use futures_lite::future::block_on;
use roaring::RoaringBitmap;
use trawl_index::account::work::{Batch, Content, Source, Wanted};
use trawl_index::account::{AccountIndex, Fingerprint, Known};
use trawl_index::limits::{INDEX_BUILD_BYTES, INDEX_BUILD_MESSAGES};
use trawl_store::LocalBoxFuture;
use trawl_store::log::Address;
use trawl_store::shard::{LaneMessage, LaneReader, Shard};
use trawl_store::state::account::Account;
use trawl_store::types::{AccountId, MessageFacts, MessageNumber, ShardId};

use super::executor::yield_if_needed;
use super::lanes::LaneDisk;
use super::pool::{Pool, PoolThreads};
use super::state::{CoreState, Shared};
use super::{memory, os};
use crate::indexing::{AccountSource, IndexKey, Indexing, Of};
use crate::lanes::search as lanes;
use crate::limits::{INDEX_OPEN_QUEUE_MAX, INDEX_STOP_MS, INDEX_WINDOW_MESSAGES};

/// The threads; joined at the end.
pub struct IndexThreads {
    lanes: Vec<std::thread::JoinHandle<()>>,
    /// Closed when every lane has ended.
    ended: Receiver<()>,
    opening: PoolThreads,
}

/// Where searches have indexes opened.
pub type Opener = Pool;

/// Makes the pool that opens indexes for searches.
pub fn opener() -> io::Result<(Opener, PoolThreads)> {
    Pool::start("index-open", 1, INDEX_OPEN_QUEUE_MAX)
}

/// Starts `lanes` indexing lanes, which end when [`Indexing::end`] is called.
pub fn start(
    shared: &Arc<Shared>,
    indexing: &Arc<Indexing>,
    lanes: usize,
    opening: PoolThreads,
) -> io::Result<IndexThreads> {
    let mut threads = Vec::new();
    let (running, ended) = channel();
    for _ in 0..lanes.max(1) {
        let (shared, indexing, running) = (Arc::clone(shared), Arc::clone(indexing), running.clone());
        let lane = std::thread::Builder::new().name("index".to_owned());
        threads.push(lane.spawn(move || {
            index_lane(&shared, &indexing);
            drop(running);
        })?);
    }
    Ok(IndexThreads { lanes: threads, ended, opening })
}

impl IndexThreads {
    /// Waits for the threads. A lane in the middle of what cannot be interrupted is left behind: it holds nothing but files that
    /// nobody looks at before they are complete, and ends with the process.
    pub fn join(self) {
        match self.ended.recv_timeout(Duration::from_millis(INDEX_STOP_MS)) {
            Err(RecvTimeoutError::Timeout) => tracing::debug!("an indexing lane is left behind"),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                for lane in self.lanes {
                    let _ = lane.join();
                }
            }
        }
        self.opening.join();
    }
}

fn index_lane(shared: &Arc<Shared>, indexing: &Indexing) {
    os::lower_background_priority();
    while let Some(task) = indexing.backlog.next() {
        let mut sources = |key| LogSource::new(shared, key);
        let mut accounts = || all_accounts(shared);
        let again = indexing.perform(task, &mut sources, &mut accounts);
        indexing.backlog.done(task, again);
        // Builds and merges take a hundred megabytes, which the allocator keeps for this thread.
        if indexing.backlog.waiting().0 == 0 {
            memory::give_back();
        }
    }
}

/// The index of an account for a search; opened by a thread of its own if need be. `None`: there is none at the moment.
pub async fn for_search(shared: &Arc<Shared>, key: IndexKey) -> Option<Arc<AccountIndex>> {
    let (indexing, opener) = shared.indexing.as_ref()?;
    if let Some(index) = indexing.opened(key) {
        return Some(index);
    }
    let (there, for_open) = (Arc::clone(shared), Arc::clone(indexing));
    let opened = opener.run(move |_| for_open.open(key, &mut LogSource::new(&there, key))).await;
    match opened {
        Ok(Ok(index)) => Some(index),
        Ok(Err(error)) => {
            tracing::warn!(shard = key.shard.0, account = key.account.0, %error, "a search index cannot be opened");
            None
        }
        Err(error) => {
            tracing::debug!(%error, "a search index is not opened");
            None
        }
    }
}

/// All accounts, with the numbers of their next messages.
fn all_accounts(shared: &Arc<Shared>) -> io::Result<Vec<(IndexKey, u32)>> {
    let mut all = Vec::new();
    for core in 0..shared.mesh.cores() {
        let asked = shared.mesh.ask(core, |core: Rc<CoreState>| {
            Box::pin(async move {
                let mut accounts = Vec::new();
                for (id, shard) in core.core.shards() {
                    for account in shard.accounts() {
                        let next = shard.with_account(account, |account| {
                            (account.next_message().0, account.documents().next_serial())
                        });
                        if let Some((next, next_serial)) = next {
                            let [mail, documented] = IndexKey::all((id, account));
                            accounts.push((mail, next));
                            accounts.extend((next_serial > 0).then_some((documented, next_serial)));
                        }
                    }
                    yield_if_needed().await;
                }
                accounts
            })
        });
        all.extend(block_on(asked).map_err(io::Error::other)?);
    }
    Ok(all)
}

/// The messages of one account, for an indexing lane.
pub struct LogSource {
    shared: Arc<Shared>,
    key: IndexKey,
    reader: LaneReader,
    disk: LaneDisk,
}

impl LogSource {
    pub fn new(shared: &Arc<Shared>, key: IndexKey) -> LogSource {
        LogSource {
            reader: LaneReader::new(shared.meta.uuid, key.shard),
            disk: LaneDisk::new(shared.store.clone()),
            shared: Arc::clone(shared),
            key,
        }
    }

    /// Asks the executor that owns the account; `None` when there is no such account.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(Shard) -> LocalBoxFuture<'static, Option<T>> + Send + 'static,
    ) -> io::Result<Option<T>> {
        if self.stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        ask_owner(&self.shared, self.key.shard, question)
    }

    fn stopped(&self) -> bool {
        self.shared.indexing.as_ref().is_some_and(|(indexing, _)| indexing.stop.load(Ordering::Relaxed))
    }
}

/// Asks the executor that owns a shard, and waits; `None` when there is no such shard. For threads that are no executor.
pub(super) fn ask_owner<T: Send + 'static>(
    shared: &Shared,
    id: ShardId,
    question: impl FnOnce(Shard) -> LocalBoxFuture<'static, Option<T>> + Send + 'static,
) -> io::Result<Option<T>> {
    let asked = shared.mesh.ask(shared.mesh.owner(id), move |core: Rc<CoreState>| {
        Box::pin(async move {
            let shard = core.core.shard(id)?;
            question(shard).await
        })
    });
    block_on(asked).map_err(io::Error::other)
}

fn fingerprint(facts: &MessageFacts) -> Fingerprint {
    Fingerprint { size: facts.size, internal: facts.internal.seconds }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no such account")
}

impl Source for LogSource {
    fn known(&mut self, witness: Option<u32>) -> io::Result<Known> {
        let IndexKey { account, of, .. } = self.key;
        let known = self.ask(move |shard| {
            Box::pin(async move {
                let lsn = shard.committed_lsn().0;
                shard.with_account(account, |account| Known {
                    lsn,
                    next: next(account, of),
                    witness: witness.and_then(|number| Some(fingerprint(&text(account, of, number)?.facts))),
                })
            })
        })?;
        known.ok_or_else(gone)
    }

    fn batch(&mut self, from: u32, messages_max: usize) -> io::Result<Batch> {
        let IndexKey { account, of, .. } = self.key;
        let batch = self.ask(move |shard| {
            Box::pin(async move {
                let lsn = shard.committed_lsn().0;
                let (live, next) = texts_live(&shard, account, of, from).await?;
                shard.with_account(account, |account| {
                    let mut wanted = live.iter().filter_map(|number| {
                        let Text { facts, documents } = text(account, of, number)?;
                        let (address, fingerprint) = (facts.address, fingerprint(&facts));
                        Some(Wanted { message: number, address, documents, fingerprint })
                    });
                    let batch: Vec<Wanted> = wanted.by_ref().take(messages_max).collect();
                    // Up to the next one that is wanted, or to the end.
                    let upto = wanted.next().map_or(next, |wanted| wanted.message);
                    Batch { wanted: batch, upto, lsn }
                })
            })
        })?;
        batch.ok_or_else(gone)
    }

    fn read(&mut self, wanted: &[Wanted]) -> Vec<Result<Content, String>> {
        let addresses: Vec<_> = wanted.iter().map(|wanted| wanted.address).collect();
        let disk = &mut self.disk;
        let messages = self.reader.read_summarised(&addresses, &mut |places| disk.read(places));
        // Those that have serials are known by their numbers as well.
        let is_mail = self.key.of == Of::Mail;
        let addresses: Vec<_> = wanted.iter().filter_map(|wanted| wanted.documents).collect();
        let documents = self.reader.read_documents(&addresses, &mut |places| disk.read(places));
        let mut documents = documents.into_iter();
        messages
            .into_iter()
            .zip(wanted)
            .map(|(message, wanted)| {
                // Taken also when the message is lost: those of the next one stand behind them.
                let documents = wanted.documents.and_then(|_| documents.next());
                let documents = documents.unwrap_or_else(|| Ok(Vec::new())).map_err(|e| e.to_string())?;
                let (message, summary) = message.map_err(|error| error.to_string())?;
                let LaneMessage { header, body } = message;
                Ok(Content {
                    header,
                    body,
                    documents: lanes::texts(documents),
                    summary: Some(summary).filter(|_| is_mail),
                })
            })
            .collect()
    }

    fn summaries(&mut self, wanted: &[Wanted]) -> Vec<Option<(u16, Vec<u8>)>> {
        if self.key.of != Of::Mail {
            return Vec::new();
        }
        let addresses: Vec<_> = wanted.iter().map(|wanted| wanted.address).collect();
        let disk = &mut self.disk;
        let summaries = self.reader.read_summaries(&addresses, &mut |places| disk.read(places));
        summaries.into_iter().map(Result::ok).collect()
    }

    fn live(&mut self) -> Option<RoaringBitmap> {
        let IndexKey { account, of, .. } = self.key;
        let asked = self.ask(move |shard| Box::pin(async move { texts_live(&shard, account, of, 0).await }));
        asked.ok().flatten().map(|(live, _)| live)
    }
}

impl AccountSource for LogSource {
    fn tail(&mut self, from: u32) -> io::Result<Option<(u32, u64)>> {
        let IndexKey { account, of, .. } = self.key;
        self.ask(move |shard| {
            Box::pin(async move {
                shard.with_account(account, |account| {
                    let (mut messages, mut bytes) = (0, 0);
                    for size in sizes(account, of, from) {
                        messages += 1;
                        bytes += u64::from(size);
                        if messages >= INDEX_BUILD_MESSAGES || bytes >= INDEX_BUILD_BYTES {
                            break;
                        }
                    }
                    (next(account, of), bytes)
                })
            })
        })
    }
}

/// What one number of an index stands for.
struct Text {
    facts: MessageFacts,
    documents: Option<Address>,
}

/// The number that the next text gets.
fn next(account: &Account, of: Of) -> u32 {
    match of {
        Of::Mail => account.next_message().0,
        Of::Documented => account.documents().next_serial(),
    }
}

/// The text of a number; a message that has documents is still known by its own, which a manifest may name.
fn text(account: &Account, of: Of, number: u32) -> Option<Text> {
    match of {
        Of::Mail => Some(Text { facts: account.facts(MessageNumber(number))?, documents: None }),
        Of::Documented => {
            let entry = account.documents().of_serial(number)?;
            Some(Text { facts: account.facts(entry.message)?, documents: Some(entry.address) })
        }
    }
}

/// The sizes of the messages from a number on.
fn sizes(account: &Account, of: Of, from: u32) -> Box<dyn Iterator<Item = u32> + '_> {
    match of {
        Of::Mail => Box::new(account.messages_from(MessageNumber(from)).map(|(_, facts)| facts.size)),
        Of::Documented => {
            let entries = account.documents().of_serials_from(from);
            Box::new(entries.filter_map(|entry| Some(account.facts(entry.message)?.size)))
        }
    }
}

/// The texts from `from` on that an index is to have, those of messages that some mailbox holds; and the number of the next text.
async fn texts_live(shard: &Shard, account: AccountId, of: Of, from: u32) -> Option<(RoaringBitmap, u32)> {
    match of {
        // Those with documents as well, though nobody asks for them here: segments without gaps are searched much faster.
        Of::Mail => live(shard, account, from).await,
        Of::Documented => {
            let (first, next) = shard.with_account(account, |account| {
                let documents = account.documents();
                (documents.of_serials_from(from).next(), documents.next_serial())
            })?;
            let Some(first) = first else { return Some((RoaringBitmap::new(), next)) };
            let (live, _) = live(shard, account, first.message.0).await?;
            let serials = shard.with_account(account, |account| {
                let entries = account.documents().of_serials_from(from);
                entries
                    .take_while(|entry| entry.serial < next)
                    .filter(|entry| live.contains(entry.message.0))
                    .map(|entry| entry.serial)
                    .collect()
            })?;
            Some((serials, next))
        }
    }
}

/// How often looking for live messages begins anew because mailboxes changed meanwhile, before it does not yield any more.
const LIVE_TRIES: usize = 3;

/// The messages from `from` on that some mailbox holds, and the number of the next message. A message that moves while this
/// looks would be missed, so it looks again when anything changed.
pub(super) async fn live(shard: &Shard, account: AccountId, from: u32) -> Option<(RoaringBitmap, u32)> {
    for nth in 0..=LIVE_TRIES {
        let next = shard.with_account(account, |account| account.next_message().0)?;
        let mut words = vec![0u64; (next.saturating_sub(from) as usize).div_ceil(64)];
        let (stamp, mailboxes) = shard.with_account(account, |account| {
            (changes(account), account.mailboxes().map(|mailbox| mailbox.id()).collect::<Vec<_>>())
        })?;
        for id in mailboxes {
            let mut at = 0;
            loop {
                let more = shard.with_account(account, |account| {
                    let Some(mailbox) = account.mailbox(id) else { return false };
                    let to = at + INDEX_WINDOW_MESSAGES;
                    for block in mailbox.blocks(at, to) {
                        for message in block.messages() {
                            if let Some(bit) = message.0.checked_sub(from)
                                && let Some(word) = words.get_mut((bit / 64) as usize)
                            {
                                *word |= 1 << (bit % 64);
                            }
                        }
                    }
                    at = to;
                    to < mailbox.counts().messages
                })?;
                if nth < LIVE_TRIES {
                    yield_if_needed().await;
                }
                if !more {
                    break;
                }
            }
        }
        if shard.with_account(account, changes)? == stamp {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let offsets = RoaringBitmap::from_lsb0_bytes(0, &bytes);
            let live = if from == 0 {
                offsets
            } else {
                offsets.into_iter().map(|bit| bit + from).filter(|message| *message < next).collect()
            };
            return Some((live, next));
        }
    }
    None
}

/// Says whether mailboxes changed: each commit that touches one counts it up.
fn changes(account: &Account) -> (usize, u64) {
    account.mailboxes().fold((0, 0), |(count, sum), mailbox| (count + 1, sum + mailbox.version()))
}
