//! Passes over text before it is in a segment: what octets are, and what they are normalised to.
//!
//! Part of the audited [`super`]: what must hold is said there.

/// Octets of text of which [`classes`] says what they are.
pub const TEXT_BLOCK: usize = 64;
/// Octets that are mapped together.
const CHUNK: usize = 32;
/// Octets for which room is made at a time: ASCII may end soon.
const WINDOW: usize = 8 * CHUNK;

/// Which octets of a block are ASCII, which are ASCII letters and digits, and which are spaces: a bit each, the first octet's is the lowest.
#[inline]
pub fn classes(block: &[u8; TEXT_BLOCK]) -> (u64, u64, u64) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::classes(block) };
    }
    plain::classes(block)
}

/// Appends what the ASCII octets at the start of a text are mapped to, and says how many these are: letters become upper case, white space
/// (U+001C to U+001F included) a space unless it follows other white space. `after_space` says whether the octet before is white space.
pub fn map_ascii(text: &[u8], after_space: &mut bool, out: &mut Vec<u8>) -> usize {
    let mut read = 0;
    while read < text.len() {
        let window = &text[read..text.len().min(read + WINDOW)];
        let start = out.len();
        // Chunks are written whole; what is behind their ends is written over or cut off.
        out.resize(start + window.len() + CHUNK, 0);
        let (ascii, written) = map_into(window, after_space, &mut out[start..]);
        out.truncate(start + written);
        read += ascii;
        if ascii < window.len() {
            break;
        }
    }
    read
}

/// The octets as a text if they are UTF-8, which is found out faster than [`String::from_utf8`] does.
pub fn string_of(octets: Vec<u8>) -> Option<String> {
    simdutf8::basic::from_utf8(&octets).ok()?;
    // SAFETY: they are UTF-8, as was just found.
    Some(unsafe { String::from_utf8_unchecked(octets) })
}

fn map_into(text: &[u8], after_space: &mut bool, out: &mut [u8]) -> (usize, usize) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("lzcnt")
    {
        // SAFETY: the processor has what it uses.
        return unsafe { avx2::map_into(text, after_space, out) };
    }
    each_chunk(text, after_space, out, plain::map)
}

/// A chunk mapped octet by octet, and a bit for each octet that is not ASCII and that is white space.
type Mapped = ([u8; CHUNK], u32, u32);

/// How many octets were read, and how many were written into `out`, which has room for a chunk more than the text.
#[inline(always)]
fn each_chunk(
    text: &[u8],
    after_space: &mut bool,
    out: &mut [u8],
    map: impl Fn(&[u8; CHUNK]) -> Mapped,
) -> (usize, usize) {
    let (mut read, mut written) = (0, 0);
    let mut after = u32::from(*after_space);
    while read < text.len() {
        let rest = &text[read..];
        let ((mapped, others, spaces), len) = match rest.first_chunk::<CHUNK>() {
            Some(chunk) => (map(chunk), CHUNK),
            None => {
                let mut chunk = [0; CHUNK];
                chunk[..rest.len()].copy_from_slice(rest);
                (map(&chunk), rest.len())
            }
        };
        let ascii = len.min(others.trailing_zeros() as usize);
        let all = ((1u64 << ascii) - 1) as u32;
        let left_out = spaces & (spaces << 1 | after) & all;
        if left_out == 0 {
            out[written..written + CHUNK].copy_from_slice(&mapped);
            written += ascii;
        } else {
            let mut twice = [0; 2 * CHUNK];
            twice[..CHUNK].copy_from_slice(&mapped);
            let mut kept = u64::from(all & !left_out);
            while kept != 0 {
                let from = kept.trailing_zeros() as usize;
                let run = (kept >> from).trailing_ones() as usize;
                out[written..written + CHUNK].copy_from_slice(&twice[from..from + CHUNK]);
                written += run;
                kept &= !(((1u64 << run) - 1) << from);
            }
        }
        if ascii > 0 {
            after = spaces >> (ascii - 1) & 1;
        }
        read += ascii;
        if ascii < len {
            break;
        }
    }
    *after_space = after == 1;
    (read, written)
}

mod plain {
    use super::{CHUNK, Mapped, TEXT_BLOCK};

    pub fn classes(block: &[u8; TEXT_BLOCK]) -> (u64, u64, u64) {
        let bits = |is: &dyn Fn(&u8) -> bool| {
            block.iter().rev().fold(0, |bits, octet| bits << 1 | u64::from(is(octet)))
        };
        (bits(&u8::is_ascii), bits(&u8::is_ascii_alphanumeric), bits(&|octet| *octet == b' '))
    }

    pub fn map(chunk: &[u8; CHUNK]) -> Mapped {
        let is_space = |octet: &u8| matches!(octet, b'\t'..=b'\r' | 0x1c..=b' ');
        let bits = |is: &dyn Fn(&u8) -> bool| {
            chunk.iter().rev().fold(0, |bits, octet| bits << 1 | u32::from(is(octet)))
        };
        let mapped = chunk.map(|octet| if is_space(&octet) { b' ' } else { octet.to_ascii_uppercase() });
        (mapped, bits(&|octet| !octet.is_ascii()), bits(&is_space))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_and_si256, _mm256_blendv_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256,
        _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_storeu_si256,
        _mm256_sub_epi8,
    };

    use super::{CHUNK, Mapped, TEXT_BLOCK};

    /// All bits of the octets in a range.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn within(octets: __m256i, first: u8, last: u8) -> __m256i {
        let distance = _mm256_sub_epi8(octets, _mm256_set1_epi8(first as i8));
        let width = _mm256_set1_epi8((last - first) as i8);
        _mm256_cmpeq_epi8(_mm256_min_epu8(distance, width), distance)
    }

    /// A bit for each octet whose highest one is set.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn highest(octets: __m256i) -> u32 {
        _mm256_movemask_epi8(octets) as u32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(octets: &[u8; CHUNK]) -> __m256i {
        // SAFETY: there are the 32 octets that are loaded; the load wants no alignment.
        unsafe { _mm256_loadu_si256(octets.as_ptr().cast()) }
    }

    /// # Safety
    /// The processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn classes(block: &[u8; TEXT_BLOCK]) -> (u64, u64, u64) {
        let (mut ascii, mut words, mut spaces) = (0, 0, 0);
        for half in block.as_chunks::<CHUNK>().0.iter().rev() {
            let octets = load(half);
            let letters = within(_mm256_or_si256(octets, _mm256_set1_epi8(0x20)), b'a', b'z');
            let word = _mm256_or_si256(letters, within(octets, b'0', b'9'));
            ascii = ascii << CHUNK | u64::from(!highest(octets));
            words = words << CHUNK | u64::from(highest(word));
            let space = _mm256_cmpeq_epi8(octets, _mm256_set1_epi8(b' ' as i8));
            spaces = spaces << CHUNK | u64::from(highest(space));
        }
        (ascii, words, spaces)
    }

    /// # Safety
    /// The processor has AVX2, BMI1 and LZCNT (where the last is missing its instruction means another).
    #[target_feature(enable = "avx2,bmi1,lzcnt")]
    pub unsafe fn map_into(text: &[u8], after_space: &mut bool, out: &mut [u8]) -> (usize, usize) {
        super::each_chunk(text, after_space, out, |chunk| map(chunk))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn map(chunk: &[u8; CHUNK]) -> Mapped {
        let octets = load(chunk);
        let spaces = _mm256_or_si256(within(octets, b'\t', b'\r'), within(octets, 0x1c, b' '));
        let lower = _mm256_and_si256(within(octets, b'a', b'z'), _mm256_set1_epi8(0x20));
        let upper = _mm256_sub_epi8(octets, lower);
        let found = _mm256_blendv_epi8(upper, _mm256_set1_epi8(b' ' as i8), spaces);
        let mut mapped = [0; CHUNK];
        // SAFETY: there is room for the 32 octets that are stored; the store wants no alignment.
        unsafe { _mm256_storeu_si256(mapped.as_mut_ptr().cast(), found) };
        (mapped, highest(octets), highest(spaces))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets of all kinds at all places.
    fn texts() -> impl Iterator<Item = Vec<u8>> {
        let samples = b"aZ09 \t\r\n\x1b\x1c\x1f!/:@[`{\x7f\x80\xc3\xa0\xff\0";
        (0..2000usize).map(|n| {
            (0..n % 577).map(|at| samples[(n * 31 + at * at * 7 + at * (n % 13)) % samples.len()]).collect()
        })
    }

    #[test]
    fn both_ways_give_the_same() {
        for text in texts() {
            for after in [false, true] {
                let mut room = [vec![0; text.len() + CHUNK], vec![0; text.len() + CHUNK]];
                let mut spaces = [after; 2];
                let found = map_into(&text, &mut spaces[0], &mut room[0]);
                let expected = each_chunk(&text, &mut spaces[1], &mut room[1], plain::map);
                assert_eq!((found, spaces[0]), (expected, spaces[1]), "{text:?}");
                assert_eq!(room[0][..found.1], room[1][..found.1], "{text:?}");
            }
            if let Some(block) = text.first_chunk() {
                assert_eq!(classes(block), plain::classes(block));
            }
        }
    }

    #[test]
    fn only_utf8_is_a_string() {
        let long = "\u{e4}\u{65e5}x".repeat(99);
        for text in texts().chain([long.clone().into_bytes(), long.as_bytes()[..long.len() - 2].to_vec()]) {
            assert_eq!(string_of(text.clone()), String::from_utf8(text).ok());
        }
    }

    #[test]
    fn a_text_is_mapped_up_to_what_is_not_ascii() {
        for text in texts() {
            let ascii = text.iter().position(|octet| !octet.is_ascii()).unwrap_or(text.len());
            let (mut expected, mut after) = (Vec::new(), false);
            for &octet in &text[..ascii] {
                let space = octet == b' ' || matches!(octet, 9..=13 | 28..=31);
                if !(space && after) {
                    expected.push(if space { b' ' } else { octet.to_ascii_uppercase() });
                }
                after = space;
            }
            let (mut out, mut after_space) = (b"x".to_vec(), false);
            assert_eq!(map_ascii(&text, &mut after_space, &mut out), ascii, "{text:?}");
            assert_eq!((&out[1..], after_space), (&expected[..], after), "{text:?}");
        }
    }
}
