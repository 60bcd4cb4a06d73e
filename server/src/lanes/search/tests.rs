//! Searches with a reader that is no disk.

use super::scan::{Content, ContentReader, Extent, batches};
use super::tests_support::order;
use super::*;
use trawl_index::account::work::{Batch, Source, Wanted};
use trawl_index::account::{self, Identity, Known};
use trawl_index::query::{Field, TextKey};

fn candidate(position: u32, size: u32) -> Candidate {
    Candidate { size, ..Candidate::at(position) }
}

fn text(field: Field, needle: &str) -> Node {
    Node::Text(TextKey { field, needle: needle.to_owned() })
}

/// Messages by the offset of their address: the subject holds `s<n>`, the body `b<n>`.
#[derive(Default)]
struct Memory {
    headers: usize,
    wholes: usize,
    largest_batch: usize,
    broken: Option<u32>,
}

impl ContentReader for Memory {
    fn documents(&mut self, wanted: &[Address]) -> Vec<Result<Vec<String>, String>> {
        wanted.iter().map(|address| Ok(vec![format!("d{}d", address.offset)])).collect()
    }

    fn read(&mut self, wanted: &[Address], extent: Extent) -> Vec<Result<Content, String>> {
        self.largest_batch = self.largest_batch.max(wanted.len());
        let one = |address: &Address| {
            let n = address.offset;
            if self.broken == Some(n) {
                return Err(format!("checksum of {n}"));
            }
            let header = format!("Subject: s{n}s\r\n\r\n").into_bytes();
            let body = format!("b{n}b\r\n").into_bytes();
            Ok(match extent {
                Extent::Header => Content { header, ..Content::default() },
                Extent::Whole => Content { header, body, ..Content::default() },
            })
        };
        match extent {
            Extent::Header => self.headers += wanted.len(),
            Extent::Whole => self.wholes += wanted.len(),
        }
        wanted.iter().map(one).collect()
    }
}

fn job(node: &Node, count: u32) -> Work {
    let scan = (0..count).map(|n| candidate(n, 100)).collect();
    Work::new(Order { node: node.clone(), scan, ..order() })
}

/// A lane that has nothing else to do.
fn work_off(job: &Work, reader: &mut Memory) {
    while let Some(piece) = job.claim(false) {
        job.run(piece, reader, &mut || (), &|| 0);
    }
}

#[test]
fn batches_are_bounded_and_cover_everything() {
    let big = u32::try_from(limits::SEARCH_BATCH_BYTES_MAX).unwrap();
    let sizes = [1, 1, big, big, 1, big - 1, 1, u32::MAX, 5];
    let candidates: Vec<_> = (0..).zip(sizes).map(|(n, size)| candidate(n, size)).collect();
    assert_eq!(batches(&candidates), [0..2, 2..3, 3..4, 4..6, 6..7, 7..8, 8..9]);
    let many: Vec<_> = (0..limits::SEARCH_BATCH_MESSAGES_MAX as u32 + 1).map(|n| candidate(n, 1)).collect();
    assert_eq!(batches(&many).len(), 2);
    assert!(batches(&[]).is_empty());
}

#[test]
fn lanes_share_one_search() {
    let job = job(&text(Field::Body, "7b"), 500);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| work_off(&job, &mut Memory::default()));
        }
    });
    let want: RoaringBitmap = (0..500).filter(|n| n % 10 == 7).collect();
    assert_eq!(job.result(), Ok(Found { positions: want, ..Found::default() }));
    assert!(job.batches.len() > 1);
}

#[test]
fn bodies_are_read_only_where_state_and_header_leave_it_open() {
    let state: RoaringBitmap = (10..20).collect();
    let node = Node::And(vec![
        Node::State(state),
        Node::Or(vec![text(Field::Subject, "s11s"), text(Field::Body, "b12b")]),
    ]);
    let job = job(&node, 100);
    let mut memory = Memory::default();
    work_off(&job, &mut memory);
    assert_eq!(job.result().map(|found| found.positions), Ok([11, 12].into_iter().collect()));
    assert_eq!((memory.headers, memory.wholes), (10, 9));
    assert!(memory.largest_batch <= limits::SEARCH_BATCH_MESSAGES_MAX);
}

#[test]
fn an_answer_is_complete_or_an_error() {
    let node = text(Field::Body, "b");
    let broken = job(&node, 300);
    work_off(&broken, &mut Memory { broken: Some(250), ..Memory::default() });
    assert_eq!(broken.result(), Err(SearchError::Read("checksum of 250".into())));

    let cancelled = job(&node, 300);
    cancelled.cancel.store(true, Ordering::Relaxed);
    work_off(&cancelled, &mut Memory::default());
    assert_eq!(cancelled.result(), Err(SearchError::Cancelled));

    let never_run = job(&node, 300);
    assert_eq!(never_run.result(), Err(SearchError::Failed));
}

fn texts(n: u32) -> Arc<Prepared> {
    let (header, body) = (format!("Subject: s{n}s\r\n\r\n"), format!("b{n}b\r\n"));
    let message = Message::new(header.as_bytes(), body.as_bytes());
    Arc::new(Prepared::new(&message, &AtomicBool::new(false)).unwrap())
}

/// A log of which nothing is asked.
struct Nothing;

impl Source for Nothing {
    fn known(&mut self, _: Option<u32>) -> std::io::Result<Known> {
        Ok(Known { lsn: 0, next: 0, witness: None })
    }

    fn batch(&mut self, _: u32, _: usize) -> std::io::Result<Batch> {
        Ok(Batch::default())
    }

    fn read(&mut self, _: &[Wanted]) -> Vec<Result<account::work::Content, String>> {
        Vec::new()
    }

    fn live(&mut self) -> Option<RoaringBitmap> {
        None
    }
}

#[test]
fn what_another_search_read_meanwhile_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity { store: [0; 16], epoch: 0, shard: 0, account: 0, documented: false };
    let (index, _) = AccountIndex::open(folder.path(), &identity, "boot", &mut Nothing).unwrap();
    let index = Arc::new(index);
    let scan = || (0..50).map(|n| candidate(n, 100)).collect();
    let node = text(Field::Body, "7b");
    let waiting =
        || Work::new(Order { node: node.clone(), scan: scan(), keep: Some(Arc::clone(&index)), ..order() });
    let (first, second) = (waiting(), waiting());
    index.tail().put(3, texts(3));
    let (mut reads, mut none) = (Memory::default(), Memory { broken: Some(0), ..Memory::default() });
    work_off(&first, &mut reads);
    work_off(&second, &mut none);
    assert_eq!((reads.wholes, none.wholes), (49, 0));
    let want: RoaringBitmap = (0..50).filter(|n| n % 10 == 7).collect();
    for job in [first, second] {
        assert_eq!(job.result().map(|found| found.positions), Ok(want.clone()));
    }
}

#[test]
fn texts_in_memory_and_messages_in_the_log_give_one_answer() {
    let scan = (0..100).map(|n| candidate(n, 100)).collect();
    let prepared: Vec<_> = (100..300).map(|n| (n, texts(n))).collect();
    let node = Node::Or(vec![text(Field::Subject, "7s"), text(Field::Body, "b12")]);
    let job = Work::new(Order { node, scan, prepared: prepared.clone(), ..order() });
    assert_eq!((job.quick, job.batches.len()), (200usize.div_ceil(limits::SEARCH_PREPARED_MESSAGES), 2));
    let mut quick = 0;
    while let Some(piece) = job.claim(true) {
        assert!(matches!(piece, Piece::Prepared(_)));
        job.run(piece, &mut Memory { broken: Some(0), ..Memory::default() }, &mut || (), &|| 0);
        quick += 1;
    }
    assert_eq!(quick, job.quick);
    let mut others = 0;
    while let Some(piece) = job.claim(false) {
        job.run(piece, &mut Memory::default(), &mut || others += 1, &|| 0);
    }
    assert!(others >= 100, "others may go first before each message");
    let want = |n: &u32| n % 10 == 7 || n.to_string().starts_with("12");
    let found = Found { positions: (0..300).filter(want).collect(), ..Found::default() };
    assert_eq!(job.result(), Ok(found));
}

#[test]
fn a_search_that_waits_keeps_no_texts_in_memory() {
    let mut prepared: Vec<_> = (0..200).map(|n| (n, texts(n))).collect();
    let job = Work::new(Order { node: text(Field::Subject, "7s"), prepared: prepared.clone(), ..order() });
    let given_up = prepared.split_off(150);
    assert!(given_up.iter().all(|(_, texts)| Arc::strong_count(texts) == 1));
    drop(given_up);
    work_off(&job, &mut Memory::default());
    let want = Found {
        positions: (0..150).filter(|n| n % 10 == 7).collect(),
        left: (150..200).collect(),
        is_damaged: false,
    };
    assert_eq!(job.result(), Ok(want));
}
