//! Search programs as people read them in `trawl explain`: keys in place of queries, and what a tier of FUZZY makes of a key.
//!
//! Pure. What must hold: what is shown for a tier is searched for exactly as the planner searches for that tier (`plan`).

use trawl_index::mime::charset::Charset;
use trawl_index::query::{Field, TextKey};

use super::fuzzy::relax::{self, Fuzz, Relaxed};
use super::plan;
use crate::limits::{EXPLAIN_PROGRAM_BYTES_MAX, FUZZY_KEYS_MAX};
use crate::wire::ast::{SearchCommand, SearchKey};
use crate::wire::print;

/// The program of a command, filters expanded; with `fuzz` that of a tier. One that is long is cut.
pub fn shown(command: &SearchCommand, fuzz: Option<Fuzz<'_>>) -> String {
    let key = exact(&command.key, command.charset.as_deref(), fuzz);
    let printed = print::program(key.as_ref().unwrap_or(&command.key));
    let mut text = String::from_utf8_lossy(&printed).replace("\r\n", " ");
    if text.len() > EXPLAIN_PROGRAM_BYTES_MAX {
        text.truncate(text.floor_char_boundary(EXPLAIN_PROGRAM_BYTES_MAX));
        text.push_str("...");
    }
    text
}

/// The key in UTF-8; `None` for one that cannot be searched for.
fn exact(key: &SearchKey, charset_name: Option<&str>, fuzz: Option<Fuzz<'_>>) -> Option<SearchKey> {
    let charset = plan::charset(charset_name).ok()?;
    Reader { charset, fuzz, is_fuzzy: false, is_negated: false, room: FUZZY_KEYS_MAX }.key(key)
}

struct Reader<'a> {
    charset: Option<Charset>,
    fuzz: Option<Fuzz<'a>>,
    /// Inside of FUZZY, and of NOT.
    is_fuzzy: bool,
    is_negated: bool,
    /// Keys that may still stand for fuzzy ones.
    room: usize,
}

impl Reader<'_> {
    /// Depth is bounded by the parser, so recursion is.
    fn key(&mut self, key: &SearchKey) -> Option<SearchKey> {
        use SearchKey as K;
        let relaxes = self.fuzz.filter(|_| self.is_fuzzy && !self.is_negated);
        if let Some(widened) = relaxes.and_then(|fuzz| relax::widened(key, fuzz.tier)) {
            return Some(widened);
        }
        Some(match key {
            K::And(keys) => K::And(keys.iter().map(|key| self.key(key)).collect::<Option<_>>()?),
            K::Or(a, b) => K::Or(Box::new(self.key(a)?), Box::new(self.key(b)?)),
            K::Not(key) => {
                let before = std::mem::replace(&mut self.is_negated, true);
                let inner = self.key(key);
                self.is_negated = before;
                K::Not(Box::new(inner?))
            }
            K::Fuzzy(key) => {
                let before = std::mem::replace(&mut self.is_fuzzy, true);
                let inner = self.key(key);
                self.is_fuzzy = before;
                if self.fuzz.is_some() { inner? } else { K::Fuzzy(Box::new(inner?)) }
            }
            K::Query(query) => {
                let charset = self.charset.take();
                let inner = self.key(query.key.as_ref().ok()?);
                self.charset = charset;
                inner?
            }
            K::Bcc(needle) => self.text(Field::Bcc, needle)?,
            K::Cc(needle) => self.text(Field::Cc, needle)?,
            K::From(needle) => self.text(Field::From, needle)?,
            K::To(needle) => self.text(Field::To, needle)?,
            K::Subject(needle) => self.text(Field::Subject, needle)?,
            K::Body(needle) => self.text(Field::Body, needle)?,
            K::Text(needle) => self.text(Field::Text, needle)?,
            K::FileName(needle) => self.text(Field::FileName, needle)?,
            K::Header { field, needle } => {
                self.text(Field::Header(String::from_utf8_lossy(field).into_owned()), needle)?
            }
            key => key.clone(),
        })
    }

    fn text(&mut self, field: Field, needle: &[u8]) -> Option<SearchKey> {
        let key = TextKey { field, needle: plan::decoded(self.charset, needle).ok()? };
        let relaxes = self.fuzz.filter(|_| self.is_fuzzy && !self.is_negated);
        let Some(fuzz) = relaxes else { return Some(key_of(key)) };
        Some(match relax::text(key, fuzz, &mut self.room) {
            Relaxed::Key(key) => key_of(key),
            Relaxed::AllOf(words) => {
                let any_of = |keys: Vec<TextKey>| {
                    let either = |a, b| SearchKey::Or(Box::new(a), Box::new(b));
                    keys.into_iter().map(key_of).rev().reduce(|rest, key| either(key, rest))
                };
                let mut words: Vec<SearchKey> = words.into_iter().filter_map(any_of).collect();
                if words.len() == 1 { words.pop()? } else { SearchKey::And(words) }
            }
        })
    }
}

fn key_of(TextKey { field, needle }: TextKey) -> SearchKey {
    let needle = needle.into_bytes();
    match field {
        Field::Bcc => SearchKey::Bcc(needle),
        Field::Cc => SearchKey::Cc(needle),
        Field::From => SearchKey::From(needle),
        Field::To => SearchKey::To(needle),
        Field::Subject => SearchKey::Subject(needle),
        Field::Body => SearchKey::Body(needle),
        Field::Text => SearchKey::Text(needle),
        Field::FileName => SearchKey::FileName(needle),
        Field::Attachment => SearchKey::Attachment,
        Field::Header(name) => SearchKey::Header { field: name.into_bytes(), needle },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::search::fuzzy::relax::Tier;
    use crate::command::search::plan::{Context, Program, Rest};
    use crate::wire;
    use crate::wire::ast::Numbers;
    use roaring::RoaringBitmap;
    use std::collections::HashMap;
    use trawl_index::query::Node;
    use trawl_store::types::AccountId;

    const TIERS: [Tier; 4] = [Tier::Subject, Tier::Exact, Tier::Words, Tier::Similar];

    fn similar() -> HashMap<String, Vec<String>> {
        HashMap::from([(
            "HELO".to_owned(),
            vec!["HELLO".to_owned(), "HELP".to_owned(), "A \"B\"".to_owned()],
        )])
    }

    fn command(program: &[u8], charset: Option<&str>) -> SearchCommand {
        let key = wire::criteria(program).unwrap();
        SearchCommand { by: Numbers::Uid, returns: None, charset: charset.map(str::to_owned), key }
    }

    /// What the planner makes of it, with state keys that are told apart.
    fn planned(key: &SearchKey, charset: Option<&str>, fuzz: Fuzz<'_>) -> Rest {
        let context = Context {
            account: AccountId(1),
            messages: 100,
            largest_uid: 100,
            saved: &RoaringBitmap::new,
            places: &|uids| uids.start() - 1..*uids.end(),
            recent: &RoaringBitmap::new,
            now: 1_700_000_000,
            keyword: &|_| None,
            charset,
            fuzz,
            within: &|_| Some(true),
        };
        let program = Program::new(key, &context).unwrap();
        let state: Vec<RoaringBitmap> =
            (0..program.state.len() as u32).map(|nth| (10..60 + nth).collect()).collect();
        program.resolve(&state, 100)
    }

    /// Without what is nested only in the way it was written.
    fn flat(node: Node) -> Node {
        let flattened = |nodes: Vec<Node>, inner: fn(Node) -> Result<Vec<Node>, Node>| {
            nodes
                .into_iter()
                .map(flat)
                .flat_map(|node| inner(node).unwrap_or_else(|node| vec![node]))
                .collect()
        };
        let one = |mut nodes: Vec<Node>, whole: fn(Vec<Node>) -> Node| {
            if nodes.len() == 1 { nodes.remove(0) } else { whole(nodes) }
        };
        match node {
            Node::And(nodes) => {
                let and = |node| if let Node::And(nodes) = node { Ok(nodes) } else { Err(node) };
                one(flattened(nodes, and), Node::And)
            }
            Node::Or(nodes) => {
                let or = |node| if let Node::Or(nodes) = node { Ok(nodes) } else { Err(node) };
                one(flattened(nodes, or), Node::Or)
            }
            Node::Not(node) => Node::Not(Box::new(flat(*node))),
            node => node,
        }
    }

    fn parts(rest: Rest) -> (Option<Node>, RoaringBitmap) {
        match rest {
            Rest::Found(positions) => (None, positions),
            Rest::Text { node, candidates } => (Some(flat(node)), candidates),
        }
    }

    #[test]
    fn what_is_shown_of_a_tier_is_what_the_tier_searches_for() {
        let (similar, nothing) = (similar(), HashMap::new());
        let programs: [(&[u8], Option<&str>); 9] = [
            (b"FUZZY TEXT \"helo you\"", None),
            (b"FUZZY (OR SUBJECT helo NOT BODY helo) FROM x UNSEEN", None),
            (b"NOT FUZZY BODY helo", None),
            (b"FUZZY (SENTON 5-May-2020 LARGER 1000 HEADER X-A \"helo, you\")", None),
            (b"OR FUZZY SINCE 5-May-2020 FUZZY (FUZZY TO \"\" CC \" -- \")", None),
            (b"FUZZY X-TRAWL-QUERY \"from:helo has:attachment filename:helo -you in:x\"", None),
            (b"FUZZY BODY {1}\r\n\xc1 X-TRAWL-QUERY \"from:\xc3\xa4\"", Some("KOI8-R")),
            (b"BODY helo UID 1:5", None),
            (b"FUZZY (1:50 KEYWORD x SMALLER 5 BCC helo)", None),
        ];
        let mut differing = 0;
        for (program, charset) in programs {
            let command = command(program, charset);
            for tier in TIERS {
                let fuzz = Fuzz { tier, similar: &similar };
                let shown = print::program(&exact(&command.key, charset, Some(fuzz)).unwrap());
                let text = String::from_utf8_lossy(&shown).into_owned();
                assert!(!text.contains("FUZZY"), "{text}");
                let again = wire::criteria(&shown).unwrap();
                let exactly = planned(&again, None, Fuzz { tier: Tier::Exact, similar: &nothing });
                let wanted = planned(&command.key, charset, fuzz);
                assert_eq!(parts(exactly), parts(wanted), "{tier:?}: {text}");
                differing += usize::from(shown != print::program(&command.key));
            }
        }
        assert!(differing > 20);
    }

    #[test]
    fn queries_are_shown_as_keys_and_fuzzy_stays() {
        let shown = |program: &[u8]| shown(&command(program, None), None);
        assert_eq!(shown(b"X-TRAWL-QUERY \"from:anna -cart\""), "FROM anna NOT TEXT cart");
        assert_eq!(shown(b"FUZZY X-TRAWL-QUERY \"from:anna\" SEEN"), "FUZZY FROM anna SEEN");
        let long = shown(format!("BODY {}", "x".repeat(9000)).as_bytes());
        assert!(long.len() < EXPLAIN_PROGRAM_BYTES_MAX + 10 && long.ends_with("..."), "{}", long.len());
        // What cannot be read is shown as it came.
        assert_eq!(super::shown(&command(b"BODY x", Some("X-NONE")), None), "BODY x");
    }
}
