//! GETMETADATA and SETMETADATA for the server (METADATA-SERVER, RFC 5464), and what clients are told of others' changes.
//!
//! `/private` entries are the account's and are in the store. `/shared` entries are the operator's: they come from the settings, every
//! user reads them and nobody sets them here (RFC 5464 3.3). Not here: entry names (`wire::metadata`), what a filter finds
//! (`search::filters`). It holds: of the entries of one command all are set or none.

use std::collections::HashSet;
use std::rc::Rc;

use futures_lite::future::yield_now;
use trawl_store::limits::annotation_bytes_max;
use trawl_store::shard::ChangeError;
use trawl_store::state::annotations::Annotations;

use super::prelude::*;
use crate::config::MetadataConfig;
use crate::limits::{METADATA_RESPONSE_ENTRIES, METADATA_STEP_ENTRIES};
use crate::response::output::Output;
use crate::wire;
use crate::wire::ast::{Depth, FilterName};
use crate::wire::metadata::EntryName;
use crate::wire::name::MailboxName;

/// Below these, in the account's entries and in the shared ones, are filters and what they are called (RFC 5466 3.2).
pub const PRIVATE_FILTERS: &str = "/private/filters";
pub const SHARED_FILTERS: &str = "/shared/filters";

/// The entries that all users share.
pub fn shared(settings: &MetadataConfig) -> Annotations {
    let mut shared = Annotations::default();
    for (name, value) in [("/shared/comment", &settings.comment), ("/shared/admin", &settings.admin)] {
        if !value.is_empty() {
            shared.set(name, Some(value.as_bytes()));
        }
    }
    for (name, filter) in &settings.filters {
        let name = name.to_ascii_lowercase();
        shared.set(&format!("{SHARED_FILTERS}/values/{name}"), Some(filter.value.as_bytes()));
        if !filter.description.is_empty() {
            let description = filter.description.as_bytes();
            shared.set(&format!("{SHARED_FILTERS}/descriptions/{name}"), Some(description));
        }
    }
    shared
}

/// An entry of an answer; no value is NIL.
type Told = (Rc<str>, Option<Rc<[u8]>>);

/// `GETMETADATA`. An entry that was named and has no value is NIL; of those below it there is nothing to say.
pub async fn get(
    auth: &mut Authenticated,
    cx: &Cx,
    mailbox: MailboxName,
    max_size: Option<u32>,
    depth: Depth,
    entries: Vec<EntryName>,
) -> Answer {
    of_the_server(&mailbox)?;
    let own = auth.look(|account| account.annotations().clone())?;
    let mut asked = Asked::new(max_size, depth);
    for some in entries.chunks(METADATA_STEP_ENTRIES) {
        for entry in some {
            let all = if entry.is_private() { &own } else { &cx.core.shared_annotations };
            asked.add(all, entry);
        }
        yield_now().await;
    }
    let Asked { told, longest, .. } = asked;
    for some in told.chunks(METADATA_RESPONSE_ENTRIES) {
        let some = some.iter().map(|(name, value)| (&**name, value.as_deref()));
        cx.out.with(|out| encode::metadata(out, some));
        cx.out.room().await?;
    }
    let done = Done::ok("GETMETADATA done");
    Ok(match longest {
        None => done,
        Some(octets) => done.with_code(Code::MetadataLongEntries(octets as u64)),
    })
}

/// What is asked for, each entry once.
struct Asked {
    depth: Depth,
    /// Octets of the longest value that is told.
    max: usize,
    told: Vec<Told>,
    /// Octets of the longest value that is not, for being longer.
    longest: Option<usize>,
    /// Entries that were named, and those that were looked at.
    named: HashSet<EntryName>,
    seen: HashSet<Rc<str>>,
}

impl Asked {
    fn new(max_size: Option<u32>, depth: Depth) -> Asked {
        let max = max_size.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        Asked { depth, max, told: Vec::new(), longest: None, named: HashSet::new(), seen: HashSet::new() }
    }

    fn add(&mut self, all: &Annotations, entry: &EntryName) {
        if !self.named.insert(entry.clone()) {
            return;
        }
        let name = entry.as_str();
        self.tell(name.into(), all.get(name));
        if self.depth == Depth::Zero {
            return;
        }
        for (below, value) in all.below(name) {
            if self.depth == Depth::Infinity || below.rfind('/') == Some(name.len()) {
                self.tell(below.clone(), Some(value));
            }
        }
    }

    fn tell(&mut self, name: Rc<str>, value: Option<&Rc<[u8]>>) {
        if !self.seen.insert(name.clone()) {
            return;
        }
        match value {
            Some(value) if value.len() > self.max => self.longest = self.longest.max(Some(value.len())),
            value => self.told.push((name, value.cloned())),
        }
    }
}

/// `SETMETADATA`
pub async fn set(
    auth: &mut Authenticated,
    _: &Cx,
    mailbox: MailboxName,
    values: Vec<(EntryName, Option<Vec<u8>>)>,
) -> Answer {
    of_the_server(&mailbox)?;
    for (entry, value) in &values {
        check(entry, value.as_deref())?;
    }
    let changes: Vec<(String, Option<Vec<u8>>)> =
        values.into_iter().map(|(entry, value)| (entry.as_str().to_owned(), value)).collect();
    auth.shard.annotate(auth.id(), &changes).await?;
    if let Some(known) = &mut auth.known_annotations {
        // The client knows what it has set.
        changes.iter().for_each(|(name, value)| known.set(name, value.as_deref()));
    }
    Ok(Done::ok("SETMETADATA done"))
}

/// A server that is METADATA-SERVER only has no entries of mailboxes (RFC 5464 1).
fn of_the_server(mailbox: &MailboxName) -> Result<(), Refusal> {
    if mailbox.as_bytes().is_empty() {
        return Ok(());
    }
    Err(Refusal::no(Code::Cannot, "Mailboxes have no metadata here, only the server (\"\") has"))
}

/// Whether an entry may have this value.
fn check(entry: &EntryName, value: Option<&[u8]>) -> Result<(), Refusal> {
    if !entry.is_private() {
        return Err(Refusal::no(Code::NoPerm, "Shared entries are set by the server's operator"));
    }
    if value.is_some_and(|value| value.len() > annotation_bytes_max) {
        return Err(ChangeError::AnnotationTooLong.into());
    }
    let name = entry.as_str();
    let Some(below) = name.strip_prefix(PRIVATE_FILTERS) else { return Ok(()) };
    if !below.is_empty() && !below.starts_with('/') {
        return Ok(());
    }
    let (is_value, filter) = match (below.strip_prefix("/values/"), below.strip_prefix("/descriptions/")) {
        (Some(filter), _) => (true, filter),
        (_, Some(filter)) => (false, filter),
        _ => (false, ""),
    };
    if FilterName::new(filter).is_none() {
        let text = "Of a filter there is /private/filters/values/NAME and /private/filters/descriptions/NAME, \
                    where NAME is an atom of at most 200 characters without a slash";
        return Err(Refusal::no(Code::Cannot, text));
    }
    let Some(value) = value else { return Ok(()) };
    let checked = if is_value { check_program(value) } else { check_text(value) };
    checked.map_err(|reason| Refusal::no(Code::Cannot, format!("This is no filter: {reason}")))
}

/// Why a value is not a search program in UTF-8 (RFC 5466 3.2).
fn check_program(value: &[u8]) -> Result<(), &'static str> {
    check_text(value)?;
    wire::criteria(value).map(|_| ()).map_err(|error| error.reason)
}

fn check_text(value: &[u8]) -> Result<(), &'static str> {
    if std::str::from_utf8(value).is_ok() { Ok(()) } else { Err("it is not valid UTF-8") }
}

/// Tells a client that wants to know (`ENABLE METADATA-SERVER`) which entries others have changed (RFC 5464 4.4.2).
pub async fn tell_changes(auth: &mut Authenticated, out: &Output) -> Result<(), Refusal> {
    if auth.known_annotations.is_none() {
        return Ok(());
    }
    let now = auth.look(|account| account.annotations().clone())?;
    let Some(known) = &mut auth.known_annotations else { return Ok(()) };
    let changed = now.differing(known);
    *known = now;
    for some in changed.chunks(METADATA_RESPONSE_ENTRIES) {
        out.with(|buffer| encode::metadata_changed(buffer, some.iter().map(|name| &**name)));
        out.room().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> EntryName {
        EntryName::new(name.as_bytes()).unwrap()
    }

    fn told(depth: Depth, max_size: Option<u32>, names: &[&str]) -> (Vec<String>, Option<usize>) {
        let (mut own, mut shared) = (Annotations::default(), Annotations::default());
        for name in ["/private/a", "/private/a/b", "/private/a/b/c", "/private/ab"] {
            own.set(name, Some(&name.as_bytes()[9..]));
        }
        shared.set("/shared/admin", Some(b"mailto:x@example.org"));
        let mut asked = Asked::new(max_size, depth);
        for entry in names.iter().map(|name| entry(name)) {
            asked.add(if entry.is_private() { &own } else { &shared }, &entry);
        }
        let Asked { told, longest, .. } = asked;
        let text = |value: Option<Rc<[u8]>>| {
            value.map_or("NIL".to_owned(), |value| String::from_utf8(value.to_vec()).unwrap())
        };
        (told.into_iter().map(|(name, value)| format!("{name} {}", text(value))).collect(), longest)
    }

    #[test]
    fn depth_and_size_say_what_is_told() {
        let (a, b, c) = ("/private/a a", "/private/a/b a/b", "/private/a/b/c a/b/c");
        assert_eq!(told(Depth::Zero, None, &["/private/a", "/private/x"]).0, [a, "/private/x NIL"]);
        assert_eq!(told(Depth::One, None, &["/private/a"]).0, [a, b]);
        assert_eq!(told(Depth::Infinity, None, &["/private/a"]).0, [a, b, c]);
        assert_eq!(told(Depth::One, None, &["/private"]).0, ["/private NIL", a, "/private/ab ab"]);
        // Each once, in the order asked for.
        assert_eq!(told(Depth::One, None, &["/private/a/b", "/private/a", "/private/a/b/c"]).0, [b, c, a]);
        assert_eq!(told(Depth::Infinity, Some(3), &["/private/a"]), (vec![a.into(), b.into()], Some(5)));
        assert_eq!(told(Depth::Infinity, Some(0), &["/private/a"]), (Vec::new(), Some(5)));
        assert_eq!(told(Depth::Infinity, Some(5), &["/private/a", "/private/y"]).1, None);
        assert_eq!(
            told(Depth::Infinity, None, &["/shared"]).0,
            ["/shared NIL", "/shared/admin mailto:x@example.org"]
        );
        assert_eq!(told(Depth::Zero, None, &["/shared/a"]).0, ["/shared/a NIL"]);
    }

    #[test]
    fn filters_are_checked_when_they_are_set() {
        let code = |name: &str, value: &[u8]| {
            check(&entry(name), Some(value)).err().and_then(|refusal| refusal.code)
        };
        let values = "/private/filters/values/";
        assert_eq!(code(&format!("{values}boss"), b"OR SMALLER 5000 FROM \"boss@example.com\""), None);
        assert_eq!(code(&format!("{values}boss"), "SUBJECT \"caf\u{e9}\"".as_bytes()), None);
        assert_eq!(code(&format!("{values}boss"), b"BODY {3}\r\na\r\n FILTER other"), None);
        for bad in [
            &b"OR SMALLER"[..],
            b"",
            b" ALL",
            b"ALL\r\n",
            b"SUBJECT \"\xe9\"",
            b"RETURN (COUNT) ALL",
            b"BODY {9}\r\nabc",
        ] {
            assert_eq!(code(&format!("{values}boss"), bad), Some(Code::Cannot), "{bad:?}");
        }
        assert_eq!(code("/private/filters/descriptions/boss", "von der Chefin \u{fc}ber".as_bytes()), None);
        assert_eq!(code("/private/filters/descriptions/boss", b"\xff"), Some(Code::Cannot));
        let long = format!("{values}{}", "n".repeat(crate::limits::FILTER_NAME_BYTES_MAX + 1));
        for name in [
            "/private/filters",
            "/private/filters/values",
            "/private/filters/other/x",
            "/private/filters/values/a/b",
            "/private/filters/values/a b",
            &long,
        ] {
            assert_eq!(code(name, b"ALL"), Some(Code::Cannot), "{name}");
            assert!(check(&entry(name), None).is_err(), "{name}");
        }
        assert_eq!(code("/private/filtersandmore", b"\xff"), None);
        assert_eq!(code("/shared/comment", b"x"), Some(Code::NoPerm));
        let most = vec![b'x'; annotation_bytes_max + 1];
        assert_eq!(code("/private/comment", &most[1..]), None);
        assert_eq!(code("/private/comment", &most), Some(Code::MetadataMaxSize(annotation_bytes_max as u64)));
    }
}
