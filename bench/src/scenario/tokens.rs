//! Words that stand nowhere else, for messages that have to be found again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A word of letters that is unique in this process, and, by the process number and the time, most likely anywhere.
pub fn unique() -> String {
    let number = NEXT.fetch_add(1, Relaxed);
    let start = crate::clock::wall().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_secs());
    let mut left =
        u128::from(start) << 52 | u128::from(std::process::id() & 0xf_ffff) << 32 | u128::from(number);
    let mut word = String::from("zq");
    while left > 0 {
        word.push(char::from(b"bcdfghjklmnpqrst"[(left % 16) as usize]));
        left /= 16;
    }
    word
}

/// A small message with that word in its body and its Message-ID.
pub fn message(token: &str) -> Vec<u8> {
    format!(
        "From: bench <bench@bench.example>\r\nTo: bench <bench@bench.example>\r\nSubject: measured\r\n\
         Date: Mon, 2 Jan 2017 15:04:05 +0100\r\nMessage-ID: <{token}@bench.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nA short message, with the word {token} in it.\r\n"
    )
    .into_bytes()
}
