//! Keyword names to flags, with new names added to a mailbox's table.

use super::ChangeError;
use crate::limits;
use crate::state::head::MailboxHead;
use crate::state::ops::Op;
use crate::types::{Flags, MailboxId};
use std::rc::Rc;

/// The keywords of a mailbox as they will be, and those that a change adds.
pub(super) struct KeywordTable {
    mailbox: MailboxId,
    names: Vec<Rc<str>>,
    known: usize,
}

impl KeywordTable {
    pub fn new(mailbox: &MailboxHead<'_>) -> KeywordTable {
        let names: Vec<Rc<str>> = mailbox.keywords().cloned().collect();
        KeywordTable { mailbox: mailbox.mailbox.id(), known: names.len(), names }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known.eq_ignore_ascii_case(name))
    }

    /// Flags of the keywords; names that are not known are added.
    pub fn flags<S: AsRef<str>>(&mut self, names: &[S]) -> Result<Flags, ChangeError> {
        let mut flags = Flags::default();
        for name in names.iter().map(AsRef::as_ref) {
            let index = match self.find(name) {
                Some(index) => index,
                None if !is_keyword(name) => return Err(ChangeError::BadKeyword),
                None if self.names.len() == Flags::KEYWORDS_MAX => return Err(ChangeError::KeywordLimit),
                None => {
                    self.names.push(name.into());
                    self.names.len() - 1
                }
            };
            flags = flags.with(Flags::keyword(index));
        }
        Ok(flags)
    }

    /// Flags of the keywords that are known; the others are nobody's.
    pub fn known_flags<S: AsRef<str>>(&self, names: &[S]) -> Flags {
        let found = names.iter().filter_map(|name| self.find(name.as_ref()));
        found.fold(Flags::default(), |flags, index| flags.with(Flags::keyword(index)))
    }

    /// The operation that records what was added.
    pub fn into_op(self) -> Option<Op> {
        let names: Vec<String> = self.names[self.known..].iter().map(|name| name.to_string()).collect();
        (!names.is_empty()).then_some(Op::Keywords { mailbox: self.mailbox, first: self.known as u32, names })
    }
}

/// RFC 9051 9 `flag-keyword`: an atom, and not a system flag.
fn is_keyword(name: &str) -> bool {
    (1..=limits::keyword_bytes_max).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte))
}
