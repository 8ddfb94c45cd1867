//! A bank's side of setting up an epoch.

use std::collections::{BTreeMap, BTreeSet};

use super::directory::KeyDirectory;
use super::keyring::{Keyring, PairKeys, encapsulates, encapsulates_for};
use crate::crypto::agreement::AgreementKeys;
use crate::crypto::entropy::Entropy;
use crate::crypto::signing::SigningKey;
use crate::ids::{BankIndex, Digest, Epoch};
use crate::roster::Roster;
use crate::round::checks::Check;
use crate::round::params::MAX_JUMP;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::message::{Rejection, ToCoordinator};
use crate::wire::signed::Signed;
use crate::wire::statement::EpochKeys;

/// An epoch that is not armed yet.
struct SetUp {
    epoch: Epoch,
    keys: AgreementKeys,
    /// What the directory added, once it came.
    pairing: Option<Pairing>,
}

struct Pairing {
    directory: KeyDirectory,
    keyring: Keyring,
    ciphertexts: Vec<(BankIndex, Vec<u8>)>,
    confirmed: BTreeSet<BankIndex>,
}

/// Most keyrings of epochs before the newest. Each costs the honest peers a whole set-up, so few ever pile up.
const MAX_OLDER: usize = 3;

/// A bank's keys: of the newest armed epoch, of those before it that may still serve, and of the one being set up.
#[derive(Default)]
pub struct EpochParticipant {
    armed: Option<Keyring>,
    /// The coordinator goes over to an epoch when *every* bank is armed, which may come to nothing. Until a round runs under a newer
    /// epoch, these keys are the ones that the others have too.
    older: Vec<Keyring>,
    set_up: Option<SetUp>,
    /// The newest epoch that is forgotten.
    past: Option<Epoch>,
}

/// Who this bank is.
pub struct Identity<'a> {
    /// Its position.
    pub bank: BankIndex,
    /// The roster that it pinned.
    pub roster: &'a Roster,
    /// Hash of that roster.
    pub roster_hash: Digest,
    /// Its signing key.
    pub key: &'a SigningKey,
}

impl EpochParticipant {
    /// The keys of the newest armed epoch.
    pub fn armed(&self) -> Option<&Keyring> {
        self.armed.as_ref()
    }

    /// The epochs whose keys are here, in order.
    pub fn epochs(&self) -> Vec<Epoch> {
        self.older.iter().chain(&self.armed).map(Keyring::epoch).collect()
    }

    /// The keys of an armed epoch.
    pub fn keyring(&self, epoch: Epoch) -> Option<&Keyring> {
        let mut keyrings = self.older.iter().chain(&self.armed);
        keyrings.find(|keyring| keyring.epoch() == epoch)
    }

    /// The keys of an armed epoch, to take mask bases from.
    pub fn keyring_mut(&mut self, epoch: Epoch) -> Option<&mut Keyring> {
        let mut keyrings = self.older.iter_mut().chain(&mut self.armed);
        keyrings.find(|keyring| keyring.epoch() == epoch)
    }

    /// A round runs under `epoch`, so every bank has its keys: those of the epochs before it are wiped. True if there were any.
    pub fn serves(&mut self, epoch: Epoch) -> bool {
        let before = self.older.len();
        if self.keyring(epoch).is_some() {
            self.older.retain(|keyring| keyring.epoch() >= epoch);
        }
        self.older.len() < before
    }

    fn newest(&self) -> Epoch {
        let armed = self.armed.as_ref().map(Keyring::epoch);
        let set_up = self.set_up.as_ref().map(|set_up| set_up.epoch);
        armed.max(set_up).max(self.past).unwrap_or(Epoch(0))
    }

    /// Without any keys: a new roster needs new ones, of an epoch after all that these served.
    pub(crate) fn forgotten(self) -> Self {
        Self {
            past: Some(self.newest()),
            ..Self::default()
        }
    }

    /// The coordinator asks for keys of a new epoch. What is returned may be sent once the new state is durable.
    ///
    /// # Errors
    /// C-106 if the epoch is not newer than the last one, or far beyond it.
    pub fn ask<E: Entropy>(
        &mut self,
        me: &Identity<'_>,
        epoch: Epoch,
        entropy: &mut E,
    ) -> Result<Vec<ToCoordinator>, Rejection> {
        let current = match &self.set_up {
            Some(set_up) => Some(set_up.epoch),
            None => self.armed.as_ref().map(Keyring::epoch),
        };
        if current != Some(epoch) {
            let reach = self.newest().0.saturating_add(MAX_JUMP);
            if epoch <= self.newest() || epoch.0 > reach {
                let detail = format!(
                    "found epoch {epoch}, expected one after {} up to {reach}",
                    self.newest()
                );
                return Err(Rejection::new(Check::EpochNotNew, detail));
            }
            self.set_up = Some(SetUp {
                epoch,
                keys: AgreementKeys::generate(entropy),
                pairing: None,
            });
        }
        Ok(self.pending(me))
    }

    /// The keys of all banks arrived; `logged` is the hash that the log's `KeyDirectory` entry names for the epoch.
    ///
    /// # Errors
    /// C-102 to C-104. The epoch is not armed then.
    pub fn directory<E: Entropy>(
        &mut self,
        me: &Identity<'_>,
        directory: KeyDirectory,
        logged: Digest,
        entropy: &mut E,
    ) -> Result<Vec<ToCoordinator>, Rejection> {
        let Some(set_up) = self
            .set_up
            .as_mut()
            .filter(|set_up| set_up.epoch == directory.epoch)
        else {
            return Ok(Vec::new());
        };
        if set_up.pairing.is_none() {
            if logged != directory.hash() {
                return Err(Rejection::new(
                    Check::Directory,
                    "the log names another directory for the epoch",
                ));
            }
            directory.verify(me.roster, &me.roster_hash)?;
            let own = EpochKeys {
                epoch: set_up.epoch,
                roster: me.roster_hash,
                bank: me.bank,
                public: set_up.keys.public(),
            };
            if directory.of(me.bank) != Some(&own) {
                return Err(Rejection::new(
                    Check::OwnKeys,
                    "the coordinator or somebody with the signing key put others there",
                ));
            }
            set_up.pairing = Some(Pairing::begin(&set_up.keys, &own, directory, entropy)?);
        }
        Ok(self.pending(me))
    }

    /// Ciphertexts from the peers that encapsulate for this bank.
    ///
    /// # Errors
    /// C-104 if one is malformed. None of them counts then.
    pub fn ciphertexts(
        &mut self,
        me: &Identity<'_>,
        epoch: Epoch,
        ciphertexts: &[(BankIndex, Vec<u8>)],
    ) -> Result<Vec<ToCoordinator>, Rejection> {
        if let Some(set_up) = self.set_up.as_mut().filter(|set_up| set_up.epoch == epoch)
            && let Some(pairing) = &mut set_up.pairing
        {
            let mut pairs = BTreeMap::new();
            for (peer, ciphertext) in ciphertexts {
                if !pairs.contains_key(peer)
                    && let Some(pair) = pairing.receive(&set_up.keys, me, *peer, ciphertext)?
                {
                    pairs.insert(*peer, pair);
                }
            }
            for (peer, pair) in pairs {
                pairing.keyring.insert(peer, pair);
            }
        }
        Ok(self.pending(me))
    }

    /// Confirmations from peers. When the last is right, the epoch is armed and the agreement keys are wiped.
    ///
    /// # Errors
    /// C-105 if one is wrong: a peer, or the coordinator between, has other keys.
    pub fn confirmations(
        &mut self,
        me: &Identity<'_>,
        epoch: Epoch,
        confirmations: &[(BankIndex, [u8; 32])],
    ) -> Result<Vec<ToCoordinator>, Rejection> {
        let Some(mut set_up) = self.set_up.take_if(|set_up| set_up.epoch == epoch) else {
            return Ok(self.pending(me));
        };
        let mut complete = false;
        let mut failed = None;
        if let Some(pairing) = &mut set_up.pairing {
            for (peer, found) in confirmations {
                match pairing.keyring.pair(*peer) {
                    Some(keys) if keys.confirmed_by(*peer, found) => {
                        pairing.confirmed.insert(*peer);
                    }
                    _ => failed = Some(*peer),
                }
            }
            complete = failed.is_none() && pairing.confirmed.len() + 1 == me.roster.banks().len();
        }
        if complete {
            let last = std::mem::replace(&mut self.armed, set_up.pairing.map(|pairing| pairing.keyring));
            self.older.extend(last);
            if self.older.len() > MAX_OLDER {
                // Rounds ran under the first of them, if under any.
                self.older.remove(1);
            }
        } else {
            self.set_up = Some(set_up);
        }
        match failed {
            Some(peer) => Err(Rejection::new(
                Check::PairConfirmation,
                format!("with bank {peer}"),
            )),
            None => Ok(self.pending(me)),
        }
    }

    /// Everything that the coordinator may still be waiting for; sending it again changes nothing.
    pub fn pending(&self, me: &Identity<'_>) -> Vec<ToCoordinator> {
        let Some(set_up) = &self.set_up else {
            return self
                .armed
                .iter()
                .map(|armed| ToCoordinator::Armed { epoch: armed.epoch() })
                .collect();
        };
        let epoch = set_up.epoch;
        let Some(pairing) = &set_up.pairing else {
            let keys = EpochKeys {
                epoch,
                roster: me.roster_hash,
                bank: me.bank,
                public: set_up.keys.public(),
            };
            return vec![ToCoordinator::EpochKeys(Signed::sign(me.key, keys))];
        };
        let mut messages = vec![ToCoordinator::PairCiphertexts {
            epoch,
            ciphertexts: pairing.ciphertexts.clone(),
        }];
        let pairs: BTreeMap<_, _> = pairing.keyring.pairs().collect();
        if pairs.len() + 1 == me.roster.banks().len() {
            let confirmations = pairs
                .iter()
                .map(|(peer, keys)| (*peer, keys.confirmation_of(me.bank)))
                .collect();
            messages.push(ToCoordinator::PairConfirmations { epoch, confirmations });
        }
        messages
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.past.unwrap_or(Epoch(0)).write(w);
        w.list(self.armed.iter(), |w, armed| armed.write(w));
        w.list(self.older.iter(), |w, older| older.write(w));
        w.list(self.set_up.iter(), |w, set_up| {
            set_up.epoch.write(w);
            w.bytes(&set_up.keys.export());
            w.list(set_up.pairing.iter(), |w, pairing| {
                w.bytes(&pairing.directory.to_bytes());
                pairing.keyring.write(w);
                w.list(pairing.ciphertexts.iter(), |w, (peer, ciphertext)| {
                    w.bank(*peer).bytes(ciphertext);
                });
                w.list(pairing.confirmed.iter(), |w, peer| {
                    w.bank(*peer);
                });
            });
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let past = Some(Epoch::read(r, "past epoch")?);
        let armed = r.list(1, "armed epoch", Keyring::read)?.pop();
        let older = r.list(1, "older epochs", Keyring::read)?;
        let set_up = r.list(1, "epoch set-up", |r| {
            Ok(SetUp {
                epoch: Epoch::read(r, "epoch")?,
                keys: AgreementKeys::import(r.bytes("agreement keys")?)
                    .ok_or_else(|| DecodeError::value("agreement keys", "wrong length"))?,
                pairing: r
                    .list(1, "pairing", |r| {
                        Ok(Pairing {
                            directory: KeyDirectory::from_bytes(r.bytes("directory")?)?,
                            keyring: Keyring::read(r)?,
                            ciphertexts: r.list(6, "ciphertexts", |r| {
                                Ok((r.bank("peer")?, r.bytes("ciphertext")?.to_vec()))
                            })?,
                            confirmed: r.list(2, "confirmed", |r| r.bank("peer"))?.into_iter().collect(),
                        })
                    })?
                    .pop(),
            })
        })?;
        Ok(Self {
            armed,
            older,
            set_up: set_up.into_iter().next(),
            past,
        })
    }
}

impl Pairing {
    fn begin<E: Entropy>(
        keys: &AgreementKeys,
        own: &EpochKeys,
        directory: KeyDirectory,
        entropy: &mut E,
    ) -> Result<Self, Rejection> {
        let hash = directory.hash();
        let mut keyring = Keyring::new(directory.epoch, hash, directory.first_round);
        let mut ciphertexts = Vec::new();
        for peer in directory
            .keys
            .iter()
            .map(Signed::claim)
            .filter(|peer| encapsulates_for(own.bank, peer.bank))
        {
            let bad = |error: crate::crypto::agreement::AgreementError| {
                Rejection::new(Check::PeerKeys, format!("bank {}: {error}", peer.bank))
            };
            let (ciphertext, mlkem) = peer.public.encapsulate(entropy).map_err(bad)?;
            let x25519 = keys.x25519(&peer.public).map_err(bad)?;
            keyring.insert(
                peer.bank,
                PairKeys::derive(&hash, own, peer, &mlkem, &x25519, &ciphertext),
            );
            ciphertexts.push((peer.bank, ciphertext));
        }
        Ok(Self {
            directory,
            keyring,
            ciphertexts,
            confirmed: BTreeSet::new(),
        })
    }

    /// The first ciphertext of a peer counts; another would make another key after a confirmation may have left.
    fn receive(
        &self,
        keys: &AgreementKeys,
        me: &Identity<'_>,
        peer: BankIndex,
        ciphertext: &[u8],
    ) -> Result<Option<PairKeys>, Rejection> {
        if self.keyring.pair(peer).is_some() || peer == me.bank || encapsulates(me.bank, peer) {
            return Ok(None);
        }
        let bad = |detail: String| Rejection::new(Check::PeerKeys, format!("bank {peer}: {detail}"));
        let (Some(own), Some(theirs)) = (self.directory.of(me.bank), self.directory.of(peer)) else {
            return Err(bad("not in the directory".to_owned()));
        };
        let mlkem = keys
            .decapsulate(ciphertext)
            .map_err(|error| bad(error.to_string()))?;
        let x25519 = keys
            .x25519(&theirs.public)
            .map_err(|error| bad(error.to_string()))?;
        Ok(Some(PairKeys::derive(
            &self.keyring.directory(),
            own,
            theirs,
            &mlkem,
            &x25519,
            ciphertext,
        )))
    }
}

#[cfg(test)]
mod tests;
