//! Where in templates of header fields a needle of several tokens may begin if slots decide, found out once for all documents.

use std::ops::Range;

use super::fields::Verdict;
use super::sparse::Sparse;
use super::values::OTHER;
use crate::bits::Bits;

/// Places that are kept of one template; one with more is looked at from every token on.
const STARTS_MAX: usize = if cfg!(test) { 3 } else { 4096 };
/// Runs that are told apart.
const RUNS_MAX: usize = if cfg!(test) { 2 } else { 16 };

/// No whole token stands in a slot.
const NO_RUN: usize = 0;

/// A token of a template.
#[derive(Clone, Copy)]
pub(super) struct Start {
    /// Where its code is.
    pub at: usize,
    /// Slots before it.
    pub slots: u32,
    /// The first token of the needle stands in a slot.
    pub left_in_slot: bool,
    /// Why it may begin here; 0: whatever the slots are.
    pub reason: u8,
    /// Which run fills the slots of whole tokens, if it is kept: [`NO_RUN`], or one more than where it is kept.
    run: Option<u8>,
}

impl Start {
    pub fn new(at: usize, slots: u32, left_in_slot: bool, reason: u8) -> Start {
        Start { at, slots, left_in_slot, reason, run: None }
    }
}

/// See the module.
pub(super) struct Starts {
    /// Those of one template side by side.
    all: Vec<Start>,
    ranges: Vec<Range<usize>>,
    /// By template one more than where among the ranges its own is; 0 if it has none.
    range_of: Sparse,
    /// Templates with more places than are kept.
    many: Bits,
    /// Codes that fill slots side by side.
    runs: Vec<Vec<u8>>,
}

impl Starts {
    /// For so many templates.
    pub fn new(templates: u32) -> Starts {
        let (all, ranges, runs) = Default::default();
        Starts { all, ranges, range_of: Sparse::new(templates), many: Bits::new(templates), runs }
    }

    /// Adds a place to a template; those of one are added one behind the other. `run` are the codes that have to fill its slots where whole
    /// tokens stand.
    pub fn add(&mut self, number: u32, mut start: Start, run: &[u8]) {
        let at = self.all.len();
        let Some(place) = self.range_of.get_mut(number) else { return };
        if *place == 0 || *place as usize != self.ranges.len() {
            self.ranges.push(at..at);
            *place = self.ranges.len() as u32;
        }
        let Some(range) = self.ranges.last_mut() else { return };
        if range.len() == STARTS_MAX {
            self.many.insert(number);
            return;
        }
        range.end = at + 1;
        start.run = self.kept_run(run);
        self.all.push(start);
    }

    /// Which run it is, if it is kept.
    fn kept_run(&mut self, run: &[u8]) -> Option<u8> {
        // Most often nothing has to stand in slots, and comparing nothing takes long.
        let known = if run.is_empty() {
            Some(NO_RUN)
        } else {
            self.runs.iter().position(|known| known == run).map(|at| at + 1)
        };
        let place = known.or_else(|| {
            (self.runs.len() < RUNS_MAX).then(|| {
                self.runs.push(run.to_vec());
                self.runs.len()
            })
        });
        place.and_then(|place| u8::try_from(place).ok())
    }

    /// Those of a template; `None`: there are more, so that every token has to be looked at.
    pub fn of(&self, number: u32) -> Option<Range<usize>> {
        (!self.many.contains(number)).then(|| self.kept(number))
    }

    fn kept(&self, number: u32) -> Range<usize> {
        let place = self.range_of.get(number).checked_sub(1);
        place.and_then(|place| self.ranges.get(place as usize)).cloned().unwrap_or_default()
    }

    pub fn get(&self, at: usize) -> Option<Start> {
        self.all.get(at).copied()
    }

    /// The codes that have to fill slots, if they are kept.
    pub fn run(&self, start: &Start) -> Option<&[u8]> {
        match usize::from(start.run?) {
            NO_RUN => Some(&[]),
            place => self.runs.get(place - 1).map(Vec::as_slice),
        }
    }

    /// What a template says that has these.
    pub fn verdict(&mut self, number: u32) -> Verdict {
        let range = self.kept(number);
        let starts = self.all.get_mut(range).unwrap_or_default();
        if starts.iter().any(|start| start.reason == 0) {
            return Verdict::Always;
        }
        // Two slots take longest to look at.
        starts.sort_by_key(|start| start.reason);
        let kept = starts.iter().fold(0, |reasons, start| reasons | start.reason);
        match if self.many.contains(number) { kept | OTHER } else { kept } {
            0 => Verdict::Never,
            reasons => Verdict::Depends(reasons),
        }
    }
}
