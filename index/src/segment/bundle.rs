//! The file of a segment: a header, pieces of octets, and a table of contents with a checksum for each (`FORMAT.md`).

use tantivy::directory::OwnedBytes;

use super::{Damaged, VERSION, kernel};

const MAGIC: &[u8; 8] = b"TRAWLSEG";
const HEADER_LEN: usize = 40;
const ENTRY_LEN: usize = 24;
/// Pieces begin at multiples of this, so that no cache line is shared.
const ALIGN: usize = 64;

/// The pieces of a segment. Numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Piece {
    Messages = 1,
    Unvouched,
    Terms,
    TermOffsets,
    Reversed,
    RankOrd,
    RankReversed,
    FrequentOrds,
    TermSignature,
    BodyCodes,
    BodyCodeOffsets,
    HeadCodes,
    HeadCodeOffsets,
    AddrCodes,
    AddrCodeOffsets,
    BodyLiterals,
    BodyLiteralOffsets,
    HeadLiterals,
    HeadLiteralOffsets,
    AddrLiterals,
    AddrLiteralOffsets,
    BodySignature,
    HeadSignature,
    TantivyMeta,
    TantivyTerms,
    TantivyPostings,
    TantivyPositions,
    TantivyStore,
    TantivyFast,
    TantivyFieldNorms,
    BodyLists,
    BodyListOffsets,
    HeadLists,
    HeadListOffsets,
    Templates,
    TemplateOffsets,
    Fields,
    FieldOffsets,
    BodyContinued,
    HeadContinued,
    TemplateLists,
    TemplateListOffsets,
    TemplateSlots,
    BodyContinuedAt,
}

impl Piece {
    pub const ALL: [Piece; 44] = [
        Piece::Messages,
        Piece::Unvouched,
        Piece::Terms,
        Piece::TermOffsets,
        Piece::Reversed,
        Piece::RankOrd,
        Piece::RankReversed,
        Piece::FrequentOrds,
        Piece::TermSignature,
        Piece::BodyCodes,
        Piece::BodyCodeOffsets,
        Piece::HeadCodes,
        Piece::HeadCodeOffsets,
        Piece::AddrCodes,
        Piece::AddrCodeOffsets,
        Piece::BodyLiterals,
        Piece::BodyLiteralOffsets,
        Piece::HeadLiterals,
        Piece::HeadLiteralOffsets,
        Piece::AddrLiterals,
        Piece::AddrLiteralOffsets,
        Piece::BodySignature,
        Piece::HeadSignature,
        Piece::TantivyMeta,
        Piece::TantivyTerms,
        Piece::TantivyPostings,
        Piece::TantivyPositions,
        Piece::TantivyStore,
        Piece::TantivyFast,
        Piece::TantivyFieldNorms,
        Piece::BodyLists,
        Piece::BodyListOffsets,
        Piece::HeadLists,
        Piece::HeadListOffsets,
        Piece::Templates,
        Piece::TemplateOffsets,
        Piece::Fields,
        Piece::FieldOffsets,
        Piece::BodyContinued,
        Piece::HeadContinued,
        Piece::TemplateLists,
        Piece::TemplateListOffsets,
        Piece::TemplateSlots,
        Piece::BodyContinuedAt,
    ];
}

/// Collects the pieces of a new file.
pub struct Writer {
    out: Vec<u8>,
    entries: Vec<(u32, u64, u64, u32)>,
}

impl Writer {
    #[cfg(test)]
    pub fn with_capacity(octets: usize) -> Writer {
        Writer::in_memory_of(Vec::new(), octets)
    }

    /// For about so many octets: more are slower, because they are moved. In the memory of a file before, if that has nearly so much.
    pub fn in_memory_of(before: Vec<u8>, octets: usize) -> Writer {
        let mut out = if before.capacity() < octets / 4 * 3 { Vec::with_capacity(octets) } else { before };
        out.clear();
        out.resize(HEADER_LEN, 0);
        Writer { out, entries: Vec::new() }
    }

    pub fn piece(&mut self, piece: Piece, bytes: &[u8]) {
        self.written(piece, |out| out.extend_from_slice(bytes));
    }

    pub fn numbers(&mut self, piece: Piece, numbers: impl IntoIterator<Item = u32>) {
        self.written(piece, |out| {
            numbers.into_iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        });
    }

    /// A piece of the octets that `write` appends to the file: large ones need no memory of their own.
    pub fn written<T>(&mut self, piece: Piece, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.out.resize(self.out.len().next_multiple_of(ALIGN), 0);
        let at = self.out.len();
        let result = write(&mut self.out);
        let bytes = &self.out[at..];
        self.entries.push((piece as u32, at as u64, bytes.len() as u64, crc32fast::hash(bytes)));
        result
    }

    pub fn finish(mut self, docs: u32) -> Vec<u8> {
        self.out.resize(self.out.len().next_multiple_of(ALIGN), 0);
        let toc = self.out.len();
        for (piece, at, len, crc) in &self.entries {
            self.out.extend_from_slice(&piece.to_le_bytes());
            self.out.extend_from_slice(&crc.to_le_bytes());
            self.out.extend_from_slice(&at.to_le_bytes());
            self.out.extend_from_slice(&len.to_le_bytes());
        }
        let crc = crc32fast::hash(&self.out[toc..]);
        let total = self.out.len() as u64;
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&u32::from(VERSION).to_le_bytes());
        header.extend_from_slice(&docs.to_le_bytes());
        header.extend_from_slice(&total.to_le_bytes());
        header.extend_from_slice(&(toc as u64).to_le_bytes());
        header.extend_from_slice(&crc.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        self.out[..HEADER_LEN].copy_from_slice(&header);
        self.out
    }
}

/// A file taken apart. Pieces that are not there are empty.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub docs: u32,
    pieces: Vec<(u32, OwnedBytes, u32)>,
}

impl Bundle {
    /// Checks header, length and table of contents.
    pub fn open(bytes: &OwnedBytes) -> Result<Bundle, Damaged> {
        let data = bytes.as_slice();
        let header = data.get(..HEADER_LEN).ok_or(Damaged("short header"))?;
        if !header.starts_with(MAGIC) {
            return Err(Damaged("magic"));
        }
        if u32_at(header, 8) != Some(u32::from(VERSION)) {
            return Err(Damaged("version"));
        }
        if u32_at(header, 36) != Some(crc32fast::hash(&header[..36])) {
            return Err(Damaged("checksum of the header"));
        }
        let docs = u32_at(header, 12).unwrap_or_default();
        if u64_at(header, 16) != Some(data.len() as u64) {
            return Err(Damaged("length"));
        }
        let toc = u64_at(header, 24).and_then(|at| data.get(usize::try_from(at).ok()?..));
        let toc = toc.ok_or(Damaged("place of the contents"))?;
        if u32_at(header, 32) != Some(crc32fast::hash(toc)) || toc.len() % ENTRY_LEN != 0 {
            return Err(Damaged("contents"));
        }
        let mut pieces = Vec::new();
        for entry in toc.chunks_exact(ENTRY_LEN) {
            let (Some(piece), Some(crc), Some(at), Some(len)) =
                (u32_at(entry, 0), u32_at(entry, 4), u64_at(entry, 8), u64_at(entry, 16))
            else {
                return Err(Damaged("contents"));
            };
            let end = at.checked_add(len).filter(|&end| end <= data.len() as u64).ok_or(Damaged("piece"))?;
            pieces.push((piece, bytes.slice(at as usize..end as usize), crc));
        }
        Ok(Bundle { docs, pieces })
    }

    /// Reads every octet.
    pub fn verify(&self) -> Result<(), Damaged> {
        let intact = self.pieces.iter().all(|(_, bytes, crc)| crc32fast::hash(bytes) == *crc);
        if intact { Ok(()) } else { Err(Damaged("checksum")) }
    }

    pub fn piece(&self, piece: Piece) -> OwnedBytes {
        let found = self.pieces.iter().find(|(number, ..)| *number == piece as u32);
        found.map_or_else(OwnedBytes::empty, |(_, bytes, _)| bytes.clone())
    }

    pub fn numbers(&self, piece: Piece) -> Numbers {
        Numbers(self.piece(piece))
    }

    /// Name and length of every piece, and what is between them.
    pub fn sizes(&self) -> Vec<(String, u64)> {
        let name = |number: u32| {
            let known = Piece::ALL.into_iter().find(|piece| *piece as u32 == number);
            known.map_or_else(|| format!("piece {number}"), |piece| format!("{piece:?}"))
        };
        self.pieces.iter().map(|(number, bytes, _)| (name(*number), bytes.len() as u64)).collect()
    }
}

/// A table of 32-bit numbers in a mapping, at any address.
#[derive(Clone, Debug)]
pub struct Numbers(OwnedBytes);

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers(OwnedBytes::empty())
    }
}

impl Numbers {
    /// Those of a table that is not in a file.
    #[cfg(test)]
    pub fn of(numbers: &[u32]) -> Numbers {
        Numbers(OwnedBytes::new(numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()))
    }

    #[inline]
    pub fn get(&self, index: u32) -> Option<u32> {
        u32_at(self.0.as_slice(), index as usize * 4)
    }

    /// An entry will be read soon.
    #[inline]
    pub fn prefetch(&self, index: u32) {
        let at = index as usize * 4;
        kernel::prefetch(self.0.as_slice().get(at..at + 4).unwrap_or_default());
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.0.len() / 4).unwrap_or(u32::MAX)
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.as_slice().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// The range that starts at entry `index` and ends at the one behind it, inside of `0..len`; empty if there is none.
    #[inline]
    pub fn range(&self, index: u32, len: usize) -> std::ops::Range<usize> {
        match (self.get(index), index.checked_add(1).and_then(|next| self.get(next))) {
            (Some(start), Some(end)) if start <= end && end as usize <= len => start as usize..end as usize,
            _ => 0..0,
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_damage() {
        let mut writer = Writer::with_capacity(0);
        writer.piece(Piece::Terms, b"octets");
        writer.numbers(Piece::FrequentOrds, [1, 2, 700]);
        let file = writer.finish(7);
        let bundle = Bundle::open(&OwnedBytes::new(file.clone())).unwrap();
        bundle.verify().unwrap();
        assert_eq!(bundle.docs, 7);
        assert_eq!(bundle.piece(Piece::Terms).as_slice(), b"octets");
        assert!(bundle.piece(Piece::Reversed).is_empty());
        let numbers = bundle.numbers(Piece::FrequentOrds);
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [1, 2, 700]);
        assert_eq!((numbers.get(2), numbers.get(3), numbers.len()), (Some(700), None, 3));
        assert_eq!((numbers.range(0, 2), numbers.range(1, 2), numbers.range(2, 9)), (1..2, 0..0, 0..0));
        for cut in 0..file.len() {
            assert!(Bundle::open(&OwnedBytes::new(file[..cut].to_vec())).is_err(), "cut at {cut}");
        }
        let mut harmless = 0;
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            let opened = Bundle::open(&OwnedBytes::new(damaged));
            harmless += usize::from(opened.is_ok_and(|bundle| bundle.verify().is_ok()));
        }
        // Only what lies between pieces may change unnoticed.
        assert_eq!(harmless, (64 - HEADER_LEN) + (64 - 6) + (64 - 12));
    }
}
