//! What the control words mean for the text.

/// See [`meaning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// How text looks, and what is not known.
    Nothing,
    /// A destination that is no text of the document.
    Skipped,
    /// A destination that is text although it stands in one that is none, or may be ignored.
    Kept,
    /// A destination that is text, apart from what is around it.
    Apart,
    Line,
    Cell,
    Text(&'static str),
    Unicode,
    UnicodeCount,
    Deleted,
    Plain,
    CodePage,
    Macintosh,
    DefaultFont,
    FontTable,
    Font,
    FontCharset,
    FontCodePage,
}

pub fn meaning(word: &[u8]) -> Meaning {
    match word {
        b"par" | b"line" | b"lbr" | b"page" | b"column" | b"sect" | b"row" | b"nestrow" | b"softline" => {
            Meaning::Line
        }
        b"cell" | b"nestcell" | b"tab" => Meaning::Cell,
        b"u" => Meaning::Unicode,
        b"uc" => Meaning::UnicodeCount,
        b"emdash" => Meaning::Text("\u{2014}"),
        b"endash" => Meaning::Text("\u{2013}"),
        b"lquote" => Meaning::Text("\u{2018}"),
        b"rquote" => Meaning::Text("\u{2019}"),
        b"ldblquote" => Meaning::Text("\u{201c}"),
        b"rdblquote" => Meaning::Text("\u{201d}"),
        b"bullet" => Meaning::Text("\u{2022}"),
        b"emspace" | b"enspace" | b"qmspace" => Meaning::Text(" "),
        b"zwj" => Meaning::Text("\u{200d}"),
        b"zwnj" => Meaning::Text("\u{200c}"),
        b"deleted" => Meaning::Deleted,
        b"plain" => Meaning::Plain,
        b"ansicpg" => Meaning::CodePage,
        b"mac" => Meaning::Macintosh,
        b"deff" => Meaning::DefaultFont,
        b"fonttbl" => Meaning::FontTable,
        b"f" => Meaning::Font,
        b"fcharset" => Meaning::FontCharset,
        b"cpg" => Meaning::FontCodePage,
        // What stands in a shape, the Unicode of two readings, notes, and what a document says of itself.
        b"shpinst" | b"shptxt" | b"ud" | b"footnote" | b"annotation" | b"title" | b"subject" | b"author"
        | b"keywords" | b"doccomm" | b"category" => Meaning::Kept,
        b"header" | b"headerl" | b"headerr" | b"headerf" | b"footer" | b"footerl" | b"footerr"
        | b"footerf" => Meaning::Apart,
        b"colortbl" | b"stylesheet" | b"info" | b"pict" | b"objdata" | b"objclass" | b"objname"
        | b"fldinst" | b"filetbl" | b"listtable" | b"listoverridetable" | b"revtbl" | b"rsidtbl"
        | b"nonshppict" | b"shprslt" | b"sp" | b"do" | b"pntext" | b"listtext" | b"pntxta" | b"pntxtb"
        | b"xe" | b"tc" | b"tcn" | b"rxe" | b"private" | b"template" | b"upr" | b"bkmkstart" | b"bkmkend"
        | b"atnid" | b"atnauthor" | b"atnref" | b"atntime" | b"themedata" | b"datastore" | b"fontemb"
        | b"falt" | b"xmlnstbl" | b"generator" | b"pgptbl" | b"mmathPr" | b"ftnsep" | b"ftnsepc"
        | b"aftnsep" | b"aftnsepc" => Meaning::Skipped,
        _ => Meaning::Nothing,
    }
}
