//! Commands whose argument is a mailbox: SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use trawl_store::types::SpecialUse;

use super::ast::{CommandBody, UseAttribute};
use super::cursor::{Cursor, Parsed, bad};
use super::name::MailboxName;

const USES_MAX: usize = 16;

/// The names of RFC 6154 2 and RFC 8457, with their backslash.
pub const SPECIAL_USES: [(&str, SpecialUse); 8] = [
    ("\\All", SpecialUse::All),
    ("\\Archive", SpecialUse::Archive),
    ("\\Drafts", SpecialUse::Drafts),
    ("\\Flagged", SpecialUse::Flagged),
    ("\\Junk", SpecialUse::Junk),
    ("\\Sent", SpecialUse::Sent),
    ("\\Trash", SpecialUse::Trash),
    ("\\Important", SpecialUse::Important),
];

/// A special use's name as written in LIST and CREATE.
pub fn special_use_name(wanted: SpecialUse) -> &'static str {
    match SPECIAL_USES.iter().find(|(_, u)| *u == wanted) {
        Some((name, _)) => name,
        None => unreachable!("SPECIAL_USES names every variant"),
    }
}

fn one(c: &mut Cursor<'_>) -> Parsed<MailboxName> {
    c.space()?;
    c.mailbox()
}

/// `select = "SELECT" SP mailbox` (RFC 9051 6.3.2)
pub fn select(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    Ok(CommandBody::Select { mailbox: one(c)? })
}

/// `examine = "EXAMINE" SP mailbox` (RFC 9051 6.3.3)
pub fn examine(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    Ok(CommandBody::Examine { mailbox: one(c)? })
}

/// `create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]` (RFC 9051 6.3.4, RFC 6154 6)
pub fn create(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    let mailbox = one(c)?;
    let mut special_uses = Vec::new();
    if c.take(b' ') {
        c.expect(b'(', "A parameter list of CREATE was expected")?;
        if !c.take_word("USE") {
            return bad("The only parameter of CREATE is USE");
        }
        c.space()?;
        special_uses = c.list(USES_MAX, |c| {
            c.expect(b'\\', "A special-use attribute begins with a backslash")?;
            let name = format!("\\{}", c.atom()?);
            let known = SPECIAL_USES.iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
            Ok(known.map_or(UseAttribute::Other(name), |(_, u)| UseAttribute::Known(*u)))
        })?;
        c.expect(b')', "The parameter list of CREATE has no end")?;
    }
    Ok(CommandBody::Create { mailbox, special_uses })
}

/// `delete = "DELETE" SP mailbox` (RFC 9051 6.3.5)
pub fn delete(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    Ok(CommandBody::Delete { mailbox: one(c)? })
}

/// `rename = "RENAME" SP mailbox SP mailbox` (RFC 9051 6.3.6)
pub fn rename(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    Ok(CommandBody::Rename { from: one(c)?, to: one(c)? })
}

/// `subscribe = "SUBSCRIBE" SP mailbox` (RFC 9051 6.3.7)
pub fn subscribe(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    Ok(CommandBody::Subscribe { mailbox: one(c)? })
}

/// `unsubscribe = "UNSUBSCRIBE" SP mailbox` (RFC 9051 6.3.8)
pub fn unsubscribe(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    Ok(CommandBody::Unsubscribe { mailbox: one(c)? })
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("SELECT inbox", "SELECT inbox"),
            ("select \"a b\"", "SELECT \"a b\""),
            ("EXAMINE {3}\r\na/b", "EXAMINE a/b"),
            ("SELECT \"\"", "SELECT \"\""),
            ("CREATE a/", "CREATE a/"),
            ("CREATE a (USE (\\sent \\Drafts))", "CREATE a (USE (\\Sent \\Drafts))"),
            ("CREATE a (use (\\Mine))", "CREATE a (USE (\\Mine))"),
            ("DELETE Entw&APw-rfe", "DELETE Entw&APw-rfe"),
            ("RENAME a b", "RENAME a b"),
            ("SUBSCRIBE a", "SUBSCRIBE a"),
            ("UNSUBSCRIBE a", "UNSUBSCRIBE a"),
        ]);
        bad(&[
            "SELECT",
            "SELECT ",
            "SELECT a b",
            "SELECT a ",
            "SELECT (a)",
            "SELECT a%",
            "SELECT Entwürfe",
            "CREATE a (",
            "CREATE a ()",
            "CREATE a (USE)",
            "CREATE a (USE \\Sent)",
            "CREATE a (USE (Sent))",
            "CREATE a (USE (\\Sent)",
            "CREATE a (USE (\\Sent)) x",
            "RENAME a",
            "RENAME a b c",
        ]);
    }
}
