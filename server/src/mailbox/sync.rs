//! Telling a session what others did to its mailbox: EXPUNGE, EXISTS, RECENT, FLAGS, FETCH (FLAGS), and what came of it for the
//! results that it is kept up to date with (RFC 5267): what left them before EXPUNGE, what else changed behind the others.
//!
//! Runs between a command's own responses and its tagged answer, and during IDLE; never while no command is in progress.
//! EXPUNGE is withheld by FETCH, STORE and SEARCH (RFC 9051 7.5.1); their UID forms may tell it. What must hold: a
//! client that applies the responses to its own list has the view, always.

use std::rc::Rc;

use crate::command::context;
use crate::core::Core;
use crate::response::encode;
use crate::response::output::Output;
use crate::response::status::Refusal;
use crate::session::Cx;
use crate::session::selected::{Selected, write_flags};

/// Whether EXPUNGE may be told now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expunges {
    Told,
    Withheld,
}

/// Tells everything now: for commands that make EXPUNGE responses themselves.
pub async fn now(selected: &mut Selected, cx: &Cx) -> Result<(), Refusal> {
    sync(selected, cx, Expunges::Told).await
}

/// Tells of keywords that the client does not know yet, before a FLAGS item that may hold them.
pub fn keywords(selected: &mut Selected, out: &Output) -> Result<(), Refusal> {
    let (shard, account) = (selected.auth.shard.clone(), selected.auth.id());
    let untold = shard.with_account(account, |account| {
        let mailbox = selected.mailbox_of(account)?;
        Some(selected.view.keywords_untold(mailbox).then(|| mailbox.keywords().to_vec()))
    });
    if let Some(keywords) = untold.ok_or_else(Refusal::account_gone)?.ok_or_else(Refusal::mailbox_deleted)? {
        write_flags(out, &keywords, selected.read_only);
    }
    Ok(())
}

/// Brings the session's view up to its mailbox and tells the client. BYE when the mailbox is no more (RFC 2180 3.3).
pub async fn sync(selected: &mut Selected, cx: &Cx, expunges: Expunges) -> Result<(), Refusal> {
    let out = &cx.out;
    let told = advance(selected, &cx.core, expunges)?;
    for line in &told.removed {
        out.push(line);
        out.room().await?;
    }
    for seq in &told.expunged {
        out.with(|buffer| encode::numbered(buffer, *seq, "EXPUNGE"));
        out.room().await?;
    }
    if let Some(exists) = told.exists {
        out.with(|buffer| encode::numbered(buffer, exists, "EXISTS"));
        if !selected.auth.rev2 {
            out.with(|buffer| encode::numbered(buffer, selected.view.recent_len(), "RECENT"));
        }
    }
    if let Some(keywords) = &told.keywords {
        write_flags(out, keywords, selected.read_only);
    }
    for line in &told.flags {
        out.push(line);
        out.room().await?;
    }
    if !selected.contexts.is_empty() {
        // In a box, so that sessions that have none do not hold it.
        Box::pin(context::update(selected, cx)).await?;
    }
    Ok(())
}

/// Everything a sync tells, made in one step: the mailbox may change while a slow client takes it.
struct Told {
    /// REMOVEFROM for what was expunged (RFC 5267 4.3.4).
    removed: Vec<Vec<u8>>,
    expunged: Vec<u32>,
    exists: Option<u32>,
    keywords: Option<Vec<Rc<str>>>,
    flags: Vec<Vec<u8>>,
}

fn advance(selected: &mut Selected, core: &Core, expunges: Expunges) -> Result<Told, Refusal> {
    let (shard, account) = (selected.auth.shard.clone(), selected.auth.id());
    let told = shard.with_account(account, |account| {
        let mailbox = selected.mailbox_of(account)?;
        let before = selected.view.next_uid();
        let removed = selected.contexts.expunged(&selected.view, mailbox, selected.auth.encoding());
        let changes = selected.view.advance(mailbox, expunges == Expunges::Told);
        if changes.exists.is_some() {
            selected.mark_recent(core, mailbox, before);
        }
        let rev1 = !selected.auth.rev2;
        let view = &selected.view;
        let flags = changes.flags.iter().map(|(seq, row)| {
            let mut line = format!("* {seq} FETCH (UID {} FLAGS ", row.uid).into_bytes();
            encode::flags(&mut line, row.flags, mailbox.keywords(), rev1 && view.is_recent(row.uid));
            line.extend_from_slice(b")\r\n");
            line
        });
        Some(Told {
            removed,
            flags: flags.collect(),
            expunged: changes.expunged,
            exists: changes.exists,
            keywords: changes.keywords.then(|| mailbox.keywords().to_vec()),
        })
    });
    told.ok_or_else(Refusal::account_gone)?.ok_or_else(Refusal::mailbox_deleted)
}
