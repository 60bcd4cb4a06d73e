//! Generated commands of every family, as values: what [`super::print`] writes of them must parse back to them.

use std::num::{NonZeroU32, NonZeroU64};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use trawl_index::arrange::{Algorithm, By, Criterion};

use super::ast::*;
use super::date;
use super::flags::SYSTEM_FLAGS;
use super::manage::SPECIAL_USES;
use super::metadata::EntryName;
use super::name::MailboxName;
use super::object_id::ObjectId;
use super::query::{self, QueryError, Room};
use super::set::{Bound, SeqRange, SeqSet, SetArg};
use super::sort::KEYS;
use super::status::ITEMS;

/// A string without NUL: atoms, quoted strings and literals all occur.
fn bytes() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        "[a-zA-Z0-9.<>@]{0,12}".prop_map(String::into_bytes),
        "[ -~]{0,12}".prop_map(String::into_bytes),
        "\\PC{0,8}".prop_map(String::into_bytes),
        vec(1u8..=255, 0..12),
        Just(b"NIL".to_vec()),
    ]
    .boxed()
}

fn mailbox() -> impl Strategy<Value = MailboxName> {
    bytes().prop_map(MailboxName::new)
}

fn nz() -> impl Strategy<Value = NonZeroU32> {
    prop_oneof![1u32..20, 1u32..=u32::MAX].prop_map(|n| NonZeroU32::new(n).unwrap())
}

fn set() -> impl Strategy<Value = SetArg> {
    let bound = prop_oneof![4 => nz().prop_map(Bound::Number), 1 => Just(Bound::Star)].boxed();
    let range = prop_oneof![
        bound.clone().prop_map(SeqRange::One),
        (bound.clone(), bound).prop_map(|(a, b)| SeqRange::Range(a, b))
    ];
    prop_oneof![
        1 => Just(SetArg::Saved),
        6 => vec(range, 1..6).prop_map(|r| SetArg::Numbers(SeqSet::new(r).unwrap())),
    ]
}

fn by() -> impl Strategy<Value = Numbers> {
    select(vec![Numbers::Sequence, Numbers::Uid])
}

fn keyword() -> impl Strategy<Value = Keyword> {
    "[$a-zA-Z][a-zA-Z0-9_.-]{0,10}".prop_map(|k| Keyword::new(&k).unwrap())
}

fn filter_name() -> impl Strategy<Value = FilterName> {
    "[!#$&'+-.0-Z^-z|}~]{1,9}".prop_filter_map("a filter-name", |name| FilterName::new(&name))
}

/// Names of two components and more, none of them `vendor`.
fn entry() -> impl Strategy<Value = EntryName> {
    "/(private|shared)(/[a-u0-9 ()\"\\\\{.-]{1,6}){1,4}"
        .prop_map(|name| EntryName::new(name.as_bytes()).unwrap())
}

fn metadata() -> impl Strategy<Value = CommandBody> {
    let depth = select(vec![Depth::Zero, Depth::One, Depth::Infinity]);
    let get = (mailbox(), option::of(any::<u32>()), depth, vec(entry(), 1..4)).prop_map(
        |(mailbox, max_size, depth, entries)| CommandBody::GetMetadata { mailbox, max_size, depth, entries },
    );
    let value = option::of(prop_oneof![bytes(), vec(any::<u8>(), 0..12)]);
    let set = (mailbox(), vec((entry(), value), 1..4))
        .prop_map(|(mailbox, values)| CommandBody::SetMetadata { mailbox, values });
    prop_oneof![get, set]
}

fn flag() -> impl Strategy<Value = Flag> {
    prop_oneof![
        select(SYSTEM_FLAGS.iter().map(|(_, f)| f.clone()).collect::<Vec<_>>()),
        keyword().prop_map(Flag::Keyword),
        "[X-Z][a-z]{0,5}".prop_map(|n| Flag::Extension(format!("\\{n}"))),
    ]
}

fn status_items() -> impl Strategy<Value = Vec<StatusItem>> {
    vec(select(ITEMS.map(|(_, i)| i).to_vec()), 1..5)
}

fn part() -> impl Strategy<Value = Part> {
    vec(nz(), 0..4).prop_map(Part)
}

fn partial() -> impl Strategy<Value = Option<Partial>> {
    let max = i64::MAX as u64;
    option::of(
        (0..=max, 1..=max).prop_map(|(start, n)| Partial { start, length: NonZeroU64::new(n).unwrap() }),
    )
}

fn seen_mode() -> impl Strategy<Value = SeenMode> {
    select(vec![SeenMode::Sets, SeenMode::Peeks])
}

fn section() -> impl Strategy<Value = Section> {
    let names = || vec("[!-9;-~]{1,8}".prop_map(String::into_bytes), 1..4);
    let text = prop_oneof![
        Just(SectionText::Whole),
        Just(SectionText::Header),
        Just(SectionText::Text),
        Just(SectionText::Mime),
        names().prop_map(SectionText::HeaderFields),
        names().prop_map(SectionText::HeaderFieldsNot),
    ];
    (part(), text).prop_map(|(part, text)| {
        let text = if part.0.is_empty() && text == SectionText::Mime { SectionText::Whole } else { text };
        Section { part, text }
    })
}

fn fetch_item() -> impl Strategy<Value = FetchItem> {
    prop_oneof![
        select(vec![
            FetchItem::Uid,
            FetchItem::Flags,
            FetchItem::InternalDate,
            FetchItem::SaveDate,
            FetchItem::EmailId,
            FetchItem::ThreadId,
            FetchItem::Rfc822Size,
            FetchItem::Envelope,
            FetchItem::Body,
            FetchItem::BodyStructure,
            FetchItem::Rfc822,
            FetchItem::Rfc822Header,
            FetchItem::Rfc822Text,
        ]),
        (seen_mode(), section(), partial()).prop_map(|(mode, section, partial)| FetchItem::Section {
            mode,
            section,
            partial
        }),
        (seen_mode(), part(), partial()).prop_map(|(mode, part, partial)| FetchItem::Binary {
            mode,
            part,
            partial
        }),
        part().prop_map(|part| FetchItem::BinarySize { part }),
    ]
}

fn day() -> impl Strategy<Value = Day> {
    (0u32..=9999, 1u32..=12, 1u32..=28).prop_map(|(y, m, d)| date::day_from_civil(y, m, d).unwrap())
}

fn query(text: String, key: Result<SearchKey, QueryError>) -> SearchKey {
    SearchKey::Query(Box::new(Query { text, key }))
}

fn search_key() -> impl Strategy<Value = SearchKey> {
    use SearchKey as K;
    let leaf = prop_oneof![
        select(vec![
            K::All,
            K::Answered,
            K::Deleted,
            K::Draft,
            K::Flagged,
            K::Seen,
            K::Unanswered,
            K::Undeleted
        ]),
        select(vec![K::Undraft, K::Unflagged, K::Unseen, K::New, K::Old, K::Recent, K::SaveDateSupported]),
        set().prop_map(K::Sequence),
        set().prop_map(K::Uid),
        keyword().prop_map(K::Keyword),
        keyword().prop_map(K::Unkeyword),
        day().prop_flat_map(|d| {
            select(vec![K::Before(d), K::On(d), K::Since(d), K::SentBefore(d), K::SentOn(d), K::SentSince(d)])
        }),
        day().prop_flat_map(|d| select(vec![K::SavedBefore(d), K::SavedOn(d), K::SavedSince(d)])),
        nz().prop_flat_map(|n| select(vec![K::Older(n), K::Younger(n)])),
        "[A-Za-z0-9_-]{1,20}".prop_flat_map(|id| {
            let id = ObjectId::new(&id).unwrap();
            select(vec![K::EmailId(id.clone()), K::ThreadId(id)])
        }),
        (0..=i64::MAX as u64).prop_flat_map(|n| select(vec![K::Larger(n), K::Smaller(n)])),
        bytes().prop_flat_map(|n| select(vec![
            K::Bcc(n.clone()),
            K::Cc(n.clone()),
            K::From(n.clone()),
            K::To(n)
        ])),
        bytes().prop_flat_map(|n| select(vec![K::Subject(n.clone()), K::Body(n.clone()), K::Text(n)])),
        (bytes(), bytes()).prop_map(|(field, needle)| K::Header { field, needle }),
        filter_name().prop_map(K::Filter),
        query::tests::key().prop_map(|key| query(query::tests::text(&key), Ok(key))),
        "[(\"-][a-z]{0,5}"
            .prop_map(|text| query(text.clone(), query::parse(&text, Room::WHOLE).map(|(key, _)| key))),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|k| K::Not(Box::new(k))),
            inner.clone().prop_map(|k| K::Fuzzy(Box::new(k))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| K::Or(Box::new(a), Box::new(b))),
            vec(inner, 2..4).prop_map(K::And),
        ]
    })
}

fn partial_range() -> impl Strategy<Value = PartialRange> {
    let number = || any::<NonZeroU32>();
    (any::<bool>(), number(), number()).prop_map(|(from_end, one, other)| PartialRange {
        from_end,
        one,
        other,
    })
}

fn returns() -> impl Strategy<Value = SearchReturn> {
    let partial = option::of(partial_range());
    (any::<[bool; 8]>(), partial).prop_map(
        |([min, max, all, count, save, relevancy, update, context], partial)| {
            let all = all && partial.is_none();
            SearchReturn { min, max, all, count, save, relevancy, partial, update, context }
        },
    )
}

fn sort() -> impl Strategy<Value = CommandBody> {
    let by_key = select(KEYS.to_vec()).prop_map(|(_, by)| by);
    let criterion = (by_key, any::<bool>()).prop_map(|(by, reverse)| Criterion { by, reverse });
    let search = (by(), option::of(returns()), search_key()).prop_map(|(by, returns, key)| SearchCommand {
        by,
        returns,
        charset: Some("UTF-8".to_owned()),
        key,
    });
    (vec(criterion, 1..4), search).prop_map(|(criteria, mut search)| {
        let by_relevancy = criteria.iter().any(|criterion: &Criterion| criterion.by == By::Relevancy);
        if by_relevancy && !search.key.is_fuzzy() {
            search.key = SearchKey::Fuzzy(Box::new(search.key));
        }
        CommandBody::Sort(SortCommand { criteria, search: sensible(search) })
    })
}

/// RELEVANCY only beside FUZZY.
fn sensible(mut search: SearchCommand) -> SearchCommand {
    if let Some(returns) = &mut search.returns {
        returns.relevancy &= search.key.is_fuzzy();
    }
    search
}

fn multisearch() -> impl Strategy<Value = CommandBody> {
    let names = || vec(mailbox(), 1..3);
    let source = prop_oneof![
        select(vec![Source::Selected, Source::Inboxes, Source::Personal, Source::Subscribed]),
        names().prop_map(Source::Subtree),
        names().prop_map(Source::SubtreeOne),
        names().prop_map(Source::Mailboxes),
    ];
    let search = (option::of(returns()), search_key());
    (option::of(vec(source, 1..4)), search).prop_map(|(sources, (returns, key))| {
        let search = SearchCommand { by: Numbers::Uid, returns, charset: None, key };
        CommandBody::MultiSearch(MultiSearchCommand { sources, search: sensible(search) })
    })
}

fn thread() -> impl Strategy<Value = CommandBody> {
    let algorithm = select(vec![Algorithm::OrderedSubject, Algorithm::References, Algorithm::Refs]);
    (algorithm, by(), search_key()).prop_map(|(algorithm, by, key)| {
        let search = SearchCommand { by, returns: None, charset: Some("US-ASCII".to_owned()), key };
        CommandBody::Thread(ThreadCommand { algorithm, search })
    })
}

fn search() -> impl Strategy<Value = CommandBody> {
    let charset = select(vec!["UTF-8".to_owned(), "US-ASCII".to_owned(), "X\"Y".to_owned()]);
    (by(), option::of(returns()), option::of(charset), search_key()).prop_map(
        |(by, returns, charset, key)| {
            CommandBody::Search(sensible(SearchCommand { by, returns, charset, key }))
        },
    )
}

fn list() -> impl Strategy<Value = CommandBody> {
    let selection =
        any::<[bool; 4]>().prop_map(|[subscribed, remote, recursive, special_use]| ListSelection {
            subscribed,
            remote,
            recursive_match: recursive && (subscribed || special_use),
            special_use,
        });
    let returns = (any::<[bool; 3]>(), option::of(status_items())).prop_map(
        |([subscribed, children, special_use], status)| ListReturn {
            subscribed,
            children,
            special_use,
            status,
        },
    );
    let extended = (selection, mailbox(), vec(mailbox(), 1..4), returns).prop_map(
        |(selection, reference, patterns, returns)| ListCommand {
            selection,
            reference,
            patterns,
            returns,
            extended: true,
        },
    );
    let basic = (mailbox(), mailbox()).prop_map(|(reference, pattern)| ListCommand {
        selection: ListSelection::default(),
        reference,
        patterns: vec![pattern],
        returns: ListReturn::default(),
        extended: false,
    });
    prop_oneof![extended, basic].prop_map(CommandBody::List)
}

fn create() -> impl Strategy<Value = CommandBody> {
    let attribute = prop_oneof![
        select(SPECIAL_USES.map(|(_, u)| UseAttribute::Known(u)).to_vec()),
        "[X-Z][a-z]{0,5}".prop_map(|n| UseAttribute::Other(format!("\\{n}"))),
    ];
    (mailbox(), vec(attribute, 0..3))
        .prop_map(|(mailbox, special_uses)| CommandBody::Create { mailbox, special_uses })
}

fn body() -> impl Strategy<Value = CommandBody> {
    use CommandBody as B;
    let initial = prop_oneof![
        Just(InitialResponse::Empty),
        "[A-Za-z0-9+/]{1,9}={0,2}".prop_map(|s| InitialResponse::Base64(Secret(s.into_bytes()))),
    ];
    let mode = select(vec![StoreMode::Replace, StoreMode::Add, StoreMode::Remove]);
    prop_oneof![
        select(vec![
            B::Capability,
            B::Noop,
            B::Logout,
            B::StartTls,
            B::Namespace,
            B::Idle,
            B::Check,
            B::Close,
            B::Unselect,
            B::Expunge
        ]),
        option::of(vec(("[a-z]{0,30}".prop_map(String::into_bytes), option::of(bytes())), 0..4))
            .prop_map(B::Id),
        ("[A-Z][A-Z0-9-]{0,12}", option::of(initial))
            .prop_map(|(mechanism, initial)| B::Authenticate { mechanism, initial }),
        (bytes(), bytes()).prop_map(|(user, password)| B::Login { user, password: Secret(password) }),
        vec("[A-Z0-9=-]{1,9}", 1..4).prop_map(B::Enable),
        mailbox().prop_flat_map(|m| {
            select(vec![
                B::Select { mailbox: m.clone() },
                B::Examine { mailbox: m.clone() },
                B::Delete { mailbox: m.clone() },
                B::Subscribe { mailbox: m.clone() },
                B::Unsubscribe { mailbox: m },
            ])
        }),
        create(),
        (mailbox(), mailbox()).prop_map(|(from, to)| B::Rename { from, to }),
        list(),
        (mailbox(), mailbox()).prop_map(|(reference, pattern)| B::Lsub { reference, pattern }),
        (mailbox(), status_items()).prop_map(|(mailbox, items)| B::Status { mailbox, items }),
        set().prop_map(|set| B::UidExpunge { set }),
        search(),
        vec("[ -~]{0,9}".prop_map(String::into_bytes), 1..4).prop_map(B::CancelUpdate),
        metadata(),
        multisearch(),
        sort(),
        thread(),
        (by(), set(), vec(fetch_item(), 1..5), option::of(partial_range())).prop_map(
            |(by, set, items, partial)| {
                B::Fetch { by, set, items, partial: partial.filter(|_| by == Numbers::Uid) }
            }
        ),
        (by(), set(), mode, any::<bool>(), vec(flag(), 0..4)).prop_map(|(by, set, mode, silent, flags)| {
            B::Store { by, set, change: StoreChange { mode, silent, flags } }
        }),
        (by(), set(), mailbox()).prop_flat_map(|(by, set, mailbox)| {
            let other = B::Move { by, set: set.clone(), mailbox: mailbox.clone() };
            select(vec![B::Copy { by, set, mailbox }, other])
        }),
    ]
}

pub fn command() -> impl Strategy<Value = Command> {
    ("[a-zA-Z0-9.]{1,8}", body())
        .prop_map(|(tag, body)| Command { tag: Tag::new(tag.as_bytes()).unwrap(), body })
}
