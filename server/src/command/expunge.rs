//! EXPUNGE, UID EXPUNGE and the silent expunge of CLOSE (RFC 9051 6.4.2 to 6.4.4 and 6.4.9, RFC 4315).
//!
//! The driver tells the EXPUNGEs after the handler, from the mailbox as it then is.

use crate::response::status::{Answer, Done, Refusal};
use crate::session::{Cx, Selected};
use crate::wire::ast::Numbers;
use crate::wire::set::SetArg;

/// EXPUNGE: every message with \Deleted.
pub async fn expunge(s: &mut Selected, _cx: &Cx) -> Answer {
    s.check_writable()?;
    s.auth.shard.expunge(s.auth.id(), s.mailbox, None, true).await?;
    Ok(Done::ok("EXPUNGE done"))
}

/// UID EXPUNGE: those of the set that have \Deleted.
pub async fn uid_expunge(s: &mut Selected, _cx: &Cx, set: SetArg) -> Answer {
    let uids = s.view.resolve(Numbers::Uid, &set, &s.saved)?;
    s.check_writable()?;
    s.auth.shard.expunge(s.auth.id(), s.mailbox, Some(&uids), true).await?;
    Ok(Done::ok("UID EXPUNGE done"))
}

/// What CLOSE does before it leaves the mailbox: nothing when it was opened by EXAMINE.
pub async fn close_expunge(s: &Selected) -> Result<(), Refusal> {
    if !s.read_only {
        s.auth.shard.expunge(s.auth.id(), s.mailbox, None, true).await?;
    }
    Ok(())
}
