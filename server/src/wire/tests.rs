//! Checks over all families: helpers of their tables of cases, and properties of generated commands and arbitrary bytes.

use proptest::prelude::*;

use super::fragment::{Event, Fragmenter, Policy};
use super::{generate, parse, print};

/// Each input parses, prints as given, and what was printed parses to the same command.
#[track_caller]
pub fn good(cases: &[(&str, &str)]) {
    for (input, printed) in cases {
        let command =
            parse(format!("t {input}").as_bytes()).unwrap_or_else(|e| panic!("{input:?}: {}", e.reason));
        let bytes = print::print(&command);
        assert_eq!(String::from_utf8_lossy(&bytes), format!("t {printed}"), "{input:?}");
        assert_eq!(parse(&bytes), Ok(command), "{input:?}");
    }
}

/// Each input is refused, with its tag.
#[track_caller]
pub fn bad(cases: &[&str]) {
    for input in cases {
        match parse(format!("t {input}").as_bytes()) {
            Ok(command) => panic!("{input:?} parses as {command:?}"),
            Err(e) => {
                assert!(e.tag.is_some() && e.reason.bytes().all(|b| matches!(b, b' '..=b'~')), "{input:?}")
            }
        }
    }
}

/// Bytes that look like IMAP more often than chance would make them.
fn nearly_imap() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("a ".to_owned()),
        proptest::sample::select(vec![
            "UID ",
            "FETCH ",
            "SEARCH ",
            "STORE ",
            "LIST ",
            "ID ",
            "CREATE ",
            "COPY ",
            "STATUS ",
            "ENABLE ",
            "RETURN ",
            "OR ",
            "NOT ",
            "CHARSET ",
            "HEADER ",
            "FILTER ",
            "GETMETADATA ",
            "SETMETADATA ",
            "DEPTH ",
            "/private/a",
            "BODY",
            "BINARY",
            "BODY.PEEK[",
            "HEADER.FIELDS",
            "ALL",
            "USE",
            "NIL",
            "FLAGS ",
            "BEFORE ",
            "LARGER ",
            "(",
            ")",
            "[",
            "]",
            "<",
            ">",
            "\"",
            "\\",
            "$",
            "*",
            ":",
            ",",
            ".",
            " ",
            "1",
            "0",
            "{3}\r\n",
            "~{3}\r\n",
            "+",
            "-",
            "1-Jan-2000",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    proptest::collection::vec(word, 0..25).prop_map(|w| format!("a {}", w.concat()).into_bytes())
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(command in generate::command()) {
        let bytes = print::print(&command);
        prop_assert_eq!(parse(&bytes), Ok(command), "{}", bytes.escape_ascii());
    }

    /// The fragmenter sees one command in what is printed, its synchronising literals asked for.
    #[test]
    fn what_is_printed_is_one_command(command in generate::command()) {
        let bytes = print::print(&command);
        let mut f = Fragmenter::new(Policy::authenticated());
        f.push(&bytes);
        f.push(b"\r\n");
        loop {
            match f.poll() {
                Event::Continue => {}
                Event::Command(found) => { prop_assert_eq!(found, bytes); break; }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = super::append::parse_start(&bytes, true);
    }

    #[test]
    fn what_parses_prints_and_parses_again(bytes in nearly_imap()) {
        let _ = super::append::parse_start(&bytes, true);
        if let Ok(command) = parse(&bytes) {
            prop_assert_eq!(parse(&print::print(&command)), Ok(command));
        }
    }
}
