//! Programs with FUZZY keys (RFC 6203): searched tier by tier, from what is written to what is like it.
//!
//! Each tier is an exact program for the planner, the index and the scan; how far a message is down the tiers is how relevant it is. Where
//! an account has no index, no word is known that is spelled like another. What must hold: the message is in the first tier that finds it.

pub mod relax;
pub mod relevancy;
mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use roaring::RoaringBitmap;

use self::relax::{Fuzz, Tier};
use super::plan::Rest;
use super::{readable, resolve, text};
use crate::indexing::Of;
use crate::lanes::{CancelOnDrop, Timed};
use crate::limits::FUZZY_WORDS_MAX;
use crate::observe::metrics::Phase;
use crate::observe::step::{Step, Word};
use crate::response::status::Refusal;
use crate::session::{Cx, Selected};
use crate::wire::ast::{SearchCommand, SearchKey};

/// What a search found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Hits {
    pub positions: RoaringBitmap,
    /// Of a program with FUZZY: the positions that a tier was the first to find, from the strictest on.
    pub tiers: Vec<RoaringBitmap>,
}

/// The positions that match a program with FUZZY.
pub(super) async fn find(s: &mut Selected, cx: &Cx, command: &SearchCommand) -> Result<Hits, Refusal> {
    let similar = similar(s, cx, command).await?;
    let mut hits = Hits::default();
    for tier in tiers(&command.key) {
        let (began, mark) = (cx.micros(), cx.observer.mark());
        let found = match resolve(s, cx, command, Fuzz { tier, similar: &similar }).await? {
            Rest::Found(positions) => positions,
            Rest::Text { node, candidates } => {
                // What a tier before has found is found.
                text::find(s, cx, &node, candidates - &hits.positions).await?
            }
        };
        let new = found - &hits.positions;
        cx.observer.tell(|| Step::Tier {
            name: tier.name().to_owned(),
            program: readable::shown(command, Some(Fuzz { tier, similar: &similar })),
            found: new.len(),
            relevancy: None,
            us: cx.micros().saturating_sub(began),
            steps: cx.observer.since(mark),
        });
        hits.positions |= &new;
        hits.tiers.push(new);
    }
    Ok(hits)
}

/// The tiers that differ.
fn tiers(key: &SearchKey) -> impl Iterator<Item = Tier> {
    let subject = has_fuzzy_text(key, false).then_some(Tier::Subject);
    subject.into_iter().chain([Tier::Exact, Tier::Words, Tier::Similar])
}

fn has_fuzzy_text(key: &SearchKey, is_fuzzy: bool) -> bool {
    match key {
        SearchKey::Fuzzy(key) => has_fuzzy_text(key, true),
        SearchKey::And(keys) => keys.iter().any(|key| has_fuzzy_text(key, is_fuzzy)),
        SearchKey::Or(a, b) => has_fuzzy_text(a, is_fuzzy) || has_fuzzy_text(b, is_fuzzy),
        SearchKey::Query(query) => query.key.as_ref().is_ok_and(|key| has_fuzzy_text(key, is_fuzzy)),
        SearchKey::Text(_) => is_fuzzy,
        _ => false,
    }
}

/// The words that are spelled like those of fuzzy keys.
async fn similar(
    s: &Selected,
    cx: &Cx,
    command: &SearchCommand,
) -> Result<HashMap<String, Vec<String>>, Refusal> {
    let mut words = words::words_of(&command.key, command.charset.as_deref());
    words.truncate(FUZZY_WORDS_MAX);
    if words.is_empty() {
        return Ok(HashMap::new());
    }
    let cancel = CancelOnDrop(Arc::new(AtomicBool::new(false)));
    let began = cx.micros();
    let has_documents = s.auth.look(|account| !account.documents().is_empty())?;
    let mut lists = vec![Vec::new(); words.len()];
    let mut all_waited = 0;
    for of in [Of::Mail].into_iter().chain(has_documents.then_some(Of::Documented)) {
        let Timed { answer, waited, worked } =
            cx.core.lanes.similar(&s.auth.account, of, words.clone(), Arc::clone(&cancel.0)).await?;
        cx.took(Phase::Wait, waited);
        cx.took(Phase::Words, worked);
        all_waited += waited;
        for (known, like) in lists.iter_mut().zip(answer) {
            let new: Vec<String> = like.into_iter().filter(|word| !known.contains(word)).collect();
            known.extend(new);
        }
    }
    cx.observer.tell(|| Step::Words {
        words: words
            .iter()
            .zip(&lists)
            .map(|(word, like)| Word { word: word.clone(), like: like.clone() })
            .collect(),
        waited_us: all_waited,
        us: cx.micros().saturating_sub(began),
    });
    Ok(words.into_iter().zip(lists).collect())
}
