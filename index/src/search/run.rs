//! Evaluates a program over the documents of one segment, as sets.
//!
//! An AND narrows the set that its later operands look at, an OR only looks at what is not found yet, and a NOT turns round within the
//! set it was given. State comes first, then keys in the order of what they are expected to cost.

use std::cell::Cell;

use super::facts::Facts;
use super::program::{Plan, Program};
use super::trace::Step;
use super::{Cx, Halt, docs_of};
use crate::bits::Bits;
use crate::segment::Segment;

pub(super) struct Run<'a> {
    pub program: &'a Program,
    pub segment: &'a Segment,
    pub cx: Cx<'a>,
    /// What the segment says about each needle, found out when first asked for.
    facts: Vec<Facts>,
    depth: Cell<usize>,
}

impl<'a> Run<'a> {
    pub fn new(program: &'a Program, segment: &'a Segment, cx: Cx<'a>) -> Run<'a> {
        let facts = program.needles.iter().map(|_| Facts::default()).collect();
        Run { program, segment, cx, facts, depth: Default::default() }
    }

    pub fn evaluate(&self, within: Bits) -> Result<Bits, Halt> {
        self.plan(&self.program.root, within)
    }

    pub fn facts(&self, needle: usize) -> &Facts {
        &self.facts[needle]
    }

    fn plan(&self, plan: &Plan, within: Bits) -> Result<Bits, Halt> {
        if within.is_empty() {
            return Ok(within);
        }
        self.cx.check()?;
        match plan {
            Plan::Constant(true) => Ok(within),
            Plan::Constant(false) => Ok(Bits::new(within.len())),
            Plan::State(numbers) => {
                let mut docs = docs_of(self.segment, numbers);
                docs.and(&within);
                Ok(docs)
            }
            Plan::Key(key) => self.key(*key, &within),
            Plan::Not(plan) => {
                let found = self.plan(plan, within.clone())?;
                let mut rest = within;
                rest.and_not(&found);
                Ok(rest)
            }
            Plan::And(plans) => self.step(
                || "AND".into(),
                &within,
                || {
                    let mut left = within.clone();
                    for plan in self.cheapest_first(plans) {
                        left = self.plan(plan, left)?;
                        if left.is_empty() {
                            break;
                        }
                    }
                    Ok(left)
                },
            ),
            Plan::Or(plans) => self.step(
                || "OR".into(),
                &within,
                || {
                    let mut found = Bits::new(within.len());
                    let mut rest = within.clone();
                    for plan in self.cheapest_first(plans) {
                        let hits = self.plan(plan, rest.clone())?;
                        rest.and_not(&hits);
                        found.or(&hits);
                        if rest.is_empty() {
                            break;
                        }
                    }
                    Ok(found)
                },
            ),
        }
    }

    /// The order of operands changes no answer, only what it costs.
    fn cheapest_first<'p>(&self, plans: &'p [Plan]) -> Vec<&'p Plan> {
        let keys = |plan: &&Plan| !matches!(plan, Plan::Constant(_) | Plan::State(_));
        let mut order: Vec<&Plan> = plans.iter().collect();
        if plans.iter().filter(keys).count() > 1 {
            order.sort_by_cached_key(|plan| self.cost(plan));
        } else {
            order.sort_by_key(keys);
        }
        order
    }

    /// Nanoseconds, roughly.
    fn cost(&self, plan: &Plan) -> u64 {
        match plan {
            Plan::Constant(_) => 0,
            Plan::State(_) => 1,
            Plan::Key(key) => self.key_cost(*key),
            Plan::Not(plan) => self.cost(plan),
            Plan::And(plans) | Plan::Or(plans) => {
                plans.iter().map(|plan| self.cost(plan)).fold(0, u64::saturating_add)
            }
        }
    }

    /// Runs `work`, and tells the trace.
    pub fn step(
        &self,
        what: impl FnOnce() -> String,
        within: &Bits,
        work: impl FnOnce() -> Result<Bits, Halt>,
    ) -> Result<Bits, Halt> {
        let Some(trace) = self.cx.trace else { return work() };
        let (start, depth) = (trace.now(), self.depth.get());
        self.depth.set(depth + 1);
        let answer = work();
        self.depth.set(depth);
        if let Ok(docs) = &answer {
            let nanos = trace.now().saturating_sub(start);
            trace.add(Step { depth, what: what(), before: within.count(), after: docs.count(), nanos });
        }
        answer
    }
}
