//! APPEND with MULTIAPPEND and literal8 (RFC 9051 6.3.12, RFC 3502, RFC 3516, RFC 4315, RFC 7889).
//!
//! A message streams into the log while it arrives; one commit makes all messages of a command appear. What must
//! hold: nothing of a command that did not end with OK is ever visible; after any answer the reader stands behind
//! the command, whatever the client goes on to send.

use trawl_index::extract::documents;
use trawl_index::summary::{self, Summary, thread_hash};
use trawl_store::shard::{ChangeError, NewMessage, StoredContent};
use trawl_store::types::{MailboxId, ZonedTime};

use super::flags::split_flags;
use crate::lanes::analyse;
use crate::limits::APPEND_MESSAGES_MAX;
use crate::response::encode;
use crate::response::status::{Answer, Code, Done, Refusal};
use crate::session::{Authenticated, Cx};
use crate::wire::append::{parse_end, parse_next, parse_start};
use crate::wire::ast::AppendMessage;
use crate::wire::fragment::{Event, MessageLiteral};

/// APPEND, from its first message literal on.
pub async fn append(a: &mut Authenticated, cx: &Cx, first: MessageLiteral) -> Answer {
    let answer = receive(a, cx, first).await;
    if answer.is_err() {
        // What still comes of the command is thrown away by the reader; at its end this does nothing.
        cx.reader.skip_command();
    }
    answer
}

async fn receive(a: &mut Authenticated, cx: &Cx, first: MessageLiteral) -> Answer {
    let start = parse_start(&first.head, first.binary).map_err(|error| Refusal::bad(None, error.reason))?;
    let name = a.decode(&start.mailbox)?;
    let mailbox = a.look(|account| account.mailbox_named(&name).map(|mailbox| mailbox.id()))?;
    let mailbox = mailbox.ok_or_else(|| Refusal::try_create(&name))?;
    let (mut head, mut literal) = (start.message, first);
    let mut messages = Vec::new();
    loop {
        check(cx, &literal, messages.len())?;
        messages.push(message(a, cx, &head, &literal).await?);
        match cx.reader.next().await? {
            Event::AppendLiteral(next) => {
                head = parse_next(&next.head, next.binary, &head)
                    .map_err(|error| Refusal::bad(None, error.reason))?;
                literal = next;
            }
            Event::AppendEnd(rest) => {
                parse_end(&rest, &head).map_err(|error| Refusal::bad(None, error.reason))?;
                return commit(a, mailbox, messages).await;
            }
            Event::TooBig { .. } | Event::LineTooLong { .. } => {
                return Err(Refusal::bad(Code::TooBig, "The command is too long"));
            }
            Event::Absurd => return Err(Refusal::bye(Code::TooBig, "The command is too long")),
            other => unreachable!("the fragmenter gives no {other:?} within APPEND"),
        }
    }
}

/// Refuses a message before its bytes are asked for.
fn check(cx: &Cx, literal: &MessageLiteral, before: usize) -> Result<(), Refusal> {
    if literal.size > cx.core.config.limits.append_bytes_max.0 {
        return Err(Refusal::no(Code::TooBig, "The message is larger than this server takes"));
    }
    if literal.size == 0 {
        // RFC 3502 6.3.11: how a client takes its MULTIAPPEND back.
        return Err(Refusal::no(None, "A message of no bytes: nothing was appended"));
    }
    if before >= APPEND_MESSAGES_MAX {
        return Err(Refusal::no(Code::Limit, "Too many messages in one APPEND"));
    }
    Ok(())
}

/// Takes one message in.
async fn message(
    a: &Authenticated,
    cx: &Cx,
    head: &AppendMessage,
    literal: &MessageLiteral,
) -> Result<NewMessage, Refusal> {
    // The analysis needs the message as a whole: what all connections of the core hold for it is bounded.
    let _held = cx.core.analyse_budget.take(literal.size).await;
    cx.reader.accept_message();
    if literal.synchronising {
        cx.out.with(|out| encode::continuation(out, "OK"));
    }
    let mut writer = a.shard.content_writer();
    let mut whole = Vec::new();
    let content = loop {
        match cx.reader.next().await? {
            Event::MessageData(bytes) => {
                writer.write(&bytes).await?;
                whole.extend_from_slice(&bytes);
            }
            Event::MessageEnd => break writer.finish().await?,
            other => unreachable!("the fragmenter gives no {other:?} within a message"),
        }
    };
    let encoded = if analyse::is_inline(literal.size) {
        analyse::analyse(&whole)
    } else {
        cx.core.lanes.analyse(whole).await
    };
    Ok(new_message(cx, head, content, encoded))
}

fn new_message(cx: &Cx, head: &AppendMessage, content: StoredContent, encoded: Vec<u8>) -> NewMessage {
    let summary = Summary::decode(&encoded).unwrap_or_default();
    let (flags, keywords) = split_flags(&head.flags);
    let now = ZonedTime { seconds: cx.core.clock.wall().0.div_euclid(1000), zone_minutes: 0 };
    let hashes = |ids: &[Vec<u8>]| ids.iter().map(|id| thread_hash(id)).collect::<Vec<u64>>();
    // From the oldest to the parent: In-Reply-To names the parent, and counts where there are no References.
    let references = if summary.references.is_empty() { &summary.in_reply_to } else { &summary.references };
    NewMessage {
        content,
        summary: encoded,
        summary_version: summary::VERSION,
        internal: head.date.unwrap_or(now),
        sent_day: summary.sent.map(ZonedTime::day),
        message_id_hashes: summary.message_id.iter().map(|id| thread_hash(id)).collect(),
        references: hashes(references),
        flags,
        keywords,
        has_documents: cx
            .core
            .config
            .documents
            .enabled
            .then(|| documents::are_possible(&summary.body_structure)),
    }
}

async fn commit(a: &Authenticated, mailbox: MailboxId, messages: Vec<NewMessage>) -> Answer {
    let appended = a.shard.append(a.id(), mailbox, messages).await.map_err(|error| match error {
        // It was deleted while the message came in.
        ChangeError::NoSuchMailbox => Refusal::deleted_meanwhile(),
        other => other.into(),
    })?;
    let code = Code::AppendUid { validity: appended.uid_validity, uids: appended.uids };
    Ok(Done::ok("APPEND done").with_code(code))
}
