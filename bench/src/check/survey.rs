//! One pass over the mail before anything is measured: facts of all messages, and queries with their answers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::draw::Drawer;
use super::facts::Facts;
use super::oracle::{Oracle, Tally};
use super::program::{Key, Query};
use crate::mail::Mail;

/// Messages that a thread takes at once.
const CHUNK: usize = 256;
/// Candidates for each query that is used.
const CANDIDATES: usize = 3;

pub struct Survey {
    pub facts: Vec<Facts>,
    /// By class.
    pub queries: BTreeMap<&'static str, Vec<Query>>,
    /// Octets of all messages.
    pub bytes: u64,
}

/// Surveys all of `mail` on so many threads; `per_class` queries of each of `classes`. `progress` counts messages.
pub fn survey(
    mail: &dyn Mail,
    seed: u64,
    classes: &[&'static str],
    per_class: usize,
    threads: usize,
    progress: &AtomicUsize,
) -> io::Result<Survey> {
    let candidates: Vec<(&'static str, Key)> = if classes.is_empty() {
        Vec::new()
    } else {
        let mut drawer = Drawer::new(mail, seed)?;
        let all = classes.iter().flat_map(|class| std::iter::repeat_n(*class, per_class * CANDIDATES));
        all.map(|class| (class, drawer.program(class))).collect()
    };
    let oracle =
        Oracle::new(candidates.iter().map(|(_, key)| key)).map_err(|e| io::Error::other(e.to_string()))?;
    let next = AtomicUsize::new(0);
    let count = mail.count();
    type Part = io::Result<(Vec<(usize, Vec<Facts>)>, Tally)>;
    let parts: Vec<Part> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.max(1))
            .map(|_| {
                scope.spawn(|| {
                    let (mut facts, mut tally) = (Vec::new(), oracle.tally());
                    loop {
                        let from = next.fetch_add(CHUNK, Relaxed);
                        if from >= count {
                            return Ok((facts, tally));
                        }
                        let mut chunk = Vec::with_capacity(CHUNK);
                        for n in from..count.min(from + CHUNK) {
                            let letter = mail.letter(n)?;
                            chunk.push(Facts::of(&letter));
                            if !candidates.is_empty() {
                                oracle.look(n as u32, &letter.bytes, &mut tally);
                            }
                            progress.fetch_add(1, Relaxed);
                        }
                        facts.push((from, chunk));
                    }
                })
            })
            .collect();
        let panicked = |_| Err(io::Error::other("a survey thread panicked"));
        handles.into_iter().map(|handle| handle.join().unwrap_or_else(panicked)).collect()
    });
    let (mut chunks, mut tallies) = (BTreeMap::new(), Vec::new());
    for part in parts {
        let (facts, tally) = part?;
        chunks.extend(facts);
        tallies.push(tally);
    }
    let facts: Vec<Facts> = chunks.into_values().flatten().collect();
    let tally = oracle.merge(tallies);
    let mut queries: BTreeMap<&'static str, Vec<Query>> = BTreeMap::new();
    for (class, key) in candidates {
        let answer = Arc::new(oracle.answer(&key, &facts, &tally));
        queries.entry(class).or_default().push(Query { class, key, answer });
    }
    for (class, found) in &mut queries {
        if *class == "nohit" {
            found.retain(|query| query.answer.must.is_empty());
        }
        // Those with one right answer first, else in the order in which they were drawn.
        found.sort_by_key(|query| !query.is_exact());
        found.truncate(per_class);
        if found.is_empty() {
            return Err(io::Error::other(format!(
                "no queries of class {class} could be drawn from this mail"
            )));
        }
    }
    let bytes = facts.iter().map(|facts| u64::from(facts.size)).sum();
    Ok(Survey { facts, queries, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::draw::CLASSES;
    use crate::corpus::{Corpus, Options, SizeProfile};

    #[test]
    fn queries_have_known_answers_that_do_not_depend_on_threads() {
        let mail = Corpus::new(Options { seed: 6, count: 300, profile: SizeProfile::Typical });
        let one = survey(&mail, 1, &CLASSES, 20, 1, &AtomicUsize::new(0)).unwrap();
        let two = survey(&mail, 1, &CLASSES, 20, 3, &AtomicUsize::new(0)).unwrap();
        assert_eq!(one.facts, two.facts);
        let (mut exact, mut all, mut hits) = (0, 0, 0);
        for class in CLASSES {
            for (query, again) in one.queries[class].iter().zip(&two.queries[class]) {
                assert_eq!((&query.key, &query.answer), (&again.key, &again.answer));
                assert!(query.answer.must.is_subset(&query.answer.may), "{}", query.shown());
                exact += usize::from(query.is_exact());
                all += 1;
                hits += query.answer.must.len();
                assert!(class != "nohit" || query.answer.may.is_empty());
                assert!(class != "phrase" || !query.answer.must.is_empty(), "{}", query.shown());
            }
        }
        assert!(exact * 10 > all * 7, "{exact} of {all} are exact");
        assert!(hits > 300, "{hits}");
    }
}
