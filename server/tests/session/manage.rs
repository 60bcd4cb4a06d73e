//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use trawl_server::session::{Closed, Outcome};
use trawl_server::sim::world::World;

use crate::{MESSAGE, answer, expect};

#[test]
fn create_checks_names_and_special_uses() {
    let world = World::new(41);
    let mut client = world.login("ann");
    world.run(async {
        expect(&mut client, "CREATE a/b/c", &["OK [MAILBOXID (F0000000100000007)] CREATE done"]).await;
        expect(&mut client, "CREATE trailing/", &["OK [MAILBOXID (F0000000100000008)] CREATE done"]).await;
        for (name, want) in [
            ("a/b/c", "NO [ALREADYEXISTS]"),
            ("inbox", "NO [ALREADYEXISTS]"),
            ("/x", "NO [CANNOT]"),
            ("x//y", "NO [CANNOT]"),
            ("../x", "NO [CANNOT]"),
            ("\"x*\"", "NO [CANNOT]"),
            ("&bad", "NO [CANNOT]"),
            ("\"\"", "NO [CANNOT]"),
        ] {
            answer(&mut client, &format!("CREATE {name}"), want).await;
        }
        client.ok("CREATE everything (USE (\\All \\Important))").await;
        answer(&mut client, "CREATE other (USE (\\Sent))", "NO [USEATTR]").await;
        answer(&mut client, "CREATE other (USE (\\Unheard))", "NO [USEATTR]").await;
        let lines = client.ok("LIST \"\" everything").await;
        assert_eq!(lines, ["* LIST (\\HasNoChildren \\All \\Important) \"/\" everything"]);
    });
}

#[test]
fn deleting_a_parent_leaves_a_level() {
    let world = World::new(42);
    let mut client = world.login("ann");
    world.run(async {
        client.ok("CREATE a").await;
        client.ok("CREATE a/b").await;
        expect(&mut client, "DELETE a", &["OK DELETE done"]).await;
        assert_eq!(client.ok("LIST \"\" a").await, ["* LIST (\\Noselect \\HasChildren) \"/\" a"]);
        answer(&mut client, "SELECT a", "NO [NONEXISTENT]").await;
        answer(&mut client, "DELETE a", "NO [HASCHILDREN]").await;
        answer(&mut client, "DELETE inbox", "NO [CANNOT]").await;
        answer(&mut client, "DELETE nowhere", "NO [NONEXISTENT]").await;
        client.ok("DELETE a/b").await;
        assert!(client.ok("LIST \"\" a*").await.is_empty());
    });
}

#[test]
fn a_new_mailbox_of_an_old_name_has_a_greater_uidvalidity() {
    let world = World::new(43);
    let mut client = world.login("ann");
    world.run(async {
        let mut last = 0;
        for _ in 0..3 {
            client.ok("CREATE again").await;
            let lines = client.ok("STATUS again (UIDVALIDITY)").await;
            let value: u32 = lines[0].rsplit([' ', ')']).nth(1).unwrap().parse().unwrap();
            assert!(value > last);
            last = value;
            client.ok("DELETE again").await;
        }
    });
}

#[test]
fn deleting_what_is_selected() {
    let world = World::new(44);
    let mut client = world.login("ann");
    world.run(async { client.ok("CREATE box").await });
    let (mut here, mut there) = (world.select("ann", "box"), world.select("ann", "box"));
    world.run(async {
        let lines = here.command("DELETE box").await;
        assert!(lines[0].starts_with("* OK [CLOSED]") && lines[1].starts_with("OK"), "{lines:?}");
        answer(&mut here, "CHECK", "BAD").await;
        // To the others its sequence numbers mean nothing any more.
        let lines = there.command("NOOP").await;
        assert!(lines[0].starts_with("* BYE"), "{lines:?}");
        assert_eq!(there.outcome().await, Some(Outcome::Closed(Closed::Bye)));
        client.ok("NOOP").await;
    });
}

#[test]
fn rename_takes_everything_below_along() {
    let world = World::new(45);
    let mut client = world.login("ann");
    world.run(async {
        client.ok("CREATE old/one/two").await;
        client.ok("CREATE old").await;
        client.append("old", MESSAGE).await;
        client.ok("SELECT old").await;
        expect(&mut client, "RENAME old new", &["OK RENAME done"]).await;
        // The mailbox is the same one, selected or not.
        client.ok("FETCH 1 FLAGS").await;
        let lines = client.ok("LIST \"\" *e*").await;
        assert!(lines.contains(&"* LIST (\\HasNoChildren) \"/\" new/one/two".to_owned()), "{lines:?}");
        answer(&mut client, "RENAME nowhere x", "NO [NONEXISTENT]").await;
        answer(&mut client, "RENAME new Sent", "NO [ALREADYEXISTS]").await;
        answer(&mut client, "RENAME new new/below", "NO").await;
        answer(&mut client, "RENAME new x//y", "NO [CANNOT]").await;
        client.ok("UNSELECT").await;
        client.ok("ENABLE IMAP4rev2").await;
        let lines = client.ok("RENAME new \"Entwürfe\"").await;
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], "* LIST (\\HasChildren) \"/\" \"Entwürfe\" (\"OLDNAME\" (new))");
    });
}

#[test]
fn renaming_inbox_moves_its_messages() {
    let world = World::new(46);
    let (mut client, mut other) = (world.login("ann"), world.select("ann", "INBOX"));
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        other.ok("NOOP").await;
        client.ok("RENAME INBOX old-mail").await;
        assert_eq!(
            client.ok("STATUS INBOX (MESSAGES UIDNEXT)").await,
            ["* STATUS INBOX (MESSAGES 0 UIDNEXT 2)"]
        );
        assert_eq!(client.ok("STATUS old-mail (MESSAGES)").await, ["* STATUS old-mail (MESSAGES 1)"]);
        expect(&mut other, "NOOP", &["* 1 EXPUNGE", "OK NOOP done"]).await;
    });
}

#[test]
fn subscriptions_outlive_mailboxes() {
    let world = World::new(47);
    let mut client = world.login("ann");
    world.run(async {
        client.ok("CREATE box").await;
        client.ok("SUBSCRIBE box").await;
        client.ok("SUBSCRIBE box").await;
        client.ok("DELETE box").await;
        assert_eq!(client.ok("LSUB \"\" b*").await, ["* LSUB (\\Noselect) \"/\" box"]);
        client.ok("UNSUBSCRIBE box").await;
        client.ok("UNSUBSCRIBE box").await;
        assert!(client.ok("LSUB \"\" b*").await.is_empty());
        answer(&mut client, "SUBSCRIBE x//y", "NO [CANNOT]").await;
    });
}

/// What is not durable is not told and not done: a full disk refuses, and says so.
#[test]
fn a_full_disk_is_said_to_be_full() {
    let world = World::new(48);
    let mut client = world.login("ann");
    world.run(async {
        world.disk.set_capacity(Some(world.disk.used()));
        let body = "x".repeat(200_000);
        let lines = client.append("INBOX", &format!("{MESSAGE}{body}")).await;
        assert!(lines.last().unwrap().starts_with("NO [UNAVAILABLE]"), "{lines:?}");
        world.disk.set_capacity(None);
        assert_eq!(client.ok("STATUS INBOX (MESSAGES)").await, ["* STATUS INBOX (MESSAGES 0)"]);
    });
}
