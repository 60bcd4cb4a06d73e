//! Who is right: the definition of a search key, applied to texts that were taken apart once.
//!
//! Shares extraction and normalisation with what it judges and nothing else: no streaming, no early end, no tokens, no
//! plan. The scan itself is held against it as well.

use memchr::memmem::Finder;
use roaring::RoaringBitmap;
use trawl_index::prepare::{Kind, Prepared, Which};
use trawl_index::query::{Field, Node};
use trawl_index::scan::Message;
use trawl_index::{extract, mime, normalise};

/// Ends every text; no octet of UTF-8, so no match spans two.
const END: u8 = 0xff;

/// A message and its normalised texts.
pub struct Mail {
    pub raw: Vec<u8>,
    /// Texts of its documents.
    documents: Vec<String>,
    header_end: usize,
    body: Vec<u8>,
    header: Vec<u8>,
    own: Vec<Own>,
    file_names: Vec<u8>,
    has_attachment: bool,
}

/// A field of the message's own header.
struct Own {
    name: Vec<u8>,
    value: Vec<u8>,
    /// What FROM, TO, CC and BCC look at; empty for other fields.
    addresses: Vec<u8>,
}

const ADDRESSES: [&str; 4] = ["from", "to", "cc", "bcc"];

fn put(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(normalise(text).as_bytes());
    out.push(END);
}

impl Mail {
    pub fn new(raw: Vec<u8>) -> Mail {
        let header_end = mime::header_end(&raw);
        let texts = extract::texts(&raw);
        let (mut body, mut header, mut file_names) = (Vec::new(), Vec::new(), Vec::new());
        texts.file_names.iter().for_each(|text| put(text, &mut file_names));
        texts.body.iter().for_each(|text| put(text, &mut body));
        texts.header.iter().for_each(|text| put(text, &mut header));
        let own = mime::header::fields(&raw[..header_end])
            .map(|field| {
                let (mut value, mut addresses) = (Vec::new(), Vec::new());
                put(&extract::fields::decoded(&field), &mut value);
                if ADDRESSES.iter().any(|name| field.is(name.as_bytes())) {
                    let (canonical, raw) = extract::fields::addresses(&field);
                    put(&canonical, &mut addresses);
                    raw.iter().for_each(|raw| put(raw, &mut addresses));
                }
                Own { name: field.name.to_vec(), value, addresses }
            })
            .collect();
        let documents = Vec::new();
        Mail {
            raw,
            documents,
            header_end,
            body,
            header,
            own,
            file_names,
            has_attachment: texts.has_attachment,
        }
    }

    /// The same message when its documents have been read.
    pub fn with_documents(mut self, documents: Vec<String>) -> Mail {
        documents.iter().for_each(|text| put(text, &mut self.body));
        Mail { documents, ..self }
    }

    pub fn message(&self) -> Message<'_> {
        let (header, body) = self.raw.split_at(self.header_end);
        Message { header, body, documents: &self.documents }
    }

    /// Whether `prepared` holds the same texts, each where it belongs. (Of one that is not vouched for nothing is asked.)
    pub fn agrees(&self, prepared: &Prepared) -> bool {
        if !prepared.is_vouched() {
            return true;
        }
        let (mut body, mut header, mut own) = (Vec::new(), Vec::new(), Vec::<Own>::new());
        let (mut file_names, mut has_attachment) = (Vec::new(), false);
        for (kind, text) in prepared.texts() {
            let line = |name: &[u8]| match name {
                b"" => [text.as_bytes(), &[END]].concat(),
                _ => [name, b": ", text.as_bytes(), &[END]].concat(),
            };
            match kind {
                Kind::Body => body.extend_from_slice(&line(b"")),
                Kind::Nested { name } => header.extend_from_slice(&line(name)),
                Kind::Own { name } => {
                    header.extend_from_slice(&line(name));
                    own.push(Own { name: name.to_vec(), value: line(b""), addresses: Vec::new() });
                }
                Kind::Pseudo { which: Which::FileName } => file_names.extend_from_slice(&line(b"")),
                Kind::Pseudo { which: Which::Attachment } => has_attachment = text.is_empty(),
                Kind::Pseudo { which } => match own.last_mut() {
                    Some(last) if last.name == which.name().as_bytes() => {
                        last.addresses.extend_from_slice(&line(b""))
                    }
                    _ => return false,
                },
            }
        }
        let same = |(a, b): (&Own, &Own)| {
            a.name.eq_ignore_ascii_case(&b.name) && a.value == b.value && a.addresses == b.addresses
        };
        body == self.body
            && header == self.header
            && file_names == self.file_names
            && has_attachment == self.has_attachment
            && own.len() == self.own.len()
            && own.iter().zip(&self.own).all(same)
    }

    pub fn has_file_names(&self) -> bool {
        !self.file_names.is_empty()
    }

    /// Octets of normalised text.
    pub fn text_bytes(&self) -> usize {
        self.body.len() + self.header.len()
    }
}

/// A program with its needles normalised.
pub struct Oracle(Plain);

enum Plain {
    Constant(bool),
    State(RoaringBitmap),
    Key(Field, Box<Finder<'static>>),
    Not(Box<Plain>),
    All(Vec<Plain>),
    Any(Vec<Plain>),
}

impl Oracle {
    pub fn new(node: &Node) -> Oracle {
        fn plain(node: &Node) -> Plain {
            match node {
                Node::All => Plain::Constant(true),
                Node::None => Plain::Constant(false),
                Node::State(rows) => Plain::State(rows.clone()),
                Node::Text(key) => {
                    let needle = normalise(&key.needle);
                    Plain::Key(key.field.clone(), Box::new(Finder::new(needle.as_bytes()).into_owned()))
                }
                Node::Not(node) => Plain::Not(Box::new(plain(node))),
                Node::And(nodes) => Plain::All(nodes.iter().map(plain).collect()),
                Node::Or(nodes) => Plain::Any(nodes.iter().map(plain).collect()),
            }
        }
        Oracle(plain(node))
    }

    /// Whether message `number` matches.
    pub fn matches(&self, number: u32, message: &Mail) -> bool {
        fn holds(plain: &Plain, number: u32, message: &Mail) -> bool {
            match plain {
                Plain::Constant(answer) => *answer,
                Plain::State(rows) => rows.contains(number),
                Plain::Key(field, finder) => key(field, finder, message),
                Plain::Not(plain) => !holds(plain, number, message),
                Plain::All(plains) => plains.iter().all(|plain| holds(plain, number, message)),
                Plain::Any(plains) => plains.iter().any(|plain| holds(plain, number, message)),
            }
        }
        holds(&self.0, number, message)
    }
}

fn key(field: &Field, finder: &Finder<'_>, message: &Mail) -> bool {
    let found = |text: &[u8]| finder.find(text).is_some();
    let named = |name: &str| {
        let name = name.as_bytes().to_vec();
        message.own.iter().filter(move |own| own.name.eq_ignore_ascii_case(&name))
    };
    let everywhere = finder.needle().is_empty();
    match field {
        Field::Body => everywhere || found(&message.body),
        Field::Text => everywhere || found(&message.body) || found(&message.header),
        Field::Header(name) => named(name).any(|own| found(&own.value)),
        Field::Subject => named("subject").any(|own| found(&own.value)),
        Field::From => named("from").any(|own| found(&own.addresses)),
        Field::To => named("to").any(|own| found(&own.addresses)),
        Field::Cc => named("cc").any(|own| found(&own.addresses)),
        Field::Bcc => named("bcc").any(|own| found(&own.addresses)),
        Field::FileName => !message.file_names.is_empty() && found(&message.file_names),
        Field::Attachment => message.has_attachment && everywhere,
    }
}
