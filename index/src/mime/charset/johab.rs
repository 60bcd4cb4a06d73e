//! JOHAB (KS X 1001 annex 3, code page 1361): Hangul syllables by their letters, five bits each; other characters through
//! EUC-KR.

const BROKEN: char = '\u{fffd}';
const NONE: u8 = 0xff;
const FILL: u8 = 0xfe;

#[rustfmt::skip]
const INITIAL: [u8; 32] = [
    NONE, FILL, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
];
#[rustfmt::skip]
const MEDIAL: [u8; 32] = [
    NONE, NONE, FILL, 0, 1, 2, 3, 4, NONE, NONE, 5, 6, 7, 8, 9, 10, NONE, NONE, 11, 12, 13, 14, 15, 16,
    NONE, NONE, 17, 18, 19, 20, NONE, NONE,
];
#[rustfmt::skip]
const FINAL: [u8; 32] = [
    NONE, FILL, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, NONE, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
    NONE, NONE,
];
const INITIAL_LETTERS: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const FINAL_LETTERS: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";

#[derive(Default)]
pub(super) struct Johab {
    lead: Option<u8>,
}

impl Johab {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        for &b in bytes {
            match (self.lead.take(), b) {
                (Some(_), 0..=0x30) => {
                    out.push(BROKEN);
                    out.push(b as char);
                }
                (Some(a), _) => pair(a, b, out),
                (None, 0x84..=0xf9) => self.lead = Some(b),
                (None, 0x80..) => out.push(BROKEN),
                (None, _) => out.push(b as char),
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut String) {
        if self.lead.take().is_some() {
            out.push(BROKEN);
        }
    }
}

fn pair(a: u8, b: u8, out: &mut String) {
    if a <= 0xd3 {
        return out.push(hangul(u16::from_be_bytes([a, b])).unwrap_or(BROKEN));
    }
    let row = match a {
        0xd9..=0xde => 2 * (u32::from(a) - 0xd9),
        0xe0..=0xf9 => 2 * u32::from(a) - 0x197,
        _ => return out.push(BROKEN),
    };
    let column = match b {
        0x31..=0x7e => u32::from(b) - 0x31,
        0x91..=0xfe => u32::from(b) - 0x43,
        _ => return out.push(BROKEN),
    };
    let euc = [(row + column / 0x5e + 0xa1) as u8, (column % 0x5e + 0xa1) as u8];
    out.push_str(&encoding_rs::EUC_KR.decode_without_bom_handling(&euc).0);
}

fn hangul(code: u16) -> Option<char> {
    let bits = |shift: u16| usize::from(code >> shift & 0x1f);
    let letter = |table: &str, index: u8| table.chars().nth(usize::from(index));
    match (INITIAL[bits(10)], MEDIAL[bits(5)], FINAL[bits(0)]) {
        (NONE, _, _) | (_, NONE, _) | (_, _, NONE) => None,
        (FILL, FILL, FILL) => Some('\u{3164}'),
        (initial, FILL, FILL) => letter(INITIAL_LETTERS, initial),
        (FILL, medial, FILL) => char::from_u32(0x314f + u32::from(medial)),
        (FILL, FILL, last) => letter(FINAL_LETTERS, last.checked_sub(1)?),
        (FILL, _, _) | (_, FILL, _) => None,
        (initial, medial, last) => {
            let last = if last == FILL { 0 } else { u32::from(last) };
            char::from_u32(0xac00 + (u32::from(initial) * 21 + u32::from(medial)) * 28 + last)
        }
    }
}
