//! `in:` of a query: which mailbox a name means, and whether it is the one that is searched.
//!
//! A name is compared without case. The names of roles mean every mailbox that has the special use (RFC 6154), and those that
//! are called as such mailboxes usually are: mail that was imported has no special uses.

use std::cell::OnceCell;
use std::collections::HashSet;

use trawl_index::normalise;
use trawl_store::state::account::Account;
use trawl_store::state::mailbox::Mailbox;
use trawl_store::types::{SpecialUse, SpecialUses};

struct Role {
    /// What it is called in queries; in capitals, like the names.
    words: &'static [&'static str],
    special_use: SpecialUse,
    names: &'static [&'static str],
}

/// INBOX is a name like others: every account has the mailbox.
const ROLES: [Role; 5] = [
    Role { words: &["ARCHIVE"], special_use: SpecialUse::Archive, names: &["ARCHIVE", "ARCHIVES"] },
    Role { words: &["DRAFT", "DRAFTS"], special_use: SpecialUse::Drafts, names: &["DRAFT", "DRAFTS"] },
    Role {
        words: &["JUNK", "SPAM"],
        special_use: SpecialUse::Junk,
        names: &["JUNK", "JUNK E-MAIL", "JUNK EMAIL", "SPAM"],
    },
    Role {
        words: &["SENT"],
        special_use: SpecialUse::Sent,
        names: &["SENT", "SENT ITEMS", "SENT MAIL", "SENT MESSAGES"],
    },
    Role {
        words: &["TRASH"],
        special_use: SpecialUse::Trash,
        names: &["DELETED ITEMS", "DELETED MESSAGES", "TRASH"],
    },
];

impl Role {
    fn has(&self, name: &str, uses: SpecialUses) -> bool {
        uses.contains(self.special_use) || self.names.contains(&name)
    }
}

fn role(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.words.contains(&name))
}

/// The mailbox that is searched.
pub struct Within<'a> {
    account: &'a Account,
    mailbox: &'a Mailbox,
    name: OnceCell<String>,
    /// Of all mailboxes of the account, found out when first needed: a program may ask often.
    names: OnceCell<HashSet<String>>,
}

impl<'a> Within<'a> {
    pub fn new(account: &'a Account, mailbox: &'a Mailbox) -> Within<'a> {
        Within { account, mailbox, name: OnceCell::new(), names: OnceCell::new() }
    }

    /// Whether this name means the mailbox that is searched; `None` if it means none.
    pub fn is(&self, wanted: &str) -> Option<bool> {
        let wanted = folded(wanted);
        let name = self.name.get_or_init(|| folded(self.mailbox.name()));
        if let Some(role) = role(&wanted) {
            return Some(role.has(name, self.mailbox.special_uses()));
        }
        if *name == wanted {
            return Some(true);
        }
        let all = || self.account.mailboxes().map(|mailbox| folded(mailbox.name())).collect();
        self.names.get_or_init(all).contains(&wanted).then_some(false)
    }
}

/// Capitals; the short way is for the many names that need no other.
fn folded(name: &str) -> String {
    if name.is_ascii() { name.to_ascii_uppercase() } else { normalise(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_their_special_use_or_a_usual_name() {
        let has =
            |word: &str, name: &str, uses| role(&folded(word)).map(|role| role.has(&folded(name), uses));
        let none = SpecialUses::NONE;
        for (word, name, uses, expected) in [
            ("trash", "Trash", none, Some(true)),
            ("TRASH", "Deleted Items", none, Some(true)),
            ("trash", "Papierkorb", SpecialUses::of(SpecialUse::Trash), Some(true)),
            ("trash", "Papierkorb", SpecialUses::of(SpecialUse::Junk), Some(false)),
            ("trash", "Trash/2020", none, Some(false)),
            ("spam", "Junk", none, Some(true)),
            ("junk", "spam", none, Some(true)),
            ("drafts", "Drafts", none, Some(true)),
            ("sent", "Sent Messages", none, Some(true)),
            ("archive", "Archive", none, Some(true)),
            ("archive", "INBOX", none, Some(false)),
            ("inbox", "INBOX", none, None),
            ("Lists", "Lists", none, None),
        ] {
            assert_eq!(has(word, name, uses), expected, "{word} {name}");
        }
    }

    #[test]
    fn words_are_among_the_names() {
        for role in ROLES {
            assert!(role.words.iter().all(|word| role.names.contains(word) && folded(word) == *word));
        }
    }

    #[test]
    fn names_are_folded_alike() {
        assert_eq!(folded("Müll"), folded("MÜLL"));
        assert_eq!(folded("Lists/Rust"), folded("lists/rust"));
    }
}
