//! Annotations and filters beyond one conversation: over a kill -9, with what the settings share, and in `trawl search`.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

const SETTINGS: &str = "[metadata]
comment = \"Closed on Sundays\"
admin = \"mailto:postmaster@example.org\"
[metadata.filters]
Boss = { value = \"FROM anna\", description = \"From Anna\" }
parcels = { value = \"SUBJECT parcel\" }
";

fn message(number: u32, from: &str, subject: &str) -> Vec<u8> {
    format!(
        "From: {from}@example.org\r\nSubject: {subject}\r\nMessage-ID: <{number}@example.org>\r\n\r\nx\r\n"
    )
    .into_bytes()
}

fn lines(client: &mut Client, command: &str) -> Vec<String> {
    client.ok(command).lines()
}

#[test]
fn what_was_acknowledged_is_there_after_kill_nine() {
    let mut server = Server::start();
    server.user("anna");
    server.user("bob");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("SETMETADATA \"\" (/private/comment \"one\" /private/filters/values/mine \"SUBJECT parcel\")");
    client.ok("SETMETADATA \"\" (/private/comment NIL /private/text \"two\")");
    server.kill();
    server.serve();
    let all = "GETMETADATA (DEPTH infinity) \"\" /private";
    let kept =
        "METADATA \"\" (/private NIL /private/filters/values/mine \"SUBJECT parcel\" /private/text \"two\")";
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    assert_eq!(lines(&mut client, all), [kept]);
    client.ok("SETMETADATA \"\" (/private/text NIL)");
    // An orderly stop leaves a checkpoint, from which it starts.
    assert_eq!(server.stop(), Some(0));
    server.serve();
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    let kept = "METADATA \"\" (/private NIL /private/filters/values/mine \"SUBJECT parcel\")";
    assert_eq!(lines(&mut client, all), [kept]);
    let mut other = Client::login(server.imap, "bob", PASSWORD);
    assert_eq!(lines(&mut other, all), ["METADATA \"\" (/private NIL)"]);
    other.ok("SELECT INBOX");
    assert!(other.command("SEARCH FILTER mine").status.starts_with("NO [UNDEFINED-FILTER mine]"));
    assert_eq!(server.stop(), Some(0));
    assert!(server.tool(&["check"]).contains("1 annotations"));
}

#[test]
fn an_account_has_so_many_entries_and_no_more() {
    let server = Server::start();
    server.user("anna");
    server.user("bob");
    let many = |count: usize| {
        let entries: Vec<String> = (0..count).map(|n| format!("/private/n/{n} \"\"")).collect();
        format!("SETMETADATA \"\" ({})", entries.join(" "))
    };
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    let refused = client.command(&many(257)).status;
    assert!(refused.starts_with("NO [METADATA TOOMANY]"), "{refused}");
    let all = "GETMETADATA (DEPTH infinity) \"\" /private/n";
    assert_eq!(lines(&mut client, all), ["METADATA \"\" (/private/n NIL)"], "all or none");
    client.ok(&many(256));
    // An answer in several responses.
    let told = lines(&mut client, all);
    assert!(
        told.len() > 1 && told.iter().all(|line| line.starts_with("METADATA \"\" (/private/n")),
        "{told:?}"
    );
    assert_eq!(told.concat().matches("/private/n/").count(), 256);
    let refused = client.command("SETMETADATA \"\" (/private/n/0 \"x\" /private/more \"\")").status;
    assert!(refused.starts_with("NO [METADATA TOOMANY]"), "{refused}");
    client.ok("SETMETADATA \"\" (/private/n/0 \"x\")");
    client.ok("SETMETADATA \"\" (/private/n/0 NIL /private/more \"\")");
    // Each account by itself.
    Client::login(server.imap, "bob", PASSWORD).ok(&many(256));
}

#[test]
fn what_the_settings_share_is_read_by_all_and_set_by_nobody() {
    let server = Server::start_with(SETTINGS);
    server.user("anna");
    server.user("bob");
    let mut client = Client::login(server.imap, "bob", PASSWORD);
    assert_eq!(
        lines(&mut client, "GETMETADATA (DEPTH infinity) \"\" /shared"),
        ["METADATA \"\" (/shared NIL /shared/admin \"mailto:postmaster@example.org\" \
          /shared/comment \"Closed on Sundays\" /shared/filters/descriptions/boss \"From Anna\" \
          /shared/filters/values/boss \"FROM anna\" /shared/filters/values/parcels \"SUBJECT parcel\")"]
    );
    for entry in ["comment", "admin", "filters/values/boss", "other"] {
        for value in ["NIL", "\"x\""] {
            let answer = client.command(&format!("SETMETADATA \"\" (/shared/{entry} {value})"));
            assert!(answer.status.starts_with("NO [NOPERM]"), "{entry}: {}", answer.status);
        }
    }
    for (number, from, subject) in [(1, "anna", "a parcel"), (2, "carl", "a parcel"), (3, "anna", "lunch")] {
        assert!(client.try_append("INBOX", &message(number, from, subject)).unwrap().is_ok());
    }
    client.ok("SELECT INBOX");
    assert_eq!(lines(&mut client, "SEARCH FILTER boss"), ["SEARCH 1 3"]);
    assert_eq!(lines(&mut client, "SEARCH FILTER BOSS FILTER Parcels"), ["SEARCH 1"]);
    // One's own goes before the shared one (RFC 5466 3.1), also inside another; without it the shared one is there again.
    client.ok("SETMETADATA \"\" (/private/filters/values/boss \"FROM carl\")");
    client.ok("SETMETADATA \"\" (/private/filters/values/both \"FILTER parcels FILTER boss\")");
    assert_eq!(lines(&mut client, "SEARCH FILTER boss"), ["SEARCH 2"]);
    assert_eq!(lines(&mut client, "SEARCH FILTER both"), ["SEARCH 2"]);
    let mut other = Client::login(server.imap, "anna", PASSWORD);
    assert!(other.try_append("INBOX", &message(4, "anna", "x")).unwrap().is_ok());
    other.ok("SELECT INBOX");
    assert_eq!(lines(&mut other, "SEARCH FILTER boss"), ["SEARCH 1"]);
    client.ok("SETMETADATA \"\" (/private/filters/values/boss NIL)");
    assert_eq!(lines(&mut client, "SEARCH FILTER both"), ["SEARCH 1"]);
    // The tool's searches are those of a session.
    let found = server.tool(&["search", "bob", "FILTER both"]);
    assert!(found.contains("a parcel") && !found.contains("lunch"), "{found}");
    let explained = server.tool(&["explain", "bob", "INBOX", "NOT FILTER both"]);
    assert!(explained.lines().any(|line| line.starts_with("found") && line.contains('2')), "{explained}");
}
