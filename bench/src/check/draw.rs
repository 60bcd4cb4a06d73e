//! Search programs drawn from the mail, class by class, by a seed.
//!
//! Needles come from a random place of a random message, so a common word is drawn as often as it is written; half of the
//! words come from the distinct words instead, so that rare ones are asked for as well.

use std::collections::BTreeSet;
use std::io;

use mail_parser::{MessageParser, PartType};

use super::client_shapes;
use super::facts::{header_end, name_and_value, split_fields};
use super::program::{Key, Scope};
use super::texts::decode;
use crate::chance::{Chance, Purpose};
use crate::mail::Mail;

/// The classes, as scenarios name them.
pub const CLASSES: [&str; 6] = ["word", "substring", "phrase", "header", "boolean", "nohit"];

/// Messages that are looked at for needles.
const SAMPLE: usize = 1500;

pub struct Drawer {
    /// Lines of plain text.
    lines: Vec<Vec<String>>,
    words: Vec<String>,
    /// Name and decoded value of header fields, of each sampled message.
    fields: Vec<Vec<(String, String)>>,
    /// Internal dates of the sample.
    pub seconds: Vec<i64>,
    pub chance: Chance,
}

impl Drawer {
    pub fn new(mail: &dyn Mail, seed: u64) -> io::Result<Drawer> {
        let mut chance = Chance::new(seed ^ 0x6472_6177, Purpose::Text, 1);
        let count = mail.count();
        let mut chosen: BTreeSet<usize> = BTreeSet::new();
        while chosen.len() < SAMPLE.min(count) {
            chosen.insert(chance.below(count as u64) as usize);
        }
        let (mut lines, mut fields, mut words, mut seconds) =
            (Vec::new(), Vec::new(), BTreeSet::new(), Vec::new());
        for n in chosen {
            let letter = mail.letter(n)?;
            seconds.push(letter.seconds);
            let found = plain_lines(&letter.bytes);
            for line in &found {
                words.extend(words_of(line).filter(|w| w.chars().count() > 3).map(str::to_lowercase));
            }
            if !found.is_empty() {
                lines.push(found);
            }
            fields.push(header_fields(&letter.bytes));
        }
        fields.retain(|fields| !fields.is_empty());
        if lines.is_empty() || words.is_empty() || fields.is_empty() {
            return Err(io::Error::other("the mail has no text to draw searches from"));
        }
        Ok(Drawer { lines, words: words.into_iter().collect(), fields, seconds, chance })
    }

    /// What `find` makes of random lines, until it makes something.
    fn drawn(&mut self, find: impl Fn(&str, &mut Chance) -> Option<String>) -> String {
        for _ in 0..10_000 {
            let text = self.chance.below(self.lines.len() as u64) as usize;
            let line = self.chance.below(self.lines[text].len() as u64) as usize;
            if let Some(found) = find(&self.lines[text][line], &mut self.chance) {
                return found;
            }
        }
        // Mail without such a thing (no phrases in Chinese mail): any word will do.
        self.chance.pick(&self.words).clone()
    }

    pub fn word(&mut self) -> String {
        if self.chance.permille(500) {
            return self.chance.pick(&self.words).clone();
        }
        self.drawn(|line, chance| {
            let words: Vec<&str> = words_of(line).filter(|w| w.chars().count() > 3).collect();
            (!words.is_empty()).then(|| (*chance.pick(&words)).to_owned())
        })
    }

    /// A piece from the inside of a word, 3 to 8 letters.
    pub fn substring(&mut self) -> String {
        self.drawn(|line, chance| {
            let words: Vec<&str> = words_of(line).filter(|w| w.chars().count() > 5).collect();
            if words.is_empty() {
                return None;
            }
            let letters: Vec<char> = chance.pick(&words).chars().collect();
            let inside = &letters[1..letters.len() - 1];
            let length = chance.between(3, 8.min(inside.len() as u64)) as usize;
            let at = chance.below((inside.len() - length + 1) as u64) as usize;
            Some(inside[at..at + length].iter().collect())
        })
    }

    /// Two to five words with single spaces between.
    pub fn phrase(&mut self) -> String {
        self.drawn(|line, chance| {
            let tokens: Vec<&str> = line.split(' ').collect();
            let count = chance.between(2, 5) as usize;
            if tokens.len() < count {
                return None;
            }
            let at = chance.below((tokens.len() - count + 1) as u64) as usize;
            let words = &tokens[at..at + count];
            let plain = |w: &&str| !w.is_empty() && w.chars().all(char::is_alphanumeric);
            words.iter().all(plain).then(|| words.join(" "))
        })
    }

    pub fn absent(&mut self) -> String {
        let length = self.chance.between(6, 10);
        let letters: String =
            (0..length).map(|_| char::from(*self.chance.pick(b"bcdfghjklmnpqrstvwxz"))).collect();
        format!("zq{letters}")
    }

    /// A field that some message has: name and value. `names` in lower case; empty for any.
    pub fn field(&mut self, names: &[&str]) -> (String, String) {
        for _ in 0..10_000 {
            let fields = self.chance.pick(&self.fields);
            let (name, value) = self.chance.pick(fields).clone();
            if names.is_empty() || names.contains(&name.as_str()) {
                return (name, value);
            }
        }
        ("subject".to_owned(), self.word())
    }

    /// A word or a piece of a value, trimmed, at least 3 letters where there are as many.
    pub fn piece(&mut self, value: &str, most: u64) -> String {
        let letters: Vec<char> = value.chars().collect();
        let length = self.chance.between(4, most.max(4)).min(letters.len() as u64) as usize;
        let at = self.chance.below((letters.len() - length + 1) as u64) as usize;
        let piece: String = letters[at..at + length].iter().collect();
        let piece = piece.trim();
        if piece.chars().count() < 3 { value.to_owned() } else { piece.to_owned() }
    }

    fn header(&mut self) -> Key {
        match self.chance.below(6) {
            0 | 1 => {
                let name = *self.chance.pick(&["from", "to", "cc"]);
                let (found, value) = self.field(&[name]);
                let name = if found == name { name } else { "subject" };
                let words: Vec<&str> = words_of(&value).filter(|w| w.chars().count() > 2).collect();
                let word =
                    if words.is_empty() { value.clone() } else { (*self.chance.pick(&words)).to_owned() };
                Key::Text(Scope::Named(name), word)
            }
            2 => {
                let (_, value) = self.field(&["subject"]);
                Key::Text(Scope::Named("subject"), self.piece(&value, 14))
            }
            3 => {
                let (name, value) = self.field(&["message-id"]);
                Key::Text(Scope::Header(name), value)
            }
            4 => {
                let (name, value) =
                    self.field(&["list-id", "received", "references", "in-reply-to", "x-mailer"]);
                let piece = self.piece(&value, 12);
                Key::Text(Scope::Header(name), piece)
            }
            _ => {
                let (name, value) = self.field(&[]);
                let piece = self.piece(&value, 12);
                Key::Text(Scope::Header(name), piece)
            }
        }
    }

    /// One program of a class of [`CLASSES`].
    pub fn program(&mut self, class: &str) -> Key {
        let scope = if self.chance.permille(500) { Scope::Body } else { Scope::Text };
        match class {
            "word" => Key::Text(scope, self.word()),
            "substring" => Key::Text(scope, self.substring()),
            "phrase" => Key::Text(scope, self.phrase()),
            "header" => self.header(),
            "nohit" => Key::Text(scope, self.absent()),
            _ => client_shapes::program(self),
        }
    }
}

fn words_of(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty())
}

/// Decoded lines of all text/plain parts.
fn plain_lines(bytes: &[u8]) -> Vec<String> {
    let Some(message) = MessageParser::default().parse(bytes) else { return Vec::new() };
    let mut lines = Vec::new();
    for part in &message.parts {
        if let PartType::Text(text) = &part.body {
            lines.extend(
                text.lines()
                    .map(str::trim)
                    .filter(|l| l.len() > 3 && !l.contains('\u{fffd}'))
                    .map(str::to_owned),
            );
        }
    }
    lines
}

fn header_fields(bytes: &[u8]) -> Vec<(String, String)> {
    split_fields(&bytes[..header_end(bytes)])
        .into_iter()
        .filter_map(name_and_value)
        .filter_map(|(name, value)| {
            // A field that is folded may be joined in more than one way: not what a known answer is made of.
            if value.contains(&b'\n') {
                return None;
            }
            let (name, value) = (String::from_utf8_lossy(name).to_lowercase(), decode(value));
            let good = name.bytes().all(|b| b.is_ascii_graphic()) && value.chars().count() > 3;
            (good && !value.chars().any(char::is_control)).then_some((name, value))
        })
        .collect()
}
