//! Search programs: as a tree, as IMAP, and as the pair of sets of messages that must and may match.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::client::parse::quoted;
use crate::corpus::Flag;
use crate::dates;

/// Where a text key looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Body,
    Text,
    /// FROM, TO, CC, SUBJECT, by the name of the field in lower case.
    Named(&'static str),
    /// HEADER with a field name.
    Header(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    All,
    Text(Scope, String),
    Flag(Flag, bool),
    /// Internal date on or after, and before, a day (seconds of its midnight, UTC).
    Since(i64),
    Before(i64),
    /// More octets than.
    Larger(u32),
    /// `1:*`
    Everything,
    Not(Box<Key>),
    Or(Box<Key>, Box<Key>),
    And(Vec<Key>),
    /// As `And`, in parentheses.
    Group(Vec<Key>),
}

/// Messages that must match, and those that may; by number, not UID.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Answer {
    pub must: RoaringBitmap,
    pub may: RoaringBitmap,
}

/// A program with its answer.
#[derive(Clone, Debug)]
pub struct Query {
    pub class: &'static str,
    pub key: Key,
    pub answer: Arc<Answer>,
}

impl Query {
    /// Whether there is only one right answer.
    pub fn is_exact(&self) -> bool {
        self.answer.must == self.answer.may
    }

    /// 0 for no hit, else 1 for 1-9, 2 for 10-99, ...
    pub fn decade(&self) -> usize {
        match self.answer.must.len() {
            0 => 0,
            hits => hits.ilog10() as usize + 1,
        }
    }

    /// For people.
    pub fn shown(&self) -> String {
        let bytes = self.key.pieces(true).concat();
        crate::client::shown(&bytes, 200)
    }
}

/// Bits of the pieces of a command.
struct Pieces {
    done: Vec<Vec<u8>>,
    at: Vec<u8>,
    literal_plus: bool,
}

impl Pieces {
    fn word(&mut self, word: &str) {
        if !self.at.ends_with(b"(") {
            self.at.push(b' ');
        }
        self.at.extend_from_slice(word.as_bytes());
    }
    fn string(&mut self, text: &str) {
        if text.is_ascii() && !text.contains(['\r', '\n', '\0']) {
            return self.word(&quoted(text));
        }
        let sign = if self.literal_plus { "+" } else { "" };
        self.word(&format!("{{{}{sign}}}\r\n", text.len()));
        if !self.literal_plus {
            self.done.push(std::mem::take(&mut self.at));
        }
        self.at.extend_from_slice(text.as_bytes());
    }
}

impl Key {
    /// `UID SEARCH ...` in pieces for [`crate::load::operation::Command`]; CHARSET is given where a needle needs it.
    pub fn pieces(&self, literal_plus: bool) -> Vec<Vec<u8>> {
        let mut pieces = Pieces { done: Vec::new(), at: b"UID SEARCH".to_vec(), literal_plus };
        let mut ascii = true;
        self.leaves(&mut |_, needle| ascii &= needle.is_ascii());
        if !ascii {
            pieces.word("CHARSET UTF-8");
        }
        self.write(&mut pieces);
        pieces.done.push(pieces.at);
        pieces.done
    }

    fn write(&self, out: &mut Pieces) {
        match self {
            Key::All => out.word("ALL"),
            Key::Everything => out.word("1:*"),
            Key::Text(scope, needle) => {
                match scope {
                    Scope::Body => out.word("BODY"),
                    Scope::Text => out.word("TEXT"),
                    Scope::Named(name) => out.word(&name.to_uppercase()),
                    Scope::Header(name) => out.word(&format!("HEADER {}", quoted(name))),
                }
                out.string(needle);
            }
            Key::Flag(flag, on) => {
                let name = format!("{flag:?}").to_uppercase();
                out.word(&if *on { name } else { format!("UN{name}") });
            }
            Key::Since(day) => out.word(&format!("SINCE {}", dates::search(*day))),
            Key::Before(day) => out.word(&format!("BEFORE {}", dates::search(*day))),
            Key::Larger(size) => out.word(&format!("LARGER {size}")),
            Key::Not(key) => {
                out.word("NOT");
                key.write(out);
            }
            Key::Or(one, other) => {
                out.word("OR");
                one.write(out);
                other.write(out);
            }
            Key::And(keys) => keys.iter().for_each(|key| key.write(out)),
            Key::Group(keys) => {
                out.word("(");
                keys.iter().for_each(|key| key.write(out));
                out.at.push(b')');
            }
        }
    }

    /// Every text key.
    pub fn leaves(&self, each: &mut dyn FnMut(&Scope, &str)) {
        match self {
            Key::Text(scope, needle) => each(scope, needle),
            Key::Not(key) => key.leaves(each),
            Key::Or(one, other) => {
                one.leaves(each);
                other.leaves(each);
            }
            Key::And(keys) | Key::Group(keys) => keys.iter().for_each(|key| key.leaves(each)),
            Key::All | Key::Everything | Key::Flag(..) | Key::Since(_) | Key::Before(_) | Key::Larger(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(scope: Scope, needle: &str) -> Key {
        Key::Text(scope, needle.to_owned())
    }

    #[test]
    fn as_clients_write_it() {
        let x = |scope| Box::new(text(scope, "x y"));
        let key = Key::And(vec![
            Key::Flag(Flag::Deleted, false),
            Key::Group(vec![Key::Or(x(Scope::Named("from")), x(Scope::Body))]),
            Key::Not(Box::new(text(Scope::Header("List-Id".into()), "a\"b"))),
            Key::Since(1_483_365_845),
        ]);
        let expected = "UID SEARCH UNDELETED (OR FROM \"x y\" BODY \"x y\") NOT HEADER \"List-Id\" \"a\\\"b\" SINCE 2-Jan-2017";
        assert_eq!(String::from_utf8(key.pieces(true).concat()).unwrap(), expected);
        let pieces = text(Scope::Text, "gr\u{fc}n").pieces(false);
        assert_eq!(pieces, [&b"UID SEARCH CHARSET UTF-8 TEXT {5}\r\n"[..], "gr\u{fc}n".as_bytes()]);
    }
}
