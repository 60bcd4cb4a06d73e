//! Sets of message numbers as documents of a segment.

use roaring::RoaringBitmap;

use crate::bits::Bits;
use crate::segment::Segment;

/// The documents whose message number is in `numbers`.
pub fn docs_of(segment: &Segment, numbers: &RoaringBitmap) -> Bits {
    let docs = segment.docs();
    let mut found = Bits::new(docs);
    let message = |doc: u32| segment.message(doc);
    let (Some(first), Some(last)) = (message(0), docs.checked_sub(1).and_then(message)) else { return found };
    if first > last {
        return found;
    }
    let gapless = last - first == docs - 1;
    let mut numbers = numbers.range(first..=last);
    let mut at = 0;
    while let Some(run) = numbers.next_range() {
        let (start, end) = (*run.start(), *run.end());
        if gapless {
            found.insert_range(start - first..(end - first).saturating_add(1));
            continue;
        }
        // Numbers rise, so each run is found behind the one before.
        at = reach(at, docs, |doc| message(doc).is_some_and(|number| number < start));
        let behind = reach(at, docs, |doc| message(doc).is_some_and(|number| number <= end));
        found.insert_range(at..behind);
        at = behind;
    }
    found
}

/// The first of `from..end` that is not `before`: by steps that double, then by halving.
fn reach(from: u32, end: u32, before: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut step) = (from, 1);
    while low < end && before(low.saturating_add(step - 1).min(end - 1)) {
        low = low.saturating_add(step).min(end);
        step *= 2;
    }
    let mut high = low.saturating_add(step).min(end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
