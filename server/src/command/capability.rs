//! CAPABILITY: what the server can do for this connection now (RFC 9051 6.1.1), in one place.
//!
//! A capability is listed only when all of its RFC works.

use std::fmt::Write as _;

use super::prelude::*;
use crate::session::Link;

/// In every state.
const ALWAYS: &str = "IMAP4rev1 IMAP4rev2 SASL-IR ENABLE ID NAMESPACE UIDPLUS MULTIAPPEND UNSELECT MOVE IDLE CHILDREN \
                      LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE ESEARCH SEARCHRES WITHIN SAVEDATE OBJECTID PARTIAL SORT ESORT \
                      CONTEXT=SEARCH CONTEXT=SORT SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS I18NLEVEL=1 MULTISEARCH SEARCH=FUZZY \
                      INPROGRESS BINARY METADATA-SERVER FILTERS X-TRAWL-QUERY";

/// The names, separated by spaces, IMAP4rev1 first.
pub fn list(link: &Link, authenticated: bool) -> String {
    let mut list = String::from(ALWAYS);
    let _ = write!(list, " APPENDLIMIT={}", link.core.config.limits.append_bytes_max.0);
    // RFC 7888 5: small non-synchronising literals only, until it is known who sends them.
    list.push_str(if authenticated { " LITERAL+" } else { " LITERAL-" });
    if authenticated {
        return list;
    }
    if link.connection.starttls {
        list.push_str(" STARTTLS");
    }
    list.push_str(if link.connection.allows_passwords(&link.core) {
        " AUTH=PLAIN AUTH=LOGIN"
    } else {
        " LOGINDISABLED"
    });
    list
}

/// `CAPABILITY`
pub async fn capability(session: &mut Session, cx: &Cx) -> Answer {
    let list = list(cx, session.authenticated().is_some());
    cx.out.push(format!("* CAPABILITY {list}\r\n").as_bytes());
    Ok(Done::ok("CAPABILITY done"))
}
