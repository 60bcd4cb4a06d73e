//! Messages made of the texts of [`Stock`]: every form that a text can have on its way, well-formed or not.
//!
//! Nothing here has to be valid; the scan defines what a message says, whatever its bytes are.

use trawl_bench::chance::Chance;
use trawl_bench::mime::{self, Part};

use super::texts::{self, Stock, one};

const CHARSETS: [&str; 14] = [
    "utf-8",
    "utf-8",
    "utf-8",
    "utf-8",
    "iso-8859-1",
    "windows-1252",
    "koi8-r",
    "iso-8859-7",
    "iso-2022-jp",
    "shift_jis",
    "gb18030",
    "euc-kr",
    "big5",
    "windows-1254",
];

/// Nested multiparts and messages, at most.
const DEPTH_MAX: u32 = 3;

pub struct Composer {
    stock: Stock,
}

impl Composer {
    pub fn new(chance: &mut Chance) -> Composer {
        Composer { stock: Stock::new(chance, 240) }
    }

    /// The bytes of one message.
    pub fn message(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.whole(chance, 0);
        if chance.permille(60) && !bytes.is_empty() {
            for _ in 0..chance.between(1, 6) {
                let at = chance.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << chance.below(8);
            }
        }
        if chance.permille(30) {
            bytes.truncate(chance.below(bytes.len() as u64 + 1) as usize);
        }
        if chance.permille(30) {
            bytes.retain(|&b| b != b'\r');
        }
        bytes
    }

    /// The text of a document.
    pub fn document(&self, chance: &mut Chance) -> String {
        self.stock.text(chance, 40)
    }

    fn whole(&self, chance: &mut Chance, depth: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..chance.between(0, 9) {
            bytes.extend_from_slice(&self.field(chance));
            bytes.extend_from_slice(one(chance, "\r\n|\r\n|\r\n|\r\n|\n").as_bytes());
        }
        let part = self.part(chance, depth);
        push(&mut bytes, &part);
        bytes
    }

    fn field(&self, chance: &mut Chance) -> Vec<u8> {
        let value = |chance: &mut Chance| self.value(chance);
        match chance.below(20) {
            0..=3 => named(chance, "Subject", value),
            4..=9 => {
                let name = one(chance, "From|To|To|Cc|Bcc|FROM|Reply-To|Sender");
                let addresses = self.addresses(chance);
                [name.as_bytes(), b": ", &addresses].concat()
            }
            10 => {
                format!("Message-ID: <{}.{}@mail.example>", chance.token(20), chance.below(1000)).into_bytes()
            }
            11 => {
                let ids: Vec<String> =
                    (0..chance.between(1, 5)).map(|_| format!("<{}@x.example>", chance.hex(9))).collect();
                format!("References: {}", ids.join("\r\n ")).into_bytes()
            }
            // Names that are hard to tell from values, or no names at all.
            12 => {
                let name = *chance.pick(&[
                    "X",
                    "x-a",
                    "X!#$%&'*+",
                    "a.b_c",
                    "-",
                    "X-Word",
                    "Words",
                    "x\"y",
                    "\u{7f}",
                    "é",
                    "",
                ]);
                named(chance, name, value)
            }
            13 => self.stock.piece(chance).into_bytes(),
            14 => named(chance, "X-Empty", |chance| {
                chance
                    .pick(&[&b""[..], b" ", b"=?utf-8?q?_?=", b"=?utf-8?q??=", b"\xa0x", b"=?utf-8?b?wqB4?="])
                    .to_vec()
            }),
            15 => named(chance, "Comments", |chance| {
                let length = chance.magnitude(1, 3_000) as usize;
                chance.token(length).into_bytes()
            }),
            16 => {
                let file = self.stock.piece(chance);
                format!("Content-Disposition: attachment; {}", parameter("filename", &file)).into_bytes()
            }
            _ => {
                let name = *chance.pick(&[
                    "X-Spam",
                    "X-Word",
                    "Keywords",
                    "List-Id",
                    "x-spam",
                    "Received",
                    "X-A",
                    "X-Spam-Score",
                ]);
                named(chance, name, value)
            }
        }
    }

    /// A header value in one of the forms that mailers use, rightly or wrongly.
    fn value(&self, chance: &mut Chance) -> Vec<u8> {
        let text = self.stock.text(chance, 4);
        // Seldom white space in front: such a message is left to the scan.
        let text = if chance.permille(950) { text.trim_start().to_owned() } else { text };
        let line = text.replace(['\r', '\n'], " ");
        match chance.below(8) {
            0 | 1 => line.into_bytes(),
            2 => text.into_bytes(),
            3 => mime::encode_charset(&line, charset(chance)).0,
            4 => mime::fold("", &line).trim_start_matches(':').as_bytes().to_vec(),
            5 => {
                let words = mime::encoded_words(&text, charset(chance), chance);
                mime::fold("", &words).trim_start_matches(':').as_bytes().to_vec()
            }
            6 => format!(
                "{} =?utf-8?q?={:02X}{:02X}?= {line}",
                self.stock.piece(chance),
                chance.below(256),
                chance.below(256)
            )
            .into_bytes(),
            _ => line.split(' ').collect::<Vec<_>>().join("\r\n\t").into_bytes(),
        }
    }

    fn addresses(&self, chance: &mut Chance) -> Vec<u8> {
        let mut list = Vec::new();
        for _ in 0..chance.between(0, 4) {
            let name = self.stock.piece(chance).replace(['\r', '\n', '"', '\\'], " ");
            let words = mime::encoded_words(&name, charset(chance), chance);
            let local = one(chance, "joe|a.b|x+y|\"quo ted\"|ü|words");
            let domain = one(chance, "mail.example|x.example|[10.0.0.1]|пример.example|EXAMPLE.org");
            let text = match chance.below(9) {
                0 => format!("{local}@{domain}"),
                1 => format!("\"{name}\" <{local}@{domain}>"),
                2 | 3 => format!("{words} <{local}@{domain}>"),
                4 => format!("{local}@{domain} ({name})"),
                5 => format!("{words}: {local}@{domain}, b@{domain};"),
                6 => name,
                7 => format!("<@relay.example:{local}@{domain}>"),
                _ => format!("{name} <{local}@{domain}"),
            };
            list.push(text);
        }
        list.join(one(chance, ", |,|,\r\n | ")).into_bytes()
    }

    fn part(&self, chance: &mut Chance, depth: u32) -> Part {
        if depth < DEPTH_MAX {
            match chance.below(10) {
                0 | 1 => {
                    let parts = (0..chance.between(0, 4)).map(|_| self.part(chance, depth + 1)).collect();
                    let kind = one(chance, "mixed|alternative|digest|related|signed");
                    return mime::multipart(kind, parts, chance);
                }
                2 => {
                    let body = self.whole(chance, depth + 1);
                    let (encoding, body) = match chance.below(3) {
                        0 => ("base64", mime::base64_lines(&body)),
                        _ => ("8bit", body),
                    };
                    return Part {
                        headers: vec![
                            "Content-Type: message/rfc822".into(),
                            format!("Content-Transfer-Encoding: {encoding}"),
                        ],
                        body,
                    };
                }
                _ => {}
            }
        }
        self.leaf(chance)
    }

    fn leaf(&self, chance: &mut Chance) -> Part {
        match chance.below(12) {
            0 => {
                let length = chance.magnitude(1, 4_000) as usize;
                let file = self.stock.piece(chance);
                Part {
                    headers: [
                        format!("Content-Type: application/octet-stream; {}", parameter("name", &file)),
                        "Content-Transfer-Encoding: base64".into(),
                    ]
                    .into_iter()
                    .chain(self.disposition(chance, &file))
                    .collect(),
                    body: mime::base64_lines(&chance.bytes(length)),
                }
            }
            1 => Part { headers: Vec::new(), body: Vec::new() },
            2 | 3 => {
                let page = self.page(chance);
                self.encoded(chance, "html", &page, "")
            }
            4 => {
                let text = self.flowed(chance);
                let parameters = one(chance, "; format=flowed|; format=flowed; delsp=yes");
                self.encoded(chance, "plain", &text, parameters)
            }
            5 if chance.permille(250) => {
                let text = [self.stock.text(chance, 2), texts::long_line(chance), self.stock.text(chance, 2)]
                    .concat();
                self.encoded(chance, "plain", &text, "")
            }
            // No MIME: the octets as they are.
            6 => Part { headers: Vec::new(), body: self.stock.text(chance, 12).into_bytes() },
            7 => {
                let (body, _) = mime::encode_charset(&self.stock.text(chance, 6), charset(chance));
                let charset = one(chance, "us-ascii|x-none|utf-8|iso-2022-kr|utf-7");
                Part { headers: vec![format!("Content-Type: text/plain; charset={charset}")], body }
            }
            _ => {
                let text = self.stock.text(chance, 14);
                let kind = one(chance, "plain|plain|plain|calendar|x-diff");
                self.encoded(chance, kind, &text, "")
            }
        }
    }

    /// Of a part with this name in its Content-Type.
    fn disposition(&self, chance: &mut Chance, file: &str) -> Option<String> {
        let kind = one(chance, "attachment|inline|INLINE|x-other|");
        let name = match chance.below(4) {
            0 => String::new(),
            1 => format!("; {}", parameter("filename", &self.stock.piece(chance))),
            _ => format!("; {}", parameter("filename", file)),
        };
        chance.permille(600).then(|| format!("Content-Disposition: {kind}{name}"))
    }

    fn encoded(&self, chance: &mut Chance, subtype: &str, text: &str, parameters: &str) -> Part {
        let (bytes, charset) = mime::encode_charset(text, charset(chance));
        let (encoding, mut body) = match chance.below(4) {
            0 => ("base64", mime::base64_lines(&bytes)),
            1 => ("quoted-printable", mime::quoted_printable(&bytes)),
            _ => ("8bit", bytes),
        };
        if chance.permille(50) {
            body.truncate(chance.below(body.len() as u64 + 1) as usize);
        }
        Part {
            headers: vec![
                format!("Content-Type: text/{subtype}; charset={charset}{parameters}"),
                format!("Content-Transfer-Encoding: {encoding}"),
            ],
            body,
        }
    }

    fn page(&self, chance: &mut Chance) -> String {
        let mut page = String::new();
        if chance.permille(300) {
            page.push_str(&format!(
                "<html><head><title>{}</title><style>b{{}}</style></head><body>",
                self.stock.piece(chance)
            ));
        }
        for _ in 0..chance.between(0, 10) {
            let text = self.stock.piece(chance);
            match chance.below(9) {
                0 => page.push_str(&format!("<p>{text}</p>\r\n")),
                1 => page.push_str(&format!("<b>{text}</b>")),
                2 => page.push_str(&format!("<a href=\"http://x.example/{}\">{text}</a>", chance.hex(6))),
                3 => page.push_str(&format!("<img alt=\"{}\">", text.replace('"', ""))),
                4 => page.push_str("<br>"),
                5 => page.push_str(one(chance, "&nbsp;|&eacute;|&#x301;|&shy;|&fflig;|&lt;b&gt;|&zwj;")),
                6 => page.push_str(&format!("<table><tr><td>{text}<td>{}", self.stock.piece(chance))),
                7 => page.push_str(&format!("<!-- {text} --><script>{text}</script>")),
                _ => page.push_str(&text),
            }
        }
        page
    }

    fn flowed(&self, chance: &mut Chance) -> String {
        let mut text = String::new();
        for _ in 0..chance.between(0, 8) {
            text.push_str(one(chance, "||> |>> | |-- "));
            text.push_str(&self.stock.piece(chance));
            text.push_str(one(chance, " \r\n|\r\n| \n|\r\n\r\n| \r\n"));
        }
        text
    }
}

fn named(chance: &mut Chance, name: &str, value: impl FnOnce(&mut Chance) -> Vec<u8>) -> Vec<u8> {
    let between = one(chance, ": |: |: |:| : |:\r\n ");
    [name.as_bytes(), between.as_bytes(), &value(chance)].concat()
}

fn charset(chance: &mut Chance) -> &'static str {
    CHARSETS[chance.below(CHARSETS.len() as u64) as usize]
}

/// RFC 2231 4 if it has to be, else quoted.
fn parameter(name: &str, value: &str) -> String {
    if value.is_ascii() && !value.contains(['"', '\\', '\r', '\n']) {
        return format!("{name}=\"{value}\"");
    }
    let encoded: String = value
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    format!("{name}*=utf-8''{encoded}")
}

fn push(bytes: &mut Vec<u8>, part: &Part) {
    for header in &part.headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&part.body);
}
