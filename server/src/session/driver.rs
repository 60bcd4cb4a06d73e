//! From command to command: read, parse, look up the table, run the handler, tell what is pending, answer.
//!
//! Commands run strictly in order, each to its end before the next is looked at. The future of a session is never dropped
//! while a handler runs: when the client goes, everything the handler waits for resolves with [`Gone`] and long
//! work is cancelled, so no change is left in the middle.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future;
use trawl_store::shard::ChangeError;

use super::io::{Cancel, Input, Patience, Pump, Stopped};
use super::reader::Reader;
use super::{Authenticated, Closed, Connection, Cx, Ending, Link, NotAuthenticated, Outcome, Session, Start};
use crate::command::{self as table, auth, capability, metadata};
use crate::core::{AccountRef, Core, Stream};
use crate::limits;
use crate::mailbox::sync;
use crate::observe::Observer;
use crate::response::encode::Status;
use crate::response::output::{Gone, Output};
use crate::response::status::{Answer, Code, Refusal, RefusalKind, write_answer, write_status};
use crate::wire::ast::{Command, Tag};
use crate::wire::fragment::{Event, Policy};
use crate::wire::{self, BadCommand};

/// Runs one session until the connection is to be closed or handed on. `input` is what was read of it already.
pub async fn run(
    stream: &mut dyn Stream,
    connection: &Connection,
    start: Start,
    input: Vec<u8>,
    core: &Rc<Core>,
) -> Outcome {
    let (ahead, out, cancel) = (Input::default(), Output::new(), Cancel::default());
    ahead.unread(input);
    let times = &core.config.limits;
    let login_by = core.clock.monotonic() + times.login_timeout.0;
    let patience = Patience::new(times.login_timeout.0, login_by, times.stall_timeout.0);
    let clock = Rc::clone(&core.clock);
    let mut pump =
        Pump::new(stream, ahead.clone(), out.clone(), cancel.clone(), patience.clone(), Rc::clone(&clock));
    let driver = Driver {
        link: Link {
            core: Rc::clone(core),
            connection: *connection,
            out: out.clone(),
            reader: Reader::new(ahead, Policy::unauthenticated()),
            cancel: cancel.clone(),
            patience,
        },
        bad_commands: 0,
    };
    core.count(|counters| counters.sessions += 1);
    let mut stopped = None;
    let (ending, reader) = {
        let mut stopping = pin!(core.stop.wait());
        let mut session = pin!(driver.serve(start));
        poll_fn(|cx| {
            if let Poll::Ready(ended) = session.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            // Nobody waits for a long search when the server stops.
            if !cancel.is_set() && stopping.as_mut().poll(cx).is_ready() {
                cancel.set();
            }
            if matches!(stopped, None | Some(Stopped::Silent))
                && let Poll::Ready(why) = pump.poll(cx)
            {
                stopped = Some(why);
            }
            Poll::Pending
        })
        .await
    };
    core.count(|counters| counters.sessions -= 1);
    if ending == Ending::Gone && matches!(stopped, Some(Stopped::Silent)) {
        write_status(&out, None, Status::Bye, None, "Logged out: nothing was heard for too long");
    }
    // What is pending goes out, but a client that does not take it is not waited for.
    let patience = clock.sleep(times.stall_timeout.0.min(Duration::from_millis(limits::DRAIN_MS_MAX)));
    if !matches!(stopped, Some(Stopped::Failed(_) | Stopped::Stalled)) {
        let drain = async { poll_fn(|cx| pump.poll_drain(cx)).await.is_ok() };
        let drained = future::or(drain, async {
            patience.await;
            false
        })
        .await;
        if !drained && matches!(ending, Ending::StartTls | Ending::HandOff { .. }) {
            return Outcome::Closed(Closed::Stalled);
        }
    }
    match (ending, stopped) {
        (Ending::StartTls, _) => Outcome::StartTls,
        (Ending::HandOff { account, tag }, _) => Outcome::HandOff { account, tag, input: reader.take_rest() },
        (Ending::Logout, _) => Outcome::Closed(Closed::Logout),
        (_, Some(Stopped::Failed(error))) => {
            tracing::debug!(connection = connection.id, %error, "connection failed");
            Outcome::Closed(Closed::Failed)
        }
        (_, Some(Stopped::Stalled)) => Outcome::Closed(Closed::Stalled),
        (Ending::Bye, _) if core.stop.is_set() => Outcome::Closed(Closed::Stopping),
        (Ending::Bye, _) => Outcome::Closed(Closed::Bye),
        (Ending::Gone, Some(Stopped::Silent)) => Outcome::Closed(Closed::Silent),
        (Ending::Gone, None) => Outcome::Closed(Closed::Client),
    }
}

struct Driver {
    link: Link,
    /// Commands in a row that could not be understood.
    bad_commands: u32,
}

impl Driver {
    async fn serve(mut self, start: Start) -> (Ending, Reader) {
        let mut session = match self.begin(start) {
            Ok(session) => session,
            Err(refusal) => self.refuse_start(&refusal),
        };
        let ending = loop {
            session = match session {
                Session::Ended(ending) => break ending,
                session => self.turn(session).await,
            };
        };
        (ending, self.link.reader)
    }

    fn begin(&mut self, start: Start) -> Result<Session, Refusal> {
        let nobody = Session::NotAuthenticated(NotAuthenticated::default());
        match start {
            Start::Greet => {
                let code = Code::Capability(capability::list(&self.link, false));
                write_status(&self.link.out, None, Status::Ok, Some(&code), "Trawl is ready");
                Ok(nobody)
            }
            Start::AfterTls => Ok(nobody),
            Start::Preauth(account) => {
                let session = authenticate(&self.link, account)?;
                let code = Code::Capability(capability::list(&self.link, true));
                write_status(&self.link.out, None, Status::PreAuth, Some(&code), "Trawl is ready");
                Ok(session)
            }
            Start::Login { account, tag } => {
                let (session, answer) = match authenticate(&self.link, account) {
                    Ok(session) => (session, Ok(auth::logged_in(&self.link))),
                    Err(refusal) => (nobody, Err(refusal)),
                };
                write_answer(&self.link.out, Some(&tag), &answer);
                Ok(after(session, &answer))
            }
        }
    }

    fn refuse_start(&self, refusal: &Refusal) -> Session {
        write_status(&self.link.out, None, Status::Bye, refusal.code.as_ref(), &refusal.text);
        Session::Ended(Ending::Bye)
    }

    /// One event of the client, or the end of the server.
    async fn turn(&mut self, session: Session) -> Session {
        let link = &self.link;
        let event = match link.reader.poll() {
            Some(event) => Ok(Some(event)),
            None if link.core.stop.is_set() => Ok(None),
            None => {
                let stop = async {
                    link.core.stop.wait().await;
                    Ok(None)
                };
                future::or(async { link.reader.next().await.map(Some) }, stop).await
            }
        };
        match event {
            Err(Gone) => Session::Ended(Ending::Gone),
            Ok(None) => {
                write_status(
                    &link.out,
                    None,
                    Status::Bye,
                    Some(&Code::Unavailable),
                    "The server is stopping",
                );
                Session::Ended(Ending::Bye)
            }
            Ok(Some(event)) if link.core.stop.is_set() && self.is_command(&event) => {
                write_status(
                    &link.out,
                    None,
                    Status::Bye,
                    Some(&Code::Unavailable),
                    "The server is stopping",
                );
                Session::Ended(Ending::Bye)
            }
            Ok(Some(event)) => {
                let session = self.handle(session, event).await;
                // Lets the pump write the answer, and others run, when commands come many in a packet.
                future::yield_now().await;
                match self.link.out.room().await {
                    Ok(()) => session,
                    Err(Gone) => ended_by_loss(session),
                }
            }
        }
    }

    fn is_command(&self, event: &Event) -> bool {
        matches!(event, Event::Command(_) | Event::AppendLiteral(_))
    }

    async fn handle(&mut self, session: Session, event: Event) -> Session {
        match event {
            Event::Command(bytes) => match wire::parse(&bytes) {
                Ok(command) => self.command(session, command).await,
                Err(BadCommand { tag, reason }) => self.bad(session, tag, None, reason),
            },
            Event::Continue => {
                self.link.out.push(b"+ Ready\r\n");
                session
            }
            Event::AppendLiteral(literal) => match wire::tag_of(&literal.head) {
                Some(tag) => {
                    let (session, answer) = self
                        .run_command(session, tag, table::append_row(), table::Input::Append(literal))
                        .await;
                    // Whatever the handler left unread of a refused command is passed over.
                    self.link.reader.skip_command();
                    self.count_bad(session, &answer)
                }
                None => {
                    self.link.reader.skip_command();
                    self.bad(session, None, None, "A command begins with a tag")
                }
            },
            Event::TooBig { tag, .. } => self.bad(session, tag, Some(Code::TooBig), "That is too large"),
            Event::ValueTooBig { tag: Some(tag) } if session.authenticated().is_some() => {
                let answer = Err(ChangeError::AnnotationTooLong.into());
                write_answer(&self.link.out, Some(&tag), &answer);
                self.count_bad(session, &answer)
            }
            Event::ValueTooBig { tag } => self.bad(session, tag, Some(Code::TooBig), "That is too large"),
            Event::LineTooLong { tag } => self.bad(session, tag, Some(Code::TooBig), "That line is too long"),
            Event::Absurd => {
                write_status(&self.link.out, None, Status::Bye, Some(&Code::TooBig), "That is far too large");
                Session::Ended(Ending::Bye)
            }
            // Only after something that a handler asked for and did not wait for.
            Event::NeedMore
            | Event::Line(_)
            | Event::MessageData(_)
            | Event::MessageEnd
            | Event::AppendEnd(_) => session,
        }
    }

    async fn command(&mut self, session: Session, command: Command) -> Session {
        let Command { tag, body } = command;
        let row = table::row(&body);
        let (session, answer) = self.run_command(session, tag, row, table::Input::Body(body)).await;
        self.count_bad(session, &answer)
    }

    /// Runs a command from the check of its state to its tagged answer.
    async fn run_command(
        &mut self,
        session: Session,
        tag: Tag,
        row: &'static table::Row,
        input: table::Input,
    ) -> (Session, Answer) {
        let began = self.link.core.clock.monotonic();
        let cx = Cx { link: self.link.clone(), tag, observer: Observer::default() };
        let (mut session, mut answer) = table::dispatch(session, &cx, row, input).await;
        if let Session::Selected(selected) = &mut session
            && !matches!(&answer, Err(Refusal { kind: RefusalKind::Bye | RefusalKind::Gone, .. }))
            && let Err(refusal) = sync::sync(selected, &cx, row.expunges).await
        {
            answer = Err(refusal);
        }
        if !matches!(&answer, Err(Refusal { kind: RefusalKind::Bye | RefusalKind::Gone, .. }))
            && let Some(auth) = session.authenticated_mut()
            && let Err(refusal) = metadata::tell_changes(auth, &self.link.out).await
        {
            answer = Err(refusal);
        }
        write_answer(&self.link.out, Some(&cx.tag), &answer);
        self.log(&session, row.name, &answer, began);
        self.link.core.count(|counters| counters.commands += 1);
        (after(session, &answer), answer)
    }

    fn log(&self, session: &Session, command: &'static str, answer: &Answer, began: Duration) {
        let duration = self.link.core.clock.monotonic().saturating_sub(began);
        let (connection, ms) = (self.link.connection.id, duration.as_micros() as f64 / 1000.0);
        let user = session.authenticated().map_or("", |auth| &auth.account.name);
        let outcome = match answer {
            Ok(_) => "OK",
            Err(refusal) => match refusal.kind {
                RefusalKind::No => "NO",
                RefusalKind::Bad => "BAD",
                RefusalKind::Bye => "BYE",
                RefusalKind::Gone => "gone",
            },
        };
        if duration >= Duration::from_millis(limits::SLOW_COMMAND_MS) && command != "IDLE" {
            tracing::info!(connection, user, command, outcome, ms, "slow command");
        } else {
            tracing::debug!(connection, user, command, outcome, ms, "command");
        }
    }

    /// Answers what is no command.
    fn bad(
        &mut self,
        session: Session,
        tag: Option<Tag>,
        code: Option<Code>,
        reason: &'static str,
    ) -> Session {
        let answer = Err(Refusal::bad(code, reason));
        write_answer(&self.link.out, tag.as_ref(), &answer);
        tracing::debug!(connection = self.link.connection.id, reason, "bad command");
        self.count_bad(session, &answer)
    }

    /// Ends a session that only talks nonsense.
    fn count_bad(&mut self, session: Session, answer: &Answer) -> Session {
        if !matches!(answer, Err(Refusal { kind: RefusalKind::Bad, .. })) {
            self.bad_commands = 0;
            return session;
        }
        self.bad_commands += 1;
        let max = match session {
            Session::NotAuthenticated(_) => limits::BAD_COMMANDS_UNAUTHENTICATED_MAX,
            _ => limits::BAD_COMMANDS_MAX,
        };
        if self.bad_commands < max {
            return session;
        }
        write_status(&self.link.out, None, Status::Bye, Some(&Code::ClientBug), "Too many bad commands");
        Session::Ended(Ending::Bye)
    }
}

/// What a session is after a command was answered.
fn after(session: Session, answer: &Answer) -> Session {
    match answer {
        Err(Refusal { kind: RefusalKind::Bye, .. }) => Session::Ended(Ending::Bye),
        Err(Refusal { kind: RefusalKind::Gone, .. }) => ended_by_loss(session),
        _ => session,
    }
}

fn ended_by_loss(session: Session) -> Session {
    match session {
        Session::Ended(ending) => Session::Ended(ending),
        _ => Session::Ended(Ending::Gone),
    }
}

/// The session of an account whose shard is on this core: counted among those of its user, with the limits of users.
pub fn authenticate(link: &Link, account: AccountRef) -> Result<Session, Refusal> {
    let shard = link.core.shard(account.shard).ok_or_else(Refusal::account_gone)?;
    shard.with_account(account.account, |_| ()).ok_or_else(Refusal::account_gone)?;
    let Some(ticket) = link.core.registry.admit(&account) else {
        return Err(Refusal::no(Code::Limit, "Too many connections of this user"));
    };
    link.reader.set_policy(Policy::authenticated());
    link.patience.set_silence(link.core.config.limits.idle_timeout.0);
    link.core.count(|counters| counters.logins += 1);
    tracing::info!(
        connection = link.connection.id,
        user = &*account.name,
        tls = link.connection.tls,
        "logged in"
    );
    let authenticated = Authenticated { account, shard, rev2: false, known_annotations: None, ticket };
    Ok(Session::Authenticated(Box::new(authenticated)))
}
