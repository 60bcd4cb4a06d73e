//! Searchable text of header fields.

use std::borrow::Cow;

use memchr::memmem;

use crate::limits::FIELD_BYTES_MAX;
use crate::mime::address::{self, Entry};
use crate::mime::header::{Field, unfold};
use crate::mime::{params, words};

/// The decoded text of a field: unfolded, RFC 2047 and (in Content-* fields) RFC 2231 decoded, raw 8-bit guessed.
///
/// Text that needs no decoding is lent as it stands; its folds count as white space all the same.
pub fn decoded<'a>(field: &Field<'a>) -> Cow<'a, str> {
    let value = field.value;
    let content = field.name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"));
    let parameters = content && value.contains(&b'*');
    if !parameters && memmem::find(value, b"=?").is_none() {
        return words::plain(value);
    }
    if value.len() > FIELD_BYTES_MAX {
        return words::plain(value);
    }
    let unfolded = field.unfolded();
    let text = if parameters { params::field_text(&unfolded) } else { words::decode(&unfolded) };
    Cow::Owned(text.into_owned())
}

/// The texts of a From, To, Cc or Bcc field: its addresses in canonical form, `Name <local@domain>` and
/// `group: a, b;`, without comments and routes; and the decoded field where something is not an address.
///
/// Only the first [`FIELD_BYTES_MAX`] octets are parsed as addresses; what is behind them is in the decoded field.
pub fn addresses<'a>(field: &Field<'a>) -> (String, Option<Cow<'a, str>>) {
    let start = &field.value[..field.value.len().min(FIELD_BYTES_MAX)];
    let unfolded = unfold(start);
    let parsed = address::parse(&unfolded);
    let mut out = String::with_capacity(unfolded.len());
    let mut separate = false;
    for entry in &parsed.entries {
        if separate && *entry != Entry::GroupEnd {
            out.push_str(", ");
        }
        match entry {
            Entry::GroupStart(name) => {
                out.push_str(&words::decode(name));
                out.push_str(": ");
                separate = false;
            }
            Entry::GroupEnd => {
                out.push(';');
                separate = true;
            }
            Entry::Mailbox(mailbox) => {
                if let Some(name) = &mailbox.name {
                    out.push_str(&words::decode(name));
                    out.push_str(" <");
                }
                out.push_str(&words::decode(&mailbox.local));
                if let Some(domain) = &mailbox.domain {
                    out.push('@');
                    out.push_str(&words::decode(domain));
                }
                if mailbox.name.is_some() {
                    out.push('>');
                }
                separate = true;
            }
        }
    }
    let raw = (parsed.broken || start.len() < field.value.len()).then(|| decoded(field));
    (out, raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::header::fields;

    #[test]
    fn canonical_addresses() {
        for (value, expected, raw) in [
            ("A B <a@b>, \"C, D\" <c@d> (comment)", "A B <a@b>, C, D <c@d>", false),
            ("a@b (Real Name)", "a@b", false),
            ("=?utf-8?q?J=C3=BCrg?= <j@x>", "Jürg <j@x>", false),
            ("g: a@x, B <b@y>;, c@z", "g: a@x, B <b@y>;, c@z", false),
            ("undisclosed-recipients:;", "undisclosed-recipients: ;", false),
            ("nobody at all", "nobody at all", true),
            ("<@r:u@d>", "u@d", false),
        ] {
            let header = format!("To: {value}\r\n");
            let field = fields(header.as_bytes()).next().unwrap();
            let found = addresses(&field);
            assert_eq!((found.0.as_str(), found.1.is_some()), (expected, raw), "{value:?}");
        }
    }
}
