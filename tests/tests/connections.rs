//! Connections of the real binary: hand-off between cores with pipelined commands, TLS, STARTTLS, caps, the control socket, stop.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use trawl_tests::server::{PASSWORD, Server};

/// Names whose accounts fall on all shards, so that about half of the log-ins change the core.
const USERS: [&str; 6] = ["anna", "bob", "carl", "dora", "emil", "fay"];

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// A client that trusts the certificate the server made for itself.
fn trusting(server: &Server) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(server.store().join("tls/self-signed.pem")).unwrap();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn secure(stream: TcpStream, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream)
}

/// Everything the server says until it closes.
fn until_end(stream: &mut impl Read) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            // A server that stops may close without close_notify.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8(all).unwrap()
}

/// Tag and status of the tagged lines; tags are one letter here.
fn tagged(answer: &str) -> Vec<&str> {
    let is_tagged = |line: &&str| {
        ["OK ", "NO ", "BAD "].iter().any(|status| line.get(2..).is_some_and(|s| s.starts_with(status)))
    };
    answer
        .lines()
        .filter(is_tagged)
        .map(|line| line[..4].trim_end())
        .filter(|line| !line.starts_with('*'))
        .collect()
}

fn filled() -> Server {
    let server = Server::start_with("[runtime]\ncores = 2\n");
    for user in USERS {
        server.user(user);
        let mut client = trawl_tests::client::Client::login(server.imap, user, PASSWORD);
        let mail = format!("Subject: for {user}\r\n\r\nhello\r\n");
        assert!(client.try_append("INBOX", mail.as_bytes()).unwrap().is_ok());
    }
    server
}

fn pipeline(user: &str) -> String {
    format!(
        "a LOGIN {user} {PASSWORD}\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\nd LOGOUT\r\n"
    )
}

fn check(user: &str, answer: &str) {
    assert_eq!(tagged(answer), ["a OK", "b OK", "c OK", "d OK"], "{user}: {answer}");
    assert!(answer.contains(&format!("Subject: for {user}")), "{answer}");
}

#[test]
fn pipelined_commands_follow_their_connection_to_another_core() {
    let server = filled();
    let config = trusting(&server);
    for round in 0..10 {
        for user in USERS {
            let mut plain = connect(server.imap);
            plain.write_all(pipeline(user).as_bytes()).unwrap();
            check(user, &until_end(&mut plain));
            let mut tls = secure(connect(server.imaps), &config);
            tls.write_all(pipeline(user).as_bytes()).unwrap();
            check(user, &until_end(&mut tls));
            // In small pieces: the cut may fall anywhere, also into what moves.
            let mut pieces = connect(server.imap);
            for piece in pipeline(user).as_bytes().chunks(7 + round) {
                pieces.write_all(piece).unwrap();
            }
            check(user, &until_end(&mut pieces));
        }
    }
}

#[test]
fn starttls_throws_away_what_came_in_clear() {
    let server = filled();
    let config = trusting(&server);
    for user in USERS {
        let mut stream = connect(server.imap);
        stream.write_all(b"s STARTTLS\r\nx LOGIN anna injected\r\n").unwrap();
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n") || !String::from_utf8_lossy(&seen).contains("s OK") {
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        let mut tls = secure(stream, &config);
        tls.write_all(pipeline(user).as_bytes()).unwrap();
        let answer = until_end(&mut tls);
        check(user, &answer);
        assert!(!answer.contains("\nx ") && !answer.starts_with("x "), "{answer}");
    }
}

#[test]
fn stop_says_bye_and_the_store_opens_again() {
    let mut server = filled();
    let mut idle: Vec<TcpStream> = USERS
        .iter()
        .map(|user| {
            let mut stream = connect(server.imap);
            write!(stream, "a LOGIN {user} {PASSWORD}\r\nb SELECT INBOX\r\nc IDLE\r\n").unwrap();
            let mut seen = Vec::new();
            let mut byte = [0];
            while !seen.ends_with(b"\r\n+ ") {
                assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
                seen.push(byte[0]);
            }
            stream
        })
        .collect();
    assert_eq!(server.stop(), Some(0), "{}", server.log());
    for stream in &mut idle {
        let last = until_end(stream);
        assert!(last.contains("* BYE"), "{last}");
    }
    assert!(!server.store().join("control.sock").exists());
    server.serve();
    let mut again = connect(server.imap);
    again.write_all(pipeline("anna").as_bytes()).unwrap();
    check("anna", &until_end(&mut again));
}

#[test]
fn a_second_process_is_told_who_owns_the_store() {
    let server = Server::start();
    let output = std::process::Command::new(trawl_tests::server::binary())
        .arg("--config")
        .arg(server.folder.path().join("trawl.toml"))
        .arg("serve")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&format!("pid {}", server.pid())), "{text}");
}

#[test]
fn caps_refuse_with_a_reason_and_are_given_back() {
    let server = Server::start_with("[limits]\nconnections_per_address_max = 2\n");
    let read_line = |stream: &TcpStream| {
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        line
    };
    // The connection that the harness made to see whether the server answers may still be closing.
    let (first, second) = loop {
        let (first, second) = (connect(server.imap), connect(server.imap));
        if read_line(&first).starts_with("* OK") && read_line(&second).starts_with("* OK") {
            break (first, second);
        }
    };
    let third = read_line(&connect(server.imap));
    assert!(third.starts_with("* BYE [UNAVAILABLE] too many connections"), "{third}");
    drop(first);
    while !read_line(&connect(server.imap)).starts_with("* OK") {}
    drop(second);
}

#[test]
fn the_control_socket_turns_into_a_session() {
    let server = filled();
    for user in USERS {
        let mut control = UnixStream::connect(server.store().join("control.sock")).unwrap();
        // The commands are in the same packet as the request; they have to follow it to the owning core.
        write!(control, "{{\"op\":\"imap\",\"user\":\"{user}\"}}\nb SELECT INBOX\r\nd LOGOUT\r\n").unwrap();
        let answer = until_end(&mut control);
        let (line, session) = answer.split_once('\n').unwrap();
        assert_eq!(line, "{\"answer\":\"done\"}");
        assert!(session.starts_with("* PREAUTH"), "{session}");
        assert_eq!(tagged(session), ["b OK", "d OK"], "{session}");
    }
    let mut control = UnixStream::connect(server.store().join("control.sock")).unwrap();
    control.write_all(b"{\"op\":\"imap\",\"user\":\"nobody\"}\nnot json\n").unwrap();
    let mut lines = BufReader::new(control).lines();
    assert!(lines.next().unwrap().unwrap().contains("no such user"));
    assert!(lines.next().unwrap().unwrap().contains("refused"));
}

#[test]
fn a_changed_password_ends_the_old_one_at_once() {
    let server = filled();
    let login = |password: &str| {
        let mut stream = connect(server.imap);
        write!(stream, "a LOGIN bob {password}\r\nd LOGOUT\r\n").unwrap();
        until_end(&mut stream).contains("a OK")
    };
    assert!(login(PASSWORD) && login(PASSWORD));
    let mut control = UnixStream::connect(server.store().join("control.sock")).unwrap();
    control.write_all(b"{\"op\":\"user_passwd\",\"name\":\"bob\",\"password\":\"other\"}\n").unwrap();
    let mut line = String::new();
    BufReader::new(control).read_line(&mut line).unwrap();
    assert_eq!(line, "{\"answer\":\"done\"}\n");
    assert!(!login(PASSWORD));
    assert!(login("other"));
    let log = server.log();
    assert!(!log.contains(PASSWORD) && !log.contains("other"), "a password in the log: {log}");
}
