//! The document-level fields that are found by terms: a complete tantivy index of one segment whose files are pieces of the bundle.
//!
//! The lists of documents are inverted by the builder and written through tantivy's own serializer. Reading goes through a
//! directory over the mapping: no files, no locks, no threads, nothing that watches.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, RamDirectory, WatchCallback, WatchHandle,
    WritePtr,
};
use tantivy::index::SegmentReader;
use tantivy::postings::{BlockSegmentPostings, InvertedIndexSerializer, TermInfo};
use tantivy::schema::{BytesOptions, Field as SchemaField, Schema};
use tantivy::{
    Index, IndexSettings, InvertedIndexReader, SingleSegmentIndexWriter, TantivyDocument, TantivyError,
};

use super::bundle::{Bundle, Piece, Writer as BundleWriter};
use super::lists::{Form, List};
use super::terms::Field;
use super::{BuildError, Damaged};
use crate::bits::Bits;

/// Memory of tantivy's writer, which only counts empty documents.
const WRITER_BYTES: usize = 1 << 20;

const FILES: [(&str, Piece); 7] = [
    ("json", Piece::TantivyMeta),
    ("term", Piece::TantivyTerms),
    ("idx", Piece::TantivyPostings),
    ("pos", Piece::TantivyPositions),
    ("store", Piece::TantivyStore),
    ("fast", Piece::TantivyFast),
    ("fieldnorm", Piece::TantivyFieldNorms),
];

fn schema() -> (Schema, [SchemaField; 4]) {
    let mut schema = Schema::builder();
    let options = || BytesOptions::default().set_indexed();
    let fields = ["body", "head", "joint", "edge"].map(|name| schema.add_bytes_field(name, options()));
    (schema.build(), fields)
}

impl From<TantivyError> for BuildError {
    fn from(error: TantivyError) -> BuildError {
        BuildError::Tantivy(error.to_string())
    }
}

impl From<std::io::Error> for BuildError {
    fn from(error: std::io::Error) -> BuildError {
        BuildError::Tantivy(error.to_string())
    }
}

/// Lists of documents for one field: adds terms in rising order, each with its documents in rising order.
pub type AddLists<'a> = dyn FnMut(Field, &mut AddList<'_>) -> Result<(), BuildError> + 'a;
pub type AddList<'a> = dyn FnMut(&[u8], &[u16]) -> Result<(), BuildError> + 'a;

/// Writes the index of `docs` documents; `lists` is called once for each field.
pub fn write(docs: u32, lists: &mut AddLists<'_>, out: &mut BundleWriter) -> Result<(), BuildError> {
    let directory = RamDirectory::create();
    let (schema, fields) = schema();
    let settings =
        IndexSettings { docstore_compression: tantivy::store::Compressor::None, ..IndexSettings::default() };
    let mut writer: SingleSegmentIndexWriter = Index::builder()
        .schema(schema)
        .settings(settings)
        .single_segment_index_writer(directory.clone(), WRITER_BYTES)?;
    for _ in 0..docs {
        writer.add_document(TantivyDocument::new())?;
    }
    // A segment of empty documents; its postings are replaced by those of a second one.
    let index = writer.finalize()?;
    let shell = index.searchable_segment_ids()?.first().map(|id| id.uuid_string()).unwrap_or_default();
    let segment = index.new_segment();
    let mut serializer = InvertedIndexSerializer::open(&segment)?;
    for (field, schema_field) in Field::ALL.into_iter().zip(fields) {
        let mut field_serializer = serializer.new_field(schema_field, 0, None)?;
        lists(field, &mut |term, list| {
            field_serializer.new_term(term, list.len() as u32, false)?;
            list.iter().for_each(|&doc| field_serializer.write_doc(u32::from(doc), 1, &[]));
            Ok(field_serializer.close_term()?)
        })?;
        field_serializer.close()?;
    }
    serializer.close()?;
    for (extension, piece) in FILES {
        let name = match piece {
            Piece::TantivyMeta => "meta.json".to_owned(),
            Piece::TantivyTerms | Piece::TantivyPostings | Piece::TantivyPositions => {
                format!("{}.{extension}", segment.id().uuid_string())
            }
            _ => format!("{shell}.{extension}"),
        };
        let path = Path::new(&name);
        let bytes = directory.atomic_read(path).map_err(|error| BuildError::Tantivy(error.to_string()))?;
        directory.delete(path).map_err(|error| BuildError::Tantivy(error.to_string()))?;
        out.piece(piece, &bytes);
    }
    Ok(())
}

/// Reader of the document-level fields.
pub struct Inverted {
    fields: [Arc<InvertedIndexReader>; 4],
}

impl Inverted {
    pub fn open(bundle: &Bundle) -> Result<Inverted, Damaged> {
        let files = FILES.iter().map(|(extension, piece)| (*extension, bundle.piece(*piece))).collect();
        Inverted::of(files, bundle.docs)
    }

    fn of(files: Vec<(&'static str, OwnedBytes)>, docs: u32) -> Result<Inverted, Damaged> {
        let open = || -> tantivy::Result<Option<Inverted>> {
            let index = Index::open(Files(Arc::new(files)))?;
            let (expected, fields) = schema();
            let segments = index.searchable_segments()?;
            let [segment] = &segments[..] else { return Ok(None) };
            if index.schema() != expected || segment.meta().max_doc() != docs {
                return Ok(None);
            }
            let reader = SegmentReader::open(segment)?;
            let [body, head, joint, edge] = fields;
            let field = |field| reader.inverted_index(field);
            Ok(Some(Inverted { fields: [field(body)?, field(head)?, field(joint)?, field(edge)?] }))
        };
        open().ok().flatten().ok_or(Damaged("tantivy"))
    }

    fn field(&self, field: Field) -> &InvertedIndexReader {
        &self.fields[field as usize]
    }

    /// To read lists of a field; `records` are those of vocabulary entries.
    pub fn lists<'a>(&'a self, field: Field, records: (&'a Form, &'a [u8])) -> Lists<'a> {
        Lists { reader: self.field(field), blocks: BlockSegmentPostings::empty(), records }
    }

    pub fn find(&self, field: Field, term: &[u8]) -> Result<Option<Found>, Damaged> {
        let info = self.field(field).terms().get(term).map_err(|_| Damaged("terms"))?;
        Ok(info.map(Found::Term))
    }

    pub fn terms(
        &self,
        field: Field,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8], &Found) -> ControlFlow<()>,
    ) -> Result<(), Damaged> {
        let stream = self.field(field).terms().range().ge(prefix).into_stream();
        let mut stream = stream.map_err(|_| Damaged("terms"))?;
        while stream.advance() {
            if !stream.key().starts_with(prefix)
                || each(stream.key(), &Found::Term(stream.value().clone())).is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

/// Documents of one field that can be read.
#[derive(Clone, Debug)]
pub enum Found {
    /// Of a term.
    Term(TermInfo),
    /// Of a vocabulary entry.
    Entry(List),
}

impl Found {
    /// How many documents it has.
    pub fn frequency(&self) -> u32 {
        match self {
            Found::Term(info) => info.doc_freq,
            Found::Entry(list) => list.count(),
        }
    }
}

/// Reads many lists of one field, one after the other.
pub struct Lists<'a> {
    reader: &'a InvertedIndexReader,
    blocks: BlockSegmentPostings,
    records: (&'a Form, &'a [u8]),
}

impl Lists<'_> {
    /// Adds the documents to `bits`.
    #[inline]
    pub fn or_into(&mut self, found: &Found, bits: &mut Bits) -> Result<(), Damaged> {
        let info = match found {
            Found::Term(info) => info,
            Found::Entry(list) => {
                let (form, octets) = self.records;
                form.or_into(octets, *list, bits);
                return Ok(());
            }
        };
        let reset = self.reader.reset_block_postings_from_terminfo(info, &mut self.blocks);
        reset.map_err(|_| Damaged("postings"))?;
        loop {
            let docs = self.blocks.docs();
            if docs.is_empty() {
                return Ok(());
            }
            docs.iter().for_each(|&doc| bits.insert(doc));
            self.blocks.advance();
        }
    }
}

/// The files of the index, by extension: there is one of each kind.
#[derive(Clone, Debug)]
struct Files(Arc<Vec<(&'static str, OwnedBytes)>>);

impl Files {
    fn find(&self, path: &Path) -> Result<OwnedBytes, OpenReadError> {
        // The only file without a segment's id whose name has an extension of ours.
        let managed = path.as_os_str() == ".managed.json";
        let extension = path.extension().and_then(|extension| extension.to_str()).filter(|_| !managed);
        let found = self.0.iter().find(|(known, bytes)| Some(*known) == extension && !bytes.is_empty());
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))
    }
}

fn read_only() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, "segments are never written to")
}

impl Directory for Files {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(self.find(path)?))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.find(path).is_ok())
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        Ok(self.find(path)?.to_vec())
    }

    fn atomic_write(&self, _: &Path, _: &[u8]) -> std::io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _: &Lock) -> Result<DirectoryLock, LockError> {
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}
