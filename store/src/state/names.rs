//! Mailbox names as the store holds them: UTF-8, levels parted by `/`, INBOX in capitals.
//!
//! Not here: modified UTF-7 and LIST patterns (the server's). Every way to a mailbox goes through [`checked`], so
//! that no name in the log breaks the rules.

use crate::limits;

pub const SEPARATOR: char = '/';
pub const INBOX: &str = "INBOX";

/// Why a name cannot be a mailbox's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    #[error("a mailbox name must not be empty")]
    Empty,
    #[error("a mailbox name must not have an empty level")]
    EmptyLevel,
    #[error("a mailbox name must not have a level \".\" or \"..\"")]
    DotLevel,
    #[error("a mailbox name must not hold control characters")]
    Control,
    #[error("the mailbox name is too long")]
    TooLong,
    #[error("the mailbox name has too many levels")]
    TooDeep,
}

/// The name as it is stored: checked (RFC 9051 5.1), and a first level that is INBOX in any case in capitals.
pub fn checked(name: &str) -> Result<String, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > limits::mailbox_name_bytes_max {
        return Err(NameError::TooLong);
    }
    if name.split(SEPARATOR).count() > limits::mailbox_name_levels_max {
        return Err(NameError::TooDeep);
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(NameError::Control);
    }
    for level in name.split(SEPARATOR) {
        match level {
            "" => return Err(NameError::EmptyLevel),
            "." | ".." => return Err(NameError::DotLevel),
            _ => {}
        }
    }
    Ok(folded(name))
}

/// The name with INBOX in capitals; for lookups, where a name that breaks the rules just is not found.
pub fn folded(name: &str) -> String {
    let (first, rest) = name.split_at(name.find(SEPARATOR).unwrap_or(name.len()));
    if first.eq_ignore_ascii_case(INBOX) { format!("{INBOX}{rest}") } else { name.to_owned() }
}

/// The names above `name`, from the top: of `a/b/c`, `a` and `a/b`.
pub fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).map(|(at, _)| &name[..at])
}

/// The part of `name` below `parent`, with its separator; `None` when it is not below.
pub fn below<'a>(name: &'a str, parent: &str) -> Option<&'a str> {
    name.strip_prefix(parent).filter(|rest| rest.starts_with(SEPARATOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let deep = "a/".repeat(limits::mailbox_name_levels_max) + "a";
        let long = "a".repeat(limits::mailbox_name_bytes_max + 1);
        let cases = [
            ("inbox", Ok("INBOX")),
            ("InBoX/x", Ok("INBOX/x")),
            ("inboxes", Ok("inboxes")),
            ("a/inbox", Ok("a/inbox")),
            ("Ünï/%*&~#", Ok("Ünï/%*&~#")),
            ("...", Ok("...")),
            ("", Err(NameError::Empty)),
            ("/", Err(NameError::EmptyLevel)),
            ("a/", Err(NameError::EmptyLevel)),
            ("a//b", Err(NameError::EmptyLevel)),
            ("../a", Err(NameError::DotLevel)),
            ("a/./b", Err(NameError::DotLevel)),
            ("a\nb", Err(NameError::Control)),
            ("a\u{85}b", Err(NameError::Control)),
            ("a\u{2028}b", Err(NameError::Control)),
            (deep.as_str(), Err(NameError::TooDeep)),
            (long.as_str(), Err(NameError::TooLong)),
        ];
        for (name, expected) in cases {
            assert_eq!(checked(name), expected.map(str::to_owned), "{name:?}");
        }
    }

    #[test]
    fn family() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!((below("a/b", "a"), below("ab", "a"), below("a", "a")), (Some("/b"), None, None));
    }
}
