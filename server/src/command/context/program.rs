//! What a search program means for as long as its results are kept up to date.
//!
//! Pure. Message sequence numbers and `$` are what they are when the command is given (RFC 5267 4.3); `*` among UIDs, keywords
//! and ages are what they are whenever a message is looked at.

use std::num::NonZeroU32;

use trawl_store::types::Uid;
use trawl_store::uid_set::UidSet;

use crate::mailbox::contexts::Nature;
use crate::mailbox::view::View;
use crate::wire::ast::SearchKey;
use crate::wire::set::{Bound, SeqRange, SeqSet, SetArg};

/// The program with UIDs for message sequence numbers and `$`; `None`: these are too many ranges.
pub fn fixed(key: &SearchKey, view: &View, saved: &UidSet) -> Option<SearchKey> {
    let fixed = |key: &SearchKey| fixed(key, view, saved);
    Some(match key {
        SearchKey::And(keys) => SearchKey::And(keys.iter().map(fixed).collect::<Option<_>>()?),
        SearchKey::Or(a, b) => SearchKey::Or(Box::new(fixed(a)?), Box::new(fixed(b)?)),
        SearchKey::Not(key) => SearchKey::Not(Box::new(fixed(key)?)),
        SearchKey::Sequence(SetArg::Saved) | SearchKey::Uid(SetArg::Saved) => these(saved)?,
        SearchKey::Sequence(SetArg::Numbers(set)) => {
            let mut uids = UidSet::new();
            for range in set.resolve(view.len()) {
                // Sequence numbers are positions from 1.
                for (low, high) in view.slice(range.start().saturating_sub(1), *range.end()) {
                    uids.insert_range(low, high);
                }
            }
            these(&uids)?
        }
        key => key.clone(),
    })
}

/// The messages with these UIDs.
fn these(uids: &UidSet) -> Option<SearchKey> {
    if uids.is_empty() {
        return Some(SearchKey::Not(Box::new(SearchKey::All)));
    }
    let bound = |uid: Uid| Bound::Number(NonZeroU32::new(uid.get()).unwrap_or(NonZeroU32::MIN));
    let ranges = uids.ranges().map(|range| SeqRange::Range(bound(*range.start()), bound(*range.end())));
    Some(SearchKey::Uid(SetArg::Numbers(SeqSet::new(ranges.collect())?)))
}

/// What can change the result of a program, which is [`fixed`].
pub fn nature(key: &SearchKey) -> Nature {
    let mut nature = Nature::default();
    look(key, &mut nature);
    nature.ages.sort_unstable();
    nature.ages.dedup();
    nature
}

fn look(key: &SearchKey, nature: &mut Nature) {
    use SearchKey as K;
    nature.octets += size_of::<SearchKey>() as u64;
    match key {
        K::And(keys) => keys.iter().for_each(|key| look(key, nature)),
        K::Or(a, b) => {
            look(a, nature);
            look(b, nature);
        }
        K::Not(key) => look(key, nature),
        K::Query(query) => query.key.iter().for_each(|key| look(key, nature)),
        K::Uid(SetArg::Numbers(set)) | K::Sequence(SetArg::Numbers(set)) => {
            nature.largest |= set.has_star();
            nature.octets += size_of_val(set.as_ranges()) as u64;
        }
        K::Older(seconds) | K::Younger(seconds) => nature.ages.push(seconds.get()),
        // What a message says, when it came, and whether it is recent, stays as it is.
        K::Bcc(needle) | K::Cc(needle) | K::From(needle) | K::To(needle) => nature.add(needle),
        K::Subject(needle) => nature.add(needle),
        K::Body(needle) | K::Text(needle) => {
            nature.body = true;
            nature.add(needle);
        }
        K::FileName(needle) => nature.add(needle),
        K::Header { field, needle } => {
            nature.add(field);
            nature.add(needle);
        }
        K::All
        | K::Recent
        | K::Old
        | K::Before(_)
        | K::On(_)
        | K::Since(_)
        | K::SentBefore(_)
        | K::SentOn(_)
        | K::SentSince(_)
        | K::SavedBefore(_)
        | K::SavedOn(_)
        | K::SavedSince(_)
        | K::SaveDateSupported
        | K::Attachment
        | K::EmailId(_)
        | K::ThreadId(_)
        | K::Larger(_)
        | K::Smaller(_) => {}
        // Flags and keywords, and what nobody thought of.
        _ => nature.flags = true,
    }
}

impl Nature {
    fn add(&mut self, needle: &[u8]) {
        self.octets += needle.len() as u64;
    }
}

/// What finds the messages that became too old, or old enough, in the last `elapsed` seconds; more do no harm. `None`: no age is
/// looked at.
pub fn aged(ages: &[u32], elapsed: u32) -> Option<SearchKey> {
    // The clock may go on while this is evaluated.
    let elapsed = elapsed.saturating_add(2);
    let one = |age: &u32| {
        let older = SearchKey::Older(NonZeroU32::new(*age)?);
        Some(match age.checked_add(elapsed).and_then(NonZeroU32::new) {
            Some(then) => SearchKey::And(vec![older, SearchKey::Younger(then)]),
            None => older,
        })
    };
    // A tree of them, so that it is not deep.
    let mut keys: Vec<SearchKey> = ages.iter().filter_map(one).collect();
    while keys.len() > 1 {
        let mut pairs = keys.into_iter();
        let mut halved = Vec::new();
        while let Some(a) = pairs.next() {
            halved.push(match pairs.next() {
                Some(b) => SearchKey::Or(Box::new(a), Box::new(b)),
                None => a,
            });
        }
        keys = halved;
    }
    keys.pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ast::CommandBody;

    fn key(keys: &str) -> SearchKey {
        match crate::wire::parse(format!("a SEARCH {keys}").as_bytes()).unwrap().body {
            CommandBody::Search(search) => search.key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn natures() {
        let nature = |keys: &str| nature(&key(keys));
        assert!(nature("OR SUBJECT x NOT TEXT y").body && !nature("SUBJECT x").body);
        for keys in ["ALL", "NOT (OR TEXT x SINCE 1-Jan-2020)", "OLD RECENT UID 1:5 LARGER 3"] {
            let Nature { flags, largest, ages, octets, .. } = nature(keys);
            assert!(!flags && !largest && ages.is_empty() && octets > 0, "{keys}");
        }
        for keys in ["UNSEEN", "NEW", "ALL NOT (OR TEXT x KEYWORD y)", "UNKEYWORD y"] {
            assert!(nature(keys).flags, "{keys}");
        }
        assert!(nature("NOT UID 3:*").largest);
        assert_eq!(nature("OR YOUNGER 60 OLDER 5 OLDER 60").ages, [5, 60]);
        assert!(nature(&format!("BODY {}", "x".repeat(5000))).octets > 5000);
    }

    #[test]
    fn ages_are_looked_for_from_one_look_to_the_next() {
        assert_eq!(aged(&[], 60), None);
        assert_eq!(aged(&[100], 60), Some(key("OLDER 100 YOUNGER 162")));
        let three = key("OR (OR (OLDER 1 YOUNGER 5) (OLDER 2 YOUNGER 6)) (OLDER 3 YOUNGER 7)");
        assert_eq!(aged(&[1, 2, 3], 2), Some(three));
        assert_eq!(aged(&[u32::MAX], 2), Some(key("OLDER 4294967295")));
    }
}
