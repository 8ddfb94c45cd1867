//! What two people compare by telephone: a short name of the keys that ask to be enrolled.

use std::fmt;

use super::{Party, Role};
use crate::ids::Digest;
use crate::wire::canonical::Writer;

/// Bytes of the digest that are shown. 96 bits: whoever wants other keys of the same fingerprint needs about 2^96 tries.
const SHOWN: usize = 12;

/// The keys of a request, in short. Role, name and every public key go into it, and nothing that changes when the same keys ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(Digest);

impl Fingerprint {
    /// Of a bank: SHA-256 of its TLS key (SubjectPublicKeyInfo in DER), and its two Ed25519 public keys.
    pub fn of_bank(name: &str, tls_key: &Digest, signing_key: &[u8; 32], witness_key: &[u8; 32]) -> Self {
        let mut writer = start(Party::Bank, name, tls_key);
        writer.fixed(signing_key).fixed(witness_key);
        Self(Digest::of(&writer.finish()))
    }

    /// Of an auditor or operator, who has one key: SHA-256 of its TLS key.
    pub fn of_reader(role: Role, name: &str, tls_key: &Digest) -> Self {
        Self(Digest::of(&start(role.party(), name, tls_key).finish()))
    }
}

fn start(party: Party, name: &str, tls_key: &Digest) -> Writer {
    let mut writer = Writer::domain("enrolment-fingerprint");
    writer.u8(party.number()).text(name).digest(tls_key);
    writer
}

impl fmt::Display for Fingerprint {
    /// Six groups of four hex characters.
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, group) in self.0.0[..SHOWN].chunks(2).enumerate() {
            if position > 0 {
                form.write_str(" ")?;
            }
            form.write_str(&hex::encode(group))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_name_and_role_counts() {
        let (key, other) = (Digest::of(b"key"), Digest::of(b"other"));
        let of = |name: &str, key: &Digest, signing: u8, witness: u8| {
            Fingerprint::of_bank(name, key, &[signing; 32], &[witness; 32])
        };
        let first = of("bank-a", &key, 1, 2);
        assert_eq!(first, of("bank-a", &key, 1, 2));
        for changed in [
            of("bank-b", &key, 1, 2),
            of("bank-a", &other, 1, 2),
            of("bank-a", &key, 3, 2),
            of("bank-a", &key, 1, 3),
            Fingerprint::of_reader(Role::Auditor, "bank-a", &key),
            Fingerprint::of_reader(Role::Operator, "bank-a", &key),
        ] {
            assert_ne!(first, changed);
        }
    }

    #[test]
    fn it_is_six_groups_of_four() {
        let mut digest = Digest([0xab; 32]);
        digest.0[..4].copy_from_slice(&[0x01, 0x23, 0x45, 0x67]);
        assert_eq!(Fingerprint(digest).to_string(), "0123 4567 abab abab abab abab");
    }
}
