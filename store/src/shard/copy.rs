//! COPY and MOVE within an account: references, no content is written.

use super::append::system;
use super::keywords::KeywordTable;
use super::{ChangeError, Shard};
use crate::state::head::MailboxHead;
use crate::state::ops::Op;
use crate::types::{AccountId, Flags, MailboxId, Row, Uid, UidValidity};
use crate::uid_set::UidSet;
use std::collections::HashMap;
use std::rc::Rc;

/// RFC 4315 COPYUID: `source[n]` became `target[n]`; both ascend. Empty when none of the messages exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyResult {
    /// Of the target mailbox.
    pub uid_validity: UidValidity,
    pub source: Vec<Uid>,
    pub target: Vec<Uid>,
}

impl Shard {
    /// Copies messages with flags and INTERNALDATE: all or none (RFC 9051 6.4.7). `from` may be `to`.
    pub async fn copy(
        &self,
        account: AccountId,
        from: MailboxId,
        to: MailboxId,
        uids: &UidSet,
    ) -> Result<CopyResult, ChangeError> {
        self.copy_or_move(account, from, to, uids, false).await
    }

    /// Copies and expunges in one commit (RFC 6851).
    pub async fn move_messages(
        &self,
        account: AccountId,
        from: MailboxId,
        to: MailboxId,
        uids: &UidSet,
    ) -> Result<CopyResult, ChangeError> {
        self.copy_or_move(account, from, to, uids, true).await
    }

    async fn copy_or_move(
        &self,
        account: AccountId,
        from: MailboxId,
        to: MailboxId,
        uids: &UidSet,
        expunge: bool,
    ) -> Result<CopyResult, ChangeError> {
        self.turn(account).await;
        let save_date = self.save_date();
        let (ops, result) = self.compute(account, |basis| {
            let target = basis.mailbox(to)?;
            let (mut ops, result) = copy_ops(&basis.mailbox(from)?, &target, uids, save_date)?;
            if expunge && !result.source.is_empty() {
                // One commit has one new MODSEQ in each mailbox that it touches.
                let modseq = basis.mailbox(from)?.next_modseq()?;
                ops.push(Op::Expunge {
                    mailbox: from,
                    modseq,
                    uids: result.source.iter().copied().collect(),
                });
            }
            Ok((ops, result))
        })?;
        if ops.is_empty() {
            self.settled(account).await?;
        } else {
            self.change(account, ops, None).await?;
        }
        Ok(result)
    }
}

/// The operations that copy `uids`; none when nothing of it exists.
pub(super) fn copy_ops(
    source: &MailboxHead<'_>,
    target: &MailboxHead<'_>,
    uids: &UidSet,
    save_date: u32,
) -> Result<(Vec<Op>, CopyResult), ChangeError> {
    let rows: Vec<Row> = source.rows_in(uids).collect();
    let first = target.free_uids(rows.len())?;
    let result = CopyResult {
        uid_validity: target.mailbox.uid_validity(),
        source: rows.iter().map(|row| row.uid).collect(),
        target: (first..).take(rows.len()).filter_map(Uid::new).collect(),
    };
    let Some(first) = result.target.first().copied() else { return Ok((Vec::new(), result)) };
    // The two mailboxes may have the same keyword at different places.
    let names: Vec<&Rc<str>> = source.keywords().collect();
    let mut keywords = KeywordTable::new(target);
    let mut places: HashMap<usize, Flags> = HashMap::new();
    let mut copies = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut flags = system(row.flags);
        for index in row.flags.keywords() {
            let flag = match places.get(&index) {
                Some(flag) => *flag,
                None => {
                    let flag =
                        names.get(index).map_or(Ok(Flags::default()), |name| keywords.flags(&[name]))?;
                    *places.entry(index).or_insert(flag)
                }
            };
            flags = flags.with(flag);
        }
        copies.push((row.message, flags));
    }
    let mut ops: Vec<Op> = keywords.into_op().into_iter().collect();
    let modseq = target.next_modseq()?;
    ops.push(Op::Copy { mailbox: target.mailbox.id(), modseq, save_date, first, rows: copies });
    Ok((ops, result))
}
