//! Rich Text Format (Microsoft's specification, 1.9.1): groups, control words, and text in the code pages of fonts.
//!
//! Destinations that are not text of the document (tables of fonts and colours, pictures, instructions of fields) and those that a
//! reader may ignore (`\*`) are left out; headers, footers, notes, results of fields, text boxes, title and author are kept.

mod charsets;
mod words;

use charsets::Fonts;
use words::Meaning;

use super::Failure;
use super::output::{Out, Stop};
use crate::limits::DOCUMENT_RTF_DEPTH_MAX;

pub fn read(content: &[u8], out: &mut Out) -> Result<(), Stop> {
    let start = content.trim_ascii_start();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    if !start.starts_with(b"{\\rtf") {
        return Err(Failure::Damaged.into());
    }
    let mut reader = Reader {
        out,
        state: State { skipped: false, deleted: false, apart: false, uc: 1, font: None, in_fonts: false },
        groups: Vec::new(),
        too_deep: 0,
        octets: Vec::new(),
        fonts: Fonts::default(),
        star: false,
        unwanted: 0,
        surrogate: None,
    };
    reader.run(start)
}

/// What a group may change for itself.
#[derive(Clone, Copy)]
struct State {
    /// No text of the document.
    skipped: bool,
    /// Stands for itself: what follows its group is on another line.
    apart: bool,
    /// Struck out in a review.
    deleted: bool,
    /// Characters behind `\u` that say the same for readers without Unicode.
    uc: u32,
    /// None: the default font.
    font: Option<i32>,
    /// In the table of fonts.
    in_fonts: bool,
}

struct Reader<'a> {
    out: &'a mut Out,
    state: State,
    groups: Vec<State>,
    /// Groups open whose state is not kept apart.
    too_deep: u64,
    /// Text whose charset is that of the font, not decoded yet.
    octets: Vec<u8>,
    fonts: Fonts,
    /// `\*` was read: the destination that follows may be ignored.
    star: bool,
    /// Characters still to be left out behind `\u`.
    unwanted: u32,
    /// The first half of a character beyond the basic plane.
    surrogate: Option<u16>,
}

impl Reader<'_> {
    fn run(&mut self, content: &[u8]) -> Result<(), Stop> {
        let mut rest = content;
        while let Some((&octet, tail)) = rest.split_first() {
            rest = tail;
            match octet {
                b'{' => {
                    self.flush()?;
                    self.unwanted = 0;
                    if self.groups.len() < DOCUMENT_RTF_DEPTH_MAX {
                        self.groups.push(self.state);
                    } else {
                        self.too_deep += 1;
                    }
                }
                b'}' => {
                    self.flush()?;
                    self.unwanted = 0;
                    if self.too_deep > 0 {
                        self.too_deep -= 1;
                    } else if let Some(state) = self.groups.pop() {
                        if self.state.apart && !state.apart {
                            self.out.line();
                        }
                        self.state = state;
                    }
                    if self.groups.is_empty() {
                        break;
                    }
                }
                b'\\' => rest = self.control(rest)?,
                b'\r' | b'\n' | 0 => {}
                _ => self.octet(octet),
            }
        }
        self.flush()
    }

    /// One octet of text.
    fn octet(&mut self, octet: u8) {
        if self.unwanted > 0 {
            self.unwanted -= 1;
        } else if !self.state.skipped && !self.state.deleted {
            self.octets.push(octet);
        }
    }

    /// Decodes what has been gathered.
    fn flush(&mut self) -> Result<(), Stop> {
        if self.octets.is_empty() {
            return Ok(());
        }
        self.surrogate = None;
        let text = self.fonts.charset(self.state.font).decode(&self.octets);
        self.octets.clear();
        self.out.push(&text)
    }

    /// What follows a backslash; gives back what follows that.
    fn control<'c>(&mut self, rest: &'c [u8]) -> Result<&'c [u8], Stop> {
        let Some((&symbol, tail)) = rest.split_first() else { return Ok(rest) };
        if !symbol.is_ascii_alphabetic() {
            return self.symbol(symbol, tail);
        }
        let letters = rest.iter().take(32).take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, rest) = rest.split_at(letters);
        let minus = usize::from(rest.first() == Some(&b'-'));
        let digits = rest.iter().skip(minus).take(10).take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = rest.split_at(if digits > 0 { minus + digits } else { 0 });
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<i32>().ok());
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        if word == b"bin" {
            let size = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
            return Ok(rest.get(size..).unwrap_or_default());
        }
        self.word(word, number)?;
        Ok(rest)
    }

    fn symbol<'c>(&mut self, symbol: u8, rest: &'c [u8]) -> Result<&'c [u8], Stop> {
        match symbol {
            b'\'' => {
                let (hex, rest) = rest.split_at(rest.len().min(2));
                let octet = std::str::from_utf8(hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                if let Some(octet) = octet {
                    self.octet(octet);
                }
                return Ok(rest);
            }
            b'*' => self.star = true,
            b'\\' | b'{' | b'}' => self.octet(symbol),
            b'~' => self.write("\u{a0}")?,
            b'_' => self.write("-")?,
            b'\r' | b'\n' => self.line()?,
            b'\t' => self.cell()?,
            // An optional hyphen, a mark of an index entry, a formula character.
            _ => {}
        }
        Ok(rest)
    }

    fn word(&mut self, word: &[u8], number: Option<i32>) -> Result<(), Stop> {
        let star = std::mem::take(&mut self.star);
        if word != b"u" && self.unwanted > 0 {
            // A control word counts as one of the characters that stand for another.
            self.unwanted -= 1;
        }
        let meaning = words::meaning(word);
        // What a reader may ignore and this one does not know.
        if star && !matches!(meaning, Meaning::Kept) {
            self.flush()?;
            self.state.skipped = true;
            return Ok(());
        }
        match meaning {
            Meaning::Skipped => {
                self.flush()?;
                self.state.skipped = true;
            }
            Meaning::Kept => {
                self.flush()?;
                self.state.skipped = false;
                self.state.apart = true;
                self.out.line();
            }
            Meaning::Apart => {
                self.flush()?;
                if !self.state.skipped {
                    self.state.apart = true;
                    self.out.line();
                }
            }
            Meaning::Line => self.line()?,
            Meaning::Cell => self.cell()?,
            Meaning::Text(text) => self.write(text)?,
            Meaning::Unicode => self.unicode(number.unwrap_or(0))?,
            Meaning::UnicodeCount => self.state.uc = u32::try_from(number.unwrap_or(1)).unwrap_or(0).min(64),
            Meaning::Deleted => {
                self.flush()?;
                self.state.deleted = number != Some(0);
            }
            Meaning::Plain => {
                self.flush()?;
                self.state.font = None;
                self.state.deleted = false;
            }
            Meaning::CodePage => self.fonts.set_default(number.unwrap_or(0)),
            Meaning::Macintosh => self.fonts.set_default(10000),
            Meaning::DefaultFont => self.fonts.set_default_font(number.unwrap_or(0)),
            Meaning::FontTable => {
                self.flush()?;
                self.state.skipped = true;
                self.state.in_fonts = true;
            }
            Meaning::Font => {
                self.flush()?;
                self.state.font = number;
            }
            Meaning::FontCharset if self.state.in_fonts => {
                self.fonts.set_charset(self.state.font, number.unwrap_or(0));
            }
            Meaning::FontCodePage if self.state.in_fonts => {
                self.fonts.set_code_page(self.state.font, number.unwrap_or(0));
            }
            Meaning::FontCharset | Meaning::FontCodePage | Meaning::Nothing => {}
        }
        Ok(())
    }

    fn is_read(&self) -> bool {
        !self.state.skipped && !self.state.deleted
    }

    fn write(&mut self, text: &str) -> Result<(), Stop> {
        self.flush()?;
        if self.is_read() { self.out.push(text) } else { Ok(()) }
    }

    fn line(&mut self) -> Result<(), Stop> {
        self.flush()?;
        if !self.state.skipped {
            self.out.line();
        }
        Ok(())
    }

    fn cell(&mut self) -> Result<(), Stop> {
        self.flush()?;
        if !self.state.skipped {
            self.out.cell();
        }
        Ok(())
    }

    /// A unit of UTF-16, written as a signed number.
    fn unicode(&mut self, number: i32) -> Result<(), Stop> {
        let first = self.surrogate;
        self.flush()?;
        self.surrogate = None;
        self.unwanted = self.state.uc;
        if !self.is_read() {
            return Ok(());
        }
        let unit = number as u32 & 0xffff;
        let unit = u16::try_from(unit).unwrap_or_default();
        if (0xd800..0xdc00).contains(&unit) {
            self.surrogate = Some(unit);
            return Ok(());
        }
        // Fonts of symbols have theirs in the private area, where the characters of their code page are moved to.
        let unit = if (0xf020..=0xf0ff).contains(&unit) { unit - 0xf000 } else { unit };
        let units = first.into_iter().chain([unit]);
        for character in char::decode_utf16(units) {
            self.out.push(character.unwrap_or('\u{fffd}').encode_utf8(&mut [0; 4]))?;
        }
        Ok(())
    }
}
