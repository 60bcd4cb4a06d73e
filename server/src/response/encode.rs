//! Writers of the grammar's terminals and of whole responses into a buffer (RFC 9051 7 and 9, RFC 3501 7 and 9).
//!
//! Not here: what to say. A caller can only write valid responses through these functions: status texts are cut to printable
//! US-ASCII, strings choose a form that can carry them.

use std::io::Write as _;
use std::ops::RangeInclusive;

use trawl_store::types::{Flags, SpecialUse, SpecialUses, UidValidity, ZonedTime};

use super::code::Code;
use crate::wire::ast::{Day, PartialRange, StatusItem, Tag};
use crate::wire::cursor::is_atom_char;
use crate::wire::date::{MONTHS, civil_from_day};
use crate::wire::manage::SPECIAL_USES;
use crate::wire::mutf7;
use crate::wire::name::NameEncoding;
use crate::wire::object_id::{self, Kind};

/// A string longer than this is written as a literal even if it could be quoted: some clients have small line buffers.
const QUOTED_BYTES_MAX: usize = 1000;

pub fn number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// `quoted`, if `bytes` can be: no NUL, CR, LF, no 8-bit.
fn can_be_quoted(bytes: &[u8]) -> bool {
    bytes.len() <= QUOTED_BYTES_MAX
        && bytes.iter().all(|&b| matches!(b, 1..=0x7f) && b != b'\r' && b != b'\n')
}

/// `"…"` with `"` and `\` escaped. The caller knows that `bytes` hold no NUL, CR or LF, and 8-bit only where UTF-8 is allowed.
pub fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &b in bytes {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(b);
    }
    out.push(b'"');
}

/// `{n}CRLF`; exactly `len` bytes without NUL must follow.
pub fn literal_header(out: &mut Vec<u8>, len: u64) {
    let _ = write!(out, "{{{len}}}\r\n");
}

/// `~{n}CRLF` (RFC 3516); exactly `len` bytes must follow, NUL allowed.
pub fn literal8_header(out: &mut Vec<u8>, len: u64) {
    let _ = write!(out, "~{{{len}}}\r\n");
}

/// `string`: quoted where possible, else a literal. NUL, which no string can hold, becomes 0x80.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    if can_be_quoted(bytes) {
        return quoted(out, bytes);
    }
    literal_header(out, bytes.len() as u64);
    out.extend(bytes.iter().map(|&b| if b == 0 { 0x80 } else { b }));
}

/// `nstring`
pub fn nstring(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => string(out, bytes),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// `value = nstring / literal8` (RFC 5464 5): literal8 only where there is a NUL.
pub fn value(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) if bytes.contains(&0) => {
            literal8_header(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        bytes => nstring(out, bytes),
    }
}

/// `astring`: an atom where possible (never the atom NIL), else a string.
pub fn astring(out: &mut Vec<u8>, bytes: &[u8]) {
    let atom =
        !bytes.is_empty() && bytes.iter().all(|&b| is_atom_char(b)) && !bytes.eq_ignore_ascii_case(b"NIL");
    if atom && bytes.len() <= QUOTED_BYTES_MAX { out.extend_from_slice(bytes) } else { string(out, bytes) }
}

/// `mailbox`: modified UTF-7 for rev1; UTF-8, quoted when it is not an atom, after ENABLE.
pub fn mailbox(out: &mut Vec<u8>, name: &str, encoding: NameEncoding) {
    match encoding {
        NameEncoding::ModifiedUtf7 if mutf7::is_plain(name) => astring(out, name.as_bytes()),
        NameEncoding::ModifiedUtf7 => astring(out, mutf7::encode(name).as_bytes()),
        NameEncoding::Utf8 => {
            let controls = name.bytes().any(|b| matches!(b, 0 | b'\r' | b'\n'));
            if !name.is_ascii() && !controls {
                quoted(out, name.as_bytes())
            } else {
                astring(out, name.as_bytes())
            }
        }
    }
}

/// `"(" [item *(SP item)] ")"`
pub fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'(');
    for (i, x) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        item(out, x);
    }
    out.push(b')');
}

const SYSTEM: [(Flags, &str); 5] = [
    (Flags::ANSWERED, "\\Answered"),
    (Flags::FLAGGED, "\\Flagged"),
    (Flags::DELETED, "\\Deleted"),
    (Flags::SEEN, "\\Seen"),
    (Flags::DRAFT, "\\Draft"),
];

/// `flag-list`; `keywords[k]` is the name of keyword `k` of the mailbox. `recent`: \Recent is the session's own (rev1).
pub fn flags<K: AsRef<str>>(out: &mut Vec<u8>, flags: Flags, keywords: &[K], recent: bool) {
    let system = SYSTEM.iter().filter(|(f, _)| flags.contains(*f)).map(|(_, name)| *name);
    let named = flags.keywords().filter_map(|k| keywords.get(k).map(AsRef::as_ref));
    list(out, system.chain(recent.then_some("\\Recent")).chain(named), |out, name| {
        out.extend_from_slice(name.as_bytes());
    });
}

/// `date-time`, quoted, day of two characters.
pub fn internal_date(out: &mut Vec<u8>, time: ZonedTime) {
    let (y, m, d) = civil_from_day(Day(time.day()));
    let month = MONTHS[(m as usize - 1).min(11)];
    let second = (time.seconds + i64::from(time.zone_minutes) * 60).rem_euclid(86_400);
    let sign = if time.zone_minutes < 0 { '-' } else { '+' };
    let zone = time.zone_minutes.unsigned_abs();
    let _ = write!(
        out,
        "\"{d:2}-{month}-{y:04} {:02}:{:02}:{:02} {sign}{:02}{:02}\"",
        second / 3600,
        second / 60 % 60,
        second % 60,
        zone / 60,
        zone % 60
    );
}

/// `date-text`
pub fn date(out: &mut Vec<u8>, day: Day) {
    let (y, m, d) = civil_from_day(day);
    let _ = write!(out, "{d}-{}-{y:04}", MONTHS[(m as usize - 1).min(11)]);
}

/// `sequence-set` of numbers in the order given: runs that ascend by one are joined. Writes nothing when there are none.
pub fn runs(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    let mut numbers = numbers.into_iter();
    let Some(first) = numbers.next() else { return };
    let (mut low, mut high) = (first, first);
    for n in numbers {
        if high.checked_add(1) == Some(n) {
            high = n;
        } else {
            range(out, low, high);
            out.push(b',');
            (low, high) = (n, n);
        }
    }
    range(out, low, high);
}

/// `sequence-set` of ranges.
pub fn ranges(out: &mut Vec<u8>, ranges: &[RangeInclusive<u32>]) {
    for (i, r) in ranges.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        range(out, *r.start(), *r.end());
    }
}

fn range(out: &mut Vec<u8>, low: u32, high: u32) {
    number(out, u64::from(low));
    if low != high {
        out.push(b':');
        number(out, u64::from(high));
    }
}

/// The result of a status response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Ok,
    No,
    Bad,
    /// Untagged only.
    Bye,
    /// The greeting only.
    PreAuth,
}

impl Status {
    fn name(self) -> &'static [u8] {
        match self {
            Status::Ok => b"OK",
            Status::No => b"NO",
            Status::Bad => b"BAD",
            Status::Bye => b"BYE",
            Status::PreAuth => b"PREAUTH",
        }
    }
}

/// `tag SP status SP ["[" code "]" SP] text CRLF`; without a tag the response is untagged.
pub fn status(out: &mut Vec<u8>, tag: Option<&Tag>, status: Status, code: Option<&Code>, text: &str) {
    out.extend_from_slice(tag.map_or("*", Tag::as_str).as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.name());
    out.push(b' ');
    if let Some(code) = code {
        out.push(b'[');
        code.write(out);
        out.extend_from_slice(b"] ");
    }
    self::text(out, text);
    out.extend_from_slice(b"\r\n");
}

/// `text`: at least one character; anything but printable US-ASCII becomes `?`.
fn text(out: &mut Vec<u8>, text: &str) {
    if text.is_empty() {
        out.push(b'-');
    }
    out.extend(text.bytes().map(|b| if matches!(b, b' '..=b'~') { b } else { b'?' }));
}

/// `+ text CRLF`
pub fn continuation(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"+ ");
    self::text(out, text);
    out.extend_from_slice(b"\r\n");
}

/// `* n name CRLF`: EXISTS, RECENT, EXPUNGE.
pub fn numbered(out: &mut Vec<u8>, n: u32, name: &str) {
    let _ = write!(out, "* {n} {name}\r\n");
}

/// `* name` and the space after it; the caller writes the data and CRLF.
pub fn untagged(out: &mut Vec<u8>, name: &str) {
    let _ = write!(out, "* {name} ");
}

/// An attribute of LIST that is not a special use (RFC 9051 7.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListAttribute {
    NonExistent,
    NoSelect,
    NoInferiors,
    HasChildren,
    HasNoChildren,
    Marked,
    Unmarked,
    Subscribed,
    Remote,
}

impl ListAttribute {
    pub fn name(self) -> &'static str {
        match self {
            ListAttribute::NonExistent => "\\NonExistent",
            ListAttribute::NoSelect => "\\Noselect",
            ListAttribute::NoInferiors => "\\Noinferiors",
            ListAttribute::HasChildren => "\\HasChildren",
            ListAttribute::HasNoChildren => "\\HasNoChildren",
            ListAttribute::Marked => "\\Marked",
            ListAttribute::Unmarked => "\\Unmarked",
            ListAttribute::Subscribed => "\\Subscribed",
            ListAttribute::Remote => "\\Remote",
        }
    }
}

/// One LIST or LSUB response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListEntry<'a> {
    pub attributes: &'a [ListAttribute],
    pub special_uses: SpecialUses,
    pub name: &'a str,
    /// `"/"`, or None for NIL.
    pub delimiter: Option<char>,
    /// RFC 5258 3.5 `("CHILDINFO" (…))`: the selection options that a name below meets; empty for none.
    pub child_info: &'a [&'a str],
    /// RFC 9051 6.3.9.7 `("OLDNAME" (…))`: the name before it was normalised or renamed.
    pub old_name: Option<&'a str>,
}

/// `* LIST (…) "/" mailbox [(extended)] CRLF`; `command` is LIST or LSUB.
pub fn list_entry(out: &mut Vec<u8>, command: &str, entry: &ListEntry<'_>, encoding: NameEncoding) {
    untagged(out, command);
    let uses = SPECIAL_USES.iter().filter(|(_, u)| has_use(entry.special_uses, *u)).map(|(name, _)| *name);
    list(out, entry.attributes.iter().map(|a| a.name()).chain(uses), |out, name| {
        out.extend_from_slice(name.as_bytes());
    });
    match entry.delimiter {
        Some(d) => {
            out.push(b' ');
            quoted(out, d.encode_utf8(&mut [0; 4]).as_bytes());
            out.push(b' ');
        }
        None => out.extend_from_slice(b" NIL "),
    }
    // The empty name of `LIST "" ""` must not become an atom, and does not.
    mailbox(out, entry.name, encoding);
    let child_info = !entry.child_info.is_empty();
    if child_info || entry.old_name.is_some() {
        out.extend_from_slice(b" (");
        if child_info {
            out.extend_from_slice(b"\"CHILDINFO\" ");
            list(out, entry.child_info.iter().copied(), |out, option| quoted(out, option.as_bytes()));
        }
        if let Some(old) = entry.old_name {
            if child_info {
                out.push(b' ');
            }
            out.extend_from_slice(b"\"OLDNAME\" (");
            mailbox(out, old, encoding);
            out.push(b')');
        }
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
}

fn has_use(uses: SpecialUses, wanted: SpecialUse) -> bool {
    uses.0 & 1 << (wanted as u8) != 0
}

/// A figure of STATUS; None is NIL (APPENDLIMIT only).
pub type StatusValue = (StatusItem, Option<u64>);

/// `* STATUS mailbox (item value …) CRLF`
pub fn status_response(out: &mut Vec<u8>, name: &str, encoding: NameEncoding, values: &[StatusValue]) {
    untagged(out, "STATUS");
    mailbox(out, name, encoding);
    out.push(b' ');
    list(out, values, |out, (item, value)| {
        out.extend_from_slice(item.name().as_bytes());
        out.push(b' ');
        match value {
            Some(n) if *item == StatusItem::MailboxId => object_id::write(out, Kind::Mailbox, *n),
            Some(n) => number(out, *n),
            None => out.extend_from_slice(b"NIL"),
        }
    });
    out.extend_from_slice(b"\r\n");
}

/// `* METADATA "" (entry value …) CRLF` (RFC 5464 4.4.1)
pub fn metadata<'a>(out: &mut Vec<u8>, entries: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) {
    untagged(out, "METADATA \"\"");
    list(out, entries, |out, (name, bytes)| {
        astring(out, name.as_bytes());
        out.push(b' ');
        value(out, bytes);
    });
    out.extend_from_slice(b"\r\n");
}

/// `* METADATA "" entry … CRLF` (RFC 5464 4.4.2)
pub fn metadata_changed<'a>(out: &mut Vec<u8>, entries: impl IntoIterator<Item = &'a str>) {
    out.extend_from_slice(b"* METADATA \"\"");
    for name in entries {
        out.push(b' ');
        astring(out, name.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// What an ESEARCH response carries; None: not asked for, or (`min`, `max`, `all`) there is no hit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ESearch {
    pub uid: bool,
    pub min: Option<u32>,
    pub max: Option<u32>,
    pub count: Option<u32>,
    /// Disjoint, in the order of the results; an empty list is left out.
    pub all: Option<Vec<RangeInclusive<u32>>>,
    /// The part that was asked for (RFC 9394); an empty list is NIL.
    pub partial: Option<(PartialRange, Vec<RangeInclusive<u32>>)>,
    /// Of the results in `partial`, else of all of them, in their order (RFC 6203 4); an empty list is left out.
    pub relevancy: Option<Vec<u8>>,
}

/// `* ESEARCH (TAG "tag") [UID] … CRLF` (RFC 4731 3.1, RFC 9051 7.3.4)
pub fn esearch(out: &mut Vec<u8>, tag: &Tag, e: &ESearch) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    quoted(out, tag.as_str().as_bytes());
    results(out, e);
}

/// The mailbox that a response is about, if it says so (RFC 7377 2.1).
pub type OfMailbox<'a> = Option<(&'a str, NameEncoding, UidValidity)>;

/// What is done to the client's copy of a result (RFC 5267 4.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpdateKind {
    AddTo,
    RemoveFrom,
}

/// Results to be added or removed, in the order of the copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdatePair {
    /// From 1; 0 where the order is that of the mailbox (RFC 5267 4.3.3).
    pub position: u32,
    /// How many there are.
    pub count: u32,
    pub numbers: Vec<RangeInclusive<u32>>,
}

/// A data item ADDTO or REMOVEFROM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Update {
    pub kind: UpdateKind,
    pub pairs: Vec<UpdatePair>,
}

/// `* ESEARCH (TAG "tag" …) [UID] 1*(SP ("ADDTO" / "REMOVEFROM") SP "(" position SP set … ")") CRLF` (RFC 5267 5)
pub fn esearch_updates(out: &mut Vec<u8>, tag: &Tag, of: OfMailbox<'_>, uid: bool, updates: &[Update]) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    quoted(out, tag.as_str().as_bytes());
    if let Some((name, encoding, validity)) = of {
        correlate(out, name, encoding, validity);
    }
    out.extend_from_slice(if uid { b") UID" } else { b")" });
    for update in updates {
        out.extend_from_slice(match update.kind {
            UpdateKind::AddTo => b" ADDTO ",
            UpdateKind::RemoveFrom => b" REMOVEFROM ",
        });
        list(out, &update.pairs, |out, pair| {
            number(out, u64::from(pair.position));
            out.push(b' ');
            ranges(out, &pair.numbers);
        });
    }
    out.extend_from_slice(b"\r\n");
}

/// `SP "MAILBOX" SP mailbox SP "UIDVALIDITY" SP nz-number`
fn correlate(out: &mut Vec<u8>, name: &str, encoding: NameEncoding, validity: UidValidity) {
    out.extend_from_slice(b" MAILBOX ");
    mailbox(out, name, encoding);
    out.extend_from_slice(b" UIDVALIDITY ");
    number(out, u64::from(validity.get()));
}

/// `* ESEARCH (TAG "tag" MAILBOX name UIDVALIDITY n) UID … CRLF` (RFC 7377 2.1)
pub fn esearch_of(
    out: &mut Vec<u8>,
    tag: &Tag,
    name: &str,
    encoding: NameEncoding,
    validity: UidValidity,
    e: &ESearch,
) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    quoted(out, tag.as_str().as_bytes());
    correlate(out, name, encoding, validity);
    results(out, e);
}

/// What stands behind the correlators.
fn results(out: &mut Vec<u8>, e: &ESearch) {
    out.push(b')');
    if e.uid {
        out.extend_from_slice(b" UID");
    }
    for (name, value) in [(" MIN ", e.min), (" MAX ", e.max), (" COUNT ", e.count)] {
        if let Some(n) = value {
            out.extend_from_slice(name.as_bytes());
            number(out, u64::from(n));
        }
    }
    if let Some(all) = e.all.as_deref().filter(|all| !all.is_empty()) {
        out.extend_from_slice(b" ALL ");
        ranges(out, all);
    }
    if let Some((partial, part)) = &e.partial {
        out.extend_from_slice(format!(" PARTIAL ({partial} ").as_bytes());
        match &part[..] {
            [] => out.extend_from_slice(b"NIL"),
            part => ranges(out, part),
        }
        out.push(b')');
    }
    if let Some(scores) = e.relevancy.as_deref().filter(|scores| !scores.is_empty()) {
        out.extend_from_slice(b" RELEVANCY ");
        list(out, scores, |out, score| number(out, u64::from(*score)));
    }
    out.extend_from_slice(b"\r\n");
}

/// Numbers as ranges where they rise by one, in the order in which they come.
pub fn number_ranges(numbers: impl IntoIterator<Item = u32>) -> Vec<RangeInclusive<u32>> {
    let mut out: Vec<RangeInclusive<u32>> = Vec::new();
    for n in numbers {
        match out.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(n) => *last = *last.start()..=n,
            _ => out.push(n..=n),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        out.escape_ascii().to_string().replace("\\\"", "\"").replace("\\\\", "\\")
    }

    #[test]
    fn strings_choose_a_form_that_carries_them() {
        assert_eq!(written(|o| string(o, b"a b")), "\"a b\"");
        assert_eq!(written(|o| string(o, b"a\"b")), "\"a\\\"b\"");
        assert_eq!(written(|o| string(o, b"")), "\"\"");
        assert_eq!(written(|o| string(o, b"a\r\nb")), "{4}\\r\\na\\r\\nb");
        assert_eq!(written(|o| string(o, b"\xe9\0")), "{2}\\r\\n\\xe9\\x80");
        assert!(written(|o| string(o, &[b'a'; QUOTED_BYTES_MAX + 1])).starts_with("{1001}"));
        assert_eq!(written(|o| nstring(o, None)), "NIL");
        assert_eq!(written(|o| astring(o, b"INBOX")), "INBOX");
        assert_eq!(written(|o| astring(o, b"nil")), "\"nil\"");
        assert_eq!(written(|o| astring(o, b"a]")), "\"a]\"");
    }

    #[test]
    fn mailbox_names_follow_the_dialect() {
        assert_eq!(written(|o| mailbox(o, "Entwürfe", NameEncoding::ModifiedUtf7)), "Entw&APw-rfe");
        assert_eq!(written(|o| mailbox(o, "Entwürfe", NameEncoding::Utf8)), "\"Entw\\xc3\\xbcrfe\"");
        assert_eq!(written(|o| mailbox(o, "a b", NameEncoding::Utf8)), "\"a b\"");
        assert_eq!(written(|o| mailbox(o, "", NameEncoding::Utf8)), "\"\"");
    }

    #[test]
    fn dates_and_numbers() {
        let t = ZonedTime { seconds: 837_596_665, zone_minutes: -420 };
        assert_eq!(written(|o| internal_date(o, t)), "\"17-Jul-1996 02:44:25 -0700\"");
        let t = ZonedTime { seconds: -1, zone_minutes: 90 };
        assert_eq!(written(|o| internal_date(o, t)), "\" 1-Jan-1970 01:29:59 +0130\"");
        assert_eq!(written(|o| date(o, Day(31))), "1-Feb-1970");
        assert_eq!(written(|o| runs(o, [1, 2, 3, 7, 9, 8, u32::MAX])), "1:3,7,9,8,4294967295");
        assert_eq!(written(|o| runs(o, [])), "");
        assert_eq!(number_ranges([1, 2, 4, u32::MAX]), [1..=2, 4..=4, u32::MAX..=u32::MAX]);
    }

    #[test]
    fn flags_in_order() {
        let keywords = ["a", "$Junk"];
        let f = Flags::SEEN.with(Flags::DELETED).with(Flags::keyword(1)).with(Flags::keyword(7));
        assert_eq!(written(|o| flags(o, f, &keywords, true)), "(\\Deleted \\Seen \\Recent $Junk)");
        assert_eq!(written(|o| flags(o, Flags(0), &keywords, false)), "()");
    }

    #[test]
    fn responses() {
        let tag = Tag::new(b"a1").unwrap();
        assert_eq!(
            written(|o| status(o, Some(&tag), Status::No, Some(&Code::TryCreate), "no\r\n* OK")),
            "a1 NO [TRYCREATE] no??* OK\\r\\n"
        );
        assert_eq!(written(|o| status(o, None, Status::Bye, None, "")), "* BYE -\\r\\n");
        assert_eq!(written(|o| numbered(o, 3, "EXISTS")), "* 3 EXISTS\\r\\n");
        let entries = [
            ("/private/a b", Some(&b"x\0"[..])),
            ("/private/b", Some(b"SMALLER 5000")),
            ("/private/c", Some(b"")),
            ("/private/d", None),
        ];
        assert_eq!(
            written(|o| metadata(o, entries)),
            "* METADATA \"\" (\"/private/a b\" ~{2}\\r\\nx\\x00 /private/b \"SMALLER 5000\" /private/c \"\" /private/d NIL)\\r\\n"
        );
        assert_eq!(
            written(|o| metadata_changed(o, ["/private/a", "/private/a b"])),
            "* METADATA \"\" /private/a \"/private/a b\"\\r\\n"
        );
        let e =
            ESearch { uid: true, min: Some(2), count: Some(3), all: Some(vec![2..=4]), ..ESearch::default() };
        assert_eq!(
            written(|o| esearch(o, &tag, &e)),
            "* ESEARCH (TAG \"a1\") UID MIN 2 COUNT 3 ALL 2:4\\r\\n"
        );
        let scored =
            ESearch { relevancy: Some(vec![4, 99, 42]), all: Some(vec![1..=1, 5..=6]), ..ESearch::default() };
        assert_eq!(
            written(|o| esearch(o, &tag, &scored)),
            "* ESEARCH (TAG \"a1\") ALL 1,5:6 RELEVANCY (4 99 42)\\r\\n"
        );
        let none =
            ESearch { relevancy: Some(vec![]), count: Some(0), all: Some(vec![]), ..ESearch::default() };
        assert_eq!(written(|o| esearch(o, &tag, &none)), "* ESEARCH (TAG \"a1\") COUNT 0\\r\\n");
        let entry = ListEntry {
            attributes: &[ListAttribute::HasNoChildren, ListAttribute::Subscribed],
            special_uses: SpecialUses(1 << SpecialUse::Sent as u8),
            name: "Sent Mail",
            delimiter: Some('/'),
            child_info: &["SUBSCRIBED"],
            old_name: None,
        };
        assert_eq!(
            written(|o| list_entry(o, "LIST", &entry, NameEncoding::Utf8)),
            "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" \"Sent Mail\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\\r\\n"
        );
        let values = [(StatusItem::Messages, Some(2)), (StatusItem::AppendLimit, None)];
        assert_eq!(
            written(|o| status_response(o, "INBOX", NameEncoding::Utf8, &values)),
            "* STATUS INBOX (MESSAGES 2 APPENDLIMIT NIL)\\r\\n"
        );
    }
}
