//! GETMETADATA and SETMETADATA (RFC 5464 4.2, 4.3), and the names of entries (3.2).
//!
//! Not here: which entries there are and who may set them (`command::metadata`).

use trawl_store::limits::annotations_per_account_max;

use super::ast::{CommandBody, Depth};
use super::cursor::{Cursor, Parsed, SyntaxError, bad};
use crate::limits::METADATA_ENTRIES_MAX;

const OPTIONS_MAX: usize = 8;

/// The name of an entry, in lower case (names are not case-sensitive, RFC 5464 3.2): components behind a `/` each, of which the
/// first is `private` or `shared`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EntryName(String);

impl EntryName {
    /// RFC 5464 3.2. Every control character is refused, not only those that it names.
    pub fn new(name: &[u8]) -> Parsed<EntryName> {
        if name.iter().any(|b| !matches!(b, b' '..=b'~') || matches!(b, b'*' | b'%')) {
            return bad("An entry name holds * or % or a character that is not printable US-ASCII");
        }
        let name: String = name.iter().map(|b| char::from(b.to_ascii_lowercase())).collect();
        let Some(components) = name.strip_prefix('/') else { return bad("An entry name begins with /") };
        if components.split('/').any(str::is_empty) {
            return bad("An entry name has no empty component and does not end with /");
        }
        match components.split('/').next() {
            Some("private" | "shared") => Ok(EntryName(name)),
            _ => bad("An entry name begins with /private or /shared"),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of this user alone, and not of all users.
    pub fn is_private(&self) -> bool {
        self.0.starts_with("/private")
    }

    /// Whether it can have a value: two components at least, four where the second is `vendor`. Others stand above such.
    fn is_whole(&self) -> bool {
        let mut components = self.0.split('/').skip(2);
        let least = if components.next() == Some("vendor") { 4 } else { 2 };
        self.0.split('/').skip(1).count() >= least
    }
}

/// ```text
/// getmetadata        = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries
/// getmetadata-option = "MAXSIZE" SP number / "DEPTH" SP ("0" / "1" / "infinity")
/// entries            = entry / "(" entry *(SP entry) ")"
/// ```
/// The examples of RFC 5464 4.2.1 and 4.2.2 have the options behind the mailbox; either place will do.
pub fn getmetadata(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    let mut asked = None;
    if c.peek() == Some(b'(') {
        asked = Some(options(c)?);
        c.space()?;
    }
    let mailbox = c.mailbox()?;
    c.space()?;
    // A list of entries begins with a slash or a string.
    if asked.is_none() && matches!(c.rest(), [b'(', next, ..] if next.is_ascii_alphabetic()) {
        asked = Some(options(c)?);
        c.space()?;
    }
    let entries = match c.peek() {
        Some(b'(') => c.list(METADATA_ENTRIES_MAX, entry)?,
        _ => vec![entry(c)?],
    };
    if entries.is_empty() {
        return bad("GETMETADATA needs an entry");
    }
    let (max_size, depth) = asked.unwrap_or_default();
    Ok(CommandBody::GetMetadata { mailbox, max_size, depth: depth.unwrap_or_default(), entries })
}

fn options(c: &mut Cursor<'_>) -> Parsed<(Option<u32>, Option<Depth>)> {
    let (mut max_size, mut depth) = (None, None);
    let given = c.list(OPTIONS_MAX, |c| {
        match c.keyword()?.as_str() {
            "MAXSIZE" if max_size.is_none() => {
                c.space()?;
                max_size = Some(c.number()?);
            }
            "DEPTH" if depth.is_none() => {
                c.space()?;
                depth = Some(match c.keyword()?.as_str() {
                    "0" => Depth::Zero,
                    "1" => Depth::One,
                    "INFINITY" => Depth::Infinity,
                    _ => return bad("DEPTH is 0, 1 or infinity"),
                });
            }
            "MAXSIZE" | "DEPTH" => return bad("An option of GETMETADATA is given once"),
            _ => return bad("There is no such option of GETMETADATA"),
        }
        Ok(())
    })?;
    if given.is_empty() { bad("The options of GETMETADATA are empty") } else { Ok((max_size, depth)) }
}

/// ```text
/// setmetadata  = "SETMETADATA" SP mailbox SP "(" entry-value *(SP entry-value) ")"
/// entry-value  = entry SP value
/// value        = nstring / literal8
/// ```
pub fn setmetadata(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    let mailbox = c.mailbox()?;
    c.space()?;
    let values = c.list(2 * annotations_per_account_max, |c| {
        let entry = entry(c)?;
        if !entry.is_whole() {
            return bad("An entry has two components at least, four where the second is vendor");
        }
        c.space()?;
        let value = if c.peek() == Some(b'~') { Some(c.literal8()?) } else { c.nstring()? };
        Ok((entry, value))
    })?;
    if values.is_empty() {
        return bad("SETMETADATA needs an entry and its value");
    }
    Ok(CommandBody::SetMetadata { mailbox, values })
}

/// `entry = astring`
fn entry(c: &mut Cursor<'_>) -> Result<EntryName, SyntaxError> {
    EntryName::new(&c.astring()?)
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("GETMETADATA \"\" /shared/comment", "GETMETADATA \"\" /shared/comment"),
            (
                "getmetadata INBOX (/Shared/Comment \"/private/a b\")",
                "GETMETADATA INBOX (/shared/comment \"/private/a b\")",
            ),
            (
                "GETMETADATA \"INBOX\" (maxsize 1024) (/shared/comment /private/comment)",
                "GETMETADATA (MAXSIZE 1024) INBOX (/shared/comment /private/comment)",
            ),
            (
                "GETMETADATA \"\" (DEPTH 1) (/private/filters/values)",
                "GETMETADATA (DEPTH 1) \"\" /private/filters/values",
            ),
            (
                "GETMETADATA (DEPTH Infinity MAXSIZE 0) \"\" /private",
                "GETMETADATA (MAXSIZE 0 DEPTH infinity) \"\" /private",
            ),
            ("GETMETADATA (DEPTH 0) \"\" {10}\r\n/private/a", "GETMETADATA \"\" /private/a"),
            ("GETMETADATA \"\" (\"/private/a\")", "GETMETADATA \"\" /private/a"),
            ("GETMETADATA \"\" /private/vendor", "GETMETADATA \"\" /private/vendor"),
            (
                "SETMETADATA INBOX (/private/comment \"My new comment\" /shared/comment NIL)",
                "SETMETADATA INBOX (/private/comment \"My new comment\" /shared/comment NIL)",
            ),
            (
                "SETMETADATA \"\" (/private/comment {35}\r\nMy new comment across\r\ntwo lines.\r\n)",
                "SETMETADATA \"\" (/private/comment {35}\r\nMy new comment across\r\ntwo lines.\r\n)",
            ),
            ("SETMETADATA \"\" (/private/a ~{3}\r\nx\0y)", "SETMETADATA \"\" (/private/a ~{3}\r\nx\0y)"),
            ("SETMETADATA \"\" (/private/a ~{3+}\r\nx y)", "SETMETADATA \"\" (/private/a \"x y\")"),
            ("SETMETADATA \"\" (/private/a \"\")", "SETMETADATA \"\" (/private/a \"\")"),
            (
                "SETMETADATA \"\" (/private/vendor/acme/x \"\")",
                "SETMETADATA \"\" (/private/vendor/acme/x \"\")",
            ),
        ]);
        bad(&[
            "GETMETADATA",
            "GETMETADATA \"\"",
            "GETMETADATA \"\" ()",
            "GETMETADATA \"\" (DEPTH 1)",
            "GETMETADATA \"\" () /private/a",
            "GETMETADATA () \"\" /private/a",
            "GETMETADATA (DEPTH 2) \"\" /private/a",
            "GETMETADATA (DEPTH 1 DEPTH 1) \"\" /private/a",
            "GETMETADATA (DEPTH 1) \"\" (DEPTH 1) /private/a",
            "GETMETADATA (MAXSIZE) \"\" /private/a",
            "GETMETADATA (MAXSIZE -1) \"\" /private/a",
            "GETMETADATA (MAXSIZE 4294967296) \"\" /private/a",
            "GETMETADATA (WIDTH 1) \"\" /private/a",
            "GETMETADATA \"\" /private/a /private/b",
            "GETMETADATA \"\" private/a",
            "GETMETADATA \"\" /comment",
            "GETMETADATA \"\" /privatex/a",
            "GETMETADATA \"\" /private//a",
            "GETMETADATA \"\" /private/a/",
            "GETMETADATA \"\" /",
            "GETMETADATA \"\" \"\"",
            "GETMETADATA \"\" \"/private/*\"",
            "GETMETADATA \"\" \"/private/%\"",
            "GETMETADATA \"\" \"/private/é\"",
            "GETMETADATA \"\" \"/private/\t\"",
            "SETMETADATA \"\"",
            "SETMETADATA \"\" ()",
            "SETMETADATA \"\" /private/a \"x\"",
            "SETMETADATA \"\" (/private/a)",
            "SETMETADATA \"\" (/private/a x)",
            "SETMETADATA \"\" (/private/a \"x\" /private/b)",
            "SETMETADATA \"\" (/private/a {1}\r\n\0)",
            "SETMETADATA \"\" (/private \"x\")",
            "SETMETADATA \"\" (/private/vendor \"x\")",
            "SETMETADATA \"\" (/private/vendor/acme \"x\")",
            "SETMETADATA \"\" (/private/a//b \"x\")",
        ]);
    }
}
