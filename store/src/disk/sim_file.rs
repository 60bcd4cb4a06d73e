//! One file of the simulated disk: what reading shows, what is durable, and the changes in between.
//!
//! Pages are shared copy-on-write, so that a snapshot of a whole disk at every crash point is cheap.

use std::rc::Rc;

use crate::seed::SimSeed;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// Bytes of a file in shared pages; a missing page reads as zeros.
#[derive(Clone, Default)]
pub(super) struct Content {
    pages: Vec<Option<Rc<[u8; PAGE]>>>,
    len: u64,
}

impl Content {
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn read(&self, pos: u64, len: usize) -> Vec<u8> {
        let end = self.len.min(pos.saturating_add(len as u64));
        let mut out = Vec::with_capacity(end.saturating_sub(pos) as usize);
        let mut at = pos;
        while at < end {
            let (page, from) = ((at / PAGE as u64) as usize, (at % PAGE as u64) as usize);
            let take = (PAGE - from).min((end - at) as usize);
            match self.pages.get(page).and_then(Option::as_ref) {
                Some(bytes) => out.extend_from_slice(&bytes[from..from + take]),
                None => out.resize(out.len() + take, 0),
            }
            at += take as u64;
        }
        out
    }

    pub fn write(&mut self, pos: u64, data: &[u8]) {
        let mut at = pos;
        let mut rest = data;
        while !rest.is_empty() {
            let (page, from) = ((at / PAGE as u64) as usize, (at % PAGE as u64) as usize);
            let take = (PAGE - from).min(rest.len());
            if self.pages.len() <= page {
                self.pages.resize(page + 1, None);
            }
            let bytes = self.pages[page].get_or_insert_with(|| Rc::new([0; PAGE]));
            Rc::make_mut(bytes)[from..from + take].copy_from_slice(&rest[..take]);
            at += take as u64;
            rest = &rest[take..];
        }
        self.len = self.len.max(pos + data.len() as u64);
    }

    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.pages.truncate(len.div_ceil(PAGE as u64) as usize);
            let (page, from) = ((len / PAGE as u64) as usize, (len % PAGE as u64) as usize);
            if let Some(Some(bytes)) = self.pages.get_mut(page) {
                Rc::make_mut(bytes)[from..].fill(0);
            }
        }
        self.len = len;
    }
}

/// A change that is not durable yet.
#[derive(Clone)]
pub(super) enum Change {
    Write { pos: u64, data: Rc<[u8]> },
    Truncate(u64),
    Extend(u64),
}

/// How much of the unsynced state a crash keeps. Extremes are as likely as mixtures.
#[derive(Clone, Copy)]
pub(super) enum Survival {
    Nothing,
    Everything,
    /// Each item with a chance of `n` in 8.
    Some(u64),
    /// Items up to a random one.
    Prefix,
}

impl Survival {
    pub fn draw(seed: &SimSeed) -> Survival {
        match seed.below(8) {
            0 => Survival::Nothing,
            1 => Survival::Everything,
            2 => Survival::Prefix,
            n => Survival::Some(n - 1),
        }
    }

    /// Which of `count` items survive.
    pub fn choose(self, count: usize, seed: &SimSeed) -> Vec<bool> {
        let cut = seed.below(count as u64 + 1) as usize;
        (0..count)
            .map(|i| match self {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Some(n) => seed.below(8) < n,
                Survival::Prefix => i < cut,
            })
            .collect()
    }
}

#[derive(Clone, Default)]
pub(super) struct Inode {
    /// What reads see (the page cache).
    pub current: Content,
    /// What certainly survives.
    pub durable: Content,
    /// Unsynced changes, oldest first.
    pub pending: Vec<Change>,
    /// Bytes the file occupies.
    pub reserved: u64,
}

impl Inode {
    pub fn write(&mut self, pos: u64, data: &[u8]) {
        self.current.write(pos, data);
        self.reserved = self.reserved.max(self.current.len());
        self.pending.push(Change::Write { pos, data: data.into() });
    }

    pub fn truncate(&mut self, len: u64) {
        self.current.set_len(len);
        self.reserved = len;
        self.pending.push(Change::Truncate(len));
    }

    pub fn allocate(&mut self, len: u64) {
        self.reserved = self.reserved.max(len);
        if self.current.len() < len {
            self.current.set_len(len);
            self.pending.push(Change::Extend(len));
        }
    }

    pub fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write { pos, data } => self.durable.write(pos, &data),
                Change::Truncate(len) => self.durable.set_len(len),
                Change::Extend(len) => self.durable.set_len(self.durable.len().max(len)),
            }
        }
    }

    /// A sync that fails: some of the pending changes reach the medium, all of them are forgotten as pending
    /// (the kernel marks the pages clean), and reads go on showing what is not there.
    pub fn sync_failed(&mut self, seed: &SimSeed) {
        self.apply_subset(Survival::draw(seed), seed);
    }

    /// Loses power: what reads show afterwards is what survived.
    pub fn crash(&mut self, seed: &SimSeed) {
        self.apply_subset(Survival::draw(seed), seed);
        self.current = self.durable.clone();
        self.reserved = self.current.len();
    }

    fn apply_subset(&mut self, survival: Survival, seed: &SimSeed) {
        let changes = std::mem::take(&mut self.pending);
        // Sectors of all writes are one population, so that `Prefix` cuts inside a write.
        let pieces: Vec<Change> = changes.into_iter().flat_map(sectors).collect();
        let kept = survival.choose(pieces.len(), seed);
        for (piece, keep) in pieces.into_iter().zip(kept) {
            match (piece, keep) {
                (Change::Write { pos, data }, true) => {
                    // One kept sector in eight is torn: only its first bytes are new.
                    let whole = !seed.one_in(8) || matches!(survival, Survival::Everything);
                    let n = if whole { data.len() } else { seed.below(data.len() as u64 + 1) as usize };
                    self.durable.write(pos, &data[..n]);
                }
                (Change::Write { pos, data }, false) => {
                    // The length may become durable without the data.
                    if seed.one_in(4) && !matches!(survival, Survival::Nothing) {
                        let len = self.durable.len().max(pos + data.len() as u64);
                        self.durable.set_len(len);
                    }
                }
                (Change::Truncate(len), true) => self.durable.set_len(len),
                (Change::Extend(len), true) => self.durable.set_len(self.durable.len().max(len)),
                (Change::Truncate(_) | Change::Extend(_), false) => {}
            }
        }
    }
}

fn sectors(change: Change) -> Vec<Change> {
    let Change::Write { pos, data } = change else { return vec![change] };
    let mut pieces = Vec::with_capacity(data.len() / SECTOR + 2);
    let mut at = 0;
    while at < data.len() {
        let sector_end = SECTOR - ((pos as usize + at) % SECTOR);
        let end = data.len().min(at + sector_end);
        pieces.push(Change::Write { pos: pos + at as u64, data: data[at..end].into() });
        at = end;
    }
    pieces
}
