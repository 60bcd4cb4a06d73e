//! A SEARCH program as the index and the scan understand it.
//!
//! Keys on mailbox state (flags, dates, sizes, UIDs, ...) are answered by the server from memory and arrive here as
//! bitmaps over row positions. Not here: IMAP syntax, CHARSET conversion (needles are UTF-8 already).

use roaring::RoaringBitmap;

/// A search program over messages that are numbered by their row position.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    All,
    None,
    /// Messages at these row positions.
    State(RoaringBitmap),
    Text(TextKey),
    Not(Box<Node>),
    /// All of them; the empty list matches every message.
    And(Vec<Node>),
    /// Any of them; the empty list matches none.
    Or(Vec<Node>),
}

/// `needle` occurs in one of the texts of `field` after normalisation of both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextKey {
    pub field: Field,
    /// As the client sent it, converted to UTF-8, not normalised.
    pub needle: String,
}

/// Where a text key looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Body,
    Text,
    /// A header field of the message itself by name, in any case.
    Header(String),
    Subject,
    From,
    To,
    Cc,
    Bcc,
    /// The file names of all parts (`docs/search.md`, "Attachments").
    FileName,
    /// The empty needle matches a message with an attachment, another needle matches nothing.
    Attachment,
}

impl Node {
    /// Octets of memory, about. Programs are as deep as their parser lets them be.
    pub fn octets(&self) -> usize {
        let held = match self {
            Node::All | Node::None => 0,
            Node::State(numbers) => numbers.serialized_size(),
            Node::Text(key) => {
                key.needle.len() + if let Field::Header(name) = &key.field { name.len() } else { 0 }
            }
            Node::Not(node) => node.octets(),
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().map(Node::octets).sum(),
        };
        size_of::<Node>() + held
    }

    /// Without the state that all of its answer has to meet: for whoever only asks about positions that meet it.
    pub fn without_outer_state(&self) -> Node {
        match self {
            Node::And(nodes) => {
                let texts = nodes.iter().filter(|node| !matches!(node, Node::State(_)));
                let mut rest: Vec<Node> = texts.map(Node::without_outer_state).collect();
                if rest.len() == 1 { rest.remove(0) } else { Node::And(rest) }
            }
            node => node.clone(),
        }
    }

    pub fn has_state(&self) -> bool {
        match self {
            Node::State(_) => true,
            Node::All | Node::None | Node::Text(_) => false,
            Node::Not(node) => node.has_state(),
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(Node::has_state),
        }
    }
}

impl Field {
    /// Whether the header of the message is enough to answer a key on this field.
    pub fn is_header_only(&self) -> bool {
        !matches!(self, Field::Body | Field::Text | Field::FileName | Field::Attachment)
    }

    /// Whether every message has such a text, so that the empty needle matches all of them.
    pub fn is_in_every_message(&self) -> bool {
        matches!(self, Field::Body | Field::Text)
    }
}
