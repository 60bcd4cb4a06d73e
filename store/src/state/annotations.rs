//! Annotations (RFC 5464): names and their values, which cost a pointer to share with whoever has looked at them.
//!
//! Not here: what a name or a value may be (the server's). It holds: a shared set never changes; changing one makes another.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

/// See the module. Names are in lower case; a value may be of no octets, which is not the same as none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Annotations {
    entries: Rc<BTreeMap<Rc<str>, Rc<[u8]>>>,
}

impl Annotations {
    pub fn get(&self, name: &str) -> Option<&Rc<[u8]>> {
        self.entries.get(name)
    }
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// All, ascending by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &Rc<[u8]>)> {
        self.entries.iter()
    }
    /// Those below `name`, itself not among them, ascending by name.
    pub fn below(&self, name: &str) -> impl Iterator<Item = (&Rc<str>, &Rc<[u8]>)> {
        let prefix = format!("{name}/");
        self.entries
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .take_while(move |(name, _)| name.starts_with(&prefix))
    }
    /// Sets a value, or with `None` removes it.
    pub fn set(&mut self, name: &str, value: Option<&[u8]>) {
        let entries = Rc::make_mut(&mut self.entries);
        match value {
            Some(value) => {
                entries.insert(name.into(), value.into());
            }
            None => {
                entries.remove(name);
            }
        }
    }
    /// Names whose values are not the same in both, ascending.
    pub fn differing(&self, other: &Annotations) -> Vec<Rc<str>> {
        if Rc::ptr_eq(&self.entries, &other.entries) {
            return Vec::new();
        }
        let changed = self.iter().filter(|(name, value)| other.get(name) != Some(value));
        let gone = other.iter().filter(|(name, _)| self.get(name).is_none());
        let mut names: Vec<Rc<str>> = changed.chain(gone).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(entries: &[Rc<str>]) -> Vec<&str> {
        entries.iter().map(|name| &**name).collect()
    }

    #[test]
    fn a_shared_set_stays_and_differences_are_named() {
        let mut now = Annotations::default();
        now.set("/private/a", Some(b"1"));
        now.set("/private/b", Some(b""));
        let before = now.clone();
        assert!(now.differing(&before).is_empty());
        now.set("/private/a", Some(b"2"));
        now.set("/private/b", None);
        now.set("/private/c", Some(b"3"));
        now.set("/private/d", None);
        assert_eq!(before.get("/private/a").map(|value| &**value), Some(&b"1"[..]));
        assert_eq!(before.get("/private/b").map(|value| &**value), Some(&b""[..]));
        let all = ["/private/a", "/private/b", "/private/c"];
        assert_eq!(names(&now.differing(&before)), all);
        assert_eq!(names(&before.differing(&now)), all);
        now.set("/private/a", Some(b"1"));
        assert_eq!(names(&now.differing(&before)), ["/private/b", "/private/c"], "values are compared");
    }

    #[test]
    fn below_a_name_is_what_begins_with_it_and_a_slash() {
        let mut all = Annotations::default();
        for name in
            ["/private/a", "/private/a-b", "/private/a/b", "/private/a/b/c", "/private/a0", "/private/b"]
        {
            all.set(name, Some(b""));
        }
        let below = |name| all.below(name).map(|(name, _)| &**name).collect::<Vec<_>>();
        assert_eq!(below("/private/a"), ["/private/a/b", "/private/a/b/c"]);
        assert_eq!(below("/private").len(), 6);
        assert!(below("/private/b").is_empty() && below("/shared").is_empty());
    }
}
