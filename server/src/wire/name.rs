//! Mailbox names on their way in: the bytes a client sent, and the UTF-8 name they stand for.
//!
//! Not here: whether a mailbox of that name exists. In the store a name is UTF-8 in normalisation form C with `/` between levels
//! and INBOX in upper case.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::mutf7;
use crate::limits::{MAILBOX_LEVEL_BYTES_MAX, MAILBOX_LEVELS_MAX, MAILBOX_NAME_BYTES_MAX};

/// How names are written on this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NameEncoding {
    /// Until ENABLE IMAP4rev2 (RFC 3501 5.1.3).
    #[default]
    ModifiedUtf7,
    /// After it (RFC 9051 5.1), Net-Unicode.
    Utf8,
}

/// A mailbox name, reference or pattern as sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MailboxName(Vec<u8>);

/// Why a name cannot name a mailbox; the text completes `NO [CANNOT]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameError(pub &'static str);

impl MailboxName {
    pub fn new(bytes: Vec<u8>) -> MailboxName {
        MailboxName(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name in UTF-8 with INBOX (the whole name, or the first level) in upper case.
    ///
    /// It is brought to normalisation form C in either dialect: names must be Net-Unicode, and a client that spells one in
    /// another form must reach it with every command (RFC 9051 5.1).
    ///
    /// Under [`NameEncoding::ModifiedUtf7`] a name that is not valid there but holds 8-bit UTF-8 is refused too. Wildcards of a
    /// pattern pass unchanged.
    pub fn decode(&self, encoding: NameEncoding) -> Result<String, NameError> {
        let name = match encoding {
            NameEncoding::ModifiedUtf7 => {
                mutf7::decode(&self.0).ok_or(NameError("The mailbox name is not valid modified UTF-7"))?
            }
            NameEncoding::Utf8 => String::from_utf8(self.0.clone())
                .map_err(|_| NameError("The mailbox name is not valid UTF-8"))?,
        };
        let name = if is_nfc(&name) { name } else { name.nfc().collect() };
        Ok(fold_inbox(name))
    }
}

/// INBOX in any case, alone or as the first level, becomes `INBOX` (RFC 9051 5.1).
pub fn fold_inbox(mut name: String) -> String {
    let first = name.split('/').next().unwrap_or_default();
    if first.eq_ignore_ascii_case("INBOX") {
        let end = first.len();
        name.replace_range(..end, "INBOX");
    }
    name
}

/// May a mailbox of this name be created? No empty level, no `.` or `..` level, no control characters, no wildcards, bounded.
/// `name` has no trailing hierarchy separator (CREATE drops it first, RFC 9051 6.3.4).
pub fn check_new_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError("The mailbox name is empty"));
    }
    if name.len() > MAILBOX_NAME_BYTES_MAX {
        return Err(NameError("The mailbox name is too long"));
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(NameError("The mailbox name holds a control character"));
    }
    if name.contains(['%', '*']) {
        return Err(NameError("The mailbox name holds a wildcard"));
    }
    for (i, level) in name.split('/').enumerate() {
        match level {
            "" => return Err(NameError("The mailbox name has an empty level")),
            "." | ".." => return Err(NameError("The mailbox name has a level of dots only")),
            _ if level.len() > MAILBOX_LEVEL_BYTES_MAX => {
                return Err(NameError("A level of the mailbox name is too long"));
            }
            _ if i >= MAILBOX_LEVELS_MAX => return Err(NameError("The mailbox name has too many levels")),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_by_dialect() {
        let name = |b: &[u8], e| MailboxName::new(b.to_vec()).decode(e).ok();
        assert_eq!(name(b"inbox", NameEncoding::ModifiedUtf7).as_deref(), Some("INBOX"));
        assert_eq!(name(b"Inbox/a", NameEncoding::Utf8).as_deref(), Some("INBOX/a"));
        assert_eq!(name(b"inboxes", NameEncoding::Utf8).as_deref(), Some("inboxes"));
        assert_eq!(name(b"Entw&APw-rfe", NameEncoding::ModifiedUtf7).as_deref(), Some("Entwürfe"));
        assert_eq!(name(b"Entw&APw-rfe", NameEncoding::Utf8).as_deref(), Some("Entw&APw-rfe"));
        assert_eq!(name("Entwürfe".as_bytes(), NameEncoding::Utf8).as_deref(), Some("Entwürfe"));
        assert_eq!(name("Entwürfe".as_bytes(), NameEncoding::ModifiedUtf7), None);
        assert_eq!(name("Entwu\u{308}rfe".as_bytes(), NameEncoding::Utf8).as_deref(), Some("Entwürfe"));
        assert_eq!(name(b"Entwu&Awg-rfe", NameEncoding::ModifiedUtf7).as_deref(), Some("Entwürfe"));
        assert_eq!(name(b"\xff", NameEncoding::Utf8), None);
    }

    #[test]
    fn checks_new_names() {
        for good in ["a", "a/b", "Entwürfe", "a.b/..c", "INBOX/x", "a b"] {
            assert_eq!(check_new_name(good), Ok(()), "{good}");
        }
        let long = "x".repeat(MAILBOX_LEVEL_BYTES_MAX + 1);
        let deep = vec!["x"; MAILBOX_LEVELS_MAX + 1].join("/");
        for wrong in
            ["", "/a", "a//b", "a/", "..", "a/../b", "a/.", "a\nb", "a\u{85}b", "a*", "%", &long, &deep]
        {
            assert!(check_new_name(wrong).is_err(), "{wrong}");
        }
    }
}
