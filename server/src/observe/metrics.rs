//! What searches cost since the start, by family of command and phase.
//!
//! Each core has its own, which its thread alone touches; lanes hand their times back with their answers. Whoever asks adds the cores up.

use std::cell::RefCell;

use super::histogram::Histogram;

/// An enum with a name for each variant.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$its:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$its])* $variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

named! {
    /// What searched.
    Family {
        Search = "search",
        Sort = "sort",
        Thread = "thread",
        ESearch = "esearch",
        /// Any of these whose program has FUZZY keys: it is searched several times.
        Fuzzy = "fuzzy",
        /// What changed was judged for a result that is kept up to date (RFC 5267).
        Context = "context",
        /// `trawl search` and `trawl explain`.
        Tool = "tool",
    }
}

named! {
    /// What takes time in a search. Phases of one search may lie side by side, on several lanes.
    Phase {
        /// Keys on state: planning, and evaluating them over the mailbox.
        State = "state",
        /// From being queued until a lane begins.
        Wait = "wait",
        /// The pieces of one search that segments of the index answer, together; of texts in memory; of messages read from the log.
        Index = "index",
        Memory = "memory",
        Log = "log",
        /// Words that are spelled like those of FUZZY keys, looked up in the vocabularies.
        Words = "words",
        /// One step from an end of the mailbox, for MIN, MAX and PARTIAL.
        EndStep = "end_step",
        /// What SORT and THREAD compare: gathered from memory, else from the log.
        Gather = "gather",
        /// Sorting or threading.
        Arrange = "arrange",
    }
}

named! {
    /// How a search ended.
    Outcome {
        /// Answered, also if nothing matches.
        Found = "found",
        /// NO [LIMIT]: too much waits, or it would take too much memory.
        Limit = "limit",
        /// The client went away, or the server stops.
        Cancelled = "cancelled",
        /// NO [LIMIT], after `limits.search_time`.
        TimedOut = "timed_out",
        /// Any other NO or BAD.
        Failed = "failed",
    }
}

named! {
    /// How texts are looked at.
    By {
        Index = "index",
        Memory = "memory",
        Log = "log",
    }
}

named! {
    /// Why messages were read that the index should have answered for.
    Fallback {
        /// The account's index could not be opened, or not yet.
        Missing = "missing",
        /// It is damaged, and made anew.
        Damaged = "damaged",
    }
}

/// Figures of one core, or of several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Figures {
    families: Vec<OfFamily>,
    /// By [`By`].
    pieces: [u64; By::ALL.len()],
    messages: [u64; By::ALL.len()],
    fallbacks: [u64; Fallback::ALL.len()],
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct OfFamily {
    whole: Histogram,
    phases: Vec<Histogram>,
    outcomes: [u64; Outcome::ALL.len()],
}

impl Default for Figures {
    fn default() -> Figures {
        let phases = vec![Histogram::default(); Phase::ALL.len()];
        let family = OfFamily { whole: Histogram::default(), phases, outcomes: Default::default() };
        Figures {
            families: vec![family; Family::ALL.len()],
            pieces: Default::default(),
            messages: Default::default(),
            fallbacks: Default::default(),
        }
    }
}

impl Figures {
    /// Adds those of another core.
    pub fn add_all(&mut self, other: &Figures) {
        for (own, more) in self.families.iter_mut().zip(&other.families) {
            own.whole.add_all(&more.whole);
            own.phases.iter_mut().zip(&more.phases).for_each(|(own, more)| own.add_all(more));
            add(&mut own.outcomes, &more.outcomes);
        }
        add(&mut self.pieces, &other.pieces);
        add(&mut self.messages, &other.messages);
        add(&mut self.fallbacks, &other.fallbacks);
    }

    /// From the command to its answer.
    pub fn whole(&self, family: Family) -> &Histogram {
        &self.families[family as usize].whole
    }

    pub fn phase(&self, family: Family, phase: Phase) -> &Histogram {
        &self.families[family as usize].phases[phase as usize]
    }

    pub fn outcome(&self, family: Family, outcome: Outcome) -> u64 {
        self.families[family as usize].outcomes[outcome as usize]
    }

    /// Pieces of searches, and the messages whose texts they looked at.
    pub fn looked(&self, by: By) -> (u64, u64) {
        (self.pieces[by as usize], self.messages[by as usize])
    }

    pub fn fallback(&self, why: Fallback) -> u64 {
        self.fallbacks[why as usize]
    }
}

fn add<const N: usize>(own: &mut [u64; N], more: &[u64; N]) {
    own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
}

/// Those of one core; times are microseconds.
#[derive(Default)]
pub struct Metrics(RefCell<Figures>);

impl Metrics {
    pub fn figures(&self) -> Figures {
        self.0.borrow().clone()
    }

    pub fn took(&self, family: Family, phase: Phase, micros: u64) {
        self.0.borrow_mut().families[family as usize].phases[phase as usize].add(micros);
    }

    pub fn ended(&self, family: Family, outcome: Outcome, micros: u64) {
        let figures = &mut *self.0.borrow_mut();
        let family = &mut figures.families[family as usize];
        family.whole.add(micros);
        family.outcomes[outcome as usize] += 1;
    }

    pub fn looked(&self, by: By, pieces: u64, messages: u64) {
        let figures = &mut *self.0.borrow_mut();
        figures.pieces[by as usize] += pieces;
        figures.messages[by as usize] += messages;
    }

    pub fn fell_back(&self, why: Fallback) {
        self.0.borrow_mut().fallbacks[why as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_add_up_and_families_stay_apart() {
        let (one, other) = (Metrics::default(), Metrics::default());
        one.took(Family::Sort, Phase::Gather, 5);
        one.ended(Family::Sort, Outcome::Found, 90);
        other.took(Family::Sort, Phase::Gather, 7);
        other.ended(Family::Sort, Outcome::Limit, 10);
        other.looked(By::Log, 2, 30);
        other.fell_back(Fallback::Damaged);
        let mut all = one.figures();
        all.add_all(&other.figures());
        let gathered = all.phase(Family::Sort, Phase::Gather);
        assert_eq!((gathered.count(), gathered.sum(), gathered.max()), (2, 12, 7));
        assert_eq!((all.whole(Family::Sort).count(), all.whole(Family::Search).count()), (2, 0));
        assert_eq!(
            [Outcome::Found, Outcome::Limit, Outcome::Failed].map(|o| all.outcome(Family::Sort, o)),
            [1, 1, 0]
        );
        assert_eq!(By::ALL.iter().map(|by| all.looked(*by)).collect::<Vec<_>>(), [(0, 0), (0, 0), (2, 30)]);
        assert_eq!((all.fallback(Fallback::Damaged), all.fallback(Fallback::Missing)), (1, 0));
        assert_eq!(
            Phase::ALL.iter().filter(|phase| all.phase(Family::Search, **phase).count() > 0).count(),
            0
        );
    }

    #[test]
    fn places_are_those_of_the_lists() {
        assert!(Family::ALL.iter().enumerate().all(|(at, family)| *family as usize == at));
        assert!(Phase::ALL.iter().enumerate().all(|(at, phase)| *phase as usize == at));
        assert!(Outcome::ALL.iter().enumerate().all(|(at, outcome)| *outcome as usize == at));
    }
}
