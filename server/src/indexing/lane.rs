//! What an indexing lane does with a task.
//!
//! One step of one account, then the next account's: `trawl_index` says what a step is. What must hold: a task ends soon when
//! the stop flag is raised; an error is noted and left alone until more messages arrive, so that nothing fails in a loop.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use futures_lite::future::block_on;
use trawl_index::account::peek;
use trawl_index::account::work::{Failure, Work};
use trawl_store::disk::Disk;
use trawl_store::disk::blocking::BlockingDisk;

use super::backlog::Task;
use super::{AccountSource, FOLDER, IndexKey, Indexing, Of, folder};
use crate::runtime::panics::guarded;

impl Indexing {
    /// Does a task; true when there is more of it. `sources` gives the way to the log of an account, `accounts` all accounts with
    /// the numbers of their next messages.
    pub fn perform<S: AccountSource>(
        &self,
        task: Task,
        sources: &mut dyn FnMut(IndexKey) -> S,
        accounts: &mut dyn FnMut() -> io::Result<Vec<(IndexKey, u32)>>,
    ) -> bool {
        let done = guarded(|| match task {
            Task::Survey => self.survey(sources, accounts).map(|()| false),
            Task::Account(key) => self.step(key, &mut sources(key)),
            Task::Anew(key) => self.anew(key, &mut sources(key)).map(|()| false),
            Task::Remove(key) => self.remove(key).map(|()| false),
        });
        let failed: Box<dyn std::fmt::Display> = match done {
            Ok(Ok(again)) => return again,
            Ok(Err(error)) => Box::new(error),
            Err(_) => Box::new("it broke down"),
        };
        if !self.stop.load(Ordering::Relaxed) {
            tracing::warn!(?task, error = %failed, "indexing");
            if let Some(key) = task.account() {
                self.note_error(key, &failed);
            }
        }
        false
    }

    /// The next step of an account; true when it may not have been the last.
    fn step(&self, key: IndexKey, source: &mut dyn AccountSource) -> io::Result<bool> {
        // Most accounts have nothing in it.
        if key.of == Of::Documented && source.tail(0)?.is_none_or(|(next, _)| next == 0) {
            return Ok(false);
        }
        let index = self.open(key, as_source(source))?;
        let from = index.snapshot().next();
        let Some((next, bytes)) = source.tail(from)? else { return Ok(false) };
        let messages = u64::from(next.saturating_sub(from));
        let Some(work) = index.needs(next, bytes, self.feed.is_pressed(key)) else {
            self.feed.settle(key, messages, bytes);
            self.shrink();
            return Ok(false);
        };
        let built = work == Work::Build;
        let done = match index.work(work, as_source(source), &self.stop) {
            Ok(done) => done,
            Err(Failure::Stopped) => return Ok(false),
            // Somebody made it anew, or it is found to be damaged: what there is to do now is another matter.
            Err(Failure::Discarded | Failure::Outdated) => return Ok(true),
            Err(Failure::Damaged(why)) => {
                tracing::warn!(shard = key.shard.0, account = key.account.0, %why, "a search index is made anew");
                self.note_error(key, &why);
                return Ok(true);
            }
            Err(error) => {
                // Not looked at again before more messages have arrived.
                self.feed.settle(key, 0, 0);
                return Err(io::Error::other(error));
            }
        };
        if built {
            self.indexed.fetch_add(u64::from(done.docs), Ordering::Relaxed);
            if let Some(live) = source.live() {
                index.count_dead(&live);
            }
        }
        for (message, why) in done.set_aside.iter().take(3) {
            tracing::warn!(
                shard = key.shard.0,
                account = key.account.0,
                message,
                why,
                "not indexed, always read"
            );
        }
        self.shrink();
        Ok(true)
    }

    /// Closes indexes for which there is no memory. Texts that went with them will not have to be made again for each search.
    fn shrink(&self) {
        for key in self.registry.shrink() {
            if self.feed.press(key) {
                self.backlog.add(Task::Account(key));
            }
        }
    }

    /// Queues the accounts that are due, without opening their indexes, and removes indexes of accounts that are gone.
    fn survey<S: AccountSource>(
        &self,
        sources: &mut dyn FnMut(IndexKey) -> S,
        accounts: &mut dyn FnMut() -> io::Result<Vec<(IndexKey, u32)>>,
    ) -> io::Result<()> {
        let accounts = accounts()?;
        for (key, next) in &accounts {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let path = self.settings.store.join(folder(*key));
            let from = peek(&path, &self.identity(*key)).unwrap_or(0);
            if from > *next {
                // Ahead of the log.
                self.backlog.add(Task::Account(*key));
            } else if from < *next
                && let Some((next, bytes)) = sources(*key).tail(from)?
                && self.feed.add(*key, u64::from(next.saturating_sub(from)), bytes)
            {
                self.backlog.add(Task::Account(*key));
            }
        }
        self.remove_strangers(&accounts);
        Ok(())
    }

    /// Folders that no account has: it was deleted, and the server ended before its index was.
    fn remove_strangers(&self, accounts: &[(IndexKey, u32)]) {
        let disk = BlockingDisk::new(&self.settings.store);
        let wanted: std::collections::HashSet<String> =
            accounts.iter().map(|(key, _)| folder(*key)).collect();
        for shard in block_on(disk.list(FOLDER)).unwrap_or_default() {
            let shard = format!("{FOLDER}/{shard}");
            for account in block_on(disk.list(&shard)).unwrap_or_default() {
                let path = format!("{shard}/{account}");
                if !wanted.contains(&path) {
                    tracing::info!(path, "removing the search index of an account that is gone");
                    // What cannot be removed is tried again at the next start.
                    let _ = block_on(disk.remove_dir_all(&path));
                }
            }
        }
    }

    /// Drops what there is; the steps that make it again follow in turn.
    fn anew(&self, key: IndexKey, source: &mut dyn AccountSource) -> io::Result<()> {
        if key.of == Of::Mail || source.tail(0)?.is_some_and(|(next, _)| next > 0) {
            self.open(key, as_source(source))?.discard();
        }
        self.backlog.add(Task::Account(key));
        Ok(())
    }

    fn remove(&self, key: IndexKey) -> io::Result<()> {
        self.registry.remove(key);
        let path = folder(key);
        debug_assert!(Path::new(&path).is_relative());
        block_on(BlockingDisk::new(&self.settings.store).remove_dir_all(&path))
    }
}

/// Without what only lanes ask.
fn as_source(source: &mut dyn AccountSource) -> &mut dyn trawl_index::account::work::Source {
    source
}
