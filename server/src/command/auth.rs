//! Who the client is, and what needs no mailbox: LOGIN, AUTHENTICATE, STARTTLS, LOGOUT, NOOP, ID, ENABLE.
//!
//! Not here: passwords (`core::Auth` decides and delays), TLS (the runtime). Nothing of a password is logged or kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::capability;
use super::prelude::*;
use crate::limits;
use crate::session::{Link, driver};
use crate::wire::ast::{IdFields, InitialResponse, Secret};
use crate::wire::fragment::Event;

/// `NOOP` (RFC 9051 6.1.2): what is pending is told after every command, so there is nothing to do.
pub async fn noop(_: &mut Session, _: &Cx) -> Answer {
    Ok(Done::ok("NOOP done"))
}

/// `ID` (RFC 2971): says who we are, whatever the client says.
pub async fn id(_: &mut Session, cx: &Cx, fields: Option<IdFields>) -> Answer {
    if let Some(fields) = fields {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let client: Vec<String> = fields
            .iter()
            .filter_map(|(name, value)| Some(format!("{}={}", text(name), text(value.as_ref()?))))
            .collect();
        tracing::debug!(connection = cx.connection.id, client = client.join(" "), "ID");
    }
    cx.out.push(
        concat!("* ID (\"name\" \"Trawl\" \"version\" \"", env!("CARGO_PKG_VERSION"), "\")\r\n").as_bytes(),
    );
    Ok(Done::ok("ID done"))
}

/// `ENABLE` (RFC 5161, RFC 9051 6.3.1). What is unknown or needs no enabling is passed over.
pub async fn enable(auth: &mut Authenticated, cx: &Cx, names: Vec<String>) -> Answer {
    let mut enabled = String::from("* ENABLED");
    if names.iter().any(|name| name == "IMAP4REV2") {
        auth.rev2 = true;
        enabled.push_str(" IMAP4rev2");
    }
    if names.iter().any(|name| name == "METADATA-SERVER") {
        // What changes from now on is told (RFC 5464 4.1).
        if auth.known_annotations.is_none() {
            auth.known_annotations = Some(auth.look(|account| account.annotations().clone())?);
        }
        enabled.push_str(" METADATA-SERVER");
    }
    enabled.push_str("\r\n");
    cx.out.push(enabled.as_bytes());
    Ok(Done::ok("ENABLE done"))
}

/// `LOGOUT` (RFC 9051 6.1.3).
pub async fn logout(_: Session, cx: &Cx) -> (Session, Answer) {
    write_status(&cx.out, None, Status::Bye, None, "Logging out");
    (Session::Ended(Ending::Logout), Ok(Done::ok("LOGOUT done")))
}

/// `STARTTLS` (RFC 9051 6.2.1): what the client sent in clear behind it is never looked at.
pub async fn starttls(session: Session, cx: &Cx) -> (Session, Answer) {
    if cx.connection.tls {
        return (session, Err(Refusal::bad(None, "TLS is on already")));
    }
    if !cx.connection.starttls {
        return (session, Err(Refusal::bad(None, "There is no TLS on this connection")));
    }
    (Session::Ended(Ending::StartTls), Ok(Done::ok("Begin the TLS negotiation now")))
}

/// `LOGIN` (RFC 9051 6.2.3).
pub async fn login(session: Session, cx: &Cx, user: Vec<u8>, password: Secret) -> (Session, Answer) {
    if !cx.connection.allows_passwords(&cx.core) {
        return (session, Err(privacy_required()));
    }
    enter(session, cx, &user, &password.0).await
}

/// `AUTHENTICATE` (RFC 9051 6.2.2) with PLAIN (RFC 4616) and LOGIN, initial responses by RFC 4959.
pub async fn authenticate(
    session: Session,
    cx: &Cx,
    mechanism: String,
    initial: Option<InitialResponse>,
) -> (Session, Answer) {
    if !matches!(&*mechanism, "PLAIN" | "LOGIN") {
        return (session, Err(Refusal::no(Code::Cannot, "There is no such mechanism")));
    }
    if !cx.connection.allows_passwords(&cx.core) {
        return (session, Err(privacy_required()));
    }
    let credentials =
        if mechanism == "PLAIN" { plain(cx, initial).await } else { user_and_password(cx, initial).await };
    match credentials {
        Ok((user, password)) => enter(session, cx, &user, &password.0).await,
        Err(refusal) => (session, Err(refusal)),
    }
}

/// The tagged OK of a login: with the capabilities that hold from now on.
pub fn logged_in(link: &Link) -> Done {
    Done::ok("Logged in").with_code(Code::Capability(capability::list(link, true)))
}

fn privacy_required() -> Refusal {
    Refusal::no(Code::PrivacyRequired, "Not without TLS")
}

/// `[authzid] NUL authcid NUL passwd`
async fn plain(cx: &Cx, initial: Option<InitialResponse>) -> Result<(Vec<u8>, Secret), Refusal> {
    let message = match initial {
        Some(initial) => decode_initial(initial)?,
        None => ask(cx, "").await?,
    };
    let mut parts = message.0.split(|byte| *byte == 0);
    let (Some(authorize), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::bad(None, "That is not a PLAIN message"));
    };
    if !authorize.is_empty() && authorize != user {
        return Err(Refusal::no(Code::AuthorizationFailed, "Nobody may act for somebody else here"));
    }
    Ok((user.to_vec(), Secret(password.to_vec())))
}

/// The obsolete LOGIN mechanism (draft-murchison-sasl-login): a user name, then a password.
async fn user_and_password(cx: &Cx, initial: Option<InitialResponse>) -> Result<(Vec<u8>, Secret), Refusal> {
    let user = match initial {
        Some(initial) => decode_initial(initial)?,
        None => ask(cx, &BASE64.encode("Username:")).await?,
    };
    Ok((user.0, ask(cx, &BASE64.encode("Password:")).await?))
}

/// Sends a challenge (in base64) and waits for the response.
async fn ask(cx: &Cx, challenge: &str) -> Result<Secret, Refusal> {
    cx.reader.expect_line();
    cx.out.push(format!("+ {challenge}\r\n").as_bytes());
    match cx.reader.next().await? {
        Event::Line(line) if line == b"*" => Err(Refusal::bad(None, "Cancelled")),
        Event::Line(line) => decode(&line),
        Event::LineTooLong { .. } => Err(Refusal::bad(Code::TooBig, "That response is too long")),
        _ => Err(Refusal::bad(None, "A response was expected")),
    }
}

fn decode_initial(initial: InitialResponse) -> Result<Secret, Refusal> {
    match initial {
        InitialResponse::Empty => Ok(Secret(Vec::new())),
        InitialResponse::Base64(encoded) => decode(&encoded.0),
    }
}

fn decode(encoded: &[u8]) -> Result<Secret, Refusal> {
    BASE64.decode(encoded).map(Secret).map_err(|_| Refusal::bad(None, "That is not base64"))
}

/// Checks the password; the session goes on here, or on the core that has the account.
async fn enter(session: Session, cx: &Cx, user: &[u8], password: &[u8]) -> (Session, Answer) {
    let Session::NotAuthenticated(NotAuthenticated { failures }) = session else {
        return (session, Err(Refusal::bad(None, "You are logged in already")));
    };
    let peer = cx.connection.peer.map(|peer| peer.ip());
    // What is not UTF-8 is nobody's name or password; it takes the same way, for the time that takes.
    let user = String::from_utf8_lossy(user);
    let password = Secret(String::from_utf8_lossy(password).into_owned().into_bytes());
    let password = std::str::from_utf8(&password.0).unwrap_or_default();
    match cx.core.auth.verify(&user, password, peer).await {
        Ok(account) if cx.core.shard(account.shard).is_none() => {
            let tag = cx.tag.clone();
            // The core that has the account answers.
            (Session::Ended(Ending::HandOff { account, tag }), Err(crate::response::output::Gone.into()))
        }
        Ok(account) => match driver::authenticate(cx, account) {
            Ok(session) => (session, Ok(logged_in(cx))),
            Err(refusal) => (Session::NotAuthenticated(NotAuthenticated { failures }), Err(refusal)),
        },
        Err(error) => {
            cx.core.count(|counters| counters.logins_failed += 1);
            let failures = failures + 1;
            tracing::info!(connection = cx.connection.id, peer = ?peer, user = &*user, %error, "login refused");
            let refusal: Refusal = error.into();
            if failures >= limits::LOGIN_FAILURES_MAX {
                // The tagged answer first: a client that reads it knows why.
                crate::response::status::write_answer(&cx.out, Some(&cx.tag), &Err(refusal));
                let bye = Refusal::bye(Code::Limit, "Too many failed logins");
                return (Session::NotAuthenticated(NotAuthenticated { failures }), Err(bye));
            }
            (Session::NotAuthenticated(NotAuthenticated { failures }), Err(refusal))
        }
    }
}
