//! The program of a query: which keys there are and how they are combined.

use roaring::RoaringBitmap;

use super::needle::Needle;
use crate::normalise;
use crate::prepare::Which;
use crate::query::{Field, Node, TextKey};

/// Depth is that of the query, which the command parser bounds.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Constant(bool),
    /// Message numbers.
    State(RoaringBitmap),
    /// Index into the keys.
    Key(usize),
    Not(Box<Plan>),
    And(Vec<Plan>),
    Or(Vec<Plan>),
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub place: Place,
    /// Index into the needles; `None`: the empty needle, which asks whether there is such a field.
    pub needle: Option<usize>,
}

/// Where a key looks. Field names are as the index has them: upper case where ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Body,
    Text,
    /// The message's own header fields of this name.
    Header(Vec<u8>),
    /// The addresses of From, To, Cc or Bcc, or something about attachments.
    Pseudo(Which),
}

#[derive(Clone, Debug)]
pub(super) struct Program {
    pub root: Plan,
    pub keys: Vec<Key>,
    /// Keys share needles: `OR FROM x SUBJECT x` looks x up once.
    pub needles: Vec<Needle>,
    /// For each needle that can begin in a field name and end in the value: the needle that the value begins with.
    pub values: Vec<Option<usize>>,
}

impl Program {
    pub fn new(node: &Node) -> Program {
        let mut program = Program {
            root: Plan::Constant(false),
            keys: Vec::new(),
            needles: Vec::new(),
            values: Vec::new(),
        };
        program.root = program.compile(node);
        program
    }

    fn compile(&mut self, node: &Node) -> Plan {
        match node {
            Node::All => Plan::Constant(true),
            Node::None => Plan::Constant(false),
            Node::State(rows) => Plan::State(rows.clone()),
            Node::Text(key) => self.key(key),
            Node::Not(node) => Plan::Not(Box::new(self.compile(node))),
            Node::And(nodes) => Plan::And(nodes.iter().map(|node| self.compile(node)).collect()),
            Node::Or(nodes) => Plan::Or(nodes.iter().map(|node| self.compile(node)).collect()),
        }
    }

    fn key(&mut self, key: &TextKey) -> Plan {
        let text = normalise(&key.needle);
        if text.is_empty() && key.field.is_in_every_message() {
            return Plan::Constant(true);
        }
        let place = match &key.field {
            Field::Body => Place::Body,
            Field::Text => Place::Text,
            // Names are compared as the scan compares them, without case and without any other folding.
            Field::Header(name) => Place::Header(name.to_ascii_uppercase().into_bytes()),
            Field::Subject => Place::Header(b"SUBJECT".to_vec()),
            Field::From => Place::Pseudo(Which::From),
            Field::To => Place::Pseudo(Which::To),
            Field::Cc => Place::Pseudo(Which::Cc),
            Field::Bcc => Place::Pseudo(Which::Bcc),
            Field::FileName => Place::Pseudo(Which::FileName),
            Field::Attachment => Place::Pseudo(Which::Attachment),
        };
        let needle = (!text.is_empty()).then(|| self.needle(&text));
        let known = self.keys.iter().position(|key| key.place == place && key.needle == needle);
        Plan::Key(known.unwrap_or_else(|| {
            self.keys.push(Key { place, needle });
            self.keys.len() - 1
        }))
    }

    fn needle(&mut self, text: &str) -> usize {
        if let Some(known) = self.needles.iter().position(|needle| needle.bytes() == text.as_bytes()) {
            return known;
        }
        let needle = Needle::new(text);
        let value = needle.span().map(|span| span.value.clone()).filter(|value| !value.is_empty());
        let index = self.needles.len();
        self.needles.push(needle);
        self.values.push(None);
        // What is behind the name is only ever looked for in values, so it has no such part of its own.
        if let Some(value) = value {
            self.values[index] = Some(self.needles.len());
            self.needles.push(Needle::new(&text[value]));
            self.values.push(None);
        }
        index
    }
}
