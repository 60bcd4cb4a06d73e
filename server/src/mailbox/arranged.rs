//! What was compared of messages, kept in memory for the next SORT or THREAD of its account, under a budget of the core.
//!
//! Derived from summaries, which never change, so that nothing here can be out of date; the accounts used least recently give
//! theirs up.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use trawl_index::arrange::Page;
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
    fn an_account_that_is_too_large_alone_is_given_up() {
        let kept = Kept::new(1);
        kept.put(key(1), 0, page(1));
        assert!(kept.get(key(1), 0).is_some());
        kept.trim(key(1));
        assert_eq!(kept.octets(), 0);
    }
}
