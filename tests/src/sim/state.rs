//! What an account is at one commit, as a value that can be compared: the whole of it, not a digest.

use std::collections::{BTreeMap, BTreeSet};

use trawl_store::shard::Shard;
use trawl_store::types::{AccountId, Flags, ZonedTime};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowState {
    pub flags: BTreeSet<String>,
    pub modseq: u64,
    pub save_date: u32,
    pub message: u32,
    pub size: u32,
    pub internal: ZonedTime,
    pub sent_day: Option<i32>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailboxState {
    pub id: u32,
    pub object_id: u64,
    pub uid_validity: u32,
    pub uid_next: u32,
    pub highest_modseq: u64,
    pub special_uses: u8,
    pub keywords: Vec<String>,
    pub rows: BTreeMap<u32, RowState>,
    /// All (UID)s that were expunged, as the mailbox remembers them.
    pub expunged: Vec<u32>,
}

/// Mailboxes by name, subscriptions, and annotations by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountState {
    pub mailboxes: BTreeMap<String, MailboxState>,
    pub subscriptions: BTreeSet<String>,
    pub annotations: BTreeMap<String, Vec<u8>>,
}

impl AccountState {
    /// As it is visible now; empty when there is no such account.
    pub fn of(shard: &Shard, account: AccountId) -> AccountState {
        let look = |account: &trawl_store::state::account::Account| AccountState {
            subscriptions: account.subscriptions().map(str::to_owned).collect(),
            annotations: account
                .annotations()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_vec()))
                .collect(),
            mailboxes: account
                .mailboxes()
                .map(|mailbox| {
                    let rows = mailbox.rows().map(|row| {
                        let facts = account.facts(row.message).expect("a row has its message");
                        let state = RowState {
                            flags: names(row.flags, mailbox.keywords()),
                            modseq: row.modseq.get(),
                            save_date: row.save_date,
                            message: row.message.0,
                            size: facts.size,
                            internal: facts.internal,
                            sent_day: facts.sent_day,
                        };
                        (row.uid.get(), state)
                    });
                    let state = MailboxState {
                        id: mailbox.id().0,
                        object_id: mailbox.object_id().0,
                        uid_validity: mailbox.uid_validity().get(),
                        uid_next: mailbox.uid_next().get(),
                        highest_modseq: mailbox.highest_modseq().get(),
                        special_uses: mailbox.special_uses().0,
                        keywords: mailbox.keywords().iter().map(|k| k.to_string()).collect(),
                        rows: rows.collect(),
                        expunged: mailbox
                            .expunged_since(trawl_store::types::ModSeq::FIRST)
                            .iter()
                            .map(|uid| uid.get())
                            .collect(),
                    };
                    (mailbox.name().to_string(), state)
                })
                .collect(),
        };
        shard.with_account(account, look).unwrap_or_default()
    }

    pub fn by_validity(&self, uid_validity: u32) -> Option<&MailboxState> {
        self.mailboxes.values().find(|mailbox| mailbox.uid_validity == uid_validity)
    }
}

/// Flags as IMAP spells them.
fn names(flags: Flags, keywords: &[std::rc::Rc<str>]) -> BTreeSet<String> {
    let system = [
        (Flags::SEEN, "\\Seen"),
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::DRAFT, "\\Draft"),
    ];
    let system = system.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| name.to_string());
    // After a crash of a disk that lies, the definition of a keyword may be lost.
    let name = |k: usize| keywords.get(k).map_or_else(|| format!("keyword {k}"), |name| name.to_string());
    system.chain(flags.keywords().map(name)).collect()
}
