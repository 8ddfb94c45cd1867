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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::entropy::SeededEntropy;
    use crate::ids::{BankIndex, Round};
    use crate::wire::frame;
    use crate::wire::statement::{Approval, Derived};

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&mut SeededEntropy::new(seed))
    }

    fn statement(round: u64) -> Derived {
        Derived {
            round: Round(round),
            bank: BankIndex::new(2).unwrap(),
            state: Digest([5; 32]),
        }
    }

    #[test]
    fn only_the_signers_key_opens_it_and_only_unchanged() {
        let signed = Signed::sign(&key(1), statement(3));
        assert_eq!(signed.open(&key(1).verifying_key()), Some(&statement(3)));
        assert_eq!(signed.open(&key(2).verifying_key()), None);
        let changed = Signed::assemble(statement(4), signed.signature());
        assert_eq!(changed.open(&key(1).verifying_key()), None);
        let mut signature = signed.signature();
        signature.0[9] ^= 1;
        assert_eq!(
            Signed::assemble(statement(3), signature).open(&key(1).verifying_key()),
            None
        );
    }

    #[test]
    fn a_signature_serves_for_one_kind_of_statement() {
        let bank = BankIndex::new(2).unwrap();
        let approval = Signed::sign(
            &key(1),
            Approval {
                task: Digest([5; 32]),
                bank,
            },
        );
        let derived = Signed::assemble(statement(3), approval.signature());
        assert_eq!(derived.open(&key(1).verifying_key()), None);
    }

    #[test]
    fn it_travels_and_anything_else_does_not_arrive() {
        let signed = Signed::sign(&key(1), statement(3));
        let bytes = frame::encode(&signed, 1 << 10).unwrap();
        assert_eq!(frame::decode::<Signed<Derived>>(&bytes, 1 << 10).unwrap(), signed);
        assert!(
            frame::decode::<Signed<Approval>>(&bytes, 1 << 10).is_err(),
            "another statement"
        );
        let foreign = (statement(3).to_bytes(), vec![0u8; 63]);
        let short = frame::encode(&foreign, 1 << 10).unwrap();
        assert!(
            frame::decode::<Signed<Derived>>(&short, 1 << 10).is_err(),
            "a short signature"
        );
        let mut body = statement(3).to_bytes();
        body.push(0);
        let long = frame::encode(&(body, signed.signature()), 1 << 10).unwrap();
        assert!(
            frame::decode::<Signed<Derived>>(&long, 1 << 10).is_err(),
            "a trailing byte"
        );
    }
}
