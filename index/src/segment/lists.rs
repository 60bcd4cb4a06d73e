//! Lists of documents in few octets: gaps in the bits that gaps of so many documents need, or a bit for each document of the
//! segment where they are many (`FORMAT.md`).
//!
//! Most lists have two to five documents, so the octet before a list says how many and, with the number of documents in the
//! segment, how long it is: lists are passed over without a look at what is in them.

use crate::bits::Bits;

/// Lists of so many documents say it in their first octet.
const FEW: usize = 16;
/// First octets of longer ones.
const GAPS: u8 = 0xf8;
const BITMAP: u8 = 0xf9;
/// Documents of a segment for one in the list from which on there is a bit for each.
const DENSE: usize = 8;
/// No segment has more documents.
const DOCS_MAX: u32 = 1 << 16;
/// Bits of a load that are certainly there, wherever in an octet it begins.
const LOADED: u32 = 57;

/// How the lists of a segment are written.
#[derive(Clone, Debug)]
pub struct Form {
    docs: u32,
    /// Octets of a list by its first one, which is included; 0 for lists that say it.
    lens: [u8; 256],
}

/// A list that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Where what stands behind its length begins.
    start: usize,
    count: u32,
    is_bitmap: bool,
}

impl List {
    /// How many documents it has.
    pub fn count(&self) -> u32 {
        self.count
    }
}

impl Form {
    /// For a segment of so many documents.
    pub fn new(docs: u32) -> Form {
        let docs = docs.min(DOCS_MAX);
        let mut lens = [0; 256];
        for (first, len) in (0..(FEW + 1) << 3).zip(&mut lens) {
            let (count, more) = (first as u32 >> 3, first & 7);
            *len = (1 + least(docs, count) + more) as u8;
        }
        Form { docs, lens }
    }

    /// Appends a list of rising documents.
    pub fn push(&self, list: &[u16], out: &mut Vec<u8>) {
        let count = list.len();
        let start = out.len();
        if count <= FEW {
            out.push(0);
            self.push_gaps(list, out);
            let more = out.len() - start - 1 - least(self.docs, count as u32);
            debug_assert!(more < 8, "gaps take less than four bits more than their width on the average");
            out[start] = (count << 3 | more) as u8;
            return;
        }
        let is_bitmap = count * DENSE >= self.docs as usize;
        out.push(if is_bitmap { BITMAP } else { GAPS });
        out.extend(((count - 1) as u16).to_le_bytes());
        if is_bitmap {
            let first = out.len();
            out.resize(first + self.bitmap_len(), 0);
            list.iter().for_each(|&doc| out[first + usize::from(doc) / 8] |= 1 << (doc % 8));
        } else {
            out.extend([0; 2]);
            let first = out.len();
            self.push_gaps(list, out);
            let len = (out.len() - first) as u16;
            out[first - 2..first].copy_from_slice(&len.to_le_bytes());
        }
    }

    fn push_gaps(&self, list: &[u16], out: &mut Vec<u8>) {
        let width = width(self.docs, list.len() as u32);
        let (mut pending, mut used) = (0u64, 0);
        let mut push = |number: u64, bits: u32| {
            pending |= number << used;
            used += bits;
            while used >= 8 {
                out.push(pending as u8);
                pending >>= 8;
                used -= 8;
            }
        };
        let mut next = 0;
        for doc in list.iter().map(|&doc| u32::from(doc)) {
            let gap = doc - next;
            next = doc + 1;
            let mut zeros = gap >> width;
            while zeros >= 32 {
                push(0, 32);
                zeros -= 32;
            }
            push(1 << zeros, zeros + 1);
            push(u64::from(gap & ((1 << width) - 1)), width);
        }
        if used > 0 {
            out.push(pending as u8);
        }
    }

    fn bitmap_len(&self) -> usize {
        self.docs.div_ceil(8) as usize
    }

    /// The list at `at`, which is moved behind it; `None` where none can be. It may have no documents.
    #[inline]
    pub fn read(&self, octets: &[u8], at: &mut usize) -> Option<List> {
        let first = *octets.get(*at)?;
        let len = usize::from(self.lens[usize::from(first)]);
        if len > 0 {
            let list = List { start: *at + 1, count: u32::from(first >> 3), is_bitmap: false };
            *at += len;
            return Some(list);
        }
        let number = |at: usize| Some(u16::from_le_bytes(*octets.get(at..)?.first_chunk::<2>()?));
        let count = u32::from(number(*at + 1)?) + 1;
        let is_bitmap = first == BITMAP;
        let (start, len) =
            if is_bitmap { (*at + 3, self.bitmap_len()) } else { (*at + 5, usize::from(number(*at + 3)?)) };
        *at = start + len;
        Some(List { start, count, is_bitmap })
    }

    /// Passes over the list at `at`.
    #[inline]
    pub fn pass(&self, octets: &[u8], at: &mut usize) -> Option<()> {
        match self.lens[usize::from(*octets.get(*at)?)] {
            0 => self.read(octets, at).map(|_| ()),
            len => {
                *at += usize::from(len);
                Some(())
            }
        }
    }

    /// Adds the documents of a list to `bits`, which are as many as the segment has documents.
    #[inline]
    pub fn or_into(&self, octets: &[u8], list: List, bits: &mut Bits) {
        if list.is_bitmap {
            let end = list.start.saturating_add(self.bitmap_len());
            bits.or_octets(octets.get(list.start..end).unwrap_or_default());
        } else {
            gaps(octets, list.start, list.count, width(self.docs, list.count), bits);
        }
    }
}

/// Adds documents by gaps of this width.
#[inline]
fn gaps(octets: &[u8], start: usize, count: u32, width: u32, bits: &mut Bits) {
    let mask = (1u64 << width) - 1;
    // The bit of the next gap, and as many bits from there on as are known.
    let mut at = start * 8;
    let (mut window, mut known) = (0u64, 0);
    let mut next = 0u32;
    for _ in 0..count {
        let mut zeros = window.trailing_zeros();
        if zeros + width >= known {
            (window, known) = (load(octets, at), LOADED);
            zeros = window.trailing_zeros();
            if zeros + width >= known {
                let Some(all) = zeros_at(octets, at) else { return };
                at += all as usize;
                next = next.saturating_add(all << width);
                (window, known, zeros) = (load(octets, at), LOADED, 0);
            }
        }
        let lower = (window >> zeros >> 1 & mask) as u32;
        let doc = next.saturating_add((zeros << width) + lower);
        bits.insert(doc);
        next = doc.saturating_add(1);
        let used = zeros + 1 + width;
        window >>= used;
        known -= used;
        at += used as usize;
    }
}

/// The bits from `at` on, of which [`LOADED`] are certainly there; zeros behind the end.
#[inline]
fn load(octets: &[u8], at: usize) -> u64 {
    let rest = octets.get(at / 8..).unwrap_or_default();
    let word = match rest.first_chunk::<8>() {
        Some(octets) => *octets,
        None => {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            word
        }
    };
    u64::from_le_bytes(word) >> (at % 8)
}

/// How many zeros there are before the next bit that is set; `None` for more than a segment has documents.
#[cold]
fn zeros_at(octets: &[u8], at: usize) -> Option<u32> {
    let mut count = 0;
    while count < DOCS_MAX {
        let zeros = load(octets, at + count as usize).trailing_zeros();
        if zeros < LOADED {
            return Some(count + zeros);
        }
        count += LOADED;
    }
    None
}

/// Bits of a gap that are not counted one by one.
#[inline]
fn width(docs: u32, count: u32) -> u32 {
    (docs * 7 / (count.max(1) * 10)).checked_ilog2().unwrap_or(0)
}

/// Octets that so many gaps take at least.
fn least(docs: u32, count: u32) -> usize {
    (count * (width(docs, count) + 1)).div_ceil(8) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn read_all(form: &Form, octets: &[u8]) -> Vec<Vec<u16>> {
        let mut at = 0;
        let mut all = Vec::new();
        while at < octets.len() {
            let mut passed = at;
            let list = form.read(octets, &mut at).unwrap();
            form.pass(octets, &mut passed).unwrap();
            assert_eq!(passed, at);
            let mut bits = Bits::new(form.docs);
            form.or_into(octets, list, &mut bits);
            assert_eq!(bits.count(), list.count());
            all.push(bits.iter().map(|doc| doc as u16).collect());
        }
        all
    }

    #[test]
    fn every_number_of_documents() {
        for docs in [1u32, 2, 7, 16, 17, 100, 1000, 14_233, 32_768, 65_536] {
            let form = Form::new(docs);
            let spread = |count: u32| {
                let place = move |n: u32| (u64::from(n) * u64::from(docs) / u64::from(count)) as u16;
                (0..count).map(place)
            };
            let mut lists: Vec<Vec<u16>> = Vec::new();
            for count in (0..docs.min(40)).chain([docs / 9, docs / 8, docs / 2, docs - 1, docs]) {
                lists.push(spread(count).collect());
                lists.push((0..count).map(|doc| doc as u16).collect());
                lists.push((docs - count..docs).map(|doc| doc as u16).collect());
            }
            let mut octets = Vec::new();
            lists.iter().for_each(|list| form.push(list, &mut octets));
            assert_eq!(read_all(&form, &octets), lists);
        }
    }

    #[test]
    fn sizes() {
        let form = Form::new(14_233);
        let len = |list: &[u16]| {
            let mut octets = Vec::new();
            form.push(list, &mut octets);
            octets.len()
        };
        assert_eq!((len(&[]), len(&[9]), len(&[5_000, 9_000])), (1, 3, 5));
        let every = |step: u16| (0..14_233).step_by(usize::from(step)).collect::<Vec<u16>>();
        assert!(len(&every(100)) < 5 + 142 * 9 / 8 + 2);
        assert_eq!(len(&every(2)), 3 + 14_233usize.div_ceil(8));
    }

    proptest! {
        #[test]
        fn round_trip(docs in prop_oneof![1..200u32, 1..65_537u32], seeds in prop::collection::vec(
            prop::collection::vec(any::<prop::sample::Index>(), 0..60), 0..8)) {
            let form = Form::new(docs);
            let lists: Vec<Vec<u16>> = seeds
                .iter()
                .map(|list| list.iter().map(|at| at.index(docs as usize) as u16).collect::<BTreeSet<_>>())
                .map(|list| list.into_iter().collect())
                .collect();
            let mut octets = Vec::new();
            lists.iter().for_each(|list| form.push(list, &mut octets));
            prop_assert_eq!(read_all(&form, &octets), lists);
        }

        #[test]
        fn damage_is_survived(octets in prop::collection::vec(prop_oneof![any::<u8>(), Just(0)], 0..300), docs in 0..65_537u32) {
            let form = Form::new(docs);
            for start in 0..octets.len() + 2 {
                let mut at = start;
                let mut bits = Bits::new(docs);
                while let Some(list) = form.read(&octets, &mut at) {
                    form.or_into(&octets, list, &mut bits);
                }
                let mut at = start;
                while form.pass(&octets, &mut at).is_some() {}
            }
        }
    }
}
