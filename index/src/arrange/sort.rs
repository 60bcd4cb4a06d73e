//! SORT (RFC 5256 3, RFC 5957 4, RFC 6203 6): the order of messages.
//!
//! Each criterion becomes a column of numbers, also where texts are compared, so that sorting looks at nothing else.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::entry::{Entry, Text};
use super::page::Pages;
use super::{Item, Stop, Stopped};

/// What messages are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Arrival,
    /// The sent date (RFC 5256 2.2).
    Date,
    Size,
    /// The most relevant first (RFC 6203 6).
    Relevancy,
    Text(Text),
}

/// A sort-criterion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Criterion {
    pub by: By,
    /// Descending.
    pub reverse: bool,
}

/// Messages between two looks at whether the caller is gone.
const STEP_MESSAGES: usize = 16_384;

/// Numbers that compare as the sent dates do: of the Date field, else INTERNALDATE (RFC 5256 2.2).
pub(super) fn sent<'a>(items: &'a [Item], pages: &'a Pages) -> impl Iterator<Item = u64> + 'a {
    pages
        .entries(items.iter().map(|item| item.message))
        .zip(items)
        .map(|(entry, item)| ascending(entry.and_then(|entry| entry.sent()).unwrap_or(item.internal)))
}

/// A number that compares as this one does.
fn ascending(n: i64) -> u64 {
    n.cast_unsigned() ^ 1 << 63
}

/// The first octets of a text as a number that compares as they do.
pub(super) fn first_octets(text: &[u8]) -> u64 {
    let mut octets = [0; 8];
    let len = text.len().min(8);
    octets[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(octets)
}

/// Numbers that compare as the texts do. Texts are mostly met again and again, in threads and from people who write often, so that each
/// is found by its hash and sorted once.
fn ranks<'a>(texts: impl Iterator<Item = &'a [u8]>, stop: Stop<'_>) -> Result<Vec<u64>, Stopped> {
    let hasher = RandomState::default();
    let mut table: HashTable<u32> = HashTable::new();
    // The distinct texts behind their first octets, which decide most comparisons.
    let mut distinct: Vec<(u64, &[u8], u32)> = Vec::new();
    let mut numbers: Vec<u64> = Vec::with_capacity(texts.size_hint().0);
    for text in texts {
        if numbers.len().is_multiple_of(STEP_MESSAGES) && stop() {
            return Err(Stopped);
        }
        let hash = hasher.hash_one(text);
        let known = table.find(hash, |&at| distinct[at as usize].1 == text).copied();
        let at = known.unwrap_or_else(|| {
            let at = distinct.len() as u32;
            distinct.push((first_octets(text), text, at));
            table.insert_unique(hash, at, |&at| hasher.hash_one(distinct[at as usize].1));
            at
        });
        numbers.push(at.into());
    }
    let mut ranks = vec![0; distinct.len()];
    sort_in_runs(&mut distinct, stop)?;
    distinct.iter().zip(0..).for_each(|(&(_, _, at), rank)| ranks[at as usize] = rank);
    numbers.iter_mut().for_each(|number| *number = ranks[*number as usize]);
    Ok(numbers)
}

/// Sorts what has no equals, in runs, so that it can be stopped; the sort of the standard library finds runs and merges them.
fn sort_in_runs<T: Ord>(all: &mut [T], stop: Stop<'_>) -> Result<(), Stopped> {
    for run in all.chunks_mut(STEP_MESSAGES) {
        if stop() {
            return Err(Stopped);
        }
        run.sort_unstable();
    }
    if all.len() > STEP_MESSAGES {
        all.sort();
    }
    Ok(())
}

/// Numbers that compare as the criterion says.
pub(super) fn column(
    criterion: Criterion,
    items: &[Item],
    pages: &Pages,
    stop: Stop<'_>,
) -> Result<Vec<u64>, Stopped> {
    let mut numbers: Vec<u64> = match criterion.by {
        By::Arrival => items.iter().map(|item| ascending(item.internal)).collect(),
        By::Size => items.iter().map(|item| item.size.into()).collect(),
        By::Relevancy => items.iter().map(|item| (u8::MAX - item.relevancy).into()).collect(),
        By::Date => sent(items, pages).collect(),
        By::Text(text) => {
            let entries = pages.entries(items.iter().map(|item| item.message));
            ranks(entries.map(|entry| entry.map_or(&b""[..], |entry| entry.text(text))), stop)?
        }
    };
    if criterion.reverse {
        numbers.iter_mut().for_each(|n| *n = !*n);
    }
    Ok(numbers)
}

/// How two messages compare by the criteria, as [`sort`] has it; equals are in the order of the mailbox, which is not known here.
pub fn compare(criteria: &[Criterion], pages: &Pages, a: &Item, b: &Item) -> Ordering {
    let entry = |item: &Item| pages.entries(std::iter::once(item.message)).next().flatten();
    let (of_a, of_b) = (entry(a), entry(b));
    let by = |criterion: &Criterion| {
        let by = match criterion.by {
            By::Arrival => a.internal.cmp(&b.internal),
            By::Size => a.size.cmp(&b.size),
            By::Relevancy => b.relevancy.cmp(&a.relevancy),
            By::Date => {
                let sent = |entry: Option<Entry<'_>>, item: &Item| {
                    entry.and_then(|entry| entry.sent()).unwrap_or(item.internal)
                };
                sent(of_a, a).cmp(&sent(of_b, b))
            }
            By::Text(text) => of_a
                .map_or(&b""[..], |entry| entry.text(text))
                .cmp(of_b.map_or(&b""[..], |entry| entry.text(text))),
        };
        if criterion.reverse { by.reverse() } else { by }
    };
    criteria.iter().map(by).find(|by| by.is_ne()).unwrap_or(Ordering::Equal)
}

/// The indices of the items in the order of the criteria, and of the mailbox where these do not decide.
pub fn sort(
    items: &[Item],
    pages: &Pages,
    criteria: &[Criterion],
    stop: Stop<'_>,
) -> Result<Vec<u32>, Stopped> {
    let Some((first, rest)) = criteria.split_first() else { return Ok((0..items.len() as u32).collect()) };
    let first = column(*first, items, pages, stop)?;
    // The first number beside its index: most comparisons end there.
    let mut order: Vec<(u64, u32)> = first.into_iter().zip(0..).collect();
    sort_in_runs(&mut order, stop)?;
    if rest.is_empty() {
        return Ok(order.into_iter().map(|(_, item)| item).collect());
    }
    let rest: Vec<Vec<u64>> =
        rest.iter().map(|criterion| column(*criterion, items, pages, stop)).collect::<Result<_, _>>()?;
    for equals in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|equals| equals.len() > 1) {
        if stop() {
            return Err(Stopped);
        }
        equals.sort_unstable_by(|a, b| {
            let by = rest.iter().map(|column| column[a.1 as usize].cmp(&column[b.1 as usize]));
            by.fold(Ordering::Equal, Ordering::then).then_with(|| a.1.cmp(&b.1))
        });
    }
    Ok(order.into_iter().map(|(_, item)| item).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::arrange::{PAGE_MESSAGES, Page, Wanted, order};
    use crate::summary::{Summary, SummaryKeys};
    use proptest::prelude::*;
    use trawl_store::types::ZonedTime;

    type Message = (Option<i64>, i64, u32, String, String);

    fn pages(messages: &[Message]) -> (Vec<Item>, Pages) {
        let mut pages = Pages::default();
        let mut items = Vec::new();
        for ((sent, internal, size, subject, local), n) in messages.iter().zip(0u32..) {
            // Numbers that are far apart and not in the order of the mailbox.
            let message = 100_000 - n * 700;
            let summary = Summary {
                sent: sent.map(|seconds| ZonedTime { seconds, zone_minutes: 0 }),
                base_subject: subject.clone(),
                envelope: format!(
                    "(NIL NIL ((NIL NIL {{{}}}\r\n{local} \"x\")) NIL NIL NIL NIL NIL NIL NIL)",
                    local.len()
                )
                .into_bytes(),
                ..Summary::default()
            };
            let page: &mut Page = Arc::make_mut(pages.0.entry(message / PAGE_MESSAGES).or_default());
            page.insert(message, &SummaryKeys::new(&summary.encode()).unwrap());
            items.push(Item { message, internal: *internal, size: *size, relevancy: relevancy(*internal) });
        }
        (items, pages)
    }

    /// Some score, different from the order of dates.
    fn relevancy(internal: i64) -> u8 {
        (internal.unsigned_abs() * 49 + 1) as u8
    }

    fn never() -> bool {
        false
    }

    fn criteria() -> impl Strategy<Value = Vec<Criterion>> {
        let by = prop_oneof![
            Just(By::Arrival),
            Just(By::Date),
            Just(By::Size),
            Just(By::Relevancy),
            Just(By::Text(Text::Subject)),
            Just(By::Text(Text::From)),
        ];
        prop::collection::vec((by, any::<bool>()).prop_map(|(by, reverse)| Criterion { by, reverse }), 1..4)
    }

    fn messages() -> impl Strategy<Value = Vec<Message>> {
        let word = prop_oneof!["[ab]{0,3}", "common prefix [ab]{0,2}", "[é日a]{0,3}"];
        prop::collection::vec((prop::option::of(-3i64..3), -3i64..3, 0u32..3, word.clone(), word), 0..40)
    }

    proptest! {
        #[test]
        fn it_is_what_the_rfc_says(messages in messages(), criteria in criteria()) {
            let (items, pages) = pages(&messages);
            let mut wanted: Vec<u32> = (0..messages.len() as u32).collect();
            wanted.sort_by(|&a, &b| {
                let ((sent_a, in_a, size_a, subject_a, local_a), (sent_b, in_b, size_b, subject_b, local_b)) =
                    (&messages[a as usize], &messages[b as usize]);
                for criterion in &criteria {
                    let by = match criterion.by {
                        By::Arrival => in_a.cmp(in_b),
                        By::Date => sent_a.unwrap_or(*in_a).cmp(&sent_b.unwrap_or(*in_b)),
                        By::Size => size_a.cmp(size_b),
                        By::Relevancy => relevancy(*in_b).cmp(&relevancy(*in_a)),
                        By::Text(Text::Subject) => crate::normalise(subject_a).cmp(&crate::normalise(subject_b)),
                        By::Text(_) => crate::normalise(local_a).cmp(&crate::normalise(local_b)),
                    };
                    let by = if criterion.reverse { by.reverse() } else { by };
                    if by != Ordering::Equal {
                        return by;
                    }
                }
                a.cmp(&b)
            });
            for pair in wanted.windows(2) {
                let by = compare(&criteria, &pages, &items[pair[0] as usize], &items[pair[1] as usize]);
                prop_assert!(by.then(pair[0].cmp(&pair[1])).is_lt());
                prop_assert_eq!(by.reverse(), compare(&criteria, &pages, &items[pair[1] as usize], &items[pair[0] as usize]));
            }
            for (first, last) in [(0, 1), (1, 0), (2, 3), (5, 0), (0, 7), (1, 1), (30, 30)] {
                let order = order(&items, &pages, &criteria, Wanted { first, last }, &never).unwrap();
                let len = wanted.len() as u32;
                prop_assert_eq!(order.len(), len);
                for (place, item) in (0..).zip(&wanted) {
                    let known = order.get(place);
                    prop_assert!(known.is_none_or(|known| known == *item));
                    prop_assert!(known.is_some() || (first..len - last.min(len)).contains(&place));
                }
                prop_assert_eq!(order.first().is_some(), len > 0 && (first > 0 || order.known() == len));
            }
            prop_assert_eq!(sort(&items, &pages, &criteria, &never), Ok(wanted));
        }
    }

    #[test]
    fn many_are_sorted_in_runs() {
        let items: Vec<Item> = (0..50_000u32)
            .map(|n| {
                let internal = i64::from(n.wrapping_mul(2_654_435_761) >> 20);
                Item { message: n, internal, size: n, relevancy: 0 }
            })
            .collect();
        let by = |by, reverse| [Criterion { by, reverse }];
        let mut wanted: Vec<u32> = (0..items.len() as u32).collect();
        wanted.sort_by_key(|&n| items[n as usize].internal);
        let pages = Pages::default();
        assert_eq!(sort(&items, &pages, &by(By::Arrival, false), &never), Ok(wanted));
        assert_eq!(sort(&items, &pages, &by(By::Size, true), &never), Ok((0..50_000).rev().collect()));
        assert_eq!(sort(&items, &pages, &by(By::Size, true), &|| true), Err(Stopped));
    }
}
