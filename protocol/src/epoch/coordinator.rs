//! The coordinator's side of setting up an epoch: it collects, logs and passes on; it learns no key.
//!
//! Nothing of it needs to survive a crash: an epoch that was not armed is set up again under the next number.

use std::collections::{BTreeMap, BTreeSet};

use super::directory::{KeyDirectory, check_keys};
use super::keyring::encapsulates_for;
use crate::crypto::agreement::{AgreementError, MLKEM_CIPHERTEXT_BYTES};
use crate::crypto::signing::VerifyingKey;
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::log::entry::Entry;
use crate::roster::Roster;
use crate::round::checks::Check;
use crate::wire::canonical::Canonical;
use crate::wire::message::{Rejection, ToBank, ToCoordinator};
use crate::wire::signed::Signed;
use crate::wire::statement::EpochKeys;

/// What the engine has to do, in order.
#[derive(Debug)]
pub enum EpochAction {
    /// Append to the log, durably, before anything that follows.
    Log(Entry),
    /// Send to a bank.
    Send(BankIndex, ToBank),
    /// Every bank is armed; the epoch serves.
    Armed(Box<KeyDirectory>),
}

/// An epoch being set up.
pub struct EpochCoordinator {
    roster: Roster,
    roster_hash: Digest,
    epoch: Epoch,
    first_round: Round,
    keys: BTreeMap<BankIndex, Signed<EpochKeys>>,
    directory: Option<KeyDirectory>,
    ciphertexts: BTreeMap<BankIndex, Vec<(BankIndex, Vec<u8>)>>,
    confirmations: BTreeMap<BankIndex, Vec<(BankIndex, [u8; 32])>>,
    armed: BTreeSet<BankIndex>,
}

impl EpochCoordinator {
    /// A new epoch for `roster`; `first_round` is the next round's number.
    pub fn new(roster: Roster, epoch: Epoch, first_round: Round) -> Self {
        let roster_hash = roster.hash();
        Self {
            roster,
            roster_hash,
            epoch,
            first_round,
            keys: BTreeMap::new(),
            directory: None,
            ciphertexts: BTreeMap::new(),
            confirmations: BTreeMap::new(),
            armed: BTreeSet::new(),
        }
    }

    /// The epoch's number.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Banks whose next message the set-up waits for.
    pub fn waiting_for(&self) -> Vec<BankIndex> {
        let missing = |have: &dyn Fn(&BankIndex) -> bool| self.banks().filter(|bank| !have(bank)).collect();
        if self.directory.is_none() {
            return missing(&|bank| self.keys.contains_key(bank));
        }
        if self.ciphertexts.len() < self.roster.banks().len() {
            return missing(&|bank| self.ciphertexts.contains_key(bank));
        }
        if self.confirmations.len() < self.roster.banks().len() {
            return missing(&|bank| self.confirmations.contains_key(bank));
        }
        missing(&|bank| self.armed.contains(bank))
    }

    fn banks(&self) -> impl Iterator<Item = BankIndex> {
        self.roster.banks().iter().map(|entry| entry.index)
    }

    /// What a bank that (re)connects needs to go on from where the set-up stands.
    pub fn connected(&self, bank: BankIndex) -> Vec<EpochAction> {
        let mut messages = vec![ToBank::EpochAsk { epoch: self.epoch }];
        if let Some(directory) = &self.directory {
            messages.push(ToBank::Directory(Box::new(directory.clone())));
        }
        if self.ciphertexts.len() == self.roster.banks().len() {
            messages.push(self.ciphertexts_for(bank));
        }
        if self.confirmations.len() == self.roster.banks().len() {
            messages.push(self.confirmations_for(bank));
        }
        messages
            .into_iter()
            .map(|message| EpochAction::Send(bank, message))
            .collect()
    }

    fn ciphertexts_for(&self, bank: BankIndex) -> ToBank {
        ToBank::PairCiphertexts {
            epoch: self.epoch,
            ciphertexts: addressed_to(bank, &self.ciphertexts),
        }
    }

    fn confirmations_for(&self, bank: BankIndex) -> ToBank {
        ToBank::PairConfirmations {
            epoch: self.epoch,
            confirmations: addressed_to(bank, &self.confirmations),
        }
    }

    /// A message of the set-up. Repetitions and messages of other epochs change nothing.
    ///
    /// # Errors
    /// C-101, C-102 or C-104 for keys that are not usable, C-103 for others than the bank's own in the directory, C-104 or C-705 for
    /// ciphertexts and confirmations that are not one for each peer that needs one. Nothing of such a message is passed on.
    pub fn handle(&mut self, from: BankIndex, message: ToCoordinator) -> Result<Vec<EpochAction>, Rejection> {
        let all = self.roster.banks().len();
        match message {
            ToCoordinator::EpochKeys(keys) if keys.claim().epoch == self.epoch => self.keys(from, keys),
            ToCoordinator::PairCiphertexts { epoch, ciphertexts }
                if epoch == self.epoch
                    && self.directory.is_some()
                    && !self.ciphertexts.contains_key(&from) =>
            {
                let peers = self.banks().filter(|peer| encapsulates_for(from, *peer));
                check_receivers("ciphertexts", peers, &ciphertexts)?;
                if let Some((_, other)) = ciphertexts
                    .iter()
                    .find(|(_, ciphertext)| ciphertext.len() != MLKEM_CIPHERTEXT_BYTES)
                {
                    let error = AgreementError::Ciphertext(other.len());
                    return Err(Rejection::new(Check::PeerKeys, error.to_string()));
                }
                self.ciphertexts.insert(from, ciphertexts);
                if self.ciphertexts.len() < all {
                    return Ok(Vec::new());
                }
                Ok(self
                    .banks()
                    .map(|bank| EpochAction::Send(bank, self.ciphertexts_for(bank)))
                    .collect())
            }
            ToCoordinator::PairConfirmations { epoch, confirmations }
                if epoch == self.epoch
                    && self.ciphertexts.len() == all
                    && !self.confirmations.contains_key(&from) =>
            {
                let peers = self.banks().filter(|peer| *peer != from);
                check_receivers("confirmations", peers, &confirmations)?;
                self.confirmations.insert(from, confirmations);
                if self.confirmations.len() < all {
                    return Ok(Vec::new());
                }
                Ok(self
                    .banks()
                    .map(|bank| EpochAction::Send(bank, self.confirmations_for(bank)))
                    .collect())
            }
            ToCoordinator::Armed { epoch }
                if epoch == self.epoch && self.confirmations.len() == all && self.armed.insert(from) =>
            {
                match &self.directory {
                    Some(directory) if self.armed.len() == all => {
                        Ok(vec![EpochAction::Armed(Box::new(directory.clone()))])
                    }
                    _ => Ok(Vec::new()),
                }
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Keys count until the directory is made; a bank that lost its state before sends new ones.
    fn keys(&mut self, from: BankIndex, keys: Signed<EpochKeys>) -> Result<Vec<EpochAction>, Rejection> {
        let entry = self
            .roster
            .bank(from)
            .ok_or_else(|| Rejection::new(Check::Roster, format!("bank {from} is not in it")))?;
        let body = check_keys(
            &keys,
            from,
            &VerifyingKey(entry.signing_key),
            self.epoch,
            &self.roster_hash,
        )?;
        if let Some(directory) = &self.directory {
            return if directory.of(from) == Some(body) {
                Ok(Vec::new())
            } else {
                let detail = "the directory is made with other keys of this bank, which has lost them; the next epoch is for new ones";
                Err(Rejection::new(Check::OwnKeys, detail))
            };
        }
        // A directory that names a key twice is refused by every bank, so it must not come into the log.
        let is_taken = |of: &EpochKeys| {
            of.bank != from
                && (of.public.x25519 == body.public.x25519 || of.public.mlkem == body.public.mlkem)
        };
        if let Some(first) = self.keys.values().map(Signed::claim).find(|of| is_taken(of)) {
            let detail = format!("bank {} has the same key", first.bank);
            return Err(Rejection::new(Check::PeerKeys, detail));
        }
        self.keys.insert(from, keys);
        if self.keys.len() < self.roster.banks().len() {
            return Ok(Vec::new());
        }
        self.publish_directory()
    }

    fn publish_directory(&mut self) -> Result<Vec<EpochAction>, Rejection> {
        let directory = KeyDirectory {
            epoch: self.epoch,
            first_round: self.first_round,
            keys: self.keys.values().cloned().collect(),
        };
        // What banks demand of it.
        directory.verify(&self.roster, &self.roster_hash)?;
        let mut actions = vec![EpochAction::Log(Entry::KeyDirectory {
            epoch: self.epoch,
            roster: self.roster_hash,
            directory: directory.hash(),
            first_round: self.first_round,
        })];
        let send = |bank| EpochAction::Send(bank, ToBank::Directory(Box::new(directory.clone())));
        actions.extend(self.banks().map(send));
        self.directory = Some(directory);
        Ok(actions)
    }
}

/// One item for each of `peers` and nobody else: what is passed on stays within a message, and nobody waits for what was left out.
fn check_receivers<T>(
    what: &str,
    peers: impl Iterator<Item = BankIndex>,
    items: &[(BankIndex, T)],
) -> Result<(), Rejection> {
    let expected: BTreeSet<BankIndex> = peers.collect();
    let found: BTreeSet<BankIndex> = items.iter().map(|(to, _)| *to).collect();
    if found == expected && items.len() == expected.len() {
        return Ok(());
    }
    let detail = format!(
        "found {} {what} for {} banks, expected one for each of {} peers",
        items.len(),
        found.len(),
        expected.len()
    );
    Err(Rejection::new(Check::Malformed, detail))
}

/// Turns what everybody sent to everybody into what was sent to `bank`.
fn addressed_to<T: Clone>(
    bank: BankIndex,
    sent: &BTreeMap<BankIndex, Vec<(BankIndex, T)>>,
) -> Vec<(BankIndex, T)> {
    let to_bank = |(from, items): (&BankIndex, &Vec<(BankIndex, T)>)| {
        let item = items.iter().find(|(to, _)| *to == bank)?;
        Some((*from, item.1.clone()))
    };
    sent.iter().filter_map(to_bank).collect()
}

#[cfg(test)]
mod tests;
