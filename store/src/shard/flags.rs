//! STORE: flags and keywords of messages.

use super::append::system;
use super::keywords::KeywordTable;
use super::{ChangeError, Shard};
use crate::state::ops::Op;
use crate::types::{AccountId, Flags, MailboxId, ModSeq};
use crate::uid_set::UidSet;
use std::collections::HashMap;

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
        self.turn(account).await;
        let (ops, mut result) = self.compute(account, |basis| {
            let target = basis.mailbox(mailbox)?;
            let mut keywords = KeywordTable::new(&target);
            let named = match change.mode {
                FlagMode::Remove => keywords.known_flags(&change.keywords),
                FlagMode::Add | FlagMode::Replace => keywords.flags(&change.keywords)?,
            };
            let named = named.with(system(change.flags));
            let modseq = target.next_modseq()?;
            let mut result = StoreResult {
                modified: UidSet::new(),
                stored: UidSet::new(),
                changed: UidSet::new(),
                modseq: target.modseq(),
            };
            let mut groups: HashMap<Flags, UidSet> = HashMap::new();
            for row in target.rows_in(uids) {
                if unchanged_since.is_some_and(|since| row.modseq > since) {
                    result.modified.insert(row.uid);
                    continue;
                }
                result.stored.insert(row.uid);
                let flags = match change.mode {
                    FlagMode::Add => row.flags.with(named),
                    FlagMode::Remove => row.flags.without(named),
                    FlagMode::Replace => named,
                };
                if flags != row.flags {
                    result.changed.insert(row.uid);
                    groups.entry(flags).or_default().insert(row.uid);
                }
            }
            if groups.is_empty() {
                return Ok((Vec::new(), result));
            }
            let mut groups: Vec<(Flags, UidSet)> = groups.into_iter().collect();
            // The same commit has the same bytes in every run.
            groups.sort_by_key(|(_, uids)| uids.first());
            let mut ops: Vec<Op> = keywords.into_op().into_iter().collect();
            ops.push(Op::Flags { mailbox, modseq, groups });
            Ok((ops, StoreResult { modseq, ..result }))
        })?;
        if ops.is_empty() {
            self.settled(account).await?;
            let now =
                self.with_account(account, |account| account.mailbox(mailbox).map(|m| m.highest_modseq()));
            result.modseq = now.flatten().unwrap_or(result.modseq);
            return Ok(result);
        }
        self.change(account, ops, None).await?;
        Ok(result)
    }
}
