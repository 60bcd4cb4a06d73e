//! THE TABLE: every command with the states it is allowed in, what it may tell of expunged messages, and its handler.
//!
//! A handler's kind says what it gets: nothing can run without the state it needs. Syntax is `wire`, what is answered to errors
//! is `response::status`; the driver writes what is pending (`mailbox::sync`) and the tagged answer after the handler.

pub mod append;
pub mod arrange;
pub mod auth;
pub mod capability;
pub mod context;
pub mod copy;
pub mod expunge;
pub mod fetch;
pub mod flags;
pub mod list;
pub mod manage;
pub mod metadata;
pub mod multisearch;
pub mod prelude;
pub mod search;
pub mod select;
pub mod status;

use trawl_store::LocalBoxFuture;

use crate::mailbox::sync::Expunges;
use crate::response::status::{Answer, Refusal};
use crate::session::{Authenticated, Cx, Selected, Session, idle};
use crate::wire::ast::CommandBody;
use crate::wire::fragment::MessageLiteral;
use crate::wire::print;

/// A set of states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct States(u8);

impl States {
    pub const NOT_AUTHENTICATED: States = States(1);
    pub const AUTHENTICATED: States = States(2);
    pub const SELECTED: States = States(4);
    /// With or without a mailbox.
    pub const LOGGED_IN: States = States(2 | 4);
    pub const ANY: States = States(1 | 2 | 4);

    pub fn contains(self, session: &Session) -> bool {
        let state = match session {
            Session::NotAuthenticated(_) => States::NOT_AUTHENTICATED,
            Session::Authenticated(_) => States::AUTHENTICATED,
            Session::Selected(_) => States::SELECTED,
            Session::Ended(_) => return false,
        };
        self.0 & state.0 != 0
    }

    /// How a command that is not in its states is refused.
    fn refusal(self) -> Refusal {
        Refusal::bad(
            None,
            match self {
                States::NOT_AUTHENTICATED => "You are logged in already",
                States::AUTHENTICATED => "Not while a mailbox is selected, and not before login",
                States::SELECTED => "Select a mailbox first",
                _ => "Log in first",
            },
        )
    }
}

/// What a command is given: its parsed body, or for APPEND the announcement of its first message.
pub enum Input {
    Body(CommandBody),
    Append(MessageLiteral),
}

/// What runs a command.
pub enum Handler {
    /// In whatever state.
    Any(for<'a> fn(&'a mut Session, &'a Cx, CommandBody) -> LocalBoxFuture<'a, Answer>),
    /// With an account, with or without a mailbox.
    Authenticated(for<'a> fn(&'a mut Authenticated, &'a Cx, CommandBody) -> LocalBoxFuture<'a, Answer>),
    /// With a mailbox.
    Selected(for<'a> fn(&'a mut Selected, &'a Cx, CommandBody) -> LocalBoxFuture<'a, Answer>),
    /// From one state to another.
    Transition(for<'a> fn(Session, &'a Cx, CommandBody) -> LocalBoxFuture<'a, (Session, Answer)>),
    /// APPEND, whose messages stream.
    Append,
}

/// A row of the table.
pub struct Row {
    /// As written, UID included.
    pub name: &'static str,
    pub states: States,
    /// Whether EXPUNGE may be told before its tagged answer (RFC 9051 7.5.1).
    pub expunges: Expunges,
    pub handler: Handler,
}

/// The row's closure for a handler: takes the body apart and boxes the future, so that idle sessions hold none.
macro_rules! run {
    ($kind:ident, $body:pat => $handler:path $(, $argument:expr)*) => {
        Handler::$kind(|state, cx, body| {
            Box::pin(async move {
                let $body = body else { unreachable!("the row was found by this body") };
                $handler(state, cx $(, $argument)*).await
            })
        })
    };
}

macro_rules! rows {
    ($($name:literal $states:ident $expunges:ident $handler:expr;)*) => {
        &[$(Row { name: $name, states: States::$states, expunges: Expunges::$expunges, handler: $handler }),*]
    };
}

use CommandBody as B;

/// See the head of this file.
pub const TABLE: &[Row] = rows![
    "CAPABILITY"   ANY               Told     run!(Any, B::Capability => capability::capability);
    "NOOP"         ANY               Told     run!(Any, B::Noop => auth::noop);
    "ID"           ANY               Told     run!(Any, B::Id(fields) => auth::id, fields);
    "LOGOUT"       ANY               Withheld run!(Transition, B::Logout => auth::logout);
    "STARTTLS"     NOT_AUTHENTICATED Withheld run!(Transition, B::StartTls => auth::starttls);
    "AUTHENTICATE" NOT_AUTHENTICATED Withheld run!(Transition, B::Authenticate { mechanism, initial } => auth::authenticate, mechanism, initial);
    "LOGIN"        NOT_AUTHENTICATED Withheld run!(Transition, B::Login { user, password } => auth::login, user, password);
    "ENABLE"       AUTHENTICATED     Told     run!(Authenticated, B::Enable(names) => auth::enable, names);
    "NAMESPACE"    LOGGED_IN         Told     run!(Authenticated, B::Namespace => list::namespace);
    "SELECT"       LOGGED_IN         Told     run!(Transition, B::Select { mailbox } => select::select, mailbox);
    "EXAMINE"      LOGGED_IN         Told     run!(Transition, B::Examine { mailbox } => select::examine, mailbox);
    "CREATE"       LOGGED_IN         Told     run!(Authenticated, B::Create { mailbox, special_uses } => manage::create, mailbox, special_uses);
    "DELETE"       LOGGED_IN         Told     run!(Transition, B::Delete { mailbox } => manage::delete, mailbox);
    "RENAME"       LOGGED_IN         Told     run!(Transition, B::Rename { from, to } => manage::rename, from, to);
    "SUBSCRIBE"    LOGGED_IN         Told     run!(Authenticated, B::Subscribe { mailbox } => manage::subscribe, mailbox);
    "UNSUBSCRIBE"  LOGGED_IN         Told     run!(Authenticated, B::Unsubscribe { mailbox } => manage::unsubscribe, mailbox);
    "LIST"         LOGGED_IN         Told     run!(Authenticated, B::List(list) => list::list, list);
    "LSUB"         LOGGED_IN         Told     run!(Authenticated, B::Lsub { reference, pattern } => list::lsub, reference, pattern);
    "STATUS"       LOGGED_IN         Told     run!(Authenticated, B::Status { mailbox, items } => status::status, mailbox, items);
    "GETMETADATA"  LOGGED_IN         Told     run!(Authenticated, B::GetMetadata { mailbox, max_size, depth, entries } => metadata::get, mailbox, max_size, depth, entries);
    "SETMETADATA"  LOGGED_IN         Told     run!(Authenticated, B::SetMetadata { mailbox, values } => metadata::set, mailbox, values);
    "IDLE"         LOGGED_IN         Told     run!(Any, B::Idle => idle::idle);
    "APPEND"       LOGGED_IN         Told     Handler::Append;
    "CHECK"        SELECTED          Told     run!(Selected, B::Check => select::check);
    "CLOSE"        SELECTED          Told     run!(Transition, B::Close => select::close);
    "UNSELECT"     SELECTED          Told     run!(Transition, B::Unselect => select::unselect);
    "EXPUNGE"      SELECTED          Told     run!(Selected, B::Expunge => expunge::expunge);
    "UID EXPUNGE"  SELECTED          Told     run!(Selected, B::UidExpunge { set } => expunge::uid_expunge, set);
    "SEARCH"       SELECTED          Withheld run!(Selected, B::Search(search) => search::search, search);
    "UID SEARCH"   SELECTED          Told     run!(Selected, B::Search(search) => search::search, search);
    "ESEARCH"      LOGGED_IN         Told     run!(Any, B::MultiSearch(search) => multisearch::esearch, search);
    "CANCELUPDATE" SELECTED          Told     run!(Selected, B::CancelUpdate(tags) => context::cancel_update, tags);
    "SORT"         SELECTED          Withheld run!(Selected, B::Sort(sort) => arrange::sort, sort);
    "UID SORT"     SELECTED          Told     run!(Selected, B::Sort(sort) => arrange::sort, sort);
    "THREAD"       SELECTED          Withheld run!(Selected, B::Thread(thread) => arrange::thread, thread);
    "UID THREAD"   SELECTED          Told     run!(Selected, B::Thread(thread) => arrange::thread, thread);
    "FETCH"        SELECTED          Withheld run!(Selected, B::Fetch { by, set, items, partial } => fetch::fetch, by, set, items, partial);
    "UID FETCH"    SELECTED          Told     run!(Selected, B::Fetch { by, set, items, partial } => fetch::fetch, by, set, items, partial);
    "STORE"        SELECTED          Withheld run!(Selected, B::Store { by, set, change } => flags::store, by, set, change);
    "UID STORE"    SELECTED          Told     run!(Selected, B::Store { by, set, change } => flags::store, by, set, change);
    "COPY"         SELECTED          Told     run!(Selected, B::Copy { by, set, mailbox } => copy::copy, by, set, mailbox);
    "UID COPY"     SELECTED          Told     run!(Selected, B::Copy { by, set, mailbox } => copy::copy, by, set, mailbox);
    "MOVE"         SELECTED          Told     run!(Selected, B::Move { by, set, mailbox } => copy::move_, by, set, mailbox);
    "UID MOVE"     SELECTED          Told     run!(Selected, B::Move { by, set, mailbox } => copy::move_, by, set, mailbox);
];

/// The row of a parsed command.
pub fn row(body: &CommandBody) -> &'static Row {
    named(print::name(body))
}

/// The row of APPEND, which is never parsed as one command.
pub fn append_row() -> &'static Row {
    named("APPEND")
}

fn named(name: &str) -> &'static Row {
    let Some(row) = TABLE.iter().find(|row| row.name == name) else {
        unreachable!("every command is in the table; a test holds that")
    };
    row
}

/// Checks the state and runs the handler.
pub async fn dispatch(mut session: Session, cx: &Cx, row: &'static Row, input: Input) -> (Session, Answer) {
    if !row.states.contains(&session) {
        return (session, Err(row.states.refusal()));
    }
    let answer = match (&row.handler, input) {
        (Handler::Any(run), Input::Body(body)) => run(&mut session, cx, body).await,
        (Handler::Transition(run), Input::Body(body)) => return run(session, cx, body).await,
        (Handler::Authenticated(run), Input::Body(body)) => match session.authenticated_mut() {
            Some(authenticated) => run(authenticated, cx, body).await,
            None => Err(row.states.refusal()),
        },
        (Handler::Selected(run), Input::Body(body)) => match &mut session {
            Session::Selected(selected) => run(selected, cx, body).await,
            _ => Err(row.states.refusal()),
        },
        (Handler::Append, Input::Append(literal)) => match session.authenticated_mut() {
            Some(authenticated) => Box::pin(append::append(authenticated, cx, literal)).await,
            None => Err(row.states.refusal()),
        },
        (Handler::Append, Input::Body(_)) | (_, Input::Append(_)) => {
            unreachable!("APPEND alone has a literal")
        }
    };
    (session, answer)
}
