//! EXPUNGE: messages out of a mailbox. Their content stays until compaction; views with a lease still read it.

use super::{ChangeError, Shard};
use crate::types::{AccountId, MailboxId, ModSeq};
use crate::uid_set::UidSet;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpungeResult {
    /// What this call expunged (not what another had queued before it).
    pub uids: UidSet,
    /// HIGHESTMODSEQ of the mailbox with this change.
    pub modseq: ModSeq,
}

#[allow(unused_variables)]
impl Shard {
    /// Expunges the messages of `uids` (all when `None`), with `only_deleted` those that have \Deleted.
    pub async fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: Option<&UidSet>,
        only_deleted: bool,
    ) -> Result<ExpungeResult, ChangeError> {
        unreachable!()
    }
}
