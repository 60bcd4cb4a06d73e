//! Flags, and STORE.

use super::ast::{CommandBody, Flag, Keyword, Numbers, StoreChange, StoreMode};
use super::cursor::{Cursor, Parsed, bad};
use super::numbers;
use crate::limits;

/// System flags as written.
pub const SYSTEM_FLAGS: [(&str, Flag); 5] = [
    ("\\Seen", Flag::Seen),
    ("\\Answered", Flag::Answered),
    ("\\Flagged", Flag::Flagged),
    ("\\Deleted", Flag::Deleted),
    ("\\Draft", Flag::Draft),
];

/// `flag = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword / flag-extension` (RFC 9051 9);
/// `\Recent` cannot be given by a client (RFC 3501 2.3.2).
pub fn flag(c: &mut Cursor<'_>) -> Parsed<Flag> {
    if c.take(b'\\') {
        let name = format!("\\{}", c.atom()?);
        if name.eq_ignore_ascii_case("\\Recent") {
            return bad("\\Recent cannot be set by a client");
        }
        let system = SYSTEM_FLAGS.iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
        return Ok(system.map_or(Flag::Extension(name), |(_, f)| f.clone()));
    }
    keyword(c).map(Flag::Keyword)
}

/// `flag-keyword = atom`
pub fn keyword(c: &mut Cursor<'_>) -> Parsed<Keyword> {
    let name = c.atom()?;
    if name.len() > limits::KEYWORD_BYTES_MAX {
        return bad("A keyword is too long");
    }
    Ok(Keyword(name.to_owned()))
}

/// `flag-list = "(" [flag *(SP flag)] ")"`
pub fn flag_list(c: &mut Cursor<'_>) -> Parsed<Vec<Flag>> {
    c.list(limits::FLAGS_MAX, flag)
}

/// `store = "STORE" SP sequence-set SP ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))` (RFC 9051 6.4.6)
pub fn store(c: &mut Cursor<'_>, by: Numbers) -> Parsed<CommandBody> {
    c.space()?;
    let set = numbers::set(c)?;
    c.space()?;
    let mode = if c.take(b'+') {
        StoreMode::Add
    } else if c.take(b'-') {
        StoreMode::Remove
    } else {
        StoreMode::Replace
    };
    let silent = match c.keyword()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return bad("STORE changes FLAGS or FLAGS.SILENT"),
    };
    c.space()?;
    let flags = if c.peek() == Some(b'(') {
        flag_list(c)?
    } else {
        let mut flags = vec![flag(c)?];
        while c.take(b' ') {
            if flags.len() == limits::FLAGS_MAX {
                return bad("A list is too long");
            }
            flags.push(flag(c)?);
        }
        flags
    };
    Ok(CommandBody::Store { by, set, change: StoreChange { mode, silent, flags } })
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("STORE 1 FLAGS ()", "STORE 1 FLAGS ()"),
            ("STORE 1:* +FLAGS (\\seen $Junk)", "STORE 1:* +FLAGS (\\Seen $Junk)"),
            ("STORE 1,3 -FLAGS.SILENT \\Deleted a", "STORE 1,3 -FLAGS.SILENT (\\Deleted a)"),
            ("uid STORE 7 flags.silent (\\Answered)", "UID STORE 7 FLAGS.SILENT (\\Answered)"),
            ("STORE $ +FLAGS (\\Other)", "STORE $ +FLAGS (\\Other)"),
        ]);
        let long = format!("STORE 1 FLAGS {}", "k".repeat(crate::limits::KEYWORD_BYTES_MAX + 1));
        bad(&[
            "STORE",
            "STORE 1",
            "STORE 1 FLAGS",
            "STORE 1 FLAGS ",
            "STORE 0 FLAGS ()",
            "STORE 1 FLAG ()",
            "STORE 1 *FLAGS ()",
            "STORE 1 + FLAGS ()",
            "STORE 1 FLAGS (\\)",
            "STORE 1 FLAGS (\\Recent)",
            "STORE 1 FLAGS (a  b)",
            "STORE 1 FLAGS (a]b)",
            "STORE 1 FLAGS (a b",
            "STORE 1 FLAGS (\"a\")",
            "STORE 1 (UNCHANGEDSINCE 1) FLAGS ()",
            &long,
        ]);
    }
}
