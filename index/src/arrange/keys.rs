//! What stands for an address and for a message id when they are compared.

use std::borrow::Cow;

use crate::mime::words;
use crate::summary::{EnvelopeAddress, thread_hash};

/// The addr-mailbox (RFC 5256 3); of a group its name.
pub(super) fn mailbox(address: &EnvelopeAddress) -> Cow<'_, str> {
    words::decode(address.mailbox.as_deref().unwrap_or_default())
}

/// The sort value of RFC 5957 3.
pub(super) fn display(address: &EnvelopeAddress) -> Cow<'_, str> {
    let name = words::decode(address.name.as_deref().unwrap_or_default());
    match (&address.mailbox, &address.host) {
        _ if !name.is_empty() => name,
        (Some(_), Some(host)) => format!("{}@{}", mailbox(address), words::decode(host)).into(),
        _ => mailbox(address),
    }
}

/// A hash of a message id. RFC 5256 3: an id that is quoted is the same id.
pub(super) fn message_id_hash(id: &[u8]) -> u64 {
    if !id.iter().any(|octet| matches!(octet, b'"' | b'\\')) {
        return thread_hash(id);
    }
    let (mut plain, mut escaped) = (Vec::with_capacity(id.len()), false);
    for &octet in id {
        match octet {
            b'\\' if !escaped => escaped = true,
            b'"' if !escaped => {}
            octet => {
                plain.push(octet);
                escaped = false;
            }
        }
    }
    thread_hash(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_makes_no_other_id() {
        let hash = message_id_hash(b"01KF8JCEOCBS0045PS@xxx.yyy.com");
        assert_eq!(message_id_hash(b"\"01KF8JCEOCBS0045PS\"@xxx.yyy.com"), hash);
        assert_eq!(message_id_hash(b"\"01KF8\\JCEOCBS0045PS\"@xxx.yyy.com"), hash);
        assert_ne!(message_id_hash(b"01kf8jceocbs0045ps@xxx.yyy.com"), hash);
        assert_ne!(message_id_hash(b"\"a\\\"\"@b"), message_id_hash(b"a@b"));
    }

    #[test]
    fn what_is_displayed_of_an_address() {
        let address = |name: Option<&str>, mailbox: Option<&str>, host: Option<&str>| {
            let octets = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
            let address =
                EnvelopeAddress { name: octets(name), mailbox: octets(mailbox), host: octets(host) };
            display(&address).into_owned()
        };
        assert_eq!(address(Some("=?utf-8?q?=C3=A9?="), Some("m"), Some("h")), "é");
        assert_eq!(address(Some(""), Some("m"), Some("h")), "m@h");
        assert_eq!(address(None, Some("group"), None), "group");
        assert_eq!(address(None, None, Some("h")), "");
    }
}
