//! Users and their accounts, on core 0: the directory knows the user, the shard of the account holds the mail.
//!
//! The two are in different logs, so each operation goes in an order in which a crash between its steps is
//! finished at the next start ([`recover`]). What must hold: nobody logs in before the account is there, nor while it is being erased.

use std::rc::Rc;

use trawl_store::LocalBoxFuture;
use trawl_store::directory::{Credentials, Directory, User, UserState};
use trawl_store::shard::{ChangeError, INITIAL_MAILBOXES};
use trawl_store::types::UidValidity;

use super::state::CoreState;
use crate::auth::prepare;
use crate::control::protocol::UserLine;

/// Text of a refusal, for a person.
type Refused = String;

/// The next UIDVALIDITY of the store.
pub async fn next_uid_validity(core: &CoreState) -> Result<UidValidity, Refused> {
    directory(core).next_uid_validity().await.map_err(|error| error.to_string())
}

/// Adds a user with a password and the mailboxes every account begins with.
pub async fn add(core: &Rc<CoreState>, name: &str, password: &str) -> Result<(), Refused> {
    let name = prepared(name)?;
    let credentials = credentials(core, password).await?;
    let user = directory(core).add_user(&name, Some(credentials)).await.map_err(|e| e.to_string())?;
    make_account(core, &user).await?;
    publish(core);
    tracing::info!(user = %name, "user added");
    Ok(())
}

/// Sets a password. Sessions that are open stay open.
pub async fn set_password(core: &Rc<CoreState>, name: &str, password: &str) -> Result<(), Refused> {
    let name = prepared(name)?;
    if directory(core).users().get(&name).is_none() {
        return Err("no such user".to_owned());
    }
    let credentials = credentials(core, password).await?;
    directory(core).set_credentials(&name, credentials).await.map_err(|error| error.to_string())?;
    publish(core);
    core.shared.authenticator.forget(&name);
    tracing::info!(user = %name, "password set");
    Ok(())
}

/// Deletes a user, the account and all its mail. Sessions of the user end, because their mailboxes are gone.
pub async fn delete(core: &Rc<CoreState>, name: &str) -> Result<(), Refused> {
    let name = prepared(name)?;
    let user = directory(core).begin_delete(&name).await.map_err(|error| error.to_string())?;
    publish(core);
    core.shared.authenticator.forget(&name);
    finish_delete(core, &user).await?;
    tracing::info!(user = %name, "user deleted");
    Ok(())
}

/// All users with the size of their mail.
pub async fn list(core: &Rc<CoreState>) -> Result<Vec<UserLine>, Refused> {
    let users = directory(core).users();
    let mut lines = Vec::new();
    for user in users.iter() {
        let (account, shard) = (user.account, user.shard);
        let owner = core.shared.mesh.owner(shard);
        let question = move |there: Rc<CoreState>| -> LocalBoxFuture<'static, (u64, u64, u64)> {
            Box::pin(async move {
                let shard = there.core.shard(shard);
                let sums = shard.and_then(|shard| {
                    shard.with_account(account, |account| {
                        account.mailboxes().fold((0, 0, 0), |(mailboxes, messages, bytes), mailbox| {
                            let counts = mailbox.counts();
                            (mailboxes + 1, messages + u64::from(counts.messages), bytes + counts.size)
                        })
                    })
                });
                sums.unwrap_or_default()
            })
        };
        let (mailboxes, messages, bytes) =
            core.shared.mesh.ask(owner, question).await.map_err(|e| e.to_string())?;
        let name = user.name.to_string();
        lines.push(UserLine { name, account: account.0, shard: shard.0, mailboxes, messages, bytes });
    }
    Ok(lines)
}

/// At the start: finishes what a crash left between the directory and the shards, then lets users log in.
pub async fn recover(core: &Rc<CoreState>) -> Result<(), Refused> {
    for user in directory(core).users().iter() {
        match user.state {
            UserState::Deleting => {
                tracing::warn!(user = %user.name, "finishing a deletion that was interrupted");
                finish_delete(core, user).await?;
            }
            UserState::Active => make_account(core, user).await?,
        }
    }
    publish(core);
    Ok(())
}

/// Makes the account of a user unless it is there.
async fn make_account(core: &Rc<CoreState>, user: &User) -> Result<(), Refused> {
    let (account, shard, name) = (user.account, user.shard, user.name.to_string());
    let owner = core.shared.mesh.owner(shard);
    let there = core.shared.mesh.ask(owner, move |core| {
        Box::pin(
            async move { core.core.shard(shard).and_then(|s| s.with_account(account, |_| ())).is_some() },
        )
    });
    if there.await.map_err(|error| error.to_string())? {
        return Ok(());
    }
    let first = next_uid_validity(core).await?;
    let mut uid_validities = [first; INITIAL_MAILBOXES.len()];
    for uid_validity in &mut uid_validities[1..] {
        *uid_validity = next_uid_validity(core).await?;
    }
    let made = core.shared.mesh.ask(owner, move |core| {
        Box::pin(async move {
            let Some(shard) = core.core.shard(shard) else { return Err("its shard is not open".to_owned()) };
            match shard.create_account(account, &name, uid_validities).await {
                Ok(()) | Err(ChangeError::AccountExists) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
    });
    made.await.map_err(|error| error.to_string())?
}

async fn finish_delete(core: &Rc<CoreState>, user: &User) -> Result<(), Refused> {
    let (account, shard) = (user.account, user.shard);
    let owner = core.shared.mesh.owner(shard);
    let erased = core.shared.mesh.ask(owner, move |core| {
        Box::pin(async move {
            let Some(shard) = core.core.shard(shard) else { return Err("its shard is not open".to_owned()) };
            match shard.erase_account(account).await {
                Ok(()) | Err(ChangeError::NoSuchAccount) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
    });
    erased.await.map_err(|error| error.to_string())??;
    if let Some((indexing, _)) = &core.shared.indexing {
        indexing.forget(shard, account);
    }
    directory(core).finish_delete(&user.name).await.map_err(|error| error.to_string())?;
    publish(core);
    Ok(())
}

async fn credentials(core: &CoreState, password: &str) -> Result<Credentials, Refused> {
    core.shared.authenticator.credentials(password).await.map_err(|error| error.to_string())
}

fn prepared(name: &str) -> Result<String, Refused> {
    prepare::user_name(name).map_err(|error| format!("the user name cannot be used: {error}"))
}

/// Shows all cores the users as they are durably known.
fn publish(core: &CoreState) {
    core.shared.users.store(directory(core).users());
}

fn directory(core: &CoreState) -> &Directory {
    let Some(directory) = &core.directory else { unreachable!("user operations run on core 0") };
    directory
}
