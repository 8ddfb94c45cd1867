//! Sealed messages: AES-256-GCM (NIST SP 800-38D) under a key that serves one message.
//!
//! Each message draws a 16-byte salt, and its key is `HKDF-Expand(key, "seal" || salt)`. So a nonce can never repeat under
//! a key, even when a bank that lost its memory seals a round twice.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{entropy::Entropy, kdf, secret::Secret};

/// What sealing adds to a message: salt and tag.
pub const OVERHEAD: usize = 16 + 16;

/// The message was not sealed under this key with this associated data, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed message does not open: another key, other associated data, or changed bytes")]
pub struct OpenError;

/// Seals `plaintext`; the result is `salt || ciphertext || tag`.
pub fn seal<E: Entropy + ?Sized>(
    key: &Secret,
    entropy: &mut E,
    associated: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    let mut body = plaintext.to_vec();
    message_key(key, &salt)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::from(associated),
            &mut body,
        )
        .expect("a message of this protocol is far shorter than AES-GCM's limit");
    let mut out = Vec::with_capacity(salt.len() + body.len());
    out.extend_from_slice(&salt);
    out.extend_from_slice(&body);
    out
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`OpenError`] for anything else; it says no more, on purpose.
pub fn open(key: &Secret, associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (salt, body) = sealed.split_first_chunk::<16>().ok_or(OpenError)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = message_key(key, salt)
        .open_in_place(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::from(associated),
            &mut body,
        )
        .map_err(|_| OpenError)?
        .len();
    body.truncate(length);
    Ok(body)
}

fn message_key(key: &Secret, salt: &[u8; 16]) -> LessSafeKey {
    let info = [b"veilsum/v1/seal\0".as_slice(), salt].concat();
    let derived = kdf::expand(key, &info);
    LessSafeKey::new(
        UnboundKey::new(&AES_256_GCM, derived.expose()).expect("a 32-byte key is what AES-256 takes"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::entropy::SeededEntropy;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let mut entropy = SeededEntropy::new(1);
        let (key, other) = (entropy.secret(), entropy.secret());
        let sealed = seal(&key, &mut entropy, b"round 1", b"share");
        assert_eq!(sealed.len(), 5 + OVERHEAD);
        assert_eq!(open(&key, b"round 1", &sealed).unwrap().as_slice(), b"share");
        assert_eq!(open(&key, b"round 2", &sealed), Err(OpenError));
        assert_eq!(open(&other, b"round 1", &sealed), Err(OpenError));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key, b"round 1", &changed), Err(OpenError));
            assert_eq!(open(&key, b"round 1", &sealed[..at]), Err(OpenError));
        }
    }

    #[test]
    fn sealing_twice_never_gives_the_same_bytes() {
        let mut entropy = SeededEntropy::new(1);
        let key = entropy.secret();
        assert_ne!(
            seal(&key, &mut entropy, b"", b"x"),
            seal(&key, &mut entropy, b"", b"x")
        );
    }
}
