//! A search program over the prepared texts of one message: the same answer as the scan gives for the message.
//!
//! The texts are searched where they lie, one pass over the buffer for a BODY or TEXT key, nothing is allocated. Not here:
//! messages whose texts are not vouched for; only the scan answers for those.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem::Finder;

use crate::limits::MATCH_STEP_BYTES_MAX;
use crate::prepare::{Kind, Prepared, Which};
use crate::query::Field;
use crate::scan::{Compiled, Stopped};

impl Prepared {
    /// Whether the message at row `position` matches. The message must be vouched for. Looks at `stop` at least every few
    /// hundred microseconds.
    pub fn matches(&self, position: u32, program: &Compiled, stop: &AtomicBool) -> Result<bool, Stopped> {
        debug_assert!(self.is_vouched());
        let stopped = Cell::new(false);
        let answer = program.answer(position, &|field, finder| {
            stopped.set(stopped.get() || stop.load(Ordering::Relaxed));
            !stopped.get()
                && self.has(field, finder, stop).unwrap_or_else(|Stopped| {
                    stopped.set(true);
                    false
                })
        });
        if stopped.get() { Err(Stopped) } else { Ok(answer) }
    }

    fn has(&self, field: &Field, finder: &Finder<'_>, stop: &AtomicBool) -> Result<bool, Stopped> {
        let own = |wanted: &str| {
            self.any(stop, |kind, text| {
                matches!(kind, Kind::Own { name } if name.eq_ignore_ascii_case(wanted.as_bytes()))
                    && finder.find(text).is_some()
            })
        };
        let pseudo = |wanted: Which| {
            self.any(stop, |kind, text| kind == Kind::Pseudo { which: wanted } && finder.find(text).is_some())
        };
        match field {
            Field::Header(name) => own(name),
            Field::Subject => own("SUBJECT"),
            Field::From => pseudo(Which::From),
            Field::To => pseudo(Which::To),
            Field::Cc => pseudo(Which::Cc),
            Field::Bcc => pseudo(Which::Bcc),
            Field::FileName => pseudo(Which::FileName),
            Field::Attachment => pseudo(Which::Attachment),
            Field::Body => self.in_one(finder, stop, |kind| kind == Kind::Body),
            Field::Text => Ok(self.in_one(finder, stop, |kind| !matches!(kind, Kind::Pseudo { .. }))?
                || self.across_a_colon(finder.needle(), stop)?),
        }
    }

    fn any(
        &self,
        stop: &AtomicBool,
        mut found: impl FnMut(Kind<'_>, &[u8]) -> bool,
    ) -> Result<bool, Stopped> {
        for (n, (kind, text)) in self.texts().enumerate() {
            if n % 1024 == 1023 && stop.load(Ordering::Relaxed) {
                return Err(Stopped);
            }
            if found(kind, text.as_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the needle, which is not empty, lies within the name of a text, or within its value.
    fn in_one(
        &self,
        finder: &Finder<'_>,
        stop: &AtomicBool,
        wanted: impl Fn(Kind<'_>) -> bool,
    ) -> Result<bool, Stopped> {
        let (buffer, len) = (self.buffer().as_bytes(), finder.needle().len());
        let mut nth = 0;
        while let Some(first) = (nth..self.count()).find(|nth| wanted(self.nth(*nth).0)) {
            let last =
                (first..self.count()).take_while(|nth| wanted(self.nth(*nth).0)).last().unwrap_or(first);
            // Texts of interest lie one behind the other from `at` to `end`; a hit counts if it lies in one of them.
            let (mut at, end) = (self.nth(first).1.start, self.nth(last).2.end);
            let mut text = first;
            while at < end {
                if stop.load(Ordering::Relaxed) {
                    return Err(Stopped);
                }
                let step = end.min(at + MATCH_STEP_BYTES_MAX + len);
                let Some(hit) = finder.find(&buffer[at..step]) else {
                    if step == end {
                        break;
                    }
                    at = step + 1 - len;
                    continue;
                };
                let hit = at + hit;
                while self.nth(text).2.end <= hit {
                    text += 1;
                }
                let (_, name, value) = self.nth(text);
                let within = if hit < name.end { name } else { value };
                if hit + len <= within.end {
                    return Ok(true);
                }
                at = hit + 1;
            }
            nth = last + 1;
        }
        Ok(false)
    }

    /// Whether the needle takes in something of the `": "` that stands between a name and its value: then it is a colon
    /// (behind the end of a name), a space, and the beginning of a value, or lacks some of that at either end. Names have
    /// neither colons nor spaces.
    fn across_a_colon(&self, needle: &[u8], stop: &AtomicBool) -> Result<bool, Stopped> {
        let after_space = needle.strip_prefix(b" ");
        let at_colon = memchr::memchr(b':', needle).and_then(|at| {
            let (name, rest) = needle.split_at(at);
            let value = if rest.len() == 1 { &rest[1..] } else { rest.strip_prefix(b": ")? };
            Some((name, value))
        });
        if after_space.is_none() && at_colon.is_none() {
            return Ok(false);
        }
        self.any(stop, |kind, text| {
            let (Kind::Own { name } | Kind::Nested { name }) = kind else { return false };
            !name.is_empty()
                && (after_space.is_some_and(|value| text.starts_with(value))
                    || at_colon.is_some_and(|(end, value)| name.ends_with(end) && text.starts_with(value)))
        })
    }
}
