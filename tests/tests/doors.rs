//! Hostile bytes at every door, a small seeded corpus with each run of the tests; `tests/fuzz` goes on from there.

use rand::prelude::*;
use trawl_index::document::Kind;
use trawl_tests::fuzz;

const SEED: u64 = 0x7261_776c;
const ROUNDS: usize = 400;

const COMMANDS: &[&[u8]] = &[
    b"a LOGIN fred {4+}\r\npass\r\nb SELECT INBOX\r\n",
    b"a APPEND INBOX (\\Seen) \" 1-Jan-2020 00:00:00 +0000\" {12+}\r\nSubject: x\r\n (\\Draft) ~{3+}\r\na\0b\r\nb NOOP\r\n",
    b"a APPEND {5}\r\nINBOX UTF8 (~{3}\r\nabc)\r\n",
    b"a UID SEARCH RETURN (MIN COUNT) CHARSET UTF-8 OR (TEXT \"x\" NOT SEEN) HEADER Message-ID {3+}\r\n<a>\r\n",
    b"a FETCH 1:*,5 (BODY.PEEK[1.2.HEADER.FIELDS.NOT (A \"B\")]<0.5> BINARY.SIZE[3] ENVELOPE)\r\n",
    b"a SEARCH OR NOT X-TRAWL-QUERY \"from:a -(b OR in:\\\"c d\\\")\" X-TRAWL-QUERY {14+}\r\nhas:attachment\r\n",
    b"a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (a% &AOk-*) RETURN (CHILDREN STATUS (MESSAGES SIZE))\r\n",
    b"a STORE $ +FLAGS.SILENT (\\Deleted $Junk)\r\nb UID MOVE 3:1 \"a b\"\r\nc ID (\"name\" NIL)\r\n",
];

const MESSAGES: &[&[u8]] = &[
    b"From: a@b\r\nSubject: =?utf-8?q?x?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--b--\r\n",
    b"Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+6Q==\r\n",
    b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: a/b; name*0*=utf-8''%e2; name*1=\"x\"\r\nContent-Disposition: inline; filename=\"=?utf-8?q?=C3=BC?=\"\r\n\r\n--b--\r\n",
    b"To: a:b,c;,\"d\\\"\" <e@f>(g(h))\r\nDate: Mon, 31 Feb 2020 25:00 +9999\r\n\r\n",
];

const QUERIES: &[&[u8]] = &[
    b"from:anna OR to:\"b c\" -(subject:x has:attachment) NOT in:trash AND filename:pdf",
    b"header:x-a=\"b\" older_than:2y on:2024-02 larger:10M is:unread keyword:$Junk http://x 10:30",
    "“food cart” -„größe“ list:\"\" before:2024/05".as_bytes(),
];

/// Bytes that mean something to a parser.
const ODD: &[u8] = b"\r\n(){}\"\\*%~+<>[]\0=-:;,.";

/// Seeds with bytes changed, taken out, doubled, and tails exchanged.
fn mutants(seeds: &[&[u8]], random: &mut StdRng) -> Vec<u8> {
    let pick = |random: &mut StdRng| seeds[random.random_range(0..seeds.len())].to_vec();
    let mut bytes = pick(random);
    for _ in 0..random.random_range(0..8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..5) {
            0 => bytes[at] = random.random(),
            1 => {
                bytes.remove(at);
            }
            2 => bytes.insert(at, ODD[random.random_range(0..ODD.len())]),
            3 => {
                let other = pick(random);
                let from = random.random_range(0..other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let part = bytes[at..].to_vec();
                bytes.extend(part);
            }
        }
    }
    bytes
}

fn run(door: fn(&[u8]), seeds: &[&[u8]]) {
    for seed in seeds {
        door(seed);
    }
    for round in 0..ROUNDS {
        let seed = SEED.wrapping_add(round as u64);
        let bytes = mutants(seeds, &mut StdRng::seed_from_u64(seed));
        let survived = std::panic::catch_unwind(|| door(&bytes)).is_ok();
        assert!(survived, "seed {seed:#x}: {}", bytes.escape_ascii());
    }
}

#[test]
fn commands() {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for cut in [0u8, 1, 7, 255] {
        seeds.extend(COMMANDS.iter().map(|c| [&[cut], *c].concat()));
    }
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    run(fuzz::commands, &seeds);
}

#[test]
fn queries() {
    run(fuzz::query, QUERIES);
}

#[test]
fn messages() {
    run(fuzz::message, MESSAGES);
}

#[test]
fn documents() {
    let seeds: [&[u8]; 8] = [
        include_bytes!("../../index/tests/documents/hand.pdf"),
        include_bytes!("../../index/tests/documents/composite.pdf"),
        include_bytes!("../../index/tests/documents/letter.docx"),
        include_bytes!("../../index/tests/documents/sheet.xlsx"),
        include_bytes!("../../index/tests/documents/letter.fodt"),
        include_bytes!("../../index/tests/documents/hand.rtf"),
        b"<title>x</title><p>a<table><td>b&eacute;",
        b"\xff\xfea\0b\0",
    ];
    let kinds = [Kind::Pdf, Kind::Pdf, Kind::Docx, Kind::Xlsx, Kind::Odt, Kind::Rtf, Kind::Html, Kind::Plain];
    let seeds: Vec<Vec<u8>> =
        seeds.iter().zip(kinds).map(|(seed, kind)| [&[kind.code()], *seed].concat()).collect();
    run(fuzz::document, &seeds.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn summaries() {
    let encoded: Vec<Vec<u8>> =
        MESSAGES.iter().map(|m| trawl_index::summary::Summary::build(m).encode()).collect();
    run(fuzz::summary, &encoded.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn records() {
    run(
        fuzz::record,
        &[&[0; 64], &[0xff; 64], b"TRAWL\0\0\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    );
}
