//! Every bound of the store and its reason; unit last in the name. Relations are checked at compile time.

#![allow(non_upper_case_globals, reason = "bounds are written in the same form everywhere, unit last")]

/// Alignment of batches, and the size of a segment's header block, in bytes. The largest sector and page size in
/// use, so that no block with acknowledged data is written again.
pub const block_bytes: u64 = 4096;
/// Payload of one record. A chunk is at most 128 KiB of raw text; commits of very large STOREs are the largest.
pub const record_payload_bytes_max: usize = 16 << 20;
/// Default size at which a segment is sealed.
pub const segment_bytes_default: u64 = 64 << 20;
/// Smallest configurable segment (tests): the header block and one block.
pub const segment_bytes_min: u64 = 2 * block_bytes;
/// Largest configurable segment: offsets are u32 and a last record may pass the size.
pub const segment_bytes_max: u64 = 1 << 30;
/// Bytes waiting to be written at which `Log::pressure` holds producers back.
pub const log_pending_bytes_max: usize = 8 << 20;
/// Bytes of records without a commit at which they are written out early, unsynced.
pub const log_flush_bytes: usize = 1 << 20;
/// One write to the disk.
pub const log_write_bytes_max: usize = 4 << 20;
/// Default space kept for changes that free space or cost almost none when the disk is full.
pub const log_reserve_bytes_default: u64 = 16 << 20;
/// Neighbouring records nearer than this are read together.
pub const read_gap_bytes_max: u32 = 64 << 10;
/// One coalesced read.
pub const read_run_bytes_max: u32 = 1 << 20;
/// Segment files kept open for reading, per log.
pub const segments_open_max: usize = 64;
/// One read of recovery.
pub const recovery_read_bytes: usize = 1 << 20;
/// Requests in flight in one `BatchReader`.
pub const batch_queue_entries: u32 = 64;
/// Files kept open by one `BatchReader` or one `BlockingDisk`.
pub const files_open_max: usize = 64;

/// Size at which a segment of the directory is sealed.
pub const directory_segment_bytes: u64 = 16 << 20;
/// Bytes of a user's name.
pub const user_name_bytes_max: usize = 255;
/// UIDVALIDITYs that one commit reserves; what is left of them at a restart is skipped.
pub const uid_validities_per_reservation: u32 = 1_000;
/// Bytes of a mailbox name: what fits any client's and any file system's idea of one.
pub const mailbox_name_bytes_max: usize = 1_000;
/// Levels of a mailbox name.
pub const mailbox_name_levels_max: usize = 32;
/// Mailboxes of an account.
pub const mailboxes_per_account_max: usize = 10_000;
/// Bytes of a keyword (RFC 9051 `flag-keyword`).
pub const keyword_bytes_max: usize = 255;
/// Subscriptions of an account.
pub const subscriptions_per_account_max: usize = 20_000;
/// Annotations of an account (RFC 5464 4.1 asks for 10 at least), all of which are kept in memory.
pub const annotations_per_account_max: usize = 256;
/// Bytes of an annotation's value (RFC 5464 4.1 asks for 1,024 at least).
pub const annotation_bytes_max: usize = 8 << 10;
/// Bytes of an annotation's name.
pub const annotation_name_bytes_max: usize = 255;
/// Names without a mailbox whose last UIDVALIDITY an account remembers one by one.
pub const former_names_max: usize = 10_000;
/// Ranges of expunged UIDs that a mailbox remembers (16 bytes each).
pub const expunged_ranges_max: usize = 16_384;
/// Commits whose changes a mailbox remembers to answer `changes_since` without a scan.
pub const journal_commits_max: usize = 128;
/// UID ranges in them, all together.
pub const journal_ranges_max: usize = 1_024;
/// Bytes of a checkpoint that are written at once.
pub const checkpoint_write_bytes: usize = 64 << 10;
/// Bytes of a checkpoint that are read at once.
pub const checkpoint_read_bytes: usize = 256 << 10;
/// Bytes of a frame of a checkpoint: the longest holds the names of an account.
pub const checkpoint_frame_bytes_max: usize = 64 << 20;
/// Messages that a check reads together.
pub const check_batch_messages: usize = 256;
/// Problems that a check describes; more are counted.
pub const check_problems_max: usize = 10_000;
/// A checkpoint is written after so many times its own size of log, so that it costs an eighth of what is written.
pub const checkpoint_log_ratio: u64 = 8;
/// But not after less log than this: small shards would write one after the other.
pub const checkpoint_log_bytes_least: u64 = 16 << 20;
/// Bytes of log after which a checkpoint is written at the latest, by default.
pub const checkpoint_log_bytes_default: u64 = 256 << 20;
/// Raw bytes of a chunk of message content.
pub const chunk_raw_bytes_max: usize = 128 * 1024;
/// Bytes of a trained dictionary. Twice or half as many made generated mail less than 1 % smaller or larger.
pub const dictionary_bytes_max: usize = 64 << 10;
/// Payload of its record.
pub const dictionary_record_bytes_max: usize = dictionary_bytes_max + 9;
/// Bytes of samples that a dictionary is trained from, by default, kept in memory until they are complete; five times as many
/// made mail 1 % smaller.
pub const dictionary_sample_bytes_default: usize = 2 << 20;
/// Samples are at least so many times as large as what is trained from them.
pub const dictionary_sample_ratio_min: usize = 16;
/// Bytes that are taken of a header or a body as a sample: what is behind them gains little.
pub const dictionary_sample_piece_bytes: usize = 8 << 10;
/// How many times as long the log has to be as when its dictionary was trained, before another is.
pub const dictionary_retrain_growth: u64 = 16;
/// Segments on either side in which a dictionary is looked for when a segment's own cannot be read.
pub const dictionary_neighbours_max: u32 = 8;
/// Bytes that a message's header may have; what follows is taken for body. Two chunks.
pub const header_bytes_max: usize = 256 * 1024;
/// Bytes of a message.
pub const message_bytes_max: u64 = 1 << 30;
/// Bytes of a summary.
pub const summary_bytes_max: usize = 4 << 20;
/// Bytes of text of all documents of a message together; what is more is cut.
pub const documents_bytes_max: usize = 4 << 20;
/// Documents of a message; more are passed over.
pub const documents_per_message_max: usize = 256;
/// Bytes of the name of a part.
pub const document_part_bytes_max: usize = 128;
/// Bytes of a message's documents with what is said of them.
pub const documents_raw_bytes_max: usize =
    documents_bytes_max + documents_per_message_max * (document_part_bytes_max + 16) + 16;
/// Messages that one commit adds documents of.
pub const documents_messages_max: usize = 1_024;
/// Messages that one APPEND can bring (MULTIAPPEND).
pub const messages_per_append_max: usize = 10_000;

const _: () = {
    assert!(block_bytes.is_power_of_two());
    assert!(segment_bytes_default >= segment_bytes_min && segment_bytes_default <= segment_bytes_max);
    assert!(segment_bytes_max + record_payload_bytes_max as u64 + 2 * block_bytes < u32::MAX as u64);
    assert!(log_flush_bytes <= log_pending_bytes_max);
    assert!(header_bytes_max.is_multiple_of(chunk_raw_bytes_max));
    assert!(message_bytes_max < u32::MAX as u64, "sizes are kept in four bytes");
    assert!(
        chunk_raw_bytes_max < record_payload_bytes_max && 2 * summary_bytes_max < record_payload_bytes_max
    );
    assert!(documents_raw_bytes_max + (64 << 10) < record_payload_bytes_max);
    assert!(read_gap_bytes_max <= read_run_bytes_max);
    let annotations = annotations_per_account_max * (annotation_bytes_max + annotation_name_bytes_max + 16);
    assert!(annotations < record_payload_bytes_max && record_payload_bytes_max <= checkpoint_frame_bytes_max);
};
