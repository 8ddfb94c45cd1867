//! All banks' keys of an epoch, and what a bank demands of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::crypto::signing::{Signature, VerifyingKey};
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::roster::Roster;
use crate::round::checks::Check;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::message::Rejection;
use crate::wire::signed::Signed;
use crate::wire::statement::EpochKeys;

/// Every bank's signed keys, by position. Its hash is `h_KD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDirectory {
    /// The epoch.
    pub epoch: Epoch,
    /// The first round of the epoch: where every pair's chain starts.
    pub first_round: Round,
    /// One per bank.
    pub keys: Vec<Signed<EpochKeys>>,
}

impl Canonical for KeyDirectory {
    const KIND: &'static str = "key-directory";

    fn write(&self, w: &mut Writer) {
        self.epoch.write(w);
        self.first_round.write(w);
        w.list(self.keys.iter(), |w, keys| {
            w.bytes(&keys.claim().to_bytes());
            keys.signature().write(w);
        });
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch::read(r, "epoch")?,
            first_round: Round::read(r, "first round")?,
            keys: r.list(68, "keys", |r| {
                let body = EpochKeys::from_bytes(r.bytes("epoch keys")?)?;
                Ok(Signed::assemble(body, Signature::read(r)?))
            })?,
        })
    }
}

impl Serialize for KeyDirectory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeyDirectory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&Vec::<u8>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl KeyDirectory {
    /// Every roster entry is there once, in order, signed under the key in `roster`, for this epoch and roster; no key is of low
    /// order, malformed or used twice. A key that passes has one form, so a key that is used twice is the same bytes twice.
    ///
    /// # Errors
    /// C-101, C-102 or C-104.
    pub fn verify(&self, roster: &Roster, roster_hash: &Digest) -> Result<(), Rejection> {
        if self.keys.len() != roster.banks().len() {
            let detail = format!(
                "found {} banks, expected {}",
                self.keys.len(),
                roster.banks().len()
            );
            return Err(Rejection::new(Check::Directory, detail));
        }
        let mut seen = BTreeSet::new();
        for (keys, entry) in self.keys.iter().zip(roster.banks()) {
            let name = &entry.name;
            let body = check_keys(
                keys,
                entry.index,
                &VerifyingKey(entry.signing_key),
                self.epoch,
                roster_hash,
            )
            .map_err(|rejection| Rejection::new(rejection.check, format!("{name}: {}", rejection.detail)))?;
            if !seen.insert(body.public.x25519.to_vec()) || !seen.insert(body.public.mlkem.clone()) {
                return Err(Rejection::new(
                    Check::PeerKeys,
                    format!("{name}: another bank has the same key"),
                ));
            }
        }
        Ok(())
    }

    /// The keys of `bank`, once the directory was verified.
    pub fn of(&self, bank: BankIndex) -> Option<&EpochKeys> {
        self.keys.get(usize::from(bank.get()) - 1).map(Signed::claim)
    }
}

/// One bank's keys: signed by it, for this epoch and roster, usable.
///
/// # Errors
/// C-101, C-102 or C-104.
pub fn check_keys<'a>(
    keys: &'a Signed<EpochKeys>,
    bank: BankIndex,
    signing_key: &VerifyingKey,
    epoch: Epoch,
    roster: &Digest,
) -> Result<&'a EpochKeys, Rejection> {
    let body = keys
        .open(signing_key)
        .filter(|body| body.bank == bank && body.epoch == epoch)
        .ok_or_else(|| Rejection::new(Check::Directory, "not signed by the bank for this epoch"))?;
    if body.roster != *roster {
        let detail = "the bank pinned another roster; compare consortium.toml on both sides";
        return Err(Rejection::new(Check::Roster, detail));
    }
    body.public
        .validate()
        .map_err(|error| Rejection::new(Check::PeerKeys, error.to_string()))?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::agreement::AgreementKeys;
    use crate::crypto::entropy::SeededEntropy;
    use crate::crypto::signing::SigningKey;
    use crate::roster::RosterEntry;

    fn bank(position: u16) -> BankIndex {
        BankIndex::new(position).unwrap()
    }

    fn signing_key(position: u16) -> SigningKey {
        SigningKey::generate(&mut SeededEntropy::new(u64::from(position)))
    }

    fn roster() -> Roster {
        let entry = |position| RosterEntry {
            index: bank(position),
            name: format!("bank-{position}"),
            signing_key: signing_key(position).verifying_key().0,
            witness_key: [position as u8 + 200; 32],
            tls_key: Digest::of(&[position as u8]),
        };
        Roster::new("demo", (1..=4).map(entry).collect()).unwrap()
    }

    fn body(position: u16) -> EpochKeys {
        EpochKeys {
            epoch: Epoch(3),
            roster: roster().hash(),
            bank: bank(position),
            public: AgreementKeys::generate(&mut SeededEntropy::new(100 + u64::from(position))).public(),
        }
    }

    fn directory() -> KeyDirectory {
        KeyDirectory {
            epoch: Epoch(3),
            first_round: Round(9),
            keys: (1..=4)
                .map(|position| Signed::sign(&signing_key(position), body(position)))
                .collect(),
        }
    }

    fn refused(change: impl FnOnce(&mut KeyDirectory)) -> Check {
        let mut directory = directory();
        change(&mut directory);
        directory.verify(&roster(), &roster().hash()).unwrap_err().check
    }

    /// Bank 2's keys, changed and signed by it.
    fn second(change: impl FnOnce(&mut EpochKeys)) -> Check {
        refused(|directory| {
            let mut keys = body(2);
            change(&mut keys);
            directory.keys[1] = Signed::sign(&signing_key(2), keys);
        })
    }

    #[test]
    fn a_whole_directory_is_accepted_and_reads_again() {
        let directory = directory();
        assert_eq!(directory.verify(&roster(), &roster().hash()), Ok(()));
        assert_eq!(directory.of(bank(4)), Some(&body(4)));
        assert_eq!(directory.of(bank(5)), None);
        assert_eq!(KeyDirectory::from_bytes(&directory.to_bytes()), Ok(directory));
    }

    #[test]
    fn c_102_missing_doubled_foreign_and_unsigned_keys() {
        assert_eq!(refused(|directory| drop(directory.keys.pop())), Check::Directory);
        assert_eq!(
            refused(|directory| directory.keys[2] = directory.keys[1].clone()),
            Check::Directory
        );
        assert_eq!(
            refused(|directory| directory.keys.push(directory.keys[1].clone())),
            Check::Directory
        );
        assert_eq!(refused(|directory| directory.keys.swap(0, 1)), Check::Directory);
        // Signed by a stranger; and a bank's signature under another bank's keys.
        assert_eq!(
            refused(|directory| directory.keys[1] = Signed::sign(&signing_key(77), body(2))),
            Check::Directory
        );
        assert_eq!(
            refused(|directory| directory.keys[1] = Signed::assemble(body(2), directory.keys[0].signature())),
            Check::Directory
        );
        // Of another epoch, and all of another epoch than the directory says.
        assert_eq!(second(|keys| keys.epoch = Epoch(2)), Check::Directory);
        assert_eq!(refused(|directory| directory.epoch = Epoch(4)), Check::Directory);
    }

    #[test]
    fn c_101_keys_of_a_bank_that_pinned_another_roster() {
        assert_eq!(second(|keys| keys.roster = Digest([1; 32])), Check::Roster);
    }

    #[test]
    fn c_104_low_order_malformed_and_repeated_keys() {
        assert_eq!(second(|keys| keys.public.x25519 = [0; 32]), Check::PeerKeys);
        assert_eq!(second(|keys| keys.public.mlkem[..3].fill(0xff)), Check::PeerKeys);
        assert_eq!(
            second(|keys| keys.public.x25519 = body(1).public.x25519),
            Check::PeerKeys
        );
        // The same point in another form is no way around that.
        assert_eq!(
            second(|keys| {
                keys.public.x25519 = body(1).public.x25519;
                keys.public.x25519[31] |= 0x80;
            }),
            Check::PeerKeys
        );
        assert_eq!(
            second(|keys| keys.public.mlkem = body(1).public.mlkem),
            Check::PeerKeys
        );
    }
}
