//! What a document says of itself: title, subject, author, keywords (Dublin Core, in both families of formats).

use super::super::output::{Out, Stop};
use super::super::xml::{Element, Handler};

/// Writes each on a line.
pub struct Properties<'a> {
    out: &'a mut Out,
    wanted: bool,
}

impl Properties<'_> {
    pub fn new(out: &mut Out) -> Properties<'_> {
        Properties { out, wanted: false }
    }
}

fn is_wanted(name: &str) -> bool {
    matches!(
        name,
        "title"
            | "subject"
            | "creator"
            | "initial-creator"
            | "keywords"
            | "keyword"
            | "description"
            | "category"
    )
}

impl Handler for Properties<'_> {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        self.out.line();
        self.wanted = is_wanted(element.name());
        Ok(())
    }

    fn end(&mut self, _: &str) -> Result<(), Stop> {
        self.out.line();
        self.wanted = false;
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        if self.wanted { self.out.push(text) } else { Ok(()) }
    }
}
