//! Checks over all families: helpers of their tables of cases, and properties of generated commands and arbitrary bytes.

use proptest::prelude::*;

use super::{parse, print};

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

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }
}
