//! Header fields, verified by their templates: what holds for a template is found out once and holds for every message that has
//! it, so that a message is a walk over some dozens of numbers. Only where a slot decides are the slots of a field looked at.

use super::sparse::Sparse;
use super::{Cx, Halt};
use crate::bits::Bits;
use crate::prepare::Area;
use crate::segment::{Literals, Reads, Segment, Template, Value};

/// Templates that are looked at first, the most frequent ones: if one of them matches whatever its slots are, most documents have it.
/// A bound between classes of templates.
pub(super) const FIRST_TEMPLATES: u32 = if cfg!(test) { 8 } else { 4096 };

/// The templates of some fields, by the names of these.
pub(super) fn of_fields(segment: &Segment, names: &[u32], nested: &[bool]) -> Bits {
    let templates = segment.templates();
    let mut found = Bits::new(templates.len());
    for &name in names {
        let rank = segment.vocabulary().rank(name);
        for &nested in nested {
            let ranges = templates.of_field(rank, nested, 0..templates.len());
            ranges.for_each(|range| found.insert_range(range));
        }
    }
    found
}

/// What a template says of the fields that have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Never,
    Always,
    /// It depends on what stands in slots: on any of the reasons in a mask that the judge gives.
    Depends(u8),
}

/// Judges the templates of a segment.
pub(super) trait Judge {
    /// Once for each template that is met.
    fn template(&mut self, number: u32, template: &Template<'_>) -> Verdict;

    /// Whether literals are looked at where slots decide.
    fn reads_literals(&self) -> bool {
        false
    }

    /// Whether slots of a document can be a reason; asked once for each document and before fields are looked at.
    fn may(&mut self, doc: u32, literals: &Literals<'_>, reason: u8) -> Result<bool, Halt>;

    /// Whether a field matches, which depends on its slots.
    fn field(&mut self, doc: u32, value: &Value<'_>, literals: &Literals<'_>) -> bool;
}

/// Which documents have a field that matches.
pub(super) struct Fields<'a, J> {
    segment: &'a Segment,
    cx: Cx<'a>,
    judge: J,
    /// Templates that can match, if that is known.
    among: Option<Bits>,
    /// By template what was found: its slots, and a verdict in the lower bits; 0 is not known yet.
    known: Sparse,
    /// Documents that were looked at.
    looked_at: u32,
    /// How many slots fields have that are passed over, by template; made when it pays.
    passed: Vec<u8>,
    /// Templates judged since the stop flag was looked at.
    judged: u32,
}

const NEVER: u32 = 1;
const ALWAYS: u32 = 2;
const DEPENDS: u32 = 3;
const VERDICT_BITS: u32 = 2;
const REASON_BITS: u32 = 4;
const SLOTS_SHIFT: u32 = VERDICT_BITS + REASON_BITS;
/// So many documents take longer than a table of all templates.
const PASSED_FROM: u32 = if cfg!(test) { 3 } else { 128 };
/// Templates between two looks at the stop flag; each takes some hundred nanoseconds.
const JUDGED_MAX: u32 = 1024;

impl<'a, J: Judge> Fields<'a, J> {
    /// Other templates than those of `among` never match.
    pub fn new(segment: &'a Segment, cx: Cx<'a>, judge: J, among: Option<Bits>) -> Fields<'a, J> {
        let known = Sparse::new(segment.templates().len());
        Fields { segment, cx, judge, among, known, looked_at: 0, passed: Vec::new(), judged: 0 }
    }

    /// What [`Fields::has`] reads of a document.
    pub fn reads(&self) -> Reads {
        if self.judge.reads_literals() { Reads::FieldsAndLiterals } else { Reads::Codes(Area::Head) }
    }

    pub fn has(&mut self, doc: u32) -> Result<bool, Halt> {
        self.cx.check()?;
        self.looked_at = self.looked_at.saturating_add(1);
        if self.looked_at == PASSED_FROM
            && let Some(among) = &self.among
        {
            self.passed = self.segment.templates().slots_but_of(among);
        }
        let literals = self.segment.literals(doc, Area::Head);
        // Reasons that were asked for, and those that hold.
        let (mut asked, mut hold) = (0u8, 0u8);
        let mut fields = self.segment.fields(doc);
        loop {
            if !self.passed.is_empty() {
                fields.pass_over(&self.passed);
            }
            let Some(number) = fields.number() else { break };
            let number = number?;
            if self.among.as_ref().is_some_and(|among| !among.contains(number)) {
                fields.pass(self.segment.templates().slots(number)?);
                continue;
            }
            let known = self.known(number)?;
            let slots = known >> SLOTS_SHIFT;
            match known & ((1 << VERDICT_BITS) - 1) {
                ALWAYS => return Ok(true),
                DEPENDS => {
                    let reasons = (known >> VERDICT_BITS) as u8 & ((1 << REASON_BITS) - 1);
                    let new = reasons & !asked;
                    for reason in (0..REASON_BITS).map(|bit| 1 << bit).filter(|bit| new & bit != 0) {
                        asked |= reason;
                        if self.judge.may(doc, &literals, reason)? {
                            hold |= reason;
                        }
                    }
                    if reasons & hold == 0 {
                        fields.pass(slots);
                        continue;
                    }
                    let value = fields.filled(number, self.segment.templates().get(number)?)?;
                    if self.judge.field(doc, &value, &literals) {
                        return Ok(true);
                    }
                }
                _ => fields.pass(slots),
            }
        }
        Ok(false)
    }

    #[inline]
    fn known(&mut self, number: u32) -> Result<u32, Halt> {
        match self.known.get(number) {
            0 => self.judge(number),
            known => Ok(known),
        }
    }

    fn judge(&mut self, number: u32) -> Result<u32, Halt> {
        self.judged = self.judged.wrapping_add(1);
        if self.judged.is_multiple_of(JUDGED_MAX) {
            self.cx.check()?;
        }
        let template = self.segment.templates().get(number)?;
        let verdict = match self.judge.template(number, &template) {
            Verdict::Never => NEVER,
            Verdict::Always => ALWAYS,
            Verdict::Depends(reasons) => DEPENDS | u32::from(reasons) << VERDICT_BITS,
        };
        let known = template.slots << SLOTS_SHIFT | verdict;
        if let Some(place) = self.known.get_mut(number) {
            *place = known;
        }
        Ok(known)
    }
}
