//! The Date field (RFC 5322 3.3 and 4.3), read leniently.
//!
//! Day, month and year must make a date of the calendar, the time a time of day (a second of 60 counts as 59, so that
//! the written day stays); zone names beyond RFC 5322 count as UTC, as does a missing or impossible zone.

use trawl_store::types::ZonedTime;

/// The date of an unfolded Date field, if it holds one.
pub fn parse(value: &[u8]) -> Option<ZonedTime> {
    let text = without_comments(value);
    let mut words =
        text.split(|c: char| c.is_ascii_whitespace() || c == ',').filter(|w| !w.is_empty()).peekable();
    // The weekday is not looked at: it is often wrong.
    if words.peek()?.chars().all(|c| c.is_ascii_alphabetic()) && month(words.peek()?).is_none() {
        words.next();
    }
    let mut first = words.next()?;
    let joined: Vec<&str> = first.split('-').collect();
    let (day, month_name, year);
    if let [d, m, y] = joined[..] {
        if d.len() == 4 {
            return iso(first, words.next());
        }
        (day, month_name, year) = (d, m, y);
    } else {
        let second = words.next()?;
        // "Jan 1 ..." instead of "1 Jan ..."
        let swapped = month(first).is_some();
        (day, month_name) = if swapped { (second, first) } else { (first, second) };
        if swapped && words.peek().is_some_and(|w| w.contains(':')) {
            // asctime: the year comes last.
            let time = words.next()?;
            let rest: Vec<&str> = words.collect();
            let year = rest.iter().find(|w| w.len() == 4 && w.bytes().all(|b| b.is_ascii_digit()))?;
            let zone = rest.iter().find(|w| *w != year).copied();
            return assemble(number(day)?, month(month_name)?, full_year(year)?, clock(time)?, zone);
        }
        year = words.next()?;
    }
    first = words.next().unwrap_or("00:00:00");
    let time = clock(first)?;
    assemble(number(day)?, month(month_name)?, full_year(year)?, time, words.next())
}

fn without_comments(value: &[u8]) -> String {
    let mut depth = 0usize;
    let mut out = String::new();
    for &b in value.iter().take(DATE_BYTES_MAX) {
        match b {
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                // A comment separates nothing: "09(x):55" is a time.
            }
            _ if depth == 0 => out.push(if b.is_ascii() { b as char } else { '?' }),
            _ => {}
        }
    }
    out
}

/// Octets of a Date field that are read; a real one has about 40.
const DATE_BYTES_MAX: usize = 512;

/// `2020-01-01T00:00:00Z` or with a blank and a zone.
fn iso(word: &str, rest: Option<&str>) -> Option<ZonedTime> {
    let (date, time) = match word.split_once(['T', 't']) {
        Some((date, time)) => (date, time),
        None => (word, rest.unwrap_or("00:00:00")),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let time = time.split('.').next().unwrap_or_default();
    let zone = zone.replace(':', "");
    assemble(day, (1..=12).contains(&month).then_some(month)?, year, clock(time)?, Some(&zone))
}

fn number(word: &str) -> Option<u32> {
    (word.len() <= 9 && word.bytes().all(|b| b.is_ascii_digit())).then(|| word.parse().ok()).flatten()
}

fn month(word: &str) -> Option<u32> {
    const NAMES: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = word.get(..3)?.to_ascii_lowercase();
    let index = NAMES.iter().position(|name| *name == start)?;
    word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.').then_some(index as u32 + 1)
}

/// RFC 5322 4.3: two digits below 50 are 20xx, others and three digits count from 1900.
fn full_year(word: &str) -> Option<u32> {
    let year = number(word)?;
    Some(match word.len() {
        0 | 1 => return None,
        2 if year < 50 => 2000 + year,
        2 | 3 => 1900 + year,
        _ => year,
    })
}

/// Seconds of the day.
fn clock(word: &str) -> Option<u32> {
    let mut parts = word.split([':', '.']);
    let hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let second = parts.next().map_or(Some(0), number)?;
    (hour < 24 && minute < 60 && second <= 60).then(|| hour * 3600 + minute * 60 + second.min(59))
}

/// Minutes east of UTC.
fn zone_minutes(word: Option<&str>) -> i16 {
    let Some(word) = word else { return 0 };
    if let Some(digits) = word.strip_prefix(['+', '-']) {
        let minutes = match (digits.len(), number(digits)) {
            (4, Some(n)) if n % 100 < 60 && n < 2400 => (n / 100 * 60 + n % 100) as i16,
            (2, Some(n)) if n < 24 => (n * 60) as i16,
            _ => 0,
        };
        return if word.starts_with('-') { -minutes } else { minutes };
    }
    match word.to_ascii_uppercase().as_str() {
        "EDT" => -240,
        "EST" | "CDT" => -300,
        "CST" | "MDT" => -360,
        "MST" | "PDT" => -420,
        "PST" => -480,
        _ => 0,
    }
}

fn assemble(day: u32, month: u32, year: u32, second: u32, zone: Option<&str>) -> Option<ZonedTime> {
    if year > 9999 || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let zone_minutes = zone_minutes(zone);
    let seconds =
        days_from_civil(year, month, day) * 86_400 + i64::from(second) - i64::from(zone_minutes) * 60;
    Some(ZonedTime { seconds, zone_minutes })
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        for (value, expected) in [
            ("Fri, 21 Nov 1997 09:55:06 -0600", Some((880_127_706, -360))),
            ("21 Nov 97 09:55 -0600", Some((880_127_700, -360))),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", None),
            ("(c) Fri, 21 Nov 1997 09(x):55 -0600", Some((880_127_700, -360))),
            ("Thu, 1 Jan 1970 00:00:00 GMT", Some((0, 0))),
            ("Thu Jan  1 00:00:00 1970", Some((0, 0))),
            ("Thu Jan  1 00:00:00 EST 1970", Some((18_000, -300))),
            ("1 Jan 70 00:00 GMT", Some((0, 0))),
            ("01-Jan-1970 00:00:00 +0100", Some((-3600, 60))),
            ("2020-01-01T00:00:00Z", Some((1_577_836_800, 0))),
            ("Wed, 31 Dec 9999 23:59:60 -1200", Some((253_402_343_999, -720))),
            ("Mon, 01 Jan 0001 00:00:00 +0000", Some((-62_135_596_800, 0))),
            ("Tue, 19 Jan 2038 03:14:08 +0000", Some((2_147_483_648, 0))),
            ("29 Feb 1900 00:00:00 +0000", None),
            ("Thu, 32 Foo 2020 25:61:61 +9999", None),
            ("Mon, 1 Jan 2001 00:00:00 +9999", Some((978_307_200, 0))),
            ("1 January 2001", Some((978_307_200, 0))),
            ("", None),
            ("garbage", None),
        ] {
            let found = parse(value.as_bytes()).map(|t| (t.seconds, t.zone_minutes));
            assert_eq!(found, expected, "{value:?}");
        }
    }
}
