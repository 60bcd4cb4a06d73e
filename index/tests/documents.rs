//! Documents of every kind that is read, each beside what its text is; and what damage, bombs and depth do to them.
//!
//! The files in `documents/` were written for these tests, by LibreOffice, ReportLab, Skia, Typst, qpdf and by hand.
#![allow(clippy::unwrap_used, reason = "a file of a test that cannot be read or made is the end of the test")]

use std::io::Write;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use trawl_index::document::{Failure, Kind, Limits, Text, text};
use trawl_index::limits::{DOCUMENT_ENTRIES_MAX, DOCUMENT_RTF_DEPTH_MAX};
use zip::write::SimpleFileOptions;

/// Numbers that depend on the seed alone (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents")
}

/// Every document with its kind by its name.
fn documents() -> Vec<(String, Kind, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".expected") {
            let kind = Kind::of("application/octet-stream", Some(&name)).unwrap_or_else(|| panic!("{name}"));
            all.push((name, kind, std::fs::read(&path).unwrap()));
        }
    }
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() > 15);
    all
}

fn read(kind: Kind, content: &[u8]) -> Result<Text, Failure> {
    text(kind, None, content, &Limits::default())
}

fn whole(text: &str) -> Result<Text, Failure> {
    Ok(Text { text: text.into(), cut: false })
}

/// An archive of these entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A word processor's document with this body.
fn docx(body: &str) -> Vec<u8> {
    let document = format!("<w:document xmlns:w='w'><w:body>{body}</w:body></w:document>");
    archive(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", document.as_bytes())])
}

#[test]
fn every_document_has_its_text() {
    for (name, kind, content) in documents() {
        let found = match read(kind, &content) {
            Ok(Text { text, cut: false }) => text,
            Ok(Text { text, cut: true }) => format!("(cut) {text}"),
            Err(failure) => format!("({failure})"),
        };
        let expected = std::fs::read_to_string(folder().join(format!("{name}.expected"))).unwrap_or_default();
        assert_eq!(found, expected.trim_end_matches('\n'), "{name}");
    }
}

#[test]
fn what_a_file_is_counts_more_than_what_it_is_called() {
    for (name, kind, content) in documents() {
        let others: &[Kind] = match kind {
            Kind::Pdf | Kind::Rtf => &[Kind::Docx, Kind::Ods, Kind::Other],
            _ if name.ends_with(".fodt") => &[Kind::Ods],
            _ => &[Kind::Xlsx, Kind::Odp, Kind::Pdf, Kind::Other],
        };
        for other in others {
            assert_eq!(read(*other, &content), read(kind, &content), "{name} as {other:?}");
        }
    }
    assert_eq!(read(Kind::Other, b"anything"), Err(Failure::Unsupported));
    assert_eq!(read(Kind::Docx, &archive(&[("a.txt", b"a")])), Err(Failure::Unsupported));
}

#[test]
fn runs_of_a_word_processor() {
    for (body, expected) in [
        ("<w:p><w:r><w:t>one</w:t></w:r><w:r><w:t xml:space='preserve'> two</w:t></w:r></w:p>", "one two"),
        (
            "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/></w:r></w:p>",
            "a\tb\nc-",
        ),
        ("<w:p><w:pPr><w:tabs><w:tab w:val='left'/></w:tabs></w:pPr><w:r><w:t>x</w:t></w:r></w:p>", "x"),
        (
            "<w:p><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>",
            "new",
        ),
        ("<w:p><w:moveFrom><w:r><w:t>there</w:t></w:r></w:moveFrom><w:r><w:t>here</w:t></w:r></w:p>", "here"),
        (
            "<mc:AlternateContent><mc:Choice><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Choice><mc:Fallback><w:p><w:r>\
             <w:t>box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent>",
            "box",
        ),
        (
            "<w:p><w:r><w:instrText>HYPERLINK</w:instrText></w:r><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>",
            "link",
        ),
        (
            "<w:p><w:r><w:drawing><wp:docPr id='1' descr='A &lt;chart&gt;'/></w:drawing></w:r></w:p>",
            "A <chart>",
        ),
        ("<w:p><w:r><w:t>R&amp;D &#8364; &#x2014; &nbsp;</w:t></w:r></w:p>", "R&D € — "),
        (
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>1</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>2</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            "1\n2",
        ),
        ("", ""),
    ] {
        assert_eq!(read(Kind::Docx, &docx(body)), whole(expected), "{body}");
    }
}

#[test]
fn cells_of_a_workbook() {
    let content = archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", b"<Relationships><Relationship Id='1' Type='http://x/officeDocument' Target='/XL/Book.xml'/></Relationships>"),
        ("xl/book.xml", b"<workbook><sheets><sheet name='Second' r:id='r2'/><sheet name='First' r:id='r1'/></sheets></workbook>"),
        (
            "xl/_rels/book.xml.rels",
            b"<Relationships><Relationship Id='r1' Type='t/worksheet' Target='worksheets/a.xml'/><Relationship Id='r2' Type='t/worksheet' Target='worksheets/b.xml'/></Relationships>",
        ),
        ("xl/sharedStrings.xml", "<sst><si><t>zero</t></si><si><r><t>o</t></r><r><t>ne</t></r><rPh><t>wan</t></rPh></si></sst>".as_bytes()),
        (
            "xl/worksheets/a.xml",
            b"<worksheet><row><c t='s'><v>1</v></c><c><f>A1*2</f><v>4.5</v></c><c t='b'><v>1</v></c><c t='s'><v>99</v></c></row><row><c t='inlineStr'><is><t>in</t><t>line</t></is></c></row></worksheet>",
        ),
        ("xl/worksheets/b.xml", b"<worksheet><row><c t='str'><v>text</v></c><c/><c t='s'><v>0</v></c></row></worksheet>"),
    ]);
    assert_eq!(read(Kind::Xlsx, &content), whole("Second\ntext\tzero\nFirst\none\t4.5\tTRUE\ninline"));
}

#[test]
fn plain_text_and_html_in_their_charsets() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (kind, hint, content, expected) in [
        (Kind::Plain, None, b"gr\xc3\xbc\xc3\x9fe\n".to_vec(), "grüße\n"),
        (Kind::Plain, None, b"gr\xfc\xdfe".to_vec(), "grüße"),
        (Kind::Plain, Some("koi8-r"), b"\xcd\xc9\xd2".to_vec(), "мир"),
        (Kind::Plain, Some("koi8-r"), b"\xef\xbb\xbf\xc3\xa9".to_vec(), "é"),
        (Kind::Plain, Some("x-nothing"), b"\xc3\xa9".to_vec(), "é"),
        (Kind::Plain, None, utf16("\u{feff}marked"), "marked"),
        (Kind::Plain, None, utf16("not marked, but evident"), "not marked, but evident"),
        (Kind::Html, None, b"<title>T</title><p>a<b>b</b><p>c<script>x</script>".to_vec(), "ab  c\nT"),
        (Kind::Html, None, b"<meta charset=windows-1251><p>\xcc\xe8\xf0".to_vec(), "Мир"),
    ] {
        assert_eq!(text(kind, hint, &content, &Limits::default()), whole(expected), "{expected}");
    }
    let binary: Vec<u8> = (0..=255).cycle().take(5000).collect();
    assert_eq!(read(Kind::Plain, &binary), Err(Failure::Unsupported));
    assert_eq!(read(Kind::Plain, b""), whole(""));
}

#[test]
fn passwords_are_told_from_damage() {
    let mut compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    assert_eq!(read(Kind::Docx, &compound), Err(Failure::Unsupported));
    compound.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(read(Kind::Docx, &compound), Err(Failure::Encrypted));
    let manifest = b"<manifest:manifest><manifest:encryption-data/></manifest:manifest>";
    let odt = archive(&[("content.xml", b"\x12\x34"), ("META-INF/manifest.xml", manifest)]);
    assert_eq!(read(Kind::Odt, &odt), Err(Failure::Encrypted));
    for kind in [Kind::Docx, Kind::Odt, Kind::Pdf, Kind::Rtf] {
        assert_eq!(read(kind, b""), Err(Failure::Damaged), "{kind:?}");
        assert_eq!(read(kind, b"nothing of the kind"), Err(Failure::Damaged), "{kind:?}");
    }
}

#[test]
fn text_is_cut_at_its_limit() {
    for (name, kind, content) in documents() {
        let Ok(all) = read(kind, &content) else { continue };
        for text_bytes_max in [0, 1, 10, 50, all.text.len() - 1] {
            let cut = text(kind, None, &content, &Limits { text_bytes_max });
            match cut {
                Ok(Text { text, cut: true }) => {
                    assert!(text.len() <= text_bytes_max, "{name}");
                    assert!(all.text.starts_with(&text), "{name}: {text:?}");
                }
                Err(Failure::TooLarge(_)) => assert_eq!(text_bytes_max, 0, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        let exact = Limits { text_bytes_max: all.text.len() };
        assert_eq!(text(kind, None, &content, &exact), Ok(all), "{name}");
    }
}

/// Reads what may be damaged: whatever comes of it, it keeps to the limits and does not panic.
fn survives(name: &str, kind: Kind, content: &[u8]) {
    let limits = Limits { text_bytes_max: 100_000 };
    let result = catch_unwind(|| text(kind, None, content, &limits));
    let result = result.unwrap_or_else(|_| panic!("{name} panics"));
    if let Ok(text) = result {
        assert!(text.text.len() <= limits.text_bytes_max, "{name}");
    }
}

#[test]
fn no_truncation_panics_or_hangs() {
    for (name, kind, content) in documents() {
        let step = (content.len() / 150).max(1);
        for end in (1..content.len()).step_by(step) {
            survives(&format!("{name} cut at {end}"), kind, &content[..end]);
        }
    }
}

#[test]
fn no_change_of_octets_panics_or_hangs() {
    for (name, kind, content) in documents() {
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let mut content = content.clone();
            for _ in 0..=random.below(20) {
                let at = random.below(content.len());
                content[at] = random.next() as u8;
            }
            survives(&format!("{name} with seed {seed}"), kind, &content);
        }
    }
}

#[test]
fn what_is_left_of_a_damaged_document_is_read() {
    // A part that ends in the middle, in an archive that does not.
    let half =
        b"<w:document><w:body><w:p><w:r><w:t>first</w:t></w:r></w:p><w:p><w:r><w:t>sec</w:t </w:document>";
    let rest = b"<w:ftr><w:p><w:r><w:t>foot</w:t></w:r></w:p></w:ftr>";
    let content = archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", half),
        ("word/footer1.xml", rest),
    ]);
    let Ok(found) = read(Kind::Docx, &content) else { panic!() };
    assert!(found.text.starts_with("first\nsec") && found.text.ends_with("foot"), "{found:?}");
    let letter = std::fs::read(folder().join("letter.pdf")).unwrap();
    // Without its table of contents a PDF is searched for objects.
    let Ok(found) = read(Kind::Pdf, &letter[..letter.len() - 600]) else { panic!() };
    assert!(found.text.contains("Last words."), "{found:?}");
}

#[test]
fn bombs_are_cut_short() {
    let zeros = vec![b' '; 8 << 20];
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("[Content_Types].xml", SimpleFileOptions::default()).unwrap();
    zip.start_file("word/document.xml", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"<w:document><w:p><w:r><w:t>begin</w:t></w:r></w:p>").unwrap();
    for _ in 0..80 {
        zip.write_all(b"<a>").unwrap();
        zip.write_all(&zeros).unwrap();
        zip.write_all(b"</a>").unwrap();
    }
    let content = zip.finish().unwrap().into_inner();
    assert!(content.len() < 2 << 20);
    assert_eq!(read(Kind::Docx, &content), Ok(Text { text: "begin".into(), cut: true }));

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for n in 0..=DOCUMENT_ENTRIES_MAX {
        zip.start_file(format!("{n}"), SimpleFileOptions::default()).unwrap();
    }
    let content = zip.finish().unwrap().into_inner();
    assert_eq!(read(Kind::Docx, &content), Err(Failure::TooLarge("entries")));

    let laughs = "<!DOCTYPE w [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]><w:document><w:p><w:t>&b;.</w:t></w:p></w:document>";
    let content = archive(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", laughs.as_bytes())]);
    assert_eq!(read(Kind::Docx, &content), whole("."));
}

#[test]
fn depth_is_no_stack() {
    let deep = "<w:p>".repeat(100_000);
    assert_eq!(
        read(Kind::Docx, &docx(&format!("<w:p><w:t>top</w:t></w:p>{deep}"))),
        Ok(Text { text: "top".into(), cut: true })
    );
    let depth = DOCUMENT_RTF_DEPTH_MAX * 20;
    let rtf = format!("{{\\rtf1 {}deep{}end}}", "{\\b ".repeat(depth), "}".repeat(depth));
    assert_eq!(read(Kind::Rtf, rtf.as_bytes()), whole("deepend"));
    let array = format!("{}(x) Tj{}", "[".repeat(200_000), "]".repeat(200_000));
    let dictionary = "<< /A ".repeat(200_000);
    for content in [array, dictionary] {
        let pdf = format!(
            "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
             3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R>>endobj\n4 0 obj<</Length {}>>stream\n{content}\nendstream endobj\n\
             5 0 obj{content}endobj\ntrailer<</Root 1 0 R>>",
            content.len()
        );
        survives("nesting", Kind::Pdf, pdf.as_bytes());
    }
    // A page that is its own parent, and pages that are each other's children.
    let circle = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 2 0 R]/Count 9/Parent 2 0 R>>endobj\n\
                  3 0 obj<</Type/Page/Parent 2 0 R/Contents 3 0 R/Resources 4 0 R>>endobj\n4 0 obj 4 0 R endobj\ntrailer<</Root 1 0 R>>";
    survives("circle", Kind::Pdf, circle.as_bytes());
}
