//! The words of the store as types: values that cannot be wrong once they exist.
//!
//! Not here: anything that knows a wire form (IMAP syntax lives in the server) or a byte form (`codec`).

use crate::log::Address;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(/// A shard: the unit of ownership, log and recovery. Dense from 0.
    ShardId(u16));
id!(/// An account, unique in the store, never used again.
    AccountId(u32));
id!(/// A mailbox, unique within its account, never used again (a renamed mailbox keeps it).
    MailboxId(u32));
id!(/// Dense number of a message within its account; what mailbox rows, bitmaps and the index hold.
    MessageNumber(u32));
id!(/// Log sequence number: a counter per shard, from 1, never an address.
    Lsn(u64));
id!(/// RFC 8474 EMAILID as recorded (shown as `M` and 16 hex digits).
    EmailId(u64));
id!(/// RFC 8474 THREADID as recorded (shown as `T` and 16 hex digits).
    ThreadId(u64));
id!(/// RFC 8474 MAILBOXID as recorded (shown as `F` and 16 hex digits).
    MailboxObjectId(u64));
id!(/// RFC 3501 2.3.1.1 unique identifier of a message in a mailbox; never 0.
    Uid(NonZeroU32));
id!(/// RFC 3501 2.3.1.1 UIDVALIDITY; every new one of a name is greater than all before it.
    UidValidity(NonZeroU32));
id!(/// RFC 7162 mod-sequence: a counter per mailbox, at most 2^63 - 1.
    ModSeq(NonZeroU64));

/// Identifiers of RFC 8474 are unique in the store: neither accounts nor numbers within them are ever used again.
fn object_id(account: AccountId, number: u32) -> u64 {
    u64::from(account.0) << 32 | u64::from(number)
}
impl EmailId {
    /// What is recorded of a message.
    pub fn of(account: AccountId, message: MessageNumber) -> EmailId {
        EmailId(object_id(account, message.0))
    }
    /// The message, if it is one of the account.
    pub fn message(self, account: AccountId) -> Option<MessageNumber> {
        number_in(self.0, account)
    }
}
impl ThreadId {
    /// What is recorded of the messages of a thread with this first message.
    pub fn of(account: AccountId, first: MessageNumber) -> ThreadId {
        ThreadId(object_id(account, first.0))
    }
    /// The thread's first message, if it is one of the account.
    pub fn first(self, account: AccountId) -> Option<MessageNumber> {
        number_in(self.0, account)
    }
}
fn number_in(id: u64, account: AccountId) -> Option<MessageNumber> {
    (id >> 32 == u64::from(account.0)).then_some(MessageNumber(id as u32))
}
impl MailboxObjectId {
    /// What is recorded of a mailbox that is made.
    pub fn of(account: AccountId, mailbox: MailboxId) -> MailboxObjectId {
        MailboxObjectId(object_id(account, mailbox.0))
    }
}
impl Uid {
    pub const MIN: Uid = Uid(NonZeroU32::MIN);
    pub const MAX: Uid = Uid(NonZeroU32::MAX);
    pub fn new(n: u32) -> Option<Uid> {
        NonZeroU32::new(n).map(Uid)
    }
    pub fn get(self) -> u32 {
        self.0.get()
    }
}
impl UidValidity {
    pub fn new(n: u32) -> Option<UidValidity> {
        NonZeroU32::new(n).map(UidValidity)
    }
    pub fn get(self) -> u32 {
        self.0.get()
    }
}
impl ModSeq {
    pub const FIRST: ModSeq = ModSeq(NonZeroU64::MIN);
    pub fn new(n: u64) -> Option<ModSeq> {
        NonZeroU64::new(n).map(ModSeq)
    }
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WallTime(pub i64);

/// INTERNALDATE: an instant and the zone it was written in, so that the written day is known
/// (BEFORE/ON/SINCE compare the day as written).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ZonedTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Minutes east of UTC, -1439..=1439.
    pub zone_minutes: i16,
}

impl ZonedTime {
    /// The day as written: days since 1970-01-01 in the written zone.
    pub fn day(self) -> i32 {
        (self.seconds + i64::from(self.zone_minutes) * 60).div_euclid(86_400) as i32
    }
}

/// Flags of one message in one mailbox: system flags in bits 0..8, keyword `k` of the mailbox's
/// keyword table in bit `8 + k`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u128);

impl Flags {
    pub const SEEN: Flags = Flags(1);
    pub const ANSWERED: Flags = Flags(1 << 1);
    pub const FLAGGED: Flags = Flags(1 << 2);
    pub const DELETED: Flags = Flags(1 << 3);
    pub const DRAFT: Flags = Flags(1 << 4);
    pub const SYSTEM: Flags = Flags(0xff);
    /// Keywords that one mailbox can hold.
    pub const KEYWORDS_MAX: usize = 120;

    /// The flag of keyword `index`; `index` is below [`Flags::KEYWORDS_MAX`].
    pub fn keyword(index: usize) -> Flags {
        assert!(index < Self::KEYWORDS_MAX, "keyword index {index} out of range");
        Flags(1 << (8 + index))
    }
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
    /// Indexes of the keywords that are set, ascending.
    pub fn keywords(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0 >> 8;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let k = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                k
            })
        })
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#x})", self.0)
    }
}

/// RFC 6154 special uses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum SpecialUse {
    All = 0,
    Archive = 1,
    Drafts = 2,
    Flagged = 3,
    Junk = 4,
    Sent = 5,
    Trash = 6,
    Important = 7,
}

/// A set of special uses of one mailbox: bit `SpecialUse as u8`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SpecialUses(pub u8);

impl SpecialUses {
    pub const NONE: SpecialUses = SpecialUses(0);

    pub fn of(special: SpecialUse) -> SpecialUses {
        SpecialUses(1 << special as u8)
    }
    pub fn with(self, special: SpecialUse) -> SpecialUses {
        SpecialUses(self.0 | 1 << special as u8)
    }
    pub fn contains(self, special: SpecialUse) -> bool {
        self.0 & (1 << special as u8) != 0
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub fn iter(self) -> impl Iterator<Item = SpecialUse> {
        SpecialUse::ALL.into_iter().filter(move |special| self.contains(*special))
    }
}

impl SpecialUse {
    pub const ALL: [SpecialUse; 8] = [
        SpecialUse::All,
        SpecialUse::Archive,
        SpecialUse::Drafts,
        SpecialUse::Flagged,
        SpecialUse::Junk,
        SpecialUse::Sent,
        SpecialUse::Trash,
        SpecialUse::Important,
    ];
}

/// One message in one mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    pub uid: Uid,
    pub message: MessageNumber,
    pub flags: Flags,
    pub modseq: ModSeq,
    /// RFC 8514 SAVEDATE: seconds since 1970-01-01T00:00:00Z, when it came into this mailbox.
    pub save_date: u32,
}

/// What is kept in memory of a message, the same in every mailbox that holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageFacts {
    /// RFC822.SIZE: octets of the stored message.
    pub size: u32,
    pub internal: ZonedTime,
    /// Day of the Date: header as written, days since 1970-01-01; `None` when there is no usable one.
    pub sent_day: Option<i32>,
    /// Where the message record is.
    pub address: Address,
    /// First message of its thread, which may be itself (RFC 8474 5.2).
    pub thread: MessageNumber,
}

/// Totals of a mailbox (RFC 9051 6.3.11 STATUS).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub messages: u32,
    /// Messages without \Seen.
    pub unseen: u32,
    /// Messages with \Deleted.
    pub deleted: u32,
    /// Octets of all messages.
    pub size: u64,
    /// Octets of the messages with \Deleted.
    pub deleted_size: u64,
}
