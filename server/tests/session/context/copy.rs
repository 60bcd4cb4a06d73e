//! A client's copies of results, and what it does to them: what it is told, item by item (RFC 5267 4.3.3, 4.3.4).

use std::collections::BTreeSet;

use trawl_server::sim::world::Client;

/// A copy of a result, as the client has it.
#[derive(Clone, Debug)]
pub struct Copy {
    pub tag: String,
    pub by_uid: bool,
    /// What follows the return options: for SORT its criteria, charset, keys.
    pub search: String,
    pub sorted: bool,
    /// In its order.
    pub numbers: Vec<u32>,
    /// The server has given it up.
    pub lost: bool,
}

/// What the client has of the mailbox.
#[derive(Clone, Default, Debug)]
pub struct Watched {
    pub exists: u32,
    pub copies: Vec<Copy>,
}

/// `1:3,7` in its order.
pub fn set(text: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (low, high) = range.split_once(':').unwrap_or((range, range));
        low.parse::<u32>().unwrap()..=high.parse().unwrap()
    };
    text.split(',').flat_map(range).collect()
}

/// Names and values.
pub type Items = Vec<(String, String)>;

/// The tag of an ESEARCH response, whether it is about UIDs, and its items.
pub fn esearch(line: &str) -> Option<(&str, bool, Items)> {
    let (tag, rest) = line.strip_prefix("* ESEARCH (TAG \"")?.split_once('"')?;
    let (_, mut rest) = rest.split_once(')')?;
    let by_uid = rest.strip_prefix(" UID");
    rest = by_uid.unwrap_or(rest);
    let mut items = Vec::new();
    while let Some((name, after)) = rest.trim_start().split_once(' ') {
        let end = match after.starts_with('(') {
            true => after.find(')').unwrap() + 1,
            false => after.find(' ').unwrap_or(after.len()),
        };
        items.push((name.to_owned(), after[..end].trim_matches(['(', ')']).to_owned()));
        rest = &after[end..];
    }
    Some((tag, by_uid.is_some(), items))
}

impl Copy {
    pub fn apply(&mut self, name: &str, value: &str, exists: u32) {
        if name == "ALL" {
            self.numbers = set(value);
            return;
        }
        let words: Vec<&str> = value.split(' ').collect();
        for pair in words.chunks(2) {
            let (position, numbers): (usize, _) = (pair[0].parse().unwrap(), set(pair[1]));
            assert_eq!(position == 0, !self.sorted, "{name} ({value}) of {self:?}");
            if !self.by_uid {
                assert!(numbers.iter().all(|n| (1..=exists).contains(n)), "{name} ({value}): {exists} exist");
            }
            match (name, position) {
                (_, 0) => {
                    let mut copy: BTreeSet<u32> = self.numbers.iter().copied().collect();
                    let new = |n: u32| match name {
                        "ADDTO" => copy.insert(n),
                        _ => copy.remove(&n),
                    };
                    assert!(numbers.into_iter().all(new), "{name} ({value}): {self:?}");
                    self.numbers = copy.into_iter().collect();
                }
                ("ADDTO", _) => drop(self.numbers.splice(position - 1..position - 1, numbers)),
                ("REMOVEFROM", _) => {
                    let end = position - 1 + numbers.len();
                    let gone: Vec<u32> = self.numbers.drain(position - 1..end).collect();
                    assert_eq!(gone, numbers, "{name} ({value})");
                }
                _ => panic!("{name}"),
            }
        }
    }
}

impl Watched {
    pub fn apply(&mut self, lines: &[String]) {
        for line in lines {
            if let Some((tag, by_uid, items)) = esearch(line) {
                let exists = self.exists;
                let Some(copy) = self.copies.iter_mut().find(|copy| copy.tag == tag) else { continue };
                assert!(by_uid == copy.by_uid && !copy.lost, "{line}");
                items.iter().for_each(|(name, value)| copy.apply(name, value, exists));
                continue;
            }
            if let Some((_, tag)) = line.split_once("NO [NOUPDATE \"") {
                let tag = tag.split('"').next().unwrap();
                self.copies.iter_mut().filter(|copy| copy.tag == tag).for_each(|copy| copy.lost = true);
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["*", n, "EXISTS"] => self.exists = n.parse().unwrap(),
                ["*", n, "EXPUNGE"] => {
                    let gone: u32 = n.parse().unwrap();
                    self.exists -= 1;
                    for copy in self.copies.iter_mut().filter(|copy| !copy.by_uid && !copy.lost) {
                        assert!(!copy.numbers.contains(&gone), "EXPUNGE before REMOVEFROM: {line} {copy:?}");
                        copy.numbers.iter_mut().filter(|n| **n > gone).for_each(|n| *n -= 1);
                    }
                }
                _ => {}
            }
        }
    }

    /// Begins a context.
    pub async fn watch(&mut self, client: &mut Client, by_uid: bool, sorted: bool, search: &str) {
        let tag = self.begin(client, by_uid, sorted, search).await;
        self.finish(client, &tag).await;
    }

    /// Sends the command and gives its tag.
    pub async fn begin(&mut self, client: &mut Client, by_uid: bool, sorted: bool, search: &str) -> String {
        let uid = if by_uid { "UID " } else { "" };
        let command = if sorted { "SORT" } else { "SEARCH" };
        let tag = client.begin(&format!("{uid}{command} RETURN (UPDATE ALL) {search}")).await;
        let copy = Copy {
            tag: tag.clone(),
            by_uid,
            search: search.to_owned(),
            sorted,
            numbers: Vec::new(),
            lost: false,
        };
        self.copies.push(copy);
        tag
    }

    pub async fn finish(&mut self, client: &mut Client, tag: &str) {
        let lines = client.finish(tag).await;
        assert!(lines.last().unwrap().starts_with("OK"), "{lines:?}");
        self.apply(&lines);
    }

    /// Each copy is what its search finds now, in a session that has been told everything.
    pub async fn check(&self, client: &mut Client, told: &str, but: impl Fn(&Copy) -> bool) {
        for copy in self.copies.iter().filter(|copy| !copy.lost && !but(copy)) {
            let uid = if copy.by_uid { "UID " } else { "" };
            let command = if copy.sorted { "SORT" } else { "SEARCH" };
            let lines = client.ok(&format!("{uid}{command} RETURN (ALL) {}", copy.search)).await;
            assert_eq!(lines.len(), 1, "there was more to be told: {lines:?}");
            let (_, _, items) = esearch(&lines[0]).unwrap();
            let wanted = items.first().map_or_else(Vec::new, |(_, all)| set(all));
            assert_eq!(copy.numbers, wanted, "{told}: {}{command} {}", uid, copy.search);
        }
    }
}
