//! Ed25519 (RFC 8032) over canonical forms: a signature always covers the type of what was signed.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::entropy::Entropy;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

/// A bank's or the coordinator's signing key, which is not its TLS key.
pub struct SigningKey(Ed25519KeyPair);

/// The key file is not an Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 private key in PKCS#8 form")]
pub struct KeyError;

impl SigningKey {
    /// From an Ed25519 PKCS#8 document (RFC 8410).
    ///
    /// # Errors
    /// [`KeyError`] if it is none.
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(document)
            .map(Self)
            .map_err(|_| KeyError)
    }

    /// A fresh key, for simulations and tests; the daemons keep theirs as PKCS#8.
    pub fn generate<E: Entropy>(entropy: &mut E) -> Self {
        Self(
            Ed25519KeyPair::from_seed_unchecked(entropy.secret().expose())
                .expect("every 32-byte string is an Ed25519 seed"),
        )
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        VerifyingKey(bytes)
    }

    /// Signs the canonical form of `value`.
    pub fn sign<T: Canonical>(&self, value: &T) -> Signature {
        self.sign_bytes(&value.to_bytes())
    }

    /// Signs bytes whose format says by itself what they are (the log's checkpoints).
    pub fn sign_bytes(&self, bytes: &[u8]) -> Signature {
        let mut out = [0; 64];
        out.copy_from_slice(self.0.sign(bytes).as_ref());
        Signature(out)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.verifying_key())
    }
}

/// The public half of a [`SigningKey`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VerifyingKey(pub [u8; 32]);

impl VerifyingKey {
    /// True if `signature` is this key's over the canonical form of `value`.
    pub fn verifies<T: Canonical>(&self, value: &T, signature: &Signature) -> bool {
        self.verifies_bytes(&value.to_bytes(), signature)
    }

    /// True if `signature` is this key's over `bytes`.
    pub fn verifies_bytes(&self, bytes: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(bytes, &signature.0)
            .is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Halves", into = "Halves")]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// Appends the 64 bytes.
    pub fn write(&self, writer: &mut Writer) {
        writer.fixed(&self.0);
    }

    /// Reads 64 bytes.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.array("signature")?))
    }
}

/// A signature as it travels: 64 bytes without a length before them. `serde` knows no array of 64.
type Halves = ([u8; 32], [u8; 32]);

impl From<Halves> for Signature {
    fn from((first, second): Halves) -> Self {
        let mut bytes = [0; 64];
        let (start, end) = bytes.split_at_mut(32);
        start.copy_from_slice(&first);
        end.copy_from_slice(&second);
        Self(bytes)
    }
}

impl From<Signature> for Halves {
    fn from(signature: Signature) -> Self {
        let (first, second) = signature.0.split_at(32);
        let mut halves = ([0; 32], [0; 32]);
        halves.0.copy_from_slice(first);
        halves.1.copy_from_slice(second);
        halves
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}..)", hex::encode(&self.0[..6]))
    }
}
