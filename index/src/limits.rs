//! Every bound of this crate and its reason. Beyond a bound a message is still stored, read and searched; only
//! its structure is described more coarsely.

/// Levels of multipart and message/rfc822 nesting that are taken apart; what lies deeper is one text leaf.
/// Bounds the recursion of the parser and of everything that walks its tree.
pub const NESTING_DEPTH_MAX: usize = 100;

/// Parts of one message that are told apart; the last one holds the rest of its multipart.
pub const PARTS_MAX: usize = 20_000;

/// Bytes of ENVELOPE (and, apart from it, of BODYSTRUCTURE) after which strings and addresses are left out.
pub const SUMMARY_ITEM_BYTES_MAX: usize = 1 << 20;

/// Bytes of one string in ENVELOPE or BODYSTRUCTURE.
pub const SUMMARY_STRING_BYTES_MAX: usize = 64 << 10;

/// Bytes of the listed header fields that a summary keeps; longer ones are read from the header.
pub const LISTED_BYTES_MAX: usize = 4 << 10;

/// Bytes of a line in which the colon after a field name is looked for; a longer name is no name.
pub const LISTED_NAME_BYTES_MAX: usize = 1024;

/// Addresses of one header field that are parsed; the text of the whole field is searchable all the same.
pub const ADDRESSES_MAX: usize = 20_000;

/// Message ids taken from In-Reply-To and References for threading; the newest ones are kept.
pub const REFERENCES_MAX: usize = 1_000;

/// Octets of one header field that are decoded and parsed. A longer field is searched as it stands, and only its start is
/// read for structure, addresses and threading.
pub const FIELD_BYTES_MAX: usize = 1 << 20;

/// Octets of a message id that is kept for threading; RFC 5322 allows a line of 998.
pub const MESSAGE_ID_BYTES_MAX: usize = 1_000;

/// Parameters of one Content-Type or Content-Disposition field.
pub const PARAMETERS_MAX: usize = 500;

/// Bytes decoded between two looks at the stop flag; a few hundred microseconds of work.
pub const STEP_BYTES_MAX: usize = 32 << 10;

/// Open HTML elements; deeper tags are read as text without structure, so that no recursion follows the input.
pub const HTML_DEPTH_MAX: usize = 512;

/// Elements of one HTML part that become a tree, at most; bounds its memory to tens of megabytes.
pub const HTML_ELEMENTS_MAX: usize = 200_000;

/// Attributes of one HTML tag that are read.
pub const HTML_ATTRIBUTES_MAX: usize = 500;

/// Normalised text of one message that the index takes, in octets, texts of all kinds together. What is larger is always
/// answered by the scan, which needs no memory for it.
pub const PREPARED_BYTES_MAX: usize = 64 << 20;

/// Messages of one segment: document numbers fit into 16 bits while a segment is built, and a bit per message stays small
/// enough (8 KB) for a query to hold many of them.
pub const SEGMENT_MESSAGES_MAX: usize = 60 << 10;

/// Normalised text in one segment, in octets, where there is memory for it. Keeps what is read and written for one segment in a few
/// hundred megabytes.
pub const SEGMENT_TEXT_BYTES_MAX: usize = 512 << 20;

/// Memory held by a builder after which it takes no further message, where there is memory for it (`account/bounds.rs`); one message of
/// [`PREPARED_BYTES_MAX`] may exceed it.
pub const SEGMENT_BUILD_BYTES_MAX: usize = 896 << 20;

/// The same where memory is short.
pub const SEGMENT_BUILD_BYTES_MIN: usize = 160 << 20;

/// Steps of one search that a trace keeps: a program has few keys, an account few segments.
pub const TRACE_STEPS_MAX: usize = 10_000;

/// The most frequent vocabulary entries that a needle of one or two octets is looked for in before all others: the size of the
/// zones of short codes is a quarter of a segment's text and more.
pub const FREQUENT_TERMS_MAX: u32 = 2_048;

/// Terms of the document-level index that one filter of a search is gathered from, at most; more cost more than to verify.
pub const FILTER_WALK_TERMS_MAX: usize = 2_000;

/// Vocabulary entries that a part at the edge of a needle is looked up as, at most, if candidates are enough to pay for them.
pub const FILTER_FRAGMENT_TERMS_MAX: u64 = 2_000;

/// Vocabulary entries that a part at the edge of a needle can be, up to which those are sought that vary from message to message.
pub const SLOT_RANGE_MAX: usize = 20_000;

/// Of these, how many lists are put together at most; each costs about as much as looking through the literals of a message.
pub const SLOT_ENTRIES_MAX: usize = 4_000;

/// Vocabulary entries of a part at the left edge of a needle whose codes are told apart; more look like all codes.
pub const SIDE_TERMS_MAX: usize = 64;

const _: () = assert!(SEGMENT_MESSAGES_MAX < 1 << 16);
const _: () = assert!(PREPARED_BYTES_MAX < SEGMENT_TEXT_BYTES_MAX);
/// Messages without a segment from which one is built. Fewer are searched as they are, within milliseconds.
pub const INDEX_BUILD_MESSAGES: u64 = 512;

/// The same where memory is short: texts of more messages than that had to be given up, and would have to be made again for the next
/// search.
pub const INDEX_BUILD_PRESSED_MESSAGES: u64 = 64;

/// Octets of such messages, as stored, from which a segment is built.
pub const INDEX_BUILD_BYTES: u64 = 8 << 20;

/// Messages that one build takes: as many as a segment holds, so that what comes in bulk is written once and not merged.
pub const INDEX_BATCH_MESSAGES_MAX: usize = SEGMENT_MESSAGES_MAX;

/// Octets of messages that are read together for a build; one message may pass it.
pub const INDEX_READ_BYTES_MAX: u64 = 1 << 20;

/// Octets of a message that is prepared for the index at all; a larger one is always scanned. It is read whole, so this
/// bounds memory.
pub const INDEX_MESSAGE_BYTES_MAX: u32 = 256 << 20;

/// Segments of an account that may wait for a merge while there is a tail to build.
pub const SEGMENTS_WAITING_MAX: usize = 64;

/// Bytes of the texts of uncovered messages that an account keeps in memory.
pub const TAIL_BYTES_MAX: usize = 32 << 20;

/// Bytes of a manifest; a segment takes about 60.
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// Bytes at either end of a segment file that are compared with the manifest whenever it is opened: they hold its header and
/// the checksums of everything else.
pub const INDEX_END_BYTES: usize = 4 << 10;

/// Bytes of a file with what SORT and THREAD compare of 16,384 messages: mostly three million. Where there is more, it is read from
/// summaries.
pub const SAVED_ENTRIES_BYTES_MAX: usize = 32 << 20;

/// Summaries that are read at once for such a file.
pub const SAVED_READ_MESSAGES: usize = 256;

/// Bytes of an index file that are written, read or summed up between two looks at the stop flag.
pub const INDEX_FILE_STEP_BYTES: usize = 1 << 20;

/// Characters of the longest word that others may be spelled like (FUZZY).
pub const SIMILAR_WORD_CHARS_MAX: usize = 40;

/// Words of one half of a word that are looked at in a segment, which takes some milliseconds.
pub const SIMILAR_LOOKED_AT_MAX: usize = 20_000;

/// Bytes searched for one needle between two looks at the stop flag: well below a millisecond.
pub const MATCH_STEP_BYTES_MAX: usize = 1 << 20;

/// Octets of text that are taken from one document; the rest is left out, and that it was is told.
pub const DOCUMENT_TEXT_BYTES_MAX: usize = 4 << 20;

/// Entries of the archive that an office document is. Theirs have some dozens, a presentation with many pictures some hundreds.
pub const DOCUMENT_ENTRIES_MAX: usize = 20_000;

/// Octets that one entry may have when it is inflated. They are read as a stream; a sheet of a million rows has about a hundred million.
pub const DOCUMENT_ENTRY_BYTES_MAX: u64 = 512 << 20;

/// Octets of all entries that are read of one document, inflated.
pub const DOCUMENT_INFLATED_BYTES_MAX: u64 = 1 << 30;

/// Octets of an entry that has to be read whole: relations between parts.
pub const DOCUMENT_WHOLE_ENTRY_BYTES_MAX: u64 = 4 << 20;

/// Octets of one tag or one text between tags, which are held in memory.
pub const DOCUMENT_XML_EVENT_BYTES_MAX: usize = 16 << 20;

/// Elements of XML inside each other; what is deeper is no document of anybody's.
pub const DOCUMENT_XML_DEPTH_MAX: usize = 10_000;

/// Octets of the strings that the cells of a workbook share.
pub const DOCUMENT_SHARED_STRINGS_BYTES_MAX: usize = 32 << 20;

/// Strings that the cells of a workbook share.
pub const DOCUMENT_SHARED_STRINGS_MAX: usize = 4 << 20;

/// Octets of an HTML document of which a tree is made.
pub const DOCUMENT_HTML_BYTES_MAX: usize = 16 << 20;

/// Groups of RTF inside each other whose properties are kept apart.
pub const DOCUMENT_RTF_DEPTH_MAX: usize = 10_000;

/// Fonts of an RTF document whose charset is remembered.
pub const DOCUMENT_RTF_FONTS_MAX: usize = 10_000;

/// Octets of one stream of a PDF document, inflated.
pub const DOCUMENT_PDF_STREAM_BYTES_MAX: usize = 64 << 20;

/// Forms inside each other on a page of a PDF document.
pub const DOCUMENT_PDF_FORM_DEPTH_MAX: usize = 12;

/// Operators of all pages and forms of a PDF document together. A dense page has some ten thousand.
pub const DOCUMENT_PDF_OPERATORS_MAX: u64 = 50_000_000;

/// Codes of one font of a PDF document whose meaning is kept.
pub const DOCUMENT_PDF_CODES_MAX: usize = 1 << 17;

/// Fonts of a PDF document that are kept between pages.
pub const DOCUMENT_PDF_FONTS_MAX: usize = 1_000;

const _: () = assert!(NESTING_DEPTH_MAX < PARTS_MAX);
const _: () = assert!(MESSAGE_ID_BYTES_MAX < FIELD_BYTES_MAX);
const _: () = assert!(SUMMARY_STRING_BYTES_MAX < SUMMARY_ITEM_BYTES_MAX);
const _: () = assert!(INDEX_BATCH_MESSAGES_MAX <= SEGMENT_MESSAGES_MAX);
const _: () = assert!(INDEX_BUILD_MESSAGES <= INDEX_BATCH_MESSAGES_MAX as u64);
const _: () = assert!(INDEX_BUILD_PRESSED_MESSAGES < INDEX_BUILD_MESSAGES);
const _: () = assert!(DOCUMENT_ENTRY_BYTES_MAX <= DOCUMENT_INFLATED_BYTES_MAX);
