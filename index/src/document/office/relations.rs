//! Relations between the parts of an Office Open XML document (ECMA-376-2, 6.5): which files a part refers to, and as what.

use std::collections::HashMap;

use super::super::archive::Archive;
use super::super::output::Stop;
use super::super::xml::{self, Element, Handler};

/// The relations of one part.
#[derive(Default)]
pub struct Relations {
    folder: String,
    by_id: HashMap<String, usize>,
    /// Last word of the type, and the file.
    all: Vec<(String, String)>,
}

impl Relations {
    /// The relations of a part; of the whole document if it has no name.
    pub fn of(archive: &mut Archive<'_>, part: &str) -> Result<Relations, Stop> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let slash = if folder.is_empty() { "" } else { "/" };
        let mut relations = Relations { folder: format!("{folder}{slash}"), ..Relations::default() };
        if let Some(octets) = archive.whole(&format!("{folder}{slash}_rels/{file}.rels"))? {
            xml::walk(octets.as_slice(), &mut relations)?;
        }
        Ok(relations)
    }

    pub fn by_id(&self, id: &str) -> Option<String> {
        self.by_id.get(id).and_then(|&at| self.all.get(at)).map(|(_, file)| file.clone())
    }

    /// The first file that is related as this.
    pub fn target(&self, kind: &str) -> Option<String> {
        self.targets(kind).next()
    }

    /// All of them. `kind` is the last word of a type, which is the same in both dialects of the format.
    pub fn targets(&self, kind: &str) -> impl Iterator<Item = String> {
        self.all.iter().filter(move |(of, _)| of == kind).map(|(_, file)| file.clone())
    }
}

impl Handler for Relations {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        let external = || element.get("TargetMode").is_some_and(|mode| mode.eq_ignore_ascii_case("external"));
        if element.name() == "Relationship"
            && let (Some(id), Some(kind), Some(target)) =
                (element.get("Id"), element.get("Type"), element.get("Target"))
            && !external()
        {
            self.by_id.insert(id, self.all.len());
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            self.all.push((kind, resolve(&self.folder, &target)));
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

/// The folder of a part with a slash at its end, or nothing.
pub fn folder_of(part: &str) -> &str {
    part.rfind('/').map_or("", |slash| &part[..=slash])
}

/// A reference relative to a folder.
fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<&str> = folder.split('/').filter(|piece| !piece.is_empty()).collect();
    for piece in target.split('/') {
        match piece {
            "" | "." => {}
            ".." => drop(path.pop()),
            _ => path.push(piece),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_relative_to_the_folder() {
        for (folder, target, path) in [
            ("", "word/document.xml", "word/document.xml"),
            ("ppt/", "slides/slide1.xml", "ppt/slides/slide1.xml"),
            ("ppt/slides/", "../notesSlides/notesSlide1.xml", "ppt/notesSlides/notesSlide1.xml"),
            ("xl/", "/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("a/", "../../../b", "b"),
        ] {
            assert_eq!(resolve(folder, target), path);
        }
        assert_eq!(folder_of("a/b/c"), "a/b/");
        assert_eq!(folder_of("c"), "");
    }
}
