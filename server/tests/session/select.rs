//! SELECT, EXAMINE, CLOSE, UNSELECT, CHECK, STATUS.

use trawl_server::sim::world::World;

use crate::{MESSAGE, answer, expect};

#[test]
fn select_tells_everything_of_a_mailbox() {
    let world = World::new(31);
    let mut client = world.login("ann");
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        client.command(&format!("APPEND INBOX (\\Seen $work) {{{}+}}\r\n{MESSAGE}", MESSAGE.len())).await;
        let want = [
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $work)",
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $work \\*)] Flags that can be stored",
            "* 2 EXISTS",
            "* 2 RECENT",
            "* OK [UNSEEN 1] The first unseen message",
            "* OK [UIDVALIDITY 1000] UIDs are valid",
            "* OK [UIDNEXT 3] The next UID, at least",
            "* OK [MAILBOXID (F0000000100000001)] Stays with the mailbox",
            "OK [READ-WRITE] SELECT done",
        ];
        expect(&mut client, "SELECT inbox", &want).await;
        answer(&mut client, "FETCH 3 FLAGS", "BAD").await;
        client.ok("CHECK").await;
        // Recent once: the next session of the mailbox is told of nothing new.
        let lines = client.ok("SELECT INBOX").await;
        assert!(lines.contains(&"* 0 RECENT".to_owned()), "{lines:?}");
        // A mailbox that is not there leaves none selected.
        answer(&mut client, "SELECT nowhere", "NO [NONEXISTENT]").await;
        answer(&mut client, "CHECK", "BAD").await;
        answer(&mut client, "CLOSE", "BAD").await;
        answer(&mut client, "UNSELECT", "BAD").await;
    });
}

#[test]
fn rev2_has_list_and_closed_instead_of_recent_and_unseen() {
    let world = World::new(32);
    let mut client = world.login("ann");
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        client.ok("ENABLE IMAP4rev2").await;
        let lines = client.ok("SELECT inbox").await;
        assert!(!lines.iter().any(|line| line.contains("RECENT") || line.contains("UNSEEN")), "{lines:?}");
        assert!(
            lines.contains(
                &"* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX (\"OLDNAME\" (inbox))".to_owned()
            ),
            "{lines:?}"
        );
        let lines = client.ok("EXAMINE Drafts").await;
        assert!(lines[0].starts_with("* OK [CLOSED]"), "{lines:?}");
        assert!(
            lines.contains(&"* LIST (\\HasNoChildren \\Subscribed \\Drafts) \"/\" Drafts".to_owned()),
            "{lines:?}"
        );
        answer(&mut client, "SELECT nowhere", "NO [NONEXISTENT]").await;
    });
}

#[test]
fn close_expunges_and_the_others_do_not() {
    let world = World::new(33);
    let mut client = world.login("ann");
    let deleted = format!("APPEND INBOX (\\Deleted) {{{}+}}\r\n{MESSAGE}", MESSAGE.len());
    let messages = |n: u32| format!("* STATUS INBOX (MESSAGES {n})");
    world.run(async {
        client.ok(&deleted).await;
        let lines = client.ok("EXAMINE INBOX").await;
        assert!(lines.contains(&"* OK [PERMANENTFLAGS ()] Read-only".to_owned()), "{lines:?}");
        answer(&mut client, "STORE 1 +FLAGS (\\Seen)", "NO").await;
        expect(&mut client, "CLOSE", &["OK CLOSE done"]).await;
        assert_eq!(client.ok("STATUS INBOX (MESSAGES)").await, [messages(1)]);
        client.ok("SELECT INBOX").await;
        expect(&mut client, "UNSELECT", &["OK UNSELECT done"]).await;
        assert_eq!(client.ok("STATUS INBOX (MESSAGES)").await, [messages(1)]);
        client.ok("SELECT INBOX").await;
        expect(&mut client, "CLOSE", &["OK CLOSE done"]).await;
        assert_eq!(client.ok("STATUS INBOX (MESSAGES)").await, [messages(0)]);
    });
}

#[test]
fn recent_is_for_the_first_session_that_is_told() {
    let world = World::new(34);
    let (mut first, mut second) = (world.select("ann", "INBOX"), world.login("ann"));
    world.run(async {
        second.append("INBOX", MESSAGE).await;
        assert_eq!(second.ok("STATUS INBOX (RECENT)").await, ["* STATUS INBOX (RECENT 1)"]);
        // Looking does not use it up.
        assert!(second.ok("EXAMINE INBOX").await.contains(&"* 1 RECENT".to_owned()));
        expect(&mut first, "NOOP", &["* 1 EXISTS", "* 1 RECENT", "OK NOOP done"]).await;
        assert!(second.ok("SELECT INBOX").await.contains(&"* 0 RECENT".to_owned()));
        assert_eq!(first.ok("FETCH 1 FLAGS").await, ["* 1 FETCH (FLAGS (\\Recent))"]);
        assert_eq!(second.ok("FETCH 1 FLAGS").await, ["* 1 FETCH (FLAGS ())"]);
    });
}

#[test]
fn status_has_every_figure() {
    let world = World::new(35);
    let mut client = world.login("ann");
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        client.ok(&format!("APPEND INBOX (\\Seen \\Deleted) {{{}+}}\r\n{MESSAGE}", MESSAGE.len())).await;
        let items = "MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE APPENDLIMIT";
        let want = format!(
            "* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY 1000 UNSEEN 1 DELETED 1 SIZE {} APPENDLIMIT 104857600)",
            2 * MESSAGE.len()
        );
        assert_eq!(client.ok(&format!("STATUS inbox ({items})")).await, [want]);
        answer(&mut client, "STATUS nowhere (MESSAGES)", "NO [NONEXISTENT]").await;
        answer(&mut client, "STATUS INBOX ()", "BAD").await;
        answer(&mut client, "STATUS INBOX (NOTHING)", "BAD").await;
    });
}
