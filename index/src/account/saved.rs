//! What SORT and THREAD compare, in files beside the segments, so that summaries are not read again after a start.
//!
//! Not here: the form of a file (`arrange/saved.rs`), nor when one is written. What must hold: a file has entries of messages only that
//! segments answer for, so that the manifest vouches for it, too: where an index is made anew, these files go with it. A file
//! that is damaged or missing costs time and nothing else. What a merge drops is in no file after it.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::work::{Source, Wanted};
use super::{AccountIndex, Phase};
use crate::arrange::{PAGE_MESSAGES, Page, saved};
use crate::limits::{SAVED_ENTRIES_BYTES_MAX, SAVED_READ_MESSAGES};
use crate::summary::{self, SummaryKeys};

const END: &str = ".entries";

/// Names a file of a group that was written when segments answered for messages below `next`.
fn file_name(group: u32, next: u32) -> String {
    format!("{group}-{next}{END}")
}

/// Group and `next` of a file of that name.
fn parse(name: &str) -> Option<(u32, u32)> {
    let (group, next) = name.strip_suffix(END)?.split_once('-')?;
    let found = (group.parse().ok()?, next.parse().ok()?);
    (file_name(found.0, found.1) == name).then_some(found)
}

/// By group the `next` of its file.
#[derive(Clone, Default, Debug)]
pub(super) struct Saved(BTreeMap<u32, u32>);

impl Saved {
    /// The newest ones among files, for an index that answers for messages below `next`.
    pub fn among(names: &[String], next: u32) -> Saved {
        let mut saved = Saved::default();
        for (group, of) in names.iter().filter_map(|name| parse(name)).filter(|(_, of)| *of <= next) {
            let newest = saved.0.entry(group).or_default();
            *newest = of.max(*newest);
        }
        saved
    }

    pub fn has(&self, name: &str) -> bool {
        parse(name).is_some_and(|(group, next)| self.0.get(&group) == Some(&next))
    }
}

/// What SORT and THREAD compare of messages that a segment is made of.
#[derive(Default)]
pub(super) struct Compared {
    pages: BTreeMap<u32, Page>,
    /// Those whose summaries were not read with them.
    unread: Vec<Wanted>,
}

impl Compared {
    /// Adds what a summary says, as it is stored. One that is damaged or of another version is for SORT.
    pub fn add(&mut self, message: u32, stored: Option<(u16, Vec<u8>)>) {
        if let Some((summary::VERSION, octets)) = stored
            && let Ok(keys) = SummaryKeys::new(&octets)
        {
            self.pages.entry(message / PAGE_MESSAGES).or_default().insert(message, &keys);
        }
    }

    /// The summary of a message is still to be read.
    pub fn read_later(&mut self, wanted: Wanted) {
        self.unread.push(wanted);
    }
}

impl AccountIndex {
    /// Whether there is a file of this group. For executors.
    pub fn has_saved(&self, group: u32) -> bool {
        self.state().saved.0.contains_key(&group)
    }

    /// The pages of this group that were saved, with their numbers; none if there is no file, or a damaged one. For lanes.
    pub fn saved(&self, group: u32) -> Vec<(u32, Page)> {
        let Some(next) = self.state().saved.0.get(&group).copied() else { return Vec::new() };
        let name = file_name(group, next);
        let read = self.folder.read(&name, SAVED_ENTRIES_BYTES_MAX);
        let pages = read.ok().flatten().and_then(|octets| saved::decode(&octets));
        let is_one =
            |pages: &Vec<(u32, Page)>| pages.iter().all(|(number, _)| number / saved::GROUP_PAGES == group);
        pages.filter(is_one).unwrap_or_else(|| {
            // Unless another one came meanwhile, of which nothing is known.
            let mut state = self.state();
            if state.saved.0.get(&group) == Some(&next) {
                state.saved.0.remove(&group);
            }
            Vec::new()
        })
    }

    /// Saves pages of this group, as far as segments answer for their messages, together with what was saved of it; the number of the
    /// message from which on nothing was. For lanes.
    pub fn save(&self, group: u32, pages: &[(u32, Arc<Page>)], stop: &AtomicBool) -> io::Result<u32> {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, era) = {
            let state = self.state();
            if state.phase != Phase::Ready {
                return Ok(0);
            }
            (state.snapshot.clone(), state.era)
        };
        let mut all: BTreeMap<u32, Page> = BTreeMap::new();
        let before = self.saved(group);
        let before = before.iter().map(|(number, page)| (*number, page));
        for (number, page) in before.chain(pages.iter().map(|(number, page)| (*number, &**page))) {
            let covered =
                |slot: u32| snapshot.covered().contains(number.saturating_mul(PAGE_MESSAGES) + slot);
            all.entry(number).or_default().absorb(page, covered);
        }
        all.retain(|number, page| page.known() > 0 && number / saved::GROUP_PAGES == group);
        let octets = saved::encode(&all.into_iter().collect::<Vec<_>>());
        let next = snapshot.next();
        let name = file_name(group, next);
        if octets.len() > SAVED_ENTRIES_BYTES_MAX || !self.folder.write(&name, &octets, stop)? {
            return Ok(0);
        }
        let mut state = self.state();
        let is_current = state.era == era && state.phase == Phase::Ready;
        let stale = if is_current { state.saved.0.insert(group, next) } else { Some(next) };
        drop(state);
        if let Some(stale) = stale
            && (!is_current || stale != next)
        {
            // What stays is a left-over that the next opening removes.
            let _ = self.folder.remove(&file_name(group, stale));
        }
        Ok(if is_current { next } else { 0 })
    }

    /// Saves entries of messages that a segment was made of, so that not even the first SORT reads summaries. What cannot be read or
    /// written now is for SORT.
    pub(super) fn save_built(&self, mut compared: Compared, source: &mut dyn Source, stop: &AtomicBool) {
        let unread = std::mem::take(&mut compared.unread);
        for batch in unread.chunks(SAVED_READ_MESSAGES) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            for (wanted, stored) in batch.iter().zip(source.summaries(batch)) {
                compared.add(wanted.message, stored);
            }
        }
        let pages: Vec<(u32, Arc<Page>)> =
            compared.pages.into_iter().map(|(number, page)| (number, Arc::new(page))).collect();
        for pages in pages.chunk_by(|(a, _), (b, _)| a / saved::GROUP_PAGES == b / saved::GROUP_PAGES) {
            let Some((first, _)) = pages.first() else { continue };
            if stop.load(Ordering::Relaxed) || self.save(first / saved::GROUP_PAGES, pages, stop).is_err() {
                return;
            }
        }
    }

    /// Removes what was saved of these messages, some of which are in no segment any more.
    pub(super) fn forget_saved(&self, messages: RangeInclusive<u32>) {
        let _not_while_saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = saved::group(*messages.start())..=saved::group(*messages.end());
        let gone: Vec<(u32, u32)> = {
            let mut state = self.state();
            let gone = state.saved.0.range(groups.clone()).map(|(group, next)| (*group, *next)).collect();
            state.saved.0.retain(|group, _| !groups.contains(group));
            gone
        };
        for (group, next) in gone {
            let _ = self.folder.remove(&file_name(group, next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(parse(&file_name(12, 200_000)), Some((12, 200_000)));
        for name in
            ["1.seg", "1-2", "1.entries", "01-2.entries", "1--2.entries", "+1-2.entries", "1-2.entries.new"]
        {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_newest_files_that_the_manifest_vouches_for_are_used() {
        let names =
            ["0-10.entries", "0-30.entries", "0-40.entries", "2-31.entries", "manifest"].map(str::to_owned);
        let saved = Saved::among(&names, 30);
        let has: Vec<&String> = names.iter().filter(|name| saved.has(name)).collect();
        assert_eq!(has, ["0-30.entries"]);
    }
}
