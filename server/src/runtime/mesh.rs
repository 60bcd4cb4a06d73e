//! Visits between cores: a closure that runs on another core with that core's state.
//!
//! How connections move to the core that owns their account, and how a core asks another (the directory on core 0, an account elsewhere). What
//! must hold: queues are bounded, a full one makes the sender wait and never the receiver; a visit that cannot be delivered is dropped, which
//! closes the descriptors it carries and tells the asker; which core owns a shard is decided by [`owner`] alone.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use trawl_store::types::ShardId;

use super::executor::{Priority, spawn};
use crate::limits::CORE_VISITS_MAX;

/// The core that owns a shard: the same for every part of the process, free to differ at the next start.
pub fn owner(shard: ShardId, cores: usize) -> usize {
    usize::from(shard.0) % cores.max(1)
}

/// The other core takes no more visits: the server stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server is stopping")]
pub struct Stopping;

type Visit<S> = Box<dyn FnOnce(&Rc<S>) + Send>;

/// Ways to every core. `S` is the state of a core.
pub struct Mesh<S> {
    cores: Arc<[Sender<Visit<S>>]>,
}

/// Where a core finds its visits.
pub struct Visits<S>(Receiver<Visit<S>>);

impl<S> Clone for Mesh<S> {
    fn clone(&self) -> Self {
        Mesh { cores: Arc::clone(&self.cores) }
    }
}

impl<S: 'static> Mesh<S> {
    /// Ways to `cores` cores and the ends that they read.
    pub fn new(cores: usize) -> (Mesh<S>, Vec<Visits<S>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..cores)
            .map(|_| async_channel::bounded(CORE_VISITS_MAX))
            .map(|(sender, receiver)| (sender, Visits(receiver)))
            .unzip();
        (Mesh { cores: senders.into() }, receivers)
    }

    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// The core that owns a shard.
    pub fn owner(&self, shard: ShardId) -> usize {
        owner(shard, self.cores())
    }

    /// Runs `visit` on a core, some time later.
    pub async fn send(
        &self,
        core: usize,
        visit: impl FnOnce(&Rc<S>) + Send + 'static,
    ) -> Result<(), Stopping> {
        self.cores[core].send(Box::new(visit)).await.map_err(|_| Stopping)
    }

    /// Runs `question` on a core as a task of its own and waits for the answer. It runs to its end also when the asker goes away.
    pub async fn ask<T: Send + 'static>(
        &self,
        core: usize,
        question: impl FnOnce(Rc<S>) -> Pin<Box<dyn Future<Output = T>>> + Send + 'static,
    ) -> Result<T, Stopping> {
        let (give, take) = async_channel::bounded(1);
        self.send(core, move |state| {
            let answer = question(Rc::clone(state));
            spawn(Priority::Interactive, async move {
                // An asker that is gone does not take its answer.
                let _ = give.try_send(answer.await);
            });
        })
        .await?;
        take.recv().await.map_err(|_| Stopping)
    }

    /// Lets a core's [`Visits::receive`] end when it has run what is queued.
    pub fn close(&self, core: usize) {
        self.cores[core].close();
    }
}

impl<S: 'static> Visits<S> {
    /// Runs visits until the mesh closes this core.
    pub async fn receive(self, state: Rc<S>) {
        while let Ok(visit) = self.0.recv().await {
            visit(&state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::executor::start;
    use std::cell::Cell;

    #[test]
    fn every_shard_has_one_owner_and_every_core_some() {
        for cores in 1..9 {
            let owners: Vec<usize> = (0..64).map(|shard| owner(ShardId(shard), cores)).collect();
            assert!((0..cores).all(|core| owners.contains(&core)));
            assert!(owners.iter().all(|&core| core < cores));
        }
    }

    /// Two cores ask each other at the same time, more often than their queues are long.
    #[test]
    fn cores_ask_each_other_and_stop() {
        const QUESTIONS: u32 = 3 * CORE_VISITS_MAX as u32;
        let (mesh, visits) = Mesh::<Cell<u32>>::new(2);
        let cores: Vec<_> = visits
            .into_iter()
            .enumerate()
            .map(|(index, visits)| {
                let mesh = mesh.clone();
                start(format!("core-{index}"), None, move || async move {
                    let state = Rc::new(Cell::new(0));
                    let other = mesh.clone();
                    let (done, wait_done) = async_channel::bounded::<()>(1);
                    for _ in 0..4 {
                        let (mesh, done) = (other.clone(), done.clone());
                        spawn(Priority::Interactive, async move {
                            for _ in 0..QUESTIONS / 4 {
                                let answer = mesh.ask(1 - index, |state: Rc<Cell<u32>>| {
                                    Box::pin(async move {
                                        state.set(state.get() + 1);
                                        state.get()
                                    })
                                });
                                assert!(answer.await.unwrap() > 0);
                            }
                            drop(done);
                        });
                    }
                    drop(done);
                    spawn(Priority::Interactive, visits.receive(Rc::clone(&state)));
                    let _ = wait_done.recv().await;
                    // The other core may still be asking.
                    while state.get() < QUESTIONS {
                        crate::runtime::executor::sleep(std::time::Duration::from_millis(1)).await;
                    }
                    mesh.close(index);
                    state.get()
                })
                .unwrap()
            })
            .collect();
        for core in cores {
            assert_eq!(core.join().unwrap().unwrap(), QUESTIONS);
        }
        let late = futures_lite::future::block_on(mesh.send(0, |_| ()));
        assert_eq!(late, Err(Stopping));
    }
}
