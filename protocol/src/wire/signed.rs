//! A statement with its signature, as it travels: nobody reads the statement as true before the signature was checked.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::crypto::signing::{Signature, SigningKey, VerifyingKey};
use crate::ids::Digest;
use crate::wire::canonical::Canonical;

/// A statement that somebody claims to have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    body: T,
    signature: Signature,
}

impl<T: Canonical> Signed<T> {
    /// Signs `body`.
    pub fn sign(key: &SigningKey, body: T) -> Self {
        let signature = key.sign(&body);
        Self { body, signature }
    }

    /// Puts a statement that the reader knows by itself together with a signature that arrived.
    pub fn assemble(body: T, signature: Signature) -> Self {
        Self { body, signature }
    }

    /// The statement, if `key` signed it.
    pub fn open(&self, key: &VerifyingKey) -> Option<&T> {
        key.verifies(&self.body, &self.signature).then_some(&self.body)
    }

    /// What the statement claims, for messages about it and to find the key that must have signed it.
    pub fn claim(&self) -> &T {
        &self.body
    }

    /// The signature.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// The canonical form with the signature behind it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.body.to_bytes();
        bytes.extend_from_slice(&self.signature.0);
        bytes
    }

    /// Reads [`Signed::to_bytes`]; `None` if it is no statement of this kind.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, signature) = bytes.split_last_chunk::<64>()?;
        Some(Self::assemble(T::from_bytes(body).ok()?, Signature(*signature)))
    }

    /// Hash of the statement's canonical form.
    pub fn hash(&self) -> Digest {
        self.body.hash()
    }
}

impl<T: Canonical> Serialize for Signed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.body.to_bytes(), self.signature).serialize(serializer)
    }
}

impl<'de, T: Canonical> Deserialize<'de> for Signed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (bytes, signature) = <(Vec<u8>, Signature)>::deserialize(deserializer)?;
        let body = T::from_bytes(&bytes).map_err(de::Error::custom)?;
        Ok(Self { body, signature })
    }
}
