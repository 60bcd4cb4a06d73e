//! The texts of documents in messages: their records, adding them, reading them.
//!
//! Not here: reading documents (the server has processes for it) and what kinds there are: a store keeps what they said. Texts are kept so that
//! whatever is derived from the log need not read documents again.

use std::ops::Range;

use super::message::Squeezer;
use super::read::not_content;
use super::{ChangeError, Shard};
use crate::codec::{BadBytes, Reader, Writer};
use crate::error::ReadError;
use crate::limits;
use crate::log::{Address, CommitKind, RecordType};
use crate::state::ops::Op;
use crate::types::{AccountId, EmailId, MessageNumber};

const VERSION: u8 = 1;
const CUT: u8 = 1;

/// A document in a message, and what came of reading it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    /// The part of the message, as FETCH names it.
    pub part: String,
    /// What it was taken for, and what came of it: numbers of whoever read it.
    pub kind: u8,
    pub outcome: u8,
    /// There was more text.
    pub cut: bool,
    pub text: String,
}

/// The payload of a Documents record (`FORMAT.md`).
pub struct DocumentsRecord(Vec<u8>);

impl DocumentsRecord {
    /// The documents of a message, in its order; compresses them, which takes time in proportion to their texts. Those that are more than
    /// fits (`limits::documents_bytes_max`) lose the end of their text and are marked as cut.
    pub fn new(email_id: EmailId, documents: &[Document]) -> DocumentsRecord {
        let mut room = limits::documents_bytes_max;
        let mut texts = Writer::new();
        let documents = &documents[..documents.len().min(limits::documents_per_message_max)];
        texts.count(documents.len());
        for document in documents {
            let part = &document.part[..document.part.floor_char_boundary(limits::document_part_bytes_max)];
            let text = &document.text[..document.text.floor_char_boundary(room)];
            room -= text.len();
            texts.str(part);
            texts.u8(document.kind);
            texts.u8(document.outcome);
            texts.u8(if document.cut || text.len() < document.text.len() { CUT } else { 0 });
            texts.str(text);
        }
        let mut squeezer = Squeezer::new();
        let mut out = Writer::new();
        out.u8(VERSION);
        out.u64(email_id.0);
        let pieces = texts.bytes.chunks(limits::chunk_raw_bytes_max);
        out.count(pieces.len());
        for piece in pieces {
            out.number(piece.len() as u32);
            out.bytes(&squeezer.squeeze(piece, None));
        }
        DocumentsRecord(out.bytes)
    }

    /// What it says: of which message, and its documents.
    ///
    /// # Errors
    /// Never, of one that was made here.
    pub fn decoded(&self) -> Result<(EmailId, Vec<Document>), BadBytes> {
        DocumentsRecord::decode(&self.0)
    }

    /// What the payload of a record says: of which message, and its documents.
    pub fn decode(payload: &[u8]) -> Result<(EmailId, Vec<Document>), BadBytes> {
        let mut input = Reader::new(payload);
        if input.u8()? != VERSION {
            return Err(BadBytes);
        }
        let email_id = EmailId(input.u64()?);
        let mut texts = Vec::new();
        let mut squeezer = Squeezer::new();
        for _ in 0..input.count(2)? {
            let raw_len = input.u32()?;
            squeezer.inflate(input.bytes()?, raw_len, None, &mut texts)?;
            if texts.len() > limits::documents_raw_bytes_max {
                return Err(BadBytes);
            }
        }
        input.end()?;
        let mut input = Reader::new(&texts);
        let documents =
            (0..input.count(5)?).map(|_| Document::decode(&mut input)).collect::<Result<_, _>>()?;
        input.end()?;
        Ok((email_id, documents))
    }
}

impl Document {
    fn decode(input: &mut Reader<'_>) -> Result<Document, BadBytes> {
        let (part, kind, outcome) = (input.str()?.to_owned(), input.u8()?, input.u8()?);
        let cut = match input.u8()? {
            0 => false,
            CUT => true,
            _ => return Err(BadBytes),
        };
        Ok(Document { part, kind, outcome, cut, text: input.str()?.to_owned() })
    }
}

impl Shard {
    /// Adds the documents of messages, which ascend, and says that all messages of `looked` were looked at. Messages that were looked at before
    /// are passed over. Where messages below `looked` were not looked at, since all was forgotten meanwhile, nothing is added and nothing said:
    /// they are looked at again from the first one on. All or none.
    pub async fn add_documents(
        &self,
        account: AccountId,
        found: Vec<(MessageNumber, DocumentsRecord)>,
        looked: Range<MessageNumber>,
    ) -> Result<(), ChangeError> {
        if !found.is_empty() {
            self.inner.log.pressure().await?;
        }
        self.turn(account).await;
        let log = &self.inner.log;
        log.begin_documented();
        let generation = log.generation();
        let ops = self.compute(account, |basis| {
            let known = basis.head.documents(basis.account);
            if known.seen < looked.start {
                return Ok(Vec::new());
            }
            let upto = looked.end.min(basis.head.next_message(basis.account));
            let mut records = Vec::with_capacity(found.len());
            for (message, record) in &found {
                let behind = records.last().is_none_or(|(last, _)| last < message);
                if behind && (known.seen..upto).contains(message) {
                    let (_, address) = log.put(RecordType::Documents, &record.0)?;
                    records.push((*message, address));
                }
            }
            let first = known.next_serial;
            if first.checked_add(records.len() as u32).is_none() {
                return Err(ChangeError::Exhausted);
            }
            let mut ops = Vec::new();
            if !records.is_empty() {
                ops.push(Op::Documents { first, records });
            }
            if upto > known.seen {
                ops.push(Op::DocumentsSeen { upto });
            }
            Ok(ops)
        })?;
        if ops.is_empty() {
            return Ok(());
        }
        let brings = ops.iter().any(|op| matches!(op, Op::Documents { .. }));
        let kind = if brings { CommitKind::Delivery } else { CommitKind::Housekeeping };
        self.enqueue(account, kind, generation, ops, None)?.await?;
        Ok(())
    }

    /// Forgets the texts of all documents of an account, so that they are read again.
    pub async fn forget_documents(&self, account: AccountId) -> Result<(), ChangeError> {
        self.turn(account).await;
        self.inner.log.begin_documented();
        self.compute(account, |_| Ok(()))?;
        self.change(account, vec![Op::DocumentsForgotten], None).await
    }

    /// The documents of a message; `address` is that of its Documents record.
    pub async fn read_documents(&self, address: Address) -> Result<Vec<Document>, ReadError> {
        Ok(self.read_documents_record(address).await?.1)
    }

    pub(crate) async fn read_documents_record(
        &self,
        address: Address,
    ) -> Result<(EmailId, Vec<Document>), ReadError> {
        let record = self.inner.log.read(address, 0).await?;
        if record.kind != RecordType::Documents {
            return Err(not_content(address)(BadBytes));
        }
        DocumentsRecord::decode(&record).map_err(not_content(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn document() -> impl Strategy<Value = Document> {
        let words = prop_oneof!["[a-z]{0,9}", "\\PC{0,40}", Just("lorem ipsum ".repeat(20_000))];
        ("[0-9.]{0,9}", any::<u8>(), any::<u8>(), any::<bool>(), words)
            .prop_map(|(part, kind, outcome, cut, text)| Document { part, kind, outcome, cut, text })
    }

    proptest! {
        #[test]
        fn documents_come_back(documents in prop::collection::vec(document(), 0..6), id: u64) {
            let DocumentsRecord(payload) = DocumentsRecord::new(EmailId(id), &documents);
            prop_assert_eq!(DocumentsRecord::decode(&payload), Ok((EmailId(id), documents)));
        }

        #[test]
        fn damaged_bytes_do_no_harm(
            documents in prop::collection::vec(document(), 0..3), at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
        ) {
            let DocumentsRecord(mut payload) = DocumentsRecord::new(EmailId(1), &documents);
            let at = at.index(payload.len());
            payload[at] = byte;
            let _ = DocumentsRecord::decode(&payload);
            let _ = DocumentsRecord::decode(&payload[..cut.index(payload.len())]);
        }
    }

    #[test]
    fn what_is_too_much_is_cut_and_fits_a_record() {
        let large = |n: u32| Document {
            // Hardly compressible.
            text: (0..limits::documents_bytes_max as u32 / 4)
                .map(|i| char::from(32 + (i.wrapping_mul(2_654_435_761 + n) >> 24) as u8 % 90))
                .collect(),
            part: "x".repeat(1_000),
            ..Document::default()
        };
        let many: Vec<Document> = (0..5).map(large).collect();
        let DocumentsRecord(payload) = DocumentsRecord::new(EmailId(7), &many);
        assert!(payload.len() <= limits::record_payload_bytes_max);
        let (_, found) = DocumentsRecord::decode(&payload).unwrap();
        assert_eq!(
            found.iter().map(|document| document.cut).collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
        assert_eq!(found[1].text, many[1].text);
        assert_eq!(
            found.iter().map(|document| document.text.len()).sum::<usize>(),
            limits::documents_bytes_max
        );
    }
}
