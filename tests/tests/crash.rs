//! The machine loses power at every write of a mixed workload: nothing that any client was ever told is lost or changed.
//!
//! Three clients send every kind of command to the real sessions over the real store on the simulated disk. At every crash
//! point the surviving image (a random subset of what was not synced) is opened again, and what is found must be, whole
//! and exactly, the state after some commit; and that commit must not be older than anything a client had been told.

// A test that cannot go on has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::RefCell;
use std::rc::Rc;

use trawl_store::disk::Disk;
use trawl_store::disk::sim::SimDisk;
use trawl_tests::sim::actor::{Actor, Journal};
use trawl_tests::sim::disk::EarlyDisk;
use trawl_tests::sim::state::AccountState;
use trawl_tests::sim::workload::KINDS;
use trawl_tests::sim::world::{World, executor};

const SESSIONS: u64 = 3;

/// What was found after one crash.
struct Crash {
    point: u64,
    /// States that had been applied when it happened.
    applied: usize,
    found: AccountState,
}

struct Run {
    journal: Rc<Journal>,
    states: Vec<AccountState>,
    crashes: Vec<Crash>,
    /// What recovery itself found wrong.
    faults: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    /// Syncs do nothing.
    NoSync,
    /// Syncs happen after they were reported.
    EarlySync,
}

/// Opens what is left after a crash and looks at everything.
fn recover(image: &SimDisk, seed: u64, journal: &Journal) -> Result<AccountState, String> {
    let (executor, clock) = executor(seed);
    let disk: Rc<dyn Disk> = Rc::new(image.clone());
    let opened = {
        let (executor, clock) = (executor.clone(), clock.clone());
        async move { World::open(disk, executor, clock, seed).await }
    };
    let world = executor
        .run_until(opened)
        .map_err(|halt| format!("recovery did not end: {halt:?}"))?
        .map_err(|error| format!("recovery failed: {error}"))?;
    let report = world.shard.report();
    if !report.misfits.is_empty() {
        return Err(format!("commits that do not fit: {:?}", report.misfits));
    }
    let state = AccountState::of(&world.shard, world.account);
    // Contents: the newest messages of every mailbox, and one more.
    let contents = journal.contents.borrow();
    let mut wanted = Vec::new();
    for mailbox in state.mailboxes.values() {
        for uid in mailbox.rows.keys().rev().take(2).chain(mailbox.rows.keys().nth(seed as usize % 7)) {
            if let Some(text) = contents.get(&(mailbox.uid_validity, *uid)) {
                wanted.push((mailbox.id, *uid, text.clone()));
            }
        }
    }
    drop(contents);
    let (shard, account) = (world.shard.clone(), world.account);
    let compared = async move {
        for (id, uid, text) in wanted {
            let address = shard.with_account(account, |account| {
                let mailbox = account.mailboxes().find(|m| m.id().0 == id)?;
                let row = mailbox.get(trawl_store::types::Uid::new(uid)?)?;
                Some(account.facts(row.message)?.address)
            });
            let address = address.flatten().ok_or("a row without a message")?;
            let found = shard.read_all(address).await.map_err(|error| format!("UID {uid}: {error}"))?;
            if found != text {
                return Err(format!("UID {uid} has other content than was appended"));
            }
        }
        Ok(())
    };
    executor.run_until(compared).map_err(|halt| format!("reading did not end: {halt:?}"))??;
    // The store goes on: a new UIDVALIDITY is greater than all that were given out.
    let directory = world.directory.clone();
    let next = executor
        .run_until(async move { directory.next_uid_validity().await })
        .map_err(|halt| format!("the directory hangs: {halt:?}"))?
        .map_err(|error| format!("the directory fails: {error}"))?;
    let highest = journal.contents.borrow().keys().map(|(validity, _)| *validity).max().unwrap_or(0);
    if next.get() <= highest {
        return Err(format!("UIDVALIDITY {next} is given out again, {highest} was"));
    }
    executor.drop_tasks();
    Ok(state)
}

fn run(seed: u64, commands: u32, lie: Lie, every: u64) -> Run {
    let sim = SimDisk::new();
    let disk: Rc<dyn Disk> = match lie {
        Lie::EarlySync => Rc::new(EarlyDisk(sim.clone())),
        _ => Rc::new(sim.clone()),
    };
    let (executor, clock) = executor(seed);
    let created = {
        let (executor, clock, disk) = (executor.clone(), clock.clone(), Rc::clone(&disk));
        async move { World::create(disk, executor, clock, seed).await }
    };
    let world = executor.run_until(created).expect("a new store").expect("a new store");
    if lie == Lie::NoSync {
        sim.set_ignore_sync(true);
    }

    let journal = Rc::new(Journal::default());
    let states = Rc::new(RefCell::new(vec![AccountState::of(&world.shard, world.account)]));
    journal.states.set(1);
    let crashes = Rc::new(RefCell::new(Vec::new()));
    let faults = Rc::new(RefCell::new(Vec::new()));

    let (shard, account) = (world.shard.clone(), world.account);
    let (seen, counted) = (Rc::clone(&states), Rc::clone(&journal));
    world.shard.observe(move |_| {
        seen.borrow_mut().push(AccountState::of(&shard, account));
        counted.states.set(seen.borrow().len());
    });

    let (known, found, wrong) = (Rc::clone(&journal), Rc::clone(&crashes), Rc::clone(&faults));
    let first = sim.crash_points();
    sim.set_hook(move |sim, point| {
        let point = point - first;
        known.point.set(point);
        if !point.is_multiple_of(every) {
            return;
        }
        let image = sim.after_crash(seed.wrapping_mul(1_000_003).wrapping_add(point));
        match recover(&image, seed ^ point, &known) {
            Ok(state) => found.borrow_mut().push(Crash { point, applied: known.states.get(), found: state }),
            Err(error) => wrong.borrow_mut().push(format!("crash point {point}: {error}")),
        }
    });

    let actors: Vec<_> = (0..SESSIONS)
        .map(|number| {
            let run = Actor::run(world.clone(), Rc::clone(&journal), seed, number, commands);
            executor.spawn_with_result(run)
        })
        .collect();
    let finished = async move {
        for actor in actors {
            actor.await.expect("an actor ends").expect("its connection holds");
        }
    };
    executor.run_until(finished).unwrap_or_else(|halt| panic!("seed {seed}: the workload hangs: {halt:?}"));
    sim.clear_hook();
    executor.drop_tasks();
    drop(world);
    Run { states: states.take(), crashes: crashes.take(), faults: faults.take(), journal }
}

/// Holds every crash against what the undisturbed run was and what its clients were told.
fn judge(run: &Run) -> Vec<String> {
    let mut faults = run.faults.clone();
    let mut told: Vec<(u64, usize, String)> = Vec::new();
    for each in run.journal.told.borrow().iter() {
        match each.true_from(&run.states) {
            Some(index) => told.push((each.point, index, format!("{}: {:?}", each.command, each.fact))),
            None => faults.push(format!("never true: {}: {:?}", each.command, each.fact)),
        }
    }
    told.sort_by_key(|(point, ..)| *point);
    let (mut at, mut needed, mut why) = (0, 0, String::new());
    for crash in &run.crashes {
        while at < told.len() && told[at].0 < crash.point {
            if told[at].1 > needed {
                (needed, why) = (told[at].1, told[at].2.clone());
            }
            at += 1;
        }
        match run.states.iter().rposition(|state| *state == crash.found) {
            None => {
                faults.push(format!("crash point {}: what is found is the state of no commit", crash.point))
            }
            Some(index) if index < needed => {
                faults.push(format!(
                    "crash point {}: commit {index} is found, but commit {needed} was shown ({why})",
                    crash.point
                ));
            }
            Some(index) if index + 1 < crash.applied => {
                faults.push(format!(
                    "crash point {}: commit {index} is found, {} were applied",
                    crash.point, crash.applied
                ));
            }
            Some(_) => {}
        }
    }
    faults
}

#[test]
fn power_loss_at_every_write_loses_nothing_that_was_shown() {
    let (mut points, mut commits, mut commands) = (0, 0, 0);
    for seed in 1..=6 {
        let run = run(seed, 450, Lie::None, 1);
        let faults = judge(&run);
        assert!(
            faults.is_empty(),
            "seed {seed}: {} faults, the first of them:\n{}",
            faults.len(),
            faults[..faults.len().min(10)].join("\n")
        );
        let kinds = run.journal.kinds.borrow();
        for kind in KINDS {
            assert!(kinds.contains_key(kind), "seed {seed}: {kind} was never answered OK");
        }
        points += run.crashes.len();
        commits += run.states.len();
        commands += kinds.values().sum::<u32>();
    }
    println!("{points} crash points, {commits} commits, {commands} commands answered OK");
    assert!(points > 5_000, "only {points} crash points");
    assert!(commands > 1_500, "only {commands} commands");
}

#[test]
fn a_missing_sync_is_noticed() {
    let run = run(4, 60, Lie::NoSync, 3);
    assert!(!judge(&run).is_empty(), "syncs did nothing, and nobody noticed");
}

#[test]
fn a_change_that_is_shown_before_its_sync_is_noticed() {
    let run = run(5, 100, Lie::EarlySync, 1);
    let faults = judge(&run);
    assert!(
        faults.iter().any(|f| f.contains("was shown")),
        "changes were shown early, and nobody noticed: {faults:?}"
    );
}
