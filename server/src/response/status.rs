//! The one place where an outcome becomes OK, NO, BAD or BYE with a response code.
//!
//! Handlers return [`Answer`]; what went wrong below them arrives as the errors of the store and the lanes and is
//! given its words here, so that equal causes always read the same. Codes: RFC 9051 7.1, RFC 5530, RFC 4315, RFC 5182,
//! RFC 5464, RFC 5466, RFC 6154, RFC 7888, RFC 7889.

use std::borrow::Cow;

use trawl_store::error::{CommitError, ReadError};
use trawl_store::limits::annotation_bytes_max;
use trawl_store::shard::ChangeError;

pub use super::code::Code;
use super::encode::{self, Status};
use super::output::{Gone, Output};
use crate::core::{AuthError, Unavailable};
use crate::lanes::search::SearchError;
use crate::wire::ast::Tag;
use crate::wire::name::{NameError, check_new_name};

/// What a handler returns: the tagged OK, or why not.
pub type Answer = Result<Done, Refusal>;

/// A tagged OK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    pub code: Option<Code>,
    pub text: Cow<'static, str>,
}

impl Done {
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Done {
        Done { code: None, text: text.into() }
    }
    pub fn with_code(mut self, code: Code) -> Done {
        self.code = Some(code);
        self
    }
}

/// What kind of refusal it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// It cannot be done.
    No,
    /// It cannot be understood, or not in this state.
    Bad,
    /// The connection ends: an untagged BYE.
    Bye,
    /// The connection has ended: nobody to answer.
    Gone,
}

/// Anything but a tagged OK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub code: Option<Code>,
    pub text: Cow<'static, str>,
}

impl Refusal {
    pub fn no(code: impl Into<Option<Code>>, text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { kind: RefusalKind::No, code: code.into(), text: text.into() }
    }
    pub fn bad(code: impl Into<Option<Code>>, text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { kind: RefusalKind::Bad, code: code.into(), text: text.into() }
    }
    pub fn bye(code: impl Into<Option<Code>>, text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { kind: RefusalKind::Bye, code: code.into(), text: text.into() }
    }
    /// The mailbox of a command is not there.
    pub fn no_such_mailbox() -> Refusal {
        Refusal::no(Code::NonExistent, "There is no such mailbox")
    }
    /// The target of APPEND, COPY or MOVE is not there: TRYCREATE unless no mailbox can have this name (RFC 9051 6.3.12).
    pub fn try_create(name: &str) -> Refusal {
        check_new_name(name).map_or_else(Refusal::from, |()| Refusal::deleted_meanwhile())
    }
    /// The target was there when the command began.
    pub fn deleted_meanwhile() -> Refusal {
        Refusal::no(Code::TryCreate, "There is no such mailbox, create it first")
    }
    /// The mailbox was opened by EXAMINE.
    pub fn read_only() -> Refusal {
        Refusal::no(Code::ReadOnly, "The mailbox is open read-only")
    }
    /// Another session deleted the selected mailbox: there is nothing its sequence numbers could mean (RFC 2180 3.3).
    pub fn mailbox_deleted() -> Refusal {
        Refusal::bye(None, "The selected mailbox was deleted, or has a new UIDVALIDITY")
    }
    /// The account is erased, or its shard is not here: neither can happen to a session that lives.
    pub fn account_gone() -> Refusal {
        Refusal::bye(Code::Unavailable, "The account is no more")
    }
}

impl From<Gone> for Refusal {
    fn from(_: Gone) -> Refusal {
        Refusal { kind: RefusalKind::Gone, code: None, text: "".into() }
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Refusal {
        Refusal::no(Code::Cannot, error.0)
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Refusal {
        let text = error.to_string();
        match error {
            ChangeError::NoSuchAccount => Refusal::account_gone(),
            ChangeError::NoSuchMailbox => Refusal::no_such_mailbox(),
            ChangeError::AccountExists | ChangeError::AlreadyExists => {
                Refusal::no(Code::AlreadyExists, "There is a mailbox of that name already")
            }
            ChangeError::HasChildren => Refusal::no(Code::HasChildren, "There are mailboxes below that name"),
            ChangeError::BelowItself => Refusal::no(Code::Cannot, text),
            ChangeError::Inbox => Refusal::no(Code::Cannot, "INBOX cannot be deleted"),
            ChangeError::Name(error) => Refusal::no(Code::Cannot, error.to_string()),
            ChangeError::UseTaken => Refusal::no(Code::UseAttr, "Another mailbox has this special use"),
            ChangeError::OldUidValidity => {
                tracing::error!("a UIDVALIDITY that is not newer than all before it");
                Refusal::no(Code::ServerBug, "The mailbox could not be made")
            }
            ChangeError::BadKeyword => Refusal::bad(None, "That is not a keyword"),
            ChangeError::KeywordLimit | ChangeError::Exhausted | ChangeError::OverLimit(_) => {
                Refusal::no(Code::Limit, text)
            }
            ChangeError::AnnotationTooLong => Refusal::no(
                Code::MetadataMaxSize(annotation_bytes_max as u64),
                format!("A value has at most {annotation_bytes_max} octets"),
            ),
            ChangeError::TooManyAnnotations => Refusal::no(Code::MetadataTooMany, text),
            ChangeError::Commit(error) => error.into(),
        }
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Refusal {
        match error {
            CommitError::Full => Refusal::no(Code::Unavailable, "The server's disk is full"),
            error => {
                tracing::error!(%error, "a change could not be made durable");
                Refusal::no(Code::Unavailable, "The store takes no changes at the moment")
            }
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        tracing::error!(%error, "a message could not be read");
        Refusal::no(Code::Corruption, "A message could not be read")
    }
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Refusal {
        tracing::warn!(%error, "refused");
        Refusal::no(Code::Unavailable, "That is not possible at the moment")
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Refusal {
        match error {
            AuthError::Wrong => Refusal::no(Code::AuthenticationFailed, "Wrong user name or password"),
            AuthError::TooMany => Refusal::no(Code::Limit, "Too many failed attempts, try again later"),
            AuthError::Busy => {
                Refusal::no(Code::Unavailable, "Too many logins at the moment, try again later")
            }
            AuthError::Unavailable => Refusal::no(Code::Unavailable, "Logins are not possible at the moment"),
        }
    }
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Refusal {
        match error {
            SearchError::Cancelled => Refusal::no(Code::Unavailable, "The search was cancelled"),
            SearchError::TooLong => {
                Refusal::no(Code::Limit, "The search took too long; it was stopped without an answer")
            }
            SearchError::Busy => Refusal::no(Code::Limit, "Too many searches are waiting, try again later"),
            SearchError::Read(error) => {
                tracing::error!(%error, "search");
                Refusal::no(Code::Corruption, "A message could not be read")
            }
            SearchError::Failed => Refusal::no(Code::ServerBug, "The search failed"),
        }
    }
}

/// Writes the tagged answer (or the BYE) of a command; without a tag it is untagged.
pub fn write_answer(out: &Output, tag: Option<&Tag>, answer: &Answer) {
    match answer {
        Ok(done) => write_status(out, tag, Status::Ok, done.code.as_ref(), &done.text),
        Err(refusal) => {
            let (tag, status) = match refusal.kind {
                RefusalKind::No => (tag, Status::No),
                RefusalKind::Bad => (tag, Status::Bad),
                RefusalKind::Bye => (None, Status::Bye),
                RefusalKind::Gone => return,
            };
            write_status(out, tag, status, refusal.code.as_ref(), &refusal.text);
        }
    }
}

/// Writes one status response.
pub fn write_status(out: &Output, tag: Option<&Tag>, status: Status, code: Option<&Code>, text: &str) {
    out.with(|buffer| encode::status(buffer, tag, status, code, text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_their_codes_and_one_line() {
        let cases: Vec<(Answer, &str)> = vec![
            (Ok(Done::ok("NOOP done")), "a OK NOOP done\r\n"),
            (Ok(Done::ok("open").with_code(Code::ReadOnly)), "a OK [READ-ONLY] open\r\n"),
            (Err(Refusal::no_such_mailbox()), "a NO [NONEXISTENT] There is no such mailbox\r\n"),
            (Err(Refusal::bad(None, "two\r\nlines")), "a BAD two??lines\r\n"),
            (Err(Refusal::bye(Code::Unavailable, "stop")), "* BYE [UNAVAILABLE] stop\r\n"),
            (Err(Gone.into()), ""),
            (
                Err(ChangeError::HasChildren.into()),
                "a NO [HASCHILDREN] There are mailboxes below that name\r\n",
            ),
            (Err(CommitError::Full.into()), "a NO [UNAVAILABLE] The server's disk is full\r\n"),
        ];
        for (answer, want) in cases {
            let out = Output::new();
            write_answer(&out, Tag::new(b"a").as_ref(), &answer);
            assert_eq!(String::from_utf8(out.take_pending()).unwrap(), want);
        }
    }
}
