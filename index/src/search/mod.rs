//! A search program over one segment: the answer of the scan ([`crate::scan`]), found through the index.
//!
//! What must hold: for every message that the segment vouches for, and that is in the mask, [`Query::run`] says what
//! [`crate::scan::Compiled::matches`] says. Filters only ever leave out messages that cannot match; what they leave is verified on
//! the text. Nothing allocates in proportion to the vocabulary, and the stop flag is looked at every few milliseconds.
//!
//! Not here: messages that no segment covers, and the union over segments.

mod begins;
mod edges;
mod facts;
mod fields;
mod filter;
mod head;
mod in_slot;
mod key;
mod needle;
mod program;
mod run;
mod scope;
mod several;
mod side;
mod similar;
mod single;
mod sparse;
mod starts;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod texts;
mod trace;
mod values;
mod verify;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::bits::Bits;
use crate::query::Node;
use crate::segment::{Damaged, Segment};
use program::Program;
use run::Run;

pub use similar::similar;
pub use state::docs_of;
pub use trace::{Step, Trace};

/// A search program with its needles normalised and taken apart. `Send + Sync`: one serves all segments.
#[derive(Clone, Debug)]
pub struct Query {
    program: Program,
}

/// What a run may look at.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    pub stop: &'a AtomicBool,
    pub trace: Option<&'a Trace<'a>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    #[error("the search was stopped")]
    Stopped,
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl Query {
    /// State bitmaps of `node` hold message numbers.
    pub fn new(node: &Node) -> Query {
        Query { program: Program::new(node) }
    }

    /// Which documents of `mask` match. Documents that the segment does not vouch for are left out: they are the scan's.
    pub fn run(&self, segment: &Segment, mask: &Bits, cx: &Cx<'_>) -> Result<Bits, Halt> {
        cx.check()?;
        segment.begin_search();
        let mut within = mask.clone();
        within.and_not(segment.unvouched());
        Run::new(&self.program, segment, *cx).evaluate(within)
    }
}

impl Cx<'_> {
    fn check(&self) -> Result<(), Halt> {
        if self.stop.load(Ordering::Relaxed) { Err(Halt::Stopped) } else { Ok(()) }
    }
}
