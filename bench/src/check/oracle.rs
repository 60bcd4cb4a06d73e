//! Which messages must and may match each text key: one pass over the mail with Aho-Corasick automata over all needles.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use roaring::RoaringBitmap;

use super::facts::Facts;
use super::program::{Answer, Key, Scope};
use super::texts::{Place, Texts, fold, lower};
use crate::corpus::Flag;

type Leaf = (Scope, String);

/// All needles, ready to be looked for.
pub struct Oracle {
    leaves: Vec<Leaf>,
    numbers: HashMap<Leaf, usize>,
    body: Finder,
    head: Finder,
}

/// Needles as they are looked for in must and in may texts; each belongs to one or more leaves.
struct Finder {
    must: AhoCorasick,
    may: AhoCorasick,
    must_leaves: Vec<Vec<usize>>,
    may_leaves: Vec<Vec<usize>>,
}

/// The needles are too many for an automaton.
#[derive(Debug)]
pub struct TooMany(aho_corasick::BuildError);

impl std::fmt::Display for TooMany {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "too many needles: {}", self.0)
    }
}

fn automaton(
    leaves: &[Leaf],
    of: impl Fn(&Scope) -> bool,
    form: fn(&str) -> String,
) -> Result<(AhoCorasick, Vec<Vec<usize>>), TooMany> {
    let mut patterns: Vec<String> = Vec::new();
    let mut owners: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (n, (scope, needle)) in leaves.iter().enumerate() {
        if of(scope) {
            let pattern = form(needle);
            let at = *known.entry(pattern.clone()).or_insert_with(|| {
                patterns.push(pattern);
                owners.push(Vec::new());
                patterns.len() - 1
            });
            owners[at].push(n);
        }
    }
    Ok((AhoCorasick::new(&patterns).map_err(TooMany)?, owners))
}

impl Finder {
    fn new(leaves: &[Leaf], of: impl Fn(&Scope) -> bool + Copy) -> Result<Finder, TooMany> {
        let (must, must_leaves) = automaton(leaves, of, lower)?;
        let (may, may_leaves) = automaton(leaves, of, fold)?;
        Ok(Finder { must, may, must_leaves, may_leaves })
    }

    fn look(&self, place: &Place, wants: impl Fn(&Scope) -> bool, leaves: &[Leaf], found: &mut Found) {
        if let Some((first, others)) = place.must.split_first() {
            let mut seen = Vec::new();
            for hit in self.must.find_overlapping_iter(first) {
                let pattern = hit.pattern().as_usize();
                if !seen.contains(&pattern) {
                    seen.push(pattern);
                    let needle = &first[hit.start()..hit.end()];
                    if others.iter().all(|text| text.contains(needle)) {
                        self.must_leaves[pattern]
                            .iter()
                            .filter(|n| wants(&leaves[**n].0))
                            .for_each(|n| found.must(*n));
                    }
                }
            }
        }
        for text in &place.may {
            for hit in self.may.find_overlapping_iter(text) {
                self.may_leaves[hit.pattern().as_usize()]
                    .iter()
                    .filter(|n| wants(&leaves[**n].0))
                    .for_each(|n| found.may(*n));
            }
        }
    }
}

/// What one message matches.
struct Found {
    /// Of each leaf: 1 may, 3 must.
    marks: Vec<u8>,
    touched: Vec<usize>,
}

impl Found {
    fn may(&mut self, leaf: usize) {
        if self.marks[leaf] == 0 {
            self.touched.push(leaf);
            self.marks[leaf] = 1;
        }
    }
    fn must(&mut self, leaf: usize) {
        self.may(leaf);
        self.marks[leaf] = 3;
    }
}

/// What the messages seen so far match; each thread has one of its own and gives messages in ascending order.
pub struct Tally {
    found: Found,
    leaves: Vec<Answer>,
    unsure: RoaringBitmap,
}

impl Oracle {
    /// For the text keys of all these programs.
    pub fn new<'a>(programs: impl Iterator<Item = &'a Key>) -> Result<Oracle, TooMany> {
        let (mut leaves, mut numbers) = (Vec::new(), HashMap::new());
        for program in programs {
            program.leaves(&mut |scope, needle| {
                let leaf = (scope.clone(), needle.to_owned());
                numbers.entry(leaf.clone()).or_insert_with(|| {
                    leaves.push(leaf);
                    leaves.len() - 1
                });
            });
        }
        let body = Finder::new(&leaves, |scope| matches!(scope, Scope::Body | Scope::Text))?;
        let head = Finder::new(&leaves, |scope| *scope != Scope::Body)?;
        Ok(Oracle { leaves, numbers, body, head })
    }

    pub fn tally(&self) -> Tally {
        let count = self.leaves.len();
        Tally {
            found: Found { marks: vec![0; count], touched: Vec::new() },
            leaves: vec![Answer::default(); count],
            unsure: RoaringBitmap::new(),
        }
    }

    /// Looks at message `number`.
    pub fn look(&self, number: u32, bytes: &[u8], tally: &mut Tally) {
        let texts = Texts::of(bytes);
        let found = &mut tally.found;
        for place in &texts.body {
            self.body.look(place, |_| true, &self.leaves, found);
        }
        for (name, place) in &texts.fields {
            let wants = |scope: &Scope| match scope {
                Scope::Text => true,
                Scope::Named(wanted) => wanted == name,
                Scope::Header(wanted) => wanted.eq_ignore_ascii_case(name),
                Scope::Body => false,
            };
            self.head.look(place, wants, &self.leaves, found);
        }
        for place in &texts.more {
            self.head.look(place, |scope| *scope == Scope::Text, &self.leaves, found);
        }
        for leaf in found.touched.drain(..) {
            let mark = std::mem::take(&mut found.marks[leaf]);
            tally.leaves[leaf].may.insert(number);
            if mark == 3 {
                tally.leaves[leaf].must.insert(number);
            }
        }
        if texts.unsure {
            tally.unsure.insert(number);
        }
    }

    /// What all threads saw, together.
    pub fn merge(&self, tallies: Vec<Tally>) -> Tally {
        let mut all = self.tally();
        for tally in tallies {
            for (mine, theirs) in all.leaves.iter_mut().zip(tally.leaves) {
                mine.must |= theirs.must;
                mine.may |= theirs.may;
            }
            all.unsure |= tally.unsure;
        }
        for leaf in &mut all.leaves {
            leaf.must -= &all.unsure;
            leaf.may |= &all.unsure;
        }
        all
    }

    /// The answer of a program of which this oracle knows all needles.
    pub fn answer(&self, key: &Key, facts: &[Facts], tally: &Tally) -> Answer {
        let all = || {
            let mut bits = RoaringBitmap::new();
            bits.insert_range(0..facts.len() as u32);
            bits
        };
        let select = |test: &dyn Fn(&Facts) -> bool| {
            RoaringBitmap::from_sorted_iter((0..facts.len() as u32).filter(|n| test(&facts[*n as usize])))
                .unwrap_or_default()
        };
        let exact = |bits: RoaringBitmap| Answer { must: bits.clone(), may: bits };
        let day = 86_400;
        match key {
            Key::All | Key::Everything => exact(all()),
            Key::Text(scope, needle) => self
                .numbers
                .get(&(scope.clone(), needle.clone()))
                .map_or_else(Answer::default, |n| tally.leaves[*n].clone()),
            Key::Flag(flag, on) => exact(select(&|facts| facts.has(*flag) == *on)),
            // Whose midnight it is, is left open: a day on either side is either way.
            Key::Since(at) => Answer {
                must: select(&|facts| facts.seconds >= at + day),
                may: select(&|facts| facts.seconds >= at - day),
            },
            Key::Before(at) => Answer {
                must: select(&|facts| facts.seconds < at - day),
                may: select(&|facts| facts.seconds < at + day),
            },
            Key::Larger(size) => exact(select(&|facts| facts.size > *size)),
            Key::Not(key) => {
                let Answer { must, may } = self.answer(key, facts, tally);
                Answer { must: all() - may, may: all() - must }
            }
            Key::Or(one, other) => {
                let (one, other) = (self.answer(one, facts, tally), self.answer(other, facts, tally));
                Answer { must: one.must | other.must, may: one.may | other.may }
            }
            Key::And(keys) | Key::Group(keys) => keys.iter().fold(exact(all()), |so_far, key| {
                let next = self.answer(key, facts, tally);
                Answer { must: so_far.must & next.must, may: so_far.may & next.may }
            }),
        }
    }
}

/// Flags a search can ask for.
pub const FLAGS: [Flag; 3] = [Flag::Seen, Flag::Flagged, Flag::Answered];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Letter;

    #[test]
    fn three_valued_answers() {
        let mail: [&[u8]; 4] = [
            b"From: Ann <ann@x.example>\r\nSubject: green boats\r\n\r\nthe red boat\r\n",
            b"From: Bob <bob@x.example>\r\nSubject: x\r\n\r\nthe red\r\nboat\r\n",
            b"From: Cid <cid@x.example>\r\nSubject: red boat\r\n\r\nnothing\r\n",
            b"Content-Type: text/plain; charset=utf-8\r\n\r\nbroken \xff\xfe\r\n",
        ];
        let facts: Vec<Facts> =
            mail.iter().map(|m| Facts::of(&Letter { bytes: m.to_vec(), ..Letter::default() })).collect();
        let body = |needle: &str| Key::Text(Scope::Body, needle.to_owned());
        let text = |needle: &str| Key::Text(Scope::Text, needle.to_owned());
        let programs = [
            (body("Red Boat"), vec![0], vec![0, 1]),
            (text("red boat"), vec![0, 2], vec![0, 1, 2]),
            (body("ed bo"), vec![0], vec![0, 1]),
            (Key::Text(Scope::Named("from"), "ann <ann".into()), vec![0], vec![0]),
            (Key::Text(Scope::Header("Subject".into()), "boats".into()), vec![0], vec![0]),
            (Key::Not(Box::new(body("red boat"))), vec![2], vec![1, 2]),
        ];
        let oracle = Oracle::new(programs.iter().map(|(key, ..)| key)).unwrap();
        let mut tally = oracle.tally();
        for (n, bytes) in mail.iter().enumerate() {
            oracle.look(n as u32, bytes, &mut tally);
        }
        let tally = oracle.merge(vec![tally]);
        for (key, must, may) in programs {
            let answer = oracle.answer(&key, &facts, &tally);
            let list = |bits: &RoaringBitmap| bits.iter().filter(|n| *n != 3).collect::<Vec<u32>>();
            assert_eq!((list(&answer.must), list(&answer.may)), (must, may), "{key:?}");
            if matches!(key, Key::Text(..)) {
                assert!(
                    answer.may.contains(3) && !answer.must.contains(3),
                    "what does not decode is left open"
                );
            }
        }
    }
}
