//! Real sessions on a simulated server: every command that needs no message, in right and wrong states, and what sessions
//! tell each other.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests, outside of test functions")]

mod arrange;
mod auth;
mod context;
mod documents;
mod driver;
mod idle;
mod list;
mod manage;
mod select;
mod sync;

use trawl_server::sim::world::Client;

/// Sends a command and compares its responses, the tagged one (without its tag) last.
async fn expect(client: &mut Client, command: &str, want: &[&str]) {
    let lines = client.command(command).await;
    assert_eq!(lines, want, "{command}");
}

/// Sends a command and compares the beginning of its tagged answer.
async fn answer(client: &mut Client, command: &str, want: &str) {
    let lines = client.command(command).await;
    let last = lines.last().map_or("", String::as_str);
    assert!(last.starts_with(want), "{command}: {lines:?} instead of {want}");
}

const MESSAGE: &str =
    "From: Ann <ann@example.org>\r\nSubject: hello\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nbody\r\n";
