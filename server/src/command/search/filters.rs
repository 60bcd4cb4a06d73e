//! FILTER (RFC 5466 3.1): a search program with what is stored under its filters' names in their places.
//!
//! Done before a search is planned: everything behind it sees ordinary keys. A filter stands for one key, as if it were in
//! parentheses, so that NOT and OR take all of it. It holds: what comes out has no more keys and no more nesting than a command
//! may have, and what filters bring is no longer than a command may be; a filter that leads to itself is none.

use std::borrow::Cow;
use std::rc::Rc;

use crate::command::metadata::{PRIVATE_FILTERS, SHARED_FILTERS};
use crate::core::Core;
use crate::limits::{COMMAND_BYTES_MAX, FILTER_DEPTH_MAX, SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};
use crate::response::status::{Code, Refusal};
use crate::session::Authenticated;
use crate::wire;
use crate::wire::ast::{FilterName, SearchCommand, SearchKey};

/// The charsets that may be named beside a filter, whose strings are in UTF-8.
const CHARSETS: [&str; 2] = ["UTF-8", "US-ASCII"];

/// The search with its filters expanded: the account's own, else those that all users share.
///
/// # Errors
/// `NO [UNDEFINED-FILTER name]` for one that is not there, leads to itself, or is no search program; `BAD [BADCHARSET]` with another
/// charset than those that filters go with; `NO [LIMIT]` when it grows too large.
pub fn expanded<'a>(
    auth: &Authenticated,
    core: &Core,
    command: &'a SearchCommand,
) -> Result<Cow<'a, SearchCommand>, Refusal> {
    if !has_filter(&command.key) {
        return Ok(Cow::Borrowed(command));
    }
    if command.charset.as_deref().is_some_and(|charset| !CHARSETS.contains(&charset)) {
        return Err(Refusal::bad(Code::BadCharset(CHARSETS.to_vec()), "With FILTER the charset is UTF-8"));
    }
    let own = auth.look(|account| account.annotations().clone())?;
    let value = |name: &str| {
        let value = own.get(&format!("{PRIVATE_FILTERS}/values/{name}"));
        value.or_else(|| core.shared_annotations.get(&format!("{SHARED_FILTERS}/values/{name}"))).cloned()
    };
    let key = expand(&command.key, &value)?;
    // Without one, strings are UTF-8.
    Ok(Cow::Owned(SearchCommand { charset: None, key, ..*command }))
}

/// Why a program with filters cannot be searched for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Unusable {
    /// There is none of this name, or only by way of itself.
    Undefined(FilterName),
    /// What is stored is no search program.
    Malformed(FilterName, &'static str),
    TooLarge(&'static str),
}

impl From<Unusable> for Refusal {
    fn from(unusable: Unusable) -> Refusal {
        match unusable {
            Unusable::Undefined(name) => Refusal::no(Code::UndefinedFilter(name), "There is no such filter"),
            Unusable::Malformed(name, reason) => {
                Refusal::no(Code::UndefinedFilter(name), format!("The filter is no search program: {reason}"))
            }
            Unusable::TooLarge(text) => Refusal::no(Code::Limit, text),
        }
    }
}

/// Depth is bounded by the parser, so recursion is.
fn has_filter(key: &SearchKey) -> bool {
    match key {
        SearchKey::Filter(_) => true,
        SearchKey::And(keys) => keys.iter().any(has_filter),
        SearchKey::Or(a, b) => has_filter(a) || has_filter(b),
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => has_filter(key),
        _ => false,
    }
}

/// `value` gives what is stored under a name in lower case.
fn expand(key: &SearchKey, value: &dyn Fn(&str) -> Option<Rc<[u8]>>) -> Result<SearchKey, Unusable> {
    // As the parser counts: keys side by side are no deeper than one.
    let depth = usize::from(!matches!(key, SearchKey::And(_)));
    Expansion { value, inside: Vec::new(), keys: 0, bytes: 0 }.key(key, depth)
}

struct Expansion<'a> {
    value: &'a dyn Fn(&str) -> Option<Rc<[u8]>>,
    /// Filters that are being expanded, each inside the one before.
    inside: Vec<String>,
    /// Keys so far.
    keys: usize,
    /// Octets of filters so far.
    bytes: usize,
}

impl Expansion<'_> {
    /// A key at this depth, which counts from 1.
    fn key(&mut self, key: &SearchKey, depth: usize) -> Result<SearchKey, Unusable> {
        self.keys += 1;
        if self.keys > SEARCH_KEYS_MAX {
            return Err(Unusable::TooLarge("With its filters, the search has too many keys"));
        }
        if depth > SEARCH_DEPTH_MAX {
            return Err(Unusable::TooLarge("With its filters, the search is nested too deeply"));
        }
        Ok(match key {
            SearchKey::Filter(name) => return self.filter(name, depth),
            SearchKey::And(keys) => {
                SearchKey::And(keys.iter().map(|key| self.key(key, depth + 1)).collect::<Result<_, _>>()?)
            }
            SearchKey::Or(a, b) => {
                SearchKey::Or(Box::new(self.key(a, depth + 1)?), Box::new(self.key(b, depth + 1)?))
            }
            SearchKey::Not(key) => SearchKey::Not(Box::new(self.key(key, depth + 1)?)),
            SearchKey::Fuzzy(key) => SearchKey::Fuzzy(Box::new(self.key(key, depth + 1)?)),
            SearchKey::Query(query) => {
                // There is no filter in it, but its keys count like others.
                query.key.as_ref().map_or(Ok(()), |key| self.key(key, depth).map(drop))?;
                key.clone()
            }
            key => key.clone(),
        })
    }

    fn filter(&mut self, name: &FilterName, depth: usize) -> Result<SearchKey, Unusable> {
        let folded = name.as_str().to_ascii_lowercase();
        if self.inside.contains(&folded) || self.inside.len() == FILTER_DEPTH_MAX {
            return Err(Unusable::Undefined(name.clone()));
        }
        let value = (self.value)(&folded).ok_or_else(|| Unusable::Undefined(name.clone()))?;
        self.bytes += value.len();
        if self.bytes > COMMAND_BYTES_MAX {
            return Err(Unusable::TooLarge("With its filters, the search is too long"));
        }
        // It was a program when it was stored, by the keys that there were then.
        let program =
            wire::criteria(&value).map_err(|error| Unusable::Malformed(name.clone(), error.reason))?;
        self.inside.push(folded);
        let key = self.key(&program, depth);
        self.inside.pop();
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> FilterName {
        FilterName::new(name).unwrap()
    }

    fn program(text: &str) -> SearchKey {
        wire::criteria(text.as_bytes()).unwrap()
    }

    fn expanded(text: &str, filters: &[(&str, &str)]) -> Result<SearchKey, Unusable> {
        expand(&program(text), &|name| {
            let filter = filters.iter().find(|(known, _)| *known == name);
            filter.map(|(_, value)| value.as_bytes().into())
        })
    }

    #[test]
    fn a_filter_stands_for_one_key() {
        let filters = [
            ("on-the-road", "OR SMALLER 5000 FROM \"boss@example.com\""),
            ("two", "FROM a SUBJECT {1}\r\nb"),
            ("both", "FILTER two NOT FILTER on-the-road"),
        ];
        for (with, without) in [
            (
                "UID 300:900 FILTER on-the-road SINCE 3-Dec-2002",
                "UID 300:900 OR SMALLER 5000 FROM boss@example.com SINCE 3-Dec-2002",
            ),
            ("FILTER Two", "FROM a SUBJECT b"),
            ("NOT FILTER two", "NOT (FROM a SUBJECT b)"),
            ("FUZZY FILTER two", "FUZZY (FROM a SUBJECT b)"),
            ("OR FILTER two SEEN", "OR (FROM a SUBJECT b) SEEN"),
            ("SEEN FILTER two", "SEEN (FROM a SUBJECT b)"),
            ("(FILTER BOTH) SEEN", "((FROM a SUBJECT b) NOT OR SMALLER 5000 FROM boss@example.com) SEEN"),
        ] {
            assert_eq!(expanded(with, &filters), Ok(program(without)), "{with}");
        }
    }

    #[test]
    fn what_is_not_there_or_leads_to_itself_is_undefined() {
        let filters = [
            ("a", "SEEN FILTER b"),
            ("b", "NOT FILTER C"),
            ("c", "OR FILTER A SEEN"),
            ("self", "FILTER self"),
            ("d", "FILTER none"),
        ];
        let undefined = |text| match expanded(text, &filters) {
            Err(Unusable::Undefined(name)) => name.as_str().to_owned(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(undefined("FILTER x"), "x");
        assert_eq!(undefined("FILTER d"), "none");
        assert_eq!(undefined("FILTER self"), "self");
        assert_eq!(undefined("FILTER a"), "A");
        assert_eq!(undefined("SEEN FILTER c"), "C");
        let malformed = expanded("FILTER a", &[("a", "OR SMALLER")]);
        assert!(matches!(malformed, Err(Unusable::Malformed(bad, _)) if bad == name("a")));
        // The same filter twice, side by side, is no loop.
        assert!(expanded("FILTER a FILTER a", &[("a", "FILTER b FILTER b"), ("b", "SEEN")]).is_ok());
    }

    #[test]
    fn nesting_of_filters_is_bounded() {
        let chain: Vec<(String, String)> =
            (0..FILTER_DEPTH_MAX).map(|n| (n.to_string(), format!("FILTER {}", n + 1))).collect();
        let expand_from = |first: usize| {
            let value = |name: &str| {
                let found = chain.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
                Some(found.unwrap_or("SEEN").as_bytes().into())
            };
            expand(&SearchKey::Filter(name(&first.to_string())), &value)
        };
        assert_eq!(expand_from(1), Ok(SearchKey::Seen));
        assert_eq!(expand_from(0), Err(Unusable::Undefined(name(&FILTER_DEPTH_MAX.to_string()))));
    }

    #[test]
    fn the_expanded_program_is_bounded_in_keys_depth_and_length() {
        // Each level twice the one below: 2^15 keys.
        let doubling: Vec<(String, String)> = (0..15)
            .map(|n| (n.to_string(), format!("FILTER {} FILTER {}", n + 1, n + 1)))
            .chain([("15".to_owned(), "SEEN".to_owned())])
            .collect();
        let of = |filters: &[(String, String)], text: &str| {
            let filters: Vec<(&str, &str)> =
                filters.iter().map(|(name, value)| (&**name, &**value)).collect();
            expanded(text, &filters)
        };
        assert!(matches!(of(&doubling, "FILTER 0"), Err(Unusable::TooLarge(_))));
        assert!(of(&doubling, "FILTER 8").is_ok());
        let typed = [("typed".to_owned(), format!("X-TRAWL-QUERY \"{}\"", "a ".repeat(1_500)))];
        assert!(of(&typed, "FILTER typed").is_ok());
        assert!(matches!(of(&typed, "FILTER typed FILTER typed"), Err(Unusable::TooLarge(_))));
        let deep = [("deep".to_owned(), format!("{}SEEN", "NOT ".repeat(SEARCH_DEPTH_MAX - 2)))];
        assert!(of(&deep, "NOT FILTER deep").is_ok());
        assert!(matches!(of(&deep, "NOT NOT FILTER deep"), Err(Unusable::TooLarge(_))));
        // What a command may have without a filter, it may have beside one.
        let deepest = format!("{}SEEN", "NOT ".repeat(SEARCH_DEPTH_MAX - 1));
        assert!(of(&deep, &format!("{deepest} NOT FILTER deep")).is_ok());
        let long = [("long".to_owned(), format!("BODY \"{}\"", "x".repeat(8_000)))];
        let many = |n: usize| vec!["FILTER long"; n].join(" ");
        assert!(of(&long, &many(COMMAND_BYTES_MAX / 8_100)).is_ok());
        assert!(matches!(of(&long, &many(COMMAND_BYTES_MAX / 8_000 + 1)), Err(Unusable::TooLarge(_))));
    }
}
