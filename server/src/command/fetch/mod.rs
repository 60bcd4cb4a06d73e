//! FETCH and UID FETCH (RFC 3501 6.4.5 and 6.4.8, RFC 9051 6.4.5 and 6.4.9, RFC 3516, RFC 9394 3.3).
//!
//! Messages are answered in windows: mailbox state of a window in one look, its summaries (or headers) in one
//! batched read, then responses straight into the output buffer. What must hold: what the client sees of flags is
//! durable; a message that cannot be read costs its own items and turns the answer to NO, nothing else.

pub mod content;
pub mod fields;
pub mod message;
pub mod partial;
pub mod plan;
pub mod section;
pub mod transform;

use std::rc::Rc;

use futures_lite::future::yield_now;
use trawl_index::summary::{self, Summary};
use trawl_store::log::Address;
use trawl_store::shard::{FlagChange, FlagMode};
use trawl_store::types::{Flags, Uid};
use trawl_store::uid_set::UidSet;

use self::content::{Omitted, OpenMessage, Stored};
use self::message::{Known, Ready};
use self::plan::{Item, Plan, Reads};
use super::flags::tell_flags;
use crate::limits::{FETCH_HEADER_BATCH_BYTES_MAX, FETCH_WINDOW_MESSAGES};
use crate::mailbox::sync;
use crate::response::encode;
use crate::response::status::{Answer, Code, Done, Refusal};
use crate::session::{Cx, Selected};
use crate::wire::ast::{FetchItem, Numbers, PartialRange};
use crate::wire::set::SetArg;

/// FETCH.
pub async fn fetch(
    s: &mut Selected,
    cx: &Cx,
    by: Numbers,
    set: SetArg,
    items: Vec<FetchItem>,
    partial: Option<PartialRange>,
) -> Answer {
    let uids = s.view.resolve(by, &set, &s.saved)?;
    let count = usize::try_from(uids.len()).unwrap_or(usize::MAX);
    let within = partial.map_or(0..count, |partial| {
        let part = partial.of(u32::try_from(count).unwrap_or(u32::MAX));
        part.start as usize..part.end as usize
    });
    if items.contains(&FetchItem::Flags) {
        sync::keywords(s, &cx.out)?;
    }
    let plan = Plan::new(&items, by);
    let mut fetch = Fetch { s, cx, plan: &plan, unseen: UidSet::new(), trouble: Trouble::default() };
    let mut rest = uids.iter().skip(within.start).take(within.len());
    let mut window = Vec::with_capacity(FETCH_WINDOW_MESSAGES);
    loop {
        window.clear();
        window.extend(rest.by_ref().take(FETCH_WINDOW_MESSAGES));
        if window.is_empty() {
            break;
        }
        fetch.window(&window).await?;
        cx.out.room().await?;
        if window.len() < FETCH_WINDOW_MESSAGES {
            // The end of the answer goes out with what was before it.
            break;
        }
        yield_now().await;
    }
    let Fetch { unseen, mut trouble, .. } = fetch;
    if !unseen.is_empty() {
        trouble.unseen = set_seen(s, cx, &unseen, plan.uid).await.err();
    }
    trouble.answer()
}

/// What went wrong on the way; the rest was answered.
#[derive(Default)]
struct Trouble {
    /// Some message is no more and nothing of it is known.
    expunged: bool,
    unknown_encoding: bool,
    damaged: Option<String>,
    /// \Seen could not be recorded.
    unseen: Option<Refusal>,
}

impl Trouble {
    fn note(&mut self, omitted: Omitted) {
        match omitted {
            Omitted::UnknownEncoding => self.unknown_encoding = true,
            Omitted::Damaged(error) => {
                tracing::error!(%error, "a message could not be read");
                self.damaged = Some(error);
            }
        }
    }

    fn answer(self) -> Answer {
        if self.damaged.is_some() {
            return Err(Refusal::no(Code::Corruption, "Some of the messages could not be read"));
        }
        if self.unknown_encoding {
            return Err(Refusal::no(Code::UnknownCte, "Some of the parts have an unknown transfer encoding"));
        }
        if self.expunged {
            return Err(Refusal::no(Code::ExpungeIssued, "Some of the messages are no more"));
        }
        match self.unseen {
            // The messages were read all the same: a store that takes no writes must stay readable.
            Some(refusal) => {
                Ok(Done::ok(format!("FETCH done, but \\Seen was not recorded: {}", refusal.text)))
            }
            None => Ok(Done::ok("FETCH done")),
        }
    }
}

/// Records \Seen and tells the flags once they are durable.
async fn set_seen(s: &mut Selected, cx: &Cx, uids: &UidSet, with_uid: bool) -> Result<(), Refusal> {
    let change = FlagChange { mode: FlagMode::Add, flags: Flags::SEEN, keywords: Vec::new() };
    let stored = s.auth.shard.store_flags(s.auth.id(), s.mailbox, uids, change, None).await?;
    tell_flags(s, cx, &stored.changed, with_uid).await?;
    s.view.told(&stored.changed, stored.modseq);
    Ok(())
}

struct Fetch<'a> {
    s: &'a Selected,
    cx: &'a Cx,
    plan: &'a Plan,
    /// Messages that get \Seen by this command.
    unseen: UidSet,
    trouble: Trouble,
}

impl Fetch<'_> {
    async fn window(&mut self, uids: &[Uid]) -> Result<(), Refusal> {
        let (messages, keywords) = self.look(uids)?;
        self.trouble.expunged |= messages.len() < uids.len();
        match self.plan.reads {
            Reads::State => self.state_window(&messages, &keywords),
            Reads::Summary => self.summary_window(&messages, &keywords).await?,
            Reads::Header => self.header_window(&messages, &keywords).await?,
            Reads::Content => {
                for known in &messages {
                    self.message(known, &keywords, None, None).await?;
                    self.cx.out.room().await?;
                }
            }
        }
        Ok(())
    }

    /// Mailbox state of the messages, and the names of keywords. Messages of which nothing is left are not in it.
    fn look(&self, uids: &[Uid]) -> Result<(Vec<Known>, Vec<Rc<str>>), Refusal> {
        let (s, view) = (self.s, &self.s.view);
        let looked = s.auth.look(|account| {
            let mailbox = s.mailbox_of(account)?;
            let known = |uid: &Uid| {
                let row = view.row(mailbox, *uid)?;
                let recent = !s.auth.rev2 && view.is_recent(*uid);
                let (account, facts) = (account.id(), account.facts(row.message)?);
                Some(Known { account, seq: view.seq(*uid)?, row, facts, recent })
            };
            Some((uids.iter().filter_map(known).collect(), mailbox.keywords().to_vec()))
        })?;
        looked.ok_or_else(Refusal::mailbox_deleted)
    }

    fn state_window(&self, messages: &[Known], keywords: &[Rc<str>]) {
        self.cx.out.with(|out| {
            for known in messages {
                message::begin(out, known.seq);
                for (at, item) in self.plan.items.iter().enumerate() {
                    if at > 0 {
                        out.push(b' ');
                    }
                    message::write_state(out, item, known, keywords);
                }
                message::end(out);
            }
        });
    }

    async fn summary_window(&mut self, messages: &[Known], keywords: &[Rc<str>]) -> Result<(), Refusal> {
        let has_content = self.plan.items.iter().any(|item| matches!(item, Item::Content(_)));
        let addresses: Vec<Address> = messages.iter().map(|known| known.facts.address).collect();
        let summaries = self.s.auth.shard.read_summaries(&addresses).await;
        for (known, stored) in messages.iter().zip(summaries) {
            let stored = stored.map_err(Omitted::from);
            let rebuilt;
            let ready = match &stored {
                Ok(stored) => match Ready::read(&stored.bytes) {
                    Some(ready) if stored.version == summary::VERSION => Some(ready),
                    _ => {
                        rebuilt = self.rebuild(known.facts.address).await;
                        rebuilt.as_ref().map(Ready::of)
                    }
                },
                Err(omitted) => {
                    self.trouble.note(omitted.clone());
                    None
                }
            };
            if has_content && let Some(ready) = ready {
                if ready.listed.is_none() {
                    self.message(known, keywords, None, None).await?;
                    self.cx.out.room().await?;
                    continue;
                }
                self.saw(known);
            }
            self.cx.out.with(|out| {
                message::begin(out, known.seq);
                let start = out.len();
                for item in &self.plan.items {
                    let before = out.len();
                    if out.len() > start {
                        out.push(b' ');
                    }
                    let wrote = message::write_state(out, item, known, keywords)
                        || ready.is_some_and(|ready| ready.write(out, item));
                    if !wrote {
                        out.truncate(before);
                    }
                }
                finish(out, start, known);
            });
        }
        Ok(())
    }

    /// The client was shown content of the message.
    fn saw(&mut self, known: &Known) {
        if !self.s.read_only && self.plan.makes_seen(&known.row) {
            self.unseen.insert(known.row.uid);
        }
    }

    async fn header_window(&mut self, messages: &[Known], keywords: &[Rc<str>]) -> Result<(), Refusal> {
        let mut rest = messages;
        while !rest.is_empty() {
            // A header is no longer than its message, so this bounds what a batch holds.
            let mut bytes = 0u64;
            let fits = |known: &&Known| {
                bytes += u64::from(known.facts.size);
                bytes <= FETCH_HEADER_BATCH_BYTES_MAX
            };
            let (batch, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = after;
            let one_is_large =
                batch.iter().any(|known| u64::from(known.facts.size) > FETCH_HEADER_BATCH_BYTES_MAX);
            if one_is_large {
                self.message(&batch[0], keywords, None, None).await?;
                continue;
            }
            let addresses: Vec<Address> = batch.iter().map(|known| known.facts.address).collect();
            let summaries = self.s.auth.shard.read_summaries(&addresses).await;
            let headers = self.s.auth.shard.read_headers(&addresses).await;
            for ((known, summary), header) in batch.iter().zip(summaries).zip(headers) {
                let summary = summary.ok().filter(|summary| summary.version == summary::VERSION);
                let summary = summary.and_then(|summary| Summary::decode(&summary.bytes).ok()).map(Rc::new);
                self.message(known, keywords, summary, header.ok()).await?;
                self.cx.out.room().await?;
            }
        }
        Ok(())
    }

    /// Answers one message whose content is read; what was not read before is read now.
    async fn message(
        &mut self,
        known: &Known,
        keywords: &[Rc<str>],
        summary: Option<Rc<Summary>>,
        header: Option<Vec<u8>>,
    ) -> Result<(), Refusal> {
        let out = &self.cx.out;
        let address = known.facts.address;
        let mut record = None;
        let summary = match summary {
            Some(summary) => Some(summary),
            None => match self.s.auth.shard.read_message(address).await {
                Ok(read) => {
                    let decoded = match Summary::decode(&read.summary) {
                        Ok(decoded) if read.summary_version == summary::VERSION => Some(decoded),
                        _ => self.rebuild(address).await,
                    };
                    record = Some(read);
                    decoded.map(Rc::new)
                }
                Err(error) => {
                    self.trouble.note(error.into());
                    None
                }
            },
        };
        let ready = summary.as_deref().map(Ready::of);
        let bytes = Stored { shard: &self.s.auth.shard, address, header, record };
        let mut open = summary.clone().map(|summary| OpenMessage { summary, bytes });
        // Items wait here for those behind them that are read, so that they go out together.
        let mut before = Vec::with_capacity(64);
        message::begin(&mut before, known.seq);
        let (mut wrote, mut shown) = (false, false);
        for item in &self.plan.items {
            let end = before.len();
            if wrote {
                before.push(b' ');
            }
            let omitted = match (item, &mut open) {
                (Item::Content(content), Some(open)) => match open.write(out, &before, content).await? {
                    Ok(()) => {
                        before.clear();
                        (wrote, shown) = (true, true);
                        continue;
                    }
                    Err(omitted) => Some(omitted),
                },
                (Item::BinarySize { label, path }, Some(open)) => match open.binary_size(path).await {
                    Ok(size) => {
                        before.extend_from_slice(label);
                        before.push(b' ');
                        encode::number(&mut before, size);
                        wrote = true;
                        continue;
                    }
                    Err(omitted) => Some(omitted),
                },
                _ => {
                    let start = before.len();
                    if message::write_state(&mut before, item, known, keywords)
                        || ready.is_some_and(|ready| ready.write(&mut before, item))
                    {
                        debug_assert!(before.len() > start);
                        wrote = true;
                        continue;
                    }
                    None
                }
            };
            before.truncate(end);
            omitted.into_iter().for_each(|omitted| self.trouble.note(omitted));
        }
        if wrote {
            out.with(|out| {
                out.extend_from_slice(&before);
                message::end(out);
            });
        }
        if shown {
            self.saw(known);
        }
        Ok(())
    }

    /// The summary of a message whose recorded one is of another version or damaged, made anew.
    async fn rebuild(&mut self, address: Address) -> Option<Summary> {
        match self.s.auth.shard.read_all(address).await {
            Ok(message) => match Summary::decode(&self.cx.core.lanes.analyse(message).await) {
                Ok(summary) => Some(summary),
                Err(error) => {
                    self.trouble.note(Omitted::Damaged(format!("summary: {error:?}")));
                    None
                }
            },
            Err(error) => {
                self.trouble.note(error.into());
                None
            }
        }
    }
}

/// Ends a response that began at `start`; one without any item is taken back.
fn finish(out: &mut Vec<u8>, start: usize, known: &Known) {
    if out.len() > start {
        message::end(out);
        return;
    }
    let mut empty = Vec::new();
    message::begin(&mut empty, known.seq);
    out.truncate(start - empty.len());
}
