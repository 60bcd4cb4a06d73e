//! LIST in its basic and extended forms, and LSUB.

use super::ast::{CommandBody, ListCommand, ListReturn, ListSelection};
use super::cursor::{Cursor, Parsed, bad};
use super::status;
use crate::limits;

const OPTIONS_MAX: usize = 32;

/// ```text
/// list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
/// list-select-opts = "(" [*(list-select-opt SP) …] ")"     SUBSCRIBED REMOTE RECURSIVEMATCH SPECIAL-USE
/// mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")"
/// list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
/// return-option = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE" / "STATUS" SP status-att-list
/// ```
/// RFC 9051 6.3.9 and 9, RFC 5258 6, RFC 5819 4, RFC 6154 6. RECURSIVEMATCH alone or with REMOTE only is refused (RFC 5258 3.1).
pub fn list(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    let mut extended = false;
    let mut selection = ListSelection::default();
    if c.peek() == Some(b'(') {
        extended = true;
        c.list(OPTIONS_MAX, |c| select_option(c, &mut selection))?;
        if selection.recursive_match && !selection.subscribed && !selection.special_use {
            return bad("RECURSIVEMATCH needs another selection option");
        }
        c.space()?;
    }
    let reference = c.mailbox()?;
    c.space()?;
    let patterns = if c.peek() == Some(b'(') {
        extended = true;
        let patterns = c.list(limits::LIST_PATTERNS_MAX, Cursor::list_mailbox)?;
        if patterns.is_empty() {
            return bad("A list of patterns is empty");
        }
        patterns
    } else {
        vec![c.list_mailbox()?]
    };
    let mut returns = ListReturn::default();
    if c.take(b' ') {
        extended = true;
        if !c.take_word("RETURN") {
            return bad("RETURN was expected");
        }
        c.space()?;
        c.list(OPTIONS_MAX, |c| return_option(c, &mut returns))?;
    }
    Ok(CommandBody::List(ListCommand { selection, reference, patterns, returns, extended }))
}

fn select_option(c: &mut Cursor<'_>, selection: &mut ListSelection) -> Parsed<()> {
    match c.keyword()?.as_str() {
        "SUBSCRIBED" => selection.subscribed = true,
        "REMOTE" => selection.remote = true,
        "RECURSIVEMATCH" => selection.recursive_match = true,
        "SPECIAL-USE" => selection.special_use = true,
        _ => return bad("There is no such selection option"),
    }
    Ok(())
}

fn return_option(c: &mut Cursor<'_>, returns: &mut ListReturn) -> Parsed<()> {
    match c.keyword()?.as_str() {
        "SUBSCRIBED" => returns.subscribed = true,
        "CHILDREN" => returns.children = true,
        "SPECIAL-USE" => returns.special_use = true,
        "STATUS" => {
            c.space()?;
            returns.status = Some(status::items(c)?);
        }
        _ => return bad("There is no such return option"),
    }
    Ok(())
}

/// `lsub = "LSUB" SP mailbox SP list-mailbox` (RFC 3501 6.3.9)
pub fn lsub(c: &mut Cursor<'_>) -> Parsed<CommandBody> {
    c.space()?;
    let reference = c.mailbox()?;
    c.space()?;
    Ok(CommandBody::Lsub { reference, pattern: c.list_mailbox()? })
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("LIST \"\" *", "LIST \"\" *"),
            ("LIST \"\" \"\"", "LIST \"\" \"\""),
            ("LIST a/ %/x]", "LIST a/ %/x]"),
            ("LIST () \"\" a", "LIST () \"\" a"),
            ("LIST (subscribed RECURSIVEMATCH) \"\" %", "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %"),
            ("LIST (REMOTE SPECIAL-USE) \"\" (a% \"b *\")", "LIST (REMOTE SPECIAL-USE) \"\" (a% \"b *\")"),
            ("LIST \"\" % RETURN ()", "LIST () \"\" %"),
            (
                "LIST \"\" (INBOX a) RETURN (children subscribed)",
                "LIST \"\" (INBOX a) RETURN (SUBSCRIBED CHILDREN)",
            ),
            (
                "LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN) SPECIAL-USE)",
                "LIST \"\" % RETURN (SPECIAL-USE STATUS (MESSAGES UNSEEN))",
            ),
            ("LSUB \"\" *", "LSUB \"\" *"),
        ]);
        bad(&[
            "LIST",
            "LIST \"\"",
            "LIST \"\" ",
            "LIST % *",
            "LIST (RECURSIVEMATCH) \"\" *",
            "LIST (RECURSIVEMATCH REMOTE) \"\" *",
            "LIST (FOO) \"\" *",
            "LIST \"\" ()",
            "LIST \"\" (a",
            "LIST \"\" * RETURN",
            "LIST \"\" * RETURN (FOO)",
            "LIST \"\" * RETURN (STATUS)",
            "LIST \"\" * RETURN (STATUS ())",
            "LIST \"\" * (SUBSCRIBED)",
            "LSUB \"\" (a b)",
            "LSUB \"\"",
        ]);
    }
}
