//! Sizes and times with units, as written in the configuration.
//!
//! A size is `"64MiB"`, `"512KiB"`, `"100MB"` (decimal) or a whole number of bytes. A time is `"30s"`, `"5m"`,
//! `"31m"`, `"1h"`, `"7d"`, `"250ms"`; a bare number has no unit and is refused, except 0.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ByteSize(pub u64);

/// A length of time, whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span(pub Duration);

const SIZE_UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("kB", 1_000),
    ("B", 1),
];

const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl ByteSize {
    pub const fn mib(n: u64) -> ByteSize {
        ByteSize(n << 20)
    }

    pub fn parse(text: &str) -> Result<ByteSize, String> {
        let (number, unit) = split(text)?;
        let factor = match unit {
            "" => 1,
            _ => SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, n)| *n).ok_or_else(|| {
                format!(
                    "unknown unit of size \"{unit}\"; write for example \"64MiB\", \"512KiB\" or \"100MB\""
                )
            })?,
        };
        number.checked_mul(factor).map(ByteSize).ok_or_else(|| format!("size \"{text}\" is too large"))
    }
}

impl Span {
    pub const fn minutes(n: u64) -> Span {
        Span(Duration::from_secs(n * 60))
    }

    pub fn parse(text: &str) -> Result<Span, String> {
        let (number, unit) = split(text)?;
        let factor = match unit {
            "" if number == 0 => 1,
            _ => TIME_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, n)| *n).ok_or_else(|| {
                format!("\"{text}\" is not a time with a unit; write for example \"30s\", \"5m\", \"1h\" or \"250ms\"")
            })?,
        };
        let millis = number.checked_mul(factor).ok_or_else(|| format!("time \"{text}\" is too long"))?;
        Ok(Span(Duration::from_millis(millis)))
    }
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let number = text[..digits]
        .replace('_', "")
        .parse()
        .map_err(|_| format!("\"{text}\" does not begin with a whole number that fits"))?;
    Ok((number, text[digits..].trim()))
}

/// The largest unit that divides `n`.
fn show(n: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match units.iter().find(|(_, factor)| n != 0 && n.is_multiple_of(*factor)) {
        Some((unit, factor)) => write!(f, "{}{unit}", n / factor),
        None => write!(f, "{n}"),
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, &SIZE_UNITS, f)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &TIME_UNITS, f)
    }
}

macro_rules! as_text {
    ($type:ident, $expecting:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text).map_err(E::custom)
                    }
                    fn visit_i64<E: de::Error>(self, n: i64) -> Result<$type, E> {
                        $type::parse(&n.to_string()).map_err(E::custom)
                    }
                    fn visit_u64<E: de::Error>(self, n: u64) -> Result<$type, E> {
                        $type::parse(&n.to_string()).map_err(E::custom)
                    }
                }
                from.deserialize_any(Text)
            }
        }
    };
}

as_text!(ByteSize, "a size such as \"64MiB\"");
as_text!(Span, "a time with a unit such as \"30s\" or \"5m\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_both_ways() {
        for (text, bytes, shown) in [
            ("0", 0, "0"),
            ("4096", 4096, "4KiB"),
            ("64MiB", 64 << 20, "64MiB"),
            ("64 MiB", 64 << 20, "64MiB"),
            ("100MB", 100_000_000, "100MB"),
            ("1_000B", 1000, "1KB"),
            ("1537", 1537, "1537B"),
        ] {
            let size = ByteSize::parse(text).unwrap();
            assert_eq!(size.0, bytes, "{text}");
            assert_eq!(size.to_string(), shown, "{text}");
            assert_eq!(ByteSize::parse(&size.to_string()).unwrap(), size, "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5MiB", "10 parsecs", "99999999999999999999", "99999999TiB"] {
            assert!(ByteSize::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_both_ways() {
        for (text, millis, shown) in [
            ("0", 0, "0"),
            ("250ms", 250, "250ms"),
            ("30s", 30_000, "30s"),
            ("90m", 5_400_000, "90m"),
            ("24h", 86_400_000, "1d"),
        ] {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.0.as_millis(), millis, "{text}");
            assert_eq!(span.to_string(), shown, "{text}");
        }
        for bad in ["", "30", "s", "-5s", "5 fortnights"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }
}
