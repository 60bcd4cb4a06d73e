//! COPY, MOVE and UID EXPUNGE: a set of messages, and for two of them a mailbox.

use super::ast::{CommandBody, Numbers};
use super::cursor::{Cursor, Parsed};
use super::name::MailboxName;
use super::numbers;
use super::set::SetArg;

fn arguments(c: &mut Cursor<'_>) -> Parsed<(SetArg, MailboxName)> {
    c.space()?;
    let set = numbers::set(c)?;
    c.space()?;
    Ok((set, c.mailbox()?))
}

/// `copy = "COPY" SP sequence-set SP mailbox` (RFC 9051 6.4.7)
pub fn copy(c: &mut Cursor<'_>, by: Numbers) -> Parsed<CommandBody> {
    let (set, mailbox) = arguments(c)?;
    Ok(CommandBody::Copy { by, set, mailbox })
}

/// `move = "MOVE" SP sequence-set SP mailbox` (RFC 6851, RFC 9051 6.4.8)
pub fn move_(c: &mut Cursor<'_>, by: Numbers) -> Parsed<CommandBody> {
    let (set, mailbox) = arguments(c)?;
    Ok(CommandBody::Move { by, set, mailbox })
}

/// `uid-expunge = "UID" SP "EXPUNGE" SP sequence-set` (RFC 4315 2.1, RFC 9051 6.4.9)
pub fn uid_expunge(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    Ok(CommandBody::UidExpunge { set: numbers::set(c)? })
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("COPY 1:3 a", "COPY 1:3 a"),
            ("uid copy * \"a b\"", "UID COPY * \"a b\""),
            ("MOVE $ Trash", "MOVE $ Trash"),
            ("UID MOVE 1,2 {1}\r\nx", "UID MOVE 1,2 x"),
            ("UID EXPUNGE 1:*", "UID EXPUNGE 1:*"),
            ("EXPUNGE", "EXPUNGE"),
        ]);
        bad(&[
            "COPY",
            "COPY 1",
            "COPY 1 ",
            "COPY a b",
            "COPY 1 a b",
            "MOVE 1",
            "UID EXPUNGE",
            "UID EXPUNGE x",
            "EXPUNGE 1",
        ]);
    }
}
