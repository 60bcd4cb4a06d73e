//! A needle of several tokens inside the values of header fields, as a judge of their templates.
//!
//! A pass over the octets of the templates of a field leaves those in which two tokens of the needle can meet, and their lists say which
//! documents have one. What a template leaves to its slots is looked up there, at the places that the template allows.

use std::ops::Range;

use memchr::memmem::Finder;

use super::edges::Edges;
use super::facts::{Codes, Edge, Part};
use super::fields::{FIRST_TEMPLATES, Judge, Verdict};
use super::head::owner;
use super::in_slot::{InSlot, MANY, Walk};
use super::needle::Needle;
use super::run::Run;
use super::scope::Scope;
use super::side::{entries_left, entries_right, rank_left, rank_right};
use super::starts::{Start, Starts};
use super::text::Text;
use super::verify::before;
use super::{Cx, Halt};
use crate::bits::Bits;
use crate::prepare::Area;
use crate::segment::codes::{self, RESERVED, SLOT_WORD};
use crate::segment::kernel::{Octets, Twos, behind_codes};
use crate::segment::{Literals, Reads, Segment, Template, Value, slot_for, varies};

/// Why a field with slots may match: its left part may stand in one, its right part, both of them in two; or only tokens between.
const LEFT: u8 = 1;
const RIGHT: u8 = 2;
pub(super) const OTHER: u8 = 4;
const BOTH: u8 = 8;
/// All of them, 0 for a template in which no slot decides.
const REASONS: [u8; 5] = [0, OTHER, LEFT, RIGHT, BOTH];

/// How often slots stand in templates, in the same unit as entries: a guess that tells rare tokens from others.
const SLOTS_OFTEN: u64 = 4096;
/// The pair of octets of a token that stands in the template; those of slots are in the first one.
const INNER: usize = 1;
/// Templates whose lists are added between two looks at whether that was enough.
const CERTAIN_STEP: usize = if cfg!(test) { 4 } else { 256 };
/// Runs of codes that are looked for in the slots of a document.
const RUNS_MAX: usize = 4;
/// Meetings between two looks at the stop flag; each takes some ten nanoseconds.
const MEETINGS_MAX: u32 = 16_384;
pub(super) struct Several<'a> {
    segment: &'a Segment,
    scope: Scope,
    pattern: &'a Codes,
    edges: Edges<'a>,
    /// The tokens between the edges.
    inner: Vec<Inner>,
    left: Option<InSlot<'a>>,
    right: Option<InSlot<'a>>,
    /// Templates that may match, and why.
    selected: Selected,
    starts: Starts,
}

/// Templates in which the tokens of the needle may stand side by side.
#[derive(Default)]
struct Selected {
    /// Nothing is known of templates from this number on: any of them may match.
    below: u32,
    all: Bits,
    /// By [`REASONS`] the templates, rising.
    by_reason: [Vec<u32>; REASONS.len()],
    /// By [`REASONS`] what fills slots side by side in those templates, if there is a match.
    runs: [Runs; REASONS.len()],
}

/// Codes of whole tokens of the needle that stand in slots: one of these runs is in the slots of a document that matches.
enum Runs {
    Any,
    Known(Vec<Vec<u8>>),
}

impl Default for Runs {
    fn default() -> Runs {
        Runs::Known(Vec::new())
    }
}

impl Runs {
    fn add(&mut self, run: &[u8]) {
        let Runs::Known(runs) = self else { return };
        if run.is_empty() {
            *self = Runs::Any;
            return;
        }
        if runs.iter().any(|known| known == run) {
            return;
        }
        if runs.len() == RUNS_MAX {
            *self = Runs::Any;
        } else {
            runs.push(run.to_vec());
        }
    }
}

/// A whole token of the needle.
#[derive(Clone, Copy)]
struct Inner {
    rank: u32,
    /// The narrowest slot that can hold it.
    slot: Option<u32>,
}

impl Inner {
    /// Whether it may be what stands in a template.
    #[inline]
    fn fits(self, rank: u32) -> bool {
        rank == self.rank || self.fills(rank)
    }

    #[inline]
    fn fills(self, rank: u32) -> bool {
        self.slot.is_some_and(|slot| rank == slot || rank == SLOT_WORD)
    }

    /// What it may be in a template.
    fn ranks(self) -> impl Iterator<Item = u32> {
        [Some(self.rank), self.slot, self.slot.map(|_| SLOT_WORD)].into_iter().flatten()
    }
}

/// A token of the needle.
#[derive(Clone, Copy)]
enum Wanted {
    Left,
    Inner(usize),
    Right,
}

impl<'a> Several<'a> {
    /// For the documents `within`.
    pub fn new(
        run: &Run<'a>,
        scope: Scope,
        needle: &'a Needle,
        pattern: &'a Codes,
        within: &Bits,
    ) -> Several<'a> {
        let segment = run.segment;
        let vocabulary = segment.vocabulary();
        let docs = within.count();
        let inner = codes::ranks(&pattern.run)
            .map(|rank| {
                let token = vocabulary.ord_of_rank(rank).and_then(|ord| vocabulary.token(ord));
                let slot = token.filter(|(class, token)| varies(token, *class));
                Inner { rank, slot: slot.map(|(class, token)| slot_for(token, class)) }
            })
            .collect();
        let left = match &pattern.left {
            Edge::Part(part) => Some(InSlot::left(segment, scope, part, needle.token(0), docs)),
            Edge::Whole => None,
        };
        let right = match &pattern.right {
            Edge::Part(part) => {
                let token = needle.token(needle.len() - 1);
                Some(InSlot::right(segment, scope, part, token, docs))
            }
            Edge::Whole => None,
        };
        let edges = Edges::new(segment, needle, pattern, docs);
        let templates = segment.templates().len();
        let selected = Selected { all: Bits::new(templates), ..Selected::default() };
        Several {
            segment,
            scope,
            pattern,
            edges,
            inner,
            left,
            right,
            selected,
            starts: Starts::new(templates),
        }
    }

    /// Takes out of some documents those that have a template that always matches, and returns them; leaves of the others those that
    /// have what other templates depend on, if that is said in less time than to look at them.
    pub fn narrow(&mut self, cx: Cx<'_>, needle: &Needle, docs: &mut Bits) -> Result<Bits, Halt> {
        let mut matching = Bits::new(docs.len());
        for below in [FIRST_TEMPLATES, u32::MAX] {
            if docs.count() < MANY {
                return Ok(matching);
            }
            matching.or(&self.take_certain(cx, needle, below, docs)?);
        }
        self.narrow_others(cx, docs)?;
        Ok(matching)
    }

    /// Takes out of some documents those that have one of the most frequent templates that always matches, and returns them.
    pub fn take_frequent(&mut self, cx: Cx<'_>, needle: &Needle, docs: &mut Bits) -> Result<Bits, Halt> {
        self.take_certain(cx, needle, FIRST_TEMPLATES, docs)
    }

    /// The same with templates up to a number that were not selected from before.
    fn take_certain(
        &mut self,
        cx: Cx<'_>,
        needle: &Needle,
        below: u32,
        docs: &mut Bits,
    ) -> Result<Bits, Halt> {
        let from = self.selected.below;
        self.select(cx, needle, from..below.min(self.segment.templates().len()))?;
        // What no slot decides always matches.
        let [certain, ..] = &self.selected.by_reason;
        let new = &certain[certain.partition_point(|&number| number < from)..];
        let mut matching = Bits::new(docs.len());
        for numbers in new.chunks(CERTAIN_STEP) {
            matching.or(&self.segment.templates().docs_with(numbers));
            if docs.is_within(&matching) {
                break;
            }
            cx.check()?;
        }
        matching.and(docs);
        docs.and_not(&matching);
        Ok(matching)
    }

    /// [`Several::narrow`] for documents without a template that is known to match.
    fn narrow_others(&self, cx: Cx<'_>, docs: &mut Bits) -> Result<(), Halt> {
        // Of templates that were not selected from, nothing is known.
        if self.selected.below < self.segment.templates().len() {
            return Ok(());
        }
        let mut found = Bits::new(docs.len());
        let Selected { by_reason, runs, .. } = &self.selected;
        // Documents with those of the first reason are taken out.
        for (reason, (templates, runs)) in REASONS.into_iter().zip(by_reason.iter().zip(runs)).skip(1) {
            let mut having = self.segment.templates().docs_with(templates);
            having.and(docs);
            having.and_not(&found);
            if let Runs::Known(runs) = runs
                && having.count() >= MANY
            {
                let runs: Vec<Finder<'_>> = runs.iter().map(Finder::new).collect();
                self.segment.try_retain(&mut having, Reads::Codes(Area::Head), |doc| {
                    cx.check()?;
                    let slots = self.segment.slots(doc);
                    Ok::<bool, Halt>(runs.iter().any(|run| run.find(slots).is_some()))
                })?;
            }
            // Who has both parts has either; who has it is soonest said of the longer one.
            let sides = match reason {
                LEFT => [Some(LEFT), None],
                RIGHT => [Some(RIGHT), None],
                BOTH => [Some(LEFT), Some(RIGHT)],
                _ => [None; 2],
            };
            let parts = sides.into_iter().flatten().filter_map(|side| self.part(side));
            let mut least: Option<(u32, &InSlot<'_>)> = None;
            for part in parts.filter(|_| having.count() >= MANY) {
                let breadth =
                    part.breadth()?.filter(|&breadth| least.is_none_or(|(least, _)| breadth < least));
                least = breadth.map(|breadth| (breadth, part)).or(least);
            }
            if let Some((_, part)) = least {
                having = part.docs(cx, &having)?;
            }
            found.or(&having);
        }
        docs.and(&found);
        Ok(())
    }

    /// Templates that can match, if all were selected from.
    pub fn among(&self) -> Option<Bits> {
        (self.selected.below >= self.segment.templates().len()).then(|| self.selected.all.clone())
    }

    fn part(&self, side: u8) -> Option<&InSlot<'a>> {
        if side == LEFT { self.left.as_ref() } else { self.right.as_ref() }
    }

    /// Finds the templates of a range that may match, by those two tokens side by side that are likely to be the rarest.
    fn select(&mut self, cx: Cx<'_>, needle: &Needle, range: Range<u32>) -> Result<(), Halt> {
        let (segment, scope) = (self.segment, self.scope);
        let (vocabulary, templates) = (segment.vocabulary(), segment.templates());
        // About how often it stands in templates, what it is before a meeting, and behind one.
        let mut tokens: Vec<(u64, Wanted, [Twos; 2])> = Vec::new();
        let often = |part: &Part| {
            if part.any_word { SLOTS_OFTEN * 16 } else { SLOTS_OFTEN + part.range.len() as u64 }
        };
        if let Edge::Part(part) = &self.pattern.left {
            let twos = entries_left(vocabulary, part, needle.token(0), templates.len());
            tokens.push((often(part), Wanted::Left, [twos, Twos::default()]));
        }
        let first = tokens.len();
        for (n, &Inner { rank, slot }) in self.inner.iter().enumerate() {
            // More frequent entries have shorter codes.
            let often = (SLOTS_OFTEN / 2) >> (4 * codes::len(rank).min(3)) << 4;
            let often = often + if slot.is_some() { SLOTS_OFTEN } else { 0 };
            let beside = |n: Option<usize>| n.and_then(|n| self.inner.get(n)).copied();
            let twos = [ends_with(rank, beside(n.checked_sub(1))), starts_with(rank, beside(Some(n + 1)))];
            tokens.push((often, Wanted::Inner(n), twos));
        }
        if let Edge::Part(part) = &self.pattern.right {
            tokens.push((often(part), Wanted::Right, [Twos::default(), entries_right(vocabulary, part)]));
        }
        // A short code says something of the one beside it as well.
        let beyond = |at: usize, next: Option<usize>| {
            let is_short = |n: usize| self.inner.get(n).is_some_and(|inner| codes::len(inner.rank) == 1);
            let inner = |at: usize| at.checked_sub(first).filter(|&n| n < self.inner.len());
            let seen = inner(at).is_some_and(is_short) && next.and_then(inner).is_some();
            if seen { next.map_or(SLOTS_OFTEN * 16, |next| tokens[next].0) } else { SLOTS_OFTEN * 16 }
        };
        let rarest = |&at: &usize| {
            let beyond = [beyond(at, at.checked_sub(1)), beyond(at + 1, Some(at + 2))];
            [tokens[at].0, tokens[at + 1].0]
                .into_iter()
                .chain(beyond)
                .map(|often| often as f64)
                .product::<f64>()
        };
        let by_rarest = |a: &usize, b: &usize| rarest(a).total_cmp(&rarest(b));
        let Some(rarest) = (0..tokens.len().saturating_sub(1)).min_by(by_rarest) else { return Ok(()) };
        let [mut left, mut right] = [tokens[rarest].2[0], tokens[rarest + 1].2[1]];
        for slot in SLOT_WORD..RESERVED {
            if self.fits(tokens[rarest].1, slot) {
                rank_left(slot, &mut left);
            }
            if self.fits(tokens[rarest + 1].1, slot) {
                rank_right(slot, &mut right);
            }
        }
        segment.will_read_templates(&range);
        let (behind, ahead) = tokens.split_at(rarest + 1);
        let mut selected = std::mem::take(&mut self.selected);
        let mut starts = std::mem::replace(&mut self.starts, Starts::new(0));
        selected.below = range.end;
        let (mut met, mut halted) = (0u32, None);
        let mut run = Vec::new();
        let mut meeting = |place: &mut dyn FnMut() -> (u32, usize), codes: &[u8], at: usize| {
            met = met.wrapping_add(1);
            if met.is_multiple_of(MEETINGS_MAX) {
                halted = cx.check().err();
            }
            let mut slots = 0;
            let mut fits = |wanted: Wanted, rank: u32| {
                slots |= if codes::is_slot(rank) { wanted.reason() } else { 0 };
                self.fits(wanted, rank)
            };
            let (mut back, mut next) = (Some(at), at);
            // What ends with a part may have to be looked up, what begins with one is a range of ranks.
            let all = ahead
                .iter()
                .all(|(_, wanted, _)| codes::next(codes, &mut next).is_some_and(|rank| fits(*wanted, rank)))
                && behind.iter().rev().all(|(_, wanted, _)| {
                    back = back.and_then(|at| before(codes, at));
                    let rank = back.and_then(|at| codes::next(codes, &mut { at }));
                    rank.is_some_and(|rank| fits(*wanted, rank))
                });
            if all {
                let (number, end) = place();
                // Tokens of one template, and not its name or what stands before that.
                let tokens = templates.get(number).map_or(0, |template| template.tokens.len());
                let (first, start) = (end.saturating_sub(tokens), back.unwrap_or(0));
                if start < first || next > end {
                    return halted.is_some();
                }
                let reason = reason(slots);
                let place = REASONS.iter().position(|&other| other == reason).unwrap_or(0);
                let [before, own] = [first..start, start..next].map(|at| codes.get(at).unwrap_or_default());
                self.in_slots(own, &mut run);
                selected.runs[place].add(&run);
                let slots_before = codes::ranks(before).filter(|&rank| codes::is_slot(rank)).count() as u32;
                let start = Start::new(start - first, slots_before, slots & LEFT != 0, reason);
                starts.add(number, start, &run);
                selected.all.insert(number);
                if selected.by_reason[place].last() != Some(&number) {
                    selected.by_reason[place].push(number);
                }
            }
            halted.is_some()
        };
        match scope {
            Scope::Field(name) => templates
                .of_field(vocabulary.rank(name), false, range)
                .for_each(|range| templates.with_meeting(range, &left, &right, &mut meeting)),
            _ => templates.with_meeting(range, &left, &right, &mut meeting),
        }
        (self.selected, self.starts) = (selected, starts);
        halted.map_or(Ok(()), Err)
    }

    /// The codes of those whole tokens of the needle that stand in slots of `tokens`, which are those of a template where the needle may
    /// be: they stand side by side in the slots of a message, as only the edges can be before and behind them.
    fn in_slots(&self, tokens: &[u8], run: &mut Vec<u8>) {
        run.clear();
        let behind_left = codes::ranks(tokens).skip(usize::from(self.left.is_some()));
        for (in_template, inner) in behind_left.zip(&self.inner) {
            if codes::is_slot(in_template) {
                codes::push(inner.rank, run);
            }
        }
    }

    /// Whether a token of the needle can be what stands in a template.
    fn fits(&self, wanted: Wanted, rank: u32) -> bool {
        let in_slot = |in_slot: &Option<InSlot<'_>>| in_slot.as_ref().is_some_and(|part| part.is_slot(rank));
        match wanted {
            Wanted::Left if codes::is_slot(rank) => in_slot(&self.left),
            Wanted::Left => self.edges.has_left(rank),
            Wanted::Right if codes::is_slot(rank) => in_slot(&self.right),
            Wanted::Right => self.edges.has_right(rank),
            Wanted::Inner(n) => self.inner.get(n).is_some_and(|inner| inner.fits(rank)),
        }
    }

    /// What holds for a template, and where a match may begin in it.
    fn judge(&mut self, number: u32, template: &Template<'_>) -> Verdict {
        if !self.scope.takes(owner(self.segment, template)) {
            return Verdict::Never;
        }
        let none = Literals::none();
        let mut texts = [Text::new(template.tokens, &none, &[]), Text::new(&[], &none, &[])];
        let mut walk = Walk::new(template.tokens, &[]);
        let (mut slots, mut run) = (0, Vec::new());
        loop {
            let begin = walk;
            let Some(token) = walk.next() else { break };
            // There are no literals in a template, so that no document is asked for.
            match self.from(u32::MAX, &mut texts, begin) {
                Some(0) => return Verdict::Always,
                Some(reason) => {
                    self.in_slots(template.tokens.get(token.at..).unwrap_or_default(), &mut run);
                    let left_in_slot = self.left.is_some() && codes::is_slot(token.rank);
                    self.starts.add(number, Start::new(token.at, slots, left_in_slot, reason), &run);
                }
                None => {}
            }
            slots += u32::from(codes::is_slot(token.rank));
        }
        self.starts.verdict(number)
    }

    /// Whether whole tokens of the needle fill their slots; `slots` are those from the start on. `None`: it is not known.
    fn run_stands(&self, start: &Start, slots: &[u8]) -> Option<bool> {
        let run = self.starts.run(start)?;
        if run.is_empty() {
            return Some(true);
        }
        let left = if start.left_in_slot { behind_codes(slots, 1) } else { Some(0) };
        Some(left.and_then(|left| slots.get(left..)).is_some_and(|slots| slots.starts_with(run)))
    }

    /// The needle from one token on; `None` if it is not there whatever the slots are, else the reasons why it may be. Tokens in
    /// slots that are known are in the second of the texts.
    fn from(&mut self, doc: u32, texts: &mut [Text<'_>; 2], mut walk: Walk<'_>) -> Option<u8> {
        let mut reasons = 0;
        let mut slot = |reason: u8| reasons |= reason;
        if let Some(in_slot) = &mut self.left {
            let edges = &self.edges;
            if in_slot.stands_at(&walk.next()?, doc, texts, |text, at| edges.fits_left(text, at))? {
                slot(LEFT);
            }
        }
        for inner in &self.inner {
            let token = walk.next()?;
            if inner.fills(token.rank) {
                slot(OTHER);
            } else if token.rank != inner.rank {
                return None;
            }
        }
        if let Some(in_slot) = &mut self.right {
            let edges = &self.edges;
            if in_slot.stands_at(&walk.next()?, doc, texts, |text, at| edges.fits_right(text, at))? {
                slot(RIGHT);
            }
        }
        Some(reason(reasons))
    }
}

/// The last two octets of a token's code, of which one may be of the token before it; with it whether a slot may stand for that.
fn ends_with(rank: u32, before: Option<Inner>) -> Twos {
    let mut twos = Twos::default();
    match before.filter(|_| codes::len(rank) == 1) {
        None => rank_left(rank, &mut twos),
        Some(before) => {
            let last = |rank: u32| codes::of(rank).last().copied().unwrap_or_default();
            for octet in before.ranks().map(last) {
                twos.add(INNER, Octets(octet, octet), Octets(last(rank), last(rank)));
            }
        }
    }
    twos
}

/// The same of the first two octets, and the token behind it.
fn starts_with(rank: u32, behind: Option<Inner>) -> Twos {
    let mut twos = Twos::default();
    match behind.filter(|_| codes::len(rank) == 1) {
        None => rank_right(rank, &mut twos),
        Some(behind) => {
            let first = |rank: u32| codes::of(rank).first().copied().unwrap_or_default();
            for octet in behind.ranks().map(first) {
                twos.add(INNER, Octets(first(rank), first(rank)), Octets(octet, octet));
            }
        }
    }
    twos
}

/// Of tokens of the needle that are in slots. Whatever else has to be in slots, an edge that stands in one has to be there.
fn reason(slots: u8) -> u8 {
    match slots & (LEFT | RIGHT) {
        0 => slots,
        edge @ (LEFT | RIGHT) => edge,
        _ => BOTH,
    }
}

impl Wanted {
    /// What is said of it if it stands in a slot.
    fn reason(self) -> u8 {
        match self {
            Wanted::Left => LEFT,
            Wanted::Inner(_) => OTHER,
            Wanted::Right => RIGHT,
        }
    }
}

impl Judge for Several<'_> {
    fn template(&mut self, number: u32, template: &Template<'_>) -> Verdict {
        if number >= self.selected.below {
            return self.judge(number, template);
        }
        self.starts.verdict(number)
    }

    fn reads_literals(&self) -> bool {
        // Which documents have templates for which an edge has to be in a slot is known.
        REASONS
            .iter()
            .zip(&self.selected.by_reason)
            .any(|(reason, templates)| reason & (LEFT | RIGHT | BOTH) != 0 && !templates.is_empty())
    }

    fn may(&mut self, doc: u32, _: &Literals<'_>, reason: u8) -> Result<bool, Halt> {
        let has = |in_slot: &Option<InSlot<'_>>| {
            in_slot.as_ref().map_or(Ok(true), |in_slot| in_slot.is_candidate(doc))
        };
        Ok(match reason {
            LEFT => has(&self.left)?,
            RIGHT => has(&self.right)?,
            BOTH => has(&self.left)? && has(&self.right)?,
            _ => true,
        })
    }

    fn field(&mut self, doc: u32, value: &Value<'_>, literals: &Literals<'_>) -> bool {
        let mut texts =
            [Text::new(value.template.tokens, literals, &[]), Text::new(value.slots, literals, value.before)];
        let Some(range) = self.starts.of(value.number) else {
            let mut walk = Walk::new(value.template.tokens, value.slots);
            while self.from(doc, &mut texts, walk) != Some(0) {
                if walk.next().is_none() {
                    return false;
                }
            }
            return true;
        };
        range.into_iter().any(|n| {
            let Some(start) = self.starts.get(n) else { return false };
            behind_codes(value.slots, start.slots).is_some_and(|slots_at| {
                match self.run_stands(&start, value.slots.get(slots_at..).unwrap_or_default()) {
                    Some(false) => return false,
                    // Nothing but whole tokens depends on slots.
                    Some(true) if start.reason == OTHER => return true,
                    _ => {}
                }
                let walk =
                    Walk { template: value.template.tokens, at: start.at, slots: value.slots, slots_at };
                self.from(doc, &mut texts, walk) == Some(0)
            })
        })
    }
}
