//! LOGIN, AUTHENTICATE, ENABLE, ID: who the client is and what it speaks.

use super::ast::{CommandBody, InitialResponse, Secret};
use super::cursor::{Cursor, Parsed, bad};
use crate::limits;

/// `login = "LOGIN" SP userid SP password`, both `astring` (RFC 9051 6.2.3)
pub fn login(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    let user = c.astring()?;
    c.space()?;
    let password = Secret(c.astring()?);
    Ok(CommandBody::Login { user, password })
}

/// `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]`, `initial-resp = base64 / "="` (RFC 9051 6.2.2, RFC 4959)
pub fn authenticate(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    let mechanism = c.keyword()?;
    let initial = if c.take(b' ') {
        let run = c.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
        match run {
            b"" => return bad("The initial response is not base64"),
            b"=" => Some(InitialResponse::Empty),
            base64 => Some(InitialResponse::Base64(Secret(base64.to_vec()))),
        }
    } else {
        None
    };
    Ok(CommandBody::Authenticate { mechanism, initial })
}

/// `enable = "ENABLE" 1*(SP capability)` (RFC 5161)
pub fn enable(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    let mut names = Vec::new();
    loop {
        c.space()?;
        names.push(c.keyword()?);
        if c.at_end() {
            return Ok(CommandBody::Enable(names));
        }
    }
}

/// `id = "ID" SP id-params-list`, `id-params-list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil` (RFC 2971)
pub fn id(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    if c.take_word("NIL") {
        return Ok(CommandBody::Id(None));
    }
    let fields = c.list(limits::ID_FIELDS_MAX, |c| {
        let name = c.string()?;
        c.space()?;
        let value = c.nstring()?;
        if name.len() > limits::ID_FIELD_NAME_BYTES_MAX {
            return bad("A field name of ID is too long");
        }
        if value.as_ref().is_some_and(|v| v.len() > limits::ID_VALUE_BYTES_MAX) {
            return bad("A value of ID is too long");
        }
        Ok((name, value))
    })?;
    Ok(CommandBody::Id(Some(fields)))
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("LOGIN a b", "LOGIN a b"),
            ("login \"a b\" {1}\r\nx", "LOGIN \"a b\" x"),
            ("LOGIN a \"\"", "LOGIN a \"\""),
            ("AUTHENTICATE plain", "AUTHENTICATE PLAIN"),
            ("AUTHENTICATE PLAIN =", "AUTHENTICATE PLAIN ="),
            ("AUTHENTICATE SCRAM-SHA-256 AGEAYg==", "AUTHENTICATE SCRAM-SHA-256 AGEAYg=="),
            ("ENABLE imap4rev2 CONDSTORE", "ENABLE IMAP4REV2 CONDSTORE"),
            ("ID nil", "ID NIL"),
            ("ID ()", "ID ()"),
            ("ID (\"name\" \"x\" \"os\" NIL)", "ID (\"name\" \"x\" \"os\" NIL)"),
        ]);
        bad(&[
            "LOGIN",
            "LOGIN a",
            "LOGIN a b c",
            "LOGIN  a b",
            "LOGIN a (b)",
            "AUTHENTICATE",
            "AUTHENTICATE PLAIN ",
            "AUTHENTICATE PLAIN a b",
            "AUTHENTICATE PLAIN !",
            "ENABLE",
            "ENABLE ",
            "ENABLE a  b",
            "ID",
            "ID (\"a\")",
            "ID (a b)",
            "ID (\"a\" \"b\"",
            "ID (\"a234567890123456789012345678901\" \"b\")",
        ]);
    }

    #[test]
    fn secrets_do_not_show() {
        let command = crate::wire::parse(b"a LOGIN fred hunter2").unwrap();
        assert!(!format!("{command:?}").contains("hunter2"));
    }
}
