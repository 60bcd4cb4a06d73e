//! Which charset octets of text are in: that of the font, which the table of fonts names by a number, or that of the document.

use std::collections::HashMap;

use crate::limits::DOCUMENT_RTF_FONTS_MAX;
use crate::mime::charset::{self, Charset};

/// See the module.
#[derive(Default)]
pub struct Fonts {
    /// Code page of the document.
    default: Option<Charset>,
    default_font: i32,
    by_number: HashMap<i32, Charset>,
}

impl Fonts {
    /// The charset of a font, or of the default font.
    pub fn charset(&self, font: Option<i32>) -> Charset {
        let of_font = self.by_number.get(&font.unwrap_or(self.default_font));
        of_font.copied().or(self.default).unwrap_or_else(|| named("windows-1252"))
    }

    pub fn set_default(&mut self, code_page: i32) {
        self.default = by_code_page(code_page);
    }

    pub fn set_default_font(&mut self, font: i32) {
        self.default_font = font;
    }

    /// The charset of a font as `\fcharset` says.
    pub fn set_charset(&mut self, font: Option<i32>, number: i32) {
        let code_page = match number {
            0 | 2 => 1252,
            77 => 10000,
            128 => 932,
            129 => 949,
            130 => 1361,
            134 => 936,
            136 => 950,
            161 => 1253,
            162 => 1254,
            163 => 1258,
            177 => 1255,
            178..=180 => 1256,
            186 => 1257,
            204 => 1251,
            222 => 874,
            238 => 1250,
            254 => 437,
            255 => 850,
            // The default charset is the document's.
            _ => return,
        };
        self.set_code_page(font, code_page);
    }

    pub fn set_code_page(&mut self, font: Option<i32>, code_page: i32) {
        let Some(font) = font else { return };
        if let Some(charset) = by_code_page(code_page)
            && (self.by_number.len() < DOCUMENT_RTF_FONTS_MAX || self.by_number.contains_key(&font))
        {
            self.by_number.insert(font, charset);
        }
    }
}

fn by_code_page(code_page: i32) -> Option<Charset> {
    match code_page {
        1..=65001 => charset::lookup(format!("cp{code_page}").as_bytes())
            .or_else(|| charset::lookup(format!("windows-{code_page}").as_bytes())),
        _ => None,
    }
}

fn named(name: &str) -> Charset {
    charset::lookup(name.as_bytes()).unwrap_or(Charset::GUESS)
}
