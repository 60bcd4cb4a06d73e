//! ESEARCH, the search over several mailboxes (RFC 7377 4; mailboxes as in RFC 5465 8).

use super::ast::{CommandBody, MultiSearchCommand, Numbers, Source};
use super::cursor::{Cursor, Parsed, bad};
use super::name::MailboxName;
use super::search;
use crate::limits::{SEARCH_MAILBOXES_MAX, SEARCH_SOURCES_MAX};

/// ```text
/// esearch             = "ESEARCH" [SP "IN" SP "(" source-mbox ")"] [SP search-return-opts] SP search-program
/// source-mbox         = filter-mailboxes *(SP filter-mailboxes)
/// ```
pub fn esearch(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    let rest = c.rest();
    let sources = if rest.len() > 4 && rest[..4].eq_ignore_ascii_case(b" IN ") {
        c.space()?;
        c.take_word("IN");
        c.space()?;
        let sources = c.list(SEARCH_SOURCES_MAX, source)?;
        if sources.is_empty() {
            return bad("ESEARCH IN needs a mailbox");
        }
        Some(sources)
    } else {
        None
    };
    match search::search(c, Numbers::Uid)? {
        CommandBody::Search(search) => Ok(CommandBody::MultiSearch(MultiSearchCommand { sources, search })),
        _ => bad("This is not a search"),
    }
}

/// ```text
/// filter-mailboxes = "selected" / "inboxes" / "personal" / "subscribed" /
///                    ("subtree" / "subtree-one" / "mailboxes") SP one-or-more-mailbox
/// ```
fn source(c: &mut Cursor<'_>) -> Parsed<Source> {
    let source = match c.keyword()?.as_str() {
        "SELECTED" => Source::Selected,
        "INBOXES" => Source::Inboxes,
        "PERSONAL" => Source::Personal,
        "SUBSCRIBED" => Source::Subscribed,
        "SUBTREE" => Source::Subtree(mailboxes(c)?),
        "SUBTREE-ONE" => Source::SubtreeOne(mailboxes(c)?),
        "MAILBOXES" => Source::Mailboxes(mailboxes(c)?),
        _ => return bad("There is no such source of ESEARCH"),
    };
    Ok(source)
}

/// `SP (mailbox / "(" mailbox *(SP mailbox) ")")`
fn mailboxes(c: &mut Cursor<'_>) -> Parsed<Vec<MailboxName>> {
    c.space()?;
    if c.peek() != Some(b'(') {
        return Ok(vec![c.mailbox()?]);
    }
    let names = c.list(SEARCH_MAILBOXES_MAX, Cursor::mailbox)?;
    if names.is_empty() { bad("A list of mailboxes is empty") } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("ESEARCH unseen", "ESEARCH UNSEEN"),
            ("ESEARCH RETURN (COUNT) CHARSET UTF-8 TEXT x", "ESEARCH RETURN (COUNT) CHARSET UTF-8 TEXT x"),
            (
                "ESEARCH IN (mailboxes \"folder1\" subtree folder2) unseen",
                "ESEARCH IN (mailboxes (folder1) subtree (folder2)) UNSEEN",
            ),
            (
                "ESEARCH in (selected inboxes personal subscribed subtree-one (a \"b c\")) RETURN () ALL",
                "ESEARCH IN (selected inboxes personal subscribed subtree-one (a \"b c\")) RETURN () ALL",
            ),
        ]);
        bad(&[
            "ESEARCH",
            "ESEARCH IN () ALL",
            "ESEARCH IN (selected)",
            "ESEARCH IN (selected-delayed) ALL",
            "ESEARCH IN (mailboxes) ALL",
            "ESEARCH IN (mailboxes ()) ALL",
            "ESEARCH IN (selected (option)) ALL",
            "ESEARCH IN selected ALL",
            "UID ESEARCH ALL",
        ]);
    }
}
