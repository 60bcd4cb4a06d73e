//! COPY and MOVE with their UID forms (RFC 9051 6.4.7 and 6.4.8, RFC 6851, RFC 4315).
//!
//! What must hold: all or none; MOVE is one commit, and its COPYUID is told before the EXPUNGEs.

use trawl_store::shard::{ChangeError, CopyResult};
use trawl_store::types::MailboxId;
use trawl_store::uid_set::UidSet;

use crate::response::encode::Status;
use crate::response::status::{Answer, Code, Done, Refusal, write_status};
use crate::session::{Cx, Selected};
use crate::wire::ast::Numbers;
use crate::wire::name::MailboxName;
use crate::wire::set::SetArg;

/// COPY.
pub async fn copy(s: &mut Selected, _cx: &Cx, by: Numbers, set: SetArg, mailbox: MailboxName) -> Answer {
    let uids = s.view.resolve(by, &set, &s.saved)?;
    let to = target(s, &mailbox)?;
    check_present(s, by, &uids)?;
    let copied = s.auth.shard.copy(s.auth.id(), s.mailbox, to, &uids).await.map_err(refused)?;
    let done = Done::ok("COPY done");
    Ok(match copy_uid(copied) {
        Some(code) => done.with_code(code),
        None => done,
    })
}

/// MOVE. The driver tells the EXPUNGEs after it.
pub async fn move_(s: &mut Selected, cx: &Cx, by: Numbers, set: SetArg, mailbox: MailboxName) -> Answer {
    let uids = s.view.resolve(by, &set, &s.saved)?;
    s.check_writable()?;
    let to = target(s, &mailbox)?;
    check_present(s, by, &uids)?;
    let moved = s.auth.shard.move_messages(s.auth.id(), s.mailbox, to, &uids).await.map_err(refused)?;
    if let Some(code) = copy_uid(moved) {
        write_status(&cx.out, None, Status::Ok, Some(&code), "Moved");
    }
    Ok(Done::ok("MOVE done"))
}

fn target(s: &Selected, name: &MailboxName) -> Result<MailboxId, Refusal> {
    let name = s.auth.decode(name)?;
    let found = s.auth.look(|account| account.mailbox_named(&name).map(|mailbox| mailbox.id()))?;
    found.ok_or_else(|| Refusal::try_create(&name))
}

/// A sequence number names a message that the client sees: if others expunged it, it cannot be copied, and so none is. A UID
/// that is no more is passed over (RFC 9051 6.4.9).
fn check_present(s: &Selected, by: Numbers, uids: &UidSet) -> Result<(), Refusal> {
    let present = || s.look(|mailbox| mailbox.rows_in(uids).count() as u64);
    if by == Numbers::Sequence && present()? < uids.len() {
        return Err(Refusal::no(Code::ExpungeIssued, "Some of the messages are no more"));
    }
    Ok(())
}

/// The target may have been deleted while the copy waited its turn.
fn refused(error: ChangeError) -> Refusal {
    match error {
        ChangeError::NoSuchMailbox => Refusal::deleted_meanwhile(),
        other => other.into(),
    }
}

fn copy_uid(copied: CopyResult) -> Option<Code> {
    let CopyResult { uid_validity, source, target } = copied;
    (!source.is_empty()).then_some(Code::CopyUid { validity: uid_validity, source, target })
}
