//! `trawl init`: an empty store. The file `STORE` is written last: a folder without it is not a store.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use futures_lite::future;
use trawl_store::clock::{Clock, SystemClock};
use trawl_store::directory::{Directory, DirectoryEnv};
use trawl_store::disk::Disk;
use trawl_store::disk::blocking::BlockingDisk;
use trawl_store::meta::{FORMAT, PATH, StoreMeta};
use trawl_store::seed::{Seed, SystemSeed};
use trawl_store::shard::{Env, Shard, ShardOptions};
use trawl_store::types::ShardId;

use super::error::CliError;
use crate::config::Config;
use crate::runtime::lock;

pub fn run(config: &Config) -> Result<ExitCode, CliError> {
    let store = config.store.as_path();
    let here = |e: &dyn std::fmt::Display| CliError::new(format_args!("{}: {e}", store.display()));
    make_folder(store).map_err(|e| here(&e))?;
    if store.join(PATH).exists() {
        return Err(here(&"is a store already; nothing was changed"));
    }
    if let Some(name) = first_entry(store).map_err(|e| here(&e))? {
        return Err(here(&format_args!("is not empty (it has `{name}`); nothing was changed")));
    }
    let _lock = lock::lock(store).map_err(|e| here(&e))?;
    let shards = config.storage.shards_effective();
    future::block_on(create(store, shards)).map_err(|e| here(&e))?;
    say!("Made a store with {shards} shards in {}.", store.display());
    say!("Next: trawl --store {} user add NAME", store.display());
    Ok(ExitCode::SUCCESS)
}

/// Mail is private: a new folder is its owner's only.
fn make_folder(store: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if store.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(store)
}

fn first_entry(store: &Path) -> io::Result<Option<String>> {
    for entry in std::fs::read_dir(store)? {
        let name = entry?.file_name();
        // Left by an attempt that failed before anything else was made, or made by mkfs.
        if name != "LOCK" && name != "lost+found" {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

async fn create(store: &Path, shards: u16) -> Result<(), CliError> {
    let disk: Rc<dyn Disk> = Rc::new(BlockingDisk::new(store.to_owned()));
    let clock: Rc<dyn Clock> = Rc::new(SystemClock::new());
    let seed: Rc<dyn Seed> = Rc::new(SystemSeed::new()?);
    let mut uuid = [0; 16];
    seed.fill(&mut uuid);
    let meta = StoreMeta { uuid, format: FORMAT, epoch: 1, shards };
    for shard in 0..shards {
        let env = Env {
            disk: Rc::clone(&disk),
            clock: Rc::clone(&clock),
            seed: Rc::clone(&seed),
            shard: ShardId(shard),
            store_uuid: uuid,
            epoch: meta.epoch,
        };
        let shard = Shard::create(env, ShardOptions::default()).await?;
        future::zip(shard.run(), shard.stop()).await;
    }
    let directory = Directory::create(DirectoryEnv {
        disk: Rc::clone(&disk),
        clock,
        seed,
        store_uuid: uuid,
        epoch: meta.epoch,
        shards,
    })
    .await?;
    future::zip(directory.run(), directory.stop()).await;
    meta.write(&*disk).await?;
    Ok(())
}

/// A clear error where there is no store.
pub fn require_store(store: &Path) -> Result<(), CliError> {
    if store.join(PATH).exists() {
        return Ok(());
    }
    let store = store.display();
    Err(CliError::new(format_args!("there is no store in {store}; `trawl --store {store} init` makes one")))
}
