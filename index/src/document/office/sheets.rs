//! Workbooks (SpreadsheetML, ECMA-376-1, 18): the sheets in their order, rows as lines, cells set apart by tabs. Numbers, and dates, which
//! are numbers, are as they are stored; formulas are left out, their results are there.

use super::super::Failure;
use super::super::archive::Archive;
use super::super::output::{Out, Stop};
use super::super::xml::{Element, Handler};
use super::relations::{Relations, folder_of};
use super::{part, texts};
use crate::limits::{DOCUMENT_SHARED_STRINGS_BYTES_MAX, DOCUMENT_SHARED_STRINGS_MAX};

pub fn read(archive: &mut Archive<'_>, main: &str, out: &mut Out) -> Result<(), Stop> {
    let folder = folder_of(main).to_owned();
    let relations = Relations::of(archive, main)?;
    let mut shared = Shared::default();
    let strings = relations.target("sharedStrings").unwrap_or_else(|| format!("{folder}sharedStrings.xml"));
    let read = part(archive, &strings, &mut shared);
    out.after_part(read)?;
    if shared.over {
        out.miss(Failure::TooLarge("shared strings"));
    }
    let mut sheets = Sheets::default();
    let read = part(archive, main, &mut sheets);
    out.after_part(read)?;
    if sheets.0.is_empty() {
        let names = archive.names(&format!("{folder}worksheets/"), ".xml");
        sheets.0 = names.into_iter().map(|file| (String::new(), file)).collect();
    } else {
        for (_, id) in &mut sheets.0 {
            *id = relations.by_id(id).unwrap_or_default();
        }
    }
    for (name, file) in sheets.0 {
        out.line();
        out.push(&name)?;
        out.line();
        let read = part(archive, &file, &mut Sheet::new(&shared, out));
        out.after_part(read)?;
        let apart: Vec<String> = Relations::of(archive, &file).map_or(Vec::new(), |relations| {
            let kinds = ["comments", "threadedComment", "drawing"];
            kinds.iter().flat_map(|kind| relations.targets(kind)).collect()
        });
        texts(archive, apart, out)?;
    }
    Ok(())
}

/// Names of the sheets, with the ids of the relations to them.
#[derive(Default)]
struct Sheets(Vec<(String, String)>);

impl Handler for Sheets {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        if element.name() == "sheet" {
            let id = element.get_exactly("r:id").or_else(|| element.get("id")).unwrap_or_default();
            self.0.push((element.get("name").unwrap_or_default(), id));
        }
        Ok(())
    }
    fn end(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }
}

/// The strings that cells refer to by number.
#[derive(Default)]
struct Shared {
    text: String,
    /// Where each string ends.
    ends: Vec<usize>,
    in_text: bool,
    /// Elements open in the reading aid of a text.
    skipped: usize,
    over: bool,
}

impl Shared {
    fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        let begin = number.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(begin..end)
    }
}

impl Handler for Shared {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        if self.skipped > 0 || element.name() == "rPh" {
            self.skipped += 1;
        } else if element.name() == "t" {
            self.in_text = true;
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Stop> {
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(());
        }
        match name {
            "t" => self.in_text = false,
            "si" if self.ends.len() < DOCUMENT_SHARED_STRINGS_MAX => self.ends.push(self.text.len()),
            "si" => self.over = true,
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        if self.in_text && self.skipped == 0 {
            if self.text.len() + text.len() <= DOCUMENT_SHARED_STRINGS_BYTES_MAX {
                self.text.push_str(text);
            } else {
                self.over = true;
            }
        }
        Ok(())
    }
}

/// One sheet.
struct Sheet<'a> {
    shared: &'a Shared,
    out: &'a mut Out,
    /// `t` of the cell.
    kind: String,
    value: String,
    in_value: bool,
    skipped: usize,
}

impl<'a> Sheet<'a> {
    fn new(shared: &'a Shared, out: &'a mut Out) -> Sheet<'a> {
        Sheet { shared, out, kind: String::new(), value: String::new(), in_value: false, skipped: 0 }
    }
}

impl Handler for Sheet<'_> {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        let name = element.name();
        if self.skipped > 0 || name == "rPh" {
            self.skipped += 1;
            return Ok(());
        }
        match name {
            "c" => {
                self.kind = element.get("t").unwrap_or_default();
                self.value.clear();
            }
            "v" | "t" => self.in_value = true,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Stop> {
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(());
        }
        match name {
            "v" | "t" => self.in_value = false,
            "c" => {
                let value = match (self.kind.as_str(), self.value.trim()) {
                    ("s", number) => {
                        number.parse().ok().and_then(|number| self.shared.get(number)).unwrap_or_default()
                    }
                    ("b", "0") => "FALSE",
                    ("b", "1") => "TRUE",
                    _ => &self.value,
                };
                self.out.push(value)?;
                self.out.cell();
            }
            "row" => self.out.line(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        if self.in_value && self.skipped == 0 {
            self.value.push_str(text);
        }
        Ok(())
    }
}
