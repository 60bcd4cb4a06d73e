//! Contexts (RFC 5267 4.3): results of searches of which the client has a copy, and how that copy follows the mailbox.
//!
//! Pure. Not here: whether a message matches and where it stands in an order (`command::context`), nor when the client is told
//! (`sync`). What must hold: a client that does to its copy what the responses say, item by item, has the results; results are
//! in the view.

use roaring::RoaringBitmap;
use trawl_index::arrange::Criterion;
use trawl_store::state::documents::DocumentTable;
use trawl_store::state::mailbox::Mailbox;
use trawl_store::types::{ModSeq, Uid};
use trawl_store::uid_set::UidSet;

use super::view::View;
use crate::lanes::analyse::Held;
use crate::limits::{CONTEXT_RESPONSE_RANGES_MAX, CONTEXTS_BYTES_MAX, CONTEXTS_MAX};
use crate::response::encode::{self, OfMailbox, Update, UpdateKind, UpdatePair};
use crate::wire::ast::{Numbers, SearchCommand, Tag};
use crate::wire::name::NameEncoding;

/// All of a session, in the order in which they were asked for. They end with the mailbox being closed.
#[derive(Default)]
pub struct Contexts {
    held: Vec<Context>,
    /// Up to where they have followed the mailbox.
    seen: Option<Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    /// Changes of flags up to this were judged.
    changes: ModSeq,
    /// What was expunged up to this has left the results.
    expunges: ModSeq,
    /// Messages below this were judged.
    next: Uid,
    /// When the search that began last did so: seconds since 1970.
    began: i64,
    /// Messages with texts of documents were judged as far as this.
    documents: DocumentsSeen,
}

/// What an account has of texts of documents: serials of the first one, which changes when they are forgotten, and of the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DocumentsSeen {
    pub first: Option<u32>,
    pub next: u32,
}

impl DocumentsSeen {
    pub fn of(documents: &DocumentTable) -> DocumentsSeen {
        let first = documents.iter().next().map(|entry| entry.serial);
        DocumentsSeen { first, next: documents.next_serial() }
    }

    /// Whether texts were forgotten until `now`, of those that there were or of those that came and went meanwhile: serials are used in
    /// turn and never again.
    pub fn were_forgotten(self, now: DocumentsSeen) -> bool {
        now.first.unwrap_or(now.next) > self.first.unwrap_or(self.next)
    }
}

/// One result that is kept up to date.
pub struct Context {
    pub tag: Tag,
    /// Keys and charset, with message sequence numbers and `$` as they were when it was asked for.
    pub search: SearchCommand,
    pub nature: Nature,
    /// Responses say which mailbox they are about (RFC 7377 2.1).
    pub of_mailbox: bool,
    /// The order of a SORT; empty for that of the mailbox.
    pub criteria: Vec<Criterion>,
    pub results: Results,
    /// The largest UID of the view when the program was evaluated last; 0 for none.
    pub largest: u32,
    /// Seconds since 1970 at which messages were looked for that had become too old, or old enough.
    pub aged: i64,
    /// Its memory, among that of all of the core.
    pub memory: Held,
}

/// What besides the arrival of messages can change the result of a program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Nature {
    /// Flags and keywords of a message.
    pub flags: bool,
    /// The largest UID: `*` is in it.
    pub largest: bool,
    /// Texts of the body: those of documents come later than the message.
    pub body: bool,
    /// Time: the seconds of OLDER and YOUNGER.
    pub ages: Vec<u32>,
    /// Octets that the program holds, about.
    pub octets: u64,
}

/// Messages that may have come into a result or left it; UIDs.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Changed {
    pub new: RoaringBitmap,
    /// Those whose flags changed.
    pub flags: RoaringBitmap,
    /// Those whose documents were read, or forgotten.
    pub documents: RoaringBitmap,
}

impl Contexts {
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub fn has(&self, tag: &Tag) -> bool {
        self.held.iter().any(|context| context.tag == *tag)
    }

    /// Whether the results of some of them change as time goes by.
    pub fn have_ages(&self) -> bool {
        self.held.iter().any(|context| !context.nature.ages.is_empty())
    }

    /// Whether the results of some of them change as documents are read.
    pub fn look_at_bodies(&self) -> bool {
        self.held.iter().any(|context| context.nature.body)
    }

    /// Messages whose documents were read are to be judged as far as `now` says: from where on.
    pub fn documents(&mut self, now: DocumentsSeen) -> Option<DocumentsSeen> {
        let seen = self.seen.as_mut()?;
        let before = std::mem::replace(&mut seen.documents, now);
        (before != now).then_some(before)
    }

    /// A search begins whose results will be kept up to date: what happens from here on is not overlooked.
    pub fn begin(&mut self, view: &View, mailbox: &Mailbox, documents: DocumentsSeen, now: i64) {
        let fresh = Seen {
            changes: mailbox.highest_modseq(),
            expunges: view.expunges_told(),
            next: view.next_uid(),
            began: now,
            documents,
        };
        match &mut self.seen {
            // The search still finds what has left the others already.
            Some(seen) if !self.held.is_empty() => {
                *seen = Seen { expunges: fresh.expunges, began: now, ..*seen };
            }
            seen => *seen = Some(fresh),
        }
    }

    /// When the search that began last did so.
    pub fn began(&self) -> Option<i64> {
        self.seen.map(|seen| seen.began)
    }

    /// Whether there may be one more, and all of them together be as large as this.
    pub fn have_room(&self, more: u64) -> bool {
        let octets: u64 = self.held.iter().map(Context::octets).sum();
        self.held.len() < CONTEXTS_MAX && octets + more <= CONTEXTS_BYTES_MAX
    }

    pub fn add(&mut self, context: Context) {
        self.held.push(context);
    }

    /// Gives up those with these tags (RFC 5267 4.3.5). Others are none of ours: they were given up already.
    pub fn cancel(&mut self, tags: &[Vec<u8>]) {
        self.held.retain(|context| !tags.iter().any(|tag| tag == context.tag.as_str().as_bytes()));
    }

    /// All of them, to be judged and added again.
    pub fn take(&mut self) -> Vec<Context> {
        std::mem::take(&mut self.held)
    }

    /// What was expunged leaves the results; the responses that say so, with the numbers of before (RFC 5267 4.3.4). To be told before
    /// the view drops it. It need not wait for that (RFC 5267 A.3).
    pub fn expunged(&mut self, view: &View, mailbox: &Mailbox, encoding: NameEncoding) -> Vec<Vec<u8>> {
        let Some(seen) = self.seen.as_mut().filter(|_| !self.held.is_empty()) else { return Vec::new() };
        let floor = mailbox.expunged_floor();
        let known = floor.is_none_or(|floor| seen.expunges >= floor);
        let gone = (known && seen.expunges < mailbox.highest_modseq())
            .then(|| bitmap(&mailbox.expunged_since(seen.expunges)));
        if known && gone.as_ref().is_none_or(RoaringBitmap::is_empty) {
            seen.expunges = mailbox.highest_modseq();
            return Vec::new();
        }
        seen.expunges = mailbox.highest_modseq();
        let mut lines = Vec::new();
        for context in &mut self.held {
            let members = &context.results.members;
            let gone = match &gone {
                Some(gone) => gone & members,
                // So much was expunged that the mailbox has forgotten part of it.
                None => members.iter().filter(|uid| !is_there(mailbox, *uid)).collect(),
            };
            if !gone.is_empty() {
                let mut updates = Updates::default();
                context.results.remove(&gone, &mut updates, called(context.search.by, view));
                let of = (mailbox.name().as_ref(), encoding, mailbox.uid_validity());
                lines.extend(context.lines(&updates, Some(of)));
            }
        }
        lines
    }

    /// The messages of the view that are to be judged, because they came or changed since the last time. What others expunged
    /// meanwhile is not among them.
    pub fn changed(&mut self, view: &View, mailbox: &Mailbox) -> Changed {
        let mut changed = Changed::default();
        let Some(seen) = &mut self.seen else { return changed };
        let next = view.next_uid();
        if seen.next < next {
            let rows = mailbox.range(seen.next, next).map(|row| row.uid);
            changed.new.extend(rows.take_while(|uid| *uid < next).map(Uid::get));
        }
        let rows = mailbox.changes_since(seen.changes);
        changed.flags = rows.iter().filter(|row| row.uid < next).map(|row| row.uid.get()).collect();
        seen.changes = mailbox.highest_modseq();
        seen.next = next;
        changed
    }
}

/// The UIDs as a bitmap.
pub fn bitmap(uids: &UidSet) -> RoaringBitmap {
    let mut bitmap = RoaringBitmap::new();
    for range in uids.ranges() {
        bitmap.insert_range(range.start().get()..=range.end().get());
    }
    bitmap
}

/// Whether nobody expunged the message.
pub fn is_there(mailbox: &Mailbox, uid: u32) -> bool {
    Uid::new(uid).is_some_and(|uid| mailbox.get(uid).is_some())
}

/// What the client calls the message with a UID.
pub fn called(by: Numbers, view: &View) -> impl Fn(u32) -> u32 {
    move |uid| match by {
        Numbers::Uid => uid,
        // Results are in the view.
        Numbers::Sequence => Uid::new(uid).and_then(|uid| view.seq(uid)).unwrap_or(0),
    }
}

impl Context {
    /// What it holds, about.
    pub fn octets(&self) -> u64 {
        self.results.octets() + self.nature.octets + size_of::<Context>() as u64
    }

    /// The responses that tell of these updates.
    pub fn lines(&self, updates: &Updates, mailbox: OfMailbox<'_>) -> Vec<Vec<u8>> {
        let of = mailbox.filter(|_| self.of_mailbox);
        let line = |items: &Vec<Update>| {
            let mut line = Vec::new();
            encode::esearch_updates(&mut line, &self.tag, of, self.search.by == Numbers::Uid, items);
            line
        };
        updates.responses.iter().map(line).collect()
    }
}

/// The messages of a result; UIDs.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Results {
    members: RoaringBitmap,
    /// In the order that was asked for, if it is not that of the mailbox.
    order: Option<Vec<u32>>,
}

impl Results {
    /// `order` has each of the members once.
    pub fn new(mut members: RoaringBitmap, order: Option<Vec<u32>>) -> Results {
        members.optimize();
        Results { members, order }
    }

    pub fn members(&self) -> &RoaringBitmap {
        &self.members
    }

    /// Of a SORT.
    pub fn order(&self) -> Option<&[u32]> {
        self.order.as_deref()
    }

    pub fn octets(&self) -> u64 {
        let order = self.order.as_ref().map_or(0, |order| order.capacity() * 4);
        (self.members.serialized_size() + order) as u64
    }

    /// Takes out some of the members.
    pub fn remove(&mut self, gone: &RoaringBitmap, updates: &mut Updates, number: impl Fn(u32) -> u32) {
        self.members -= gone;
        let Some(order) = &mut self.order else {
            gone.iter().for_each(|uid| updates.push(UpdateKind::RemoveFrom, 0, number(uid)));
            return;
        };
        let (Some(low), Some(high)) = (gone.min(), gone.max()) else { return };
        // Where it is now, and where it is once those before it have gone.
        let (mut at, mut before) = (0, 0);
        order.retain(|&uid| {
            at += 1;
            let goes = (low..=high).contains(&uid) && gone.contains(uid);
            if goes {
                updates.push(UpdateKind::RemoveFrom, at - before, number(uid));
                before += 1;
            }
            !goes
        });
    }

    /// Adds messages to a result in the order of the mailbox.
    pub fn add(&mut self, added: &RoaringBitmap, updates: &mut Updates, number: impl Fn(u32) -> u32) {
        self.members |= added;
        added.iter().for_each(|uid| updates.push(UpdateKind::AddTo, 0, number(uid)));
    }

    /// Adds messages to the result of a SORT: each with the number of those before it that are there already, in the order.
    pub fn insert(&mut self, places: &[(usize, u32)], updates: &mut Updates, number: impl Fn(u32) -> u32) {
        self.members.extend(places.iter().map(|(_, uid)| *uid));
        let old = self.order.take().unwrap_or_default();
        let mut order = Vec::with_capacity(old.len() + places.len());
        let mut from = 0;
        for &(before, uid) in places {
            order.extend_from_slice(old.get(from..before).unwrap_or_default());
            from = before.max(from);
            order.push(uid);
            updates.push(UpdateKind::AddTo, order.len() as u32, number(uid));
        }
        order.extend_from_slice(old.get(from..).unwrap_or_default());
        self.order = Some(order);
    }
}

/// Changes of a client's copy, in the order in which they are to be done, as the items of responses of which none is long.
#[derive(Default)]
pub struct Updates {
    responses: Vec<Vec<Update>>,
    /// Of the last response.
    ranges: usize,
}

impl Updates {
    /// One message comes to a position, or goes from it; those behind it move. Neighbours are told together.
    fn push(&mut self, kind: UpdateKind, position: u32, number: u32) {
        if self.responses.is_empty() || self.ranges >= CONTEXT_RESPONSE_RANGES_MAX {
            self.responses.push(Vec::new());
            self.ranges = 0;
        }
        let Some(items) = self.responses.last_mut() else { return };
        if items.last().is_none_or(|item| item.kind != kind) {
            items.push(Update { kind, pairs: Vec::new() });
        }
        let Some(item) = items.last_mut() else { return };
        let follows = |pair: &&mut UpdatePair| match kind {
            UpdateKind::AddTo if position > 0 => pair.position > 0 && pair.position + pair.count == position,
            // What is behind the first of a set moves to its place as well.
            UpdateKind::AddTo | UpdateKind::RemoveFrom => pair.position == position,
        };
        match item.pairs.last_mut().filter(follows) {
            Some(pair) => {
                pair.count += 1;
                match pair.numbers.last_mut() {
                    Some(last) if last.end().checked_add(1) == Some(number) => {
                        *last = *last.start()..=number;
                        return;
                    }
                    _ => pair.numbers.push(number..=number),
                }
            }
            None => item.pairs.push(UpdatePair { position, count: 1, numbers: vec![number..=number] }),
        }
        self.ranges += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the client does with the items (RFC 5267 4.3.3, 4.3.4).
    fn apply(copy: &mut Vec<u32>, updates: &Updates) {
        for item in updates.responses.iter().flatten() {
            for UpdatePair { position, count, numbers } in &item.pairs {
                let numbers: Vec<u32> = numbers.iter().cloned().flatten().collect();
                assert_eq!(numbers.len(), *count as usize);
                let at = (*position as usize).wrapping_sub(1);
                match (item.kind, position) {
                    (UpdateKind::AddTo, 0) => {
                        copy.extend(numbers);
                        copy.sort_unstable();
                    }
                    (UpdateKind::RemoveFrom, 0) => copy.retain(|uid| !numbers.contains(uid)),
                    (UpdateKind::AddTo, _) => drop(copy.splice(at..at, numbers)),
                    (UpdateKind::RemoveFrom, _) => {
                        assert_eq!(copy.drain(at..at + numbers.len()).collect::<Vec<_>>(), numbers);
                    }
                }
            }
        }
    }

    #[test]
    fn texts_that_came_and_went_were_forgotten() {
        let seen = |first: Option<u32>, next| DocumentsSeen { first, next };
        let cases = [
            (seen(None, 0), seen(None, 0), false),
            (seen(None, 3), seen(Some(3), 5), false),
            (seen(Some(1), 3), seen(Some(1), 5), false),
            (seen(Some(1), 3), seen(None, 3), true),
            (seen(Some(1), 3), seen(Some(3), 4), true),
            (seen(None, 3), seen(None, 4), true),
            (seen(None, 3), seen(Some(4), 5), true),
        ];
        for (before, now, forgotten) in cases {
            assert_eq!(before.were_forgotten(now), forgotten, "{before:?} {now:?}");
        }
    }

    /// An order that is not that of the mailbox.
    fn key(uid: u32) -> (u32, u32) {
        (uid.wrapping_mul(0x9e37_79b9) >> 29, uid)
    }

    proptest! {
        #[test]
        fn a_copy_follows(
            first in prop::collection::btree_set(1u32..60, 0..50), gone in prop::collection::btree_set(1u32..60, 0..50),
            added in prop::collection::btree_set(1u32..60, 0..50), sorted: bool,
        ) {
            let members: RoaringBitmap = first.iter().copied().collect();
            let mut copy: Vec<u32> = first.iter().copied().collect();
            if sorted {
                copy.sort_by_key(|uid| key(*uid));
            }
            let mut results = Results::new(members.clone(), sorted.then(|| copy.clone()));
            let mut updates = Updates::default();
            let gone = gone.into_iter().collect::<RoaringBitmap>() & &members;
            results.remove(&gone, &mut updates, |uid| uid);
            let added = added.into_iter().collect::<RoaringBitmap>() - &members;
            match results.order() {
                None => results.add(&added, &mut updates, |uid| uid),
                Some(order) => {
                    let mut places: Vec<(usize, u32)> =
                        added.iter().map(|uid| (order.iter().filter(|old| key(**old) < key(uid)).count(), uid)).collect();
                    places.sort_by_key(|(_, uid)| key(*uid));
                    results.insert(&places, &mut updates, |uid| uid);
                }
            }
            apply(&mut copy, &updates);
            let members = (members - gone) | added;
            let mut wanted: Vec<u32> = members.iter().collect();
            if sorted {
                wanted.sort_by_key(|uid| key(*uid));
                prop_assert_eq!(results.order(), Some(&wanted[..]));
            }
            prop_assert_eq!(results.members(), &members);
            prop_assert_eq!(copy, wanted);
        }
    }

    fn said(updates: &Updates) -> Vec<String> {
        let tag = Tag::new(b"C01").unwrap();
        let line = |items: &Vec<Update>| {
            let mut out = Vec::new();
            encode::esearch_updates(&mut out, &tag, None, true, items);
            String::from_utf8(out).unwrap()
        };
        updates.responses.iter().map(line).collect()
    }

    /// The last of the three forms of RFC 5267 4.3.3.
    #[test]
    fn neighbours_are_told_together() {
        let order: RoaringBitmap = (2734..=2735).collect();
        let mut results = Results::new(order.clone(), Some(order.iter().collect()));
        let mut updates = Updates::default();
        results.insert(&[(0, 2731), (0, 2732), (0, 2733)], &mut updates, |uid| uid);
        assert_eq!(said(&updates), ["* ESEARCH (TAG \"C01\") UID ADDTO (1 2731:2733)\r\n"]);
        let mut updates = Updates::default();
        results.remove(&[2732, 2733, 2735].into_iter().collect(), &mut updates, |uid| uid);
        results.insert(&[(0, 9), (2, 8)], &mut updates, |uid| uid);
        assert_eq!(
            said(&updates),
            ["* ESEARCH (TAG \"C01\") UID REMOVEFROM (2 2732:2733 3 2735) ADDTO (1 9 4 8)\r\n"]
        );
    }

    #[test]
    fn no_response_is_long() {
        for sorted in [false, true] {
            let added: RoaringBitmap = (1..=5_000).map(|n| n * 2).collect();
            let mut results = Results::new(RoaringBitmap::new(), sorted.then(Vec::new));
            let (mut updates, mut copy) = (Updates::default(), Vec::new());
            match sorted {
                false => results.add(&added, &mut updates, |uid| uid),
                true => {
                    let places: Vec<(usize, u32)> = added.iter().map(|uid| (0, uid)).collect();
                    results.insert(&places, &mut updates, |uid| uid);
                }
            }
            assert_eq!(updates.responses.len(), 5);
            apply(&mut copy, &updates);
            assert_eq!(copy, added.iter().collect::<Vec<_>>());
            let mut updates = Updates::default();
            results.remove(&added, &mut updates, |uid| uid);
            assert_eq!(updates.responses.len(), 5);
            apply(&mut copy, &updates);
            assert!(copy.is_empty() && said(&updates).iter().all(|line| line.len() < 20_000));
        }
    }
}
