//! The commented configuration file that `trawl config show --template` prints: every key at its default.

/// Lines that begin with `#` and no space are keys at their defaults.
pub const TEMPLATE: &str = r##"# Configuration of trawl. Every key is shown with its default; remove the # to change it.
# Sizes: "512KiB", "64MiB", "100MB". Times: "250ms", "30s", "5m", "1h", "7d".
# Relative paths are relative to the folder of this file.

# Folder of the store; made by `trawl init`.
#store = "/var/lib/trawl"

[storage]
# Shards that `trawl init` makes; fixed afterwards. 0: eight, or one for each core where there are more.
#shards = 0
# Log that a shard writes before a new checkpoint, at the latest (sooner where checkpoints are small); bounds the time of a start.
#checkpoint_bytes = "64MiB"

[index]
# The search index. It is derived from the mail: its folder can be removed at any time and is made again. Without it every search
# over text reads the messages, and answers the same.
#enabled = true
# Memory that the indexes of all accounts which are in use may take together, beside the page cache; most of it is texts of messages
# that are in no index yet. A quarter as much may be taken besides by what SORT and THREAD compare of messages, and as much again, about,
# while indexes are made: with more memory an index has fewer and larger parts, which are searched faster.
# 0: an eighth of the machine's memory (or its cgroup's), at least 256 MiB.
#memory = "0"
# Threads that make indexes, at the lowest priority. 0: one for every two cores.
#lanes = 0

[documents]
# Text of attached documents: PDF, what office suites write (OpenDocument, Office Open XML), RTF, HTML, plain text. They are read by
# processes of their own, which may do nothing but that.
#enabled = true
# Such processes.
#workers = 1
# What one document may take: processor time (five times as much may pass), memory, text that is kept of it; larger documents are not
# looked at.
#time = "20s"
#memory = "256MiB"
#text = "4MiB"
#size = "64MiB"
# A Tika server that reads documents instead, and older formats besides ("http://localhost:9998"); "": none. It gets everybody's
# attachments, without TLS.
#tika = ""

[listen]
# IMAP with STARTTLS, and IMAP over TLS. An empty list switches a listener off.
# "[::]:143" serves IPv6 and IPv4.
#imap = ["0.0.0.0:143"]
#imaps = ["0.0.0.0:993"]

[tls]
# PEM files, both or neither. With neither the server makes a self-signed certificate.
#certificate = "fullchain.pem"
#key = "privkey.pem"

[auth]
# Allow passwords without TLS from addresses other than loopback.
#allow_cleartext_login = false
# argon2id parameters of new passwords.
#argon2_memory = "19MiB"
#argon2_passes = 2
#argon2_lanes = 1
# PBKDF2 iterations of new SCRAM-SHA-256 verifiers.
#scram_iterations = 15000
# Threads that check passwords, and logins that may wait for them.
#hashing_threads = 2
#hashing_queue_max = 256
# How long a right password is remembered in memory; 0: not at all.
#cache_life = "5m"
# Failed logins of an address within the window before more from it are refused.
#failures_max = 20
#failures_window = "5m"

[runtime]
# Executors, and threads for searches. 0: one for each core.
#cores = 0
#lanes = 0

[limits]
#connections_max = 10000
#connections_per_address_max = 1000
#connections_per_user_max = 100
# Largest message that is accepted.
#append_bytes_max = "100MiB"
# A SEARCH that takes longer is ended with NO [LIMIT]. 0: none is.
#search_time = "1m"
# Time to log in; time without a command; time in which a client takes no output or leaves a command unfinished.
#login_timeout = "1m"
#idle_timeout = "31m"
#stall_timeout = "5m"

[metadata]
# What every user can read of this server with GETMETADATA: /shared/comment, and /shared/admin, a URI by which you are reached
# ("mailto:postmaster@example.org").
#comment = ""
#admin = ""

[metadata.filters]
# Searches with a name, for every user (FILTER, RFC 5466):
# unread = { value = "UNSEEN UNDELETED", description = "What is still to be read" }

[metrics]
# Addresses at which a Prometheus finds figures, as http://127.0.0.1:9143/metrics; none by default. There is no TLS and no password:
# listen where only those reach it who may know how much mail there is. `trawl metrics` prints the same without it.
#listen = []

[log]
# error, warn, info, debug or trace; text or json. Written to standard error.
#level = "info"
#format = "text"
"##;
