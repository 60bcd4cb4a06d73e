//! SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677): what a server keeps so that it can run the exchange without the password.
//!
//! Not here: the exchange itself. What must hold: a verifier is derived from the prepared password (`prepare::password`) at the
//! moment the password is set, because it cannot be derived later.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use trawl_store::directory::ScramVerifier;

/// Derives the verifier of a prepared password; costs about `iterations` x 0.3 us, so it runs on the hashing lane.
pub fn derive(prepared: &str, salt: Vec<u8>, iterations: u32) -> ScramVerifier {
    let mut salted = [0u8; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(prepared.as_bytes(), &salt, iterations, &mut salted);
    let client_key = keyed(&salted, b"Client Key");
    ScramVerifier {
        salt,
        iterations,
        stored_key: Sha256::digest(client_key).into(),
        server_key: keyed(&salted, b"Server Key"),
    }
}

/// HMAC-SHA-256 of `data` under `key`.
pub(crate) fn keyed(key: &[u8], data: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length (RFC 2104)")
    };
    mac.update(data);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    /// The exchange of RFC 7677 section 3: the client's proof and the server's signature both follow from the verifier.
    #[test]
    fn exchange_of_rfc_7677() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = derive("pencil", salt, 4096);
        let auth_message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let signature = keyed(&verifier.stored_key, auth_message.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(p, s)| p ^ s).collect();
        assert_eq!(<[u8; 32]>::from(Sha256::digest(&client_key)), verifier.stored_key);
        let server_signature = keyed(&verifier.server_key, auth_message.as_bytes());
        assert_eq!(STANDARD.encode(server_signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
