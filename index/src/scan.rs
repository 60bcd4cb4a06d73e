//! The naive scan: the definition of what a SEARCH text key matches (`docs/search.md`).
//!
//! Nothing is looked up, everything is read: the message is taken apart, its texts are decoded, normalised and searched.
//! The only cleverness is to stop early: keys on state and header come first, all keys that need the body are searched in
//! one pass, and the pass ends as soon as the answer cannot change. It works on pieces of bounded size and looks at the stop
//! flag after each, so that it can be interrupted within milliseconds.

use std::cell::OnceCell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem::Finder;
use roaring::RoaringBitmap;

use crate::Normaliser;
use crate::extract::{self, Source, TextSink, Walk};
use crate::limits::STEP_BYTES_MAX;
use crate::mime::header::fields;
use crate::normalise;
use crate::query::{Field, Node, TextKey};

/// One message: header and body as stored; the body begins right after the empty line that ends the header
/// ([`crate::mime::header_end`]).
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub header: &'a [u8],
    pub body: &'a [u8],
    /// Texts of the documents in it that were read so far: they belong to the body.
    pub documents: &'a [String],
}

impl<'a> Message<'a> {
    /// One of whose documents nothing was read.
    pub fn new(header: &'a [u8], body: &'a [u8]) -> Message<'a> {
        Message { header, body, documents: &[] }
    }
}

/// The stop flag was raised while a message was searched; there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// A search program with its needles normalised. `Send + Sync`: lanes share one. Its depth is that of the program, which
/// the command parser bounds.
#[derive(Clone, Debug)]
pub struct Compiled {
    root: Plan,
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
enum Plan {
    Constant(bool),
    State(RoaringBitmap),
    /// Index into the keys.
    Key(usize),
    Not(Box<Plan>),
    And(Vec<Plan>),
    Or(Vec<Plan>),
}

#[derive(Clone, Debug)]
struct Key {
    source: TextKey,
    finder: Finder<'static>,
}

impl Compiled {
    pub fn new(node: &Node) -> Compiled {
        let mut keys = Vec::new();
        let root = compile(node, &mut keys);
        Compiled { root, keys }
    }

    /// Whether any message's body can be needed. When false, [`Compiled::before_body`] always answers.
    pub fn needs_body(&self) -> bool {
        self.keys.iter().any(|key| !key.source.field.is_header_only())
    }

    /// The answer if mailbox state alone gives it: neither header nor body need to be read.
    pub fn before_read(&self, position: u32) -> Option<bool> {
        evaluate(&self.root, position, &|_| None)
    }

    /// The answer when `found` tells whether a text key matches: its field and its normalised needle, which for BODY and TEXT
    /// is not empty.
    pub(crate) fn answer(&self, position: u32, found: &dyn Fn(&Field, &Finder<'_>) -> bool) -> bool {
        let known = |index: usize| {
            let key = &self.keys[index];
            Some(found(&key.source.field, &key.finder))
        };
        evaluate(&self.root, position, &known).unwrap_or_default()
    }

    /// The answer if state and header give it: the body need not be read.
    pub fn before_body(
        &self,
        position: u32,
        header: &[u8],
        stop: &AtomicBool,
    ) -> Result<Option<bool>, Stopped> {
        if let Some(answer) = self.before_read(position) {
            return Ok(Some(answer));
        }
        let known = Known::new(self, header, stop);
        let answer = evaluate(&self.root, position, &|key| known.in_header(key));
        if stop.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(answer) }
    }

    /// Whether the message at row `position` matches. Looks at `stop` at least every few hundred microseconds.
    pub fn matches(&self, position: u32, message: &Message<'_>, stop: &AtomicBool) -> Result<bool, Stopped> {
        if let Some(answer) = self.before_read(position) {
            return Ok(answer);
        }
        let known = Known::new(self, message.header, stop);
        let answer = evaluate(&self.root, position, &|key| known.in_header(key));
        if stop.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        if let Some(answer) = answer {
            return Ok(answer);
        }
        let decided = |found: &[bool]| {
            evaluate(&self.root, position, &|key| {
                if found[key] { Some(true) } else { known.in_header(key) }
            })
        };
        let is_decided = |found: &[bool]| decided(found).is_some();
        let mut hunt = Hunt::new(self, stop, |key| {
            !self.keys[key].source.field.is_header_only() && known.answers[key].get() != Some(&Some(true))
        });
        let walk = Walk {
            own_header: false,
            part_headers: hunt.wants(&[Field::Text]),
            body: hunt.wants(&[Field::Text, Field::Body]),
            attachments: hunt.wants(&[Field::FileName, Field::Attachment]),
            stop,
        };
        hunt.decided = Some(&is_decided);
        let walked = extract::walk(message.header, message.body, walk, &mut hunt);
        let walked = match walked {
            ControlFlow::Continue(()) if walk.body => {
                extract::document_texts(message.documents, stop, &mut hunt)
            }
            walked => walked,
        };
        let flushed = if walked.is_continue() { hunt.flush() } else { walked };
        let found = hunt.found;
        if let Some(answer) = decided(&found) {
            return Ok(answer);
        }
        if flushed.is_break() || stop.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        // Everything has been read: what was not found is not there.
        let whole = |key: usize| {
            if self.keys[key].source.field.is_header_only() {
                known.in_header(key)
            } else {
                Some(found[key] || known.in_header(key) == Some(true))
            }
        };
        evaluate(&self.root, position, &whole).ok_or(Stopped)
    }
}

fn compile(node: &Node, keys: &mut Vec<Key>) -> Plan {
    match node {
        Node::All => Plan::Constant(true),
        Node::None => Plan::Constant(false),
        Node::State(rows) => Plan::State(rows.clone()),
        Node::Text(key) => {
            let needle = normalise(&key.needle);
            if needle.is_empty() && key.field.is_in_every_message() {
                return Plan::Constant(true);
            }
            let known = keys
                .iter()
                .position(|k| k.source.field == key.field && k.finder.needle() == needle.as_bytes());
            Plan::Key(known.unwrap_or_else(|| {
                keys.push(Key { source: key.clone(), finder: Finder::new(needle.as_bytes()).into_owned() });
                keys.len() - 1
            }))
        }
        Node::Not(node) => Plan::Not(Box::new(compile(node, keys))),
        Node::And(nodes) => Plan::And(cheapest_first(nodes, keys)),
        Node::Or(nodes) => Plan::Or(cheapest_first(nodes, keys)),
    }
}

/// The order of operands changes no answer, only what has to be read for it.
fn cheapest_first(nodes: &[Node], keys: &mut Vec<Key>) -> Vec<Plan> {
    fn cost(node: &Node) -> u8 {
        match node {
            Node::All | Node::None | Node::State(_) => 0,
            Node::Text(key) if key.field.is_header_only() => 1,
            Node::Text(_) => 2,
            Node::Not(node) => cost(node),
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().map(cost).max().unwrap_or(0),
        }
    }
    let mut order: Vec<&Node> = nodes.iter().collect();
    order.sort_by_key(|node| cost(node));
    order.into_iter().map(|node| compile(node, keys)).collect()
}

/// Three-valued: `None` while a key that matters is unknown.
fn evaluate(plan: &Plan, position: u32, key: &dyn Fn(usize) -> Option<bool>) -> Option<bool> {
    let any = |plans: &[Plan], wanted: bool| {
        let mut answer = Some(!wanted);
        for plan in plans {
            match evaluate(plan, position, key) {
                Some(found) if found == wanted => return Some(wanted),
                Some(_) => {}
                None => answer = None,
            }
        }
        answer
    };
    match plan {
        Plan::Constant(answer) => Some(*answer),
        Plan::State(rows) => Some(rows.contains(position)),
        Plan::Key(index) => key(*index),
        Plan::Not(plan) => evaluate(plan, position, key).map(|found| !found),
        Plan::And(plans) => any(plans, false),
        Plan::Or(plans) => any(plans, true),
    }
}

/// What the header tells about each key, found out when it is first asked for.
struct Known<'a> {
    compiled: &'a Compiled,
    header: &'a [u8],
    stop: &'a AtomicBool,
    answers: Vec<OnceCell<Option<bool>>>,
}

impl<'a> Known<'a> {
    fn new(compiled: &'a Compiled, header: &'a [u8], stop: &'a AtomicBool) -> Known<'a> {
        Known { compiled, header, stop, answers: vec![OnceCell::new(); compiled.keys.len()] }
    }

    /// `None` if the body has to be read as well. Meaningless once the stop flag is raised.
    fn in_header(&self, index: usize) -> Option<bool> {
        *self.answers[index].get_or_init(|| {
            let key = &self.compiled.keys[index];
            match &key.source.field {
                Field::Body | Field::FileName | Field::Attachment => None,
                Field::Text => self.found_in_header(index).then_some(true),
                Field::Header(name) => Some(self.any_field(key, name, false)),
                Field::Subject => Some(self.any_field(key, "subject", false)),
                Field::From => Some(self.any_field(key, "from", true)),
                Field::To => Some(self.any_field(key, "to", true)),
                Field::Cc => Some(self.any_field(key, "cc", true)),
                Field::Bcc => Some(self.any_field(key, "bcc", true)),
            }
        })
    }

    /// A TEXT key in the header of the message itself.
    fn found_in_header(&self, index: usize) -> bool {
        let mut hunt = Hunt::new(self.compiled, self.stop, |key| key == index);
        let walk =
            Walk { own_header: true, part_headers: false, body: false, attachments: false, stop: self.stop };
        if extract::walk(self.header, b"", walk, &mut hunt).is_continue() {
            let _ = hunt.flush();
        }
        hunt.found[index]
    }

    fn any_field(&self, key: &Key, name: &str, addresses: bool) -> bool {
        let mut texts = Searcher::default();
        for field in fields(self.header) {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            if !field.is(name.as_bytes()) {
                continue;
            }
            if key.finder.needle().is_empty() {
                return true;
            }
            let found = if addresses {
                let (canonical, raw) = extract::fields::addresses(&field);
                texts.contains(&canonical, &key.finder, self.stop)
                    || raw.is_some_and(|raw| texts.contains(&raw, &key.finder, self.stop))
            } else {
                texts.contains(&extract::fields::decoded(&field), &key.finder, self.stop)
            };
            if found {
                return true;
            }
        }
        false
    }
}

/// Searches one whole text at a time.
#[derive(Default)]
struct Searcher {
    normalised: Vec<u8>,
}

impl Searcher {
    fn contains(&mut self, text: &str, finder: &Finder<'_>, stop: &AtomicBool) -> bool {
        self.normalised.clear();
        let mut normaliser = Normaliser::default();
        let mut found = false;
        let _ = extract::in_steps(text, stop, |piece| {
            normaliser.push(piece, &mut self.normalised);
            found = finder.find(&self.normalised).is_some();
            let keep = self.normalised.len().min(finder.needle().len().saturating_sub(1));
            self.normalised.drain(..self.normalised.len() - keep);
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }
}

/// Between texts in the buffer: no octet of UTF-8, so that no match spans two texts.
const BETWEEN: u8 = 0xff;

type Decided<'a> = &'a dyn Fn(&[bool]) -> bool;

/// Searches the texts of a walk for all wanted keys at once.
struct Hunt<'a> {
    compiled: &'a Compiled,
    stop: &'a AtomicBool,
    /// Keys still to be found.
    wanted: Vec<usize>,
    found: Vec<bool>,
    /// Says whether the answer is clear already.
    decided: Option<Decided<'a>>,
    normaliser: Normaliser,
    buffer: Vec<u8>,
    source: Source,
    longest: usize,
}

impl<'a> Hunt<'a> {
    fn new(compiled: &'a Compiled, stop: &'a AtomicBool, wanted: impl Fn(usize) -> bool) -> Hunt<'a> {
        let wanted: Vec<usize> = (0..compiled.keys.len()).filter(|&key| wanted(key)).collect();
        let keys = || wanted.iter().map(|&key| &compiled.keys[key]);
        Hunt {
            longest: keys().map(|key| key.finder.needle().len()).max().unwrap_or(0),
            found: vec![false; compiled.keys.len()],
            wanted,
            compiled,
            stop,
            decided: None,
            normaliser: Normaliser::default(),
            buffer: Vec::new(),
            source: Source::Body,
        }
    }

    /// Whether a wanted key looks at one of these.
    fn wants(&self, fields: &[Field]) -> bool {
        self.wanted.iter().any(|&key| fields.contains(&self.compiled.keys[key].source.field))
    }

    /// Searches what the buffer holds and keeps as much of its end as a match may begin in.
    fn flush(&mut self) -> ControlFlow<()> {
        let before = self.wanted.len();
        let Hunt { compiled, wanted, found, buffer, source, .. } = self;
        wanted.retain(|&index| {
            let key = &compiled.keys[index];
            let counts = match source {
                Source::Header => key.source.field == Field::Text,
                Source::Body => matches!(key.source.field, Field::Text | Field::Body),
                Source::FileName => key.source.field == Field::FileName,
                Source::Attachment => key.source.field == Field::Attachment,
            };
            let hit = counts && key.finder.find(buffer).is_some();
            found[index] |= hit;
            !hit
        });
        let keep = self.buffer.len().min(self.longest.saturating_sub(1));
        self.buffer.drain(..self.buffer.len() - keep);
        let done = self.wanted.is_empty()
            || self.wanted.len() < before && self.decided.is_some_and(|decided| decided(&self.found));
        if done || self.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn turn_to(&mut self, source: Source) -> ControlFlow<()> {
        if self.source != source {
            self.flush()?;
            self.buffer.clear();
            self.source = source;
        }
        ControlFlow::Continue(())
    }
}

impl TextSink for Hunt<'_> {
    fn piece(&mut self, source: Source, text: &str) -> ControlFlow<()> {
        self.turn_to(source)?;
        self.normaliser.push(text, &mut self.buffer);
        if self.buffer.len() >= STEP_BYTES_MAX + self.longest {
            self.flush()
        } else {
            ControlFlow::Continue(())
        }
    }

    fn end(&mut self, source: Source) -> ControlFlow<()> {
        self.turn_to(source)?;
        self.normaliser.reset();
        self.buffer.push(BETWEEN);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::header_end;

    fn key(field: Field, needle: &str) -> Node {
        Node::Text(TextKey { field, needle: needle.into() })
    }

    fn matches(node: &Node, message: &str) -> bool {
        let compiled = Compiled::new(node);
        let (header, body) = message.as_bytes().split_at(header_end(message.as_bytes()));
        let stop = AtomicBool::new(false);
        let answer = compiled.matches(7, &Message::new(header, body), &stop).unwrap();
        if let Some(early) = compiled.before_body(7, header, &stop).unwrap() {
            assert_eq!(early, answer, "{node:?}");
        }
        assert!(compiled.needs_body() || compiled.before_body(7, header, &stop).unwrap().is_some());
        answer
    }

    const MESSAGE: &str = "From: \"J. D\u{f6}e\" <joe@example.org> (comment)\r\nSubject: Food cart\r\n list\r\nX-Empty:\r\n\
        Content-Type: multipart/mixed; boundary=q\r\n\r\npreamble\r\n--q\r\n\r\nthe food\r\n cart is h\u{e9}re\r\n--q\r\n\
        Content-Type: text/html; name=\"file.html\"\r\n\r\n<p>one<b>two</b></p>three<a href=\"http://link/\">x</a>\r\n--q\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nnested text\r\n--q--\r\nepilogue\r\n";

    #[test]
    fn keys() {
        use Field::*;
        for (field, needle, expected) in [
            (Body, "ood CA", true),
            (Body, "food  cart", true),
            (Body, "he", true),
            (Body, "here", false),
            (Body, "hére", true),
            (Body, "heres", false),
            (Body, "onetwo", true),
            (Body, "two three", true),
            (Body, "twothree", false),
            (Body, "http://link", true),
            (Body, "nested text", true),
            (Body, "inner", false),
            (Body, "file.html", false),
            (Body, "preamble", false),
            (Body, "epilogue", false),
            (Body, "here one", false),
            (Body, "", true),
            (Text, "", true),
            (Text, "subject: inner", true),
            (Text, "file.html", true),
            (Text, "cart list", true),
            (Text, "comment", true),
            (Text, "list x-empty", false),
            (Subject, "cart list", true),
            (Subject, "inner", false),
            (From, "j. döe <joe@", true),
            (From, "comment", false),
            (To, "", false),
            (From, "", true),
            (Header("X-EMPTY".into()), "", true),
            (Header("x-empty".into()), " ", false),
            (Header("X-None".into()), "", false),
            (Header("from".into()), "comment", true),
        ] {
            assert_eq!(matches(&key(field.clone(), needle), MESSAGE), expected, "{field:?} {needle:?}");
        }
    }

    #[test]
    fn programs() {
        let yes = || key(Field::Body, "food");
        let no = || key(Field::Body, "absent");
        let state = |rows: &[u32]| Node::State(rows.iter().copied().collect());
        for (node, expected) in [
            (Node::All, true),
            (Node::None, false),
            (state(&[7]), true),
            (state(&[8]), false),
            (Node::And(vec![]), true),
            (Node::Or(vec![]), false),
            (Node::And(vec![yes(), no()]), false),
            (Node::Or(vec![no(), yes()]), true),
            (Node::Not(Box::new(no())), true),
            (Node::And(vec![yes(), Node::Not(Box::new(yes()))]), false),
            (Node::And(vec![state(&[7]), yes(), key(Field::Subject, "food")]), true),
            (Node::Or(vec![key(Field::Text, "nope"), key(Field::Text, "nested")]), true),
        ] {
            assert_eq!(matches(&node, MESSAGE), expected, "{node:?}");
        }
        assert!(!Compiled::new(&key(Field::Body, "")).needs_body());
        assert_eq!(Compiled::new(&Node::And(vec![state(&[8]), yes()])).before_read(7), Some(false));
    }

    #[test]
    fn texts_of_documents_are_texts_of_the_body() {
        let documents = ["Annual  REPORT\nof the budget".to_owned(), String::new(), "second".to_owned()];
        let stop = AtomicBool::new(false);
        let (header, body) = MESSAGE.as_bytes().split_at(header_end(MESSAGE.as_bytes()));
        let message = Message { header, body, documents: &documents };
        let texts = crate::prepare::Prepared::new(&message, &stop).unwrap();
        for (node, expected) in [
            (key(Field::Body, "annual report of"), true),
            (key(Field::Text, "BUDGET"), true),
            (key(Field::Body, "budgetsecond"), false),
            (key(Field::Body, "budget second"), false),
            (key(Field::Subject, "budget"), false),
            (key(Field::Header("subject".into()), "budget"), false),
            (key(Field::FileName, "budget"), false),
            (Node::Not(Box::new(key(Field::Body, "second"))), false),
            (Node::And(vec![key(Field::Body, "food"), key(Field::Body, "second")]), true),
            (Node::Or(vec![key(Field::Body, "absent"), key(Field::Body, "second")]), true),
        ] {
            let compiled = Compiled::new(&node);
            assert_eq!(compiled.matches(7, &message, &stop), Ok(expected), "{node:?}");
            assert_eq!(texts.matches(7, &compiled, &stop), Ok(expected), "{node:?}");
            if expected && node == key(Field::Text, "BUDGET") {
                assert_eq!(compiled.matches(7, &Message::new(header, body), &stop), Ok(false));
            }
        }
        let raised = AtomicBool::new(true);
        let compiled = Compiled::new(&key(Field::Body, "second"));
        assert_eq!(compiled.matches(7, &message, &raised), Err(Stopped));
    }

    #[test]
    fn a_raised_flag_stops() {
        let stop = AtomicBool::new(true);
        let (header, body) = MESSAGE.as_bytes().split_at(header_end(MESSAGE.as_bytes()));
        for node in [key(Field::Body, "food"), key(Field::Text, "zzz"), key(Field::From, "zzz")] {
            let compiled = Compiled::new(&node);
            assert_eq!(compiled.matches(0, &Message::new(header, body), &stop), Err(Stopped));
        }
    }

    #[test]
    fn long_texts_are_searched_across_steps() {
        let filler = "lorem ipsum ".repeat(STEP_BYTES_MAX / 6);
        let message = format!("A: b\r\n\r\n{filler}needle in the\r\n\thay {filler}");
        assert!(matches(&key(Field::Body, "needle in the hay l"), &message));
        assert!(matches(&key(Field::Body, &normalise(&filler)), &message));
        assert!(!matches(&key(Field::Body, "hay needle"), &message));
    }
}
