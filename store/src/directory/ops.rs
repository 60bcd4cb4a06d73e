//! The operations of the directory's commits (`FORMAT.md`).

use super::{Credentials, ScramVerifier, User, UserState};
use crate::codec::{BadBytes, Reader, Writer};
use crate::types::{AccountId, ShardId};
use std::sync::Arc;

const VERSION: u8 = 1;

pub(super) enum Op {
    /// A user as it is now.
    Put(Arc<User>),
    Delete {
        name: String,
    },
    /// UIDVALIDITYs below this are given out, or may be.
    Reserve {
        below: u32,
    },
}

pub(super) fn encode(ops: &[Op]) -> Vec<u8> {
    let mut out = Writer::new();
    out.u8(VERSION);
    for op in ops {
        match op {
            Op::Put(user) => {
                out.u8(1);
                out.str(&user.name);
                out.number(user.account.0);
                out.number(user.shard.0);
                out.u8(match user.state {
                    UserState::Active => 0,
                    UserState::Deleting => 1,
                });
                out.number(user.credentials_version);
                out.u8(u8::from(user.credentials.is_some()));
                if let Some(Credentials { argon2, scram_sha_256: scram }) = &user.credentials {
                    out.str(argon2);
                    out.bytes(&scram.salt);
                    out.number(scram.iterations);
                    out.raw(&scram.stored_key);
                    out.raw(&scram.server_key);
                }
            }
            Op::Delete { name } => {
                out.u8(2);
                out.str(name);
            }
            Op::Reserve { below } => {
                out.u8(3);
                out.number(*below);
            }
        }
    }
    out.bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Op>, BadBytes> {
    let mut input = Reader::new(bytes);
    if input.u8()? != VERSION {
        return Err(BadBytes);
    }
    let mut ops = Vec::new();
    while !input.is_empty() {
        ops.push(match input.u8()? {
            1 => Op::Put(Arc::new(user(&mut input)?)),
            2 => Op::Delete { name: input.str()?.to_owned() },
            3 => Op::Reserve { below: input.u32()? },
            _ => return Err(BadBytes),
        });
    }
    Ok(ops)
}

fn user(input: &mut Reader<'_>) -> Result<User, BadBytes> {
    let (name, account, shard) = (input.str()?.into(), AccountId(input.u32()?), ShardId(input.u16()?));
    let state = match input.u8()? {
        0 => UserState::Active,
        1 => UserState::Deleting,
        _ => return Err(BadBytes),
    };
    let credentials_version = input.number()?;
    let credentials = match input.u8()? {
        0 => None,
        1 => Some(Credentials {
            argon2: input.str()?.to_owned(),
            scram_sha_256: ScramVerifier {
                salt: input.bytes()?.to_vec(),
                iterations: input.u32()?,
                stored_key: input.array()?,
                server_key: input.array()?,
            },
        }),
        _ => return Err(BadBytes),
    };
    Ok(User { name, account, shard, state, credentials, credentials_version })
}
