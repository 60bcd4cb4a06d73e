//! Response codes: the bracketed word of a status response that programs read (RFC 9051 7.1, RFC 5530, RFC 4315 3, RFC 3516 4.3,
//! RFC 5182 4, RFC 5267 4.3.1, RFC 5464 5, RFC 5466 4, RFC 6154 4, RFC 7888 5, RFC 8474 4).

use trawl_store::types::{Flags, MailboxObjectId, Uid, UidValidity};

use super::encode;
use crate::wire::ast::{FilterName, Tag};
use crate::wire::object_id::{self, Kind};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Code {
    // RFC 9051 7.1 and RFC 5530.
    Alert,
    AlreadyExists,
    /// Exactly one UID for each message of the command, in order.
    AppendUid {
        validity: UidValidity,
        uids: Vec<Uid>,
    },
    AuthenticationFailed,
    AuthorizationFailed,
    /// The charsets that would do; may be empty.
    BadCharset(Vec<&'static str>),
    Cannot,
    /// Names separated by spaces, as after `* CAPABILITY`.
    Capability(String),
    ClientBug,
    /// The previously selected mailbox is closed (RFC 7162 3.2.11, RFC 9051 6.3.2).
    Closed,
    ContactAdmin,
    /// `source[i]` became `target[i]`; both in ascending order of source.
    CopyUid {
        validity: UidValidity,
        source: Vec<Uid>,
        target: Vec<Uid>,
    },
    Corruption,
    Expired,
    ExpungeIssued,
    HasChildren,
    InUse,
    Limit,
    /// RFC 8474 4.1 and 4.2.
    MailboxId(MailboxObjectId),
    /// RFC 5464 4.2.1: octets of the longest value that was longer than MAXSIZE.
    MetadataLongEntries(u64),
    /// RFC 5464 4.3: octets that a value may have.
    MetadataMaxSize(u64),
    /// RFC 5464 4.3: there can be no more entries.
    MetadataTooMany,
    NonExistent,
    NoPerm,
    /// RFC 5182: the search result could not be saved.
    NotSaved,
    /// RFC 5267 4.3.1: the results of this command are not kept up to date, or no more.
    NoUpdate(Tag),
    OverQuota,
    Parse,
    /// `any`: new keywords can be made (`\*`).
    PermanentFlags {
        flags: Flags,
        keywords: Vec<std::rc::Rc<str>>,
        any: bool,
    },
    PrivacyRequired,
    ReadOnly,
    ReadWrite,
    ServerBug,
    /// RFC 7888 5, RFC 7889 4, RFC 4469.
    TooBig,
    TryCreate,
    UidNext(Uid),
    UidNotSticky,
    UidValidity(UidValidity),
    Unavailable,
    /// RFC 5466 3.1: no filter of this name can be used.
    UndefinedFilter(FilterName),
    /// RFC 3516 4.3: the transfer encoding cannot be undone.
    UnknownCte,
    /// rev1 only: the sequence number of the first unseen message.
    Unseen(u32),
    /// RFC 6154 4: the special use is not supported.
    UseAttr,
}

impl Code {
    /// The code without brackets.
    pub fn write(&self, out: &mut Vec<u8>) {
        let word = |out: &mut Vec<u8>, w: &str| out.extend_from_slice(w.as_bytes());
        match self {
            Code::Alert => word(out, "ALERT"),
            Code::AlreadyExists => word(out, "ALREADYEXISTS"),
            Code::AppendUid { validity, uids } => {
                word(out, "APPENDUID ");
                encode::number(out, u64::from(validity.get()));
                out.push(b' ');
                encode::runs(out, uids.iter().map(|u| u.get()));
            }
            Code::AuthenticationFailed => word(out, "AUTHENTICATIONFAILED"),
            Code::AuthorizationFailed => word(out, "AUTHORIZATIONFAILED"),
            Code::BadCharset(names) => {
                word(out, "BADCHARSET");
                if !names.is_empty() {
                    out.push(b' ');
                    encode::list(out, names, |out, n| encode::astring(out, n.as_bytes()));
                }
            }
            Code::Cannot => word(out, "CANNOT"),
            Code::Capability(names) => {
                word(out, "CAPABILITY ");
                word(out, names);
            }
            Code::ClientBug => word(out, "CLIENTBUG"),
            Code::Closed => word(out, "CLOSED"),
            Code::ContactAdmin => word(out, "CONTACTADMIN"),
            Code::CopyUid { validity, source, target } => {
                word(out, "COPYUID ");
                encode::number(out, u64::from(validity.get()));
                out.push(b' ');
                encode::runs(out, source.iter().map(|u| u.get()));
                out.push(b' ');
                encode::runs(out, target.iter().map(|u| u.get()));
            }
            Code::Corruption => word(out, "CORRUPTION"),
            Code::Expired => word(out, "EXPIRED"),
            Code::ExpungeIssued => word(out, "EXPUNGEISSUED"),
            Code::HasChildren => word(out, "HASCHILDREN"),
            Code::InUse => word(out, "INUSE"),
            Code::Limit => word(out, "LIMIT"),
            Code::MailboxId(id) => {
                word(out, "MAILBOXID ");
                object_id::write(out, Kind::Mailbox, id.0);
            }
            Code::MetadataLongEntries(octets) => {
                word(out, "METADATA LONGENTRIES ");
                encode::number(out, *octets);
            }
            Code::MetadataMaxSize(octets) => {
                word(out, "METADATA MAXSIZE ");
                encode::number(out, *octets);
            }
            Code::MetadataTooMany => word(out, "METADATA TOOMANY"),
            Code::NonExistent => word(out, "NONEXISTENT"),
            Code::NoPerm => word(out, "NOPERM"),
            Code::NotSaved => word(out, "NOTSAVED"),
            Code::NoUpdate(tag) => {
                word(out, "NOUPDATE ");
                encode::quoted(out, tag.as_str().as_bytes());
            }
            Code::OverQuota => word(out, "OVERQUOTA"),
            Code::Parse => word(out, "PARSE"),
            Code::PermanentFlags { flags, keywords, any } => {
                word(out, "PERMANENTFLAGS ");
                encode::flags(out, *flags, keywords, false);
                if *any {
                    out.pop();
                    word(out, if out.ends_with(b"(") { "\\*)" } else { " \\*)" });
                }
            }
            Code::PrivacyRequired => word(out, "PRIVACYREQUIRED"),
            Code::ReadOnly => word(out, "READ-ONLY"),
            Code::ReadWrite => word(out, "READ-WRITE"),
            Code::ServerBug => word(out, "SERVERBUG"),
            Code::TooBig => word(out, "TOOBIG"),
            Code::TryCreate => word(out, "TRYCREATE"),
            Code::UidNext(uid) => {
                word(out, "UIDNEXT ");
                encode::number(out, u64::from(uid.get()));
            }
            Code::UidNotSticky => word(out, "UIDNOTSTICKY"),
            Code::UidValidity(validity) => {
                word(out, "UIDVALIDITY ");
                encode::number(out, u64::from(validity.get()));
            }
            Code::Unavailable => word(out, "UNAVAILABLE"),
            Code::UndefinedFilter(name) => {
                word(out, "UNDEFINED-FILTER ");
                word(out, name.as_str());
            }
            Code::UnknownCte => word(out, "UNKNOWN-CTE"),
            Code::Unseen(n) => {
                word(out, "UNSEEN ");
                encode::number(out, u64::from(*n));
            }
            Code::UseAttr => word(out, "USEATTR"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_with_arguments() {
        let uid = |n| Uid::new(n).unwrap();
        let validity = UidValidity::new(7).unwrap();
        let seen = Flags::SEEN.with(Flags::keyword(1));
        let keywords: Vec<std::rc::Rc<str>> = vec!["a".into(), "$Junk".into()];
        let cases = [
            (Code::AppendUid { validity, uids: vec![uid(5), uid(6)] }, "APPENDUID 7 5:6"),
            (
                Code::CopyUid {
                    validity,
                    source: vec![uid(1), uid(3), uid(4)],
                    target: vec![uid(9), uid(10), uid(11)],
                },
                "COPYUID 7 1,3:4 9:11",
            ),
            (Code::BadCharset(vec!["US-ASCII", "UTF-8"]), "BADCHARSET (US-ASCII UTF-8)"),
            (Code::BadCharset(vec![]), "BADCHARSET"),
            (Code::PermanentFlags { flags: seen, keywords, any: true }, "PERMANENTFLAGS (\\Seen $Junk \\*)"),
            (Code::PermanentFlags { flags: Flags(0), keywords: vec![], any: true }, "PERMANENTFLAGS (\\*)"),
            (Code::PermanentFlags { flags: Flags(0), keywords: vec![], any: false }, "PERMANENTFLAGS ()"),
            (Code::UidNext(uid(u32::MAX)), "UIDNEXT 4294967295"),
            (Code::Unseen(3), "UNSEEN 3"),
            (Code::MailboxId(MailboxObjectId(1 << 32 | 171)), "MAILBOXID (F00000001000000ab)"),
            (Code::NoUpdate(Tag::new(b"B02").unwrap()), "NOUPDATE \"B02\""),
            (Code::MetadataLongEntries(2199), "METADATA LONGENTRIES 2199"),
            (Code::MetadataMaxSize(8192), "METADATA MAXSIZE 8192"),
            (Code::MetadataTooMany, "METADATA TOOMANY"),
            (Code::UndefinedFilter(FilterName::new("on-the-road").unwrap()), "UNDEFINED-FILTER on-the-road"),
            (Code::Capability("IMAP4rev1 ID".to_owned()), "CAPABILITY IMAP4rev1 ID"),
        ];
        for (code, want) in cases {
            let mut out = Vec::new();
            code.write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }
}
