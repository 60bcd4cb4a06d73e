//! Dates as IMAP writes them: `1-Feb-1994` of SEARCH and `"17-Jul-1996 02:44:25 -0700"` of APPEND and INTERNALDATE.
//!
//! Days are counted in the proleptic Gregorian calendar from 1970-01-01; nothing here knows today.

use trawl_store::types::ZonedTime;

use super::ast::Day;
use super::cursor::{Cursor, Parsed, bad};

pub const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days since 1970-01-01, or None when there is no such day. `year` is 0..=9999.
pub fn day_from_civil(year: u32, month: u32, day: u32) -> Option<Day> {
    const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = LENGTHS.get(month.checked_sub(1)? as usize)? + u32::from(leap && month == 2);
    if year > 9999 || day == 0 || day > length {
        return None;
    }
    // Years from March on, so that the leap day is the last one.
    let (y, m) = if month <= 2 { (i64::from(year) - 1, month + 9) } else { (i64::from(year), month - 3) };
    let day_of_year = i64::from((153 * m + 2) / 5 + day - 1);
    let days = y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + day_of_year - 719_468;
    i32::try_from(days).ok().map(Day)
}

/// (year, month 1..=12, day 1..=31); years outside 0..=9999 are clamped to its ends.
pub fn civil_from_day(day: Day) -> (u32, u32, u32) {
    const FIRST: i64 = -719_528; // 0000-01-01
    const LAST: i64 = 2_932_896; // 9999-12-31
    let z = i64::from(day.0).clamp(FIRST, LAST) + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let d = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as u32, month as u32, d as u32)
}

fn month(c: &mut Cursor<'_>) -> Parsed<u32> {
    let name = c.run(|b| b.is_ascii_alphabetic());
    match MONTHS.iter().position(|m| m.as_bytes().eq_ignore_ascii_case(name)) {
        Some(i) => Ok(i as u32 + 1),
        None => bad("A month's name was expected in a date"),
    }
}

/// Exactly `count` digits.
fn digits(c: &mut Cursor<'_>, count: usize) -> Parsed<u32> {
    let run = c.run(|b| b.is_ascii_digit());
    if run.len() != count {
        return bad("A date or time has the wrong number of digits");
    }
    Ok(run.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
}

/// `date = date-text / DQUOTE date-text DQUOTE`, `date-text = 1*2DIGIT "-" month "-" 4DIGIT`
pub fn date(c: &mut Cursor<'_>) -> Parsed<Day> {
    const REASON: &str = "A date is written 1-Feb-1994";
    let quoted = c.take(b'"');
    let run = c.run(|b| b.is_ascii_digit());
    if run.is_empty() || run.len() > 2 {
        return bad(REASON);
    }
    let day = run.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0'));
    c.expect(b'-', REASON)?;
    let month = month(c)?;
    c.expect(b'-', REASON)?;
    let year = digits(c, 4)?;
    if quoted {
        c.expect(b'"', REASON)?;
    }
    day_from_civil(year, month, day).map_or(bad("There is no such date"), Ok)
}

/// `date-time = DQUOTE date-day-fixed "-" month "-" year SP time SP zone DQUOTE`; a leap second counts as the one before.
pub fn date_time(c: &mut Cursor<'_>) -> Parsed<ZonedTime> {
    const REASON: &str = "A date-time is written \"17-Jul-1996 02:44:25 -0700\"";
    c.expect(b'"', REASON)?;
    let day = if c.take(b' ') { digits(c, 1)? } else { digits(c, 2)? };
    c.expect(b'-', REASON)?;
    let month = month(c)?;
    c.expect(b'-', REASON)?;
    let year = digits(c, 4)?;
    c.expect(b' ', REASON)?;
    let hours = digits(c, 2)?;
    c.expect(b':', REASON)?;
    let minutes = digits(c, 2)?;
    c.expect(b':', REASON)?;
    let seconds = digits(c, 2)?;
    c.expect(b' ', REASON)?;
    let west = c.take(b'-');
    if !west {
        c.expect(b'+', REASON)?;
    }
    let zone = digits(c, 4)?;
    c.expect(b'"', REASON)?;
    let Some(day) = day_from_civil(year, month, day) else { return bad("There is no such date") };
    if hours > 23 || minutes > 59 || seconds > 60 || zone / 100 > 23 || zone % 100 > 59 {
        return bad("There is no such time");
    }
    let zone_minutes = (zone / 100 * 60 + zone % 100) as i16 * if west { -1 } else { 1 };
    let written = i64::from(day.0) * 86_400 + i64::from(hours * 3600 + minutes * 60 + seconds.min(59));
    Ok(ZonedTime { seconds: written - i64::from(zone_minutes) * 60, zone_minutes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_days() {
        assert_eq!(day_from_civil(1970, 1, 1), Some(Day(0)));
        assert_eq!(day_from_civil(2000, 2, 29), Some(Day(11_016)));
        assert_eq!(day_from_civil(1900, 2, 29), None);
        assert_eq!(day_from_civil(2001, 4, 31), None);
        for n in (-719_528..2_932_896).step_by(97).chain([-719_528, 2_932_896, -1, 0, 1]) {
            let (y, m, d) = civil_from_day(Day(n));
            assert_eq!(day_from_civil(y, m, d), Some(Day(n)), "{y}-{m}-{d}");
        }
    }

    #[test]
    fn dates() {
        for (text, want) in
            [("1-Feb-1994", (1994, 2, 1)), ("\"31-dec-2026\"", (2026, 12, 31)), ("05-JUN-0000", (0, 6, 5))]
        {
            let got = date(&mut Cursor::new(text.as_bytes())).map(civil_from_day);
            assert_eq!(got, Ok(want), "{text}");
        }
        for text in
            ["", "1-Foo-1994", "1-Feb-94", "100-Feb-1994", "30-Feb-1994", "\"1-Feb-1994", "1 Feb 1994"]
        {
            assert!(date(&mut Cursor::new(text.as_bytes())).is_err(), "{text}");
        }
    }

    #[test]
    fn date_times() {
        let parse = |t: &str| date_time(&mut Cursor::new(t.as_bytes())).ok();
        let t = parse("\"17-Jul-1996 02:44:25 -0700\"").unwrap();
        assert_eq!((t.seconds, t.zone_minutes), (837_596_665, -420));
        assert_eq!(parse("\" 1-Jan-1970 00:00:00 +0000\"").unwrap().seconds, 0);
        assert_eq!(parse("\"01-Jan-1970 00:00:60 +0000\"").unwrap().seconds, 59);
        for wrong in [
            "\"1-Jan-1970 00:00:00 +0000\"",
            "\"01-Jan-1970 24:00:00 +0000\"",
            "\"01-Jan-1970 00:00:00 0000\"",
            "\"01-Jan-1970 00:00:61 +0000\"",
            "\"01-Jan-1970 00:00:00 +2400\"",
            "\"31-Apr-1970 00:00:00 +0000\"",
            "\"01-Jan-1970 00:00:00\"",
            "01-Jan-1970 00:00:00 +0000",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
