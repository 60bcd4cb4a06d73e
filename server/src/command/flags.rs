//! STORE and UID STORE (RFC 3501 6.4.6, RFC 9051 6.4.6).
//!
//! What must hold: nothing is told before it is durable; without .SILENT the flags of every message that was
//! named are told, changed or not; with it only what others changed.

use futures_lite::future::yield_now;
use trawl_store::shard::{FlagChange, FlagMode};
use trawl_store::types::{Flags, Uid};
use trawl_store::uid_set::UidSet;

use super::fetch::message;
use crate::limits::FETCH_WINDOW_MESSAGES;
use crate::mailbox::sync;
use crate::response::encode;
use crate::response::status::{Answer, Code, Done, Refusal};
use crate::session::{Cx, Selected};
use crate::wire::ast::{Flag, Numbers, StoreChange, StoreMode};
use crate::wire::set::SetArg;

/// STORE.
pub async fn store(s: &mut Selected, cx: &Cx, by: Numbers, set: SetArg, change: StoreChange) -> Answer {
    let uids = s.view.resolve(by, &set, &s.saved)?;
    s.check_writable()?;
    let mode = match change.mode {
        StoreMode::Add => FlagMode::Add,
        StoreMode::Remove => FlagMode::Remove,
        StoreMode::Replace => FlagMode::Replace,
    };
    let (flags, keywords) = split_flags(&change.flags);
    let change_to = FlagChange { mode, flags, keywords };
    let stored = s.auth.shard.store_flags(s.auth.id(), s.mailbox, &uids, change_to, None).await?;
    if !change.silent {
        sync::keywords(s, &cx.out)?;
        tell_flags(s, cx, &stored.stored, by == Numbers::Uid).await?;
    }
    s.view.told(&stored.changed, stored.modseq);
    let done = Done::ok("STORE done");
    // Others expunged some of them; their numbers are still in the view.
    Ok(if stored.stored.len() < uids.len() { done.with_code(Code::ExpungeIssued) } else { done })
}

/// System flags as bits, keywords as names. Flags with a backslash that nobody knows are not in PERMANENTFLAGS
/// and are ignored (RFC 3501 7.1, RFC 9051 7.1).
pub fn split_flags(named: &[Flag]) -> (Flags, Vec<String>) {
    let (mut flags, mut keywords) = (Flags::default(), Vec::new());
    for flag in named {
        let system = match flag {
            Flag::Seen => Flags::SEEN,
            Flag::Answered => Flags::ANSWERED,
            Flag::Flagged => Flags::FLAGGED,
            Flag::Deleted => Flags::DELETED,
            Flag::Draft => Flags::DRAFT,
            Flag::Extension(_) => continue,
            Flag::Keyword(keyword) => {
                keywords.push(keyword.as_str().to_owned());
                continue;
            }
        };
        flags = flags.with(system);
    }
    (flags, keywords)
}

/// `* n FETCH (FLAGS (…))` for each of `uids` that is in the view, with the UID if asked for.
pub async fn tell_flags(s: &Selected, cx: &Cx, uids: &UidSet, with_uid: bool) -> Result<(), Refusal> {
    let mut rest = uids.iter();
    loop {
        let window: Vec<Uid> = rest.by_ref().take(FETCH_WINDOW_MESSAGES).collect();
        if window.is_empty() {
            return Ok(());
        }
        s.look(|mailbox| {
            cx.out.with(|out| {
                for uid in &window {
                    let (Some(seq), Some(row)) = (s.view.seq(*uid), s.view.row(mailbox, *uid)) else {
                        continue;
                    };
                    message::begin(out, seq);
                    if with_uid {
                        out.extend_from_slice(b"UID ");
                        encode::number(out, u64::from(uid.get()));
                        out.push(b' ');
                    }
                    out.extend_from_slice(b"FLAGS ");
                    encode::flags(out, row.flags, mailbox.keywords(), !s.auth.rev2 && s.view.is_recent(*uid));
                    message::end(out);
                }
            });
        })?;
        cx.out.room().await?;
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ast::Keyword;

    #[test]
    fn flags_are_bits_and_keywords_are_names() {
        let keyword = |name| Flag::Keyword(Keyword::new(name).unwrap());
        let named =
            [Flag::Seen, keyword("$Junk"), Flag::Extension("\\Odd".into()), Flag::Draft, keyword("work")];
        let (flags, keywords) = split_flags(&named);
        assert_eq!(flags, Flags::SEEN.with(Flags::DRAFT));
        assert_eq!(keywords, ["$Junk", "work"]);
    }
}
