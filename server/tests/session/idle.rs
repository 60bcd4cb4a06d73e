//! IDLE: told at once, ended by DONE.

use trawl_server::sim::world::World;

use crate::{MESSAGE, answer};

#[test]
fn idle_is_told_of_everything_at_once() {
    let world = World::new(21);
    let (mut idle, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        let tag = idle.begin("IDLE").await;
        assert_eq!(idle.line().await.as_deref(), Some("+ idling"));
        other.append("INBOX", MESSAGE).await;
        assert_eq!(idle.line().await.as_deref(), Some("* 1 EXISTS"));
        assert!(idle.line().await.unwrap().ends_with(" RECENT"));
        other.ok("NOOP").await;
        other.ok("STORE 1 +FLAGS (\\Deleted)").await;
        assert_eq!(
            idle.line().await.as_deref().map(|line| line.replace(" \\Recent", "")).as_deref(),
            Some("* 1 FETCH (UID 1 FLAGS (\\Deleted))")
        );
        other.ok("EXPUNGE").await;
        assert_eq!(idle.line().await.as_deref(), Some("* 1 EXPUNGE"));
        idle.send("done\r\n").await;
        assert_eq!(idle.finish(&tag).await, ["OK IDLE done"]);
        idle.ok("NOOP").await;
    });
}

#[test]
fn idle_without_a_mailbox_and_with_something_else_than_done() {
    let world = World::new(22);
    let mut client = world.login("ann");
    world.run(async {
        let tag = client.begin("IDLE").await;
        assert_eq!(client.line().await.as_deref(), Some("+ idling"));
        client.send("a NOOP\r\n").await;
        assert!(client.finish(&tag).await[0].starts_with("BAD"));
        client.ok("NOOP").await;
    });
    let mut stranger = world.connect();
    world.run(async {
        stranger.line().await.unwrap();
        answer(&mut stranger, "IDLE", "BAD").await;
    });
}
