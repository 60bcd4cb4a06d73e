//! APPEND, whose messages stream: the pieces between the message literals.
//!
//! The fragmenter hands over what stands before the first message ([`parse_start`]), between two messages ([`parse_next`]) and
//! after the last ([`parse_end`]).
//!
//! ```text
//! append         = "APPEND" SP mailbox 1*append-message               ; RFC 9051 6.3.12, RFC 3502
//! append-message = [SP flag-list] [SP date-time] SP append-data
//! append-data    = literal / literal8 / "UTF8" SP "(" literal8 ")"    ; RFC 3516, RFC 6855 4
//! ```

use super::ast::{AppendMessage, Tag};
use super::cursor::{Cursor, Parsed, SyntaxError, bad};
use super::name::MailboxName;
use super::table::{BadCommand, tag_of};
use super::{date, flags};

/// The beginning of an APPEND command: up to its first message literal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppendStart {
    pub tag: Tag,
    pub mailbox: MailboxName,
    pub message: AppendMessage,
}

/// Parses [`super::fragment::MessageLiteral::head`] of a first message; `binary` as announced.
pub fn parse_start(head: &[u8], binary: bool) -> Result<AppendStart, BadCommand> {
    let Some(tag) = tag_of(head) else {
        return Err(BadCommand { tag: None, reason: "A command begins with a tag" });
    };
    let mut c = Cursor::new(&head[tag.as_str().len()..]);
    let parsed = (|| {
        c.space()?;
        if !c.take_word("APPEND") {
            return bad("APPEND was expected");
        }
        c.space()?;
        let mailbox = c.mailbox()?;
        Ok((mailbox, message(&mut c, binary)?))
    })();
    match parsed {
        Ok((mailbox, message)) => Ok(AppendStart { tag, mailbox, message }),
        Err(SyntaxError { reason }) => Err(BadCommand { tag: Some(tag), reason }),
    }
}

/// Parses the head of a further message of the same command (MULTIAPPEND); `previous` is the message before it.
pub fn parse_next(head: &[u8], binary: bool, previous: &AppendMessage) -> Parsed<AppendMessage> {
    let mut c = Cursor::new(head);
    close(&mut c, previous)?;
    // Python's imapclient sends a second space between the messages of its multiappend.
    while c.rest().starts_with(b"  ") {
        c.space()?;
    }
    message(&mut c, binary)
}

/// Parses what stands after the last message.
pub fn parse_end(rest: &[u8], previous: &AppendMessage) -> Parsed<()> {
    let mut c = Cursor::new(rest);
    close(&mut c, previous)?;
    c.end()
}

fn close(c: &mut Cursor<'_>, previous: &AppendMessage) -> Parsed<()> {
    if previous.utf8 { c.expect(b')', "UTF8 needs a closing parenthesis after its message") } else { Ok(()) }
}

fn message(c: &mut Cursor<'_>, binary: bool) -> Parsed<AppendMessage> {
    c.space()?;
    let mut message = AppendMessage { flags: Vec::new(), date: None, utf8: false };
    if c.peek() == Some(b'(') {
        message.flags = flags::flag_list(c)?;
        c.space()?;
    }
    if c.peek() == Some(b'"') {
        message.date = Some(date::date_time(c)?);
        c.space()?;
    }
    if c.take_word("UTF8") {
        c.space()?;
        c.expect(b'(', "UTF8 needs its message in parentheses")?;
        if !binary {
            return bad("UTF8 needs a binary literal");
        }
        message.utf8 = true;
    }
    if c.at_end() { Ok(message) } else { bad("APPEND takes flags, a date-time and a message as a literal") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ast::Flag;

    #[test]
    fn good_heads() {
        let cases: &[(&[u8], bool, usize, bool, bool)] = &[
            (b"a APPEND INBOX ", false, 0, false, false),
            (b"a append {3}\r\na b ", true, 0, false, false),
            (b"a APPEND x (\\Seen $k) ", false, 2, false, false),
            (b"a APPEND x () ", false, 0, false, false),
            (b"a APPEND x \" 1-Jan-2020 00:00:00 +0000\" ", false, 0, true, false),
            (b"a APPEND x (\\Seen) \"17-Jul-1996 02:44:25 -0700\" UTF8 (", true, 1, true, true),
        ];
        for &(head, binary, flags, date, utf8) in cases {
            let start = parse_start(head, binary).unwrap();
            assert_eq!(start.tag.as_str(), "a");
            let m = start.message;
            assert_eq!(
                (m.flags.len(), m.date.is_some(), m.utf8),
                (flags, date, utf8),
                "{:?}",
                head.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn bad_heads() {
        let cases: &[(&[u8], bool)] = &[
            (b"a APPEND INBOX", false),
            (b"a APPEND  ", false),
            (b"a APPEND INBOX  ", false),
            (b"a APPEND INBOX x ", false),
            (b"a APPEND INBOX (\\Recent) ", false),
            (b"a APPEND INBOX (\\Seen)", false),
            (b"a APPEND INBOX \"yesterday\" ", false),
            (b"a APPEND INBOX \"17-Jul-1996 02:44:25 -0700\" (\\Seen) ", false),
            (b"a APPEND INBOX UTF8 (", false),
            (b"a APPEND INBOX UTF8 ", true),
            (b"a APPEND INBOX CATENATE (TEXT ", false),
        ];
        for &(head, binary) in cases {
            let err = parse_start(head, binary).unwrap_err();
            assert_eq!(err.tag.as_ref().map(Tag::as_str), Some("a"), "{:?}", head.escape_ascii().to_string());
        }
        assert_eq!(parse_start(b" APPEND INBOX ", false).unwrap_err().tag, None);
    }

    #[test]
    fn between_and_after() {
        let plain = AppendMessage { flags: Vec::new(), date: None, utf8: false };
        let utf8 = AppendMessage { utf8: true, ..plain.clone() };
        assert_eq!(parse_next(b" (\\Seen) ", false, &plain).unwrap().flags, [Flag::Seen]);
        assert!(parse_next(b"  ", false, &plain).is_ok(), "a second space of imapclient");
        assert!(parse_next(b") ", false, &utf8).is_ok());
        assert!(parse_next(b") UTF8 (", true, &utf8).unwrap().utf8);
        assert!(parse_next(b" ", false, &utf8).is_err());
        assert!(parse_next(b"", false, &plain).is_err());
        assert!(parse_end(b"", &plain).is_ok());
        assert!(parse_end(b")", &utf8).is_ok());
        assert!(parse_end(b"", &utf8).is_err());
        assert!(parse_end(b" ", &plain).is_err());
        assert!(parse_end(b" (\\Seen)", &plain).is_err());
    }
}
