//! Codes of tokens: dense, one to four octets, the last one (and no other) >= 128.
//!
//! A code is the token's rank by frequency. The ranks of one code length are a zone; inside a zone ranks follow the alphabet,
//! so that a range of the vocabulary is at most one range of ranks per zone. In a run of codes an octet begins a code exactly
//! if the octet before it is >= 128; a run itself begins behind one.

/// Before every text. Its code is the single octet 0x80.
pub const TEXT: u32 = 0;
/// A word that is no vocabulary: its octets are the next ones in the literals of the message.
pub const LITERAL_WORD: u32 = 1;
/// A separator that is no vocabulary.
pub const LITERAL_SEPARATOR: u32 = 2;
/// Between [`TEXT`] and the name of a nested header field.
pub const NESTED: u32 = 3;
/// In a template of a header field: the word that stands here is of the message.
pub const SLOT_WORD: u32 = 4;
/// The same of a separator.
pub const SLOT_SEPARATOR: u32 = 5;
/// The same of a word, which is made of ASCII digits in every message.
pub const SLOT_DIGITS: u32 = 6;
/// The same of a word, which is the name of a day or of a month in every message.
pub const SLOT_DATE: u32 = 7;
/// The first rank of the vocabulary.
pub const RESERVED: u32 = 8;

/// Where the zones begin; the last number is the end of the last one.
pub const ZONES: [u32; 5] =
    [0, 128, 128 + (128 << 7), 128 + (128 << 7) + (128 << 14), 128 + (128 << 7) + (128 << 14) + (128 << 21)];

/// Whether it is a slot of a template.
#[inline]
pub fn is_slot(rank: u32) -> bool {
    matches!(rank, SLOT_WORD..RESERVED)
}

/// Appends the code of a rank below the end of [`ZONES`].
#[inline]
pub fn push(rank: u32, out: &mut Vec<u8>) {
    let last = |rest: u32| (rest & 127) as u8 | 128;
    let inner = |rest: u32| (rest & 127) as u8;
    if rank < ZONES[1] {
        out.push(last(rank));
    } else if rank < ZONES[2] {
        let rest = rank - ZONES[1];
        out.extend_from_slice(&[inner(rest >> 7), last(rest)]);
    } else if rank < ZONES[3] {
        let rest = rank - ZONES[2];
        out.extend_from_slice(&[inner(rest >> 14), inner(rest >> 7), last(rest)]);
    } else {
        let rest = rank - ZONES[3];
        out.extend_from_slice(&[inner(rest >> 21), inner(rest >> 14), inner(rest >> 7), last(rest)]);
    }
}

/// How many octets the code of a rank has.
#[inline]
pub fn len(rank: u32) -> usize {
    ZONES.iter().filter(|&&zone| rank >= zone).count()
}

/// The code of a rank.
pub fn of(rank: u32) -> Vec<u8> {
    let mut code = Vec::with_capacity(ZONES.len() - 1);
    push(rank, &mut code);
    code
}

/// The rank at `at`, which is moved behind it. `None` at the end, and for what [`push`] does not write.
#[inline]
pub fn next(codes: &[u8], at: &mut usize) -> Option<u32> {
    let first = *codes.get(*at)?;
    *at += 1;
    if first >= 128 {
        return Some(u32::from(first & 127));
    }
    let mut rank = u32::from(first);
    for zone in &ZONES[1..4] {
        let octet = *codes.get(*at)?;
        *at += 1;
        rank = rank << 7 | u32::from(octet & 127);
        if octet >= 128 {
            return Some(rank + zone);
        }
    }
    None
}

/// The same as [`next`], for codes of lengths that cannot be predicted: without a branch for each octet.
#[inline]
pub fn next_mixed(codes: &[u8], at: &mut usize) -> Option<u32> {
    let Some(octets) = codes.get(*at..).and_then(<[u8]>::first_chunk::<4>) else { return next(codes, at) };
    let octets = u32::from_le_bytes(*octets);
    // The octet that ends the code, from 0 on.
    let last = (octets & 0x8080_8080).trailing_zeros() / 8;
    if last >= 4 {
        return None;
    }
    let code = octets.swap_bytes() >> (24 - 8 * last);
    let rest = code & 0x7f | code >> 1 & 0x3f80 | code >> 2 & 0x1f_c000 | code >> 3 & 0xfe0_0000;
    *at += last as usize + 1;
    Some(rest + ZONES[last as usize])
}

/// The ranks of a run of codes; ends early where the run is damaged.
pub fn ranks(codes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || next(codes, &mut at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let mut all: Vec<u32> = (0..70_000).collect();
        for zone in ZONES {
            all.extend(zone.saturating_sub(300)..(zone + 300).min(ZONES[4]));
        }
        let mut run = Vec::new();
        for &rank in &all {
            let before = run.len();
            push(rank, &mut run);
            let length = ZONES.iter().filter(|&&zone| rank >= zone).count();
            assert_eq!(run.len() - before, length);
            assert!(run[run.len() - 1] >= 128 && run[before..run.len() - 1].iter().all(|&b| b < 128));
        }
        assert_eq!(ranks(&run).collect::<Vec<_>>(), all);
        let mut at = 0;
        let mixed: Vec<u32> = std::iter::from_fn(|| next_mixed(&run, &mut at)).collect();
        assert_eq!(mixed, all);
    }

    #[test]
    fn longer_codes_are_greater() {
        let code = |rank| {
            let mut out = Vec::new();
            push(rank, &mut out);
            out
        };
        for zone in 0..4 {
            // Inside a zone the last octet aside the order of octets is the order of ranks.
            let sample: Vec<u32> = (ZONES[zone]..ZONES[zone + 1]).step_by(997).collect();
            assert!(sample.windows(2).all(|pair| code(pair[0]) < code(pair[1])));
        }
    }

    #[test]
    fn damaged_runs_end() {
        assert_eq!(ranks(&[1, 2, 3, 4, 5, 6]).count(), 0);
        assert_eq!(ranks(&[0x81, 1]).collect::<Vec<_>>(), [1]);
        assert_eq!(ranks(&[]).count(), 0);
        for damaged in [&[1, 2, 3, 4, 5, 6][..], &[1, 2, 3, 4], &[1, 2], &[]] {
            assert_eq!(next_mixed(damaged, &mut 0), None);
        }
    }
}
