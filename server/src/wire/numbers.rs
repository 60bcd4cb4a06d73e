//! The syntax of sets (values: [`super::set`]).

use super::ast::PartialRange;
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

/// `partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number` (RFC 9394 4)
pub fn partial(c: &mut Cursor<'_>) -> Parsed<PartialRange> {
    let from_end = c.take(b'-');
    let one = c.nz_number()?;
    c.expect(b':', "A range of results needs a colon")?;
    if c.take(b'-') != from_end {
        return bad("A range of results counts from one end");
    }
    Ok(PartialRange { from_end, one, other: c.nz_number()? })
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
        for (range, of_ten) in [
            ("1:3", 0..3),
            ("3:1", 0..3),
            ("10:20", 9..10),
            ("11:20", 10..10),
            ("-1:-3", 7..10),
            ("-3:-1", 7..10),
            ("-9:-4294967295", 0..2),
            ("-11:-20", 0..0),
        ] {
            let mut c = Cursor::new(range.as_bytes());
            let partial = partial(&mut c).unwrap();
            assert!(c.at_end());
            assert_eq!(partial.of(10), of_ten, "{range}");
            assert!(partial.of(0).is_empty());
        }
        for wrong in ["", "1", "1:", "0:1", "1:-1", "-1:1", "1:*", "-0:-1"] {
            let mut c = Cursor::new(wrong.as_bytes());
            assert!(partial(&mut c).is_err() || !c.at_end(), "{wrong}");
        }
        let many = vec!["1"; crate::limits::SET_RANGES_MAX + 1].join(",");
        assert!(set(&mut Cursor::new(many.as_bytes())).is_err());
    }
}
