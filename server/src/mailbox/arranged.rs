//! What was compared of messages, kept in memory for the next SORT or THREAD of its account, under a budget of the core.
//!
//! Derived from summaries, which never change, so that nothing here can be out of date; the accounts used least recently give
//! theirs up. What was read from the log and is in no file beside the index is counted, by groups of pages, until it is saved.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use trawl_index::arrange::saved::GROUP_PAGES;
use trawl_index::arrange::{PAGE_MESSAGES, Page};
use trawl_index::limits::SAVED_ENTRIES_BYTES_MAX;
use trawl_store::types::{AccountId, ShardId};

pub type AccountKey = (ShardId, AccountId);

/// See the module.
pub struct Kept {
    octets_max: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<AccountKey, Account>,
    octets: usize,
    /// Counts uses.
    now: u64,
}

#[derive(Default)]
struct Account {
    pages: HashMap<u32, Arc<Page>>,
    octets: usize,
    used: u64,
    /// By group how many entries are in no file.
    unsaved: HashMap<u32, u32>,
}

/// Pages of a group by their numbers.
pub type Group = (u32, Vec<(u32, Arc<Page>)>);

impl Account {
    /// The pages of a group.
    fn group(&self, group: u32) -> impl Iterator<Item = (u32, &Arc<Page>)> {
        let numbers = (0..GROUP_PAGES).map(move |nth| group * GROUP_PAGES + nth);
        numbers.filter_map(|number| Some((number, self.pages.get(&number)?)))
    }

    /// A file is written anew for a quarter of what is in it, so that what is written is in proportion to what was read; and not at all
    /// where it would be too large.
    fn due_from(&self, group: u32, entries_min: u32) -> u32 {
        let known: u32 = self.group(group).map(|(_, page)| page.known()).sum();
        let octets: usize = self.group(group).map(|(_, page)| page.memory()).sum();
        if octets > SAVED_ENTRIES_BYTES_MAX { u32::MAX } else { entries_min.max(known / 4) }
    }

    /// How many messages of a group from `next` on are known.
    fn known_from(&self, group: u32, next: u32) -> u32 {
        let of_page = |(number, page): (u32, &Arc<Page>)| {
            let below = next.saturating_sub(number * PAGE_MESSAGES).min(PAGE_MESSAGES);
            (below..PAGE_MESSAGES).filter(|slot| page.has(*slot)).count() as u32
        };
        self.group(group).map(of_page).sum()
    }
}

impl Kept {
    /// To hold so many octets at most; one account alone may go beyond while it is used.
    pub fn new(octets_max: usize) -> Kept {
        Kept { octets_max, state: RefCell::default() }
    }

    /// A page of an account.
    pub fn get(&self, account: AccountKey, number: u32) -> Option<Arc<Page>> {
        let state = &mut *self.state.borrow_mut();
        state.now += 1;
        let of_account = state.accounts.get_mut(&account)?;
        of_account.used = state.now;
        of_account.pages.get(&number).map(Arc::clone)
    }

    /// Gives up a page if it is this one.
    pub fn take(&self, account: AccountKey, number: u32, page: &Arc<Page>) {
        let state = &mut *self.state.borrow_mut();
        let Some(of_account) = state.accounts.get_mut(&account) else { return };
        if of_account.pages.get(&number).is_some_and(|kept| Arc::ptr_eq(kept, page)) {
            of_account.pages.remove(&number);
            of_account.octets -= page.memory();
            state.octets -= page.memory();
        }
    }

    /// Keeps a page instead of the one that was there.
    pub fn put(&self, account: AccountKey, number: u32, page: Arc<Page>) {
        let state = &mut *self.state.borrow_mut();
        state.now += 1;
        let of_account = state.accounts.entry(account).or_default();
        of_account.used = state.now;
        let octets = page.memory();
        let before = of_account.pages.insert(number, page).map_or(0, |page| page.memory());
        of_account.octets = of_account.octets + octets - before;
        state.octets = state.octets + octets - before;
    }

    /// Counts messages whose entries were read from the log, by group.
    pub fn note_read(&self, account: AccountKey, messages: impl Iterator<Item = (u32, u32)>) {
        let state = &mut *self.state.borrow_mut();
        let Some(of_account) = state.accounts.get_mut(&account) else { return };
        for (group, messages) in messages.filter(|(_, messages)| *messages > 0) {
            *of_account.unsaved.entry(group).or_default() += messages;
        }
    }

    /// Whether there is a group of which so many entries, and not much fewer than were saved, are in no file.
    pub fn is_due(&self, account: AccountKey, entries_min: u32) -> bool {
        let state = self.state.borrow();
        state.accounts.get(&account).is_some_and(|account| {
            account.unsaved.iter().any(|(group, unsaved)| *unsaved >= account.due_from(*group, entries_min))
        })
    }

    /// Those groups, as far as files may have what is below `next`.
    pub fn due(&self, account: AccountKey, entries_min: u32, next: u32) -> Vec<Group> {
        let state = self.state.borrow();
        let Some(account) = state.accounts.get(&account) else { return Vec::new() };
        let due = account.unsaved.iter().filter(|(group, unsaved)| {
            unsaved.saturating_sub(account.known_from(**group, next))
                >= account.due_from(**group, entries_min)
        });
        let pages = |group| account.group(group).map(|(number, page)| (number, Arc::clone(page))).collect();
        due.map(|(group, _)| (*group, pages(*group))).collect()
    }

    /// Files will have what is known of this group below `next`.
    pub fn note_saved(&self, account: AccountKey, group: u32, next: u32) {
        let state = &mut *self.state.borrow_mut();
        let Some(of_account) = state.accounts.get_mut(&account) else { return };
        match of_account.known_from(group, next) {
            0 => _ = of_account.unsaved.remove(&group),
            left => _ = of_account.unsaved.insert(group, left),
        }
    }

    /// Gives up what is over the budget: of other accounts first, at last of this one.
    pub fn trim(&self, account: AccountKey) {
        let state = &mut *self.state.borrow_mut();
        while state.octets > self.octets_max {
            let others = state.accounts.iter().filter(|(key, _)| **key != account);
            let oldest = others.min_by_key(|(_, account)| account.used).map(|(key, _)| *key);
            match state.accounts.remove(&oldest.unwrap_or(account)) {
                Some(gone) => state.octets -= gone.octets,
                None => return,
            }
        }
    }

    /// Octets that are held now.
    pub fn octets(&self) -> usize {
        self.state.borrow().octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trawl_index::summary::{Summary, SummaryKeys};

    fn key(account: u32) -> AccountKey {
        (ShardId(0), AccountId(account))
    }

    fn page(message: u32) -> Arc<Page> {
        let mut page = Page::default();
        let summary = Summary::build(b"Subject: x\r\n\r\n").encode();
        page.insert(message, &SummaryKeys::new(&summary).unwrap());
        Arc::new(page)
    }

    #[test]
    fn accounts_used_least_recently_give_way() {
        let one = page(1).memory();
        let kept = Kept::new(2 * one);
        for account in 1..=2 {
            kept.put(key(account), 0, page(1));
            kept.trim(key(account));
        }
        assert!(kept.get(key(1), 0).is_some_and(|page| page.has(1)));
        kept.put(key(3), 0, page(1));
        kept.trim(key(3));
        assert!(kept.get(key(2), 0).is_none() && kept.get(key(1), 0).is_some());
        assert_eq!(kept.octets(), 2 * one);
    }

    #[test]
    fn what_is_held_is_counted() {
        let kept = Kept::new(usize::MAX);
        let first = page(1);
        kept.put(key(1), 0, Arc::clone(&first));
        kept.put(key(1), 0, page(2));
        // It is another one by now.
        kept.take(key(1), 0, &first);
        assert!(kept.get(key(1), 0).is_some_and(|page| page.has(2)));
        let second = kept.get(key(1), 0).unwrap();
        kept.take(key(1), 0, &second);
        assert_eq!((kept.octets(), kept.get(key(1), 0).is_none()), (0, true));
    }

    #[test]
    fn what_was_read_is_due_until_it_is_saved() {
        let kept = Kept::new(usize::MAX);
        let due = |min, next| -> Vec<u32> {
            let mut groups: Vec<u32> =
                kept.due(key(1), min, next).into_iter().map(|(group, _)| group).collect();
            groups.sort_unstable();
            groups
        };
        let far = GROUP_PAGES * PAGE_MESSAGES;
        for message in [5, 5 + PAGE_MESSAGES, far, far + 1] {
            let number = message / PAGE_MESSAGES;
            let mut of = kept.get(key(1), number).map_or_else(Page::default, |page| (*page).clone());
            of.absorb(&page(message), |_| true);
            kept.put(key(1), number, Arc::new(of));
        }
        kept.note_read(key(1), [(0, 2), (1, 2), (2, 0)].into_iter());
        assert!(kept.is_due(key(1), 2) && !kept.is_due(key(1), 3) && !kept.is_due(key(2), 1));
        assert_eq!(due(2, u32::MAX), [0, 1]);
        // Nothing is written for what may not be in a file yet.
        assert_eq!(due(2, far + 1), [0]);
        assert_eq!(kept.due(key(1), 2, far).first().map(|(_, pages)| pages.len()), Some(2));
        kept.note_saved(key(1), 0, far + 1);
        kept.note_saved(key(1), 1, far + 1);
        assert_eq!((due(1, far + 1), due(1, far + 2)), (vec![], vec![1]));
        kept.note_saved(key(1), 1, far + 2);
        assert!(!kept.is_due(key(1), 1));
    }

    #[test]
    fn an_account_that_is_too_large_alone_is_given_up() {
        let kept = Kept::new(1);
        kept.put(key(1), 0, page(1));
        assert!(kept.get(key(1), 0).is_some());
        kept.trim(key(1));
        assert_eq!(kept.octets(), 0);
    }
}
