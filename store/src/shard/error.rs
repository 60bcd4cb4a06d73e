//! Why a change was not made. Nothing of it happened then.

use crate::error::CommitError;
use crate::state::names::NameError;

/// See the module. The server maps these to response codes in one place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("no such account")]
    NoSuchAccount,
    #[error("the account exists already")]
    AccountExists,
    #[error("no such mailbox")]
    NoSuchMailbox,
    #[error("the mailbox exists already")]
    AlreadyExists,
    /// DELETE of a level that is no mailbox and has mailboxes below.
    #[error("the name has mailboxes below it")]
    HasChildren,
    #[error("INBOX cannot be deleted")]
    Inbox,
    #[error(transparent)]
    Name(#[from] NameError),
    /// RENAME of a mailbox to a name below its own.
    #[error("a mailbox cannot move below itself")]
    BelowItself,
    /// A special use that another mailbox has (RFC 6154 3).
    #[error("another mailbox has this special use")]
    UseTaken,
    #[error("not a keyword")]
    BadKeyword,
    #[error("the mailbox holds no more keywords")]
    KeywordLimit,
    /// UIDs or message numbers are used up; a new mailbox helps against the first.
    #[error("the mailbox takes no more messages")]
    Exhausted,
    /// An annotation's value is longer than `limits::annotation_bytes_max`.
    #[error("the value is too long")]
    AnnotationTooLong,
    /// `limits::annotations_per_account_max` are there.
    #[error("the account has as many annotations as it can have")]
    TooManyAnnotations,
    /// Some bound of `limits.rs`.
    #[error("over the limit: {0}")]
    OverLimit(&'static str),
    /// Not greater than what the name has had: not from the directory's counter.
    #[error("the UIDVALIDITY is not new")]
    OldUidValidity,
    #[error(transparent)]
    Commit(#[from] CommitError),
}
