//! What a command says, as values: the result of parsing, the input of the handlers.
//!
//! Not here: syntax (the parser files), meaning (the handlers). A value of these types is well formed;
//! whether it makes sense (the mailbox exists, the number is in view) is for the session to find out.
//! APPEND is not one value: its message streams through the fragmenter, see [`super::append`].

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;

use trawl_index::arrange::{Algorithm, Criterion};
use trawl_store::types::{SpecialUse, ZonedTime};

use super::metadata::EntryName;
use super::name::MailboxName;
use super::object_id::ObjectId;
use super::query::QueryError;
use super::set::{SeqSet, SetArg};

/// The client's tag (RFC 9051 9, `tag`): 1 or more ASTRING characters without `+`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tag(String);

impl Tag {
    /// None when the bytes are not a tag, or longer than [`crate::limits::TAG_BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Option<Tag> {
        let good = !bytes.is_empty()
            && bytes.len() <= crate::limits::TAG_BYTES_MAX
            && bytes.iter().all(|&b| super::cursor::is_astring_char(b) && b != b'+');
        good.then(|| Tag(bytes.iter().map(|&b| char::from(b)).collect()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

/// Bytes that must not reach a log: passwords and SASL responses. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    pub tag: Tag,
    pub body: CommandBody,
}

/// How a command names messages: the bare form or the UID form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    Sequence,
    Uid,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandBody {
    // Any state.
    Capability,
    Noop,
    Logout,
    /// RFC 2971; None is NIL. Field names as sent, in order.
    Id(Option<IdFields>),

    // Not authenticated.
    StartTls,
    /// RFC 9051 6.2.2, RFC 4959. The mechanism is upper-case.
    Authenticate {
        mechanism: String,
        initial: Option<InitialResponse>,
    },
    Login {
        user: Vec<u8>,
        password: Secret,
    },

    // Authenticated.
    /// RFC 5161; capability names upper-case.
    Enable(Vec<String>),
    Select {
        mailbox: MailboxName,
    },
    Examine {
        mailbox: MailboxName,
    },
    /// RFC 6154 3 for `special_uses` (in the order given).
    Create {
        mailbox: MailboxName,
        special_uses: Vec<UseAttribute>,
    },
    Delete {
        mailbox: MailboxName,
    },
    Rename {
        from: MailboxName,
        to: MailboxName,
    },
    Subscribe {
        mailbox: MailboxName,
    },
    Unsubscribe {
        mailbox: MailboxName,
    },
    List(ListCommand),
    Lsub {
        reference: MailboxName,
        pattern: MailboxName,
    },
    Namespace,
    Status {
        mailbox: MailboxName,
        items: Vec<StatusItem>,
    },
    Idle,
    /// RFC 5464 4.2; never without an entry.
    GetMetadata {
        mailbox: MailboxName,
        max_size: Option<u32>,
        depth: Depth,
        entries: Vec<EntryName>,
    },
    /// RFC 5464 4.3; never empty. NIL removes an entry.
    SetMetadata {
        mailbox: MailboxName,
        values: Vec<(EntryName, Option<Vec<u8>>)>,
    },

    // Selected.
    Check,
    Close,
    Unselect,
    Expunge,
    /// RFC 4315 2.1.
    UidExpunge {
        set: SetArg,
    },
    Search(SearchCommand),
    /// RFC 5267 4.3.5: tags of commands, as they were written.
    CancelUpdate(Vec<Vec<u8>>),
    MultiSearch(MultiSearchCommand),
    Sort(SortCommand),
    Thread(ThreadCommand),
    Fetch {
        by: Numbers,
        set: SetArg,
        items: Vec<FetchItem>,
        /// RFC 9394 3.3, of UID FETCH only: which of these messages.
        partial: Option<PartialRange>,
    },
    Store {
        by: Numbers,
        set: SetArg,
        change: StoreChange,
    },
    Copy {
        by: Numbers,
        set: SetArg,
        mailbox: MailboxName,
    },
    Move {
        by: Numbers,
        set: SetArg,
        mailbox: MailboxName,
    },
}

/// Names and values of ID; a value may be NIL.
pub type IdFields = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// RFC 4959: what follows the mechanism's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InitialResponse {
    /// `=`: a response of no bytes.
    Empty,
    /// Base64 as sent, not yet decoded.
    Base64(Secret),
}

/// An attribute of `CREATE … (USE (…))`: one that the store knows, or another one (answered `[USEATTR]`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UseAttribute {
    Known(SpecialUse),
    /// With its backslash.
    Other(String),
}

/// LIST in all its forms (RFC 9051 6.3.9, RFC 5258, RFC 5819, RFC 6154).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListCommand {
    pub selection: ListSelection,
    pub reference: MailboxName,
    /// One for the basic form, one or more for the extended one.
    pub patterns: Vec<MailboxName>,
    pub returns: ListReturn,
    /// Selection options, a pattern list or RETURN was present: an empty pattern then has no special meaning
    /// (RFC 5258 3).
    pub extended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListSelection {
    pub subscribed: bool,
    pub remote: bool,
    /// Never alone (RFC 5258 3.1); the parser refuses that.
    pub recursive_match: bool,
    pub special_use: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListReturn {
    pub subscribed: bool,
    pub children: bool,
    pub special_use: bool,
    /// RFC 5819.
    pub status: Option<Vec<StatusItem>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    /// RFC 8438.
    Size,
    /// RFC 7889.
    AppendLimit,
    /// RFC 8474 4.3.
    MailboxId,
}

/// What stands before one message literal of APPEND (RFC 9051 6.3.12, RFC 3502).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppendMessage {
    pub flags: Vec<Flag>,
    pub date: Option<ZonedTime>,
    /// Wrapped in `UTF8 (~{…})` (RFC 6855 4).
    pub utf8: bool,
}

/// A flag a client names.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Flag {
    Seen,
    Answered,
    Flagged,
    Deleted,
    Draft,
    /// `\Name` that is none of the above, with its backslash.
    Extension(String),
    Keyword(Keyword),
}

/// A keyword as written: an atom (RFC 9051 9, `flag-keyword`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Keyword(pub(super) String);

impl Keyword {
    /// None when `name` is not an atom or longer than [`crate::limits::KEYWORD_BYTES_MAX`].
    pub fn new(name: &str) -> Option<Keyword> {
        let good = !name.is_empty()
            && name.len() <= crate::limits::KEYWORD_BYTES_MAX
            && name.bytes().all(super::cursor::is_atom_char);
        good.then(|| Keyword(name.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 5464 4.2.2: which entries below the named ones are asked for as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Depth {
    #[default]
    Zero,
    /// Those immediately below.
    One,
    Infinity,
}

/// The name of a stored search as written (RFC 5466 4, `filter-name`): an atom without `/`. Case does not matter.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FilterName(String);

impl FilterName {
    /// None when `name` is not a filter-name or longer than [`crate::limits::FILTER_NAME_BYTES_MAX`].
    pub fn new(name: &str) -> Option<FilterName> {
        let good = !name.is_empty()
            && name.len() <= crate::limits::FILTER_NAME_BYTES_MAX
            && name.bytes().all(|b| super::cursor::is_atom_char(b) && b != b'/');
        good.then(|| FilterName(name.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreMode {
    Replace,
    Add,
    Remove,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreChange {
    pub mode: StoreMode,
    pub silent: bool,
    pub flags: Vec<Flag>,
}

/// One item of FETCH (RFC 9051 6.4.5, RFC 3501 6.4.5, RFC 3516, RFC 8474, RFC 8514). The macros ALL, FAST, FULL are expanded by the parser.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchItem {
    Uid,
    Flags,
    InternalDate,
    Rfc822Size,
    /// RFC 8514
    SaveDate,
    /// RFC 8474 5.3
    EmailId,
    ThreadId,
    Envelope,
    /// BODY without a section: BODYSTRUCTURE without extension data.
    Body,
    BodyStructure,
    /// rev1 only, like the two below: equal to BODY[], answered under its own name.
    Rfc822,
    Rfc822Header,
    Rfc822Text,
    Section {
        mode: SeenMode,
        section: Section,
        partial: Option<Partial>,
    },
    Binary {
        mode: SeenMode,
        part: Part,
        partial: Option<Partial>,
    },
    BinarySize {
        part: Part,
    },
}

/// Whether the fetch sets \Seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeenMode {
    Sets,
    Peeks,
}

/// A part's path, `1.2.3`; empty is the whole message.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Part(pub Vec<NonZeroU32>);

/// `[1.2.HEADER]`: which bytes of which part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    pub part: Part,
    pub text: SectionText,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SectionText {
    /// Nothing after the part: the whole part or message.
    Whole,
    Header,
    /// Field names as sent, in order.
    HeaderFields(Vec<Vec<u8>>),
    HeaderFieldsNot(Vec<Vec<u8>>),
    Text,
    /// Never with an empty part.
    Mime,
}

/// `<start.length>`, octets; both at most 2^63 - 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    pub start: u64,
    pub length: NonZeroU64,
}

/// SEARCH and UID SEARCH (RFC 9051 6.4.4, RFC 4731, RFC 5182).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SearchCommand {
    pub by: Numbers,
    /// None: no RETURN clause. Some with nothing set: `RETURN ()`, which means ALL.
    pub returns: Option<SearchReturn>,
    /// The charset of every needle as named, upper-case; None: US-ASCII for rev1, UTF-8 for rev2.
    pub charset: Option<String>,
    pub key: SearchKey,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SearchReturn {
    pub min: bool,
    pub max: bool,
    pub all: bool,
    pub count: bool,
    pub save: bool,
    /// RFC 6203 4: only beside a FUZZY key.
    pub relevancy: bool,
    /// Never with `all`.
    pub partial: Option<PartialRange>,
    /// RFC 5267 4.3: tell of changes from now on.
    pub update: bool,
    /// RFC 5267 4.2: a hint that the search will be used again.
    pub context: bool,
}

/// partial-range (RFC 9394 4): which of the results, as they were written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartialRange {
    /// Counted from the last result, which is -1.
    pub from_end: bool,
    pub one: NonZeroU32,
    pub other: NonZeroU32,
}

impl PartialRange {
    /// Which of so many results, from 0.
    pub fn of(self, count: u32) -> Range<u32> {
        let (least, most) = (self.one.min(self.other).get(), self.one.max(self.other).get());
        let (start, end) = match self.from_end {
            false => (least - 1, most),
            true => (count.saturating_sub(most), count.saturating_add(1).saturating_sub(least)),
        };
        start.min(count)..end.min(count)
    }
}

impl fmt::Display for PartialRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.from_end { "-" } else { "" };
        write!(f, "{sign}{}:{sign}{}", self.one, self.other)
    }
}

/// ESEARCH (RFC 7377).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MultiSearchCommand {
    /// `None`: the selected mailbox. Never empty.
    pub sources: Option<Vec<Source>>,
    /// By UID.
    pub search: SearchCommand,
}

/// filter-mailboxes (RFC 5465 8, RFC 7377 4). Lists of names are never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    Selected,
    Inboxes,
    Personal,
    Subscribed,
    Subtree(Vec<MailboxName>),
    SubtreeOne(Vec<MailboxName>),
    Mailboxes(Vec<MailboxName>),
}

/// SORT and UID SORT (RFC 5256 3, RFC 5267 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SortCommand {
    pub criteria: Vec<Criterion>,
    /// Always with a charset.
    pub search: SearchCommand,
}

/// THREAD and UID THREAD (RFC 5256 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreadCommand {
    pub algorithm: Algorithm,
    /// Always with a charset, never with return options.
    pub search: SearchCommand,
}

/// A day without a zone: days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(pub i32);

/// A search key. Depth is bounded by [`crate::limits::SEARCH_DEPTH_MAX`], the number of keys by
/// [`crate::limits::SEARCH_KEYS_MAX`]. Needles are the bytes as sent, in the command's charset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SearchKey {
    All,
    /// Several keys side by side, or in parentheses: at least two, else it is the key itself.
    And(Vec<SearchKey>),
    Or(Box<SearchKey>, Box<SearchKey>),
    Not(Box<SearchKey>),
    /// RFC 6203
    Fuzzy(Box<SearchKey>),
    /// A bare set of message sequence numbers, or `$`.
    Sequence(SetArg),
    Uid(SetArg),
    Answered,
    Deleted,
    Draft,
    Flagged,
    Seen,
    Unanswered,
    Undeleted,
    Undraft,
    Unflagged,
    Unseen,
    /// rev1 only, like Old and Recent.
    New,
    Old,
    Recent,
    Keyword(Keyword),
    Unkeyword(Keyword),
    Before(Day),
    On(Day),
    Since(Day),
    SentBefore(Day),
    SentOn(Day),
    SentSince(Day),
    /// RFC 8514
    SavedBefore(Day),
    SavedOn(Day),
    SavedSince(Day),
    SaveDateSupported,
    /// RFC 8474 6
    EmailId(ObjectId),
    ThreadId(ObjectId),
    /// RFC 5032: seconds.
    Older(NonZeroU32),
    Younger(NonZeroU32),
    /// Octets; RFC 9051 allows 63 bits.
    Larger(u64),
    Smaller(u64),
    Bcc(Vec<u8>),
    Cc(Vec<u8>),
    From(Vec<u8>),
    To(Vec<u8>),
    Subject(Vec<u8>),
    Body(Vec<u8>),
    Text(Vec<u8>),
    Header {
        field: Vec<u8>,
        needle: Vec<u8>,
    },
    /// RFC 5466 3.1: what is stored under this name.
    Filter(FilterName),
    /// X-TRAWL-QUERY ([`super::query`]); what is below is found in queries only.
    Query(Box<Query>),
    /// Some part is an attachment.
    Attachment,
    /// A part has a file name with this in it.
    FileName(Vec<u8>),
    /// The message is in the mailbox of this name or role.
    In(String),
}

/// The argument of X-TRAWL-QUERY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// As the client wrote it.
    pub text: String,
    /// What it means, or why it means nothing; needles are UTF-8, whatever the charset of the command.
    pub key: Result<SearchKey, QueryError>,
}

/// The UIDs of a response (`COPYUID`, ESEARCH): never `*`, never `$`.
pub type UidSet = SeqSet;

impl SearchKey {
    /// Whether FUZZY stands anywhere in it.
    pub fn is_fuzzy(&self) -> bool {
        match self {
            SearchKey::Fuzzy(_) => true,
            SearchKey::Not(key) => key.is_fuzzy(),
            SearchKey::Or(a, b) => a.is_fuzzy() || b.is_fuzzy(),
            SearchKey::And(keys) => keys.iter().any(SearchKey::is_fuzzy),
            _ => false,
        }
    }

    /// Whether it has to be looked at anew for each mailbox what it means: numbers of messages, flags that a mailbox numbers
    /// itself, names of mailboxes.
    pub fn is_by_mailbox(&self) -> bool {
        match self {
            SearchKey::And(keys) => keys.iter().any(SearchKey::is_by_mailbox),
            SearchKey::Or(a, b) => a.is_by_mailbox() || b.is_by_mailbox(),
            SearchKey::Not(key) | SearchKey::Fuzzy(key) => key.is_by_mailbox(),
            SearchKey::Query(query) => query.key.as_ref().is_ok_and(SearchKey::is_by_mailbox),
            SearchKey::Sequence(_)
            | SearchKey::Uid(_)
            | SearchKey::New
            | SearchKey::Old
            | SearchKey::Recent
            | SearchKey::Keyword(_)
            | SearchKey::Unkeyword(_)
            | SearchKey::Filter(_)
            | SearchKey::In(_) => true,
            SearchKey::All
            | SearchKey::Answered
            | SearchKey::Deleted
            | SearchKey::Draft
            | SearchKey::Flagged
            | SearchKey::Seen
            | SearchKey::Unanswered
            | SearchKey::Undeleted
            | SearchKey::Undraft
            | SearchKey::Unflagged
            | SearchKey::Unseen
            | SearchKey::Before(_)
            | SearchKey::On(_)
            | SearchKey::Since(_)
            | SearchKey::SentBefore(_)
            | SearchKey::SentOn(_)
            | SearchKey::SentSince(_)
            | SearchKey::SavedBefore(_)
            | SearchKey::SavedOn(_)
            | SearchKey::SavedSince(_)
            | SearchKey::SaveDateSupported
            | SearchKey::EmailId(_)
            | SearchKey::ThreadId(_)
            | SearchKey::Older(_)
            | SearchKey::Younger(_)
            | SearchKey::Larger(_)
            | SearchKey::Smaller(_)
            | SearchKey::Bcc(_)
            | SearchKey::Cc(_)
            | SearchKey::From(_)
            | SearchKey::To(_)
            | SearchKey::Subject(_)
            | SearchKey::Body(_)
            | SearchKey::Text(_)
            | SearchKey::Header { .. }
            | SearchKey::Attachment
            | SearchKey::FileName(_) => false,
        }
    }
}
