//! Queries: what each operator means, what is refused, and that what is printed parses to the same.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::ast::{Day, Keyword, SearchKey};
use super::super::date::{civil_from_day, day_from_civil};
use super::super::print;
use super::{QueryError, Room, parse, quoted};
use crate::limits::{SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};

/// As a query; of the keys that a query can mean.
pub fn text(key: &SearchKey) -> String {
    use SearchKey as K;
    let value =
        |name: &str, needle: &[u8]| format!("{name}:{}", quoted(std::str::from_utf8(needle).unwrap()));
    let day = |name: &str, day: &Day| {
        let (year, month, day) = civil_from_day(*day);
        format!("{name}:{year:04}-{month:02}-{day:02}")
    };
    match key {
        K::And(keys) => format!("({})", keys.iter().map(text).collect::<Vec<_>>().join(" ")),
        K::Or(one, other) => format!("({} OR {})", text(one), text(other)),
        K::Not(key) => match **key {
            // Two minus signs side by side are refused.
            K::Not(_) => format!("-({})", text(key)),
            _ => format!("-{}", text(key)),
        },
        K::Text(needle) => quoted(std::str::from_utf8(needle).unwrap()),
        K::Body(needle) => value("body", needle),
        K::From(needle) => value("from", needle),
        K::To(needle) => value("to", needle),
        K::Cc(needle) => value("cc", needle),
        K::Bcc(needle) => value("bcc", needle),
        K::Subject(needle) => value("subject", needle),
        K::FileName(needle) => value("filename", needle),
        K::Header { field, needle } => {
            let field = std::str::from_utf8(field).unwrap();
            format!("header:{field}={}", quoted(std::str::from_utf8(needle).unwrap()))
        }
        K::In(name) => format!("in:{}", quoted(name)),
        K::Attachment => "has:attachment".into(),
        K::Unseen => "is:unread".into(),
        K::Seen => "is:read".into(),
        K::Flagged => "is:flagged".into(),
        K::Answered => "is:answered".into(),
        K::Draft => "is:draft".into(),
        K::Deleted => "is:deleted".into(),
        K::Recent => "is:recent".into(),
        K::Keyword(keyword) => format!("keyword:{}", quoted(keyword.as_str())),
        K::Before(at) => day("before", at),
        K::Since(at) => day("after", at),
        K::On(at) => day("on", at),
        K::Older(seconds) => format!("older_than:{}h", seconds.get() / 3600),
        K::Younger(seconds) => format!("newer_than:{}h", seconds.get() / 3600),
        K::Larger(octets) => format!("larger:{octets}"),
        K::Smaller(octets) => format!("smaller:{octets}"),
        other => panic!("{other:?} is in no query"),
    }
}

/// Keys that a query can mean, of at most some levels.
pub fn key() -> impl Strategy<Value = SearchKey> {
    use SearchKey as K;
    let needle = prop_oneof!["[a-z0-9.:@-]{1,9}", "[^\0]{1,9}", "[ \"\\\\()“”„-]{1,5}"].boxed();
    let any_needle = prop_oneof![4 => needle.clone(), 1 => Just(String::new())].boxed();
    let day = || (0u32..=9998, 1u32..=12, 1u32..=28).prop_map(|(y, m, d)| day_from_civil(y, m, d).unwrap());
    let hours = || (1u32..=1_000_000).prop_map(|hours| std::num::NonZeroU32::new(hours * 3600).unwrap());
    let field = "[!-9;<>-~]{1,8}".prop_filter("a quotation mark or a parenthesis would end it", |name| {
        !name.contains(['"', '(', ')'])
    });
    let leaf = prop_oneof![
        needle.clone().prop_flat_map(|n| select(vec![K::Text(n.clone().into()), K::Body(n.into())])),
        any_needle.clone().prop_flat_map(|n| {
            let n = n.into_bytes();
            select(vec![
                K::From(n.clone()),
                K::To(n.clone()),
                K::Cc(n.clone()),
                K::Bcc(n.clone()),
                K::Subject(n.clone()),
                K::FileName(n),
            ])
        }),
        (field, any_needle).prop_map(|(field, n)| K::Header { field: field.into(), needle: n.into() }),
        needle.prop_map(K::In),
        select(vec![
            K::Attachment,
            K::Unseen,
            K::Seen,
            K::Flagged,
            K::Answered,
            K::Draft,
            K::Deleted,
            K::Recent
        ]),
        "[$a-zA-Z][a-zA-Z0-9_.-]{0,10}".prop_map(|k| K::Keyword(Keyword::new(&k).unwrap())),
        day().prop_flat_map(|d| select(vec![K::Before(d), K::Since(d), K::On(d)])),
        hours().prop_flat_map(|n| select(vec![K::Older(n), K::Younger(n)])),
        (0..=i64::MAX as u64).prop_flat_map(|n| select(vec![K::Larger(n), K::Smaller(n)])),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|k| K::Not(Box::new(k))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| K::Or(Box::new(a), Box::new(b))),
            vec(inner, 2..4).prop_map(K::And),
        ]
    })
}

/// What it means, in the words of SEARCH.
fn means(query: &str) -> String {
    let (key, _) = parse(query, Room::WHOLE).unwrap_or_else(|error| panic!("{query:?}: {error}"));
    String::from_utf8(print::program(&key)).unwrap()
}

#[track_caller]
fn all(cases: &[(&str, &str)]) {
    for (query, program) in cases {
        assert_eq!(means(query), *program, "{query:?}");
    }
}

#[test]
fn words_and_phrases() {
    all(&[
        ("cart", "TEXT cart"),
        ("food cart", "TEXT food TEXT cart"),
        ("\"food cart\"", "TEXT \"food cart\""),
        ("  food\t cart\u{a0}", "TEXT food TEXT cart"),
        ("\"a \\\"b\\\" \\\\ c:\\d\"", "TEXT \"a \\\"b\\\" \\\\ c:\\\\d\""),
        ("“food cart” „x“ ”y\"z”", "TEXT \"food cart\" TEXT x TEXT \"y\\\"z\""),
        ("\"“x”\"", "TEXT {7}\r\n“x”"),
        ("or and not", "TEXT or TEXT and TEXT not"),
        ("\"OR\"", "TEXT OR"),
        ("Übergrößen", "TEXT {13}\r\nÜbergrößen"),
        // A colon makes an operator of letters only.
        (
            "10:30 12:00:00 :x a1:b http://example.org/?a=b:c HTTPS://x",
            "TEXT 10:30 TEXT 12:00:00 TEXT :x TEXT a1:b TEXT http://example.org/?a=b:c TEXT HTTPS://x",
        ),
        ("anna@example.org", "TEXT anna@example.org"),
        ("e-mail a-b- don't", "TEXT e-mail TEXT a-b- TEXT don't"),
    ]);
}

#[test]
fn not_or_and_parentheses() {
    all(&[
        ("-cart", "NOT TEXT cart"),
        ("-\"food cart\" -from:anna", "NOT TEXT \"food cart\" NOT FROM anna"),
        ("NOT cart NOT NOT x", "NOT TEXT cart NOT NOT TEXT x"),
        ("-(a b)", "NOT (TEXT a TEXT b)"),
        ("-(-a)", "NOT NOT TEXT a"),
        ("a OR b", "OR TEXT a TEXT b"),
        // OR joins its neighbours.
        ("a OR b c", "OR TEXT a TEXT b TEXT c"),
        ("a b OR c d", "TEXT a OR TEXT b TEXT c TEXT d"),
        ("a OR b OR c", "OR OR TEXT a TEXT b TEXT c"),
        ("a OR b OR c OR d", "OR OR TEXT a TEXT b OR TEXT c TEXT d"),
        ("(a b) OR c", "OR (TEXT a TEXT b) TEXT c"),
        ("a OR -b", "OR TEXT a NOT TEXT b"),
        ("a AND b AND (c OR d)", "TEXT a TEXT b OR TEXT c TEXT d"),
        ("((a))", "TEXT a"),
        ("( a OR b )", "OR TEXT a TEXT b"),
        ("(a OR b) -(c d)", "OR TEXT a TEXT b NOT (TEXT c TEXT d)"),
    ]);
}

#[test]
fn operators() {
    all(&[
        ("from:anna TO:bob Cc:carol bcc:dave", "FROM anna TO bob CC carol BCC dave"),
        ("subject:\"the budget\" body:x text:y", "SUBJECT \"the budget\" BODY x TEXT y"),
        ("subject:re:x subject:a=b", "SUBJECT re:x SUBJECT a=b"),
        ("subject:\"\" cc:\"\"", "SUBJECT \"\" CC \"\""),
        ("from:“Anna Example”", "FROM \"Anna Example\""),
        (
            "header:x-mailer=mutt header:X-A=\"b c\" header:\"X-A=b c\"",
            "HEADER x-mailer mutt HEADER X-A \"b c\" HEADER X-A \"b c\"",
        ),
        (
            "header:x-mailer header:x-mailer=\"\" header:a=b=c=",
            "HEADER x-mailer \"\" HEADER x-mailer \"\" HEADER a b=c=",
        ),
        ("list:rust", "HEADER List-Id rust"),
        ("is:unread is:UNSEEN is:read is:seen", "UNSEEN UNSEEN SEEN SEEN"),
        ("is:flagged is:starred is:answered is:replied", "FLAGGED FLAGGED ANSWERED ANSWERED"),
        ("is:draft is:deleted is:recent", "DRAFT DELETED RECENT"),
        ("keyword:$Junk label:Work", "KEYWORD $Junk KEYWORD Work"),
        (
            "before:2024-05-01 before:2024-05 before:2024",
            "BEFORE 1-May-2024 BEFORE 1-May-2024 BEFORE 1-Jan-2024",
        ),
        ("after:2024-05-01 after:2024/5 since:2024", "SINCE 1-May-2024 SINCE 1-May-2024 SINCE 1-Jan-2024"),
        ("on:2024-02-29", "ON 29-Feb-2024"),
        ("on:2024-02", "SINCE 1-Feb-2024 BEFORE 1-Mar-2024"),
        ("on:2024-12 x", "(SINCE 1-Dec-2024 BEFORE 1-Jan-2025) TEXT x"),
        ("-on:2023", "NOT (SINCE 1-Jan-2023 BEFORE 1-Jan-2024)"),
        ("older_than:2y newer_than:3m", "OLDER 63072000 YOUNGER 7776000"),
        ("older_than:10d newer_than:5H older_than:2w", "OLDER 864000 YOUNGER 18000 OLDER 1209600"),
        (
            "larger:10M smaller:200k larger:1GB smaller:4096",
            "LARGER 10485760 SMALLER 204800 LARGER 1073741824 SMALLER 4096",
        ),
        ("larger:5kb larger:7b larger:0", "LARGER 5120 LARGER 7 LARGER 0"),
        (
            "in:trash -in:\"Lists/Rust\"",
            "X-TRAWL-QUERY \"in:\\\"trash\\\"\" NOT X-TRAWL-QUERY \"in:\\\"Lists/Rust\\\"\"",
        ),
        ("has:attachment has:Attachments", "X-TRAWL-QUERY has:attachment X-TRAWL-QUERY has:attachment"),
        ("filename:pdf", "X-TRAWL-QUERY \"filename:\\\"pdf\\\"\""),
        (
            "from:anna subject:\"budget\" older_than:2y larger:1M",
            "FROM anna SUBJECT budget OLDER 63072000 LARGER 1048576",
        ),
    ]);
}

fn refusal(query: &str) -> QueryError {
    match parse(query, Room::WHOLE) {
        Ok((key, _)) => panic!("{query:?} is understood as {key:?}"),
        Err(error) => error,
    }
}

#[test]
fn refusals_say_where_and_what_to_do() {
    for (query, at, reason) in [
        ("", 1, "The query is empty"),
        (" \t", 3, "The query is empty"),
        (
            "form:anna",
            1,
            "There is no operator form:; to search for this text, put it in quotation marks: \"form:anna\"",
        ),
        ("x Re: y", 3, "\"Re:\""),
        ("größe:5", 1, "There is no operator größe:"),
        ("mailto:x@y", 1, "no operator mailto:"),
        ("std::vec", 1, "no operator std:"),
        ("from: anna", 6, "from: has no value; it stands right behind the colon: from:anna"),
        ("header:x= y", 10, "header: has no value"),
        ("subject:(a b)", 9, "write (subject:a OR subject:b)"),
        ("filename:a(1).pdf", 11, "put the text in quotation marks"),
        ("\"open", 1, "no closing one"),
        ("a “open\"", 3, "no closing one"),
        ("\"esc\\\"", 1, "no closing one"),
        ("from:\"open", 6, "no closing one"),
        ("\"a\"b", 4, "A space is missing"),
        ("from:\"a\"b", 9, "A space is missing"),
        ("(a)b", 4, "A space is missing"),
        ("5\" disk", 2, "inside a word (5)"),
        ("f(x)", 2, "inside a word (f)"),
        ("http://x/(y)", 10, "inside a word"),
        ("\"\"", 1, "nothing between the quotation marks"),
        ("body:\"\"", 1, "nothing between the quotation marks"),
        ("(a", 1, "no closing one"),
        ("a (b (c) d", 3, "no closing one"),
        ("a)", 2, "no opening one"),
        (":)", 2, "no opening one"),
        ("a ()", 4, "nothing between the parentheses"),
        ("()", 2, "nothing between the parentheses"),
        ("- a", 1, "right before what is not wanted"),
        ("a -", 3, "right before what is not wanted"),
        ("(a - )", 4, "right before what is not wanted"),
        ("--a", 2, "Two minus signs"),
        ("-OR", 2, "between two terms"),
        ("OR a", 1, "between two terms"),
        ("a OR", 5, "A term is missing"),
        ("a OR OR b", 6, "between two terms"),
        ("(a AND) b", 7, "A term is missing"),
        ("NOT", 4, "A term is missing"),
        ("a AND b OR c", 13, "AND and OR stand side by side"),
        ("a OR b AND c", 12, "AND and OR stand side by side"),
        ("has:attachement", 1, "there is has:attachment"),
        ("is:new", 1, "is:unread, read, flagged"),
        ("keyword:\\Seen", 1, "as in is:flagged"),
        ("keyword:\"a b\"", 1, "cannot be a keyword"),
        ("header:=x", 1, "header: needs the name of a field"),
        ("header:\"a b=x\"", 1, "header: needs the name of a field"),
        ("in:\"\"", 1, "in: needs the name of a mailbox"),
        ("before:yesterday", 1, "yesterday is no date; dates are written 2024-05-01"),
        ("before:2024-13", 1, "no date"),
        ("on:2023-02-29", 1, "no date"),
        ("on:24-02-01", 1, "no date"),
        ("on:2024-", 1, "no date"),
        ("on:2024-1-1-1", 1, "no date"),
        ("on:9999", 1, "no date"),
        ("older_than:2", 1, "ages are written 5h, 10d, 2w, 3m or 2y"),
        ("older_than:y", 1, "no age"),
        ("older_than:0d", 1, "no age that can be searched for"),
        ("newer_than:137y", 1, "no age that can be searched for"),
        ("newer_than:99999999999999999999d", 1, "no age that can be searched for"),
        ("larger:M", 1, "no size"),
        ("larger:1.5M", 1, "no size"),
        ("larger:10T", 1, "no size"),
        ("larger:9223372036854775808", 1, "no size"),
        ("smaller:9999999999G", 1, "no size"),
    ] {
        let error = refusal(query);
        assert!(error.at == at && error.reason.contains(reason), "{query:?}: {error}");
        assert!(error.to_string().ends_with(&format!("(character {at})")));
    }
    // Not all that was typed is said again.
    let long = "y".repeat(5000);
    let cases = [
        "{}:x",
        "is:{}",
        "has:{}",
        "keyword:({}",
        "keyword:\\{}",
        "on:{}",
        "older_than:{}",
        "larger:{}",
        "{}(",
        "{}\"",
    ];
    for query in cases.map(|query| query.replace("{}", &long)) {
        assert!(refusal(&query).reason.len() < 250, "{query}");
    }
}

#[test]
fn every_operator_has_an_example_that_works() {
    for operator in super::operators::OPERATORS {
        let example = super::operators::example(operator.name);
        assert!(parse(&example, Room::WHOLE).is_ok(), "{example}");
        assert!(
            parse(&example.to_uppercase().replace("ATTACHMENT", "attachment"), Room::WHOLE).is_ok(),
            "{example}"
        );
    }
}

#[test]
fn keys_and_depth_are_bounded() {
    let many = |separator: &str, n: usize| vec!["a"; n].join(separator);
    let keys = |query: &str| parse(query, Room::WHOLE).map(|(_, keys)| keys);
    assert_eq!(keys(&many(" ", SEARCH_KEYS_MAX)), Ok(SEARCH_KEYS_MAX));
    assert!(keys(&many(" ", SEARCH_KEYS_MAX + 1)).is_err());
    assert_eq!(keys(&many(" OR ", 1000)), Ok(1999));
    assert!(keys(&many(" OR ", 1001)).is_err());
    assert_eq!(keys("on:2024"), Ok(3));
    let nested = |open: &str, n: usize, close: &str| format!("{}a{}", open.repeat(n), close.repeat(n));
    assert!(keys(&nested("(", SEARCH_DEPTH_MAX - 1, ")")).is_ok());
    assert!(keys(&nested("(", SEARCH_DEPTH_MAX, ")")).is_err());
    assert!(keys(&nested("-(", SEARCH_DEPTH_MAX / 2 - 1, ")")).is_ok());
    for n in [SEARCH_DEPTH_MAX, 1_000_000] {
        assert!(keys(&nested("-(", n, ")")).is_err());
        assert!(keys(&nested("NOT ", n, "")).is_err());
        assert!(keys(&nested("(b ", n, ")")).is_err());
    }
    // A thousand alternatives are ten levels.
    let room = |depth| Room { keys: SEARCH_KEYS_MAX, depth };
    assert!(parse(&many(" OR ", 1000), room(11)).is_ok());
    assert!(parse(&many(" OR ", 1000), room(10)).is_err());
    assert!(parse("a", room(0)).is_err());
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(vec![
            "from:",
            "header:",
            "in:",
            "is:unread",
            "has:attachment",
            "on:2024",
            "older_than:2y",
            "larger:",
            "x:",
            "http://",
            "OR",
            "AND",
            "NOT",
            "-",
            "--",
            "(",
            ")",
            "\"",
            "“",
            "”",
            "\\",
            "=",
            " ",
            " ",
            " ",
            "\t",
            "\u{3000}",
            ":",
            "a",
            "b1",
            "é",
            "\u{301}",
            "\0"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
        any::<String>(),
    ];
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_parses_to_the_same(key in key()) {
        let text = text(&key);
        let found = parse(&text, Room::WHOLE);
        prop_assert_eq!(found.as_ref().map(|(key, _)| key), Ok(&key), "{}", text);
    }

    #[test]
    fn whatever_is_typed_is_understood_or_refused(query in pieces()) {
        match parse(&query, Room::WHOLE) {
            Ok((key, keys)) => {
                prop_assert!(keys > 0);
                let text = text(&key);
                prop_assert_eq!(parse(&text, Room::WHOLE).map(|(key, _)| key), Ok(key), "{}", text);
            }
            Err(error) => {
                prop_assert!((1..=query.chars().count() + 1).contains(&error.at), "{}", error);
                prop_assert!(!error.reason.is_empty());
            }
        }
    }
}
