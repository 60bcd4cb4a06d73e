//! LIST patterns: `*` is anything, `%` anything within one level (RFC 9051 6.3.9).
//!
//! Matching takes at most the square of the name's length a segment: no pattern makes it exponential.

use crate::limits::LIST_PATTERN_CHARS_MAX;

/// A pattern in UTF-8, reference included.
pub struct Pattern {
    chars: Vec<char>,
}

impl Pattern {
    /// None when it is longer than any pattern that makes sense.
    pub fn new(pattern: &str) -> Option<Pattern> {
        let mut chars: Vec<char> = pattern.chars().take(LIST_PATTERN_CHARS_MAX + 1).collect();
        // Neighbouring stars are one.
        chars.dedup_by(|b, a| *a == '*' && *b == '*');
        (chars.len() <= LIST_PATTERN_CHARS_MAX).then_some(Pattern { chars })
    }

    /// Does the name match? INBOX matches in any case, alone and as first level.
    pub fn matches(&self, name: &str) -> bool {
        let inbox = name == "INBOX" || name.starts_with("INBOX/");
        let name: Vec<char> = name.chars().collect();
        let pattern = &self.chars;
        let same = |at: usize, wanted: char| {
            name[at] == wanted || inbox && at < 5 && name[at].eq_ignore_ascii_case(&wanted)
        };
        let (mut n, mut p) = (0, 0);
        // Where to go on when what follows a wildcard does not match: (pattern behind it, name up to where it reaches).
        let mut star: Option<(usize, usize)> = None;
        let mut percent: Option<(usize, usize)> = None;
        loop {
            match pattern.get(p) {
                Some('*') => {
                    p += 1;
                    (star, percent) = (Some((p, n)), None);
                    continue;
                }
                Some('%') => {
                    p += 1;
                    percent = Some((p, n));
                    continue;
                }
                Some(wanted) if n < name.len() && same(n, *wanted) => {
                    (p, n) = (p + 1, n + 1);
                    continue;
                }
                None if n == name.len() => return true,
                _ => {}
            }
            // The shortest reach that fits is as good as any longer one, for either wildcard.
            if let Some((behind, reach)) = percent
                && reach < name.len()
                && name[reach] != '/'
            {
                percent = Some((behind, reach + 1));
                (p, n) = (behind, reach + 1);
            } else if let Some((behind, reach)) = star
                && reach < name.len()
            {
                (star, percent) = (Some((behind, reach + 1)), None);
                (p, n) = (behind, reach + 1);
            } else {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(name)
    }

    #[test]
    fn cases() {
        for (pattern, name, want) in [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("%/%", "a/b", true),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a*", "a/b/c", true),
            ("*c", "a/b/c", true),
            ("%b", "a/b", false),
            ("", "a", false),
            ("a", "A", false),
            ("inbox", "INBOX", true),
            ("iNb*", "INBOX", true),
            ("inbox/%", "INBOX/x", true),
            ("INBOX/x", "INBOX/X", false),
            ("%bOx", "INBOX", true),
            ("INBOX", "INBOXES", false),
            ("inboxes", "INBOXES", false),
            ("Entw%", "Entwürfe", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
        assert!(Pattern::new(&"x".repeat(LIST_PATTERN_CHARS_MAX + 1)).is_none());
        assert!(!matches(&"*a".repeat(400), &"a".repeat(399)));
    }

    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|n| naive(rest, &name[n..])),
            Some((b'%', rest)) => {
                let level = name.iter().position(|b| *b == b'/').unwrap_or(name.len());
                (0..=level).any(|n| naive(rest, &name[n..]))
            }
            Some((b, rest)) => name.first() == Some(b) && naive(rest, &name[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn agrees_with_the_definition(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,9}") {
            prop_assert_eq!(matches(&pattern, &name), naive(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
