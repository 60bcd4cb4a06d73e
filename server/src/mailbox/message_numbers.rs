//! Which message is at which place of a view: positions to message numbers, as runs.
//!
//! Messages of a mailbox mostly follow each other in both orders, so a run costs eight bytes and stands for many. It is
//! made once for a view and grows with it, so that a search does not walk the rows of a large mailbox. Not here: the view
//! itself. What must hold: position p of the view has the message `number(p)`; the same message can be at several
//! positions (COPY into its own mailbox).

use std::ops::Range;
use std::sync::OnceLock;

use roaring::RoaringBitmap;

/// No message has this number: a row of which nothing is known.
pub const NO_MESSAGE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    position: u32,
    number: u32,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct MessageNumbers {
    runs: Vec<Run>,
    len: u32,
    /// Numbers do not only ascend.
    disordered: bool,
    repeats: OnceLock<RoaringBitmap>,
}

impl MessageNumbers {
    pub fn len(&self) -> u32 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Positions that are the numbers of messages themselves, those below `next`.
    pub fn themselves(next: u32) -> MessageNumbers {
        let runs = if next == 0 { Vec::new() } else { vec![Run { position: 0, number: 0 }] };
        MessageNumbers { runs, len: next, ..MessageNumbers::default() }
    }

    /// Adds the message at the next position.
    pub fn push(&mut self, number: u32) {
        self.repeats = OnceLock::new();
        if let Some(run) = self.runs.last() {
            let next = run.number.checked_add(self.len - run.position);
            if next == Some(number) && number != NO_MESSAGE {
                self.len += 1;
                return;
            }
            self.disordered |= next.is_none_or(|next| number < next);
        }
        self.runs.push(Run { position: self.len, number });
        self.len += 1;
    }

    /// Whether numbers ascend with positions; then no message is there twice.
    pub fn ascend(&self) -> bool {
        !self.disordered
    }

    fn run_at(&self, position: u32) -> usize {
        self.runs.partition_point(|run| run.position <= position).saturating_sub(1)
    }

    fn end(&self, run: usize) -> u32 {
        self.runs.get(run + 1).map_or(self.len, |next| next.position)
    }

    /// The number at a position below `len`.
    pub fn number(&self, position: u32) -> u32 {
        match self.runs.get(self.run_at(position)) {
            Some(run) => run.number + (position - run.position),
            None => NO_MESSAGE,
        }
    }

    /// The runs that overlap `positions`: positions, and the number of the first.
    pub fn runs(&self, positions: Range<u32>) -> impl Iterator<Item = (Range<u32>, u32)> + '_ {
        let first = self.run_at(positions.start);
        let end = positions.end.min(self.len);
        let runs = self.runs.iter().enumerate().skip(first).take_while(move |(_, run)| run.position < end);
        runs.filter_map(move |(at, run)| {
            let (low, high) = (positions.start.max(run.position), end.min(self.end(at)));
            (low < high).then(|| (low..high, run.number + (low - run.position)))
        })
    }

    /// Where numbers ascend: the positions of all numbers in a range.
    pub fn positions(&self, numbers: Range<u32>) -> Range<u32> {
        self.below(numbers.start)..self.below(numbers.end)
    }

    /// Where numbers ascend: how many are below `number`.
    fn below(&self, number: u32) -> u32 {
        let Some(at) = self.runs.partition_point(|run| run.number < number).checked_sub(1) else { return 0 };
        let run = self.runs[at];
        run.position.saturating_add(number - run.number).min(self.end(at))
    }

    /// Where numbers ascend: the position of a number.
    pub fn position(&self, number: u32) -> Option<u32> {
        let position = self.below(number);
        (position < self.len && self.number(position) == number).then_some(position)
    }

    /// Positions whose message is at an earlier position as well. Made when it is first asked for, which takes a while: not on an
    /// executor.
    pub fn repeats(&self) -> &RoaringBitmap {
        self.repeats.get_or_init(|| {
            let (mut seen, mut repeats) = (RoaringBitmap::new(), RoaringBitmap::new());
            if self.disordered {
                for (positions, number) in self.runs(0..self.len) {
                    repeats.extend(
                        positions
                            .clone()
                            .zip(number..)
                            .filter_map(|(position, number)| (!seen.insert(number)).then_some(position)),
                    );
                }
            }
            repeats
        })
    }

    /// Adds to `out` the positions of `positions` whose message is not in `known`.
    pub fn without(&self, positions: Range<u32>, known: &RoaringBitmap, out: &mut RoaringBitmap) {
        for (positions, number) in self.runs(positions) {
            split(positions, number, known, out);
        }
    }
}

/// Halves a run until it is known as a whole, or not at all, or short.
fn split(positions: Range<u32>, number: u32, known: &RoaringBitmap, out: &mut RoaringBitmap) {
    let len = positions.end - positions.start;
    let last = number.saturating_add(len - 1);
    let held =
        if len == 1 { u64::from(known.contains(number)) } else { known.range_cardinality(number..=last) };
    if held == u64::from(len) {
        return;
    }
    if held == 0 {
        out.insert_range(positions);
        return;
    }
    let middle = len / 2;
    split(positions.start..positions.start + middle, number, known, out);
    split(positions.start + middle..positions.end, number + middle, known, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(plain: &[u32]) -> MessageNumbers {
        let mut numbers = MessageNumbers::default();
        plain.iter().for_each(|number| numbers.push(*number));
        numbers
    }

    #[test]
    fn neighbours_are_one_run() {
        let dense = numbers(&(5..5000).collect::<Vec<_>>());
        assert_eq!((dense.runs.len(), dense.len(), dense.ascend()), (1, 4995, true));
        assert_eq!(numbers(&[NO_MESSAGE - 1, NO_MESSAGE, NO_MESSAGE]).runs.len(), 3);
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(
            mut plain in prop::collection::vec(0u32..60, 0..60), ordered: bool,
            known in prop::collection::btree_set(0u32..60, 0..60), from in 0u32..70, to in 0u32..70,
        ) {
            if ordered {
                plain.sort_unstable();
                plain.dedup();
            }
            let numbers = numbers(&plain);
            prop_assert_eq!(numbers.ascend(), plain.windows(2).all(|pair| pair[0] < pair[1]));
            for (position, number) in (0u32..).zip(&plain) {
                prop_assert_eq!(numbers.number(position), *number);
            }
            let part: Vec<(u32, u32)> =
                numbers.runs(from..to).flat_map(|(positions, number)| positions.zip(number..)).collect();
            let wanted = (0u32..).zip(plain.iter().copied()).filter(|(at, _)| (from..to).contains(at));
            prop_assert_eq!(part, wanted.collect::<Vec<_>>());
            let repeats = (0..plain.len()).filter(|at| plain[..*at].contains(&plain[*at]));
            prop_assert_eq!(numbers.repeats(), &repeats.map(|at| at as u32).collect::<RoaringBitmap>());
            let (mut without, known) = (RoaringBitmap::new(), known.into_iter().collect::<RoaringBitmap>());
            numbers.without(from..to, &known, &mut without);
            let wanted = (0u32..).zip(&plain).filter(|(at, n)| (from..to).contains(at) && !known.contains(**n));
            prop_assert_eq!(without, wanted.map(|(at, _)| at).collect::<RoaringBitmap>());
            let themselves = MessageNumbers::themselves(to);
            prop_assert_eq!((themselves.len(), themselves.ascend()), (to, true));
            prop_assert!((0..to).all(|number| themselves.number(number) == number));
            if numbers.ascend() {
                for number in 0..70 {
                    let wanted = plain.iter().position(|n| *n == number).map(|at| at as u32);
                    prop_assert_eq!(numbers.position(number), wanted);
                }
                let between = plain.iter().filter(|n| (from..to).contains(*n)).count();
                prop_assert_eq!(numbers.positions(from..to).len(), between);
            }
        }
    }
}
