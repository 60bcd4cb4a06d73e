//! SEARCH: return options, charset, keys.
//!
//! Keys nest; the parser keeps its own stack, so that depth costs memory within a bound and never the thread's stack.

use super::ast::{CommandBody, FilterName, Numbers, Query, SearchCommand, SearchKey, SearchReturn};
use super::cursor::{Cursor, Parsed, bad, is_atom_char};
use super::object_id::object_id;
use super::query::{self, Room};
use super::{date, flags, numbers};
use crate::limits::{SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};

const RETURN_OPTIONS_MAX: usize = 32;
const CHARSET_BYTES_MAX: usize = 64;

/// ```text
/// search = "SEARCH" [SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"]
///          SP ["CHARSET" SP charset SP] search-key *(SP search-key)
/// search-return-opt = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE" / "RELEVANCY" / "PARTIAL" SP partial-range / "UPDATE" / "CONTEXT"
/// ```
/// RFC 9051 6.4.4, RFC 4731, RFC 5182, RFC 5267, RFC 6203, RFC 9394.
pub fn search(c: &mut Cursor<'_>, by: Numbers) -> Parsed<CommandBody> {
    c.space()?;
    let returns = returns(c)?;
    let mut charset = None;
    if c.take_word("CHARSET") {
        c.space()?;
        charset = Some(charset_name(c)?);
        c.space()?;
    }
    let key = program(c)?;
    relevancy_needs_fuzzy(returns.is_some_and(|returns| returns.relevancy), &key)?;
    Ok(CommandBody::Search(SearchCommand { by, returns, charset, key }))
}

/// `["RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" SP]`
pub(super) fn returns(c: &mut Cursor<'_>) -> Parsed<Option<SearchReturn>> {
    if !c.take_word("RETURN") {
        return Ok(None);
    }
    c.space()?;
    let mut options = SearchReturn::default();
    c.list(RETURN_OPTIONS_MAX, |c| {
        match c.keyword()?.as_str() {
            "MIN" => options.min = true,
            "MAX" => options.max = true,
            "ALL" => options.all = true,
            "COUNT" => options.count = true,
            "SAVE" => options.save = true,
            "RELEVANCY" => options.relevancy = true,
            "UPDATE" => options.update = true,
            "CONTEXT" => options.context = true,
            "PARTIAL" if options.partial.is_none() => {
                c.space()?;
                options.partial = Some(numbers::partial(c)?);
            }
            "PARTIAL" => return bad("PARTIAL can be asked for once"),
            _ => return bad("There is no such return option of SEARCH"),
        }
        Ok(())
    })?;
    if options.all && options.partial.is_some() {
        return bad("ALL and PARTIAL cannot be asked for together");
    }
    c.space()?;
    Ok(Some(options))
}

/// RFC 6203 4 and 6.
pub(super) fn relevancy_needs_fuzzy(asked: bool, key: &SearchKey) -> Parsed<()> {
    if asked && !key.is_fuzzy() { bad("RELEVANCY needs a FUZZY key") } else { Ok(()) }
}

/// `charset`, in upper case.
pub(super) fn charset_name(c: &mut Cursor<'_>) -> Parsed<String> {
    let name = c.astring()?;
    let good = !name.is_empty() && name.len() <= CHARSET_BYTES_MAX && name.iter().all(u8::is_ascii_graphic);
    if !good {
        return bad("The name of a charset is malformed");
    }
    Ok(name.iter().map(|b| char::from(b.to_ascii_uppercase())).collect())
}

/// What is open while keys are read.
enum Open {
    /// The whole program or a parenthesis: keys so far.
    Group {
        keys: Vec<SearchKey>,
        parenthesis: bool,
    },
    Not,
    Fuzzy,
    /// OR, and its first key once it is there.
    Or(Option<SearchKey>),
}

/// ```text
/// search-key = simple / "NOT" SP search-key / "FUZZY" SP search-key / "OR" SP search-key SP search-key /
///              "(" search-key *(SP search-key) ")"
/// ```
pub(super) fn program(c: &mut Cursor<'_>) -> Parsed<SearchKey> {
    let mut open = vec![Open::Group { keys: Vec::new(), parenthesis: false }];
    let mut count = 0;
    loop {
        // A key begins here.
        count += 1;
        if count > SEARCH_KEYS_MAX {
            return bad("SEARCH has too many keys");
        }
        if open.len() > SEARCH_DEPTH_MAX {
            return bad("SEARCH keys are nested too deeply");
        }
        if c.take(b'(') {
            open.push(Open::Group { keys: Vec::new(), parenthesis: true });
            continue;
        }
        if c.take_word("NOT") {
            c.space()?;
            open.push(Open::Not);
            continue;
        }
        if c.take_word("FUZZY") {
            c.space()?;
            open.push(Open::Fuzzy);
            continue;
        }
        if c.take_word("OR") {
            c.space()?;
            open.push(Open::Or(None));
            continue;
        }
        let mut done = Some(if c.take_word("X-TRAWL-QUERY") {
            c.space()?;
            let room = Room { keys: SEARCH_KEYS_MAX - count, depth: SEARCH_DEPTH_MAX - open.len() };
            let (key, keys) = typed(c, room)?;
            count += keys;
            key
        } else {
            simple(c)?
        });
        // The key may complete what is around it.
        while let Some(key) = done.take() {
            match open.pop() {
                Some(Open::Not) => done = Some(SearchKey::Not(Box::new(key))),
                Some(Open::Fuzzy) => done = Some(SearchKey::Fuzzy(Box::new(key))),
                Some(Open::Or(None)) => {
                    c.space()?;
                    open.push(Open::Or(Some(key)));
                }
                Some(Open::Or(Some(first))) => done = Some(SearchKey::Or(Box::new(first), Box::new(key))),
                Some(Open::Group { mut keys, parenthesis }) => {
                    keys.push(key);
                    if parenthesis && c.take(b')') {
                        done = Some(joined(keys));
                    } else if !parenthesis && c.at_end() {
                        return Ok(joined(keys));
                    } else {
                        c.expect(b' ', "A space was expected between search keys")?;
                        open.push(Open::Group { keys, parenthesis });
                    }
                }
                None => unreachable!("the outermost group is only left by returning"),
            }
        }
    }
}

fn joined(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        Some(last) => {
            keys.push(last);
            SearchKey::And(keys)
        }
        None => unreachable!("a group is joined after a key was put into it"),
    }
}

/// `"X-TRAWL-QUERY" SP astring`, and how many keys it holds. It is UTF-8, whatever the charset of the command. That it cannot be
/// understood is no fault of the client, which only passes it on.
fn typed(c: &mut Cursor<'_>, room: Room) -> Parsed<(SearchKey, usize)> {
    let Ok(text) = String::from_utf8(c.astring()?) else { return bad("The query is not UTF-8") };
    let (key, keys) = match query::parse(&text, room) {
        Ok((key, keys)) => (Ok(key), keys),
        Err(error) => (Err(error), 0),
    };
    Ok((SearchKey::Query(Box::new(Query { text, key })), keys))
}

/// The keys that hold no other key (RFC 9051 6.4.4, RFC 3501 6.4.4, RFC 5032, RFC 5182, RFC 8474, RFC 8514).
fn simple(c: &mut Cursor<'_>) -> Parsed<SearchKey> {
    use SearchKey as K;
    if c.peek().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'*' | b'$')) {
        return numbers::set(c).map(K::Sequence);
    }
    let name = c.run(|b| b.is_ascii_alphanumeric()).to_ascii_uppercase();
    let word = match &name[..] {
        b"ALL" => Some(K::All),
        b"ANSWERED" => Some(K::Answered),
        b"DELETED" => Some(K::Deleted),
        b"DRAFT" => Some(K::Draft),
        b"FLAGGED" => Some(K::Flagged),
        b"SEEN" => Some(K::Seen),
        b"UNANSWERED" => Some(K::Unanswered),
        b"UNDELETED" => Some(K::Undeleted),
        b"UNDRAFT" => Some(K::Undraft),
        b"UNFLAGGED" => Some(K::Unflagged),
        b"UNSEEN" => Some(K::Unseen),
        b"NEW" => Some(K::New),
        b"OLD" => Some(K::Old),
        b"RECENT" => Some(K::Recent),
        b"SAVEDATESUPPORTED" => Some(K::SaveDateSupported),
        _ => None,
    };
    if let Some(key) = word {
        return Ok(key);
    }
    let argument: fn(&mut Cursor<'_>) -> Parsed<SearchKey> = match &name[..] {
        b"BCC" => |c| c.astring().map(K::Bcc),
        b"CC" => |c| c.astring().map(K::Cc),
        b"FROM" => |c| c.astring().map(K::From),
        b"TO" => |c| c.astring().map(K::To),
        b"SUBJECT" => |c| c.astring().map(K::Subject),
        b"BODY" => |c| c.astring().map(K::Body),
        b"TEXT" => |c| c.astring().map(K::Text),
        b"HEADER" => header,
        b"KEYWORD" => |c| flags::keyword(c).map(K::Keyword),
        b"UNKEYWORD" => |c| flags::keyword(c).map(K::Unkeyword),
        b"BEFORE" => |c| date::date(c).map(K::Before),
        b"ON" => |c| date::date(c).map(K::On),
        b"SINCE" => |c| date::date(c).map(K::Since),
        b"SENTBEFORE" => |c| date::date(c).map(K::SentBefore),
        b"SENTON" => |c| date::date(c).map(K::SentOn),
        b"SENTSINCE" => |c| date::date(c).map(K::SentSince),
        b"SAVEDBEFORE" => |c| date::date(c).map(K::SavedBefore),
        b"SAVEDON" => |c| date::date(c).map(K::SavedOn),
        b"SAVEDSINCE" => |c| date::date(c).map(K::SavedSince),
        b"OLDER" => |c| c.nz_number().map(K::Older),
        b"YOUNGER" => |c| c.nz_number().map(K::Younger),
        b"LARGER" => |c| c.number64().map(K::Larger),
        b"SMALLER" => |c| c.number64().map(K::Smaller),
        b"UID" => |c| numbers::set(c).map(K::Uid),
        b"EMAILID" => |c| object_id(c).map(K::EmailId),
        b"THREADID" => |c| object_id(c).map(K::ThreadId),
        b"FILTER" => |c| filter_name(c).map(K::Filter),
        _ => return bad("There is no such search key"),
    };
    c.space()?;
    argument(c)
}

/// `"HEADER" SP header-fld-name SP astring`
fn header(c: &mut Cursor<'_>) -> Parsed<SearchKey> {
    let field = c.astring()?;
    c.space()?;
    Ok(SearchKey::Header { field, needle: c.astring()? })
}

/// `filter-name = 1*<any ATOM-CHAR except "/">` (RFC 5466 4)
fn filter_name(c: &mut Cursor<'_>) -> Parsed<FilterName> {
    let name = std::str::from_utf8(c.run(is_atom_char)).ok().and_then(FilterName::new);
    name.map_or_else(|| bad("That is not the name of a filter"), Ok)
}

/// A whole program without a command around it: what a filter holds.
///
/// `search-criteria = search-key *(SP search-key)` (RFC 5466 4)
pub fn criteria(bytes: &[u8]) -> Parsed<SearchKey> {
    program(&mut Cursor::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("SEARCH ALL", "SEARCH ALL"),
            ("uid search 1:* not deleted", "UID SEARCH 1:* NOT DELETED"),
            ("SEARCH $ SMALLER 4096", "SEARCH $ SMALLER 4096"),
            ("SEARCH CHARSET utf-8 TEXT {2}\r\n\u{e9}", "SEARCH CHARSET UTF-8 TEXT {2}\r\n\u{e9}"),
            ("SEARCH RETURN () ALL", "SEARCH RETURN () ALL"),
            (
                "SEARCH return (relevancy all) fuzzy TEXT Helo",
                "SEARCH RETURN (ALL RELEVANCY) FUZZY TEXT Helo",
            ),
            (
                "SEARCH FUZZY (FROM Dave SINCE 21-Jan-2009) NOT FUZZY SEEN",
                "SEARCH FUZZY (FROM Dave SINCE 21-Jan-2009) NOT FUZZY SEEN",
            ),
            (
                "SEARCH RETURN (min max ALL count SAVE) UNSEEN",
                "SEARCH RETURN (MIN MAX ALL COUNT SAVE) UNSEEN",
            ),
            (
                "SEARCH RETURN (update CONTEXT count PARTIAL 1:2) ALL",
                "SEARCH RETURN (COUNT PARTIAL 1:2 UPDATE CONTEXT) ALL",
            ),
            ("SEARCH RETURN (COUNT) CHARSET US-ASCII ALL", "SEARCH RETURN (COUNT) CHARSET US-ASCII ALL"),
            (
                "SEARCH UNDELETED (OR (OR (OR FROM x TO x) SUBJECT x) BODY x)",
                "SEARCH UNDELETED OR OR OR FROM x TO x SUBJECT x BODY x",
            ),
            ("SEARCH (ALL)", "SEARCH ALL"),
            ("SEARCH ((SEEN DRAFT) NEW)", "SEARCH (SEEN DRAFT) NEW"),
            ("SEARCH NOT NOT NOT OLD", "SEARCH NOT NOT NOT OLD"),
            ("SEARCH OR NOT SEEN (RECENT NOT DRAFT)", "SEARCH OR NOT SEEN (RECENT NOT DRAFT)"),
            (
                "SEARCH BEFORE 1-Feb-1994 ON \"2-mar-1995\" SINCE 3-Apr-1996",
                "SEARCH BEFORE 1-Feb-1994 ON 2-Mar-1995 SINCE 3-Apr-1996",
            ),
            (
                "SEARCH SENTBEFORE 1-Feb-1994 SENTON 29-Feb-2000 SENTSINCE 3-Apr-1996",
                "SEARCH SENTBEFORE 1-Feb-1994 SENTON 29-Feb-2000 SENTSINCE 3-Apr-1996",
            ),
            (
                "SEARCH SAVEDBEFORE 1-Feb-1994 savedon 29-Feb-2000 SAVEDSINCE 3-Apr-1996 SAVEDATESUPPORTED",
                "SEARCH SAVEDBEFORE 1-Feb-1994 SAVEDON 29-Feb-2000 SAVEDSINCE 3-Apr-1996 SAVEDATESUPPORTED",
            ),
            ("SEARCH OLDER 60 YOUNGER 4294967295", "SEARCH OLDER 60 YOUNGER 4294967295"),
            (
                "SEARCH emailid M6d99ac3275bb4e OR THREADID a_-Z all",
                "SEARCH EMAILID M6d99ac3275bb4e OR THREADID a_-Z ALL",
            ),
            ("SEARCH LARGER 0 SMALLER 9223372036854775807", "SEARCH LARGER 0 SMALLER 9223372036854775807"),
            ("SEARCH KEYWORD $Junk UNKEYWORD b", "SEARCH KEYWORD $Junk UNKEYWORD b"),
            (
                "SEARCH HEADER Message-ID \"<a@b>\" HEADER \"X\" \"\"",
                "SEARCH HEADER Message-ID <a@b> HEADER X \"\"",
            ),
            ("SEARCH BCC a CC b FROM c TO d SUBJECT e", "SEARCH BCC a CC b FROM c TO d SUBJECT e"),
            (
                "SEARCH ANSWERED DELETED DRAFT FLAGGED SEEN UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN NEW OLD RECENT",
                "SEARCH ANSWERED DELETED DRAFT FLAGGED SEEN UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN NEW OLD RECENT",
            ),
            ("SEARCH UID 1,5:*", "SEARCH UID 1,5:*"),
            (
                "SEARCH UID 300:900 filter on-the-road SINCE \"3-Dec-2002\"",
                "SEARCH UID 300:900 FILTER on-the-road SINCE 3-Dec-2002",
            ),
            ("SEARCH NOT FILTER A$1 (OR FILTER x FILTER y)", "SEARCH NOT FILTER A$1 OR FILTER x FILTER y"),
        ]);
        bad(&[
            "SEARCH",
            "SEARCH ",
            "SEARCH FOO",
            "SEARCH ()",
            "SEARCH (ALL",
            "SEARCH ALL)",
            "SEARCH ALL ",
            "SEARCH NOT",
            "SEARCH NOT ",
            "SEARCH OR ALL",
            "SEARCH (OR ALL) ALL",
            "SEARCH (NOT) ALL",
            "SEARCH NOT(ALL)",
            "SEARCH FROM",
            "SEARCH HEADER a",
            "SEARCH 0",
            "SEARCH UID $,1",
            "SEARCH OLDER 0",
            "SEARCH LARGER -1",
            "SEARCH LARGER 9223372036854775808",
            "SEARCH BEFORE 32-Jan-2000",
            "SEARCH BEFORE 1-Jan",
            "SEARCH SAVEDBEFORE",
            "SEARCH SAVEDON 1-Jan",
            "SEARCH SAVEDATESUPPORTED 1-Jan-2000",
            "SEARCH EMAILID",
            "SEARCH FUZZY",
            "SEARCH RETURN (RELEVANCY) TEXT Helo",
            "SEARCH EMAILID \"M1\"",
            "SEARCH THREADID {2}\r\nM1",
            "SEARCH KEYWORD \\Seen",
            "SEARCH KEYWORD \"a\"",
            "SEARCH CHARSET",
            "SEARCH CHARSET UTF-8",
            "SEARCH CHARSET \"\" ALL",
            "SEARCH RETURN ALL",
            "SEARCH RETURN (FOO) ALL",
            "SEARCH RETURN (UPDATE (UID)) ALL",
            "SEARCH RETURN (MIN)",
            "SEARCH ALL SEENX",
            "SEARCH FILTER",
            "SEARCH FILTER ",
            "SEARCH FILTER a/b",
            "SEARCH FILTER \"a\"",
            "SEARCH FILTER a]",
            "SEARCH FILTER é",
        ]);
    }

    #[test]
    fn depth_and_number_of_keys_are_bounded() {
        let nested = |n: usize| format!("a SEARCH {}ALL{}", "(".repeat(n), ")".repeat(n));
        assert!(crate::wire::parse(nested(SEARCH_DEPTH_MAX - 1).as_bytes()).is_ok());
        assert!(crate::wire::parse(nested(SEARCH_DEPTH_MAX).as_bytes()).is_err());
        assert!(crate::wire::parse(nested(1_000_000).as_bytes()).is_err());
        assert!(crate::wire::parse(format!("a SEARCH {}ALL", "NOT ".repeat(1_000_000)).as_bytes()).is_err());
        assert!(crate::wire::parse(format!("a SEARCH {}", "OR ALL ".repeat(1_000_000)).as_bytes()).is_err());
        assert!(
            crate::wire::parse(format!("a SEARCH ALL{}", " ALL".repeat(SEARCH_KEYS_MAX)).as_bytes()).is_err()
        );
        assert!(
            crate::wire::parse(format!("a SEARCH ALL{}", " ALL".repeat(SEARCH_KEYS_MAX - 1)).as_bytes())
                .is_ok()
        );
    }
}
