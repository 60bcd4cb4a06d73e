//! argon2id hashes of passwords as PHC strings (RFC 9106).
//!
//! Not here: where hashing runs (the hashing lane: one hash costs tens of milliseconds and `memory_kib` of memory). What must
//! hold: comparison takes the same time for every wrong password, and a hash names its own parameters, so that old ones stay
//! valid after the settings change.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

/// Cost of one hash; the defaults are the OWASP minimum (19 MiB, two passes, one lane).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashCost {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Default for HashCost {
    fn default() -> HashCost {
        HashCost { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// Parameters or a stored hash that argon2 does not take; holds its reason.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("argon2id: {0}")]
pub struct HashError(pub String);

/// Hashes a prepared password; the result is a PHC string (`$argon2id$v=19$m=...`).
pub fn hash(prepared: &str, salt: &[u8; 16], cost: HashCost) -> Result<String, HashError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(failed)?;
    let salt = SaltString::encode_b64(salt).map_err(failed)?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(hasher.hash_password(prepared.as_bytes(), &salt).map_err(failed)?.to_string())
}

/// True when `prepared` is the password of the PHC string `stored`. A damaged `stored` matches nothing.
pub fn verify(prepared: &str, stored: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(stored) else { return false };
    Argon2::default().verify_password(prepared.as_bytes(), &parsed).is_ok()
}

fn failed(error: impl std::fmt::Display) -> HashError {
    HashError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const CHEAP: HashCost = HashCost { memory_kib: 64, passes: 1, lanes: 1 };

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let stored = hash("correct horse", &[7; 16], CHEAP).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        assert!(verify("correct horse", &stored));
        assert!(!verify("correct horsf", &stored));
        assert!(!verify("", &stored));
        assert!(!verify("correct horse", "not a hash"));
        assert!(!verify("correct horse", &stored[..stored.len() - 4]));
    }

    #[test]
    fn parameters_out_of_range_are_an_error() {
        assert!(hash("x", &[0; 16], HashCost { memory_kib: 1, passes: 1, lanes: 1 }).is_err());
        assert!(hash("x", &[0; 16], HashCost { memory_kib: 64, passes: 0, lanes: 1 }).is_err());
    }
}
