//! Preparation of user names and passwords before they are compared or hashed (RFC 4013 SASLprep).
//!
//! Not here: hashing. What must hold: the same function runs when a credential is stored and when it is presented, so that two
//! spellings of one string (composed or decomposed, with a no-break space) are one credential.

use crate::limits::{PASSWORD_BYTES_MAX, USER_NAME_BYTES_MAX};

/// Why a name or a password cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    #[error("it has a character that SASLprep (RFC 4013) forbids, such as a control character")]
    Forbidden,
}

/// A password as it is hashed: at most [`PASSWORD_BYTES_MAX`] bytes, prepared by SASLprep (RFC 5802 section 2.2).
pub fn password(raw: &str) -> Result<String, PrepareError> {
    prepared(raw, PASSWORD_BYTES_MAX)
}

/// A user name as it is stored and looked up: prepared by SASLprep, then in lower case (people write their mail address in any
/// case and mean one account), without spaces and `/`.
pub fn user_name(raw: &str) -> Result<String, PrepareError> {
    let name = prepared(raw, USER_NAME_BYTES_MAX)?.to_lowercase();
    if name.len() > USER_NAME_BYTES_MAX {
        return Err(PrepareError::TooLong(USER_NAME_BYTES_MAX));
    }
    if name.chars().any(|c| c.is_whitespace() || c == '/') {
        return Err(PrepareError::Forbidden);
    }
    Ok(name)
}

fn prepared(raw: &str, bytes_max: usize) -> Result<String, PrepareError> {
    if raw.is_empty() {
        return Err(PrepareError::Empty);
    }
    if raw.len() > bytes_max {
        return Err(PrepareError::TooLong(bytes_max));
    }
    let text = stringprep::saslprep(raw).map_err(|_| PrepareError::Forbidden)?;
    if text.is_empty() {
        return Err(PrepareError::Empty);
    }
    if text.len() > bytes_max {
        return Err(PrepareError::TooLong(bytes_max));
    }
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_rfc_4013_section_3() {
        assert_eq!(password("I\u{ad}X").unwrap(), "IX");
        assert_eq!(password("user").unwrap(), "user");
        assert_eq!(password("USER").unwrap(), "USER");
        assert_eq!(password("\u{aa}").unwrap(), "a");
        assert_eq!(password("\u{2168}").unwrap(), "IX");
        assert_eq!(password("\u{7}"), Err(PrepareError::Forbidden));
        assert_eq!(password("\u{627}\u{31}"), Err(PrepareError::Forbidden));
    }

    #[test]
    fn user_names_ignore_case_and_composition() {
        assert_eq!(user_name("Zoe\u{308}@Example.ORG").unwrap(), user_name("zo\u{eb}@example.org").unwrap());
        assert_eq!(user_name("a b"), Err(PrepareError::Forbidden));
        assert_eq!(user_name("a/b"), Err(PrepareError::Forbidden));
        assert_eq!(user_name(""), Err(PrepareError::Empty));
        assert_eq!(user_name("\u{ad}"), Err(PrepareError::Empty));
        assert_eq!(
            user_name(&"x".repeat(USER_NAME_BYTES_MAX + 1)),
            Err(PrepareError::TooLong(USER_NAME_BYTES_MAX))
        );
    }
}
