//! Mail from mbox files and folders of messages, and the segments made of it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use trawl_index::mime::header_end;
use trawl_index::prepare::Prepared;
use trawl_index::scan::Message;
use trawl_index::segment::{BuildOptions, Builder, OwnedBytes, Segment, Verify};

use super::now;

/// Messages in the order of their files' names; a message number is an index modulo their count.
pub struct Mail {
    messages: Vec<Vec<u8>>,
}

impl Mail {
    pub fn read(inputs: &[PathBuf]) -> Result<Mail, Box<dyn Error>> {
        let mut mail = Mail { messages: Vec::new() };
        for input in inputs {
            mail.add(input)?;
        }
        Ok(mail)
    }

    fn add(&mut self, path: &Path) -> Result<(), Box<dyn Error>> {
        if path.is_dir() {
            let mut entries: Vec<PathBuf> =
                fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
            entries.sort();
            return entries.iter().try_for_each(|entry| self.add(entry));
        }
        let bytes = fs::read(path)?;
        if !bytes.starts_with(b"From ") {
            self.messages.push(bytes);
            return Ok(());
        }
        let mut start = 0;
        let mut ends: Vec<usize> = memchr::memmem::find_iter(&bytes, b"\nFrom ").map(|at| at + 1).collect();
        ends.push(bytes.len());
        for end in ends {
            let message = &bytes[start..end];
            let line = memchr::memchr(b'\n', message).map_or(message.len(), |at| at + 1);
            self.messages.push(message[line..].to_vec());
            start = end;
        }
        Ok(())
    }

    pub fn message(&self, number: usize) -> Message<'_> {
        let bytes = &self.messages[number % self.messages.len()];
        let (header, body) = bytes.split_at(header_end(bytes));
        Message::new(header, body)
    }
}

/// Builds them, or reads those that a run before has left in `folder`.
pub fn segments(
    mail: &Mail,
    copies: usize,
    build: BuildOptions,
    folder: Option<&Path>,
) -> Result<Vec<Segment>, Box<dyn Error>> {
    let name = |folder: &Path, n: usize| folder.join(format!("{n:04}.seg"));
    let mut segments = Vec::new();
    if let Some(folder) = folder {
        while name(folder, segments.len()).exists() {
            let bytes = OwnedBytes::new(fs::read(name(folder, segments.len()))?);
            segments.push(Segment::open(bytes, Verify::Checksums)?);
        }
        fs::create_dir_all(folder)?;
    }
    if !segments.is_empty() {
        return Ok(segments);
    }
    let stop = AtomicBool::new(false);
    let (start, mut raw, mut text, mut reading) = (now(), 0, 0, 0.0);
    let finish = |builder: Builder, segments: &mut Vec<Segment>| {
        let bytes = builder.finish()?;
        if let Some(folder) = folder {
            fs::write(name(folder, segments.len()), &bytes)?;
        }
        segments.push(Segment::open(OwnedBytes::new(bytes), Verify::Checksums)?);
        Ok::<(), Box<dyn Error>>(())
    };
    let mut builder = Builder::new(build);
    for number in 0..mail.messages.len() * copies {
        let message = mail.message(number);
        let begin = now();
        let prepared = Prepared::new(&message, &stop).map_err(|_| "stopped")?;
        reading += begin.elapsed().as_secs_f64();
        raw += message.header.len() + message.body.len();
        text += prepared.text_bytes();
        if builder.is_full() {
            let full = std::mem::replace(&mut builder, Builder::new(build));
            finish(full, &mut segments)?;
        }
        builder.push(u32::try_from(number)?, &prepared)?;
    }
    finish(builder, &mut segments)?;
    let (seconds, count) = (start.elapsed().as_secs_f64(), (mail.messages.len() * copies) as f64);
    println!(
        "built in {seconds:.1} s ({reading:.1} of it reading messages): {:.0} messages/s; {:.1} MB of mail, {:.1} MB of text",
        count / seconds,
        raw as f64 / 1e6,
        text as f64 / 1e6
    );
    Ok(segments)
}
