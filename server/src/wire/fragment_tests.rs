//! What the fragmenter makes of good, bad and endless input, and that cuts do not matter.

use proptest::prelude::*;

use super::*;

fn small() -> Policy {
    Policy {
        line_bytes_max: 60,
        literal_bytes_max: 30,
        non_synchronising_bytes_max: 20,
        command_bytes_max: 90,
        discard_bytes_max: 200,
    }
}

/// All events of `input` cut at `cuts`; messages are accepted up to 40 bytes and their data joined.
fn events(input: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut f = Fragmenter::new(small());
    let mut out = Vec::new();
    let mut from = 0;
    let mut cuts: Vec<usize> = cuts.iter().map(|&c| c.min(input.len())).collect();
    cuts.push(input.len());
    cuts.sort_unstable();
    for cut in cuts {
        f.push(&input[from..cut]);
        from = cut;
        loop {
            match f.poll() {
                Event::NeedMore => break,
                Event::MessageData(more) => match out.last_mut() {
                    Some(Event::MessageData(data)) => data.extend(more),
                    _ => out.push(Event::MessageData(more)),
                },
                Event::Absurd => {
                    out.push(Event::Absurd);
                    return out;
                }
                Event::AppendLiteral(l) => {
                    if l.size <= 40 {
                        f.accept_message()
                    } else {
                        f.skip_command()
                    }
                    out.push(Event::AppendLiteral(l));
                }
                event => out.push(event),
            }
        }
    }
    out
}

fn command(bytes: &[u8]) -> Event {
    Event::Command(bytes.to_vec())
}
fn tag(t: &str) -> Option<Tag> {
    Tag::new(t.as_bytes())
}
fn message(first: bool, head: &[u8], size: u64, binary: bool, synchronising: bool) -> Event {
    Event::AppendLiteral(MessageLiteral { first, head: head.to_vec(), size, binary, synchronising })
}
fn data(bytes: &[u8]) -> Event {
    Event::MessageData(bytes.to_vec())
}

#[test]
fn finds_the_edges() {
    let too_long = [b"b ".as_slice(), &[b'x'; 80], b"\r\nc NOOP\r\n"].concat();
    let too_long_literal = [b"b ".as_slice(), &[b'x'; 80], b" {4+}\r\nz\r\nz\r\nc NOOP\r\n"].concat();
    let many = b"a X {20+}\r\n01234567890123456789 {20+}\r\n01234567890123456789 {20+}\r\n01234567890123456789 yyyyyyy\r\nb NOOP\r\n";
    let endless = [b"a ".as_slice(), &[b'x'; 300]].concat();
    let cases: Vec<(&[u8], Vec<Event>)> = vec![
        (b"a NOOP\r\nb CHECK\n\r\n", vec![command(b"a NOOP"), command(b"b CHECK"), command(b"")]),
        (b"a LOGIN {1}\r\nx {0+}\r\n\r\nb", vec![Event::Continue, command(b"a LOGIN {1}\r\nx {0+}\r\n")]),
        (b"a X {2+}\r\n}\n\r\n", vec![command(b"a X {2+}\r\n}\n")]),
        (b"a X \"{5}\"\r\n", vec![command(b"a X \"{5}\"")]),
        (
            b"a X {}\r\nb X {-1}\r\nc X {1-}\r\n",
            vec![command(b"a X {}"), command(b"b X {-1}"), command(b"c X {1-}")],
        ),
        // Too large, synchronising: refused before it is sent. The next line is a new command.
        (
            b"a X {31}\r\nb NOOP\r\n",
            vec![Event::TooBig { tag: tag("a"), synchronising: true }, command(b"b NOOP")],
        ),
        // Too large, not synchronising: thrown away with the rest of its command.
        (
            b"a X {21+}\r\nb NOOP\r\nc NOOP\r\n12345 {3+}\r\n\r\n\r y\r\nd NOOP\r\n",
            vec![Event::TooBig { tag: tag("a"), synchronising: false }, command(b"d NOOP")],
        ),
        // The rest of a refused command may end in a literal that was not asked for.
        (
            b"a X {21+}\r\n012345678901234567890 {9}\r\nd NOOP\r\n",
            vec![Event::TooBig { tag: tag("a"), synchronising: false }, command(b"d NOOP")],
        ),
        (
            b"a setmetadata \"\" (/private/a {99}\r\nb NOOP\r\n",
            vec![Event::ValueTooBig { tag: tag("a") }, command(b"b NOOP")],
        ),
        (many, vec![Event::TooBig { tag: tag("a"), synchronising: false }, command(b"b NOOP")]),
        (b"a X {999+}\r\nb NOOP\r\n", vec![Event::Absurd]),
        (b"a X {99999999999999999999+}\r\nb NOOP\r\n", vec![Event::Absurd]),
        (
            b"a X {99999999999999999999}\r\nb NOOP\r\n",
            vec![Event::TooBig { tag: tag("a"), synchronising: true }, command(b"b NOOP")],
        ),
        (&too_long, vec![Event::LineTooLong { tag: tag("b") }, command(b"c NOOP")]),
        (&too_long_literal, vec![Event::LineTooLong { tag: tag("b") }, command(b"c NOOP")]),
        (&endless, vec![Event::Absurd]),
        // APPEND.
        (
            b"a APPEND x {3}\r\na\0b\r\n",
            vec![
                message(true, b"a APPEND x ", 3, false, true),
                data(b"a\0b"),
                Event::MessageEnd,
                Event::AppendEnd(vec![]),
            ],
        ),
        (
            b"a append {1}\r\nx (\\Seen) ~{3+}\r\nabc {0+}\r\n \r\nb NOOP\r\n",
            vec![
                Event::Continue,
                message(true, b"a append {1}\r\nx (\\Seen) ", 3, true, false),
                data(b"abc"),
                Event::MessageEnd,
                message(false, b" ", 0, false, false),
                Event::MessageEnd,
                Event::AppendEnd(b" ".to_vec()),
                command(b"b NOOP"),
            ],
        ),
        (
            b"a APPEND x UTF8 (~{1+}\r\nz)\r\n",
            vec![
                message(true, b"a APPEND x UTF8 (", 1, true, false),
                data(b"z"),
                Event::MessageEnd,
                Event::AppendEnd(b")".to_vec()),
            ],
        ),
        // Refused: not asked for, or thrown away.
        (
            b"a APPEND x {41}\r\nb NOOP\r\n",
            vec![message(true, b"a APPEND x ", 41, false, true), command(b"b NOOP")],
        ),
        (
            b"a APPEND x {41+}\r\n01234567890123456789012345678901234567890 {2+}\r\n\r\n\r\nb NOOP\r\n",
            vec![message(true, b"a APPEND x ", 41, false, false), command(b"b NOOP")],
        ),
        (
            b"a APPEND x {201+}\r\nb NOOP\r\n",
            vec![message(true, b"a APPEND x ", 201, false, false), Event::Absurd],
        ),
        (
            b"a APPEND x\r\nb APPENDX y {1+}\r\nz\r\n",
            vec![command(b"a APPEND x"), command(b"b APPENDX y {1+}\r\nz")],
        ),
        (b"a SEARCH APPEND x {1+}\r\nz\r\n", vec![command(b"a SEARCH APPEND x {1+}\r\nz")]),
    ];
    for (input, mut want) in cases {
        // The offer of an absurd message is not made.
        if want.last() == Some(&Event::Absurd) {
            want = vec![Event::Absurd];
        }
        let shown = input.escape_ascii().to_string();
        assert_eq!(events(input, &[]), want, "{shown}");
        let every: Vec<usize> = (0..input.len()).collect();
        assert_eq!(events(input, &every), want, "byte by byte: {shown}");
    }
}

#[test]
fn lines_out_of_commands() {
    let mut f = Fragmenter::new(small());
    f.push(b"a IDLE\r\nDONE\r\nb X {1+}\r\nz\r\n");
    assert_eq!(f.poll(), command(b"a IDLE"));
    f.expect_line();
    assert_eq!(f.poll(), Event::Line(b"DONE".to_vec()));
    assert_eq!(f.poll(), command(b"b X {1+}\r\nz"));
    f.expect_line();
    f.push(b"{3+}\r\n");
    assert_eq!(f.poll(), Event::Line(b"{3+}".to_vec()));
    f.expect_line();
    f.push(&[b'x'; 70]);
    assert_eq!(f.poll(), Event::NeedMore);
    f.push(b"\r\nc NOOP\r\n");
    assert_eq!(f.poll(), Event::LineTooLong { tag: None });
    assert_eq!(f.poll(), command(b"c NOOP"));
}

#[test]
fn a_failed_message_is_thrown_away_with_the_rest_of_its_command() {
    let mut f = Fragmenter::new(small());
    f.push(b"a APPEND x {9}\r\n");
    assert!(matches!(f.poll(), Event::AppendLiteral(_)));
    f.accept_message();
    f.push(b"0123");
    assert_eq!(f.poll(), data(b"0123"));
    f.skip_command();
    f.push(b"45678 (\\Seen) {3+}\r\nabc\r\nb NOOP\r\n");
    assert_eq!(f.poll(), command(b"b NOOP"));
    // After a whole message, too.
    f.push(b"c APPEND x {1+}\r\nz {3+}\r\nabc\r\nd NOOP\r\n");
    assert!(matches!(f.poll(), Event::AppendLiteral(_)));
    f.accept_message();
    assert_eq!(f.poll(), data(b"z"));
    assert_eq!(f.poll(), Event::MessageEnd);
    f.skip_command();
    assert_eq!(f.poll(), command(b"d NOOP"));
}

#[test]
fn hands_over_what_was_not_consumed() {
    let mut f = Fragmenter::new(small());
    f.push(b"a LOGIN b c\r\nd SELECT e\r\nf");
    assert_eq!(f.poll(), command(b"a LOGIN b c"));
    assert!(f.is_between_commands());
    assert_eq!(f.take_buffered(), b"d SELECT e\r\nf");
    assert_eq!(f.poll(), Event::NeedMore);
}

#[test]
fn idle_holds_little_memory() {
    let mut f = Fragmenter::new(Policy::authenticated());
    f.push(&[b"a X {50000+}\r\n".as_slice(), &[b'x'; 50_000], b"\r\n"].concat());
    assert!(matches!(f.poll(), Event::Command(_)));
    assert_eq!(f.poll(), Event::NeedMore);
    assert!(f.buffer.capacity() + f.collected.capacity() <= IDLE_CAPACITY_BYTES_MAX);
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"a NOOP\r\n".to_vec()),
        Just(b"b APPEND x ".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"UTF8 (~".to_vec()),
        (0u32..70).prop_map(|n| format!("{{{n}}}\r\n").into_bytes()),
        (0u32..250).prop_map(|n| format!("{{{n}+}}\r\n").into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..12),
        (0usize..80).prop_map(|n| vec![b'x'; n]),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|p| p.concat())
}

proptest! {
    #[test]
    fn cuts_do_not_matter(input in pieces(), cuts in proptest::collection::vec(0usize..400, 0..8)) {
        let whole = events(&input, &[]);
        prop_assert_eq!(&events(&input, &cuts), &whole);
        let every: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(&events(&input, &every), &whole);
    }

    #[test]
    fn memory_stays_within_the_policy(input in pieces()) {
        let mut f = Fragmenter::new(small());
        for byte in input {
            f.push(&[byte]);
            while !matches!(f.poll(), Event::NeedMore | Event::Absurd) {}
            let held = f.buffer.len() - f.start + f.collected.len();
            prop_assert!(held <= small().command_bytes_max + small().line_bytes_max, "{held}");
        }
    }
}
