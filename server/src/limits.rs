//! Every bound of the server that an operator has no reason to change, with its reason; the others are settings.
//!
//! The unit is last in each name. What must hold between limits is asserted at compile time.

use std::time::Duration;

// --- authentication

/// Longest user name, in bytes after preparation.
pub const USER_NAME_BYTES_MAX: usize = 255;
/// Longest password, in bytes; bounds the work of preparing and hashing it.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Users whose right password is remembered.
pub const AUTH_CACHE_ENTRIES_MAX: usize = 8192;
/// Addresses, and users, whose failures are remembered.
pub const AUTH_THROTTLE_KEYS_MAX: usize = 16 * 1024;
/// The first delay after the free failures; it doubles from there.
pub const AUTH_DELAY_FIRST_MS: u64 = 250;
/// An attempt that would have to wait longer than this is refused at once.
pub const AUTH_THROTTLE_WAIT_MAX_MS: u64 = 30_000;
/// Wrong passwords from one address that cost no delay.
pub const AUTH_ADDRESS_FREE_FAILURES: u32 = 10;
/// Longest delay between two attempts from one address.
pub const AUTH_ADDRESS_DELAY_MAX_MS: u64 = 10_000;
/// Wrong passwords for one user that cost no delay.
pub const AUTH_USER_FREE_FAILURES: u32 = 3;
/// Longest delay between two attempts for one user; short, because others can cause it.
pub const AUTH_USER_DELAY_MAX_MS: u64 = 4_000;

const _: () = const { assert!(AUTH_ADDRESS_DELAY_MAX_MS < AUTH_THROTTLE_WAIT_MAX_MS) };
const _: () = const { assert!(AUTH_USER_DELAY_MAX_MS <= AUTH_ADDRESS_DELAY_MAX_MS) };

// --- connections

/// Plaintext that one TLS connection may hold for output, and again as much encrypted, before its producer waits.
pub const TLS_PLAINTEXT_BUFFER_BYTES_MAX: usize = 32 * 1024;
/// Connections that the kernel queues for one listener of one core.
pub const LISTEN_BACKLOG: i32 = 1024;
/// Pause after an accept that failed for want of descriptors or memory.
pub const ACCEPT_BACKOFF_MS: u64 = 100;

// --- executors

/// Memory that an executor registers for direct I/O; small, because the store reads and writes through the page cache.
pub const EXECUTOR_IO_MEMORY_BYTES: usize = 1 << 20;
/// Time slice of a task that yields, and how soon a waiting connection is served; 100 ms, glommio's own, would starve them.
pub const EXECUTOR_PREEMPT_MS: u64 = 1;
/// How often executors are woken from outside: the longest that a lost wake-up can cost while there is work.
pub const PACEMAKER_MS: u64 = 5;
/// The same while no executor has had any for a while.
pub const PACEMAKER_IDLE_MS: u64 = 100;
/// Rounds of [`PACEMAKER_MS`] without any work after which that is so: 0.2 s.
pub const PACEMAKER_QUIET_ROUNDS: u32 = 40;

/// Wakes that an executor may miss before it has run its first task; then its sleep is interrupted. Starting takes a few milliseconds.
pub const PACEMAKER_PATIENCE: u32 = 10;
/// A thread that had nothing to do for this long gives memory back that it does not use.
pub const MEMORY_IDLE_MS: u64 = 1_000;
/// How long freed memory is kept for the next who wants it; a thread that is idle gives its own back sooner.
pub const MEMORY_KEPT_MS: i64 = 10_000;
/// Shares of tasks that somebody waits for.
pub const EXECUTOR_INTERACTIVE_SHARES: usize = 1000;
/// Shares of the others.
pub const EXECUTOR_BACKGROUND_SHARES: usize = 100;
/// Visits (connections handed over, questions of other cores) that wait for one core.
pub const CORE_VISITS_MAX: usize = 1024;

const _: () = const { assert!(EXECUTOR_BACKGROUND_SHARES < EXECUTOR_INTERACTIVE_SHARES) };

// --- log of events

/// Lines that wait for standard error before more are dropped.
pub const LOG_QUEUE_LINES_MAX: usize = 4096;

// --- lanes

/// Searches that wait for lanes; more are refused. Lanes look through them for the next piece, under a lock that executors take too.
pub const SEARCH_QUEUE_JOBS_MAX: usize = 1024;
/// What they may hold; when it is reached further ones are refused. A search without an index holds 20 octets a message of its mailbox,
/// one with an index up to half an octet, and 16 for each text in memory, which it does not keep there; and its program.
pub const SEARCH_QUEUE_BYTES_MAX: usize = 64 << 20;
/// What a search holds whatever it looks at: its place in line, and what stands around its program.
pub const SEARCH_JOB_BYTES: usize = 4 << 10;
/// Searches of one account that wait, so that one cannot take the whole queue.
pub const SEARCH_QUEUE_ACCOUNT_JOBS_MAX: usize = 64;
/// Pieces that read nothing which lanes do one after the other before an account whose turn it is may read: quick ones come without
/// end where somebody searches without pause.
pub const SEARCH_QUICK_TURNS_MAX: usize = 4;
/// The same between two messages that a lane reads.
pub const SEARCH_QUICK_BETWEEN_MAX: usize = 2;
/// Jobs that wait for a lane that sorts and threads, over all cores; further ones wait for room.
pub const ARRANGE_QUEUE_JOBS_MAX: usize = 256;
/// What a message takes while it is sorted or threaded, about, and what all that one core holds for that may take together.
pub const ARRANGE_ITEM_BYTES: u64 = 128;
pub const ARRANGE_BUDGET_BYTES_MAX: u64 = 256 << 20;
/// Messages that are sorted, or threaded, without a lane: a tenth of a millisecond. A message may have a thousand references.
pub const SORT_INLINE_MESSAGES_MAX: usize = 512;
pub const THREAD_INLINE_MESSAGES_MAX: usize = 32;
/// Summaries that are read at once to be compared: about a millisecond.
pub const ARRANGE_BATCH_MESSAGES: usize = 256;
/// Octets of summaries after which others run: one with a thousand long references is a megabyte.
pub const ARRANGE_STEP_BYTES_MAX: usize = 256 << 10;
/// Summaries that a lane reads for one command before others have their turn: some milliseconds.
pub const ARRANGE_LANE_MESSAGES: usize = 2048;
/// Entries of a group of pages (16,384 messages) that are missing in memory for its file to be read, and that are missing in its file for
/// it to be written: reading the file takes as long as reading so many summaries.
pub const ARRANGE_SAVED_MESSAGES_MIN: u32 = 256;
/// Files with entries that wait to be written, and hold what goes into them, mostly three megabytes; others are written after a later
/// command.
pub const SAVING_QUEUE_JOBS_MAX: usize = 16;
/// Searches that wait for their account's index to be opened; more do without.
pub const INDEX_OPEN_QUEUE_MAX: usize = 1024;
/// Mappings of open indexes, over all accounts: a process may have 65,530, and others need some.
pub const INDEX_MAPS_MAX: usize = 16 * 1024;
/// Rows that are looked at for an indexing lane before others run.
pub const INDEX_WINDOW_MESSAGES: u32 = 64 * 1024;
/// Messages that wait for their analysis.
pub const ANALYSIS_QUEUE_JOBS_MAX: usize = 256;
/// Shards that wait for a dictionary; more wait outside, with their samples.
pub const TRAINING_QUEUE_JOBS_MAX: usize = 8;

// --- closing

/// How long the last words of a connection may take to be written.
pub const CLOSE_WAIT_MS: u64 = 2_000;
/// How long, and how much, is read and thrown away after them, so that no reset overtakes them.
pub const LINGER_MS: u64 = 500;
pub const LINGER_BYTES_MAX: usize = 64 * 1024;
/// How long sessions have for the commands they are in when the server stops.
pub const STOP_SESSIONS_MS: u64 = 2_500;
/// After this the process ends whatever still runs; what was acknowledged is durable.
pub const STOP_MS: u64 = 4_700;

/// How long indexing lanes are waited for: most of what they do ends at once.
pub const INDEX_STOP_MS: u64 = 1_000;

const _: () = const { assert!(STOP_SESSIONS_MS + INDEX_STOP_MS < STOP_MS) };

// --- control socket

/// Connections of the control socket that are open at once.
pub const CONTROL_CONNECTIONS_MAX: usize = 64;
/// Messages that one search over it shows, the characters of each of their fields, and the lines of one explanation about segments: an answer
/// is one line of bounded length.
pub const CONTROL_HITS_MAX: usize = 500;
pub const CONTROL_HIT_TEXT_CHARS_MAX: usize = 120;
pub const CONTROL_LINES_MAX: usize = 2_000;
/// Steps of one explanation, octets of all texts in it, and of a program in it.
pub const EXPLAIN_STEPS_MAX: usize = 400;
pub const EXPLAIN_TEXT_BYTES_MAX: usize = 200 << 10;
pub const EXPLAIN_PROGRAM_BYTES_MAX: usize = 4_096;

// --- figures over HTTP

/// Connections at once, octets of a request, and how long it may take with its answer.
pub const SCRAPE_CONNECTIONS_MAX: usize = 16;
pub const SCRAPE_REQUEST_BYTES_MAX: usize = 8 << 10;
pub const SCRAPE_TIME_MS: u64 = 10_000;

// --- wire

/// A client's tag. Real ones have under 20 characters; every error line repeats it.
pub const TAG_BYTES_MAX: usize = 256;

/// A command line without its literals, before login: LOGIN, AUTHENTICATE with its initial response.
pub const LINE_UNAUTHENTICATED_BYTES_MAX: usize = 16 << 10;
/// The same after login: UID sets of real clients reach some tens of kilobytes (RFC 7162 4 asks for 8 KiB at least).
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// A literal other than a message, before login: a user name or a password.
pub const LITERAL_UNAUTHENTICATED_BYTES_MAX: u64 = 4 << 10;
/// The same after login: a mailbox name, a search needle.
pub const LITERAL_BYTES_MAX: u64 = 64 << 10;
/// A non-synchronising literal before login, where LITERAL- is what is offered (RFC 7888 5).
pub const LITERAL_MINUS_BYTES_MAX: u64 = 4096;

/// A whole command with its literals, without a message.
pub const COMMAND_UNAUTHENTICATED_BYTES_MAX: usize = 32 << 10;
pub const COMMAND_BYTES_MAX: usize = 512 << 10;

/// Bytes that are read only to be thrown away to stay in step with a client that was refused; more is answered with BYE.
pub const DISCARD_UNAUTHENTICATED_BYTES_MAX: u64 = 1 << 20;
pub const DISCARD_BYTES_MAX: u64 = 256 << 20;

/// Ranges in one set.
pub const SET_RANGES_MAX: usize = 100_000;
/// Nesting of SEARCH keys: parentheses, NOT and OR.
pub const SEARCH_DEPTH_MAX: usize = 64;
/// Sources of one ESEARCH, and mailboxes that one of them names.
pub const SEARCH_SOURCES_MAX: usize = 64;
pub const SEARCH_MAILBOXES_MAX: usize = 4096;
/// Criteria of one SORT.
pub const SORT_CRITERIA_MAX: usize = 32;
/// Messages whose texts are looked at before all others where only the first or the last results are wanted. The first step takes about as long
/// as handing it to a lane.
pub const SEARCH_END_STEPS: [u32; 2] = [4096, 32_768];
/// The same of rows where no text is asked about: the first step is what is looked at before others run.
pub const SEARCH_STATE_END_STEPS: [u32; 2] = [SEARCH_WINDOW_MESSAGES as u32, 32_768];
/// Mailboxes that are searched together; each holds a view and what it found.
pub const SEARCH_TOGETHER_MAILBOXES_MAX: usize = 1024;
/// Mailboxes with no more messages than this are searched as one where many are searched: for larger ones what each costs by itself does not matter.
pub const SEARCH_JOINED_MESSAGES_MAX: u32 = SEARCH_WINDOW_MESSAGES as u32;
/// Mailboxes in one row of those, and messages from which on a row gets no other: mail that comes has one row made anew, some tenths of a millisecond.
pub const SEARCH_ROW_MAILBOXES: usize = 64;
pub const SEARCH_ROW_MESSAGES: u32 = 64 << 10;
/// What a core keeps of rows for the next search: some 16 octets a message, 150 a mailbox.
pub const SEARCH_ROWS_BYTES_MAX: usize = 32 << 20;
/// What looking at a mailbox costs in messages, for how much is done before others run.
pub const SEARCH_MAILBOX_COST: u32 = 64;
/// Words of a text in a FUZZY key that are looked for one by one (a text with more is looked for as it is written), and words of one command for
/// which others are looked up that are spelled like them.
pub const FUZZY_WORDS_MAX: usize = 16;
/// Keys that stand for the texts of FUZZY keys of one command; texts for which there is no room are looked for as they are written.
pub const FUZZY_KEYS_MAX: usize = 2_000;
/// Words that are looked for instead of one that is spelled like them.
pub const FUZZY_SIMILAR_WORDS_MAX: usize = 16;
/// Keys in one SEARCH, those of its filters included.
pub const SEARCH_KEYS_MAX: usize = 2_000;
/// Filters that stand in each other (RFC 5466 3.1 asks for 3 at least).
pub const FILTER_DEPTH_MAX: usize = 16;
/// A filter's name: as an entry it fits what the store takes.
pub const FILTER_NAME_BYTES_MAX: usize = 200;
/// Entries that one GETMETADATA names.
pub const METADATA_ENTRIES_MAX: usize = 1_000;
/// Those that one step looks up before others run: each can have all entries of an account below it.
pub const METADATA_STEP_ENTRIES: usize = 16;
/// Entries in one METADATA response: room is waited for between two.
pub const METADATA_RESPONSE_ENTRIES: usize = 16;
/// Items in one FETCH.
pub const FETCH_ITEMS_MAX: usize = 500;
/// Numbers in a part's path: deeper MIME is not reported either.
pub const PART_DEPTH_MAX: usize = 100;
/// Field names in HEADER.FIELDS.
pub const HEADER_FIELDS_MAX: usize = 1_000;
/// Flags in one STORE or APPEND.
pub const FLAGS_MAX: usize = 256;
/// A keyword's name.
pub const KEYWORD_BYTES_MAX: usize = 255;
/// Patterns in one LIST.
pub const LIST_PATTERNS_MAX: usize = 100;
/// Fields in one ID, and its strings (RFC 2971 3.3).
pub const ID_FIELDS_MAX: usize = 30;
pub const ID_FIELD_NAME_BYTES_MAX: usize = 30;
pub const ID_VALUE_BYTES_MAX: usize = 1024;
/// A mailbox name in UTF-8, all levels together, and its levels.
pub const MAILBOX_NAME_BYTES_MAX: usize = 1_000;
pub const MAILBOX_LEVEL_BYTES_MAX: usize = 250;
pub const MAILBOX_LEVELS_MAX: usize = 32;

const _: () = {
    assert!(LINE_UNAUTHENTICATED_BYTES_MAX <= COMMAND_UNAUTHENTICATED_BYTES_MAX);
    assert!(LINE_BYTES_MAX <= COMMAND_BYTES_MAX);
    assert!(LITERAL_BYTES_MAX as usize <= COMMAND_BYTES_MAX);
    assert!(LITERAL_UNAUTHENTICATED_BYTES_MAX <= LITERAL_MINUS_BYTES_MAX);
    assert!(LITERAL_BYTES_MAX < DISCARD_BYTES_MAX);
    assert!(TAG_BYTES_MAX < LINE_UNAUTHENTICATED_BYTES_MAX);
    assert!(MAILBOX_LEVEL_BYTES_MAX <= MAILBOX_NAME_BYTES_MAX);
    assert!(
        "/private/filters/descriptions/".len() + FILTER_NAME_BYTES_MAX
            <= trawl_store::limits::annotation_name_bytes_max
    );
    // What is too long for an entry still arrives, and is refused with what would do.
    assert!(trawl_store::limits::annotation_bytes_max < LITERAL_BYTES_MAX as usize);
};
// --- commands on messages

/// Messages that one step of FETCH or STORE answers before others run: a few hundred microseconds of work.
pub const FETCH_WINDOW_MESSAGES: usize = 256;
/// Bytes of a message that are read and sent at once; the size of a chunk in the store.
pub const FETCH_PIECE_BYTES: usize = 128 << 10;
/// A section up to this is decoded or selected from in memory; a larger one is run through twice instead.
pub const FETCH_TRANSFORM_BYTES_MAX: u64 = 256 << 10;
/// Messages whose headers are read in one batch are together no larger than this.
pub const FETCH_HEADER_BATCH_BYTES_MAX: u64 = 4 << 20;
/// Time after which a client that waits for a search is told that it goes on, and between two times (RFC 9585).
pub const INPROGRESS_MS: u64 = 10_000;
/// Messages whose state one step of SEARCH looks at before others run: about a hundred microseconds.
pub const SEARCH_WINDOW_MESSAGES: usize = 8192;
/// Messages in one APPEND: each holds its summary in memory until the commit.
pub const APPEND_MESSAGES_MAX: usize = 4096;

const _: () = assert!(FETCH_PIECE_BYTES as u64 <= FETCH_TRANSFORM_BYTES_MAX);

// --- work on the lanes

/// Messages whose texts are in memory that one step of a search looks at.
pub const SEARCH_PREPARED_MESSAGES: usize = 64;
/// Times that a search asks index and memory for messages of which the one before found nothing out; the last time it reads them.
pub const SEARCH_ATTEMPTS_MAX: u32 = 3;
/// Texts that one search may leave in memory for the next: messages, and their bytes as stored.
pub const SEARCH_KEPT_MESSAGES_MAX: usize = 8192;
pub const SEARCH_KEPT_BYTES_MAX: u64 = 32 << 20;
/// Messages that one search worker reads at once.
pub const SEARCH_BATCH_MESSAGES_MAX: usize = 64;
/// Bytes of messages that one search worker reads at once; a larger message is read alone.
pub const SEARCH_BATCH_BYTES_MAX: u64 = 4 << 20;
/// A message up to this is analysed on the executor: well under a scheduling slice.
pub const ANALYSE_INLINE_BYTES_MAX: u64 = 64 << 10;
/// Messages that one core holds for their analysis, together.
pub const ANALYSE_BUDGET_BYTES_MAX: u64 = 256 << 20;

/// Messages that a thread which reads documents asks for at once.
pub const DOCUMENTS_WINDOW_MESSAGES: usize = 1_024;
/// Of them, those whose summaries it reads at once.
pub const DOCUMENTS_READ_MESSAGES: usize = 64;
/// Messages with documents that are written down together; fewer when their texts are long.
pub const DOCUMENTS_COMMIT_MESSAGES: usize = 64;
/// Messages that wait, from which on those that no mailbox holds are passed over; finding out which costs more than reading a few.
pub const DOCUMENTS_LIVE_MESSAGES: usize = 256;
/// How long documents wait when what reads them is not there, or what they say cannot be written down, milliseconds.
pub const DOCUMENTS_RETRY_MS: u64 = 60_000;
/// How long the end waits for the threads that read documents, milliseconds.
pub const DOCUMENTS_STOP_MS: u64 = 2_000;
const _: () = assert!(ANALYSE_INLINE_BYTES_MAX < SEARCH_BATCH_BYTES_MAX);
// --- contexts (RFC 5267)

/// Searches of one session whose results are kept up to date. RFC 5267 4.3.1 wants one at least.
pub const CONTEXTS_MAX: usize = 32;
/// What they may hold together: a sorted result takes four octets a message and the bitmap that each has, an eighth of one to two.
pub const CONTEXTS_BYTES_MAX: u64 = 8 << 20;
/// The same for all sessions of a core.
pub const CONTEXTS_BUDGET_BYTES_MAX: u64 = 256 << 20;
/// Ranges of numbers in one response that tells of changes: some 20 KiB.
pub const CONTEXT_RESPONSE_RANGES_MAX: usize = 1_000;
/// How often messages are looked for that have become too old, or old enough, for OLDER and YOUNGER (RFC 5032 2).
pub const CONTEXT_AGES_MS: u64 = 60_000;
/// Tags in one CANCELUPDATE.
pub const CANCEL_TAGS_MAX: usize = 1_000;

const _: () = const { assert!(CONTEXTS_BYTES_MAX < CONTEXTS_BUDGET_BYTES_MAX) };

// --- sessions

/// Output that is pending before a handler waits for a slow reader: one response beyond it may be held.
pub const OUTPUT_PENDING_BYTES_MAX: usize = 64 * 1024;
/// An empty output buffer keeps no more than this, so that idle connections are small.
pub const OUTPUT_KEPT_BYTES_MAX: usize = 1024;
/// Input that is read ahead while a handler runs.
pub const INPUT_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// How often the end of a stream is looked for while its read-ahead is full.
pub const HANG_UP_LOOK_MS: u64 = 20;
/// One read from a connection; on the stack, so that an idle connection holds no buffer.
pub const INPUT_READ_BYTES: usize = 16 * 1024;
/// Wrong passwords on one connection before it is closed.
pub const LOGIN_FAILURES_MAX: u32 = 5;
/// Commands in a row that cannot be understood before the connection is closed, before login and after.
pub const BAD_COMMANDS_UNAUTHENTICATED_MAX: u32 = 5;
pub const BAD_COMMANDS_MAX: u32 = 50;
/// Characters of a LIST pattern, its reference included: no name is longer, wildcards add little.
pub const LIST_PATTERN_CHARS_MAX: usize = 2_000;
/// How long a connection that is to be closed may take to accept its last bytes.
pub const DRAIN_MS_MAX: u64 = 3_000;
/// Commands that take longer are logged even when commands are not.
pub const SLOW_COMMAND_MS: u64 = 1_000;

// --- documents

/// Documents that one process reads before it is started anew: what libraries keep and leak goes with it.
pub const DOCUMENT_WORKER_DOCUMENTS_MAX: u64 = 200;
/// Time for a process that reads documents to say that it is ready.
pub const DOCUMENT_WORKER_START_TIME: Duration = Duration::from_secs(30);
/// Time for such a process to end after it has closed its side.
pub const DOCUMENT_WORKER_END_TIME: Duration = Duration::from_secs(1);
/// Octets of what such a process says before it breaks down.
pub const DOCUMENT_WORKER_LAST_WORDS_BYTES_MAX: usize = 4 << 10;

const _: () = const { assert!(OUTPUT_KEPT_BYTES_MAX < OUTPUT_PENDING_BYTES_MAX) };
const _: () = const { assert!(INPUT_READ_BYTES <= INPUT_AHEAD_BYTES_MAX) };
const _: () = const { assert!(BAD_COMMANDS_UNAUTHENTICATED_MAX <= BAD_COMMANDS_MAX) };
