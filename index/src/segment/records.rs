//! From vocabulary entries to their lists of documents: in bodies one for each, in header fields and addresses one for each field.
//!
//! The lists stand in the order of the entries; a table holds where every eighth entry's begin, the others are passed over.

use tantivy::directory::OwnedBytes;

use super::bundle::{Bundle, Numbers, Piece, Writer as BundleWriter};
use super::lists::{Form, List};
use super::terms::{Field, NESTED};
use super::{BuildError, Damaged};

/// Entries of which only the first one's place is in a table.
const STEP: u32 = 8;
/// Bits of a short number in an octet, and the one that says that another octet follows.
const SHORT_BITS: u32 = 7;
const MORE: u8 = 1 << SHORT_BITS;

/// Writes the lists of entries in order.
pub struct Writer {
    form: Form,
    /// The first entry that is no token.
    tokens: u32,
    octets: Vec<u8>,
    offsets: Vec<u32>,
    entries: u32,
    /// The lists of the current entry in header fields.
    current: Vec<u8>,
}

impl Writer {
    /// For a segment of so many documents and tokens.
    pub fn new(docs: u32, tokens: u32) -> Writer {
        let (octets, offsets, current) = Default::default();
        Writer { form: Form::new(docs), tokens, octets, offsets, entries: 0, current }
    }

    /// The list of the next entry in bodies.
    pub fn body(&mut self, list: &[u16]) -> Result<(), BuildError> {
        self.begin()?;
        self.form.push(list, &mut self.octets);
        Ok(())
    }

    /// A list of the next entry in header fields or addresses.
    pub fn head(&mut self, field: u32, list: &[u16]) {
        push_short(if field == NESTED { 0 } else { field - self.tokens + 1 }, &mut self.current);
        self.form.push(list, &mut self.current);
    }

    /// Its lists are complete.
    pub fn end_head(&mut self) -> Result<(), BuildError> {
        self.begin()?;
        push_short(self.current.len() as u32, &mut self.octets);
        self.octets.append(&mut self.current);
        Ok(())
    }

    /// The next entry begins.
    fn begin(&mut self) -> Result<(), BuildError> {
        if self.entries.is_multiple_of(STEP) {
            self.offsets.push(u32::try_from(self.octets.len()).map_err(|_| BuildError::Full)?);
        }
        self.entries += 1;
        Ok(())
    }

    pub fn finish(self, field: Field, out: &mut BundleWriter) {
        let (lists, offsets) = pieces(field);
        out.piece(lists, &self.octets);
        out.numbers(offsets, self.offsets);
    }
}

fn pieces(field: Field) -> (Piece, Piece) {
    match field {
        Field::Body => (Piece::BodyLists, Piece::BodyListOffsets),
        _ => (Piece::HeadLists, Piece::HeadListOffsets),
    }
}

/// Reads them.
pub struct Records {
    form: Form,
    tokens: u32,
    body: Table,
    head: Table,
}

struct Table {
    octets: OwnedBytes,
    offsets: Numbers,
}

impl Records {
    /// For a vocabulary of so many entries and tokens.
    pub fn open(bundle: &Bundle, entries: u32, tokens: u32) -> Result<Records, Damaged> {
        let table = |field: Field| {
            let (lists, offsets) = pieces(field);
            let table = Table { octets: bundle.piece(lists), offsets: bundle.numbers(offsets) };
            let fits = table.offsets.len() == entries.div_ceil(STEP);
            if fits { Ok(table) } else { Err(Damaged("lists")) }
        };
        let (body, head) = (table(Field::Body)?, table(Field::Head)?);
        Ok(Records { form: Form::new(bundle.docs), tokens, body, head })
    }

    /// How lists are written, and the octets of those of a field.
    pub fn lists(&self, field: Field) -> (&Form, &[u8]) {
        (&self.form, self.table(field).octets.as_slice())
    }

    /// Where the lists of an entry are will be read soon.
    #[inline]
    pub fn prefetch_place(&self, field: Field, entry: u32) {
        self.table(field).offsets.prefetch(entry / STEP);
    }

    /// The octets that are read to find the lists of an entry.
    #[inline]
    pub fn octets_for(&self, field: Field, entry: u32) -> &[u8] {
        let table = self.table(field);
        let place = |step: u32| table.offsets.get(step).map(|at| at as usize);
        let start = place(entry / STEP).unwrap_or(table.octets.len());
        let end = place(entry / STEP + 1).unwrap_or(table.octets.len());
        table.octets.as_slice().get(start..end).unwrap_or_default()
    }

    fn table(&self, field: Field) -> &Table {
        if field == Field::Body { &self.body } else { &self.head }
    }

    /// The list of an entry in bodies, if there is one.
    #[inline]
    pub fn body(&self, entry: u32) -> Option<List> {
        let (octets, mut at) = self.body.at(entry)?;
        for _ in 0..entry % STEP {
            self.form.pass(octets, &mut at)?;
        }
        self.form.read(octets, &mut at).filter(|list| list.count() > 0)
    }

    /// The lists of an entry in header fields and addresses: the field as in [`super::terms::literal`], and the list.
    #[inline]
    pub fn head(&self, entry: u32) -> impl Iterator<Item = (u32, List)> + '_ {
        let (octets, mut at) = self.of_head(entry).unwrap_or_default();
        std::iter::from_fn(move || {
            // An entry without lists has no octets either.
            let field = short(octets, &mut at)?;
            let field = field.checked_sub(1).map_or(NESTED, |name| name.saturating_add(self.tokens));
            Some((field, self.form.read(octets, &mut at)?))
        })
    }

    /// The octets of all lists up to those of an entry, and where these begin.
    #[inline]
    fn of_head(&self, entry: u32) -> Option<(&[u8], usize)> {
        let (octets, mut at) = self.head.at(entry)?;
        for _ in 0..entry % STEP {
            let len = short(octets, &mut at)?;
            at = at.checked_add(len as usize)?;
        }
        let len = short(octets, &mut at)?;
        Some((octets.get(..at.checked_add(len as usize)?)?, at))
    }
}

impl Table {
    /// The lists, and where those begin from which on an entry is sought.
    #[inline]
    fn at(&self, entry: u32) -> Option<(&[u8], usize)> {
        Some((self.octets.as_slice(), self.offsets.get(entry / STEP)? as usize))
    }
}

fn push_short(number: u32, out: &mut Vec<u8>) {
    let mut rest = number;
    while rest >= u32::from(MORE) {
        out.push(rest as u8 | MORE);
        rest >>= SHORT_BITS;
    }
    out.push(rest as u8);
}

/// The short number at `at`, which is moved behind it.
#[inline]
fn short(octets: &[u8], at: &mut usize) -> Option<u32> {
    let mut number = 0;
    for shift in (0..u32::BITS).step_by(SHORT_BITS as usize) {
        let octet = *octets.get(*at)?;
        *at += 1;
        number |= u32::from(octet & !MORE) << shift;
        if octet & MORE == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bits::Bits;

    const DOCS: u32 = 300;
    const TOKENS: u32 = 1000;

    type Head = Vec<(u32, Vec<u16>)>;

    fn records(body: &[Vec<u16>], head: &[Head], damage: impl Fn(&mut Vec<u8>)) -> Option<Records> {
        let mut bodies = Writer::new(DOCS, TOKENS);
        body.iter().for_each(|list| bodies.body(list).unwrap());
        let mut heads = Writer::new(DOCS, TOKENS);
        for lists in head {
            lists.iter().for_each(|(field, list)| heads.head(*field, list));
            heads.end_head().unwrap();
        }
        [&mut bodies, &mut heads].into_iter().for_each(|writer| damage(&mut writer.octets));
        let mut out = BundleWriter::with_capacity(0);
        bodies.finish(Field::Body, &mut out);
        heads.finish(Field::Head, &mut out);
        let bundle = Bundle::open(&OwnedBytes::new(out.finish(DOCS))).unwrap();
        assert!(Records::open(&bundle, body.len() as u32 + 8, TOKENS).is_err());
        Records::open(&bundle, body.len() as u32, TOKENS).ok()
    }

    fn docs(records: &Records, field: Field, list: List) -> Vec<u16> {
        let (form, octets) = records.lists(field);
        let mut bits = Bits::new(DOCS);
        form.or_into(octets, list, &mut bits);
        bits.iter().map(|doc| doc as u16).collect()
    }

    fn list(least: usize) -> impl Strategy<Value = Vec<u16>> {
        let few = prop::collection::btree_set(0..DOCS as u16, least..6);
        let many = prop::collection::btree_set(0..DOCS as u16, 6..DOCS as usize / 2);
        prop_oneof![4 => few, 1 => many].prop_map(|list| list.into_iter().collect())
    }

    fn entries() -> impl Strategy<Value = (Vec<Vec<u16>>, Vec<Head>)> {
        let field = prop_oneof![Just(NESTED), TOKENS..TOKENS + 3, TOKENS..TOKENS + 100_000];
        let head = prop::collection::vec((field, list(1)), 0..4);
        prop::collection::vec((list(0), head), 0..40).prop_map(|all| all.into_iter().unzip())
    }

    proptest! {
        #[test]
        fn round_trip((body, head) in entries()) {
            let records = records(&body, &head, |_| {}).unwrap();
            for (entry, (body, head)) in (0..).zip(body.iter().zip(&head)) {
                let found = records.body(entry).map(|list| docs(&records, Field::Body, list));
                prop_assert_eq!(found.unwrap_or_default(), body.clone());
                let found: Head =
                    records.head(entry).map(|(field, list)| (field, docs(&records, Field::Head, list))).collect();
                prop_assert_eq!(&found, head);
            }
            prop_assert!(records.body(body.len() as u32 + 8).is_none());
            prop_assert_eq!(records.head(u32::MAX).count(), 0);
        }

        #[test]
        fn damage_is_survived(
            (body, head) in entries(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
            cuts: bool,
        ) {
            let damage = |octets: &mut Vec<u8>| {
                if octets.is_empty() {
                    return;
                }
                for (at, flip) in &flips {
                    let at = at.index(octets.len());
                    octets[at] ^= flip;
                }
                if cuts {
                    octets.truncate(cut.index(octets.len()));
                }
            };
            if let Some(records) = records(&body, &head, damage) {
                for entry in 0..body.len() as u32 + 9 {
                    let _ = records.body(entry).map(|list| docs(&records, Field::Body, list));
                    records.head(entry).for_each(|(_, list)| drop(docs(&records, Field::Head, list)));
                }
            }
        }
    }
}
