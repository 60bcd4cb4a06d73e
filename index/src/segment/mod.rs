//! A segment: an immutable index of some messages, in one file that is mapped (`FORMAT.md`).
//!
//! It holds the texts of its messages, exactly, as codes of tokens that are searched in place; a vocabulary of the tokens;
//! and document-level filters. Nothing of a file is trusted: whatever the octets are, readers return an error or something
//! wrong, and never panic, as long as the files of tantivy in it are intact, which [`Verify::Checksums`] ensures.

mod bits;
pub mod codes;
pub mod terms;

use std::ops::{ControlFlow, Range};

pub use bits::Bits;
pub use tantivy::directory::OwnedBytes;
pub use terms::{Field, Term};

use crate::prepare::{Area, Kind, Prepared, Which};
use crate::tokens::Class;

/// Version of the file; an index made by another one is made anew.
pub const VERSION: u16 = 1;

/// The octets of a segment are not what a builder writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged segment: {0}")]
pub struct Damaged(pub &'static str);

/// What [`Segment::open`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Header, length, table of contents and its checksum: for a file written since the system started.
    Shape,
    /// All of that and the checksum of every octet.
    Checksums,
}

/// Reader of a segment.
pub struct Segment {
    vocabulary: Vocabulary,
    unvouched: Bits,
}

impl Segment {
    pub fn open(bytes: OwnedBytes, verify: Verify) -> Result<Segment, Damaged> {
        let _ = (bytes, verify);
        Err(Damaged("provisional"))
    }

    /// Documents are numbered from 0 in the order of message numbers.
    pub fn docs(&self) -> u32 {
        0
    }

    pub fn message(&self, doc: u32) -> Option<u32> {
        let _ = doc;
        None
    }

    pub fn doc_of(&self, message: u32) -> Option<u32> {
        let _ = message;
        None
    }

    /// All message numbers, rising.
    pub fn messages(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::empty()
    }

    /// Documents that are here by number only; the scan answers for them.
    pub fn unvouched(&self) -> &Bits {
        &self.unvouched
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The codes of one message; see [`codes`].
    pub fn codes(&self, doc: u32, area: Area) -> &[u8] {
        let _ = (doc, area);
        &[]
    }

    /// The codes of all messages one behind the other, preceded by an octet >= 128.
    pub fn all_codes(&self, area: Area) -> &[u8] {
        let _ = area;
        &[]
    }

    /// Where the codes of a message are in [`Segment::all_codes`].
    pub fn code_range(&self, doc: u32, area: Area) -> Range<usize> {
        let _ = (doc, area);
        0..0
    }

    /// The literals of one message, each followed by 0xff, in the order of their codes.
    pub fn literals(&self, doc: u32, area: Area) -> &[u8] {
        let _ = (doc, area);
        &[]
    }

    /// Takes from `within` documents that have no literal with `needle` inside (a part of one token). Those that stay may have
    /// none either. Head and Addr share one filter.
    pub fn literal_candidates(&self, area: Area, needle: &[u8], within: &mut Bits) {
        let _ = (area, needle, within);
    }

    /// The documents of a term.
    pub fn postings(&self, field: Field, term: &[u8]) -> Result<Option<Postings>, Damaged> {
        let _ = (field, term);
        Ok(None)
    }

    /// How many documents a term has; cheaper than its postings.
    pub fn frequency(&self, field: Field, term: &[u8]) -> Result<u32, Damaged> {
        let _ = (field, term);
        Ok(0)
    }

    /// All terms that begin with `prefix`, in order.
    pub fn terms(
        &self,
        field: Field,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8], &Found) -> ControlFlow<()>,
    ) -> Result<(), Damaged> {
        let _ = (field, prefix, each);
        Ok(())
    }

    /// The documents of a term met by [`Segment::terms`].
    pub fn open_postings(&self, field: Field, found: &Found) -> Result<Postings, Damaged> {
        let _ = (field, found);
        Err(Damaged("provisional"))
    }

    /// The texts of a message, in the order in which they were in it, octet for octet.
    pub fn decode(&self, doc: u32, area: Area, each: &mut dyn FnMut(Kind<'_>, &[u8])) -> Result<(), Damaged> {
        let _ = (doc, area, each);
        Ok(())
    }

    /// Name and length of every piece of the file.
    pub fn sizes(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// Octets of memory beside the mapping, for budgets.
    pub fn memory(&self) -> usize {
        0
    }
}

/// A term of a field as [`Segment::terms`] meets it.
#[derive(Clone, Debug)]
pub struct Found {
    /// How many documents it has.
    pub frequency: u32,
}

/// The documents of one term, in rising order.
pub struct Postings {}

impl Postings {
    pub fn frequency(&self) -> u32 {
        0
    }

    /// Adds all of them to `bits`.
    pub fn or_into(self, bits: &mut Bits) {
        let _ = bits;
    }

    /// Calls `each` with them in blocks.
    pub fn blocks(self, each: &mut dyn FnMut(&[u32]) -> ControlFlow<()>) {
        let _ = each;
    }
}

/// The tokens that are coded, sorted by octets; "ord" is the position in this order. Names of header fields and the pseudo
/// names of addresses are entries as well, behind all tokens.
pub struct Vocabulary {}

impl Vocabulary {
    pub fn len(&self) -> u32 {
        0
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Empty for an ord that does not exist.
    pub fn term(&self, ord: u32) -> &[u8] {
        let _ = ord;
        &[]
    }

    pub fn ord(&self, token: &[u8]) -> Option<u32> {
        let _ = token;
        None
    }

    /// The entry of a field name (normalised).
    pub fn name(&self, name: &[u8]) -> Option<u32> {
        let _ = name;
        None
    }

    /// The entry that stands for canonical addresses.
    pub fn pseudo_name(&self, which: Which) -> Option<u32> {
        let _ = which;
        None
    }

    /// Field names; their terms are 0xff and the name.
    pub fn names(&self) -> Range<u32> {
        0..0
    }

    /// Class of a token; `None` for names.
    pub fn class(&self, ord: u32) -> Option<Class> {
        let _ = ord;
        None
    }

    /// Ords of the tokens that begin with `start`.
    pub fn prefix(&self, start: &[u8]) -> Range<u32> {
        let _ = start;
        0..0
    }

    /// Positions, in the order of reversed terms, of the tokens that end with `end`.
    pub fn suffix(&self, end: &[u8]) -> Range<u32> {
        let _ = end;
        0..0
    }

    /// The ord at a position in the order of reversed terms.
    pub fn reversed(&self, position: u32) -> u32 {
        let _ = position;
        0
    }

    /// Ords of the tokens with `part` inside, rising, appended to `out`.
    pub fn containing(&self, part: &[u8], out: &mut Vec<u32>) {
        let _ = (part, out);
    }

    pub fn rank(&self, ord: u32) -> u32 {
        let _ = ord;
        0
    }

    /// `None` for reserved ranks and those that do not exist.
    pub fn ord_of_rank(&self, rank: u32) -> Option<u32> {
        let _ = rank;
        None
    }

    /// Position in the order of reversed terms.
    pub fn reversed_of_rank(&self, rank: u32) -> Option<u32> {
        let _ = rank;
        None
    }

    /// The ranks of a range of ords: a range for each zone of [`codes::ZONES`], some empty.
    pub fn rank_ranges(&self, ords: Range<u32>) -> [Range<u32>; 4] {
        let _ = ords;
        [0..0, 0..0, 0..0, 0..0]
    }
}

/// Variants of a segment, to measure what each piece costs and saves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BuildOptions {
    pub joints: bool,
    pub edges: Edges,
    /// Rows of the signatures of literals per mean number of three-octet fragments in a message.
    pub bits_per_gram: f32,
    /// The same for blocks of the vocabulary.
    pub vocabulary_bits_per_gram: f32,
    /// Tokens of one message stay out of the vocabulary.
    pub literals: bool,
}

/// Where edges are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edges {
    None,
    Body,
    BodyAndHead,
}

impl Default for BuildOptions {
    fn default() -> BuildOptions {
        BuildOptions {
            joints: true,
            edges: Edges::Body,
            bits_per_gram: 2.0,
            vocabulary_bits_per_gram: 4.0,
            literals: true,
        }
    }
}

/// Makes a segment.
pub struct Builder {}

impl Builder {
    pub fn new(options: BuildOptions) -> Builder {
        let _ = options;
        Builder {}
    }

    /// Adds a message. Numbers must rise.
    pub fn push(&mut self, message: u32, prepared: &Prepared) -> Result<(), BuildError> {
        let _ = (message, prepared);
        Ok(())
    }

    pub fn docs(&self) -> u32 {
        0
    }

    /// Whether a limit is reached; the segment should be finished.
    pub fn is_full(&self) -> bool {
        false
    }

    /// Octets of memory held.
    pub fn memory(&self) -> usize {
        0
    }

    /// The octets of the segment.
    pub fn finish(self) -> Result<Vec<u8>, BuildError> {
        Ok(Vec::new())
    }
}

/// Why there is no segment.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("message numbers do not rise")]
    Order,
    #[error("more than a segment holds")]
    Full,
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("tantivy: {0}")]
    Tantivy(String),
    #[error("stopped")]
    Stopped,
}

/// One segment of the messages of several that `keep` wants. `stop` is asked now and then.
pub fn merge(
    segments: &[&Segment],
    keep: &dyn Fn(u32) -> bool,
    options: BuildOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<u8>, BuildError> {
    let _ = (segments, keep, options, stop);
    Ok(Vec::new())
}
