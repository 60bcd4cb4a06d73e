//! Loading the mail into account 0: over one connection, in order, so that message n of the mail is message n of the mailbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;

use crate::check::Survey;
use crate::client::{Error, Result, Session, parse};
use crate::clock;
use crate::limits::{LOAD_BYTES_MAX, LOAD_MESSAGES_MAX};
use crate::mail::{Mail, append_arguments};
use crate::scenario::Loaded;
use crate::scenario::context::LOADED;
use crate::server::Server;

use super::progress::Progress;

type Batch = Vec<(String, Vec<u8>)>;

/// A mailbox that holds exactly this mail is used as it is; one that holds anything else is left alone, which is an error.
pub fn load(server: &Server, mail: &Arc<dyn Mail>, survey: &Survey, progress: &Progress) -> Result<Loaded> {
    let mut session = server.login(0)?;
    let have = session.messages(LOADED)? as usize;
    let count = survey.facts.len();
    let mut loaded = Loaded { found: have == count, ..Loaded::default() };
    if have != 0 && have != count {
        let name = server.user(0);
        return Err(Error::Protocol(format!(
            "{LOADED} of {name} holds {have} messages; 0 or {count} are expected"
        )));
    }
    let before = server.disk();
    if have == 0 {
        let began = clock::now();
        append_all(&mut session, mail, progress, server.name())?;
        loaded.seconds = (clock::now() - began) as f64 / 1e9;
    }
    drop(session);
    let began = clock::now();
    server.run(server.about.commands.index.as_ref())?;
    loaded.index_seconds = (clock::now() - began) as f64 / 1e9;
    loaded.uids = verify(server, survey)?;
    let after = server.disk();
    loaded.disk =
        if loaded.found { after } else { after.zip(before).map(|(after, before)| after.since(&before)) };
    Ok(loaded)
}

fn append_all(session: &mut Session, mail: &Arc<dyn Mail>, progress: &Progress, name: &str) -> Result<()> {
    let most = if session.can("MULTIAPPEND") { LOAD_MESSAGES_MAX } else { 1 };
    let done = AtomicUsize::new(0);
    // Messages are made on another thread while the server takes those before.
    let (sender, receiver) = sync_channel::<std::io::Result<Batch>>(4);
    let mail = mail.clone();
    std::thread::scope(|scope| {
        let count = mail.count();
        scope.spawn(move || {
            let (mut batch, mut octets) = (Batch::new(), 0);
            for n in 0..count {
                match mail.letter(n) {
                    Ok(letter) => {
                        octets += letter.bytes.len();
                        batch.push((append_arguments(&letter), letter.bytes));
                    }
                    Err(error) => {
                        let _ = sender.send(Err(error));
                        return;
                    }
                }
                if batch.len() >= most || octets > LOAD_BYTES_MAX {
                    octets = 0;
                    // The other side has given up, and says why.
                    if sender.send(Ok(std::mem::take(&mut batch))).is_err() {
                        return;
                    }
                }
            }
            if !batch.is_empty() {
                let _ = sender.send(Ok(batch));
            }
        });
        let title = format!("{name}: load");
        progress.count(&title, count, &done, || {
            for batch in receiver {
                let batch = batch?;
                session.append(LOADED, &batch)?;
                done.fetch_add(batch.len(), Relaxed);
            }
            Ok(())
        })
    })
}

/// The UIDs in order, if the mailbox has as many messages as the mail, and some of them have the right sizes.
fn verify(server: &Server, survey: &Survey) -> Result<Vec<u32>> {
    let mut session = server.login(0)?;
    session.ok(format!("EXAMINE {LOADED}").as_bytes())?;
    let uids = session.ok(b"UID SEARCH ALL")?.numbers(b"SEARCH");
    let count = survey.facts.len();
    if uids.len() != count || !uids.is_sorted() {
        return Err(Error::Protocol(format!("{} messages of {count} are in {LOADED}", uids.len())));
    }
    for n in (0..count).step_by((count / 50).max(1)) {
        let answer = session.ok(format!("FETCH {} (RFC822.SIZE)", n + 1).as_bytes())?;
        let size = answer.untagged.iter().find_map(|line| parse::after(line, b"RFC822.SIZE "));
        if size != Some(survey.facts[n].size) {
            let expected = survey.facts[n].size;
            return Err(Error::Protocol(format!(
                "message {} has {size:?} octets instead of {expected}",
                n + 1
            )));
        }
    }
    Ok(uids)
}
