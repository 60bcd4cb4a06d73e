//! Runs of text, as documents (WordprocessingML, ECMA-376-1, 17), drawings and slides (DrawingML, 21) and comments have them: `t` in
//! runs in paragraphs. Text that was deleted but is kept for review is left out, and of alternatives for older programs the first is
//! taken.

use super::super::output::{Out, Stop};
use super::super::xml::{Element, Handler};

/// See the module.
pub struct Runs<'a> {
    out: &'a mut Out,
    /// Elements that are open in one whose content is no text of the document.
    skipped: usize,
    /// Whether text is text of a run.
    in_text: bool,
}

impl Runs<'_> {
    pub fn new(out: &mut Out) -> Runs<'_> {
        Runs { out, skipped: 0, in_text: false }
    }
}

/// Elements whose content is no text that a reader sees: alternatives, what was deleted or moved away, and properties.
fn is_skipped(name: &str) -> bool {
    matches!(
        name,
        "Fallback"
            | "del"
            | "moveFrom"
            | "delText"
            | "instrText"
            | "delInstrText"
            | "pPrChange"
            | "rPrChange"
            | "tabs"
            | "tabLst"
            | "rPh"
    )
}

impl Handler for Runs<'_> {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        let name = element.name();
        if self.skipped > 0 || is_skipped(name) {
            self.skipped += 1;
            return Ok(());
        }
        match name {
            "t" | "text" => self.in_text = true,
            "p" | "br" | "cr" | "tr" | "comment" => self.out.line(),
            "tc" | "tab" | "ptab" => self.out.cell(),
            "noBreakHyphen" => self.out.push("-")?,
            // Pictures have a text for those who do not see them.
            "docPr" | "cNvPr" => {
                if let Some(description) = element.get("descr").filter(|text| !text.is_empty()) {
                    self.out.line();
                    self.out.push(&description)?;
                    self.out.line();
                }
            }
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
            "t" | "text" => self.in_text = false,
            "p" | "comment" => self.out.line(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        if self.in_text && self.skipped == 0 { self.out.push(text) } else { Ok(()) }
    }
}
