//! APPEND: new messages into a mailbox, all of them in one commit.

use super::{ChangeError, Shard, StoredContent};
use crate::types::{AccountId, Flags, MailboxId, ModSeq, Uid, UidValidity, ZonedTime};

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
}

/// RFC 4315 APPENDUID.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppendResult {
    pub uid_validity: UidValidity,
    /// In the order of the messages, ascending.
    pub uids: Vec<Uid>,
    pub modseq: ModSeq,
}

#[allow(unused_variables)]
impl Shard {
    /// Adds messages to a mailbox: all or none (RFC 3502).
    pub async fn append(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
    ) -> Result<AppendResult, ChangeError> {
        unreachable!()
    }
}
