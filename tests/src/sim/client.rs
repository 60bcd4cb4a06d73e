//! A client in the simulated world: sends commands, takes answers apart as far as the workload needs.

use std::io;

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::pipe::End;

pub struct Client {
    end: End,
    buffer: Vec<u8>,
    tags: u32,
}

/// One response line with its literals inside, without the final CRLF.
pub type Line = Vec<u8>;

impl Client {
    pub fn new(end: End) -> Client {
        Client { end, buffer: Vec::new(), tags: 0 }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.end.write_all(bytes).await
    }

    pub fn tag(&mut self) -> String {
        self.tags += 1;
        format!("t{}", self.tags)
    }

    /// The next response.
    pub async fn line(&mut self) -> io::Result<Line> {
        let mut from = 0;
        loop {
            while let Some(at) = self.buffer[from..].windows(2).position(|w| w == b"\r\n") {
                let end = from + at;
                match literal(&self.buffer[..end]) {
                    None => {
                        let line = self.buffer[..end].to_vec();
                        self.buffer.drain(..end + 2);
                        return Ok(line);
                    }
                    Some(size) if self.buffer.len() >= end + 2 + size => from = end + 2 + size,
                    Some(_) => break,
                }
            }
            let mut more = [0; 4096];
            let n = self.end.read(&mut more).await?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&more[..n]);
        }
    }
}

fn literal(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}")?;
    let open = digits.iter().rposition(|&b| b == b'{')?;
    std::str::from_utf8(&digits[open + 1..]).ok()?.parse().ok()
}
