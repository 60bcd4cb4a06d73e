//! One account as it is visible: its mailboxes, subscriptions, annotations and messages.
//!
//! Not here: users and passwords (`directory`), changes (`apply`). It holds: a name belongs to at most one mailbox;
//! INBOX is always there; a level above a mailbox that is no mailbox itself is implied, not stored.

use super::annotations::Annotations;
use super::documents::DocumentTable;
use super::mailbox::Mailbox;
use super::messages::MessageTable;
use super::names;
use super::thread::ThreadTable;
use crate::event::Event;
use crate::types::{AccountId, MailboxId, MessageFacts, MessageNumber};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;

/// See the module.
pub struct Account {
    pub(crate) id: AccountId,
    pub(crate) name: Rc<str>,
    pub(crate) mailboxes: BTreeMap<MailboxId, Mailbox>,
    pub(crate) names: BTreeMap<Rc<str>, MailboxId>,
    pub(crate) subscriptions: BTreeSet<Rc<str>>,
    /// The greatest UIDVALIDITY that names had which have no mailbox now (a mailbox renamed to one needs a greater).
    pub(crate) former: BTreeMap<Rc<str>, u32>,
    /// The same of all names that are no longer in `former`.
    pub(crate) former_floor: u32,
    pub(crate) annotations: Annotations,
    pub(crate) documents: DocumentTable,
    pub(crate) documents_changed: Event,
    pub(crate) messages: MessageTable,
    pub(crate) threads: ThreadTable,
    pub(crate) next_mailbox: MailboxId,
    pub(crate) changed: Event,
}

/// One level of the mailbox tree, as LIST needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Level {
    pub name: Rc<str>,
    /// `None`: the level is only implied by a mailbox below it, or only subscribed (then `exists` is false).
    pub mailbox: Option<MailboxId>,
    /// A mailbox or a level above one; false for a subscription to nothing.
    pub exists: bool,
    /// There is a mailbox below.
    pub has_children: bool,
    pub subscribed: bool,
}

impl Account {
    pub fn id(&self) -> AccountId {
        self.id
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn mailbox(&self, id: MailboxId) -> Option<&Mailbox> {
        self.mailboxes.get(&id)
    }
    /// The mailbox of a name; INBOX in any case.
    pub fn mailbox_named(&self, name: &str) -> Option<&Mailbox> {
        self.mailboxes.get(self.names.get(names::folded(name).as_str())?)
    }
    /// Mailboxes from `from` on, ascending by id: those that were made later come later.
    pub fn mailboxes_from(&self, from: MailboxId) -> impl Iterator<Item = &Mailbox> {
        self.mailboxes.range(from..).map(|(_, mailbox)| mailbox)
    }
    /// All mailboxes, ascending by name.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.names.values().filter_map(|id| self.mailboxes.get(id))
    }
    pub fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.iter().map(|name| &**name)
    }
    pub fn is_subscribed(&self, name: &str) -> bool {
        self.subscriptions.contains(names::folded(name).as_str())
    }
    /// Whether a mailbox is below `name`.
    pub fn has_children(&self, name: &str) -> bool {
        let below = format!("{}{}", names::folded(name), names::SEPARATOR);
        self.names
            .range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded))
            .next()
            .is_some_and(|(name, _)| name.starts_with(&below))
    }
    /// Mailboxes, the levels above them and subscriptions, ascending by name.
    pub fn tree(&self) -> Vec<Level> {
        let mut levels: BTreeMap<Rc<str>, Level> = BTreeMap::new();
        let level = |name: &str| Level {
            name: name.into(),
            mailbox: None,
            exists: true,
            has_children: false,
            subscribed: false,
        };
        for (name, id) in &self.names {
            levels.entry(name.clone()).or_insert_with(|| level(name)).mailbox = Some(*id);
            for above in names::ancestors(name) {
                levels.entry(above.into()).or_insert_with(|| level(above)).has_children = true;
            }
        }
        for name in &self.subscriptions {
            levels.entry(name.clone()).or_insert_with(|| Level { exists: false, ..level(name) }).subscribed =
                true;
        }
        levels.into_values().collect()
    }
    /// Facts of a message, also when no mailbox holds it any more; `None` for a number that was never given out.
    pub fn facts(&self, message: MessageNumber) -> Option<MessageFacts> {
        self.messages.get(message)
    }
    /// The number that the next message gets; all that were given out are below it.
    pub fn next_message(&self) -> MessageNumber {
        self.messages.next()
    }
    /// Messages with numbers from `from` on, ascending, whether or not a mailbox still holds them.
    pub fn messages_from(
        &self,
        from: MessageNumber,
    ) -> impl Iterator<Item = (MessageNumber, MessageFacts)> + '_ {
        self.messages.iter_from(from)
    }
    /// Annotations of the account (RFC 5464).
    pub fn annotations(&self) -> &Annotations {
        &self.annotations
    }
    /// The texts of documents in messages.
    pub fn documents(&self) -> &DocumentTable {
        &self.documents
    }
    /// Notified after each applied commit that adds texts of documents, or forgets them.
    pub fn documents_changed(&self) -> &Event {
        &self.documents_changed
    }
    /// Notified after each applied commit that creates, deletes or renames mailboxes or changes subscriptions or annotations.
    pub fn changed(&self) -> &Event {
        &self.changed
    }
}
