//! Bytes of messages into FETCH responses: whole when small, in pieces when large.
//!
//! Not here: where sections lie (`section`), what a client asked for (`plan`). What must hold: memory does
//! not depend on the size of a message; an item that cannot be read is left out whole, so
//! that a response stays valid IMAP; a literal has exactly the length it announced, or the connection ends.

use std::ops::Range;
use std::rc::Rc;

use futures_lite::future::yield_now;
use trawl_index::mime::Encoding;
use trawl_index::mime::transfer::Decoder;
use trawl_index::summary::Summary;
use trawl_store::error::ReadError;
use trawl_store::log::Address;
use trawl_store::shard::{MessageRecord, Shard};

use super::fields::{FieldSelector, Keep};
use super::partial::{Window, clip, show_nul};
use super::plan::{ContentItem, ContentKind};
use super::section::{Of, locate, locate_binary};
use super::transform::{CrlfLines, Measure, Transform};
use crate::limits::{FETCH_PIECE_BYTES, FETCH_TRANSFORM_BYTES_MAX};
use crate::response::encode;
use crate::response::output::Output;
use crate::response::status::Refusal;

/// The stored bytes of one message.
pub trait Bytes {
    /// Up to `len` bytes from `start` on, at least one unless the message ends there.
    fn read(&mut self, start: u64, len: usize) -> impl Future<Output = Result<Vec<u8>, ReadError>>;
}

/// A message in the store.
pub struct Stored<'a> {
    pub shard: &'a Shard,
    pub address: Address,
    /// Its header, when it was read with others.
    pub header: Option<Vec<u8>>,
    /// Its record, once something but the header was read.
    pub record: Option<MessageRecord>,
}

impl Bytes for Stored<'_> {
    async fn read(&mut self, start: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        if let Some(header) = &self.header
            && start + len as u64 <= header.len() as u64
        {
            let start = start as usize;
            return Ok(header[start..start + len].to_vec());
        }
        let record = match &mut self.record {
            Some(record) => record,
            none => none.insert(self.shard.read_message(self.address).await?),
        };
        self.shard.read_range_of(record, start, len).await
    }
}

/// A message that is open for reading.
pub struct OpenMessage<B> {
    pub summary: Rc<Summary>,
    pub bytes: B,
}

/// Why an item is not in the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Omitted {
    /// The store could not read it.
    Damaged(String),
    /// BINARY of an encoding nobody knows (RFC 9051 6.4.5): `NO [UNKNOWN-CTE]`.
    UnknownEncoding,
}

impl From<ReadError> for Omitted {
    fn from(error: ReadError) -> Omitted {
        Omitted::Damaged(error.to_string())
    }
}

/// How an item's bytes come about.
struct Source<'a> {
    range: Range<u64>,
    how: How<'a>,
}

enum How<'a> {
    /// As stored.
    Plain,
    Fields {
        names: &'a [Vec<u8>],
        keep: Keep,
        has_body: bool,
    },
    Decoded {
        encoding: Encoding,
        text: bool,
    },
}

impl How<'_> {
    fn transform(&self) -> Box<dyn Transform + '_> {
        match *self {
            How::Plain => Box::new(Decoding { decoder: Decoder::new(Encoding::Identity), lines: None }),
            How::Fields { names, keep, has_body } => Box::new(FieldSelector::new(names, keep, has_body)),
            How::Decoded { encoding, text } => {
                Box::new(Decoding { decoder: Decoder::new(encoding), lines: text.then(CrlfLines::default) })
            }
        }
    }
}

/// Transfer decoding, and line ends for text.
struct Decoding {
    decoder: Decoder,
    lines: Option<CrlfLines>,
}

impl Decoding {
    fn pass(&mut self, out: &mut Vec<u8>, decode: impl FnOnce(&mut Decoder, &mut Vec<u8>)) {
        match &mut self.lines {
            None => decode(&mut self.decoder, out),
            Some(lines) => {
                let mut decoded = Vec::new();
                decode(&mut self.decoder, &mut decoded);
                lines.push(&decoded, out);
            }
        }
    }
}

impl Transform for Decoding {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        self.pass(out, |decoder, decoded| decoder.push(input, decoded));
    }
    fn finish(&mut self, out: &mut Vec<u8>) {
        self.pass(out, |decoder, decoded| decoder.finish(decoded));
    }
}

impl<B: Bytes> OpenMessage<B> {
    /// Up to [`FETCH_PIECE_BYTES`] of the message from `range.start` on, and not beyond its end.
    async fn piece(&mut self, range: &Range<u64>) -> Result<Vec<u8>, ReadError> {
        let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(FETCH_PIECE_BYTES);
        self.bytes.read(range.start, len).await
    }

    fn source<'i>(&self, item: &'i ContentItem) -> Result<Option<Source<'i>>, Omitted> {
        let source = match &item.kind {
            ContentKind::Section(of) => locate(&self.summary, &item.path, *of)
                .map(|located| Source { range: located.range, how: How::Plain }),
            ContentKind::Fields { names, keep } => {
                locate(&self.summary, &item.path, Of::Header).map(|located| Source {
                    range: located.range,
                    how: How::Fields { names, keep: *keep, has_body: located.has_body },
                })
            }
            ContentKind::Binary => return self.binary_source(&item.path),
        };
        Ok(source)
    }

    fn binary_source(&self, path: &[u32]) -> Result<Option<Source<'static>>, Omitted> {
        let Some(part) = locate_binary(&self.summary, path) else { return Ok(None) };
        if part.encoding == Encoding::Unknown {
            return Err(Omitted::UnknownEncoding);
        }
        let how = How::Decoded { encoding: part.encoding, text: part.text };
        Ok(Some(Source { range: part.range, how }))
    }

    /// BINARY.SIZE: the decoded size; 0 for a part that is not there.
    pub async fn binary_size(&mut self, path: &[u32]) -> Result<u64, Omitted> {
        let Some(source) = self.binary_source(path)? else { return Ok(0) };
        if let How::Decoded { encoding: Encoding::Identity, text: false } = source.how {
            return Ok(source.range.end - source.range.start);
        }
        let mut measure = Measure::default();
        self.transformed(&source, Window::new(None), &mut |bytes| measure.add(bytes)).await?;
        Ok(measure.len)
    }

    /// Writes `label value`. `before` is pushed in front once it is certain that there is something to say.
    pub async fn write(
        &mut self,
        out: &Output,
        before: &[u8],
        item: &ContentItem,
    ) -> Result<Result<(), Omitted>, Refusal> {
        let source = match self.source(item) {
            Ok(Some(source)) => source,
            Ok(None) => {
                out.with(|buffer| begin(buffer, before, item, b" NIL"));
                return Ok(Ok(()));
            }
            Err(omitted) => return Ok(Err(omitted)),
        };
        match source.how {
            How::Plain => self.write_plain(out, before, item, source.range).await,
            _ if source.range.end - source.range.start <= FETCH_TRANSFORM_BYTES_MAX => {
                self.write_small(out, before, item, &source).await
            }
            _ => self.write_large(out, before, item, &source).await,
        }
    }

    /// As stored: the length is known, the bytes follow piece by piece.
    async fn write_plain(
        &mut self,
        out: &Output,
        before: &[u8],
        item: &ContentItem,
        range: Range<u64>,
    ) -> Result<Result<(), Omitted>, Refusal> {
        let mut left = clip(range, item.partial);
        let total = left.end - left.start;
        let mut announced = false;
        loop {
            let mut piece = Vec::new();
            if !left.is_empty() {
                piece = match self.piece(&left).await {
                    Ok(piece) if !piece.is_empty() => piece,
                    Ok(_) if announced => return Err(broken_literal("the message ends early")),
                    Ok(_) => return Ok(Err(Omitted::Damaged("the message ends early".into()))),
                    Err(error) if announced => return Err(broken_literal(&error.to_string())),
                    Err(error) => return Ok(Err(error.into())),
                };
                show_nul(&mut piece);
            }
            left.start += piece.len() as u64;
            out.with(|buffer| {
                if !announced {
                    begin(buffer, before, item, b" ");
                    begin_value(buffer, total, false);
                }
                buffer.extend_from_slice(&piece);
            });
            announced = true;
            if left.is_empty() {
                return Ok(Ok(()));
            }
            out.room().await?;
        }
    }

    /// Transformed in memory.
    async fn write_small(
        &mut self,
        out: &Output,
        before: &[u8],
        item: &ContentItem,
        source: &Source<'_>,
    ) -> Result<Result<(), Omitted>, Refusal> {
        let mut value = Vec::new();
        let mut measure = Measure::default();
        let window = Window::new(item.partial);
        let read = self.transformed(source, window, &mut |bytes| value.extend_from_slice(bytes)).await;
        if let Err(omitted) = read {
            return Ok(Err(omitted));
        }
        measure.add(&value);
        let binary = item.kind == ContentKind::Binary;
        if !binary {
            show_nul(&mut value);
        }
        out.with(|buffer| {
            begin(buffer, before, item, b" ");
            begin_value(buffer, measure.len, binary && measure.has_nul);
            buffer.extend_from_slice(&value);
        });
        Ok(Ok(()))
    }

    /// Transformed twice: to know the length, then to send the bytes.
    async fn write_large(
        &mut self,
        out: &Output,
        before: &[u8],
        item: &ContentItem,
        source: &Source<'_>,
    ) -> Result<Result<(), Omitted>, Refusal> {
        let mut measure = Measure::default();
        let counted =
            self.transformed(source, Window::new(item.partial), &mut |bytes| measure.add(bytes)).await;
        if let Err(omitted) = counted {
            return Ok(Err(omitted));
        }
        let binary = item.kind == ContentKind::Binary;
        out.with(|buffer| {
            begin(buffer, before, item, b" ");
            begin_value(buffer, measure.len, binary && measure.has_nul);
        });
        let mut window = Window::new(item.partial);
        let mut transform = source.how.transform();
        let mut left = source.range.clone();
        let mut shown = Vec::new();
        while !window.is_past() {
            let ended = left.is_empty();
            shown.clear();
            if ended {
                transform.finish(&mut shown);
            } else {
                let piece = self.piece(&left).await.map_err(|error| broken_literal(&error.to_string()))?;
                if piece.is_empty() {
                    return Err(broken_literal("the message ends early"));
                }
                left.start += piece.len() as u64;
                transform.push(&piece, &mut shown);
            }
            if !binary {
                show_nul(&mut shown);
            }
            out.push(window.of(&shown));
            out.room().await?;
            if ended {
                break;
            }
            yield_now().await;
        }
        Ok(Ok(()))
    }

    /// Runs the whole transformation and shows what lies in `window`, piece by piece.
    async fn transformed(
        &mut self,
        source: &Source<'_>,
        mut window: Window,
        show: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Omitted> {
        let mut transform = source.how.transform();
        let mut left = source.range.clone();
        let mut shown = Vec::new();
        while !left.is_empty() && !window.is_past() {
            let piece = self.piece(&left).await?;
            if piece.is_empty() {
                return Err(Omitted::Damaged("the message ends early".into()));
            }
            left.start += piece.len() as u64;
            shown.clear();
            transform.push(&piece, &mut shown);
            show(window.of(&shown));
            if !left.is_empty() {
                yield_now().await;
            }
        }
        shown.clear();
        transform.finish(&mut shown);
        show(window.of(&shown));
        Ok(())
    }
}

fn begin(buffer: &mut Vec<u8>, before: &[u8], item: &ContentItem, after: &[u8]) {
    buffer.extend_from_slice(before);
    buffer.extend_from_slice(&item.label);
    buffer.extend_from_slice(after);
}

/// What stands before the bytes of a value: a literal, a literal8 where NUL needs it, `""` for nothing.
fn begin_value(buffer: &mut Vec<u8>, len: u64, nul: bool) {
    if len == 0 {
        buffer.extend_from_slice(b"\"\"");
        return;
    }
    if nul {
        encode::literal8_header(buffer, len);
    } else {
        encode::literal_header(buffer, len);
    }
}

/// A literal that was announced cannot be finished: only the end of the connection says so.
fn broken_literal(error: &str) -> Refusal {
    tracing::error!(%error, "a message broke off while it was sent");
    Refusal::bye(crate::response::status::Code::Corruption, "A message could not be read to its end")
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
