//! COPY and MOVE within an account: references, no content is written.

use super::{ChangeError, Shard};
use crate::types::{AccountId, MailboxId, Uid, UidValidity};
use crate::uid_set::UidSet;

/// RFC 4315 COPYUID: `source[n]` became `target[n]`; both ascend. Empty when none of the messages exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyResult {
    /// Of the target mailbox.
    pub uid_validity: UidValidity,
    pub source: Vec<Uid>,
    pub target: Vec<Uid>,
}

#[allow(unused_variables)]
impl Shard {
    /// Copies messages with flags and INTERNALDATE: all or none (RFC 9051 6.4.7). `from` may be `to`.
    pub async fn copy(
        &self,
        account: AccountId,
        from: MailboxId,
        to: MailboxId,
        uids: &UidSet,
    ) -> Result<CopyResult, ChangeError> {
        unreachable!()
    }

    /// Copies and expunges in one commit (RFC 6851).
    pub async fn move_messages(
        &self,
        account: AccountId,
        from: MailboxId,
        to: MailboxId,
        uids: &UidSet,
    ) -> Result<CopyResult, ChangeError> {
        unreachable!()
    }
}
