//! STORE: flags and keywords of messages.

use super::{ChangeError, Shard};
use crate::types::{AccountId, Flags, MailboxId, ModSeq};
use crate::uid_set::UidSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlagMode {
    Add,
    Remove,
    Replace,
}

/// What STORE does to the flags of each message.
#[derive(Clone, Debug)]
pub struct FlagChange {
    pub mode: FlagMode,
    /// System flags; other bits are ignored.
    pub flags: Flags,
    /// Keywords by name. Those that the mailbox does not know are added to its table, unless removed.
    pub keywords: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreResult {
    /// Messages that `unchanged_since` kept from being changed (RFC 7162 3.1.3 MODIFIED).
    pub modified: UidSet,
    /// Messages that now have the flags, whether or not that changed anything. UIDs that do not exist are in
    /// neither set.
    pub stored: UidSet,
    /// Those of `stored` whose flags changed, all to the MODSEQ `modseq`.
    pub changed: UidSet,
    /// HIGHESTMODSEQ of the mailbox with this change.
    pub modseq: ModSeq,
}

#[allow(unused_variables)]
impl Shard {
    /// Changes flags. Resolves at once when nothing changes, but not before what was queued earlier for these
    /// messages is durable.
    pub async fn store_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &UidSet,
        change: FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<StoreResult, ChangeError> {
        unreachable!()
    }
}
