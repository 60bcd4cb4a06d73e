//! Values of operators: days, ages, sizes.

use std::num::NonZeroU32;

use super::super::ast::Day;
use super::super::date::day_from_civil;
use super::lexer::shown;

const DAY_SECONDS: u64 = 86_400;

/// `2024-05-01`, `2024-05` or `2024`, also with slashes: the first day, and the first one behind.
pub fn days(value: &str) -> Result<(Day, Day), String> {
    let unknown = || format!("{} is no date; dates are written 2024-05-01, 2024-05 or 2024", shown(value));
    let mut parts = value.split(['-', '/']);
    let mut number = |digits_max: usize| -> Result<Option<u32>, String> {
        let Some(part) = parts.next() else { return Ok(None) };
        let fine = (1..=digits_max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| fine).map(Some).ok_or_else(unknown)
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let year = year.filter(|_| value.bytes().take_while(u8::is_ascii_digit).count() == 4);
    if parts.next().is_some() {
        return Err(unknown());
    }
    let span = match (year, month, day) {
        (Some(year), None, None) => day_from_civil(year, 1, 1).zip(day_from_civil(year + 1, 1, 1)),
        (Some(year), Some(12), None) => day_from_civil(year, 12, 1).zip(day_from_civil(year + 1, 1, 1)),
        (Some(year), Some(month), None) => {
            day_from_civil(year, month, 1).zip(day_from_civil(year, month + 1, 1))
        }
        (Some(year), Some(month), Some(day)) => {
            let first = day_from_civil(year, month, day);
            first.and_then(|first| Some((first, Day(first.0.checked_add(1)?))))
        }
        _ => None,
    };
    span.ok_or_else(unknown)
}

/// `5h`, `10d`, `2w`, `3m`, `2y` as seconds (RFC 5032): a month has 30 days, a year 365.
pub fn age(value: &str) -> Result<NonZeroU32, String> {
    let (number, unit) = parted(value);
    let seconds = match unit.as_str() {
        "h" => 3_600,
        "d" => DAY_SECONDS,
        "w" => 7 * DAY_SECONDS,
        "m" => 30 * DAY_SECONDS,
        "y" => 365 * DAY_SECONDS,
        _ => {
            return Err(format!(
                "{} is no age; ages are written 5h, 10d, 2w, 3m or 2y for hours, days, weeks, months and years",
                shown(value)
            ));
        }
    };
    let all = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    let all = all.and_then(|all| u32::try_from(all).ok()).and_then(NonZeroU32::new);
    all.ok_or_else(|| format!("{} is no age that can be searched for: from 1h to 136y", shown(value)))
}

/// `10M`, `200k`, `1G` or octets: k is 1,024 octets, M 1,024 k, G 1,024 M; a B may follow.
pub fn size(value: &str) -> Result<u64, String> {
    let (number, unit) = parted(value);
    let octets = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => 1,
        "k" => 1u64 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => 0,
    };
    let all = number.parse::<u64>().ok().and_then(|number| number.checked_mul(octets));
    let all = all.filter(|all| octets > 0 && *all <= i64::MAX as u64);
    all.ok_or_else(|| format!("{} is no size; sizes are written 10M, 200k or 4096", shown(value)))
}

/// Digits, and what is behind them in lower case.
fn parted(value: &str) -> (&str, String) {
    let (number, unit) = value.split_at(value.bytes().take_while(u8::is_ascii_digit).count());
    (number, unit.to_ascii_lowercase())
}
