//! The table of command names and the entry to parsing.
//!
//! Not here: what a command may be used for in which state (the session's command table). A new command is one line here
//! and one function in its family's file.

use super::ast::{Command, CommandBody, Numbers, Tag};
use super::cursor::{Cursor, Parsed, SyntaxError, bad};
use super::{auth, context, copy, fetch, flags, list, manage, metadata, multisearch, search, sort, status};

/// Parses what follows the name. The cursor stands right after the name, before the space if there is one.
type Arguments = fn(&mut Cursor<'_>) -> Parsed<CommandBody>;

/// Names in upper case. APPEND is not here: it never arrives as one command.
const COMMANDS: &[(&str, Arguments)] = &[
    ("AUTHENTICATE", auth::authenticate),
    ("CANCELUPDATE", context::cancel_update),
    ("CAPABILITY", |_| Ok(CommandBody::Capability)),
    ("CHECK", |_| Ok(CommandBody::Check)),
    ("CLOSE", |_| Ok(CommandBody::Close)),
    ("COPY", |c| copy::copy(c, Numbers::Sequence)),
    ("CREATE", manage::create),
    ("DELETE", manage::delete),
    ("ENABLE", auth::enable),
    ("ESEARCH", multisearch::esearch),
    ("EXAMINE", manage::examine),
    ("EXPUNGE", |_| Ok(CommandBody::Expunge)),
    ("FETCH", |c| fetch::fetch(c, Numbers::Sequence)),
    ("GETMETADATA", metadata::getmetadata),
    ("ID", auth::id),
    ("IDLE", |_| Ok(CommandBody::Idle)),
    ("LIST", list::list),
    ("LOGIN", auth::login),
    ("LOGOUT", |_| Ok(CommandBody::Logout)),
    ("LSUB", list::lsub),
    ("MOVE", |c| copy::move_(c, Numbers::Sequence)),
    ("NAMESPACE", |_| Ok(CommandBody::Namespace)),
    ("NOOP", |_| Ok(CommandBody::Noop)),
    ("RENAME", manage::rename),
    ("SEARCH", |c| search::search(c, Numbers::Sequence)),
    ("SELECT", manage::select),
    ("SETMETADATA", metadata::setmetadata),
    ("SORT", |c| sort::sort(c, Numbers::Sequence)),
    ("STARTTLS", |_| Ok(CommandBody::StartTls)),
    ("STATUS", status::status),
    ("STORE", |c| flags::store(c, Numbers::Sequence)),
    ("SUBSCRIBE", manage::subscribe),
    ("THREAD", |c| sort::thread(c, Numbers::Sequence)),
    ("UID", uid),
    ("UNSELECT", |_| Ok(CommandBody::Unselect)),
    ("UNSUBSCRIBE", manage::unsubscribe),
];

/// `uid = "UID" SP (copy / move / fetch / search / store / uid-expunge / sort / thread)` (RFC 9051 6.4.9, RFC 5256 5)
const UID_COMMANDS: &[(&str, Arguments)] = &[
    ("COPY", |c| copy::copy(c, Numbers::Uid)),
    ("EXPUNGE", copy::uid_expunge),
    ("FETCH", |c| fetch::fetch(c, Numbers::Uid)),
    ("MOVE", |c| copy::move_(c, Numbers::Uid)),
    ("SEARCH", |c| search::search(c, Numbers::Uid)),
    ("SORT", |c| sort::sort(c, Numbers::Uid)),
    ("STORE", |c| flags::store(c, Numbers::Uid)),
    ("THREAD", |c| sort::thread(c, Numbers::Uid)),
];

fn uid(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    let name = c.keyword()?;
    match UID_COMMANDS.iter().find(|(n, _)| *n == name) {
        Some((_, arguments)) => arguments(c),
        None => bad("There is no such UID command"),
    }
}

/// A command that is none: answer `tag BAD reason`, or `* BAD reason` when there is not even a tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadCommand {
    pub tag: Option<Tag>,
    pub reason: &'static str,
}

/// The meaning of one command as the fragmenter handed it over.
///
/// `command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF` (RFC 9051 9)
pub fn parse(bytes: &[u8]) -> Result<Command, BadCommand> {
    let Some(tag) = tag_of(bytes) else {
        return Err(BadCommand { tag: None, reason: "A command begins with a tag" });
    };
    // The tag is US-ASCII and stands at the beginning.
    let mut c = Cursor::new(&bytes[tag.as_str().len()..]);
    match body(&mut c) {
        Ok(body) => Ok(Command { tag, body }),
        Err(SyntaxError { reason }) => Err(BadCommand { tag: Some(tag), reason }),
    }
}

fn body(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    if !c.take(b' ') {
        return bad("A command's name must follow the tag");
    }
    let name = c.keyword()?;
    let Some((_, arguments)) = COMMANDS.iter().find(|(n, _)| *n == name) else {
        return bad(if name == "APPEND" {
            "APPEND needs a message as a literal"
        } else {
            "There is no such command"
        });
    };
    let body = arguments(c)?;
    c.end()?;
    Ok(body)
}

/// The tag at the beginning of `bytes`: up to the first space or the end. None when that is not a tag.
pub fn tag_of(bytes: &[u8]) -> Option<Tag> {
    let end = bytes.iter().position(|&b| b == b' ').unwrap_or(bytes.len());
    Tag::new(&bytes[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_upper_case() {
        for table in [COMMANDS, UID_COMMANDS] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
            assert!(table.iter().all(|(n, _)| *n == n.to_ascii_uppercase()));
        }
    }

    #[test]
    fn tags_and_names() {
        let ok = parse(b"a.1 nOOp").unwrap();
        assert_eq!((ok.tag.as_str(), ok.body), ("a.1", CommandBody::Noop));
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"", None),
            (b" NOOP", None),
            (b"a+b NOOP", None),
            (b"\xff NOOP", None),
            (b"a", Some("a")),
            (b"a ", Some("a")),
            (b"a  NOOP", Some("a")),
            (b"a NOOP ", Some("a")),
            (b"a NOOP x", Some("a")),
            (b"a NOPE", Some("a")),
            (b"a UID", Some("a")),
            (b"a UID NOOP", Some("a")),
            (b"a UID  FETCH 1 UID", Some("a")),
            (b"a APPEND INBOX", Some("a")),
            (b"a NOOP\0", Some("a")),
        ];
        for &(input, tag) in cases {
            let err = parse(input).unwrap_err();
            assert_eq!(err.tag.as_ref().map(Tag::as_str), tag, "{:?}", input.escape_ascii().to_string());
        }
    }
}
