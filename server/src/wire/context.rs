//! CANCELUPDATE: the tags of searches of which the client wants to hear no more (RFC 5267 4.3.5).

use super::ast::CommandBody;
use super::cursor::{Cursor, Parsed, bad};
use crate::limits::CANCEL_TAGS_MAX;

/// `"CANCELUPDATE" 1*(SP quoted)` (RFC 5267 5)
pub fn cancel_update(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    let mut tags = Vec::new();
    loop {
        c.space()?;
        if tags.len() == CANCEL_TAGS_MAX {
            return bad("CANCELUPDATE has too many tags");
        }
        tags.push(c.quoted()?);
        if c.at_end() {
            return Ok(CommandBody::CancelUpdate(tags));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CANCEL_TAGS_MAX;
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("CANCELUPDATE \"B01\"", "CANCELUPDATE \"B01\""),
            ("cancelupdate \"B01\" \"b\\\"2\"", "CANCELUPDATE \"B01\" \"b\\\"2\""),
        ]);
        bad(&[
            "CANCELUPDATE",
            "CANCELUPDATE ",
            "CANCELUPDATE B01",
            "CANCELUPDATE {3}\r\nB01",
            "CANCELUPDATE (\"B01\")",
            "CANCELUPDATE \"B01\" ",
            "CANCELUPDATE \"B01\"\"B02\"",
        ]);
        let tags = |n| format!("CANCELUPDATE{}", " \"B\"".repeat(n));
        good(&[(&tags(CANCEL_TAGS_MAX), &tags(CANCEL_TAGS_MAX))]);
        bad(&[&tags(CANCEL_TAGS_MAX + 1)]);
    }
}
