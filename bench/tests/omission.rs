//! The recorder against servers with known delays: what a stall does to users has to be in an open loop's figures. A closed
//! loop does not see it, which is why it is not used for latencies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use trawl_bench::client::{Endpoint, Session};
use trawl_bench::echo::{Echo, Stall};
use trawl_bench::load::operation::{AnyOk, Command, Job, Source};
use trawl_bench::load::{self, Connection, Load, Pattern, Run, Watch};

const STALL: Stall = Stall { every: Duration::from_millis(1000), time: Duration::from_millis(400) };

fn noops() -> Box<dyn Source> {
    Box::new(|_| Some(Job { class: 0, operation: Box::new(Command::new("NOOP", AnyOk(1))) }))
}

fn drive(pattern: Pattern, connections: usize) -> Run {
    let echo = Echo::bind("127.0.0.1:0", Some(STALL)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| echo.serve(&stop));
        let endpoint = Endpoint::plain("127.0.0.1", echo.address.port());
        let connections =
            (0..connections).map(|n| Connection::new(n, Session::connect(&endpoint).unwrap())).collect();
        let load = Load {
            pattern,
            depth: 1,
            warmup: Duration::ZERO,
            time: Duration::from_secs(3),
            least: 0,
            time_max: Duration::ZERO,
            timeout: Duration::from_secs(30),
            threads: 1,
            seed: 1,
        };
        let run = load::run(&load, connections, vec![noops()], &["noop".into()], &Watch::default());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        run.unwrap()
    })
}

/// Part of the recorded latencies that is above `nanos`.
fn above(run: &Run, nanos: u64) -> f64 {
    let latency = &run.recorder.classes[0].latency;
    1.0 - latency.count_between(0, nanos) as f64 / latency.len() as f64
}

#[test]
fn an_open_loop_shows_a_stall_and_a_closed_loop_hides_it() {
    let open = drive(Pattern::Fixed { rate: 200.0 }, 4);
    let class = &open.recorder.classes[0];
    assert_eq!((class.failed(), class.right), (0, 600), "everything that fell due was sent and answered");
    // 400 ms of each second: a quarter of all operations waits 150 ms and more. A bound that a busy machine only widens.
    assert!(above(&open, 150_000_000) > 0.2, "{}", above(&open, 150_000_000));

    let closed = drive(Pattern::Closed, 4);
    let class = &closed.recorder.classes[0];
    assert_eq!(class.failed(), 0);
    // Four operations for each stall, beside however many there were between stalls.
    assert!(
        class.latency.len() < 100 || above(&closed, 150_000_000) < 0.2,
        "{}",
        above(&closed, 150_000_000)
    );
}

#[test]
fn the_fixed_schedule_is_kept_whatever_the_server_does() {
    let run = drive(Pattern::Poisson { rate: 300.0 }, 1);
    let class = &run.recorder.classes[0];
    assert_eq!(class.failed(), 0);
    assert!((700..1100).contains(&class.right), "{}", class.right);
    // Of the time since sending, one connection sees no more than the stall; of the time since the due time, the queue behind it.
    assert!(class.latency.mean() > class.service.mean());
}

#[test]
fn a_closed_loop_that_is_slower_than_its_time_says_something_all_the_same() {
    // The first answer comes when warm-up and time are over.
    let stall = Stall { every: Duration::from_millis(1000), time: Duration::from_millis(999) };
    let echo = Echo::bind("127.0.0.1:0", Some(stall)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| echo.serve(&stop));
        let endpoint = Endpoint::plain("127.0.0.1", echo.address.port());
        let connections = vec![Connection::new(0, Session::connect(&endpoint).unwrap())];
        let load = Load {
            pattern: Pattern::Closed,
            depth: 1,
            warmup: Duration::from_millis(50),
            time: Duration::from_millis(50),
            least: 4,
            time_max: Duration::from_millis(100),
            timeout: Duration::from_secs(30),
            threads: 1,
            seed: 1,
        };
        let run = load::run(&load, connections, vec![noops()], &["noop".into()], &Watch::default());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(run.unwrap().recorder.classes[0].right >= 1);
    });
}
