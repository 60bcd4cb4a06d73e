//! Classes of searches, drawn from what the messages say.

use roaring::RoaringBitmap;
use trawl_index::prepare::{Area, Kind};
use trawl_index::query::{Field, Node, TextKey};
use trawl_index::segment::Segment;
use trawl_index::tokens::{Class as Token, tokens};

pub struct Class {
    pub name: String,
    pub nodes: Vec<Node>,
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % n.max(1)
    }
}

struct Texts<'a> {
    segments: &'a [Segment],
    chance: Chance,
}

impl Texts<'_> {
    /// A text of some message: its field name, empty for the body, and what it says.
    fn text(&mut self, wanted: impl Fn(&Kind<'_>) -> bool, area: Area) -> Option<(String, String)> {
        let segment = &self.segments[self.chance.below(self.segments.len())];
        let doc = self.chance.below(segment.docs() as usize) as u32;
        let mut texts = Vec::new();
        let decoded = segment.decode(doc, area, &mut |kind, text| {
            if wanted(&kind) && !text.is_empty() {
                let name = match kind {
                    Kind::Own { name } | Kind::Nested { name } => String::from_utf8_lossy(name).into_owned(),
                    Kind::Pseudo { which } => which.name().to_owned(),
                    Kind::Body => String::new(),
                };
                texts.push((name, String::from_utf8_lossy(text).into_owned()));
            }
        });
        decoded.ok()?;
        (!texts.is_empty()).then(|| texts.swap_remove(self.chance.below(texts.len())))
    }

    fn body(&mut self) -> Option<String> {
        self.text(|_| true, Area::Body).map(|text| text.1)
    }

    fn field(&mut self, field: &str) -> Option<String> {
        self.text(|kind| matches!(kind, Kind::Own { name } if *name == field.as_bytes()), Area::Head)
            .map(|text| text.1)
    }

    fn address(&mut self, field: &str) -> Option<String> {
        self.text(|kind| matches!(kind, Kind::Pseudo { which } if which.name() == field), Area::Pseudo)
            .map(|text| text.1)
    }

    /// A word that people would type.
    fn word(&mut self, text: &str) -> Option<String> {
        let words: Vec<&str> = tokens(text)
            .filter(|token| token.0 == Token::Word && token.1.len() >= 3)
            .map(|token| token.1)
            .collect();
        words.get(self.chance.below(words.len())).map(|word| (*word).to_owned())
    }

    fn infix(&mut self, text: &str) -> Option<String> {
        let word = self.word(text)?;
        let chars: Vec<char> = word.chars().collect();
        let len = (3 + self.chance.below(10)).min(chars.len());
        let start = self.chance.below(chars.len() - len + 1);
        Some(chars[start..start + len].iter().collect())
    }

    /// Two to five words, the outer ones often not whole.
    fn words(&mut self, text: &str) -> Option<String> {
        let pieces: Vec<&str> = text.split(' ').collect();
        let len = 2 + self.chance.below(4);
        let start = self.chance.below(pieces.len().checked_sub(len)? + 1);
        let run = pieces[start..start + len].join(" ");
        let plain = run.chars().all(|c| c.is_alphanumeric() || c == ' ');
        let chars: Vec<char> = run.chars().collect();
        let (left, right) = (pieces[start].chars().count(), pieces[start + len - 1].chars().count());
        if !plain || left == 0 || right == 0 || chars.len() > 60 {
            return None;
        }
        let cut = |chance: &mut Chance, len: usize| if chance.below(2) == 0 { 0 } else { chance.below(len) };
        let (from, to) = (cut(&mut self.chance, left), cut(&mut self.chance, right));
        Some(chars[from..chars.len() - to].iter().collect())
    }

    /// 3 to 40 characters, some of them punctuation.
    fn punctuation(&mut self, text: &str) -> Option<String> {
        let chars: Vec<char> = text.chars().take(20_000).collect();
        let len = 3 + self.chance.below(38);
        let start = self.chance.below(chars.len().checked_sub(len)? + 1);
        let run = &chars[start..start + len];
        let word = run.iter().any(|c| c.is_alphanumeric());
        let punctuation = run.iter().any(|c| !c.is_alphanumeric() && *c != ' ');
        (word && punctuation).then(|| run.iter().collect())
    }

    fn no_hit(&mut self) -> String {
        let letters = ['B', 'C', 'D', 'G', 'K', 'Q', 'V', 'W', 'X', 'Z', 'A', 'E'];
        (0..5 + self.chance.below(6)).map(|_| letters[self.chance.below(letters.len())]).collect()
    }

    fn letters(&mut self, text: &str, len: usize) -> Option<String> {
        let chars: Vec<char> = text.chars().collect();
        let start = self.chance.below(chars.len().checked_sub(len)? + 1);
        let run = &chars[start..start + len];
        run.iter().all(|c| c.is_alphanumeric()).then(|| run.iter().collect())
    }

    /// About a third of the messages, in runs as people read them.
    fn unseen(&mut self) -> Node {
        let end =
            self.segments.last().and_then(|last| last.message(last.docs().saturating_sub(1))).unwrap_or(0);
        let (mut rows, mut at) = (RoaringBitmap::new(), 0u32);
        while at < end {
            let run = 1 + self.chance.below(20) as u32;
            rows.insert_range(at..at + run);
            at += run + 1 + self.chance.below(40) as u32;
        }
        Node::State(rows)
    }
}

fn key(field: Field, needle: &str) -> Node {
    Node::Text(TextKey { field, needle: needle.to_owned() })
}

type Draw = fn(&mut Texts<'_>) -> Option<Node>;

fn on_both(out: &mut Vec<(String, Draw)>, name: &str, body: Draw, text: Draw) {
    out.push((format!("BODY {name}"), body));
    out.push((format!("TEXT {name}"), text));
}

/// One needle, again and again, in bodies, in TEXT and in a header field.
pub fn only(needle: &str, field: Option<&str>, count: usize) -> Vec<Class> {
    let of_header = field.map(|name| ("HEADER", Field::Header(name.to_ascii_uppercase())));
    [("BODY", Field::Body), ("TEXT", Field::Text)]
        .into_iter()
        .chain(of_header)
        .map(|(name, field)| Class { name: name.to_owned(), nodes: vec![key(field, needle); count] })
        .collect()
}

pub fn classes(segments: &[Segment], count: usize, seed: u64) -> Vec<Class> {
    let mut draws: Vec<(String, Draw)> = Vec::new();
    macro_rules! both {
        ($name:literal, $texts:ident, $draw:expr) => {
            on_both(
                &mut draws,
                $name,
                |$texts| Some(key(Field::Body, &$draw?)),
                |$texts| Some(key(Field::Text, &$draw?)),
            );
        };
    }
    both!("word", texts, texts.body().and_then(|text| texts.word(&text)));
    both!("infix", texts, texts.body().and_then(|text| texts.infix(&text)));
    both!("no hit", texts, Some(texts.no_hit()));
    both!("several words", texts, texts.body().and_then(|text| texts.words(&text)));
    both!("punctuation", texts, texts.body().and_then(|text| texts.punctuation(&text)));
    both!("two letters", texts, texts.body().and_then(|text| texts.letters(&text, 2)));
    both!("one letter", texts, texts.body().and_then(|text| texts.letters(&text, 1)));
    let mut one = |name: &str, draw: Draw| draws.push((name.to_owned(), draw));
    one("TEXT header punctuation", |texts| {
        let text = texts.text(|_| true, Area::Head)?.1;
        Some(key(Field::Text, &texts.punctuation(&text)?))
    });
    one("TEXT Name: value", |texts| {
        let (name, text) = texts.text(|_| true, Area::Head)?;
        let line = format!("{name}: {text}");
        let len = name.chars().count() + 3 + texts.chance.below(12);
        Some(key(Field::Text, &line.chars().take(len).collect::<String>()))
    });
    one("SUBJECT word", |texts| {
        let text = texts.field("SUBJECT")?;
        Some(key(Field::Subject, &texts.word(&text)?))
    });
    one("SUBJECT several words", |texts| {
        let text = texts.field("SUBJECT")?;
        Some(key(Field::Subject, &texts.words(&text)?))
    });
    one("FROM name or infix", |texts| {
        let text = texts.address("FROM")?;
        Some(key(Field::From, &texts.infix(&text)?))
    });
    one("TO address", |texts| {
        let text = texts.address("TO")?;
        let end = text.find([',', '>']).unwrap_or(text.len());
        let start = text[..end].rfind('<').map_or(0, |at| at + 1);
        Some(key(Field::To, &text[start..end]))
    });
    one("HEADER Message-ID", |texts| {
        Some(key(Field::Header("Message-ID".into()), &texts.field("MESSAGE-ID")?))
    });
    one("HEADER any infix", |texts| {
        let (name, text) = texts.text(|kind| matches!(kind, Kind::Own { .. }), Area::Head)?;
        Some(key(Field::Header(name), &texts.infix(&text)?))
    });
    one("HEADER any punctuation", |texts| {
        let (name, text) = texts.text(|kind| matches!(kind, Kind::Own { .. }), Area::Head)?;
        Some(key(Field::Header(name), &texts.punctuation(&text)?))
    });
    one("program: Thunderbird", |texts| {
        let word = texts.body().and_then(|text| texts.word(&text))?;
        let or = |a, b| Node::Or(vec![a, b]);
        let first = or(key(Field::From, &word), key(Field::To, &word));
        let all = or(or(first, key(Field::Subject, &word)), key(Field::Body, &word));
        Some(Node::And(vec![texts.unseen(), all]))
    });
    one("program: Roundcube", |texts| {
        let text = texts.field("SUBJECT")?;
        let word = texts.infix(&text)?;
        let header = |name: &str| key(Field::Header(name.into()), &word);
        Some(Node::Or(vec![header("SUBJECT"), header("FROM")]))
    });
    one("program: TEXT UNSEEN", |texts| {
        let word = texts.body().and_then(|text| texts.word(&text))?;
        Some(Node::And(vec![key(Field::Text, &word), texts.unseen()]))
    });
    one("program: FROM SUBJECT NOT BODY", |texts| {
        let from = texts.address("FROM")?;
        let subject = texts.field("SUBJECT")?;
        let (from, subject) = (texts.word(&from)?, texts.word(&subject)?);
        let body = texts.body().and_then(|text| texts.words(&text))?;
        let not = Node::Not(Box::new(key(Field::Body, &body)));
        Some(Node::And(vec![not, key(Field::From, &from), key(Field::Subject, &subject)]))
    });
    let mut texts = Texts { segments, chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1) };
    draws
        .into_iter()
        .map(|(name, draw)| {
            let attempts = count * 50;
            let nodes = (0..attempts).filter_map(|_| draw(&mut texts)).take(count).collect();
            Class { name, nodes }
        })
        .collect()
}
