//! Texts made to break a search: each kind aims at one thing that an index may get wrong.
//!
//! A world has one [`Stock`]: most pieces come from its few hundred, so that they occur in several messages, the others are
//! made afresh, so that they occur in one. Not here: what a message is made of them (`compose`).

use trawl_bench::chance::Chance;
use trawl_bench::words::{Language, Vocabulary};

type Make = fn(&mut Chance) -> String;

/// Every kind of text, by name.
pub const KINDS: [(&str, Make); 24] = [
    ("tiny alphabet", tiny),
    ("word family", family),
    ("common words", common),
    ("one and two letters", short),
    ("folding changes length", folding),
    ("combining marks", marks),
    ("ligatures", ligatures),
    ("turkish, sharp s, sigma", letters),
    ("hangul", hangul),
    ("cjk", cjk),
    ("thai and others without spaces", unspaced),
    ("arabic and hebrew", right_to_left),
    ("indic", indic),
    ("emoji", emoji),
    ("punctuation", punctuation),
    ("white space", white_space),
    ("control characters", control),
    ("code points at random", any),
    ("base64 and hex", encoded),
    ("addresses and paths", addresses),
    ("header lines", header_lines),
    ("numbers", numbers),
    ("repetition", repetition),
    ("language", sentences),
];

/// Pieces of text that messages of one world share.
pub struct Stock(Vec<String>);

impl Stock {
    pub fn new(chance: &mut Chance, pieces: usize) -> Stock {
        Stock((0..pieces).map(|n| KINDS[n % KINDS.len()].1(chance)).collect())
    }

    /// A piece: most often a shared one, the first ones oftenest.
    pub fn piece(&self, chance: &mut Chance) -> String {
        if chance.permille(700) {
            self.0[chance.zipf(self.0.len() as u64) as usize].clone()
        } else {
            chance.pick(&KINDS).1(chance)
        }
    }

    /// Some pieces, joined in some way.
    pub fn text(&self, chance: &mut Chance, pieces_max: u64) -> String {
        let mut text = String::new();
        for n in 0..chance.between(0, pieces_max) {
            if n > 0 {
                text.push_str(one(chance, " | | ||\n|\n|\r\n| \r\n |-|, |\n\n"));
            }
            text.push_str(&self.piece(chance));
        }
        text
    }
}

/// A line of 100,000 characters and more.
pub fn long_line(chance: &mut Chance) -> String {
    let length = chance.between(100_000, 140_000) as usize;
    match chance.below(6) {
        0 => chance.token(length),
        1 => chance.hex(length),
        2 => "x".repeat(length),
        3 => some(chance, "ab|ba|-|a", length / 2),
        4 => some(chance, "中|文|字", length),
        _ => some(chance, "word| |or|-|two|é", length / 3),
    }
}

/// One of `list`, which is written with `|` between its items.
pub fn one<'a>(chance: &mut Chance, list: &'a str) -> &'a str {
    let items = list.split('|').count() as u64;
    list.split('|').nth(chance.below(items) as usize).unwrap_or_default()
}

fn some(chance: &mut Chance, list: &str, count: usize) -> String {
    let items: Vec<&str> = list.split('|').collect();
    (0..count).map(|_| *chance.pick(&items)).collect()
}

fn several(chance: &mut Chance, list: &str, most: u64) -> String {
    let count = chance.between(1, most) as usize;
    some(chance, list, count)
}

/// So few letters that whatever is cut from one text is found in others, at ever different places.
fn tiny(chance: &mut Chance) -> String {
    let alphabet = match chance.below(6) {
        0 => "a|b| ",
        1 => "a|b| |-| - ",
        2 => "ab|a|-|--|. |中",
        3 => "a|A|é|e\u{301}|\u{301}| |'",
        4 => "中|文|a| |、",
        _ => "ก|า|x|1| |\u{200b}",
    };
    several(chance, alphabet, 40)
}

/// Words that begin, end or go on alike.
fn family(chance: &mut Chance) -> String {
    let mut text = String::new();
    for n in 0..chance.between(1, 9) {
        if n > 0 {
            text.push_str(one(chance, " | | |-|_|.|@| - |\n"));
        }
        text.push_str(one(chance, "|||un|re|over|s|pass"));
        text.push_str(one(chance, "sword|word|words|wor|ward|wordy|order|ordered|world"));
        text.push_str(one(chance, "|||s|ed|ly|sword|7|\u{301}"));
    }
    text
}

fn common(chance: &mut Chance) -> String {
    let words: Vec<&str> =
        (0..chance.between(1, 25)).map(|_| one(chance, "the|to|and|of|a|in|is|I|for|The|on|it")).collect();
    words.join(" ")
}

fn short(chance: &mut Chance) -> String {
    let words: Vec<String> = (0..chance.between(1, 12))
        .map(|_| {
            let length = chance.between(1, 2) as usize;
            some(chance, "a|z|q|0|Ω|ж|.|é", length)
        })
        .collect();
    words.join(one(chance, " ||-"))
}

/// RFC 5051 makes these longer or shorter.
fn folding(chance: &mut Chance) -> String {
    const PIECES: &str = "ŉ|ǰ|ΐ|ΰ|ẖ|ẗ|ẘ|ẙ|ẚ|ᾳ|ῼ|ᾷ|\u{345}|ǅ|Ǆ|ǆ|ǉ|ª|º|²|½|㎏|㏂|№|™|℡|ſ|Å|\u{212b}|\u{212a}|\u{2126}|µ|…|⑽|㍿|\
        ﷺ|Ａ|ｂ|ﾊﾞ|\u{1d41e}";
    let mut text = String::new();
    for _ in 0..chance.between(1, 12) {
        text.push_str(one(chance, PIECES));
        text.push_str(one(chance, "||n|kg| |a"));
    }
    text
}

fn marks(chance: &mut Chance) -> String {
    const MARKS: &str = "\u{301}|\u{300}|\u{327}|\u{323}|\u{308}|\u{20dd}|\u{fe0f}|\u{34f}|\u{489}|\u{483}|\u{1dc0}|\u{e0101}";
    let mut text = String::new();
    for _ in 0..chance.between(1, 8) {
        text.push_str(one(chance, "e|a|é|ế| |-||ü|中|o\u{308}|ṩ"));
        for _ in 0..chance.magnitude(1, 12) - 1 {
            text.push_str(one(chance, MARKS));
        }
    }
    text
}

fn ligatures(chance: &mut Chance) -> String {
    const PIECES: &str = "ﬁ|ﬂ|ﬀ|ﬃ|ﬄ|ﬅ|ﬆ|œ|Æ|ĳ|ﬓ|ﬔ|ﬖ|ﻻ|ﷲ|ꝏ";
    let mut text = String::new();
    for _ in 0..chance.between(1, 8) {
        text.push_str(one(chance, "|of|e|fi| "));
        text.push_str(one(chance, PIECES));
        text.push_str(one(chance, "ce||nd|t| |fi"));
    }
    text
}

fn letters(chance: &mut Chance) -> String {
    several(
        chance,
        "İstanbul |ISTANBUL |istanbul |ılık |IŞIK |ığ|i̇|Straße |STRASSE |STRAẞE |strasse |ss|ß|ΟΔΟΣ |οδος |\
            οδοσ |ὀδός |ς|σ|Σ|ſs|i|I|ı",
        9,
    )
}

fn hangul(chance: &mut Chance) -> String {
    several(
        chance,
        "한국어|한|글|안녕| |안녕하세요|\u{1112}\u{1161}\u{11ab}|\u{1100}\u{1161}|\u{11a8}|ㅎㅏㄴ|ﾡﾢ|a|을|각\u{301}|서울2024",
        12,
    )
}

fn cjk(chance: &mut Chance) -> String {
    several(
        chance,
        "会議|の|報告|書|日本|日本語|中文|字|、|。|「|」|カタカナ|ｶﾀｶﾅ|ﾊﾟ|が|か\u{3099}|々|〆|ー|\u{f900}|\u{2f00}|\u{20000}|𠮷|㍻|abc|\
            ＡＢＣ|１２| |　|的|是|我们|〇|ㄅㄆ|\u{e0100}|㌔|い",
        24,
    )
}

fn unspaced(chance: &mut Chance) -> String {
    several(
        chance,
        "สวัสดี|ครับ|ำ|น้ำ|กำลัง|\u{200b}|ພາສາລາວ|ຳ|ភាសាខ្មែរ|ខ្|မြန်မာ|င်|བོད་|སྐད།|་|ၐ| |abc|๑๒|ๆ|ฯ|ᨠᩣ|\
            ꩠ",
        14,
    )
}

fn right_to_left(chance: &mut Chance) -> String {
    several(
        chance,
        "العربية|السَّلَامُ|عليكم|ـــ|ﻼ|ﻻ|ﺍ|می\u{200c}خواهم|\u{200f}|\u{202b}|\u{202c}| |שלום|שָׁלוֹם|ﬡ|ﭏ|\
            ١٢٣|،|؟|ﷺ|ܫܠܡܐ|ﱞ",
        12,
    )
}

fn indic(chance: &mut Chance) -> String {
    several(chance, "हिन्दी|क्षि|क\u{94d}\u{200d}|क़|\u{958}|தமிழ்|கொ|বাংলা|ো| |।|१२|తెలుగు|සිංහල|ൺ", 12)
}

fn emoji(chance: &mut Chance) -> String {
    several(
        chance,
        "👨\u{200d}👩\u{200d}👧|👩🏽\u{200d}💻|🇩🇪|🇯🇵🇺|👍|👍🏿|1\u{fe0f}\u{20e3}|#\u{20e3}|☺\u{fe0f}|☺|❤\u{fe0f}\u{200d}🔥| |\
            ok|🏴\u{e0067}\u{e0062}\u{e007f}|:-)|🙂|🙂🙂",
        10,
    )
}

fn punctuation(chance: &mut Chance) -> String {
    let mut text = String::new();
    for _ in 0..chance.between(1, 6) {
        text.push_str(one(chance, "||a|word| |x1"));
        match chance.below(3) {
            0 => {
                let mark = one(chance, "-|=|.|*|_|!|>|—|•|#");
                text.push_str(&mark.repeat(chance.magnitude(1, 200) as usize));
            }
            1 => text.push_str(one(chance, "...|?!|>>> |> > |«|»|„|“|://|\\\\|->|<=>|&amp;|--\n|-- \n|{{|}}|(c)|§§|$100|100%|''|\"|`|~~|+1|; |\
            , |.\n|€|�")),
            _ => {
                let length = chance.between(1, 12) as usize;
                text.push_str(&some(chance, "-| |.|,|>|!|\t", length));
            }
        }
    }
    text
}

const SPACES: &str = " |  |\t|\r\n|\n|\r|\u{a0}|\u{85}|\u{2028}|\u{2029}|\u{3000}|\u{1680}|\u{2009}|\u{b}|\u{c}|\u{1c}|\u{1f}|\u{202f}";

/// What is one space for SEARCH, in all its forms.
pub fn space(chance: &mut Chance) -> String {
    several(chance, SPACES, 3)
}

fn white_space(chance: &mut Chance) -> String {
    let mut text = String::new();
    for _ in 0..chance.between(1, 8) {
        text.push_str(one(chance, "|one|two|-|é|中"));
        text.push_str(&space(chance));
    }
    text
}

/// Among them those that an index may use for its own ends.
fn control(chance: &mut Chance) -> String {
    several(
        chance,
        "\0|\u{1}|\u{2}|\u{2}\u{2}|\u{7f}|\u{80}|\u{ff}|\u{fe}|\u{fffd}|\u{fffe}|\u{ffff}|\u{feff}|\u{ad}|\u{200b}|\u{2060}|\u{e000}|\u{10ffff}|\u{378}|\
            a|ab| |\u{1b}[0m",
        10,
    )
}

fn any(chance: &mut Chance) -> String {
    let mut text = String::new();
    for _ in 0..chance.between(1, 20) {
        let top = *chance.pick(&[0x80, 0x300, 0x3000, 0x1_0000, 0x2_0000, 0x11_0000]);
        text.extend(char::from_u32(chance.below(top) as u32));
    }
    text
}

fn encoded(chance: &mut Chance) -> String {
    let length = chance.magnitude(1, 300) as usize;
    match chance.below(5) {
        0 => chance.hex(length),
        1 => {
            chance.token(length).as_bytes().chunks(76).map(|l| String::from_utf8_lossy(l) + "\r\n").collect()
        }
        2 => format!(
            "{}-{}-{}-{}-{}",
            chance.hex(8),
            chance.hex(4),
            chance.hex(4),
            chance.hex(4),
            chance.hex(12)
        ),
        3 => chance.hex(length).as_bytes().chunks(2).map(|l| String::from_utf8_lossy(l) + ":").collect(),
        _ => format!("{}+{}/{}==", chance.token(length), chance.token(5), chance.token(7)),
    }
}

fn addresses(chance: &mut Chance) -> String {
    let word = |chance: &mut Chance| one(chance, "mail|joe|list|a|www|lists.example|x-y|Ü").to_string();
    match chance.below(8) {
        0 => format!("{}@{}.example", word(chance), word(chance)),
        1 => format!("<{}.{}@{}>", chance.token(12), chance.below(99_999), word(chance)),
        2 => format!(
            "https://{}.example/{}?u={}&v=%20#{}",
            word(chance),
            chance.token(8),
            chance.hex(9),
            word(chance)
        ),
        3 => format!("/usr/{}/{}.d/{}", word(chance), word(chance), word(chance)),
        4 => format!("C:\\{}\\{}.TXT", word(chance), word(chance)),
        5 => format!("\"{}, {}\" <{}@{}>", word(chance), word(chance), word(chance), word(chance)),
        6 => format!("a/{0}.c\n+++ b/{0}.c\n@@ -1,7 +1,{1} @@", word(chance), chance.below(90)),
        _ => {
            format!("{}.{}.{}.{}", chance.below(256), chance.below(256), chance.below(256), chance.below(256))
        }
    }
}

fn header_lines(chance: &mut Chance) -> String {
    let name = one(chance, "Subject|From|To|X-Spam|Received|Message-ID|Content-Type|subject");
    let between = one(chance, ": |:| : |:  ");
    format!("{name}{between}{}", family(chance))
}

fn numbers(chance: &mut Chance) -> String {
    match chance.below(5) {
        0 => chance.below(1000).to_string(),
        1 => format!("{},{:03}.{:02}", chance.below(1000), chance.below(1000), chance.below(100)),
        2 => format!(
            "{}-{:02}-{:02} {:02}:{:02}",
            1990 + chance.below(40),
            chance.below(13),
            chance.below(32),
            chance.below(24),
            chance.below(60)
        ),
        3 => format!("+49 {} {}", chance.below(1000), chance.below(1_000_000)),
        _ => format!("{}Ⅷ{}①", chance.below(10), chance.below(10)),
    }
}

/// Places where a search that found half a match has to begin again.
fn repetition(chance: &mut Chance) -> String {
    let unit = one(chance, "a|ab|a |- |-a|ab ab-|中|aab|\u{301}|. . |x. ");
    let mut text = unit.repeat(chance.magnitude(1, 60) as usize);
    text.push_str(one(chance, "|b|-|c|aa"));
    text
}

fn sentences(chance: &mut Chance) -> String {
    use Language::*;
    let language = *chance.pick(&[English, German, French, Polish, Russian, Greek, Japanese, Chinese]);
    Vocabulary::new(language).sentence(chance)
}
