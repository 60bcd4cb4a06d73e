//! What leaves candidates for a needle of several tokens: whole tokens, and the characters on both sides of a boundary.
//!
//! Each filter holds every document that has the needle. They are applied from the smallest on, as long as what one saves is more
//! than what it costs; those that must be gathered from many terms are only looked at while many candidates are left.

use std::ops::ControlFlow;

use memchr::memmem::Finder;

use super::Halt;
use super::facts::{Codes, Edge, LITERAL_BYTES_MIN, Part};
use super::needle::Needle;
use super::run::Run;
use super::scope::Scope;
use crate::bits::Bits;
use crate::limits::{FILTER_FRAGMENT_TERMS_MAX, FILTER_WALK_TERMS_MAX};
use crate::prepare::Area;
use crate::segment::Found;
use crate::segment::terms::{self, Field};
use crate::tokens::Class;

/// Nanoseconds, measured: to verify a document, to add a posting.
const VERIFY: u64 = 350;
const POSTING_HALVES: u64 = 3;
/// To find an entry and add its lists: not measured here; one list takes 60 (`single`), and an entry has a few.
const TERM: u64 = 150;
/// Candidates that are not worth gathering terms for.
const FEW: u32 = 64;

struct Filter {
    name: &'static str,
    field: Field,
    size: u32,
    lists: Vec<Found>,
}

impl Filter {
    fn new(name: &'static str, field: Field, lists: Vec<Found>) -> Filter {
        let size = lists.iter().map(Found::frequency).fold(0, u32::saturating_add);
        Filter { name, field, size, lists }
    }
}

/// A character next to a boundary may be unknown where the needle ends.
struct Ends {
    near: char,
    far: Option<char>,
}

impl Run<'_> {
    /// Documents of `within` that may have the needle.
    pub(super) fn filtered(
        &self,
        scope: Scope,
        needle: &Needle,
        pattern: &Codes,
        within: &Bits,
    ) -> Result<Bits, Halt> {
        let mut left = within.clone();
        let Some(mut filters) = self.exact_filters(scope, needle)? else {
            return Ok(Bits::new(within.len()));
        };
        filters.sort_by_key(|filter| filter.size);
        for filter in filters {
            self.apply(filter, &mut left)?;
        }
        for token in 0..needle.len() - 1 {
            if left.count() <= FEW {
                return Ok(left);
            }
            if let Some(filter) = self.open_boundary(scope.area(), needle, token)? {
                self.apply(filter, &mut left)?;
            }
        }
        for (edge, rightmost) in [(&pattern.left, false), (&pattern.right, true)] {
            if let Edge::Part(part) = edge
                && left.count() > FEW
            {
                let token = if rightmost { needle.len() - 1 } else { 0 };
                self.fragment(scope, part, needle.token(token), rightmost, &mut left)?;
            }
        }
        Ok(left)
    }

    fn apply(&self, filter: Filter, left: &mut Bits) -> Result<(), Halt> {
        let docs = u64::from(left.len().max(1));
        let have = u64::from(left.count());
        let size = u64::from(filter.size).min(docs);
        let gain = have * VERIFY * (docs - size) / docs;
        if gain <= size * POSTING_HALVES / 2 {
            return Ok(());
        }
        self.cx.check()?;
        *left = self.step(
            || filter.name.into(),
            left,
            || {
                let mut found = Bits::new(left.len());
                let mut lists = self.segment.lists(filter.field);
                for list in &filter.lists {
                    lists.or_into(list, &mut found)?;
                }
                found.and(left);
                Ok(found)
            },
        )?;
        Ok(())
    }

    /// What whole tokens and wholly known boundaries say; `None` if one of them does not exist, so that nothing can match.
    fn exact_filters(&self, scope: Scope, needle: &Needle) -> Result<Option<Vec<Filter>>, Halt> {
        let vocabulary = self.segment.vocabulary();
        let single = |token: usize| token < needle.len() && needle.class(token) == Class::Single;
        let mut filters = Vec::new();
        for token in 0..needle.len() {
            if is_whole(needle, token) && needle.token(token) != b" " {
                let Some(ord) = vocabulary.ord(needle.token(token)) else { return Ok(None) };
                let mut lists = Vec::new();
                if scope == Scope::Body && single(token) && single(token + 1) {
                    let Some(next) = vocabulary.ord(needle.token(token + 1)) else { return Ok(None) };
                    lists.extend(self.segment.find(Field::Body, &terms::pair(ord, next))?);
                } else {
                    scope.lists(self.segment, ord, &mut |list| {
                        lists.push(list.clone());
                        Ok(())
                    })?;
                }
                filters.push(Filter::new("word", scope.field_of_words(), lists));
            }
            if let Some((kind, one, other)) = boundary(scope.area(), needle, token)
                && let (Some(one_far), Some(other_far)) = (one.far, other.far)
            {
                let term = kind.term((one.near, one_far), (other.near, other_far));
                let list = self.segment.find(kind.field(), &term)?;
                filters.push(Filter::new("boundary", kind.field(), list.into_iter().collect()));
            }
            if filters.last().is_some_and(|filter| filter.lists.is_empty()) {
                return Ok(None);
            }
        }
        Ok(Some(filters))
    }

    /// A boundary beside which one character is unknown.
    fn open_boundary(&self, area: Area, needle: &Needle, token: usize) -> Result<Option<Filter>, Halt> {
        let Some((kind, one, other)) = boundary(area, needle, token) else { return Ok(None) };
        if one.far.is_some() && other.far.is_some() {
            return Ok(None);
        }
        let prefix = kind.prefix((one.near, one.far), other.near);
        let mut last = [0; 4];
        let last = other.far.map_or(&b""[..], |far| far.encode_utf8(&mut last).as_bytes());
        self.walk("open boundary", kind.field(), &prefix, |term| term.ends_with(last))
    }

    /// All terms that begin with `prefix` and are `wanted`; `None` if they are too many to be worth it.
    fn walk(
        &self,
        name: &'static str,
        field: Field,
        prefix: &[u8],
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Filter>, Halt> {
        self.segment.will_walk();
        let mut entries: Vec<Found> = Vec::new();
        let mut met = 0;
        self.segment.terms(field, prefix, &mut |term, entry| {
            met += 1;
            if wanted(term) {
                entries.push(entry.clone());
            }
            if met > FILTER_WALK_TERMS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if met > FILTER_WALK_TERMS_MAX {
            return Ok(None);
        }
        Ok(Some(Filter::new(name, field, entries)))
    }

    /// The vocabulary that a part at the edge can be of, and literals.
    fn fragment(
        &self,
        scope: Scope,
        part: &Part,
        bytes: &[u8],
        rightmost: bool,
        left: &mut Bits,
    ) -> Result<(), Halt> {
        let terms = part.range.len() as u64;
        let worth = u64::from(left.count()) * VERIFY / 2 > terms * TERM;
        if part.any_word || bytes.len() < LITERAL_BYTES_MIN || terms > FILTER_FRAGMENT_TERMS_MAX || !worth {
            return Ok(());
        }
        let vocabulary = self.segment.vocabulary();
        *left = self.step(
            || format!("{terms} terms at the edge"),
            left,
            || {
                let mut found = Bits::new(left.len());
                let field = scope.field_of_words();
                let mut lists = self.segment.lists(field);
                let ord = |at: u32| if rightmost { at } else { vocabulary.reversed(at) };
                let ords: Vec<u32> = part.range.clone().map(ord).collect();
                self.segment.try_for_entries(field, &ords, |ord| {
                    scope.lists(self.segment, ord, &mut |list| lists.or_into(list, &mut found))?;
                    Ok::<_, Halt>(ControlFlow::Continue(()))
                })?;
                self.cx.check()?;
                let mut rest = left.clone();
                rest.and_not(&found);
                if scope.area() == Area::Head {
                    // A template names the literal that it would have to be, which is looked at alone.
                    self.segment.literal_candidates(Area::Head, bytes, &mut rest);
                    found.or(&rest);
                } else {
                    found.or(&self.literals_at_edge(scope.area(), bytes, rightmost, rest)?);
                }
                found.and(left);
                Ok(found)
            },
        )?;
        Ok(())
    }

    /// Leaves the documents that have a literal with these octets at its end, or at its start.
    fn literals_at_edge(
        &self,
        area: Area,
        bytes: &[u8],
        at_start: bool,
        mut found: Bits,
    ) -> Result<Bits, Halt> {
        const END: &[u8] = b"\xff";
        let columns = self.segment.literal_candidates(area, bytes, &mut found);
        let finder = Finder::new(&if at_start { [END, bytes] } else { [bytes, END] }.concat()).into_owned();
        let all: Vec<u32> = found.iter().collect();
        self.segment.search_literals(&all, area, &finder, &columns, |doc, have| {
            if !have {
                found.remove(doc);
            }
            self.cx.check()
        })?;
        Ok(found)
    }
}

/// Which document-level field knows a boundary.
#[derive(Clone, Copy)]
enum Kind {
    Joint(Area),
    After(Area),
    Before(Area),
}

impl Kind {
    fn field(self) -> Field {
        if matches!(self, Kind::Joint(_)) { Field::Joint } else { Field::Edge }
    }

    fn term(self, one: terms::Ends, other: terms::Ends) -> terms::Term {
        match self {
            Kind::Joint(area) => terms::joint(area, one, other),
            Kind::After(area) => terms::edge_after(area, one, other),
            Kind::Before(area) => terms::edge_before(area, one, other),
        }
    }

    fn prefix(self, one: (char, Option<char>), other: char) -> terms::Term {
        match self {
            Kind::Joint(area) => terms::joint_prefix(area, one, other),
            Kind::After(area) => terms::edge_after_prefix(area, one, other),
            Kind::Before(area) => terms::edge_before_prefix(area, one, other),
        }
    }
}

/// Whether the token is one of the text, not a part of one.
fn is_whole(needle: &Needle, token: usize) -> bool {
    needle.class(token) == Class::Single || token > 0 && token + 1 < needle.len()
}

/// The boundary behind `token`: one space between it and the next but one, if all are words; else that between a word and a
/// separator, if the separator cannot be the space that stands between words.
fn boundary(area: Area, needle: &Needle, token: usize) -> Option<(Kind, Ends, Ends)> {
    use Class::{Separator, Word};
    let class = |token: usize| (token < needle.len()).then(|| needle.class(token));
    if area == Area::Pseudo {
        return None;
    }
    let is_space = |token: usize| needle.token(token) == b" ";
    let tail = |token: usize| ends(needle.token(token), true, token > 0);
    let head = |token: usize| ends(needle.token(token), false, token + 1 < needle.len());
    let joint = |space: usize| {
        space > 0
            && class(space - 1) == Some(Word)
            && class(space) == Some(Separator)
            && is_space(space)
            && class(space + 1) == Some(Word)
    };
    if joint(token + 1) {
        return Some((Kind::Joint(area), tail(token)?, head(token + 2)?));
    }
    // Edges are kept for bodies only. A space at the end of the needle may be the one that is left out.
    let known = |separator: usize| {
        area == Area::Body
            && !joint(separator)
            && !(is_space(separator) && (separator == 0 || separator + 1 == needle.len()))
    };
    match (class(token)?, class(token + 1)?) {
        (Word, Separator) if known(token + 1) => Some((Kind::After(area), tail(token)?, head(token + 1)?)),
        (Separator, Word) if known(token) => Some((Kind::Before(area), head(token + 1)?, tail(token)?)),
        _ => None,
    }
}

/// The two characters at one end of a token; `complete`: the other end of the token is known, so that there is none beyond.
fn ends(token: &[u8], backwards: bool, complete: bool) -> Option<Ends> {
    let text = std::str::from_utf8(token).ok()?;
    let (near, far) = if backwards { terms::tail(text)? } else { terms::start(text)? };
    let one_character = text.len() == near.len_utf8();
    Some(Ends { near, far: (complete || !one_character).then_some(far) })
}
