//! The worker's side: `trawl document-worker`, which reads documents from its standard input and writes texts to its standard output.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use trawl_index::document::{self, Limits, Text};

use super::Reason;
use super::frame::{AnswerHead, FLAG_CUT, REQUEST_HEAD_BYTES, RequestHead, Status, Task};
use super::lockdown;
use crate::runtime::panics;

/// What the server that starts it tells a worker.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ChildArgs {
    /// Octets of memory beyond what it begins with
    #[arg(long)]
    pub memory: u64,
    /// Seconds of processor time for one document
    #[arg(long)]
    pub seconds: u64,
    /// Documents before it is started anew
    #[arg(long)]
    pub documents: u64,
}

/// Serves requests until the standard input ends.
pub fn run(arguments: ChildArgs) -> ExitCode {
    // What a library says when it breaks down is of no use to anybody; that memory was short is not said by this hook.
    std::panic::set_hook(Box::new(|_| ()));
    let lacking = lockdown::lock_down(&arguments);
    match serve(&arguments, lacking) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(arguments: &ChildArgs, lacking: lockdown::Lacking) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let ready = AnswerHead { status: Status::Ready, flags: lacking.bits(), text_bytes: 0 };
    output.write_all(&ready.encode())?;
    output.flush()?;
    let mut head = [0; REQUEST_HEAD_BYTES];
    while read_whole(&mut input, &mut head)? {
        let head = RequestHead::decode(&head).ok_or(io::ErrorKind::InvalidData)?;
        let mut charset = vec![0; usize::from(head.charset_bytes)];
        input.read_exact(&mut charset)?;
        let mut content = Vec::new();
        content.reserve_exact(usize::try_from(head.content_bytes).unwrap_or(0).saturating_add(1));
        (&mut input).take(u64::from(head.content_bytes)).read_to_end(&mut content)?;
        if content.len() as u64 != u64::from(head.content_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        lockdown::begin_document(arguments.seconds);
        let text_bytes_max = usize::try_from(head.text_bytes_max).unwrap_or(usize::MAX);
        match head.task {
            Task::Document(kind) => {
                let charset = std::str::from_utf8(&charset).ok().filter(|name| !name.is_empty());
                let limits = Limits { text_bytes_max };
                let read = panics::guarded(|| document::text(kind, charset, &content, &limits));
                let read = read.map_or(Err(Reason::Damaged), |read| read.map_err(Reason::from));
                answer(&mut output, read)?;
            }
            #[cfg(debug_assertions)]
            Task::Probe(number) => answer(&mut output, super::probe::run(number, &content))?,
            #[cfg(not(debug_assertions))]
            Task::Probe(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Ok(())
}

/// False: there is nothing more.
fn read_whole(input: &mut impl Read, head: &mut [u8]) -> io::Result<bool> {
    let (first, rest) = head.split_at_mut(1);
    if input.read(first)? == 0 {
        return Ok(false);
    }
    input.read_exact(rest)?;
    Ok(true)
}

fn answer(output: &mut impl Write, read: Result<Text, Reason>) -> io::Result<()> {
    let (status, flags, text) = match read {
        Ok(Text { text, cut }) => (Status::Text, if cut { FLAG_CUT } else { 0 }, text),
        Err(reason) => (Status::Failed(reason), 0, String::new()),
    };
    let text_bytes = u32::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    output.write_all(&AnswerHead { status, flags, text_bytes }.encode())?;
    output.write_all(text.as_bytes())?;
    output.flush()
}
