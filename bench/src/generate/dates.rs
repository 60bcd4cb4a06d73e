//! Dates in the forms that mail and mailboxes use. Calendar by Howard Hinnant's civil-from-days.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
pub const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment as written on a wall somewhere.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: &'static str,
    hour: i64,
    minute: i64,
    second: i64,
}

fn civil(seconds: i64, zone_minutes: i16) -> Civil {
    let local = seconds + i64::from(zone_minutes) * 60;
    let (days, time) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month: month as usize - 1,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        weekday: DAYS[days.rem_euclid(7) as usize],
        hour: time / 3600,
        minute: time / 60 % 60,
        second: time % 60,
    }
}

/// RFC 5322 3.3: `Mon, 2 Jan 2017 15:04:05 +0100`.
pub fn rfc5322(seconds: i64, zone_minutes: i16) -> String {
    let c = civil(seconds, zone_minutes);
    let sign = if zone_minutes < 0 { '-' } else { '+' };
    let zone = zone_minutes.unsigned_abs();
    format!(
        "{}, {} {} {} {:02}:{:02}:{:02} {sign}{:02}{:02}",
        c.weekday,
        c.day,
        MONTHS[c.month],
        c.year,
        c.hour,
        c.minute,
        c.second,
        zone / 60,
        zone % 60
    )
}

/// The date of an mbox `From ` line, UTC: `Mon Jan  2 14:04:05 2017`.
pub fn asctime(seconds: i64) -> String {
    let c = civil(seconds, 0);
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {}",
        c.weekday, MONTHS[c.month], c.day, c.hour, c.minute, c.second, c.year
    )
}

/// The year in UTC.
pub fn year(seconds: i64) -> i64 {
    civil(seconds, 0).year
}

/// `20170102T140405Z` (iCalendar, UTC).
pub fn basic(seconds: i64) -> String {
    let c = civil(seconds, 0);
    format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month + 1, c.day, c.hour, c.minute, c.second)
}

/// The date-time of APPEND (RFC 9051 9): `02-Jan-2017 15:04:05 +0100`.
pub fn imap(seconds: i64, zone_minutes: i16) -> String {
    let c = civil(seconds, zone_minutes);
    let (sign, zone) = (if zone_minutes < 0 { '-' } else { '+' }, zone_minutes.unsigned_abs());
    format!(
        "{:02}-{}-{:04} {:02}:{:02}:{:02} {sign}{:02}{:02}",
        c.day,
        MONTHS[c.month],
        c.year,
        c.hour,
        c.minute,
        c.second,
        zone / 60,
        zone % 60
    )
}

/// The date of a search key, UTC: `2-Jan-2017`.
pub fn search(seconds: i64) -> String {
    let c = civil(seconds, 0);
    format!("{}-{}-{:04}", c.day, MONTHS[c.month], c.year)
}

/// Days from 1970-01-01 to a date; `month` counts from 1.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (seconds, zone, expected) in [
            (0, 0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_400, 0, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_483_365_845, 60, "Mon, 2 Jan 2017 15:04:05 +0100"),
            (1_609_459_199, -210, "Thu, 31 Dec 2020 20:29:59 -0330"),
        ] {
            assert_eq!(rfc5322(seconds, zone), expected);
        }
        assert_eq!(asctime(1_483_365_845), "Mon Jan  2 14:04:05 2017");
        assert_eq!(basic(1_483_365_845), "20170102T140405Z");
        assert_eq!(year(1_609_459_199), 2020);
        assert_eq!(imap(1_483_365_845, 60), "02-Jan-2017 15:04:05 +0100");
        assert_eq!(search(1_483_365_845), "2-Jan-2017");
        for (at, date) in [(0, (1970, 1, 1)), (11_016, (2000, 2, 29)), (17_168, (2017, 1, 2))] {
            assert_eq!(days(date.0, date.1, date.2), at);
        }
    }
}
