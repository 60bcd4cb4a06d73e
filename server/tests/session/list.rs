//! LIST in all its forms, LSUB.

use trawl_server::sim::world::{Client, World};

use crate::answer;

/// The names in LIST or LSUB responses.
async fn names(client: &mut Client, command: &str) -> Vec<String> {
    let lines = client.ok(command).await;
    lines.iter().map(|line| line.split("\"/\" ").nth(1).unwrap().to_owned()).collect()
}

fn tree() -> (World, Client) {
    let world = World::new(51);
    let mut client = world.login("ann");
    world.run(async {
        for name in ["work", "work/a", "work/a/deep", "lone/child", "INBOX/sub"] {
            client.ok(&format!("CREATE {name}")).await;
        }
    });
    (world, client)
}

#[test]
fn patterns_and_references() {
    let (world, mut client) = tree();
    world.run(async {
        let top = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash", "lone", "work"];
        assert_eq!(names(&mut client, "LIST \"\" %").await, top);
        assert_eq!(names(&mut client, "LIST \"\" *").await.len(), 12);
        assert_eq!(names(&mut client, "LIST \"\" work/%").await, ["work/a"]);
        assert_eq!(names(&mut client, "LIST work/ %").await, ["work/a"]);
        assert_eq!(names(&mut client, "LIST \"\" %/%").await, ["INBOX/sub", "lone/child", "work/a"]);
        assert_eq!(names(&mut client, "LIST \"\" inbox").await, ["INBOX"]);
        assert_eq!(names(&mut client, "LIST \"\" iNBox*").await, ["INBOX", "INBOX/sub"]);
        assert!(names(&mut client, "LIST \"\" WORK").await.is_empty());
        assert_eq!(client.ok("LIST \"\" \"\"").await, ["* LIST (\\Noselect) \"/\" \"\""]);
        assert_eq!(
            client.ok("LIST \"\" lone").await,
            ["* LIST (\\Noselect \\HasChildren) \"/\" lone"],
            "a level that is no mailbox"
        );
        assert_eq!(client.ok("LIST () \"\" lone").await, ["* LIST (\\NonExistent \\HasChildren) \"/\" lone"]);
        assert_eq!(client.ok("LIST \"\" Sent").await, ["* LIST (\\HasNoChildren \\Sent) \"/\" Sent"]);
        answer(&mut client, "LIST \"\"", "BAD").await;
        answer(&mut client, &format!("LIST \"\" {}", "%".repeat(3_000)), "NO [LIMIT]").await;
    });
    let mut stranger = world.connect();
    world.run(async {
        stranger.line().await.unwrap();
        answer(&mut stranger, "LIST \"\" *", "BAD").await;
        answer(&mut stranger, "LSUB \"\" *", "BAD").await;
    });
}

#[test]
fn extended_list() {
    let (world, mut client) = tree();
    world.run(async {
        client.ok("SUBSCRIBE work/a/deep").await;
        client.ok("SUBSCRIBE ghost/mail").await;
        for name in ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"] {
            client.ok(&format!("UNSUBSCRIBE {name}")).await;
        }
        assert_eq!(
            client.ok("LIST (SUBSCRIBED) \"\" *").await,
            [
                "* LIST (\\NonExistent \\Subscribed \\HasNoChildren) \"/\" ghost/mail",
                "* LIST (\\Subscribed \\HasNoChildren) \"/\" work/a/deep",
            ]
        );
        assert_eq!(
            client.ok("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %").await,
            [
                "* LIST (\\NonExistent \\HasNoChildren) \"/\" ghost (\"CHILDINFO\" (\"SUBSCRIBED\"))",
                "* LIST (\\HasChildren) \"/\" work (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            ]
        );
        assert_eq!(
            names(&mut client, "LIST (SPECIAL-USE) \"\" *").await,
            ["Archive", "Drafts", "Junk", "Sent", "Trash"]
        );
        assert_eq!(
            names(&mut client, "LIST \"\" (INBOX work \"S%\") RETURN (CHILDREN)").await,
            ["INBOX", "Sent", "work"]
        );
        assert_eq!(
            client.ok("LIST \"\" work/a/% RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT))").await,
            [
                "* LIST (\\Subscribed \\HasNoChildren) \"/\" work/a/deep",
                "* STATUS work/a/deep (MESSAGES 0 UIDNEXT 1)",
            ]
        );
        // No STATUS of a level that is no mailbox.
        assert_eq!(client.ok("LIST \"\" lone RETURN (STATUS (MESSAGES))").await.len(), 1);
        answer(&mut client, "LIST (RECURSIVEMATCH) \"\" *", "BAD").await;
        assert_eq!(
            client.ok("LSUB \"\" %").await,
            ["* LSUB (\\Noselect) \"/\" ghost", "* LSUB (\\Noselect) \"/\" work"]
        );
        assert_eq!(
            client.ok("LSUB \"\" *").await,
            ["* LSUB (\\Noselect) \"/\" ghost/mail", "* LSUB () \"/\" work/a/deep"]
        );
    });
}

#[test]
fn names_are_utf7_until_rev2() {
    let world = World::new(52);
    let mut client = world.login("ann");
    world.run(async {
        client.ok("CREATE Entw&APw-rfe").await;
        assert_eq!(names(&mut client, "LIST \"\" Entw*").await, ["Entw&APw-rfe"]);
        client.ok("ENABLE IMAP4rev2").await;
        assert_eq!(names(&mut client, "LIST \"\" Entw*").await, ["\"Entwürfe\""]);
        client.ok("SELECT \"Entwürfe\"").await;
        answer(&mut client, "SELECT Entw&APw-rfe", "NO [NONEXISTENT]").await;
    });
}
