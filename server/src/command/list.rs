//! LIST in all its forms, LSUB and NAMESPACE (RFC 9051 6.3.9, RFC 3501 6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 2342).
//!
//! Not here: what names there are (the account's tree) and how patterns match (`pattern`). Children and special uses are
//! always told. A level that is no mailbox is `\Noselect` to a plain rev1 LIST, and `\NonExistent`, which implies that, to others.

pub mod pattern;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use trawl_store::state::account::Account;
use trawl_store::types::{MailboxId, SpecialUses};

use super::prelude::*;
use super::status;
use crate::response::encode::{ListAttribute, ListEntry};
use crate::wire::ast::{ListCommand, ListReturn, ListSelection};
use crate::wire::name::MailboxName;
use pattern::Pattern;

/// `NAMESPACE` (RFC 2342): one personal one, the empty prefix.
pub async fn namespace(_: &mut Authenticated, cx: &Cx) -> Answer {
    cx.out.push(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    Ok(Done::ok("NAMESPACE done"))
}

/// `LIST`
pub async fn list(auth: &mut Authenticated, cx: &Cx, command: ListCommand) -> Answer {
    let ListCommand { selection, reference, patterns, returns, extended } = command;
    if !extended && patterns.iter().all(|pattern| pattern.as_bytes().is_empty()) {
        // Asks for the delimiter and the root of the reference (RFC 9051 6.3.9); no name here has a root.
        let root = entry("", &[ListAttribute::NoSelect]);
        cx.out.with(|buffer| encode::list_entry(buffer, "LIST", &root, auth.encoding()));
        return Ok(Done::ok("LIST done"));
    }
    let patterns = patterns_of(auth, &reference, &patterns)?;
    let account_id = auth.id();
    let plain_rev1 = !extended && !auth.rev2;
    let encoding = auth.encoding();
    let lines = auth.look(|account| {
        let mut lines = Vec::new();
        let tree = tree(account);
        let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        let above = Above::new(&tree, selection, &matches);
        for (name, level) in &tree {
            let selected = level.is_selected(selection);
            if !matches(name) || !selected && !above.unlisted.contains(&**name) {
                continue;
            }
            let attributes = level.attributes(selection, &returns, plain_rev1);
            let child_info: &[&str] = if above.all.contains(&**name) { options_of(selection) } else { &[] };
            let listed = ListEntry {
                attributes: &attributes,
                special_uses: level.special_uses,
                child_info,
                ..entry(name, &[])
            };
            let mut line = Vec::new();
            encode::list_entry(&mut line, "LIST", &listed, encoding);
            // What is listed only for what is below has no STATUS (RFC 5819 2).
            if let (Some(items), Some(id), true) = (&returns.status, level.mailbox, selected)
                && let Some(mailbox) = account.mailbox(id)
            {
                let values = status::values(&cx.core, account_id, mailbox, items);
                encode::status_response(&mut line, name, encoding, &values);
            }
            lines.push(line);
        }
        lines
    })?;
    for line in lines {
        cx.out.push(&line);
        cx.out.room().await?;
    }
    Ok(Done::ok("LIST done"))
}

/// `LSUB` (RFC 3501 6.3.9): subscribed names; for a pattern that ends in `%` also levels above one, as `\Noselect`.
pub async fn lsub(auth: &mut Authenticated, cx: &Cx, reference: MailboxName, pattern: MailboxName) -> Answer {
    if pattern.as_bytes().is_empty() {
        let root = entry("", &[ListAttribute::NoSelect]);
        cx.out.with(|buffer| encode::list_entry(buffer, "LSUB", &root, auth.encoding()));
        return Ok(Done::ok("LSUB done"));
    }
    let levels_above = pattern.as_bytes().ends_with(b"%");
    let patterns = patterns_of(auth, &reference, std::slice::from_ref(&pattern))?;
    let encoding = auth.encoding();
    let lines = auth.look(|account| {
        let mut lines = Vec::new();
        for (name, level) in tree(account) {
            let shown = level.subscribed || levels_above && level.subscribed_below;
            if !shown || !patterns.iter().any(|pattern| pattern.matches(&name)) {
                continue;
            }
            let selectable = level.subscribed && level.mailbox.is_some();
            let attributes: &[ListAttribute] = if selectable { &[] } else { &[ListAttribute::NoSelect] };
            let mut line = Vec::new();
            encode::list_entry(&mut line, "LSUB", &entry(&name, attributes), encoding);
            lines.push(line);
        }
        lines
    })?;
    for line in lines {
        cx.out.push(&line);
        cx.out.room().await?;
    }
    Ok(Done::ok("LSUB done"))
}

fn entry<'a>(name: &'a str, attributes: &'a [ListAttribute]) -> ListEntry<'a> {
    ListEntry {
        attributes,
        special_uses: SpecialUses::NONE,
        name,
        delimiter: Some('/'),
        child_info: &[],
        old_name: None,
    }
}

fn patterns_of(
    auth: &Authenticated,
    reference: &MailboxName,
    patterns: &[MailboxName],
) -> Result<Vec<Pattern>, Refusal> {
    let joined = patterns.iter().map(|pattern| {
        // Joined before they are decoded: INBOX is recognised in the whole.
        let whole = MailboxName::new([reference.as_bytes(), pattern.as_bytes()].concat());
        Pattern::new(&auth.decode(&whole)?).ok_or_else(|| Refusal::no(Code::Limit, "The pattern is too long"))
    });
    joined.collect()
}

/// One name of the tree: a mailbox, a level above one, a subscription, a level above a subscription.
#[derive(Default)]
struct Level {
    mailbox: Option<MailboxId>,
    /// A mailbox, or a level above one.
    exists: bool,
    has_children: bool,
    subscribed: bool,
    /// A name below is subscribed.
    subscribed_below: bool,
    special_uses: SpecialUses,
}

/// For RECURSIVEMATCH: the names above those that the selection options select.
#[derive(Default)]
struct Above<'a> {
    all: BTreeSet<&'a str>,
    /// Above one that no pattern matches: told of one that is listed itself, a client would learn nothing (RFC 5258 3.5).
    unlisted: BTreeSet<&'a str>,
}

impl<'a> Above<'a> {
    fn new(
        tree: &'a BTreeMap<Rc<str>, Level>,
        selection: ListSelection,
        matches: &dyn Fn(&str) -> bool,
    ) -> Above<'a> {
        let mut above = Above::default();
        if !selection.recursive_match {
            return above;
        }
        for (name, _) in tree.iter().filter(|(_, level)| level.is_selected(selection)) {
            let names = name.match_indices('/').map(|(at, _)| &name[..at]);
            if !matches(name) {
                above.unlisted.extend(names.clone());
            }
            above.all.extend(names);
        }
        above
    }
}

/// What CHILDINFO names (RFC 5258 3.5, RFC 6154 6).
fn options_of(selection: ListSelection) -> &'static [&'static str] {
    match (selection.subscribed, selection.special_use) {
        (true, true) => &["SUBSCRIBED", "SPECIAL-USE"],
        (true, false) => &["SUBSCRIBED"],
        (false, true) => &["SPECIAL-USE"],
        (false, false) => &[],
    }
}

impl Level {
    /// Does it meet the selection options itself?
    fn is_selected(&self, selection: ListSelection) -> bool {
        let subscribed = !selection.subscribed || self.subscribed;
        let special = !selection.special_use || !self.special_uses.is_empty();
        // Without SUBSCRIBED, names that are subscriptions only are not there.
        let there = self.exists || selection.subscribed;
        there && subscribed && special
    }

    fn attributes(
        &self,
        selection: ListSelection,
        returns: &ListReturn,
        plain_rev1: bool,
    ) -> Vec<ListAttribute> {
        let mut attributes = Vec::with_capacity(3);
        if self.mailbox.is_none() {
            attributes.push(if plain_rev1 { ListAttribute::NoSelect } else { ListAttribute::NonExistent });
        }
        if (selection.subscribed || returns.subscribed) && self.subscribed {
            attributes.push(ListAttribute::Subscribed);
        }
        attributes.push(if self.has_children {
            ListAttribute::HasChildren
        } else {
            ListAttribute::HasNoChildren
        });
        attributes
    }
}

/// All names there is something to say of, ascending.
fn tree(account: &Account) -> BTreeMap<Rc<str>, Level> {
    let mut names: BTreeMap<Rc<str>, Level> = BTreeMap::new();
    for level in account.tree() {
        let special_uses = level
            .mailbox
            .and_then(|id| account.mailbox(id))
            .map_or(SpecialUses::NONE, |mailbox| mailbox.special_uses());
        for (at, _) in level.name.match_indices('/') {
            let above = names.entry(Rc::from(&level.name[..at])).or_default();
            above.subscribed_below |= level.subscribed;
        }
        let entry = names.entry(level.name.clone()).or_default();
        entry.mailbox = level.mailbox;
        entry.exists = level.exists;
        entry.has_children = level.has_children;
        entry.subscribed = level.subscribed;
        entry.special_uses = special_uses;
    }
    names
}
