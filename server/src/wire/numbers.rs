//! The syntax of sets (values: [`super::set`]).

use super::cursor::{Cursor, Parsed, bad};
use super::set::{Bound, SeqRange, SeqSet, SetArg};

/// `sequence-set = (seq-number / seq-range) ["," sequence-set] / "$"`,
/// `seq-range = seq-number ":" seq-number`, `seq-number = nz-number / "*"` (RFC 9051 9)
pub fn set(c: &mut Cursor<'_>) -> Parsed<SetArg> {
    if c.take(b'$') {
        return Ok(SetArg::Saved);
    }
    let mut ranges = Vec::new();
    loop {
        let from = bound(c)?;
        ranges.push(if c.take(b':') { SeqRange::Range(from, bound(c)?) } else { SeqRange::One(from) });
        if !c.take(b',') {
            break;
        }
    }
    match SeqSet::new(ranges) {
        Some(set) => Ok(SetArg::Numbers(set)),
        None => bad("A set has too many ranges"),
    }
}

fn bound(c: &mut Cursor<'_>) -> Parsed<Bound> {
    if c.take(b'*') { Ok(Bound::Star) } else { c.nz_number().map(Bound::Number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        for good in ["1", "*", "$", "1:*", "*:1", "4294967295", "2,4:7,9,12:*", "1,1,1", "*:*"] {
            let mut c = Cursor::new(good.as_bytes());
            assert!(set(&mut c).is_ok() && c.at_end(), "{good}");
        }
        for wrong in ["", "0", "a", "1:", ":1", "1,", ",1", "4294967296", "-1", "1:0", "1:2:", "01"] {
            let mut c = Cursor::new(wrong.as_bytes());
            assert!(set(&mut c).is_err() || !c.at_end(), "{wrong}");
        }
        let many = vec!["1"; crate::limits::SET_RANGES_MAX + 1].join(",");
        assert!(set(&mut Cursor::new(many.as_bytes())).is_err());
    }
}
