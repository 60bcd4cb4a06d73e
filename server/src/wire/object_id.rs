//! Object identifiers of RFC 8474: a letter that says what it is of, then the number that the store recorded as 16 hex digits.
//!
//! Not here: which accounts and messages there are. What must hold: an identifier that is shown is read back as the same number,
//! and any other text, in other case say, as none.

use super::cursor::{Cursor, Parsed, bad};

/// RFC 8474 7
const BYTES_MAX: usize = 255;
const DIGITS: usize = 16;

/// What an identifier is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// EMAILID
    Email,
    /// THREADID
    Thread,
    /// MAILBOXID
    Mailbox,
}

impl Kind {
    /// No identifier of one kind is ever one of another (RFC 8474 5.2).
    fn letter(self) -> u8 {
        match self {
            Kind::Email => b'M',
            Kind::Thread => b'T',
            Kind::Mailbox => b'F',
        }
    }
}

/// An identifier as a client wrote it, of whatever server; case matters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectId(String);

impl ObjectId {
    /// `objectid = 1*255(ALPHA / DIGIT / "_" / "-")`
    pub fn new(text: &str) -> Option<ObjectId> {
        let good = (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(is_char);
        good.then(|| ObjectId(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number that is shown like this; `None` if none is.
    pub fn number(&self, kind: Kind) -> Option<u64> {
        let (letter, digits) = self.0.as_bytes().split_first()?;
        let is_digit = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
        if *letter != kind.letter() || digits.len() != DIGITS || !digits.iter().all(is_digit) {
            return None;
        }
        u64::from_str_radix(self.0.get(1..)?, 16).ok()
    }
}

fn is_char(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

/// `objectid`
pub(super) fn object_id(c: &mut Cursor<'_>) -> Parsed<ObjectId> {
    let text = c.run(is_char);
    match std::str::from_utf8(text).ok().and_then(ObjectId::new) {
        Some(id) => Ok(id),
        None => bad("An object identifier has 1 to 255 letters, digits, _ and -"),
    }
}

/// `"(" objectid ")"`
pub fn write(out: &mut Vec<u8>, kind: Kind, number: u64) {
    out.extend_from_slice(&[b'(', kind.letter()]);
    for digit in (0..DIGITS).rev() {
        out.push(b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]);
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read(number: u64) {
            for kind in [Kind::Email, Kind::Thread, Kind::Mailbox] {
                let mut out = Vec::new();
                write(&mut out, kind, number);
                let text = String::from_utf8(out).unwrap();
                let id = ObjectId::new(&text[1..text.len() - 1]).unwrap();
                for read in [Kind::Email, Kind::Thread, Kind::Mailbox] {
                    proptest::prop_assert_eq!(id.number(read), (read == kind).then_some(number));
                }
            }
        }
    }

    #[test]
    fn others_are_of_nothing_here() {
        let long = "M".repeat(256);
        for bad in ["", "M(", "M 1", "Mé", &long] {
            assert_eq!(ObjectId::new(bad), None, "{bad}");
        }
        for id in [
            "M",
            "M6d99ac3275bb4e",
            "M000000000000000A",
            "m000000000000000a",
            "M+00000000000000a",
            &long[1..],
        ] {
            let read = ObjectId::new(id).and_then(|id| id.number(Kind::Email));
            assert_eq!(read, None, "{id}");
        }
    }
}
