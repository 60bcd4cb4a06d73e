//! Only the beginning or the end of an order: what RETURN (MIN), (MAX) and (PARTIAL …) of a SORT show (RFC 5267 3.1, RFC 9394 3).
//!
//! The first criterion tells roughly which messages can be there: they are selected, which takes one pass, and only they are sorted. What
//! must hold: what is known of an order is what the whole order says.

use std::ops::Range;

use super::page::Pages;
use super::sort::{By, Criterion, column, first_octets, sort};
use super::{Item, Stop, Stopped};

/// How much of an order is wanted: so many messages from its beginning, and from its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub first: u32,
    pub last: u32,
}

impl Wanted {
    pub const ALL: Wanted = Wanted { first: u32::MAX, last: 0 };
}

/// An order of messages, or what is known of it: indices of items.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Order {
    len: u32,
    head: Vec<u32>,
    tail: Vec<u32>,
}

impl Order {
    /// All of it.
    pub fn whole(order: Vec<u32>) -> Order {
        Order { len: u32::try_from(order.len()).unwrap_or(u32::MAX), head: order, tail: Vec::new() }
    }

    /// One of so many messages of which nothing is known.
    pub fn unknown(len: u32) -> Order {
        Order { len, ..Order::default() }
    }

    /// How many messages are in it.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of them are known.
    pub fn known(&self) -> u32 {
        u32::try_from(self.head.len() + self.tail.len()).unwrap_or(u32::MAX)
    }

    /// The item at a place; `None` as well if it is not known.
    pub fn get(&self, place: u32) -> Option<u32> {
        let in_tail = || (place as usize).checked_sub((self.len as usize).checked_sub(self.tail.len())?);
        self.head.get(place as usize).or_else(|| self.tail.get(in_tail()?)).copied()
    }

    pub fn first(&self) -> Option<u32> {
        self.get(0)
    }

    pub fn last(&self) -> Option<u32> {
        self.get(self.len.checked_sub(1)?)
    }

    /// The items at places; those that are not known are left out.
    pub fn range(&self, places: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        places.filter_map(|place| self.get(place))
    }

    /// All items, if all are known.
    pub fn items(&self) -> impl Iterator<Item = u32> + '_ {
        self.head.iter().chain(&self.tail).copied()
    }
}

/// As much of the order of the items as is wanted.
pub fn order(
    items: &[Item],
    pages: &Pages,
    criteria: &[Criterion],
    wanted: Wanted,
    stop: Stop<'_>,
) -> Result<Order, Stopped> {
    let (first, last) = (wanted.first as usize, wanted.last as usize);
    // Where much of it is wanted selecting is no gain.
    let Some(by) = criteria.first().filter(|_| first.saturating_add(last) < items.len() / 2) else {
        return sort(items, pages, criteria, stop).map(Order::whole);
    };
    let roughly = rough(*by, items, pages, stop)?;
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    if let Some(nth) = first.checked_sub(1) {
        let most = nth_smallest(&roughly, nth);
        head = sorted(items, pages, criteria, |at| roughly.get(at).is_some_and(|n| *n <= most), stop)?;
        head.truncate(first);
    }
    if last > 0 {
        let least = nth_smallest(&roughly, items.len() - last);
        tail = sorted(items, pages, criteria, |at| roughly.get(at).is_some_and(|n| *n >= least), stop)?;
        tail.drain(..tail.len().saturating_sub(last));
    }
    Ok(Order { len: u32::try_from(items.len()).unwrap_or(u32::MAX), head, tail })
}

/// Numbers of which a smaller one says that the message comes before another; equals may be anything.
fn rough(by: Criterion, items: &[Item], pages: &Pages, stop: Stop<'_>) -> Result<Vec<u64>, Stopped> {
    let By::Text(text) = by.by else { return column(by, items, pages, stop) };
    let entries = pages.entries(items.iter().map(|item| item.message));
    let octets = entries.map(|entry| entry.map_or(0, |entry| first_octets(entry.text(text))));
    Ok(octets.map(|octets| if by.reverse { !octets } else { octets }).collect())
}

fn nth_smallest(numbers: &[u64], nth: usize) -> u64 {
    let mut numbers = numbers.to_vec();
    if nth < numbers.len() { *numbers.select_nth_unstable(nth).1 } else { u64::MAX }
}

/// The order of some of the items.
fn sorted(
    items: &[Item],
    pages: &Pages,
    criteria: &[Criterion],
    is_one: impl Fn(usize) -> bool,
    stop: Stop<'_>,
) -> Result<Vec<u32>, Stopped> {
    if stop() {
        return Err(Stopped);
    }
    let (places, some): (Vec<u32>, Vec<Item>) =
        (0u32..).zip(items).filter(|(at, _)| is_one(*at as usize)).map(|(at, item)| (at, *item)).unzip();
    let order = sort(&some, pages, criteria, stop)?;
    Ok(order.into_iter().filter_map(|item| places.get(item as usize).copied()).collect())
}
