//! What searches do and how long it takes: for the figures of a core ([`metrics`]), and for whoever asks about one search
//! ([`step`], `trawl explain`).
//!
//! An [`Observer`] goes with each command ([`Cx`]); the parts of a search tell it, and need not know who listens. What must hold: who
//! does not ask pays for some readings of the clock, nothing else.

pub mod histogram;
pub mod metrics;
pub mod prometheus;
pub mod step;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use self::metrics::{Family, Outcome, Phase};
use self::step::{Step, Totals};
use crate::lanes::trace::SearchTrace;
use crate::limits::EXPLAIN_STEPS_MAX;
use crate::response::status::{Code, Refusal};
use crate::session::Cx;

/// Nanoseconds from any fixed point, for lanes.
pub type Nanos = Arc<dyn Fn() -> u64 + Send + Sync>;

/// See the module.
#[derive(Default)]
pub struct Observer {
    /// What the search that goes on counts to; none: no search goes on.
    family: Cell<Option<Family>>,
    timed_out: Cell<bool>,
    told: Option<Told>,
}

/// What is told to whoever asks.
struct Told {
    nanos: Nanos,
    steps: RefCell<Vec<Step>>,
    /// Steps that are kept, also those inside of others, and whether there were more.
    count: Cell<usize>,
    is_cut: Cell<bool>,
    totals: Cell<Totals>,
}

impl Observer {
    /// One that keeps what it is told.
    pub fn explaining(nanos: Nanos) -> Observer {
        let told = Told {
            nanos,
            steps: RefCell::default(),
            count: Cell::default(),
            is_cut: Cell::default(),
            totals: Cell::default(),
        };
        Observer { told: Some(told), ..Observer::default() }
    }

    /// Whether somebody asks.
    pub fn explains(&self) -> bool {
        self.told.is_some()
    }

    /// Keeps a step, if somebody asks and there are not too many.
    pub fn tell(&self, step: impl FnOnce() -> Step) {
        let Some(told) = &self.told else { return };
        // Steps inside of it are taken while it is made.
        let step = step();
        let mut totals = told.totals.get();
        totals.add(&step);
        told.totals.set(totals);
        // What is about one of many mailboxes leaves room for what is about all of them.
        let is_small = matches!(step, Step::Mailbox { .. } | Step::State { .. });
        let most = if is_small { EXPLAIN_STEPS_MAX / 2 } else { EXPLAIN_STEPS_MAX };
        if told.count.get() >= most {
            told.is_cut.set(true);
            return;
        }
        told.count.set(told.count.get() + 1);
        told.steps.borrow_mut().push(step);
    }

    /// What was told, also in steps that are not kept.
    pub fn totals(&self) -> Totals {
        self.told.as_ref().map(|told| told.totals.get()).unwrap_or_default()
    }

    /// How many steps stand side by side now: see [`Observer::since`].
    pub fn mark(&self) -> usize {
        self.told.as_ref().map_or(0, |told| told.steps.borrow().len())
    }

    /// Takes the steps that came after the mark, to be put inside of another.
    pub fn since(&self, mark: usize) -> Vec<Step> {
        let Some(told) = &self.told else { return Vec::new() };
        let mut steps = told.steps.borrow_mut();
        if mark < steps.len() { steps.split_off(mark) } else { Vec::new() }
    }

    /// Whether there were more steps than are kept.
    pub fn is_cut(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.is_cut.get())
    }

    /// For lanes that search segments.
    pub fn trace(&self) -> Option<Arc<SearchTrace>> {
        let nanos = Arc::clone(&self.told.as_ref()?.nanos);
        Some(Arc::new(SearchTrace::new(Box::new(move || nanos()))))
    }

    /// The program turns out to have FUZZY keys.
    pub fn note_fuzzy(&self) {
        if let Some(Family::Search | Family::Sort | Family::Thread | Family::ESearch) = self.family.get() {
            self.family.set(Some(Family::Fuzzy));
        }
    }

    /// The search that goes on takes too long.
    pub fn note_timed_out(&self) {
        self.timed_out.set(true);
    }
}

impl Cx {
    /// Microseconds from any fixed point.
    pub fn micros(&self) -> u64 {
        u64::try_from(self.core.clock.monotonic().as_micros()).unwrap_or(u64::MAX)
    }

    /// A phase of the search that goes on, if one does.
    pub fn took(&self, phase: Phase, micros: u64) {
        if let Some(family) = self.observer.family.get() {
            self.core.metrics.took(family, phase, micros);
        }
    }

    /// Counts a search: how long it takes, and how it ends. One that is dropped was cancelled.
    pub async fn observed<T>(
        &self,
        family: Family,
        search: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        self.observer.timed_out.set(false);
        let before = self.observer.family.replace(Some(family));
        let mut going_on = GoingOn { cx: self, before, began: self.micros(), outcome: Outcome::Cancelled };
        let answer = search.await;
        going_on.outcome = match &answer {
            Ok(_) => Outcome::Found,
            Err(_) if self.observer.timed_out.get() => Outcome::TimedOut,
            Err(_) if self.cancel.is_set() => Outcome::Cancelled,
            Err(refusal) => match refusal.code {
                Some(Code::Limit) => Outcome::Limit,
                Some(Code::Unavailable) => Outcome::Cancelled,
                _ => Outcome::Failed,
            },
        };
        drop(going_on);
        answer
    }
}

/// A search that goes on.
struct GoingOn<'a> {
    cx: &'a Cx,
    before: Option<Family>,
    began: u64,
    outcome: Outcome,
}

impl Drop for GoingOn<'_> {
    fn drop(&mut self) {
        let micros = self.cx.micros().saturating_sub(self.began);
        if let Some(family) = self.cx.observer.family.replace(self.before) {
            self.cx.core.metrics.ended(family, self.outcome, micros);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::step::{How, Look};

    #[test]
    fn steps_are_bounded_and_totals_are_not() {
        let observer = Observer::explaining(Arc::new(|| 0));
        for _ in 0..EXPLAIN_STEPS_MAX {
            let mark = observer.mark();
            observer.tell(|| Step::State { messages: 5, left: 3, text: true, us: 2 });
            observer.tell(|| Step::Mailbox {
                name: "x".to_owned(),
                how: How::Alone,
                us: 2,
                steps: observer.since(mark),
            });
        }
        assert!(observer.is_cut());
        observer.tell(|| Step::Look(Look { indexed: 7, ..Look::default() }));
        let totals = observer.totals();
        assert_eq!((totals.searches, totals.left), (EXPLAIN_STEPS_MAX as u64, 3 * EXPLAIN_STEPS_MAX as u64));
        assert_eq!(totals.indexed, 7);
        let steps = observer.since(0);
        assert!(matches!(steps.last(), Some(Step::Look(_))));
        assert_eq!(steps.len(), EXPLAIN_STEPS_MAX / 4 + 1, "a mailbox is two steps");
    }

    #[test]
    fn who_does_not_ask_is_told_nothing() {
        let observer = Observer::default();
        observer.tell(|| unreachable!("it is not even made"));
        assert!(!observer.explains() && observer.since(0).is_empty() && observer.trace().is_none());
    }
}
