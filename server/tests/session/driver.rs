//! The driver: order, bad input, slow and vanishing clients, the stop of the server.

use std::time::Duration;

use trawl_server::session::{Closed, Outcome, Start};
use trawl_server::sim::world::World;
use trawl_store::clock::Clock;

use crate::{MESSAGE, answer};

#[test]
fn pipelined_commands_are_answered_in_order() {
    let world = World::new(11);
    let mut client = world.connect();
    world.run(async {
        client.line().await.unwrap();
        client
            .send(
                "a LOGIN ann secret\r\nb SELECT INBOX\r\nc NOOP\r\nd STATUS INBOX (MESSAGES)\r\ne LOGOUT\r\n",
            )
            .await;
        let mut tags = Vec::new();
        while let Some(line) = client.line().await {
            if !line.starts_with('*') {
                tags.push(line.split(' ').take(2).collect::<Vec<_>>().join(" "));
            }
        }
        assert_eq!(tags, ["a OK", "b OK", "c OK", "d OK", "e OK"]);
    });
}

#[test]
fn nonsense_is_answered_and_ends_at_last() {
    let world = World::new(12);
    let mut client = world.login("ann");
    world.run(async {
        for command in ["NOPE", "SELECT", "FETCH 1 FLAGS", "NOOP x", "CREATE \"a\nb\"", "\0"] {
            answer(&mut client, command, "BAD").await;
        }
        client.send(" no tag\r\n").await;
        assert!(client.line().await.unwrap().starts_with("* BAD"));
        client.send(format!("x {}\r\n", "y".repeat(300_000))).await;
        assert!(client.line().await.unwrap().starts_with("x BAD [TOOBIG]"));
        client.send(format!("x CREATE {{70000+}}\r\n{}\r\n", "y".repeat(70_000))).await;
        assert!(client.line().await.unwrap().starts_with("x BAD [TOOBIG]"));
        client.send("x CREATE {70000}\r\n").await;
        assert!(client.line().await.unwrap().starts_with("x BAD [TOOBIG]"));
        client.ok("NOOP").await;
    });
    let mut client = world.connect();
    world.run(async {
        client.line().await.unwrap();
        for _ in 0..5 {
            client.send("GET / HTTP/1.1\r\n").await;
        }
        let mut lines = Vec::new();
        while let Some(line) = client.line().await {
            lines.push(line);
        }
        assert!(lines.last().unwrap().starts_with("* BYE [CLIENTBUG]"), "{lines:?}");
    });
}

#[test]
fn silence_ends_a_session_sooner_before_login() {
    let world = World::new(13);
    let mut stranger = world.connect();
    let mut client = world.login("ann");
    let begin = world.clock.wall().0;
    world.run(async {
        stranger.line().await.unwrap();
        assert!(stranger.line().await.unwrap().starts_with("* BYE"));
        assert_eq!(stranger.outcome().await, Some(Outcome::Closed(Closed::Silent)));
    });
    let after = |begin: i64| Duration::from_millis((world.clock.wall().0 - begin) as u64);
    assert!(
        after(begin) >= Duration::from_secs(60) && after(begin) < Duration::from_secs(120),
        "{:?}",
        after(begin)
    );
    world.run(async {
        assert!(client.line().await.unwrap().starts_with("* BYE"));
        assert_eq!(client.outcome().await, Some(Outcome::Closed(Closed::Silent)));
    });
    assert!(after(begin) >= Duration::from_secs(30 * 60), "RFC 9051 5.4: {:?}", after(begin));
}

#[test]
fn a_client_that_reads_nothing_is_closed_and_takes_bounded_memory() {
    let world = World::new(14);
    let mut client = world.login("ann");
    world.run(async {
        for n in 0..300 {
            client.ok(&format!("CREATE {n}{}", "x".repeat(200))).await;
        }
        // 300 lists of 60 KB, none of them read.
        for n in 0..300 {
            client.send(format!("l{n} LIST \"\" *\r\n")).await;
        }
        assert_eq!(client.outcome().await, Some(Outcome::Closed(Closed::Stalled)));
    });
}

#[test]
fn a_client_that_vanishes_is_noticed() {
    let world = World::new(15);
    let client = world.select("ann", "INBOX");
    drop(client);
    let core = world.core.clone();
    world.run(async move {
        for _ in 0..100 {
            futures_lite::future::yield_now().await;
        }
        assert_eq!(core.counters.get().sessions, 0);
    });
}

#[test]
fn commands_before_the_end_of_input_are_still_answered() {
    let world = World::new(16);
    let mut client = world.login("ann");
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        client.send("a SELECT INBOX\r\nb FETCH 1 RFC822.SIZE\r\n").await;
        client.end_input().await;
        let mut lines = Vec::new();
        while let Some(line) = client.line().await {
            lines.push(line);
        }
        assert!(lines.iter().any(|line| line.starts_with("b OK")), "{lines:?}");
        assert_eq!(client.outcome().await, Some(Outcome::Closed(Closed::Client)));
    });
}

#[test]
fn the_answer_of_a_fetch_is_written_at_once() {
    let world = World::new(18);
    let mut client = world.select("ann", "INBOX");
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        client.ok("NOOP").await;
        for items in [
            "FLAGS",
            "ENVELOPE",
            "UID BODY.PEEK[]",
            "FLAGS BINARY.SIZE[1] INTERNALDATE BODY.PEEK[TEXT]<0.5> BODY.PEEK[9] RFC822.SIZE",
            "BODY.PEEK[HEADER.FIELDS (SUBJECT X-NONE)]",
        ] {
            let before = client.writes();
            let lines = client.ok(&format!("UID FETCH 1 ({items})")).await;
            assert_eq!((lines.len(), client.writes() - before), (1, 1), "{items}: {lines:?}");
        }
    });
}

#[test]
fn stopping_says_bye_to_everyone() {
    let world = World::new(17);
    let (mut idle, mut busy, mut stranger) =
        (world.select("ann", "INBOX"), world.login("ann"), world.connect());
    world.run(async {
        stranger.line().await.unwrap();
        idle.send("i IDLE\r\n").await;
        assert_eq!(idle.line().await.as_deref(), Some("+ idling"));
        world.core.stop.set();
        for client in [&mut idle, &mut busy, &mut stranger] {
            assert!(client.line().await.unwrap().starts_with("* BYE"));
            assert_eq!(client.line().await, None);
            assert_eq!(client.outcome().await, Some(Outcome::Closed(Closed::Stopping)));
        }
        assert_eq!(world.core.counters.get().sessions, 0);
    });
}

/// An idle connection costs its session's future and little else.
#[test]
fn the_future_of_a_session_is_small() {
    let world = World::new(18);
    let (_, mut end) = trawl_server::sim::pipe::pipe(1);
    let connection = world.connection();
    let run = trawl_server::session::run(&mut end, &connection, Start::Greet, Vec::new(), &world.core);
    let bytes = std::mem::size_of_val(&run);
    assert!(bytes <= 6 * 1024, "{bytes} bytes");
}
