//! STATUS and its items.

use super::ast::{CommandBody, StatusItem};
use super::cursor::{Cursor, Parsed, bad};

const ITEMS_MAX: usize = 32;

/// Names as written.
pub const ITEMS: [(&str, StatusItem); 9] = [
    ("MESSAGES", StatusItem::Messages),
    ("RECENT", StatusItem::Recent),
    ("UIDNEXT", StatusItem::UidNext),
    ("UIDVALIDITY", StatusItem::UidValidity),
    ("UNSEEN", StatusItem::Unseen),
    ("DELETED", StatusItem::Deleted),
    ("SIZE", StatusItem::Size),
    ("APPENDLIMIT", StatusItem::AppendLimit),
    ("MAILBOXID", StatusItem::MailboxId),
];

impl StatusItem {
    pub fn name(self) -> &'static str {
        match ITEMS.iter().find(|(_, i)| *i == self) {
            Some((name, _)) => name,
            None => unreachable!("ITEMS names every variant"),
        }
    }
}

/// `status = "STATUS" SP mailbox SP status-att-list` (RFC 9051 6.3.11)
pub fn status(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    let mailbox = c.mailbox()?;
    c.space()?;
    Ok(CommandBody::Status { mailbox, items: items(c)? })
}

/// `"(" status-att *(SP status-att) ")"`
pub fn items(c: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    let items = c.list(ITEMS_MAX, |c| {
        let name = c.keyword()?;
        match ITEMS.iter().find(|(n, _)| *n == name) {
            Some((_, item)) => Ok(*item),
            None => bad("There is no such status item"),
        }
    })?;
    if items.is_empty() { bad("A list of status items is empty") } else { Ok(items) }
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("STATUS inbox (messages)", "STATUS inbox (MESSAGES)"),
            (
                "STATUS \"a b\" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE APPENDLIMIT MAILBOXID)",
                "STATUS \"a b\" (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE APPENDLIMIT MAILBOXID)",
            ),
        ]);
        bad(&[
            "STATUS",
            "STATUS inbox",
            "STATUS inbox ()",
            "STATUS inbox MESSAGES",
            "STATUS inbox (MESSAGES",
            "STATUS inbox (FOO)",
            "STATUS inbox (MESSAGES  UNSEEN)",
        ]);
    }
}
