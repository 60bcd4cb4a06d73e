//! The operators: which there are, and the search key that each means with its value.

use super::super::ast::{Keyword, SearchKey};
use super::lexer::shown;
use super::values;

/// A reason says what to do.
type Made = Result<SearchKey, String>;

pub(super) struct Operator {
    pub(super) name: &'static str,
    /// A value, for texts.
    example: &'static str,
    key: fn(String) -> Made,
}

const fn operator(name: &'static str, example: &'static str, key: fn(String) -> Made) -> Operator {
    Operator { name, example, key }
}

pub(super) const OPERATORS: &[Operator] = &[
    operator("from", "anna", |value| Ok(SearchKey::From(value.into_bytes()))),
    operator("to", "anna", |value| Ok(SearchKey::To(value.into_bytes()))),
    operator("cc", "anna", |value| Ok(SearchKey::Cc(value.into_bytes()))),
    operator("bcc", "anna", |value| Ok(SearchKey::Bcc(value.into_bytes()))),
    operator("subject", "budget", |value| Ok(SearchKey::Subject(value.into_bytes()))),
    operator("body", "budget", |value| some(value).map(SearchKey::Body)),
    operator("text", "budget", text),
    operator("header", "x-mailer=mutt", header),
    operator("list", "rust", |value| {
        Ok(SearchKey::Header { field: b"List-Id".to_vec(), needle: value.into_bytes() })
    }),
    operator("filename", "pdf", |value| Ok(SearchKey::FileName(value.into_bytes()))),
    operator("has", "attachment", has),
    operator("is", "unread", is),
    operator("keyword", "$Forwarded", keyword),
    operator("label", "Work", keyword),
    operator("in", "trash", |value| match value.is_empty() {
        true => Err("in: needs the name of a mailbox: in:trash, in:\"Lists/Rust\"".into()),
        false => Ok(SearchKey::In(value)),
    }),
    operator("before", "2024-05-01", |value| Ok(SearchKey::Before(values::days(&value)?.0))),
    operator("after", "2024-05-01", |value| Ok(SearchKey::Since(values::days(&value)?.0))),
    operator("since", "2024-05-01", |value| Ok(SearchKey::Since(values::days(&value)?.0))),
    operator("on", "2024-05-01", on),
    operator("older_than", "2y", |value| values::age(&value).map(SearchKey::Older)),
    operator("newer_than", "10d", |value| values::age(&value).map(SearchKey::Younger)),
    operator("larger", "10M", |value| values::size(&value).map(SearchKey::Larger)),
    operator("smaller", "200k", |value| values::size(&value).map(SearchKey::Smaller)),
];

fn find(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.name == name)
}

/// Names are in lower case.
pub fn is_known(name: &str) -> bool {
    find(name).is_some()
}

/// The operator with a value.
pub fn example(name: &str) -> String {
    format!("{name}:{}", find(name).map_or("", |operator| operator.example))
}

/// What an operator means; the reason of a refusal says what to do.
pub fn key(name: &str, value: String) -> Made {
    match find(name) {
        Some(operator) => (operator.key)(value),
        None => Err(format!("There is no operator {name}:")),
    }
}

/// A needle in all texts of a message: every message has an empty one.
pub fn text(value: String) -> Made {
    some(value).map(SearchKey::Text)
}

fn some(value: String) -> Result<Vec<u8>, String> {
    match value.is_empty() {
        true => Err("There is nothing between the quotation marks".into()),
        false => Ok(value.into_bytes()),
    }
}

/// `name=value`, or `name` for every message that has the field.
fn header(value: String) -> Made {
    let (name, needle) = value.split_once('=').unwrap_or((&value, ""));
    let fine = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if !fine {
        return Err("header: needs the name of a field and what is in it: header:x-mailer=mutt, header:subject=\"two words\"".into());
    }
    Ok(SearchKey::Header { field: name.as_bytes().to_vec(), needle: needle.as_bytes().to_vec() })
}

fn has(value: String) -> Made {
    match value.to_ascii_lowercase().as_str() {
        "attachment" | "attachments" => Ok(SearchKey::Attachment),
        _ => Err(format!("has:{} is not known; there is has:attachment", shown(&value))),
    }
}

fn is(value: String) -> Made {
    Ok(match value.to_ascii_lowercase().as_str() {
        "unread" | "unseen" => SearchKey::Unseen,
        "read" | "seen" => SearchKey::Seen,
        "flagged" | "starred" => SearchKey::Flagged,
        "answered" | "replied" => SearchKey::Answered,
        "draft" => SearchKey::Draft,
        "deleted" => SearchKey::Deleted,
        "recent" => SearchKey::Recent,
        _ => {
            return Err(format!(
                "is:{} is not known; there are is:unread, read, flagged, starred, answered, draft, deleted and recent",
                shown(&value)
            ));
        }
    })
}

fn keyword(value: String) -> Made {
    match Keyword::new(&value) {
        Some(keyword) => Ok(SearchKey::Keyword(keyword)),
        None => Err(format!(
            "{} cannot be a keyword of IMAP; flags that begin with a backslash are asked for with is:, as in is:flagged",
            super::quoted(&shown(&value))
        )),
    }
}

fn on(value: String) -> Made {
    let (first, next) = values::days(&value)?;
    Ok(match next.0 - first.0 {
        1 => SearchKey::On(first),
        _ => SearchKey::And(vec![SearchKey::Since(first), SearchKey::Before(next)]),
    })
}
