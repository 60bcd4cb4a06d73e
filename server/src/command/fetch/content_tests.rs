//! Any section of any message, whole or partial, is a slice of its raw bytes or what a plain decoder makes of one.

use std::num::{NonZeroU32, NonZeroU64};

use futures_lite::future::block_on;
use proptest::prelude::*;
use trawl_index::mime::transfer;

use super::super::fields::FieldSelector;
use super::super::plan::Item;
use super::super::transform::testing::run;
use super::*;
use crate::wire::ast::{FetchItem, Part, Partial, Section, SectionText, SeenMode};

/// A message in memory; `fails_at` stands for damage.
struct Memory {
    message: Vec<u8>,
    fails_at: Option<u64>,
    largest_read: usize,
}

impl Bytes for Memory {
    async fn read(&mut self, start: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        self.largest_read = self.largest_read.max(len);
        if self.fails_at.is_some_and(|at| (start..start + len as u64).contains(&at)) {
            let address = Address { segment: 1, offset: 4096 };
            let source = std::sync::Arc::new(std::io::Error::other("made up by the test"));
            return Err(ReadError::Io { address, source });
        }
        let end = (start as usize + len).min(self.message.len());
        Ok(self.message[(start as usize).min(end)..end].to_vec())
    }
}

fn open(message: &[u8]) -> OpenMessage<Memory> {
    let bytes = Memory { message: message.to_vec(), fails_at: None, largest_read: 0 };
    OpenMessage { summary: Rc::new(Summary::build(message)), bytes }
}

fn part(path: &[u32]) -> Part {
    Part(path.iter().filter_map(|n| NonZeroU32::new(*n)).collect())
}

fn section(path: &[u32], text: SectionText, partial: Option<Partial>) -> ContentItem {
    let section = Section { part: part(path), text };
    match Item::of(&FetchItem::Section { mode: SeenMode::Peeks, section, partial }) {
        Item::Content(content) => content,
        other => panic!("{other:?}"),
    }
}

fn binary(path: &[u32], partial: Option<Partial>) -> ContentItem {
    match Item::of(&FetchItem::Binary { mode: SeenMode::Peeks, part: part(path), partial }) {
        Item::Content(content) => content,
        other => panic!("{other:?}"),
    }
}

fn partial(start: u64, length: u64) -> Option<Partial> {
    Some(Partial { start, length: NonZeroU64::new(length).unwrap() })
}

/// Writes an item while a client reads.
fn write(
    message: &mut OpenMessage<Memory>,
    item: &ContentItem,
) -> (Result<Result<(), Omitted>, Refusal>, Vec<u8>) {
    let out = Output::new();
    let mut answer = Vec::new();
    let read = async {
        loop {
            answer.extend(out.write_with(|bytes| (bytes.len(), bytes.to_vec())));
            yield_now().await;
        }
    };
    let written = block_on(futures_lite::future::or(message.write(&out, b"(", item), read));
    answer.extend(out.take_pending());
    (written, answer)
}

/// The value that is answered: `None` is NIL; the flag says that it came as a literal8.
fn fetch(message: &mut OpenMessage<Memory>, item: &ContentItem) -> Result<Option<(Vec<u8>, bool)>, Omitted> {
    let (written, answer) = write(message, item);
    written.unwrap()?;
    let rest = answer.strip_prefix(&[b"(", &item.label[..], b" "].concat()[..]).expect("label");
    if rest == b"NIL" {
        return Ok(None);
    }
    if rest == b"\"\"" {
        return Ok(Some((Vec::new(), false)));
    }
    let nul = rest.starts_with(b"~");
    let rest = rest.strip_prefix(b"~").unwrap_or(rest);
    let end = rest.iter().position(|byte| *byte == b'\n').expect("the end of the literal's line");
    let len: usize = std::str::from_utf8(&rest[1..end - 2]).unwrap().parse().unwrap();
    let value = &rest[end + 1..];
    assert_eq!((rest[0], &rest[end - 2..end], len), (b'{', &b"}\r"[..], value.len()), "literal");
    Ok(Some((value.to_vec(), nul)))
}

fn shown(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == 0 { 0x80 } else { *byte }).collect()
}

fn cut(bytes: &[u8], partial: Option<Partial>) -> &[u8] {
    let range = clip(0..bytes.len() as u64, partial);
    &bytes[range.start as usize..range.end as usize]
}

const NESTED: &[u8] = b"From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n\
--x\r\nContent-Type: text/plain\r\n\r\nfirst\r\n\
--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nX: y\r\n\r\ninner text\r\n\
--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n/w==\r\n\
--x\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: x-odd\r\n\r\n?\r\n--x--\r\n";

#[test]
fn sections_of_a_nested_message() {
    let mut message = open(NESTED);
    let mut text = |path: &[u32], text| {
        let value = fetch(&mut message, &section(path, text, None)).unwrap();
        value.map(|(value, _)| String::from_utf8(value).unwrap())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(text(&[1], SectionText::Whole), some("first"));
    assert_eq!(text(&[1], SectionText::Mime), some("Content-Type: text/plain\r\n\r\n"));
    assert_eq!(text(&[2], SectionText::Whole), some("Subject: in\r\nX: y\r\n\r\ninner text"));
    assert_eq!(text(&[2], SectionText::Header), some("Subject: in\r\nX: y\r\n\r\n"));
    assert_eq!(text(&[2], SectionText::Text), some("inner text"));
    assert_eq!(text(&[2, 1], SectionText::Whole), some("inner text"));
    assert_eq!(text(&[2], SectionText::HeaderFields(vec![b"x".to_vec()])), some("X: y\r\n\r\n"));
    assert_eq!(text(&[2], SectionText::HeaderFieldsNot(vec![b"x".to_vec()])), some("Subject: in\r\n\r\n"));
    assert_eq!(text(&[1], SectionText::Header), None);
    assert_eq!(text(&[9], SectionText::Whole), None);
    let top = text(&[], SectionText::HeaderFields(vec![b"FROM".to_vec()]));
    assert_eq!(top, some("From: a@b\r\n\r\n"));
}

#[test]
fn binary_decodes_and_keeps_nul() {
    let mut message = open(NESTED);
    assert_eq!(fetch(&mut message, &binary(&[3], None)), Ok(Some((vec![0, 1, 2, 255], true))));
    assert_eq!(fetch(&mut message, &binary(&[3], partial(1, 2))), Ok(Some((vec![1, 2], false))));
    assert_eq!(fetch(&mut message, &binary(&[3], partial(9, 2))), Ok(Some((Vec::new(), false))));
    assert_eq!(block_on(message.binary_size(&[3])), Ok(4));
    assert_eq!(fetch(&mut message, &binary(&[4], None)), Err(Omitted::UnknownEncoding));
    assert_eq!(block_on(message.binary_size(&[4])), Err(Omitted::UnknownEncoding));
    assert_eq!(fetch(&mut message, &binary(&[8], None)), Ok(None));
}

#[test]
fn nul_is_shown_in_body_and_exact_in_binary() {
    let raw = b"A: b\r\n\r\nx\0y\r\n";
    let mut message = open(raw);
    let body = section(&[], SectionText::Whole, None);
    assert_eq!(fetch(&mut message, &body), Ok(Some((shown(raw), false))));
    assert_eq!(fetch(&mut message, &binary(&[1], None)), Ok(Some((b"x\0y\r\n".to_vec(), true))));
}

#[test]
fn a_large_part_is_answered_in_pieces() {
    let mut raw = b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec();
    for _ in 0..20_000 {
        raw.extend_from_slice(b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVow\r\n");
    }
    let mut message = open(&raw);
    let plain: Vec<u8> = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0".repeat(20_000);
    assert_eq!(fetch(&mut message, &binary(&[1], None)), Ok(Some((plain.clone(), false))));
    assert_eq!(block_on(message.binary_size(&[1])), Ok(plain.len() as u64));
    let middle = partial(300_001, 77_777);
    assert_eq!(fetch(&mut message, &binary(&[1], middle)), Ok(Some((cut(&plain, middle).to_vec(), false))));
    let whole = section(&[], SectionText::Whole, None);
    assert_eq!(fetch(&mut message, &whole), Ok(Some((raw, false))));
    assert!(message.bytes.largest_read <= FETCH_PIECE_BYTES);
}

#[test]
fn damage_leaves_an_item_out_or_ends_the_connection() {
    let raw = [b"A: b\r\n\r\n".to_vec(), vec![b'x'; 3 * FETCH_PIECE_BYTES]].concat();
    let mut message = open(&raw);
    let whole = section(&[], SectionText::Whole, None);
    message.bytes.fails_at = Some(0);
    let (written, answer) = write(&mut message, &whole);
    assert!(matches!(written, Ok(Err(Omitted::Damaged(_)))));
    assert!(answer.is_empty(), "nothing of the item was written");
    message.bytes.fails_at = Some(2 * FETCH_PIECE_BYTES as u64);
    let refusal = write(&mut message, &whole).0.unwrap_err();
    assert_eq!(refusal.kind, crate::response::status::RefusalKind::Bye);
}

/// Messages with parts, nested ones, odd line ends and NULs.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::collection::vec(
        prop_oneof![
            Just("line\r\n"),
            Just("x"),
            Just("\0"),
            Just("é"),
            Just("\n"),
            Just("--b"),
            Just("A: b\r\n"),
            Just("=41=\r\n")
        ],
        0..8,
    )
    .prop_map(|pieces| pieces.concat().into_bytes());
    let encoding = prop_oneof![
        Just(""),
        Just("Content-Transfer-Encoding: base64\r\n"),
        Just("Content-Transfer-Encoding: quoted-printable\r\n"),
        Just("Content-Transfer-Encoding: odd\r\n"),
    ];
    let leaf = (encoding, text)
        .prop_map(|(encoding, text)| [b"X: y\r\n", encoding.as_bytes(), b"\r\n", &text].concat());
    leaf.prop_recursive(3, 12, 3, |entity| {
        prop_oneof![
            (prop::collection::vec(entity.clone(), 1..4), 0u32..1000).prop_map(|(parts, boundary)| {
                let mut whole =
                    format!("S: t\r\nContent-Type: multipart/mixed; boundary=\"b{boundary}\"\r\n\r\n")
                        .into_bytes();
                for part in parts {
                    whole.extend_from_slice(format!("\r\n--b{boundary}\r\n").as_bytes());
                    whole.extend_from_slice(&part);
                }
                whole.extend_from_slice(format!("\r\n--b{boundary}--\r\n").as_bytes());
                whole
            }),
            entity.prop_map(|inner| [b"Content-Type: message/rfc822\r\n\r\n".to_vec(), inner].concat()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn sections_are_slices_of_the_message(
        raw in any_message(), start in 0u64..300, length in 1u64..300, whole in any::<bool>(),
    ) {
        let range = if whole { None } else { partial(start, length) };
        let mut message = open(&raw);
        let summary = message.summary.clone();
        let mut expect = |item: &ContentItem, want: &[u8]| {
            let got = fetch(&mut message, item);
            let shown = shown(cut(want, item.partial));
            prop_assert_eq!(got, Ok(Some((shown, false))), "{}", String::from_utf8_lossy(&item.label));
            Ok(())
        };
        let header = summary.header_len as usize;
        expect(&section(&[], SectionText::Whole, range), &raw)?;
        expect(&section(&[], SectionText::Header, range), &raw[..header])?;
        expect(&section(&[], SectionText::Text, range), &raw[header..])?;
        let slice = |range: &Range<u32>| &raw[range.start as usize..range.end as usize];
        for part in &summary.parts {
            expect(&section(&part.path, SectionText::Whole, range), slice(&part.body))?;
            expect(&section(&part.path, SectionText::Mime, range), slice(&part.mime))?;
            if let Some(nested) = &part.message {
                expect(&section(&part.path, SectionText::Header, range), slice(&nested.header))?;
                expect(&section(&part.path, SectionText::Text, range), slice(&nested.text))?;
                for keep in [Keep::Named, Keep::Others] {
                    let names = vec![b"x".to_vec()];
                    let selector = FieldSelector::new(&names, keep, !nested.text.is_empty());
                    let want = run(selector, slice(&nested.header), usize::MAX);
                    let text = match keep {
                        Keep::Named => SectionText::HeaderFields(names.clone()),
                        Keep::Others => SectionText::HeaderFieldsNot(names.clone()),
                    };
                    expect(&section(&part.path, text, range), &want)?;
                }
            }
        }
        for part in &summary.parts {
            let got = fetch(&mut message, &binary(&part.path, range));
            if part.encoding == Encoding::Unknown {
                prop_assert_eq!(got, Err(Omitted::UnknownEncoding));
                continue;
            }
            let mut want = transfer::decode(slice(&part.body), part.encoding);
            if part.text {
                want = run(CrlfLines::default(), &want, usize::MAX);
            }
            let size = block_on(message.binary_size(&part.path));
            prop_assert_eq!(size, Ok(want.len() as u64));
            let want = cut(&want, range).to_vec();
            let nul = want.contains(&0);
            prop_assert_eq!(got, Ok(Some((want, nul))));
        }
    }
}
