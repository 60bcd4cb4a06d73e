//! `trawl-bench echo` and `trawl-bench driver`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::{Ended, print};
use crate::client::{Endpoint, Session};
use crate::echo::{Echo, Stall};
use crate::load::operation::{AnyOk, Command, Job, Source};
use crate::load::{self, Connection, Load, Pattern, Run, Watch};
use crate::report::numbers::{millis, thousands};

#[derive(clap::Args)]
pub struct EchoArguments {
    #[arg(long, default_value = "127.0.0.1:2143")]
    listen: String,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Stand still at the end of each so many seconds ...
    #[arg(long, requires = "stall_for")]
    stall_every: Option<f64>,
    /// ... for so many
    #[arg(long, requires = "stall_every")]
    stall_for: Option<f64>,
}

pub fn echo(arguments: &EchoArguments) -> Ended {
    let stall = arguments.stall_every.zip(arguments.stall_for).map(|(every, time)| Stall {
        every: Duration::from_secs_f64(every),
        time: Duration::from_secs_f64(time),
    });
    let echo = Echo::bind(&arguments.listen, stall).map_err(|e| format!("{}: {e}", arguments.listen))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).map_err(|e| e.to_string())?;
    }
    print(&format!("listening on {}\n", echo.address));
    std::thread::scope(|scope| {
        let handles: Vec<_> =
            (0..arguments.threads.max(1)).map(|_| scope.spawn(|| echo.serve(&stop))).collect();
        for handle in handles {
            handle.join().map_err(|_| "a thread panicked".to_owned())?.map_err(|e| e.to_string())?;
        }
        Ok(true)
    })
}

#[derive(clap::Args)]
pub struct DriverArguments {
    /// Driver threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Commands under way on each connection
    #[arg(long, default_value_t = 8)]
    depth: usize,
    /// Seconds of each stretch
    #[arg(long, default_value_t = 5.0)]
    time: f64,
    /// Operations a second of the open loop
    #[arg(long, default_value_t = 20_000.0)]
    rate: f64,
}

/// Closed loop at full speed, then an open loop, against a responder on one thread of this process.
pub fn driver(arguments: &DriverArguments) -> Ended {
    let echo = Echo::bind("127.0.0.1:0", None).map_err(|e| e.to_string())?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| echo.serve(&stop));
        let done = stretches(arguments, echo.address.port());
        stop.store(true, Relaxed);
        done.map_err(|e| e.to_string())
    })
}

fn stretches(arguments: &DriverArguments, port: u16) -> crate::client::Result<bool> {
    for (name, depth, pattern) in [
        ("closed loop", arguments.depth, Pattern::Closed),
        ("closed loop, one at a time", 1, Pattern::Closed),
        ("open loop", 1, Pattern::Poisson { rate: arguments.rate }),
    ] {
        let run = noops(arguments, port, depth, pattern)?;
        let class = &run.recorder.classes[0];
        let at = |q| millis(class.latency.value_at_quantile(q) as f64 / 1e6);
        print(&format!(
            "{name:28} {:>10} commands/s  p50 {} ms  p99 {} ms  driver thread {:.0} % busy, {:.0} % waiting for a processor{}\n",
            thousands((class.right as f64 / run.seconds) as i64),
            at(0.5),
            at(0.99),
            run.driver.cpu_max * 100.0,
            run.driver.waited_max * 100.0,
            if pattern.is_open() {
                format!(", lag p99 {} ms", millis(run.driver.lag_p99_ms))
            } else {
                String::new()
            },
        ));
        if class.failed() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn noops(
    arguments: &DriverArguments,
    port: u16,
    depth: usize,
    pattern: Pattern,
) -> crate::client::Result<Run> {
    let endpoint = Endpoint::plain("127.0.0.1", port);
    let connections = (0..arguments.connections)
        .map(|n| Ok(Connection::new(n, Session::connect(&endpoint)?)))
        .collect::<crate::client::Result<_>>()?;
    let load = Load {
        pattern,
        depth,
        warmup: Duration::from_millis(500),
        time: Duration::from_secs_f64(arguments.time),
        least: 0,
        time_max: Duration::ZERO,
        timeout: Duration::from_secs(30),
        threads: arguments.threads,
        seed: 1,
    };
    let source = || -> Box<dyn Source> {
        Box::new(|_| Some(Job { class: 0, operation: Box::new(Command::new("NOOP", AnyOk(1))) }))
    };
    let sources = (0..arguments.threads).map(|_| source()).collect();
    load::run(&load, connections, sources, &["NOOP".to_owned()], &Watch::default())
}
