//! SORT and THREAD: what they hold in memory, and for how long.

use trawl_server::config::{ByteSize, Config};
use trawl_server::sim::world::World;
use trawl_store::disk::sim::SimOp;

use crate::answer;

/// In the order of their subjects, but not of the mailbox.
const MESSAGES: [&str; 3] = [
    "Subject: c\r\nMessage-ID: <c@x>\r\nReferences: <a@x>\r\n\r\n",
    "Subject: a\r\nMessage-ID: <a@x>\r\n\r\n",
    "Subject: b\r\nMessage-ID: <b@x>\r\nReferences: <a@x> <c@x>\r\n\r\n",
];

#[test]
fn what_was_compared_is_kept_for_the_next_time() {
    let world = World::new(61);
    let (mut one, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for message in MESSAGES {
            one.append("INBOX", message).await;
        }
        one.ok("NOOP").await;
        other.ok("NOOP").await;
        // Neither needs what a message says.
        assert_eq!(one.ok("SORT (REVERSE ARRIVAL SIZE) UTF-8 ALL").await.len(), 1);
        assert_eq!(world.core.arranged.octets(), 0);
        assert_eq!(one.ok("SORT (SUBJECT) UTF-8 1:2").await, ["* SORT 2 1"]);
        assert!(world.core.arranged.octets() > 0);
        assert_eq!(other.ok("SORT (SUBJECT) UTF-8 ALL").await, ["* SORT 2 3 1"]);
        // Now nothing is read for it any more.
        let reads = world.disk.count(SimOp::Read);
        assert_eq!(one.ok("UID THREAD REFERENCES UTF-8 ALL").await, ["* THREAD (2 1 3)"]);
        assert_eq!(other.ok("UID SORT (REVERSE FROM REVERSE SUBJECT) UTF-8 2:3").await, ["* SORT 3 2"]);
        assert_eq!(world.disk.count(SimOp::Read), reads);
    });
}

#[test]
fn what_one_command_holds_is_bounded() {
    let mut config = Config::default();
    config.index.memory = ByteSize(1);
    let world = World::with_config(62, config);
    let mut client = world.select("ann", "INBOX");
    world.run(async {
        for message in MESSAGES {
            client.append("INBOX", message).await;
        }
        client.ok("NOOP").await;
        for command in ["SORT (SUBJECT) UTF-8 ALL", "UID THREAD REFERENCES UTF-8 ALL"] {
            answer(&mut client, command, "NO [LIMIT]").await;
            assert_eq!(world.core.arranged.octets(), 0);
        }
        assert_eq!(client.ok("SORT (REVERSE SIZE) UTF-8 ALL").await.len(), 1);
    });
}
