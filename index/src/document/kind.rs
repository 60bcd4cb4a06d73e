//! Which attachments are documents, by media type and file name.

/// What a document is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Pdf,
    /// Word processing, in Office Open XML.
    Docx,
    /// Spreadsheets, in Office Open XML.
    Xlsx,
    /// Presentations, in Office Open XML.
    Pptx,
    /// Word processing, in OpenDocument.
    Odt,
    /// Spreadsheets, in OpenDocument.
    Ods,
    /// Presentations and drawings, in OpenDocument.
    Odp,
    Rtf,
    Html,
    /// Text in any charset, whatever it means: program source, tables, logs, XML, JSON.
    Plain,
    /// A document that is not read here, but by others (Tika): the binary formats of older office suites.
    Other,
}

/// Media types and what they are read as. Those whose subtype begins with one of the vendors' prefixes are below.
const TYPES: &[(&str, Kind)] = &[
    ("application/pdf", Kind::Pdf),
    ("application/x-pdf", Kind::Pdf),
    ("application/acrobat", Kind::Pdf),
    ("application/vnd.pdf", Kind::Pdf),
    ("application/rtf", Kind::Rtf),
    ("application/x-rtf", Kind::Rtf),
    ("text/rtf", Kind::Rtf),
    ("application/xhtml+xml", Kind::Html),
    ("application/html", Kind::Html),
    ("application/json", Kind::Plain),
    ("application/xml", Kind::Plain),
    ("application/javascript", Kind::Plain),
    ("application/x-javascript", Kind::Plain),
    ("application/ecmascript", Kind::Plain),
    ("application/yaml", Kind::Plain),
    ("application/x-yaml", Kind::Plain),
    ("application/toml", Kind::Plain),
    ("application/sql", Kind::Plain),
    ("application/x-sql", Kind::Plain),
    ("application/x-sh", Kind::Plain),
    ("application/x-shellscript", Kind::Plain),
    ("application/x-csh", Kind::Plain),
    ("application/x-perl", Kind::Plain),
    ("application/x-python", Kind::Plain),
    ("application/x-ruby", Kind::Plain),
    ("application/x-httpd-php", Kind::Plain),
    ("application/x-php", Kind::Plain),
    ("application/x-patch", Kind::Plain),
    ("application/x-diff", Kind::Plain),
    ("application/x-tex", Kind::Plain),
    ("application/x-latex", Kind::Plain),
    ("application/x-troff", Kind::Plain),
    ("application/x-subrip", Kind::Plain),
    ("application/csv", Kind::Plain),
    ("application/ics", Kind::Plain),
    ("application/vcard", Kind::Plain),
    ("application/ld+json", Kind::Plain),
    ("application/rss+xml", Kind::Plain),
    ("application/atom+xml", Kind::Plain),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Kind::Docx),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.template", Kind::Docx),
    ("application/vnd.ms-word.document.macroenabled.12", Kind::Docx),
    ("application/vnd.ms-word.template.macroenabled.12", Kind::Docx),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Kind::Xlsx),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.template", Kind::Xlsx),
    ("application/vnd.ms-excel.sheet.macroenabled.12", Kind::Xlsx),
    ("application/vnd.ms-excel.template.macroenabled.12", Kind::Xlsx),
    ("application/vnd.ms-excel.addin.macroenabled.12", Kind::Xlsx),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", Kind::Pptx),
    ("application/vnd.openxmlformats-officedocument.presentationml.slideshow", Kind::Pptx),
    ("application/vnd.openxmlformats-officedocument.presentationml.template", Kind::Pptx),
    ("application/vnd.ms-powerpoint.presentation.macroenabled.12", Kind::Pptx),
    ("application/vnd.ms-powerpoint.slideshow.macroenabled.12", Kind::Pptx),
    ("application/vnd.ms-powerpoint.template.macroenabled.12", Kind::Pptx),
    ("application/vnd.oasis.opendocument.text", Kind::Odt),
    ("application/vnd.oasis.opendocument.text-template", Kind::Odt),
    ("application/vnd.oasis.opendocument.text-master", Kind::Odt),
    ("application/vnd.oasis.opendocument.text-web", Kind::Odt),
    ("application/vnd.oasis.opendocument.spreadsheet", Kind::Ods),
    ("application/vnd.oasis.opendocument.spreadsheet-template", Kind::Ods),
    ("application/vnd.oasis.opendocument.presentation", Kind::Odp),
    ("application/vnd.oasis.opendocument.presentation-template", Kind::Odp),
    ("application/vnd.oasis.opendocument.graphics", Kind::Odp),
    ("application/vnd.oasis.opendocument.graphics-template", Kind::Odp),
    ("application/vnd.oasis.opendocument.text-flat-xml", Kind::Odt),
    ("application/vnd.oasis.opendocument.spreadsheet-flat-xml", Kind::Ods),
    ("application/vnd.oasis.opendocument.presentation-flat-xml", Kind::Odp),
    ("application/vnd.oasis.opendocument.graphics-flat-xml", Kind::Odp),
];

/// Media types of binary office formats. They are what mail programs guess for anything an office suite has written, so that the file
/// name is asked first.
const OLD_OFFICE: &[&str] = &[
    "application/msword",
    "application/vnd.ms-word",
    "application/vnd.msword",
    "application/vnd.ms-excel",
    "application/msexcel",
    "application/excel",
    "application/x-msexcel",
    "application/x-excel",
    "application/vnd.ms-powerpoint",
    "application/mspowerpoint",
    "application/powerpoint",
    "application/x-mspowerpoint",
    "application/vnd.ms-works",
    "application/vnd.visio",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    "application/wordperfect",
    "application/vnd.wordperfect",
    "application/vnd.ms-publisher",
    "application/vnd.sun.xml.writer",
    "application/vnd.sun.xml.calc",
    "application/vnd.sun.xml.impress",
    "application/vnd.apple.pages",
    "application/vnd.apple.numbers",
    "application/vnd.apple.keynote",
    "application/epub+zip",
];

/// Media types that say nothing of what a file is.
const VAGUE: &[&str] = &[
    "",
    "application/octet-stream",
    "application/octetstream",
    "application/octet",
    "application/binary",
    "application/unknown",
    "application/download",
    "application/force-download",
    "application/zip",
    "application/vnd.openxmlformats",
    "application/vnd.openxmlformats-officedocument",
    "application/vnd.ms-office",
    "binary/octet-stream",
    "unknown/unknown",
    "*/*",
];

const EXTENSIONS: &[(&[&str], Kind)] = &[
    (&["pdf"], Kind::Pdf),
    (&["docx", "docm", "dotx", "dotm"], Kind::Docx),
    (&["xlsx", "xlsm", "xltx", "xltm", "xlam"], Kind::Xlsx),
    (&["pptx", "pptm", "ppsx", "ppsm", "potx", "potm"], Kind::Pptx),
    (&["odt", "ott", "odm", "oth", "fodt"], Kind::Odt),
    (&["ods", "ots", "fods"], Kind::Ods),
    (&["odp", "otp", "odg", "otg", "fodp", "fodg"], Kind::Odp),
    (&["rtf"], Kind::Rtf),
    (&["html", "htm", "xhtml", "xht"], Kind::Html),
    (
        &[
            "txt",
            "text",
            "csv",
            "tsv",
            "md",
            "markdown",
            "rst",
            "adoc",
            "asc",
            "log",
            "ini",
            "cfg",
            "conf",
            "properties",
            "toml",
            "yaml",
            "yml",
            "json",
            "xml",
            "sql",
            "diff",
            "patch",
            "tex",
            "bib",
            "srt",
            "vtt",
            "ics",
            "vcf",
            "sh",
            "bash",
            "bat",
            "cmd",
            "ps1",
            "c",
            "h",
            "cc",
            "cpp",
            "cxx",
            "hpp",
            "cs",
            "java",
            "kt",
            "go",
            "rs",
            "py",
            "rb",
            "pl",
            "pm",
            "php",
            "js",
            "mjs",
            "ts",
            "tsx",
            "jsx",
            "css",
            "scss",
            "lua",
            "swift",
            "scala",
            "hs",
            "el",
            "lisp",
            "clj",
            "erl",
            "ex",
            "f90",
            "pas",
            "vb",
            "vbs",
            "nfo",
            "ldif",
            "tab",
        ],
        Kind::Plain,
    ),
    (
        &[
            "doc", "dot", "xls", "xlt", "xlsb", "ppt", "pps", "pot", "sxw", "sxc", "sxi", "wpd", "wps",
            "vsd", "vsdx", "pub", "pages", "numbers", "key", "epub",
        ],
        Kind::Other,
    ),
];

impl Kind {
    pub const ALL: [Kind; 11] = [
        Kind::Pdf,
        Kind::Docx,
        Kind::Xlsx,
        Kind::Pptx,
        Kind::Odt,
        Kind::Ods,
        Kind::Odp,
        Kind::Rtf,
        Kind::Html,
        Kind::Plain,
        Kind::Other,
    ];

    /// A number that stays the same in all versions.
    pub fn code(self) -> u8 {
        match self {
            Kind::Pdf => 1,
            Kind::Docx => 2,
            Kind::Xlsx => 3,
            Kind::Pptx => 4,
            Kind::Odt => 5,
            Kind::Ods => 6,
            Kind::Odp => 7,
            Kind::Rtf => 8,
            Kind::Html => 9,
            Kind::Plain => 10,
            Kind::Other => 11,
        }
    }

    pub fn from_code(code: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// A media type of this kind, for whom the part's own says nothing.
    pub fn media_type(self) -> &'static str {
        match self {
            Kind::Html => "text/html",
            Kind::Plain => "text/plain",
            Kind::Other => "application/octet-stream",
            _ => TYPES.iter().find(|(_, kind)| *kind == self).map_or("application/octet-stream", |t| t.0),
        }
    }

    /// What an attachment of this media type (`type/subtype`, any case, without parameters; empty if there is none) and with this file
    /// name is read as. `None`: it is not read. That is also so for text/*, which is part of the body already; RTF aside, whose text
    /// nobody finds between its control words.
    pub fn of(media_type: &str, file_name: Option<&str>) -> Option<Kind> {
        if media_type.len() > 255 {
            return None;
        }
        let media_type = media_type.trim().to_ascii_lowercase();
        let by_name = || file_name.and_then(extension).and_then(|extension| by_extension(&extension));
        if let Some((_, kind)) = TYPES.iter().find(|(name, _)| *name == media_type) {
            return Some(*kind);
        }
        if OLD_OFFICE.contains(&media_type.as_str()) {
            return Some(by_name().unwrap_or(Kind::Other));
        }
        if VAGUE.contains(&media_type.as_str()) || media_type.starts_with("application/x-") {
            return by_name();
        }
        None
    }
}

/// What follows the last full stop of a file name, in lower case.
fn extension(file_name: &str) -> Option<String> {
    let name = file_name.trim_end_matches(|c: char| c == '"' || c == '.' || c.is_whitespace());
    let (_, extension) = name.rsplit_once('.')?;
    (extension.len() <= 16).then(|| extension.to_ascii_lowercase())
}

fn by_extension(extension: &str) -> Option<Kind> {
    EXTENSIONS.iter().find(|(names, _)| names.contains(&extension)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::extract::documents;
    use crate::mime::header_end;
    use crate::summary::Summary;

    #[test]
    fn media_type_first_then_file_name() {
        for (media_type, name, kind) in [
            ("application/pdf", None, Some(Kind::Pdf)),
            ("Application/PDF", Some("x.docx"), Some(Kind::Pdf)),
            ("application/octet-stream", Some("Report.PDF"), Some(Kind::Pdf)),
            ("application/octet-stream", Some("report.pdf\""), Some(Kind::Pdf)),
            ("application/octet-stream", Some("pdf"), None),
            ("application/octet-stream", None, None),
            ("application/x-zip-compressed", Some("a.xlsx"), Some(Kind::Xlsx)),
            ("application/x-zip-compressed", Some("a.zip"), None),
            ("application/zip", Some("a.b.pptx"), Some(Kind::Pptx)),
            ("application/x-whatever", Some("notes.txt"), Some(Kind::Plain)),
            ("application/x-sh", Some("x"), Some(Kind::Plain)),
            ("", Some("a.md"), Some(Kind::Plain)),
            ("application/octet-stream", Some("index.HTM"), Some(Kind::Html)),
            ("application/xhtml+xml", None, Some(Kind::Html)),
            ("application/msword", None, Some(Kind::Other)),
            ("application/msword", Some("a.doc"), Some(Kind::Other)),
            ("application/msword", Some("a.docx"), Some(Kind::Docx)),
            ("application/msword", Some("a.rtf"), Some(Kind::Rtf)),
            ("application/vnd.ms-excel", Some("a.csv"), Some(Kind::Plain)),
            ("application/vnd.ms-word.document.macroEnabled.12", None, Some(Kind::Docx)),
            ("text/plain", Some("a.pdf"), None),
            ("text/html", None, None),
            ("text/rtf", None, Some(Kind::Rtf)),
            ("image/png", Some("a.pdf"), None),
            ("message/rfc822", Some("a.txt"), None),
            ("application/pkcs7-signature", Some("smime.p7s"), None),
        ] {
            assert_eq!(Kind::of(media_type, name), kind, "{media_type} {name:?}");
        }
    }

    #[test]
    fn no_document_is_passed_over_because_of_how_it_is_described() {
        let types = TYPES.iter().map(|(name, _)| *name).chain(OLD_OFFICE.iter().chain(VAGUE).copied());
        let mut found = 0;
        for media_type in types.chain(["application/x-anything", "Binary/Octet-Stream", "text/rtf", "\"\""]) {
            let message = format!("Content-Type: {media_type}; name=a.pdf\r\n\r\nx\r\n");
            let (header, body) = message.as_bytes().split_at(header_end(message.as_bytes()));
            let mut any = false;
            let walked =
                documents::each((header, body), &Kind::of, 100, &AtomicBool::new(false), &mut |_| {
                    any = true;
                    ControlFlow::Continue(())
                });
            assert!(walked.is_continue());
            found += u32::from(any);
            let structure = Summary::build(message.as_bytes()).body_structure;
            assert!(
                !any || documents::are_possible(&structure),
                "{media_type}: {}",
                structure.escape_ascii()
            );
        }
        assert!(found > 80, "{found}");
    }

    #[test]
    fn codes_are_kept() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
            assert_eq!(
                Kind::of(kind.media_type(), None).is_some(),
                !kind.media_type().starts_with("text/") && kind != Kind::Other
            );
        }
        assert_eq!(Kind::from_code(0), None);
        assert_eq!(Kind::Plain.code(), 10);
    }
}
