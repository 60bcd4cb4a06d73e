//! EXPUNGE: messages out of a mailbox. Their content stays until compaction; views with a lease still read it.

use super::{ChangeError, Shard};
use crate::state::ops::Op;
use crate::types::{AccountId, Flags, MailboxId, ModSeq};
use crate::uid_set::UidSet;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpungeResult {
    /// What this call expunged (not what another had queued before it).
    pub uids: UidSet,
    /// HIGHESTMODSEQ of the mailbox with this change.
    pub modseq: ModSeq,
}

impl Shard {
    /// Expunges the messages of `uids` (all when `None`), with `only_deleted` those that have \Deleted. What another
    /// has queued for expunge already is durable when this resolves.
    pub async fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: Option<&UidSet>,
        only_deleted: bool,
    ) -> Result<ExpungeResult, ChangeError> {
        self.turn(account).await;
        let (ops, result) = self.compute(account, |basis| {
            let target = basis.mailbox(mailbox)?;
            let all;
            let wanted = match uids {
                Some(uids) => uids,
                None => {
                    all = UidSet::all();
                    &all
                }
            };
            let doomed: UidSet = target
                .rows_in(wanted)
                .filter(|row| !only_deleted || row.flags.contains(Flags::DELETED))
                .map(|row| row.uid)
                .collect();
            if doomed.is_empty() {
                return Ok((Vec::new(), ExpungeResult { uids: doomed, modseq: target.modseq() }));
            }
            let modseq = target.next_modseq()?;
            let ops = vec![Op::Expunge { mailbox, modseq, uids: doomed.clone() }];
            Ok((ops, ExpungeResult { uids: doomed, modseq }))
        })?;
        if ops.is_empty() {
            self.settled(account).await?;
        } else {
            self.change(account, ops, None).await?;
        }
        Ok(result)
    }
}
