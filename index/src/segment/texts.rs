//! Writes the codes and the literals of all texts, and the signatures of the literals.
//!
//! What tokens are now is asked once for each of them; counting grams, packing and signatures read the literals where they stand side by
//! side then.

use super::build::{Builder, TEXT, TOKENS};
use super::bundle::{Piece, Writer};
use super::codes::{self, ZONES};
use super::common::{Common, Weights};
use super::finish::NONE;
use super::intern::Tag;
use super::kernel::prefetch_one;
use super::signature::Grams;
use super::vocabulary::END;
use super::{BuildError, packed, signature};
use crate::prepare::Area;

/// Octets of literals that share a column of a signature: several times what most messages have, so that few are continued.
const BODY_COLUMN_BYTES: usize = if cfg!(test) { 24 } else { 512 };
const HEAD_COLUMN_BYTES: usize = 6 << 10;

/// The literals of an area whose codes are written.
struct Written {
    /// The literals of all documents, each with [`END`] behind it.
    literals: Vec<u8>,
    /// Where those of each document end.
    ends: Vec<usize>,
}

impl Written {
    fn new(builder: &Builder, ranks: &[u32], area: Area, out: &mut Writer) -> Result<Written, BuildError> {
        let [codes, code_offsets, ..] = pieces(area);
        let (written, offsets) = out.written(codes, |out| Written::codes(builder, ranks, area, out))?;
        out.numbers(code_offsets, offsets);
        Ok(written)
    }

    /// Appends the codes; with the literals says where the codes of each document begin.
    fn codes(
        builder: &Builder,
        ranks: &[u32],
        area: Area,
        codes: &mut Vec<u8>,
    ) -> Result<(Written, Vec<u32>), BuildError> {
        let (stream, interner) = (&builder.streams[area as usize], &builder.interner);
        let docs = builder.messages.len();
        let first = codes.len();
        // An octet before the first code, so that it is seen to begin there.
        codes.push(0x80);
        let (mut code_offsets, mut ends) = (Vec::with_capacity(docs + 1), Vec::with_capacity(docs));
        code_offsets.push(1);
        let (mut literals, mut numbers) = (Vec::with_capacity(interner.octets()), Vec::new());
        for doc in 0..docs {
            // Ranks and literals are on their way from memory while others are read.
            numbers.clear();
            numbers.extend(stream.of(doc).inspect(|number| {
                if let Some(rank) = ranks.get(number.wrapping_sub(TOKENS) as usize) {
                    prefetch_one(rank);
                }
            }));
            for number in &mut numbers {
                if *number < TOKENS {
                    *number = if *number == TEXT { codes::TEXT } else { codes::NESTED };
                    continue;
                }
                let id = *number - TOKENS;
                *number = ranks[id as usize];
                if *number == NONE {
                    *number = LITERAL | id;
                    interner.look_ahead(Some(id), None);
                }
            }
            for &number in &numbers {
                if number & LITERAL == 0 {
                    codes::push(number, codes);
                    continue;
                }
                let id = number & !LITERAL;
                let word = interner.tag(id) == Tag::Word;
                codes::push(if word { codes::LITERAL_WORD } else { codes::LITERAL_SEPARATOR }, codes);
                literals.extend_from_slice(interner.bytes(id));
                literals.push(END);
            }
            code_offsets.push(u32::try_from(codes.len() - first).map_err(|_| BuildError::Full)?);
            ends.push(literals.len());
        }
        Ok((Written { literals, ends }, code_offsets))
    }

    /// The literals of a document.
    fn of(&self, doc: usize) -> &[u8] {
        let start = doc.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.literals[start..self.ends[doc]]
    }

    /// Writes them; `each` is called with every document, its literals, and these packed.
    fn write(
        &self,
        area: Area,
        out: &mut Writer,
        mut each: impl FnMut(usize, &[u8], &[u8]),
    ) -> Result<(), BuildError> {
        let [.., literals, literal_offsets] = pieces(area);
        let offsets = out.written(literals, |packed| -> Result<Vec<u32>, BuildError> {
            let first = packed.len();
            let mut offsets = Vec::with_capacity(self.ends.len() + 1);
            offsets.push(0);
            for doc in 0..self.ends.len() {
                let start = packed.len();
                packed::pack(self.of(doc), packed);
                each(doc, self.of(doc), &packed[start..]);
                offsets.push(u32::try_from(packed.len() - first).map_err(|_| BuildError::Full)?);
            }
            Ok(offsets)
        })?;
        out.numbers(literal_offsets, offsets);
        Ok(())
    }
}

/// Marks the number of a token that is a literal; ranks are lower.
const LITERAL: u32 = 1 << 31;
const _: () = assert!(ZONES[ZONES.len() - 1] <= LITERAL);

/// Codes and literals of all areas, and the signatures of the literals.
pub(super) fn write(builder: &Builder, ranks: &[u32], out: &mut Writer) -> Result<(), BuildError> {
    let docs = builder.messages.len() as u32;
    let options = builder.options;
    let new = |grams, bits, column, common| signature::Writer::new(grams, docs, bits, column, common);
    let written = Written::new(builder, ranks, Area::Body, out)?;
    let mut grams = Grams::default();
    grams.count_all(&written.literals);
    let mut body = new(grams, options.bits_per_gram, BODY_COLUMN_BYTES, Common::default());
    let mut places = Vec::new();
    written.write(Area::Body, out, |_, literals, packed| {
        body.tokens(&[literals]);
        places.extend(packed::places(body.starts(), literals, packed));
        body.end_item();
    })?;
    drop(written);
    let continued = out.written(Piece::BodySignature, |out| body.finish_into(out));
    out.numbers(Piece::BodyContinued, continued);
    out.numbers(Piece::BodyContinuedAt, places);
    // Head and pseudo fields share a signature: addresses have hardly any literals, and names of files stand in the head as well.
    let addresses = Written::new(builder, ranks, Area::Pseudo, out)?;
    addresses.write(Area::Pseudo, out, |_, _, _| {})?;
    let written = Written::new(builder, ranks, Area::Head, out)?;
    let mut grams = Grams::default();
    grams.count_all(&written.literals);
    grams.count_all(&addresses.literals);
    let common = common(builder, ranks, Grams::for_common(grams, docs, options.head_bits_per_gram));
    let mut head = new(grams, options.head_bits_per_gram, HEAD_COLUMN_BYTES, common);
    written.write(Area::Head, out, |doc, literals, _| {
        head.tokens(&[literals, addresses.of(doc)]);
        head.end_item();
    })?;
    let continued = out.written(Piece::HeadSignature, |out| head.finish_into(out));
    out.numbers(Piece::HeadContinued, continued);
    Ok(())
}

/// The grams that words in bodies are made of, at most so many.
fn common(builder: &Builder, ranks: &[u32], most: usize) -> Common {
    let mut weights = Weights::new();
    for (id, entry) in (0..).zip(&builder.interner.entries) {
        if ranks[id as usize] != NONE && entry.tag() == Tag::Word {
            weights.add(builder.interner.bytes(id), entry.body_docs.into());
        }
    }
    weights.heaviest(most)
}

/// Codes, their offsets, literals, their offsets.
pub(super) fn pieces(area: Area) -> [Piece; 4] {
    match area {
        Area::Body => {
            [Piece::BodyCodes, Piece::BodyCodeOffsets, Piece::BodyLiterals, Piece::BodyLiteralOffsets]
        }
        Area::Head => {
            [Piece::HeadCodes, Piece::HeadCodeOffsets, Piece::HeadLiterals, Piece::HeadLiteralOffsets]
        }
        Area::Pseudo => {
            [Piece::AddrCodes, Piece::AddrCodeOffsets, Piece::AddrLiterals, Piece::AddrLiteralOffsets]
        }
    }
}
