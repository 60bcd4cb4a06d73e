//! The names of the simulated disk: what lookups see, what is durable, and the operations in between.
//!
//! Directory operations become durable by a sync of the folder they happened in, and until then survive a crash
//! in any subset (so also out of order).

use std::collections::BTreeMap;
use std::io;

use super::sim_file::Survival;
use crate::seed::SimSeed;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Dir,
    File(u64),
}

#[derive(Clone)]
enum NameOp {
    Link(String, Node),
    Unlink(String, u64),
    Rename(String, String, u64),
    RemoveDir(String),
}

/// The root is not an entry: it always exists.
#[derive(Clone, Default)]
pub(super) struct Names {
    current: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    pending: Vec<NameOp>,
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

fn below<'a>(names: &'a BTreeMap<String, Node>, dir: &str) -> impl Iterator<Item = (&'a String, &'a Node)> {
    let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
    let start = prefix.clone();
    names.range(start..).take_while(move |(path, _)| path.starts_with(&prefix))
}

impl NameOp {
    fn touches(&self, dir: &str) -> bool {
        match self {
            NameOp::Link(path, _) | NameOp::Unlink(path, _) | NameOp::RemoveDir(path) => parent(path) == dir,
            NameOp::Rename(from, to, _) => parent(from) == dir || parent(to) == dir,
        }
    }

    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            NameOp::Link(path, node) => {
                if dir_exists(names, parent(path)) && !(names.get(path) == Some(&Node::Dir)) {
                    names.insert(path.clone(), *node);
                }
            }
            NameOp::Unlink(path, inode) => {
                if names.get(path) == Some(&Node::File(*inode)) {
                    names.remove(path);
                }
            }
            NameOp::Rename(from, to, inode) => {
                if names.get(from) == Some(&Node::File(*inode)) && dir_exists(names, parent(to)) {
                    names.remove(from);
                    names.insert(to.clone(), Node::File(*inode));
                }
            }
            NameOp::RemoveDir(dir) => {
                let gone: Vec<String> = below(names, dir).map(|(path, _)| path.clone()).collect();
                names.retain(|path, _| !gone.contains(path));
                names.remove(dir);
            }
        }
    }
}

fn dir_exists(names: &BTreeMap<String, Node>, dir: &str) -> bool {
    dir.is_empty() || names.get(dir) == Some(&Node::Dir)
}

impl Names {
    pub fn file(&self, path: &str) -> io::Result<u64> {
        match self.current.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        if !dir_exists(&self.current, dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let cut = if dir.is_empty() { 0 } else { dir.len() + 1 };
        Ok(below(&self.current, dir)
            .map(|(path, _)| &path[cut..])
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    fn run(&mut self, op: NameOp) {
        op.apply(&mut self.current);
        self.pending.push(op);
    }

    pub fn create(&mut self, path: &str, inode: u64) -> io::Result<()> {
        if self.current.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !dir_exists(&self.current, parent(path)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.run(NameOp::Link(path.to_owned(), Node::File(inode)));
        Ok(())
    }

    pub fn create_dir_all(&mut self, dir: &str) -> io::Result<()> {
        let mut end = 0;
        while end < dir.len() {
            end = dir[end + 1..].find('/').map_or(dir.len(), |i| end + 1 + i);
            match self.current.get(&dir[..end]) {
                Some(Node::Dir) => {}
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => self.run(NameOp::Link(dir[..end].to_owned(), Node::Dir)),
            }
        }
        Ok(())
    }

    pub fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.file(from)?;
        if self.current.get(to) == Some(&Node::Dir) || !dir_exists(&self.current, parent(to)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.run(NameOp::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    pub fn remove(&mut self, path: &str) -> io::Result<()> {
        let inode = self.file(path)?;
        self.run(NameOp::Unlink(path.to_owned(), inode));
        Ok(())
    }

    /// Each entry below goes on its own, then the folder, as `rm -r` does.
    pub fn remove_dir_all(&mut self, dir: &str) {
        let files: Vec<(String, u64)> = below(&self.current, dir)
            .filter_map(|(path, node)| match node {
                Node::File(inode) => Some((path.clone(), *inode)),
                Node::Dir => None,
            })
            .collect();
        for (path, inode) in files {
            self.run(NameOp::Unlink(path, inode));
        }
        if self.current.contains_key(dir) {
            self.run(NameOp::RemoveDir(dir.to_owned()));
        }
    }

    pub fn sync_dir(&mut self, dir: &str) -> io::Result<()> {
        if !dir_exists(&self.current, dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        for op in std::mem::take(&mut self.pending) {
            if op.touches(dir) {
                op.apply(&mut self.durable);
            } else {
                self.pending.push(op);
            }
        }
        Ok(())
    }

    pub fn crash(&mut self, seed: &SimSeed) {
        let ops = std::mem::take(&mut self.pending);
        let kept = Survival::draw(seed).choose(ops.len(), seed);
        for (op, keep) in ops.iter().zip(kept) {
            if keep {
                op.apply(&mut self.durable);
            }
        }
        self.current = self.durable.clone();
    }

    /// Inodes that have a name.
    pub fn inodes(&self) -> impl Iterator<Item = u64> {
        self.current.values().filter_map(|node| match node {
            Node::File(inode) => Some(*inode),
            Node::Dir => None,
        })
    }
}
