//! The operations of a commit: what changes, in full, so that applying them needs no decision (`FORMAT.md`).
//!
//! Not here: deciding ([`crate::shard`]) and applying ([`super::apply`]). It holds: what decodes encodes to the same
//! bytes; bad bytes are an error, never a panic.

use crate::codec::{BadBytes, Reader, Writer};
use crate::log::Address;
use crate::types::{
    AccountId, Flags, MailboxId, MailboxObjectId, MessageFacts, MessageNumber, ModSeq, SpecialUses, Uid,
    UidValidity,
};
use crate::uid_set::UidSet;

/// Version of the encoding, the first byte of every commit's payload.
pub const VERSION: u8 = 1;

/// One operation on the account of the commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    AccountCreate {
        name: String,
    },
    AccountErase,
    MailboxCreate {
        mailbox: MailboxId,
        object_id: MailboxObjectId,
        name: String,
        uid_validity: UidValidity,
        special_uses: SpecialUses,
    },
    MailboxDelete {
        mailbox: MailboxId,
    },
    MailboxRename {
        mailbox: MailboxId,
        name: String,
        /// As before, unless the name has had a greater one.
        uid_validity: UidValidity,
    },
    Subscribe {
        name: String,
    },
    Unsubscribe {
        name: String,
    },
    /// New keywords of a mailbox, at the indexes from `first`.
    Keywords {
        mailbox: MailboxId,
        first: u32,
        names: Vec<String>,
    },
    Append {
        mailbox: MailboxId,
        modseq: ModSeq,
        save_date: u32,
        messages: Vec<Appended>,
    },
    /// References to messages that the account has. Row `n` gets UID `first + n`.
    Copy {
        mailbox: MailboxId,
        modseq: ModSeq,
        save_date: u32,
        first: Uid,
        rows: Vec<(MessageNumber, Flags)>,
    },
    /// The flags that the messages have now, grouped.
    Flags {
        mailbox: MailboxId,
        modseq: ModSeq,
        groups: Vec<(Flags, UidSet)>,
    },
    Expunge {
        mailbox: MailboxId,
        modseq: ModSeq,
        uids: UidSet,
    },
    /// UIDNEXT and HIGHESTMODSEQ become at least these (a restored store jumps past what it may have given out).
    Raise {
        mailbox: MailboxId,
        uid_next: Uid,
        modseq: ModSeq,
    },
    /// An annotation's value from now on; `None`: there is none.
    Annotate {
        name: String,
        value: Option<Vec<u8>>,
    },
    /// Messages below were looked at: those that have no entry have no documents.
    DocumentsSeen {
        upto: MessageNumber,
    },
    /// Texts of the documents in messages, ascending; they get serials from `first` on.
    Documents {
        first: u32,
        records: Vec<(MessageNumber, Address)>,
    },
    /// There are no texts of documents, and nothing was looked at.
    DocumentsForgotten,
}

/// A new message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appended {
    pub uid: Uid,
    pub message: MessageNumber,
    pub facts: MessageFacts,
    pub flags: Flags,
    /// Hashes that lead to the thread from now on.
    pub thread_hashes: Vec<u64>,
}

impl Op {
    /// The mailbox it touches.
    pub fn mailbox(&self) -> Option<MailboxId> {
        match self {
            Op::MailboxCreate { mailbox, .. }
            | Op::MailboxDelete { mailbox }
            | Op::MailboxRename { mailbox, .. }
            | Op::Keywords { mailbox, .. }
            | Op::Append { mailbox, .. }
            | Op::Copy { mailbox, .. }
            | Op::Flags { mailbox, .. }
            | Op::Expunge { mailbox, .. }
            | Op::Raise { mailbox, .. } => Some(*mailbox),
            Op::AccountCreate { .. }
            | Op::AccountErase
            | Op::Subscribe { .. }
            | Op::Unsubscribe { .. }
            | Op::Annotate { .. }
            | Op::DocumentsSeen { .. }
            | Op::Documents { .. }
            | Op::DocumentsForgotten => None,
        }
    }

    fn encode(&self, out: &mut Writer) {
        match self {
            Op::AccountCreate { name } => {
                out.u8(1);
                out.str(name);
            }
            Op::AccountErase => out.u8(2),
            Op::MailboxCreate { mailbox, object_id, name, uid_validity, special_uses } => {
                out.u8(3);
                out.number(mailbox.0);
                out.number(object_id.0);
                out.str(name);
                out.number(uid_validity.get());
                out.u8(special_uses.0);
            }
            Op::MailboxDelete { mailbox } => {
                out.u8(4);
                out.number(mailbox.0);
            }
            Op::MailboxRename { mailbox, name, uid_validity } => {
                out.u8(5);
                out.number(mailbox.0);
                out.str(name);
                out.number(uid_validity.get());
            }
            Op::Subscribe { name } => {
                out.u8(6);
                out.str(name);
            }
            Op::Unsubscribe { name } => {
                out.u8(7);
                out.str(name);
            }
            Op::Keywords { mailbox, first, names } => {
                out.u8(8);
                out.number(mailbox.0);
                out.number(*first);
                out.count(names.len());
                names.iter().for_each(|name| out.str(name));
            }
            Op::Append { mailbox, modseq, save_date, messages } => {
                out.u8(9);
                out.number(mailbox.0);
                out.modseq(*modseq);
                out.number(*save_date);
                out.count(messages.len());
                messages.iter().for_each(|message| message.encode(out));
            }
            Op::Copy { mailbox, modseq, save_date, first, rows } => {
                out.u8(10);
                out.number(mailbox.0);
                out.modseq(*modseq);
                out.number(*save_date);
                out.uid(*first);
                out.count(rows.len());
                let mut before = 0;
                for (message, flags) in rows {
                    out.signed(i64::from(message.0) - before);
                    out.flags(*flags);
                    before = i64::from(message.0);
                }
            }
            Op::Flags { mailbox, modseq, groups } => {
                out.u8(11);
                out.number(mailbox.0);
                out.modseq(*modseq);
                out.count(groups.len());
                for (flags, uids) in groups {
                    out.flags(*flags);
                    out.uids(uids);
                }
            }
            Op::Expunge { mailbox, modseq, uids } => {
                out.u8(12);
                out.number(mailbox.0);
                out.modseq(*modseq);
                out.uids(uids);
            }
            Op::Raise { mailbox, uid_next, modseq } => {
                out.u8(13);
                out.number(mailbox.0);
                out.uid(*uid_next);
                out.modseq(*modseq);
            }
            Op::Annotate { name, value: Some(value) } => {
                out.u8(14);
                out.str(name);
                out.bytes(value);
            }
            Op::Annotate { name, value: None } => {
                out.u8(15);
                out.str(name);
            }
            Op::DocumentsSeen { upto } => {
                out.u8(16);
                out.number(upto.0);
            }
            Op::Documents { first, records } => {
                out.u8(17);
                out.number(*first);
                out.count(records.len());
                let mut before = 0;
                for (message, address) in records {
                    out.signed(i64::from(message.0) - before);
                    out.address(*address);
                    before = i64::from(message.0);
                }
            }
            Op::DocumentsForgotten => out.u8(18),
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Op, BadBytes> {
        let mailbox = |input: &mut Reader<'_>| input.u32().map(MailboxId);
        Ok(match input.u8()? {
            1 => Op::AccountCreate { name: input.str()?.to_owned() },
            2 => Op::AccountErase,
            3 => Op::MailboxCreate {
                mailbox: mailbox(input)?,
                object_id: MailboxObjectId(input.number()?),
                name: input.str()?.to_owned(),
                uid_validity: input.uid_validity()?,
                special_uses: SpecialUses(input.u8()?),
            },
            4 => Op::MailboxDelete { mailbox: mailbox(input)? },
            5 => Op::MailboxRename {
                mailbox: mailbox(input)?,
                name: input.str()?.to_owned(),
                uid_validity: input.uid_validity()?,
            },
            6 => Op::Subscribe { name: input.str()?.to_owned() },
            7 => Op::Unsubscribe { name: input.str()?.to_owned() },
            8 => Op::Keywords {
                mailbox: mailbox(input)?,
                first: input.u32()?,
                names: (0..input.count(1)?).map(|_| Ok(input.str()?.to_owned())).collect::<Result<_, _>>()?,
            },
            9 => Op::Append {
                mailbox: mailbox(input)?,
                modseq: input.modseq()?,
                save_date: input.u32()?,
                messages: (0..input.count(11)?).map(|_| Appended::decode(input)).collect::<Result<_, _>>()?,
            },
            10 => {
                let (mailbox, modseq, save_date, first) =
                    (mailbox(input)?, input.modseq()?, input.u32()?, input.uid()?);
                let count = input.count(3)?;
                // The last row's UID must exist.
                first.get().checked_add(count.saturating_sub(1) as u32).ok_or(BadBytes)?;
                let mut before = 0i64;
                let mut rows = Vec::with_capacity(count);
                for _ in 0..count {
                    before = before.checked_add(input.signed()?).ok_or(BadBytes)?;
                    rows.push((MessageNumber(u32::try_from(before).map_err(|_| BadBytes)?), input.flags()?));
                }
                Op::Copy { mailbox, modseq, save_date, first, rows }
            }
            11 => Op::Flags {
                mailbox: mailbox(input)?,
                modseq: input.modseq()?,
                groups: (0..input.count(3)?)
                    .map(|_| Ok((input.flags()?, input.uids()?)))
                    .collect::<Result<_, _>>()?,
            },
            12 => Op::Expunge { mailbox: mailbox(input)?, modseq: input.modseq()?, uids: input.uids()? },
            13 => Op::Raise { mailbox: mailbox(input)?, uid_next: input.uid()?, modseq: input.modseq()? },
            14 => Op::Annotate { name: input.str()?.to_owned(), value: Some(input.bytes()?.to_owned()) },
            15 => Op::Annotate { name: input.str()?.to_owned(), value: None },
            16 => Op::DocumentsSeen { upto: MessageNumber(input.u32()?) },
            17 => {
                let first = input.u32()?;
                let count = input.count(3)?;
                first.checked_add(u32::try_from(count).map_err(|_| BadBytes)?).ok_or(BadBytes)?;
                let mut before = 0i64;
                let mut records = Vec::with_capacity(count);
                for _ in 0..count {
                    before = before.checked_add(input.signed()?).ok_or(BadBytes)?;
                    let message = MessageNumber(u32::try_from(before).map_err(|_| BadBytes)?);
                    records.push((message, input.address()?));
                }
                Op::Documents { first, records }
            }
            18 => Op::DocumentsForgotten,
            _ => return Err(BadBytes),
        })
    }
}

impl Appended {
    fn encode(&self, out: &mut Writer) {
        out.uid(self.uid);
        out.number(self.message.0);
        out.address(self.facts.address);
        out.number(self.facts.size);
        out.zoned(self.facts.internal);
        out.day(self.facts.sent_day);
        out.flags(self.flags);
        out.number(self.facts.thread.0);
        out.count(self.thread_hashes.len());
        self.thread_hashes.iter().for_each(|hash| out.u64(*hash));
    }

    fn decode(input: &mut Reader<'_>) -> Result<Appended, BadBytes> {
        let uid = input.uid()?;
        let message = MessageNumber(input.u32()?);
        let (address, size, internal, sent_day) =
            (input.address()?, input.u32()?, input.zoned()?, input.day()?);
        let (flags, thread) = (input.flags()?, MessageNumber(input.u32()?));
        Ok(Appended {
            uid,
            message,
            facts: MessageFacts { size, internal, sent_day, address, thread },
            flags,
            thread_hashes: (0..input.count(8)?).map(|_| input.u64()).collect::<Result<_, _>>()?,
        })
    }
}

/// The payload of a commit.
pub fn encode(account: AccountId, ops: &[Op]) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(VERSION);
    out.number(account.0);
    ops.iter().for_each(|op| op.encode(&mut out));
    out.bytes
}

/// The account and the operations of a commit's payload.
pub fn decode(bytes: &[u8]) -> Result<(AccountId, Vec<Op>), BadBytes> {
    let mut input = Reader::new(bytes);
    if input.u8()? != VERSION {
        return Err(BadBytes);
    }
    let account = AccountId(input.u32()?);
    let mut ops = Vec::new();
    while !input.is_empty() {
        ops.push(Op::decode(&mut input)?);
    }
    Ok((account, ops))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Address;
    use crate::types::ZonedTime;
    use proptest::prelude::*;

    fn uids() -> impl Strategy<Value = UidSet> {
        prop::collection::vec((1u32.., 0u32..50), 0..5).prop_map(|ranges| {
            let mut set = UidSet::new();
            for (low, len) in ranges {
                set.insert_range(Uid::new(low).unwrap(), Uid::new(low.saturating_add(len)).unwrap());
            }
            set
        })
    }

    fn op() -> impl Strategy<Value = Op> {
        let mailbox = any::<u32>().prop_map(MailboxId);
        let modseq = (1u64..).prop_map(|n| ModSeq::new(n).unwrap());
        let uid = (1u32..u32::MAX - 10).prop_map(|n| Uid::new(n).unwrap());
        let validity = (1u32..).prop_map(|n| UidValidity::new(n).unwrap());
        let flags = any::<u128>().prop_map(Flags);
        let number = any::<u32>().prop_map(MessageNumber);
        let zoned = (any::<i64>(), -1439i16..=1439);
        let facts = (any::<u32>(), zoned, any::<Option<i32>>(), any::<(u32, u32)>(), number.clone())
            .prop_map(|(size, (seconds, zone_minutes), sent_day, (segment, offset), thread)| MessageFacts {
                size,
                internal: ZonedTime { seconds, zone_minutes },
                sent_day,
                address: Address { segment, offset },
                thread,
            });
        let appended = (uid.clone(), number.clone(), facts, flags.clone(), any::<Vec<u64>>()).prop_map(
            |(uid, message, facts, flags, thread_hashes)| Appended {
                uid,
                message,
                facts,
                flags,
                thread_hashes,
            },
        );
        prop_oneof![
            any::<String>().prop_map(|name| Op::AccountCreate { name }),
            Just(Op::AccountErase),
            (mailbox.clone(), any::<u64>(), any::<String>(), validity.clone(), any::<u8>()).prop_map(
                |(mailbox, object, name, uid_validity, uses)| Op::MailboxCreate {
                    mailbox,
                    object_id: MailboxObjectId(object),
                    name,
                    uid_validity,
                    special_uses: SpecialUses(uses),
                }
            ),
            mailbox.clone().prop_map(|mailbox| Op::MailboxDelete { mailbox }),
            (mailbox.clone(), any::<String>(), validity)
                .prop_map(|(mailbox, name, uid_validity)| Op::MailboxRename { mailbox, name, uid_validity }),
            any::<String>().prop_map(|name| Op::Subscribe { name }),
            any::<String>().prop_map(|name| Op::Unsubscribe { name }),
            any::<(String, Option<Vec<u8>>)>().prop_map(|(name, value)| Op::Annotate { name, value }),
            (mailbox.clone(), any::<u32>(), any::<Vec<String>>())
                .prop_map(|(mailbox, first, names)| Op::Keywords { mailbox, first, names }),
            (mailbox.clone(), modseq.clone(), any::<u32>(), prop::collection::vec(appended, 0..4)).prop_map(
                |(mailbox, modseq, save_date, messages)| Op::Append { mailbox, modseq, save_date, messages }
            ),
            (
                mailbox.clone(),
                modseq.clone(),
                any::<u32>(),
                uid.clone(),
                prop::collection::vec((number, flags.clone()), 0..9)
            )
                .prop_map(|(mailbox, modseq, save_date, first, rows)| Op::Copy {
                    mailbox,
                    modseq,
                    save_date,
                    first,
                    rows
                }),
            (mailbox.clone(), modseq.clone(), prop::collection::vec((flags, uids()), 0..4))
                .prop_map(|(mailbox, modseq, groups)| Op::Flags { mailbox, modseq, groups }),
            (mailbox.clone(), modseq.clone(), uids()).prop_map(|(mailbox, modseq, uids)| Op::Expunge {
                mailbox,
                modseq,
                uids
            }),
            (mailbox, uid, modseq).prop_map(|(mailbox, uid_next, modseq)| Op::Raise {
                mailbox,
                uid_next,
                modseq
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(account: u32, ops in prop::collection::vec(op(), 0..6)) {
            let bytes = encode(AccountId(account), &ops);
            prop_assert_eq!(decode(&bytes), Ok((AccountId(account), ops)));
        }

        #[test]
        fn damaged_bytes_do_no_harm(ops in prop::collection::vec(op(), 0..6), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = encode(AccountId(1), &ops);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok((account, ops)) = decode(&bytes) {
                prop_assert_eq!(encode(account, &ops), bytes);
            }
        }
    }
}
