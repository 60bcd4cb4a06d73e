//! One message: who writes what to whom, in which form.

use crate::chance::{Chance, Purpose};
use crate::corpus::{Corpus, LISTS, SizeProfile, Topic};
use crate::dates;
use crate::headers;
use crate::limits::ATTACHMENTS_MAX;
use crate::mime::{self, Part};
use crate::words::{Vocabulary, capitalised};

/// People who write; the first ones write most.
const PEOPLE: u64 = 1_500;

pub struct Person {
    pub name: String,
    pub address: String,
    pub host: String,
}

pub fn person(corpus: &Corpus, vocabulary: &Vocabulary, number: u64) -> Person {
    let mut chance = corpus.chance(Purpose::Person, number << 8 | vocabulary.language as u64);
    let (given, family) = (vocabulary.content_word(&mut chance), vocabulary.content_word(&mut chance));
    let host = match chance.below(4) {
        0 => "mail.example".to_owned(),
        1 => "post.example.org".to_owned(),
        _ => format!("{}.example", chance.token(6).to_lowercase()),
    };
    let local = if given.is_ascii() && family.is_ascii() {
        format!("{given}.{family}").to_lowercase()
    } else {
        format!("{}{}", chance.token(5).to_lowercase(), number)
    };
    Person {
        name: format!("{} {}", capitalised(&given), capitalised(&family)),
        address: format!("{local}@{host}"),
        host,
    }
}

/// Who wrote message `n`.
pub fn author(corpus: &Corpus, n: u64) -> Person {
    let topic = corpus.topic(n);
    let mut chance = corpus.chance(Purpose::Headers, n);
    person(corpus, &Vocabulary::new(topic.language), chance.zipf(PEOPLE))
}

/// The Message-ID of message `n`, with its angle brackets.
pub fn message_id(corpus: &Corpus, n: u64) -> String {
    let mut chance = corpus.chance(Purpose::Person, n | 1 << 63);
    match chance.below(3) {
        0 => format!("<{}@mail.example>", chance.token(22)),
        1 => format!(
            "<{}.{}.{n}@{}.example>",
            chance.below(1 << 31),
            chance.hex(8),
            chance.token(6).to_lowercase()
        ),
        _ => format!("<CA{}_{}@mail.example.com>", chance.token(30), chance.token(20)),
    }
}

pub fn subject(corpus: &Corpus, topic: &Topic) -> String {
    let mut chance = corpus.chance(Purpose::Text, topic.root | 1 << 62);
    let subject = Vocabulary::new(topic.language).subject(&mut chance);
    match topic.list {
        Some(list) if list != 2 => format!("[{}] {subject}", LISTS[list].1),
        _ => subject,
    }
}

/// What the author of message `n` adds to the thread: paragraphs.
fn own_text(corpus: &Corpus, n: u64, vocabulary: &Vocabulary) -> Vec<String> {
    let mut chance = corpus.chance(Purpose::Text, n);
    let paragraphs = match corpus.options.profile {
        SizeProfile::Small => chance.between(1, 2),
        SizeProfile::Typical | SizeProfile::Large => chance.magnitude(1, 14),
    };
    (0..paragraphs).map(|_| vocabulary.paragraph(&mut chance)).collect()
}

/// The bytes of message `n`, CRLF line ends.
pub fn message(corpus: &Corpus, n: u64) -> Vec<u8> {
    let topic = corpus.topic(n);
    let vocabulary = Vocabulary::new(topic.language);
    let mut chance = corpus.chance(Purpose::Mime, n);
    let charset = mime::charset(topic.language, &mut chance);
    let width = if vocabulary.runs_together() { 36 } else { 72 };

    let paragraphs = own_text(corpus, n, &vocabulary);
    let mut text: String =
        paragraphs.iter().map(|p| mime::wrap(p, width, "")).collect::<Vec<_>>().join("\n\n");
    if let Some(parent) = corpus.parent(n).filter(|_| !topic.bulk) {
        let writer = author(corpus, parent);
        let (seconds, zone) = corpus.date(parent);
        text.push_str(&format!("\n\nOn {}, {} wrote:\n", dates::rfc5322(seconds, zone), writer.name));
        for paragraph in own_text(corpus, parent, &vocabulary).iter().take(3) {
            text.push_str(&mime::wrap(paragraph, width, "> "));
            text.push_str("\n>\n");
        }
    }
    let writer = author(corpus, n);
    text.push_str(&format!("\n\n-- \n{}\n", writer.name));
    if let Some(list) = topic.list {
        let (_, name, host) = LISTS[list];
        text.push_str(&format!(
            "_______________________________________________\n{name} mailing list\n{name}@{host}\n"
        ));
    }

    let small = corpus.options.profile == SizeProfile::Small;
    let plain = mime::text_part("plain", &text, charset, &mut chance);
    let html = !small && (topic.bulk || chance.permille(430));
    let mut root = if html {
        let page = page(&paragraphs, &vocabulary, &mut chance, topic.bulk);
        let page = mime::text_part("html", &page, charset, &mut chance);
        if topic.bulk && chance.permille(250) {
            page
        } else {
            mime::multipart("alternative", vec![plain, page], &mut chance)
        }
    } else {
        plain
    };
    let attached = match corpus.options.profile {
        SizeProfile::Small => 0,
        SizeProfile::Typical => u64::from(chance.permille(90)) * chance.between(1, 2),
        SizeProfile::Large => u64::from(chance.permille(350)) * chance.between(1, 4),
    };
    if attached > 0 {
        let mut parts = vec![root];
        for _ in 0..attached {
            let number = chance.zipf(ATTACHMENTS_MAX);
            parts.push(attachment(corpus, number, &vocabulary));
        }
        if chance.permille(60) {
            parts.push(forwarded(corpus, n));
        }
        if chance.permille(60) {
            parts.push(invitation(corpus, n));
        }
        root = mime::multipart("mixed", parts, &mut chance);
    }

    let mut bytes = Vec::with_capacity(4096 + root.body.len());
    for line in
        headers::of(corpus, n, &topic, &vocabulary, &writer, charset, PEOPLE).into_iter().chain(root.headers)
    {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&root.body);
    bytes
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An HTML page of the same paragraphs: plain, as mail programs write it, or dressed up as a newsletter.
fn page(paragraphs: &[String], vocabulary: &Vocabulary, chance: &mut Chance, bulk: bool) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html><head><meta http-equiv=\"Content-Type\" content=\"text/html\">\n",
    );
    if bulk {
        page.push_str("<style type=\"text/css\">\n");
        for n in 0..chance.between(5, 25) {
            page.push_str(&format!(
                ".c{n} {{ font-family: Helvetica, Arial, sans-serif; color: #{}; padding: {}px; }}\n",
                chance.hex(6),
                chance.below(40)
            ));
        }
        page.push_str("</style>\n");
    }
    page.push_str("</head><body>\n");
    for (n, paragraph) in paragraphs.iter().enumerate() {
        let text = mime::wrap(&escape(paragraph), 100, "");
        if bulk {
            page.push_str(&format!(
                "<table width=\"600\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr>\n<td class=\"c{n}\" style=\"padding: {}px 0;\">{text}</td>\n</tr></table>\n",
                chance.below(32)
            ));
            page.push_str(&format!(
                "<a href=\"https://click.{}.example/t/{}?u={}\"\n style=\"color:#{}\">{}</a>\n",
                chance.token(5).to_lowercase(),
                chance.token(40),
                chance.hex(24),
                chance.hex(6),
                escape(&vocabulary.content_word(chance))
            ));
        } else {
            page.push_str(&format!("<p dir=\"ltr\">{}</p>\n", text.replacen("https:", "<b></b>https:", 1)));
        }
    }
    if bulk {
        page.push_str(&format!(
            "<img src=\"https://open.example/{}.gif\" width=\"1\" height=\"1\" alt=\"\">\n",
            chance.hex(32)
        ));
    }
    page.push_str("</body></html>\n");
    page
}

const KINDS: [(&str, &str); 7] = [
    ("application/pdf", "pdf"),
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/zip", "zip"),
    ("text/csv", "csv"),
    ("text/x-patch", "patch"),
];

/// Attachment `number`: the same bytes and name whenever it is drawn.
fn attachment(corpus: &Corpus, number: u64, vocabulary: &Vocabulary) -> Part {
    let mut chance = corpus.chance(Purpose::Attachment, number);
    let (kind, extension) = *chance.pick(&KINDS);
    let size = match corpus.options.profile {
        SizeProfile::Large => chance.magnitude(20_000, 3_000_000),
        _ => chance.magnitude(2_000, 120_000),
    } as usize;
    let bytes = match extension {
        "csv" | "patch" => {
            let mut text = String::new();
            while text.len() < size.min(60_000) {
                let mark = if extension == "patch" { chance.pick(&["+", "-", " ", " "]) } else { "" };
                text.push_str(&format!(
                    "{mark}{};{};{}\n",
                    chance.below(100_000),
                    vocabulary.draw(&mut chance),
                    chance.token(8)
                ));
            }
            text.into_bytes()
        }
        _ => chance.bytes(size),
    };
    let name = format!("{}-{number}.{extension}", vocabulary.content_word(&mut chance));
    let name = if name.is_ascii() {
        format!("filename=\"{name}\"")
    } else {
        // RFC 2231 4
        let encoded: String = name
            .bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() || b == b'-' || b == b'.' {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect();
        format!("filename*=utf-8''{encoded}")
    };
    Part {
        headers: vec![
            format!("Content-Type: {kind}"),
            "Content-Transfer-Encoding: base64".into(),
            format!("Content-Disposition: attachment;\r\n {name}"),
        ],
        body: mime::base64_lines(&bytes),
    }
}

/// A message within the message.
fn forwarded(corpus: &Corpus, n: u64) -> Part {
    let inner = n / 2;
    let vocabulary = Vocabulary::new(corpus.topic(inner).language);
    let (seconds, zone) = corpus.date(inner);
    let writer = author(corpus, inner);
    let mut chance = corpus.chance(Purpose::Mime, n | 1 << 63);
    let text = mime::wrap(&vocabulary.paragraph(&mut chance), 36, "");
    let part = mime::text_part("plain", &text, "utf-8", &mut chance);
    let mut body = format!(
        "From: {}\r\nTo: undisclosed-recipients:;\r\nDate: {}\r\nMessage-ID: {}\r\nSubject: {}\r\nMIME-Version: 1.0\r\n",
        writer.address,
        dates::rfc5322(seconds, zone),
        message_id(corpus, inner),
        mime::fold("", &mime::encoded_words(&vocabulary.subject(&mut chance), "utf-8", &mut chance)).trim_start_matches([':', ' ']),
    )
    .into_bytes();
    for header in part.headers {
        body.extend_from_slice(header.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"\r\n");
    body.extend_from_slice(&part.body);
    Part { headers: vec!["Content-Type: message/rfc822".into(), "Content-Disposition: inline".into()], body }
}

fn invitation(corpus: &Corpus, n: u64) -> Part {
    let (seconds, _) = corpus.date(n);
    let text = format!(
        "BEGIN:VCALENDAR\nPRODID:-//Example//Calendar//EN\nVERSION:2.0\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:{n}@calendar.example\n\
         DTSTAMP:{}\nDTSTART:{}\nDTEND:{}\nSUMMARY:Meeting {n}\nEND:VEVENT\nEND:VCALENDAR\n",
        dates::basic(seconds),
        dates::basic(seconds + 86_400),
        dates::basic(seconds + 90_000)
    );
    Part {
        headers: vec![
            "Content-Type: text/calendar; charset=utf-8; method=REQUEST".into(),
            "Content-Transfer-Encoding: 7bit".into(),
        ],
        body: mime::crlf(text.as_bytes()),
    }
}
