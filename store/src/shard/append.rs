//! APPEND: new messages into a mailbox, all of them in one commit.

use super::keywords::KeywordTable;
use super::{ChangeError, MessageRecord, Shard, StoredContent};
use crate::error::CommitError;
use crate::limits;
use crate::log::{CommitKind, RecordType};
use crate::state::ops::{Appended, Op};
use crate::state::thread;
use crate::types::{
    AccountId, EmailId, Flags, MailboxId, MessageFacts, MessageNumber, ModSeq, ThreadId, Uid, UidValidity,
    ZonedTime,
};
use std::collections::HashMap;

/// A message whose content was written and that is to appear in a mailbox.
pub struct NewMessage {
    pub content: StoredContent,
    /// Opaque to the store; recorded next to the message with its version.
    pub summary: Vec<u8>,
    pub summary_version: u16,
    pub internal: ZonedTime,
    /// See [`crate::types::MessageFacts::sent_day`].
    pub sent_day: Option<i32>,
    /// 64-bit hashes of the Message-IDs (one, as a rule) for threading.
    pub message_id_hashes: Vec<u64>,
    /// Hashes of References and In-Reply-To, from the oldest to the parent.
    pub references: Vec<u64>,
    /// System flags; keywords go by name.
    pub flags: Flags,
    pub keywords: Vec<String>,
    /// Whether documents may be in it whose text is to be read ([`Shard::add_documents`]); `None`: nobody reads any.
    pub has_documents: Option<bool>,
}

/// RFC 4315 APPENDUID.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppendResult {
    pub uid_validity: UidValidity,
    /// In the order of the messages, ascending.
    pub uids: Vec<Uid>,
    pub modseq: ModSeq,
}

impl Shard {
    /// Adds messages to a mailbox: all or none (RFC 3502).
    pub async fn append(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
    ) -> Result<AppendResult, ChangeError> {
        if messages.is_empty() || messages.len() > limits::messages_per_append_max {
            return Err(ChangeError::OverLimit("messages of one append"));
        }
        if messages.iter().any(|message| message.summary.len() > limits::summary_bytes_max) {
            return Err(ChangeError::OverLimit("bytes of a summary"));
        }
        self.inner.log.pressure().await?;
        self.turn(account).await;
        let log = &self.inner.log;
        let generation = log.generation();
        if messages.iter().any(|message| message.content.generation != generation) {
            // Their chunks were rolled back with a full disk.
            return Err(CommitError::Full.into());
        }
        let save_date = self.save_date();
        if messages.iter().any(|message| message.has_documents.is_some()) {
            log.begin_documented();
        }
        let (ops, result) = self.compute(account, |basis| {
            let target = basis.mailbox(mailbox)?;
            let modseq = target.next_modseq()?;
            let first_uid = target.free_uids(messages.len())?;
            let first_number = basis.head.next_message(basis.account).0;
            if first_number.checked_add(messages.len() as u32).is_none() {
                return Err(ChangeError::Exhausted);
            }
            let mut keywords = KeywordTable::new(&target);
            let mut threads = HashMap::new();
            let mut appended = Vec::with_capacity(messages.len());
            let mut uids = Vec::with_capacity(messages.len());
            for (nth, message) in (0u32..).zip(&messages) {
                let flags = keywords.flags(&message.keywords)?.with(system(message.flags));
                let number = MessageNumber(first_number + nth);
                let known =
                    |hash| basis.head.thread(basis.account, hash).or_else(|| threads.get(&hash).copied());
                let (first_of_thread, thread_hashes) =
                    thread::assign(&message.message_id_hashes, &message.references, number, known);
                threads.extend(thread_hashes.iter().map(|hash| (*hash, first_of_thread)));
                let Some(uid) = Uid::new(first_uid + nth) else { unreachable!("free UIDs are not 0") };
                appended.push((uid, number, first_of_thread, thread_hashes, flags));
                uids.push(uid);
            }
            let mut added = Vec::with_capacity(messages.len());
            for (message, (uid, number, first_of_thread, thread_hashes, flags)) in
                messages.iter().zip(appended)
            {
                let record = MessageRecord {
                    email_id: EmailId::of(account, number),
                    thread_id: ThreadId::of(account, first_of_thread),
                    size: message.content.size(),
                    header_len: message.content.header_len(),
                    internal: message.internal,
                    sent_day: message.sent_day,
                    header: message.content.header.clone(),
                    body: message.content.body.clone(),
                    summary_version: message.summary_version,
                    summary: Vec::new(),
                };
                let (_, address) = log.put(RecordType::Message, &record.encode_with(&message.summary))?;
                let facts = MessageFacts {
                    size: record.size,
                    internal: record.internal,
                    sent_day: record.sent_day,
                    address,
                    thread: first_of_thread,
                };
                added.push(Appended { uid, message: number, facts, flags, thread_hashes });
            }
            let mut ops: Vec<Op> = keywords.into_op().into_iter().collect();
            ops.push(Op::Append { mailbox, modseq, save_date, messages: added });
            // What is known to have none need not be looked at, if everything before it was.
            let no_documents = messages.iter().all(|message| message.has_documents == Some(false));
            if no_documents && basis.head.documents(basis.account).seen.0 == first_number {
                ops.push(Op::DocumentsSeen { upto: MessageNumber(first_number + messages.len() as u32) });
            }
            Ok((ops, AppendResult { uid_validity: target.mailbox.uid_validity(), uids, modseq }))
        })?;
        self.enqueue(account, CommitKind::Delivery, generation, ops, None)?.await?;
        Ok(result)
    }

    /// SAVEDATE of what is saved now.
    pub(super) fn save_date(&self) -> u32 {
        let seconds = self.inner.env.clock.wall().0.div_euclid(1_000);
        u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
    }
}

/// The system flags among `flags`.
pub(super) fn system(flags: Flags) -> Flags {
    Flags(flags.0 & Flags::SYSTEM.0)
}
