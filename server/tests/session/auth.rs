//! Who is there: greeting, LOGIN, AUTHENTICATE, STARTTLS, CAPABILITY, ID, ENABLE, NAMESPACE, NOOP, LOGOUT.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use trawl_server::core::AccountRef;
use trawl_server::session::{Closed, Connection, Outcome, Start};
use trawl_server::sim::world::{PASSWORD, World};
use trawl_server::wire::ast::Tag;
use trawl_store::types::{AccountId, ShardId};

use crate::{answer, expect};

#[test]
fn a_session_from_greeting_to_logout() {
    let world = World::new(1);
    let mut client = world.connect();
    world.run(async {
        let greeting = client.line().await.unwrap();
        assert!(greeting.starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "), "{greeting}");
        for name in [" LITERAL- ", " STARTTLS", " AUTH=PLAIN", " AUTH=LOGIN", " APPENDLIMIT=104857600"] {
            assert!(greeting.contains(name), "{greeting} has no {name}");
        }
        expect(&mut client, "NOOP", &["OK NOOP done"]).await;
        answer(&mut client, "SELECT INBOX", "BAD").await;
        answer(&mut client, "LOGIN ann wrong", "NO [AUTHENTICATIONFAILED]").await;
        answer(&mut client, "LOGIN bob secret", "NO [AUTHENTICATIONFAILED]").await;
        answer(&mut client, &format!("LOGIN ann {PASSWORD}"), "OK [CAPABILITY IMAP4rev1 IMAP4rev2 ").await;
        answer(&mut client, &format!("LOGIN ann {PASSWORD}"), "BAD").await;
        answer(&mut client, "STARTTLS", "BAD").await;
        let lines = client.ok("CAPABILITY").await;
        assert!(lines[0].contains(" LITERAL+") && !lines[0].contains("AUTH="), "{lines:?}");
        let lines = client.ok("ID (\"name\" \"test\" \"version\" NIL)").await;
        assert!(lines[0].starts_with("* ID (\"name\" \"Trawl\""), "{lines:?}");
        expect(&mut client, "NAMESPACE", &["* NAMESPACE ((\"\" \"/\")) NIL NIL", "OK NAMESPACE done"]).await;
        expect(&mut client, "ENABLE X-UNKNOWN", &["* ENABLED", "OK ENABLE done"]).await;
        expect(&mut client, "ENABLE imap4rev2 CONDSTORE", &["* ENABLED IMAP4rev2", "OK ENABLE done"]).await;
        client.ok("SELECT INBOX").await;
        answer(&mut client, "ENABLE IMAP4rev2", "BAD").await;
        expect(&mut client, "LOGOUT", &["* BYE Logging out", "OK LOGOUT done"]).await;
        assert_eq!(client.line().await, None);
        assert_eq!(client.outcome().await, Some(Outcome::Closed(Closed::Logout)));
    });
}

#[test]
fn plain_and_login_with_and_without_initial_response() {
    let world = World::new(2);
    let plain = BASE64.encode(format!("\0ann\0{PASSWORD}"));
    let user = BASE64.encode("ann");
    let password = BASE64.encode(PASSWORD);
    let exchanges: [(String, Vec<&str>, &str); 10] = [
        (format!("AUTHENTICATE PLAIN {plain}"), vec![], "OK [CAPABILITY"),
        ("AUTHENTICATE plain".into(), vec![&plain], "OK [CAPABILITY"),
        ("AUTHENTICATE LOGIN".into(), vec![&user, &password], "OK [CAPABILITY"),
        (format!("AUTHENTICATE LOGIN {user}"), vec![&password], "OK [CAPABILITY"),
        (format!("AUTHENTICATE LOGIN {user}"), vec![&user], "NO [AUTHENTICATIONFAILED]"),
        ("AUTHENTICATE PLAIN".into(), vec!["*"], "BAD"),
        ("AUTHENTICATE PLAIN".into(), vec!["not base64!"], "BAD"),
        ("AUTHENTICATE PLAIN =".into(), vec![], "BAD"),
        (format!("AUTHENTICATE PLAIN {}", BASE64.encode("bob\0ann\0x")), vec![], "NO [AUTHORIZATIONFAILED]"),
        ("AUTHENTICATE CRAM-MD5".into(), vec![], "NO [CANNOT]"),
    ];
    for (command, responses, want) in exchanges {
        let mut client = world.connect();
        world.run(async {
            client.line().await.unwrap();
            let tag = client.begin(&command).await;
            for response in responses {
                let challenge = client.line().await.unwrap();
                assert!(challenge.starts_with("+ "), "{command}: {challenge}");
                client.send(format!("{response}\r\n")).await;
            }
            let lines = client.finish(&tag).await;
            assert!(lines.last().unwrap().starts_with(want), "{command}: {lines:?}");
            // The step with the stream is kept.
            client.ok("NOOP").await;
        });
    }
}

#[test]
fn no_passwords_in_clear_from_elsewhere() {
    let world = World::new(3);
    let peer = Some(([192, 0, 2, 1], 40_000).into());
    let far = Connection { peer, ..world.connection() };
    let mut client = world.connect_as(far, Start::Greet, Vec::new());
    world.run(async {
        let greeting = client.line().await.unwrap();
        assert!(greeting.contains(" LOGINDISABLED") && !greeting.contains("AUTH="), "{greeting}");
        answer(&mut client, &format!("LOGIN ann {PASSWORD}"), "NO [PRIVACYREQUIRED]").await;
        answer(&mut client, "AUTHENTICATE PLAIN", "NO [PRIVACYREQUIRED]").await;
    });
    let mut client =
        world.connect_as(Connection { tls: true, starttls: false, ..far }, Start::Greet, Vec::new());
    world.run(async {
        let greeting = client.line().await.unwrap();
        assert!(!greeting.contains("STARTTLS"), "{greeting}");
        answer(&mut client, "STARTTLS", "BAD").await;
        client.ok(&format!("LOGIN ann {PASSWORD}")).await;
    });
}

#[test]
fn starttls_throws_away_what_came_in_clear() {
    let world = World::new(4);
    let mut client = world.connect();
    world.run(async {
        client.line().await.unwrap();
        client.send(format!("a STARTTLS\r\nb LOGIN ann {PASSWORD}\r\n")).await;
        assert!(client.line().await.unwrap().starts_with("a OK"));
        assert_eq!(client.line().await, None, "nothing but the answer of STARTTLS");
        assert_eq!(client.outcome().await, Some(Outcome::StartTls));
    });
    let tls = Connection { tls: true, starttls: false, ..world.connection() };
    let mut client = world.connect_as(tls, Start::AfterTls, Vec::new());
    // No greeting: the first line is the answer.
    world.run(async { expect(&mut client, "NOOP", &["OK NOOP done"]).await });
}

#[test]
fn wrong_passwords_end_the_connection() {
    let world = World::new(5);
    let mut client = world.connect();
    world.run(async {
        client.line().await.unwrap();
        for _ in 0..4 {
            answer(&mut client, "LOGIN ann wrong", "NO [AUTHENTICATIONFAILED]").await;
        }
        answer(&mut client, "LOGIN ann wrong", "NO [AUTHENTICATIONFAILED]").await;
        assert!(client.line().await.unwrap().starts_with("* BYE [LIMIT]"));
        assert_eq!(client.outcome().await, Some(Outcome::Closed(Closed::Bye)));
    });
}

#[test]
fn a_user_has_so_many_sessions() {
    let world = World::new(6);
    world.sessions_max.set(1);
    let first = world.login("ann");
    let mut second = world.connect();
    world.run(async {
        second.line().await.unwrap();
        answer(&mut second, &format!("LOGIN ann {PASSWORD}"), "NO [LIMIT]").await;
    });
    drop(first);
    world.run(async {
        // The first session ends as soon as its client is seen gone.
        for _ in 0..10 {
            futures_lite::future::yield_now().await;
        }
        second.ok(&format!("LOGIN ann {PASSWORD}")).await;
    });
}

/// A connection whose account is on another core leaves with every byte, and the other core answers.
#[test]
fn a_hand_off_takes_the_pipelined_commands_along() {
    let world = World::new(7);
    let elsewhere = AccountRef { name: "cat".into(), account: AccountId(9), shard: ShardId(5) };
    world.auth.add(PASSWORD, elsewhere.clone());
    let mut client = world.connect();
    let pipelined = "y SELECT INBOX\r\nz APPEND INBOX {5+}\r\nhe";
    let (account, tag, input) = world.run(async {
        client.line().await.unwrap();
        client.send(format!("x LOGIN cat {PASSWORD}\r\n{pipelined}")).await;
        assert_eq!(client.line().await, None, "the other core answers");
        match client.outcome().await {
            Some(Outcome::HandOff { account, tag, input }) => (account, tag, input),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!((account, tag.as_str()), (elsewhere, "x"));
    assert_eq!(input, pipelined.as_bytes());
    let start = Start::Login {
        account: AccountRef { name: "ann".into(), account: AccountId(1), shard: ShardId(0) },
        tag,
    };
    let mut client = world.connect_as(world.connection(), start, b"y EXAMINE INBOX\r\n".to_vec());
    world.run(async {
        assert!(client.line().await.unwrap().starts_with("x OK [CAPABILITY"));
        let lines = client.finish("y").await;
        assert!(lines.last().unwrap().starts_with("OK [READ-ONLY]"), "{lines:?}");
    });
}

#[test]
fn preauth_begins_logged_in() {
    let world = World::new(8);
    let account = AccountRef { name: "ann".into(), account: AccountId(1), shard: ShardId(0) };
    let mut client = world.connect_as(world.connection(), Start::Preauth(account.clone()), Vec::new());
    world.run(async {
        assert!(client.line().await.unwrap().starts_with("* PREAUTH [CAPABILITY"));
        client.ok("SELECT INBOX").await;
    });
    let gone = AccountRef { account: AccountId(77), ..account };
    let mut client = world.connect_as(
        world.connection(),
        Start::Login { account: gone, tag: Tag::new(b"q").unwrap() },
        vec![],
    );
    world.run(async {
        assert!(client.line().await.unwrap().starts_with("* BYE"));
        assert_eq!(client.outcome().await, Some(Outcome::Closed(Closed::Bye)));
    });
}
