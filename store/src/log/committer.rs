//! The committer: the one task that writes a log.
//!
//! It takes everything that has accumulated, writes it, syncs once, runs the callbacks in LSN order, then wakes
//! the waiters; while it waits for the disk the next batch accumulates. Failures are dealt with here: `FORMAT.md`,
//! "Failures while running".

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::segment;
use super::state::{Files, Log, Waiting};
use super::writer::{Batch, Run, Tail};
use crate::disk::{self, DiskFile, OpenMode};
use crate::error::{CommitError, StoreError};
use crate::event::OneshotSender;
use crate::limits;
use crate::types::Lsn;

const RESERVE: &str = "reserve";

/// At most one look for room in this time.
const PROBE: Duration = Duration::from_secs(1);

type Sender = OneshotSender<Result<Lsn, CommitError>>;

enum Failure {
    Full,
    Broken(String),
}

impl Failure {
    fn of(op: &str, path: &str) -> impl FnOnce(io::Error) -> Failure {
        move |error| {
            if disk::is_full(&error) {
                Failure::Full
            } else {
                Failure::Broken(format!("{op} {path}: {error}"))
            }
        }
    }
}

/// Where even a full disk is no excuse.
fn broken(op: &str, path: &str) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{op} {path}: {error}")
}

impl Log {
    /// THE committer; run it as one task. Ends after [`Log::stop`].
    pub async fn run(&self) {
        assert!(self.idle.is_open(), "a log has one committer");
        self.idle.set_open(false);
        loop {
            let work = self.work.wait();
            self.probe_room().await;
            if let Some((batch, waiting)) = self.take() {
                match self.write(&batch, !waiting.is_empty()).await {
                    Ok(()) => self.succeed(&batch, waiting),
                    Err(failure) => self.fail(failure, waiting).await,
                }
                continue;
            }
            if self.state.borrow().stopping {
                break;
            }
            work.await;
        }
        *self.files.borrow_mut() = Files::default();
        self.idle.set_open(true);
        self.room.notify();
    }

    fn take(&self) -> Option<(Batch, Vec<Waiting>)> {
        let mut state = self.state.borrow_mut();
        let flush = state.pending.bytes() >= limits::log_flush_bytes && !state.stopping;
        if state.poisoned.is_some() || (state.waiting.is_empty() && !flush) {
            return None;
        }
        let durable = Lsn(state.durable.next.0 - 1);
        let batch = state.pending.take(durable);
        let waiting = state.waiting.drain(..).collect();
        state.stats.pending_bytes = 0;
        drop(state);
        self.room.notify();
        Some((batch, waiting))
    }

    async fn write(&self, batch: &Batch, commits: bool) -> Result<(), Failure> {
        for run in &batch.runs {
            self.write_run(run).await?;
        }
        if !commits {
            return Ok(());
        }
        let (dirty, created) = {
            let files = self.files.borrow();
            (files.dirty.clone(), files.created)
        };
        for (number, file) in dirty {
            file.sync().await.map_err(Failure::of("syncing", &self.path(number)))?;
            self.state.borrow_mut().stats.syncs += 1;
        }
        if created {
            self.disk.sync_dir(&self.dir).await.map_err(Failure::of("syncing", &self.dir))?;
        }
        let mut files = self.files.borrow_mut();
        files.dirty.clear();
        files.created = false;
        Ok(())
    }

    fn path(&self, number: u32) -> String {
        format!("{}/{}", self.dir, segment::file_name(number))
    }

    async fn write_run(&self, run: &Run) -> Result<(), Failure> {
        let path = self.path(run.segment);
        let file = self.file_for(run, &path).await?;
        let mut pos = run.start;
        for piece in run.bytes.chunks(limits::log_write_bytes_max) {
            file.write_at(pos, piece).await.map_err(Failure::of("writing", &path))?;
            pos += piece.len() as u64;
        }
        if run.seals && self.options.preallocate {
            file.truncate(pos).await.map_err(Failure::of("truncating", &path))?;
        }
        let mut files = self.files.borrow_mut();
        if files.dirty.iter().all(|(number, _)| *number != run.segment) {
            files.dirty.push((run.segment, file.clone()));
        }
        files.active = (!run.seals).then_some((run.segment, file));
        drop(files);
        self.state.borrow_mut().stats.bytes_written += run.bytes.len() as u64;
        Ok(())
    }

    /// The file of the run; a new one gets its header block.
    async fn file_for(&self, run: &Run, path: &str) -> Result<Rc<dyn DiskFile>, Failure> {
        let Some(header) = &run.begins else {
            return match &self.files.borrow().active {
                Some((number, file)) if *number == run.segment => Ok(file.clone()),
                _ => unreachable!("the committer keeps the segment open that it writes"),
            };
        };
        let file = self.disk.open(path, OpenMode::Create).await.map_err(Failure::of("creating", path))?;
        self.files.borrow_mut().created = true;
        if self.options.preallocate {
            file.allocate(self.options.segment_bytes).await.map_err(Failure::of("allocating", path))?;
        }
        file.write_at(0, &header.encode()).await.map_err(Failure::of("writing", path))?;
        self.state.borrow_mut().stats.segments += 1;
        Ok(file)
    }

    fn succeed(&self, batch: &Batch, waiting: Vec<Waiting>) {
        {
            let mut state = self.state.borrow_mut();
            state.stats.records += batch.records;
            state.stats.commits += waiting.len() as u64;
        }
        if waiting.is_empty() {
            return;
        }
        let tickets: Vec<_> = waiting
            .into_iter()
            .map(|waiting| {
                (waiting.settled)(Ok(waiting.lsn));
                (waiting.ticket, waiting.lsn)
            })
            .collect();
        {
            let mut state = self.state.borrow_mut();
            state.durable = batch.tail;
            state.committed = tickets.last().map_or(state.committed, |(_, lsn)| *lsn);
            // What is pending already may have begun segments of its own.
            let written = batch.tail.next_segment;
            state.begun.retain(|number| *number >= written);
        }
        tickets.into_iter().for_each(|(ticket, lsn)| ticket.send(Ok(lsn)));
    }

    async fn fail(&self, failure: Failure, waiting: Vec<Waiting>) {
        match failure {
            Failure::Broken(cause) => self.poison(cause, waiting),
            Failure::Full => {
                let tickets = self.refuse(waiting);
                match self.roll_back().await {
                    Ok(()) => self.resume().await,
                    Err(cause) => self.poison(cause, Vec::new()),
                }
                // Who tries again at once is to find the log ready.
                answer(tickets, &CommitError::Full);
            }
        }
        self.room.notify();
    }

    fn poison(&self, cause: String, mut waiting: Vec<Waiting>) {
        let cause: Arc<str> = cause.into();
        {
            let mut state = self.state.borrow_mut();
            state.rolling_back = false;
            state.poisoned = Some(cause.clone());
            waiting.extend(state.waiting.drain(..));
            let durable = state.durable;
            state.pending.reset(durable);
            state.stats.pending_bytes = 0;
        }
        let error = CommitError::Poisoned(cause);
        answer(settle(waiting, &error), &error);
    }

    /// Fails everything pending; until the rollback is done nothing can be added.
    fn refuse(&self, mut waiting: Vec<Waiting>) -> Vec<Sender> {
        {
            let mut state = self.state.borrow_mut();
            state.rolling_back = true;
            state.generation.0 += 1;
            waiting.extend(state.waiting.drain(..));
        }
        settle(waiting, &CommitError::Full)
    }

    /// Takes back what was written after the last durable batch.
    async fn roll_back(&self) -> Result<(), String> {
        let (durable, begun) = {
            let state = self.state.borrow();
            (state.durable, state.begun.clone())
        };
        let files = std::mem::take(&mut *self.files.borrow_mut());
        self.files.borrow_mut().reserve = files.reserve;
        for number in begun.iter().rev() {
            let path = self.path(*number);
            self.reader.forget(*number);
            match self.disk.remove(&path).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(broken("removing", &path)(error));
                }
                _ => {}
            }
        }
        if !begun.is_empty() {
            self.disk.sync_dir(&self.dir).await.map_err(broken("syncing", &self.dir))?;
        }
        if let Some((number, _)) = durable.open {
            let path = self.path(number);
            let file = self.disk.open(&path, OpenMode::ReadWrite).await.map_err(broken("opening", &path))?;
            let end = u64::from(durable.end.offset);
            file.truncate(end).await.map_err(broken("truncating", &path))?;
            file.sync().await.map_err(broken("syncing", &path))?;
        }
        Ok(())
    }

    /// After a rollback: writing goes on in a new segment, and the reserve is given free.
    async fn resume(&self) {
        let reserve = self.files.borrow().reserve.clone();
        if let Some(reserve) = reserve {
            // Failing means only that there is less room.
            let _ = reserve.truncate(0).await;
        }
        let mut state = self.state.borrow_mut();
        let next_segment = state.begun.first().copied().unwrap_or(state.durable.next_segment);
        let tail = Tail { open: None, next_segment, ..state.durable };
        state.begun.clear();
        state.durable = tail;
        state.pending.reset(tail);
        state.stats.pending_bytes = 0;
        state.full = self.options.reserve_bytes > 0;
        state.last_probe = Some(self.clock.monotonic());
        state.rolling_back = false;
    }

    /// Makes sure that there is a reserve, if one is configured; false (and nothing taken) when there is no room.
    pub(super) async fn open_reserve(&self) -> Result<bool, StoreError> {
        if self.options.reserve_bytes == 0 {
            return Ok(true);
        }
        let path = format!("{}/{RESERVE}", self.dir);
        let known = self.files.borrow().reserve.clone();
        let opened = match known {
            Some(file) => Ok(file),
            None => match self.disk.open(&path, OpenMode::ReadWrite).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.disk.open(&path, OpenMode::Create).await
                }
                other => other,
            },
        };
        let file = match opened {
            Ok(file) => file,
            Err(error) if disk::is_full(&error) => return Ok(false),
            Err(error) => return Err(StoreError::io("opening", path)(error)),
        };
        self.files.borrow_mut().reserve = Some(file.clone());
        match file.allocate(self.options.reserve_bytes).await {
            Ok(()) => Ok(true),
            Err(error) if disk::is_full(&error) => {
                // Failing means only that there is less room.
                let _ = file.truncate(0).await;
                Ok(false)
            }
            Err(error) => Err(StoreError::io("allocating", path)(error)),
        }
    }

    /// When a delivery was refused: tries to get the reserve back, and if so ends the state of being full.
    async fn probe_room(&self) {
        let now = self.clock.monotonic();
        {
            let mut state = self.state.borrow_mut();
            let early = state.last_probe.is_some_and(|last| now < last + PROBE);
            if !state.full || !std::mem::take(&mut state.probe_wanted) || early {
                return;
            }
            state.last_probe = Some(now);
        }
        // An error other than being full means that there is no reserve; the state stays until there is one.
        if let Ok(true) = self.open_reserve().await {
            self.state.borrow_mut().full = false;
        }
    }
}

/// Runs the callbacks in order; gives the tickets to answer.
fn settle(waiting: Vec<Waiting>, error: &CommitError) -> Vec<Sender> {
    waiting
        .into_iter()
        .map(|waiting| {
            (waiting.settled)(Err(error.clone()));
            waiting.ticket
        })
        .collect()
}

fn answer(tickets: Vec<Sender>, error: &CommitError) {
    tickets.into_iter().for_each(|ticket| ticket.send(Err(error.clone())));
}
