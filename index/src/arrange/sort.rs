//! SORT (RFC 5256 3, RFC 5957 4): the order of messages.
//!
//! Each criterion becomes a column of numbers: for texts their first octets, so that most comparisons look at nothing else.

use std::cmp::Ordering;

use super::entry::Text;
use super::page::Pages;
use super::{Item, Stop, Stopped};

/// What messages are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Arrival,
    /// The sent date (RFC 5256 2.2).
    Date,
    Size,
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

struct Column<'a> {
    /// Ascending, also where the criterion is reversed.
    numbers: Vec<u64>,
    /// What is compared where numbers are equal; empty if they say all.
    texts: Vec<&'a [u8]>,
    reverse: bool,
}

impl Column<'_> {
    #[inline]
    fn compare(&self, a: u32, b: u32) -> Ordering {
        let (a, b) = (a as usize, b as usize);
        self.numbers[a].cmp(&self.numbers[b]).then_with(|| {
            let (Some(left), Some(right)) = (self.texts.get(a), self.texts.get(b)) else {
                return Ordering::Equal;
            };
            if self.reverse { right.cmp(left) } else { left.cmp(right) }
        })
    }
}

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
fn first_octets(text: &[u8]) -> u64 {
    let mut octets = [0; 8];
    let len = text.len().min(8);
    octets[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(octets)
}

fn column<'a>(criterion: Criterion, items: &'a [Item], pages: &'a Pages) -> Column<'a> {
    let mut texts = Vec::new();
    let mut numbers: Vec<u64> = match criterion.by {
        By::Arrival => items.iter().map(|item| ascending(item.internal)).collect(),
        By::Size => items.iter().map(|item| item.size.into()).collect(),
        By::Date => sent(items, pages).collect(),
        By::Text(text) => {
            let entries = pages.entries(items.iter().map(|item| item.message));
            texts = entries.map(|entry| entry.map_or(&b""[..], |entry| entry.text(text))).collect();
            texts.iter().map(|text| first_octets(text)).collect()
        }
    };
    if criterion.reverse {
        numbers.iter_mut().for_each(|n| *n = !*n);
    }
    Column { numbers, texts, reverse: criterion.reverse }
}

/// The indices of the items in the order of the criteria, and of the mailbox where these do not decide.
pub fn sort(
    items: &[Item],
    pages: &Pages,
    criteria: &[Criterion],
    stop: Stop<'_>,
) -> Result<Vec<u32>, Stopped> {
    let mut columns = Vec::with_capacity(criteria.len());
    for &criterion in criteria {
        if stop() {
            return Err(Stopped);
        }
        columns.push(column(criterion, items, pages));
    }
    let Some((first, rest)) = columns.split_first() else { return Ok((0..items.len() as u32).collect()) };
    // The first number beside its index: most comparisons end there.
    let mut order: Vec<(u64, u32)> = first.numbers.iter().copied().zip(0..).collect();
    let compare = |a: &(u64, u32), b: &(u64, u32)| {
        a.0.cmp(&b.0).then_with(|| {
            let texts = if first.texts.is_empty() { Ordering::Equal } else { first.compare(a.1, b.1) };
            let others = rest.iter().map(|column| column.compare(a.1, b.1));
            texts.then_with(|| others.fold(Ordering::Equal, Ordering::then)).then_with(|| a.1.cmp(&b.1))
        })
    };
    // In runs, so that it can be stopped; they are merged by the sort of the standard library, which finds them.
    for run in order.chunks_mut(STEP_MESSAGES) {
        if stop() {
            return Err(Stopped);
        }
        run.sort_unstable_by(compare);
    }
    if order.len() > STEP_MESSAGES {
        order.sort_by(compare);
    }
    Ok(order.into_iter().map(|(_, item)| item).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::arrange::{PAGE_MESSAGES, Page};
    use crate::summary::Summary;
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
            page.insert(message, &summary);
            items.push(Item { message, internal: *internal, size: *size });
        }
        (items, pages)
    }

    fn never() -> bool {
        false
    }

    fn criteria() -> impl Strategy<Value = Vec<Criterion>> {
        let by = prop_oneof![
            Just(By::Arrival),
            Just(By::Date),
            Just(By::Size),
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
            prop_assert_eq!(sort(&items, &pages, &criteria, &never), Ok(wanted));
        }
    }

    #[test]
    fn many_are_sorted_in_runs() {
        let items: Vec<Item> = (0..50_000u32)
            .map(|n| Item { message: n, internal: i64::from(n.wrapping_mul(2_654_435_761) >> 20), size: n })
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
