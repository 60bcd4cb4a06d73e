//! A segment: an immutable index of some messages, in one file that is mapped (`FORMAT.md`).
//!
//! It holds the texts of its messages, exactly, as codes of tokens that are searched in place; a vocabulary of the tokens;
//! and document-level filters. Nothing of a file is trusted: whatever the octets are, readers return an error or something
//! wrong, and never panic, as long as the files of tantivy in it are intact, which [`Verify::Checksums`] ensures.
//!
//! Not here: files and mappings, which messages a segment is for, and how a search uses it.

mod ahead;
mod build;
mod bundle;
pub mod codes;
mod common;
mod decode;
mod finish;
mod head;
mod intern;
mod inverted;
pub(crate) mod kernel;
mod landmarks;
mod lists;
mod merge;
mod narrow;
mod numbered;
mod packed;
mod page;
mod ranks;
mod records;
mod settle;
mod signature;
mod sorting;
mod table;
mod templates;
pub mod terms;
#[cfg(test)]
mod tests;
mod texts;
mod vocabulary;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

pub use ahead::{CHUNK_WORDS, Mapped, PAGE, Pages};
pub use build::Builder;
pub use inverted::{Found, Lists};
pub use merge::merge;
pub use page::{Literals, Page, Reads};
pub use tantivy::directory::OwnedBytes;
pub use templates::{Fields, Template, Templates, Value, may_fill, slot_for, varies};
pub use terms::{Field, Term};
pub use vocabulary::Vocabulary;

use ahead::Ahead;
use bundle::{Bundle, Numbers, Piece};
use inverted::Inverted;
use records::Records;
pub use signature::Columns;
pub use signature::Grams;
use signature::Signature;

pub use crate::bits::Bits;
use crate::prepare::Area;

/// Version of the file; an index made by another one is made anew. Raised with every change of what a segment holds or means.
pub const VERSION: u16 = 10;

/// The octets of a segment are not what a builder writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged segment: {0}")]
pub struct Damaged(pub &'static str);

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

/// Variants of a segment, to measure what each piece costs and saves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BuildOptions {
    pub joints: bool,
    pub edges: Edges,
    /// Rows of the signatures of literals per mean number of three-octet fragments in a message.
    pub bits_per_gram: Grams<f32>,
    /// The same for header fields and addresses, whose literals are many.
    pub head_bits_per_gram: Grams<f32>,
    /// The same for blocks of the vocabulary.
    pub vocabulary_bits_per_gram: Grams<f32>,
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
            bits_per_gram: Grams { letters: 10.0, others: 5.0 },
            head_bits_per_gram: Grams { letters: 4.5, others: 1.3 },
            vocabulary_bits_per_gram: Grams { letters: 5.0, others: 5.0 },
            literals: true,
        }
    }
}

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
    bundle: Bundle,
    messages: Numbers,
    unvouched: Bits,
    vocabulary: Vocabulary,
    inverted: Inverted,
    records: Records,
    areas: [Texts; 3],
    templates: Templates,
    body_signature: Signature,
    head_signature: Signature,
    ahead: Arc<Ahead>,
}

/// Pieces of which every search reads some: small ones.
const NEEDED_FIRST: [Piece; 11] = [
    Piece::TermOffsets,
    Piece::TermSignature,
    Piece::RankOrd,
    Piece::RankReversed,
    Piece::FrequentOrds,
    Piece::BodyListOffsets,
    Piece::HeadListOffsets,
    Piece::BodyLiteralOffsets,
    Piece::HeadLiteralOffsets,
    Piece::BodyCodeOffsets,
    Piece::TantivyMeta,
];
/// So many lists lie on most pages of all lists, which are asked for as a whole.
const MANY_LISTS: usize = 4096;
/// Entries whose lists are looked for at once: their places lie anywhere, and are waited for together.
const PLACES: usize = 64;
/// Entries whose lists are on their way from memory while that of one is read.
const LISTS_AHEAD: usize = 8;
/// Octets of these: the list of an entry is among the first of eight.
const LIST_OCTETS: usize = 192;

/// Codes and literals of one area.
struct Texts {
    codes: OwnedBytes,
    code_offsets: Numbers,
    literals: OwnedBytes,
    literal_offsets: Numbers,
}

impl Texts {
    #[inline]
    fn codes(&self, doc: u32) -> &[u8] {
        &self.codes.as_slice()[self.code_offsets.range(doc, self.codes.len())]
    }

    #[inline]
    fn literals(&self, doc: u32) -> &[u8] {
        &self.literals.as_slice()[self.literal_offsets.range(doc, self.literals.len())]
    }
}

impl Segment {
    pub fn open(bytes: OwnedBytes, verify: Verify) -> Result<Segment, Damaged> {
        Segment::open_mapped(bytes, verify, None)
    }

    /// The same of a mapped file, of which octets can be asked for.
    pub fn open_mapped(
        bytes: OwnedBytes,
        verify: Verify,
        mapped: Option<Box<dyn Mapped>>,
    ) -> Result<Segment, Damaged> {
        let ahead = Arc::new(Ahead::new(&bytes, mapped));
        let bundle = Bundle::open(&bytes)?;
        // What every search reads.
        NEEDED_FIRST.into_iter().for_each(|piece| ahead.will_need(&bundle.piece(piece)));
        if verify == Verify::Checksums {
            bundle.verify()?;
        }
        let docs = bundle.docs;
        let messages = bundle.numbers(Piece::Messages);
        if messages.len() != docs {
            return Err(Damaged("messages"));
        }
        let mut unvouched = Bits::new(docs);
        bundle
            .numbers(Piece::Unvouched)
            .iter()
            .filter(|&doc| doc < docs)
            .for_each(|doc| unvouched.insert(doc));
        let texts = |area| {
            let [codes, code_offsets, literals, literal_offsets] = texts::pieces(area);
            let texts = Texts {
                codes: bundle.piece(codes),
                code_offsets: bundle.numbers(code_offsets),
                literals: bundle.piece(literals),
                literal_offsets: bundle.numbers(literal_offsets),
            };
            let fits = texts.code_offsets.len() == docs + 1 && texts.literal_offsets.len() == docs + 1;
            if fits { Ok(texts) } else { Err(Damaged("texts")) }
        };
        let signature = |table, continued, starts| {
            Signature::open(bundle.piece(table), docs, bundle.numbers(continued), starts)
        };
        let vocabulary = Vocabulary::open(&bundle, Arc::clone(&ahead));
        Ok(Segment {
            messages,
            unvouched,
            records: Records::open(&bundle, vocabulary.len(), vocabulary.tokens())?,
            vocabulary,
            inverted: Inverted::open(&bundle)?,
            areas: [texts(Area::Body)?, texts(Area::Head)?, texts(Area::Pseudo)?],
            templates: Templates::open(&bundle)?,
            body_signature: signature(
                Piece::BodySignature,
                Piece::BodyContinued,
                bundle.numbers(Piece::BodyContinuedAt),
            ),
            head_signature: signature(Piece::HeadSignature, Piece::HeadContinued, Numbers::default()),
            ahead,
            bundle,
        })
    }

    /// The segment will be read from its start to its end.
    fn will_read_all(&self) {
        self.ahead.will_need_all();
    }

    /// A search of the segment begins.
    pub(crate) fn begin_search(&self) {
        self.ahead.search();
    }

    /// A part of a token will be looked for in the vocabulary and in literals.
    pub(crate) fn will_look_for(&self, part: &[u8]) {
        if self.ahead.asks() {
            self.vocabulary.will_look_for(part);
            for signature in [&self.body_signature, &self.head_signature] {
                signature.rows_of(part).for_each(|row| self.ahead.will_need(row));
            }
        }
    }

    /// Terms of a field will be gone through.
    pub(crate) fn will_walk(&self) {
        if self.ahead.asks() {
            self.ahead.will_need(&self.bundle.piece(Piece::TantivyTerms));
        }
    }

    /// The templates of a range will be read, and their lists.
    pub(crate) fn will_read_templates(&self, range: &Range<u32>) {
        if self.ahead.asks() {
            self.templates.octets_of(range).into_iter().for_each(|octets| self.ahead.will_need(octets));
        }
    }

    /// Calls `each` with vocabulary entries whose lists of a field it reads: those of the next ones are on their way meanwhile. Ends
    /// early if `each` says so.
    pub(crate) fn try_for_entries<E>(
        &self,
        field: Field,
        ords: &[u32],
        mut each: impl FnMut(u32) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let records = &self.records;
        if self.ahead.asks() && ords.len() >= MANY_LISTS {
            self.ahead.will_need(records.lists(field).1);
        } else if self.ahead.asks() {
            for some in ords.chunks(PLACES) {
                some.iter().for_each(|&ord| records.prefetch_place(field, ord));
                some.iter().for_each(|&ord| self.ahead.will_need(records.octets_for(field, ord)));
            }
        }
        let octets = |ord: u32| {
            let octets = records.octets_for(field, ord);
            octets.get(..LIST_OCTETS).unwrap_or(octets)
        };
        for some in ords.chunks(PLACES) {
            some.iter().for_each(|&ord| records.prefetch_place(field, ord));
            some.iter().take(LISTS_AHEAD).for_each(|&ord| kernel::prefetch(octets(ord)));
            for (n, &ord) in some.iter().enumerate() {
                if let Some(&next) = some.get(n + LISTS_AHEAD) {
                    kernel::prefetch(octets(next));
                }
                if each(ord)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Documents are numbered from 0 in the order of message numbers.
    pub fn docs(&self) -> u32 {
        self.bundle.docs
    }

    pub fn message(&self, doc: u32) -> Option<u32> {
        self.messages.get(doc)
    }

    pub fn doc_of(&self, message: u32) -> Option<u32> {
        let doc = vocabulary::partition(0..self.docs(), |doc| {
            self.message(doc).is_some_and(|found| found < message)
        });
        (self.message(doc) == Some(message)).then_some(doc)
    }

    /// All message numbers, rising.
    pub fn messages(&self) -> impl Iterator<Item = u32> + '_ {
        self.messages.iter()
    }

    /// Documents that are here by number only; the scan answers for them.
    pub fn unvouched(&self) -> &Bits {
        &self.unvouched
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// How many octets of codes a message has, about; cheaper than its [`Segment::page`].
    pub fn code_bytes(&self, doc: u32, area: Area) -> usize {
        let len = self.areas[area as usize].codes(doc).len();
        // What stands in slots is about a quarter of the whole.
        if area == Area::Head { len * 4 } else { len }
    }

    /// The templates of header fields.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The header fields of a message, in order.
    pub fn fields(&self, doc: u32) -> Fields<'_> {
        self.templates.fields(doc, self.slots(doc))
    }

    /// The codes that fill the slots of a message's header fields, in order.
    pub fn slots(&self, doc: u32) -> &[u8] {
        self.areas[Area::Head as usize].codes(doc)
    }

    /// Takes from `within` documents that have no literal with `needle` inside (a part of one token). Those that stay may have
    /// none either. Head and Addr share one filter. What is returned says where in long ones: see [`Segment::search_literals`].
    pub fn literal_candidates(&self, area: Area, needle: &[u8], within: &mut Bits) -> Columns {
        let signature = match area {
            Area::Body => &self.body_signature,
            Area::Head | Area::Pseudo => &self.head_signature,
        };
        signature.retain(needle, within.words_mut())
    }

    /// Adds the documents of a term to `bits`.
    pub fn add(&self, field: Field, term: &[u8], bits: &mut Bits) -> Result<(), Damaged> {
        self.find(field, term)?.map_or(Ok(()), |found| self.lists(field).or_into(&found, bits))
    }

    /// A term, for [`Segment::lists`].
    pub fn find(&self, field: Field, term: &[u8]) -> Result<Option<Found>, Damaged> {
        self.inverted.find(field, term)
    }

    /// All terms that begin with `prefix`, in order.
    pub fn terms(
        &self,
        field: Field,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8], &Found) -> ControlFlow<()>,
    ) -> Result<(), Damaged> {
        self.inverted.terms(field, prefix, each)
    }

    /// The documents that have a vocabulary entry in the body.
    #[inline]
    pub fn body_list(&self, ord: u32) -> Option<Found> {
        self.records.body(ord).map(Found::Entry)
    }

    /// The documents that have a vocabulary entry in header fields and addresses: for each field, as in [`terms::literal`].
    #[inline]
    pub fn head_lists(&self, ord: u32) -> impl Iterator<Item = (u32, Found)> + '_ {
        self.records.head(ord).map(|(field, list)| (field, Found::Entry(list)))
    }

    /// To read many lists of one field.
    pub fn lists(&self, field: Field) -> Lists<'_> {
        self.inverted.lists(field, self.records.lists(field))
    }

    /// Name and length of every piece of the file.
    pub fn sizes(&self) -> Vec<(String, u64)> {
        self.bundle.sizes()
    }

    /// Octets of memory beside the mapping, for budgets; tantivy's part is a guess from above.
    pub fn memory(&self) -> usize {
        const TANTIVY: usize = 64 << 10;
        size_of::<Segment>()
            + self.docs() as usize / 8
            + self.vocabulary.memory()
            + self.templates.memory()
            + TANTIVY
    }
}
