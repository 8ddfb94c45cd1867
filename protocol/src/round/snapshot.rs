//! A participant as bytes: what a bank keeps on its own disk, and nowhere else.
//!
//! The bytes hold every secret of the open round and of the epoch. The daemon writes them to one file of mode 0600, replaces it
//! atomically and overwrites what it replaced, so that a wiped key does not live on in an old copy.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::crypto::secret::Secret;
use crate::crypto::signing::Signature;
use crate::epoch::participant::EpochParticipant;
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::log::entry::RoundOpen;
use crate::log::follower::LogFollower;
use crate::log::roster_chain::{RosterChain, read_roster};
use crate::round::active::ActiveRound;
use crate::round::participant::{Participant, Pinned, Progress};
use crate::round::prepare::{HeldShares, Prepared};
use crate::round::released::Released;
use crate::round::watch::{Watch, write_roster};
use crate::secagg::shamir::SecretScalar;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::frame;
use crate::wire::message::MESSAGE_LIMIT;
use crate::wire::signed::Signed;

/// The snapshot cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is damaged, or of another version.
    #[error(
        "the bank's state cannot be read: {0}; delete it and start again, which needs a new key epoch; never put an old copy back"
    )]
    Damaged(#[from] DecodeError),
    /// It belongs to another bank.
    #[error(
        "the bank's state belongs to another signing key; found {found}, expected {expected}; is the folder this bank's?"
    )]
    Other {
        /// What the state names.
        found: String,
        /// What the configuration says.
        expected: String,
    },
    /// The roster allows no thresholds.
    #[error(transparent)]
    Thresholds(#[from] crate::round::params::ThresholdError),
}

const DOMAIN: &str = "participant-snapshot";

impl Participant {
    /// The whole machine, secrets included.
    pub fn snapshot(&self) -> Zeroizing<Vec<u8>> {
        self.written_under(&self.roster_hash)
    }

    fn written_under(&self, roster: &Digest) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::domain(DOMAIN);
        w.fixed(&self.key.verifying_key().0).digest(roster);
        self.follower.write(&mut w);
        w.list(self.chain.in_force().into_iter(), write_roster);
        self.epochs.write(&mut w);
        w.list(self.directories.iter(), |w, (epoch, directory)| {
            epoch.write(w);
            w.digest(directory);
        });
        w.list(self.approved.iter(), |w, task| {
            w.digest(task);
        });
        w.list(self.progress.iter(), |w, (task, progress)| {
            w.digest(task)
                .u32(progress.step)
                .digest(&progress.state)
                .digest(&progress.last_result);
        });
        w.list(self.watch.iter(), |w, watch| watch.write(w));
        self.released.write(&mut w);
        self.last_round.write(&mut w);
        w.list(self.derived.iter(), write_signed);
        let slots: Vec<_> = self.active.iter().chain(&self.ahead).collect();
        w.list(slots.into_iter(), |w, slot| slot.write(w));
        // A log whose roster nobody ever proposed to change leaves nothing here, as before there were proposals.
        if !self.chain.is_plain() || self.consent.is_some() || self.followed.is_some() {
            self.chain.write(&mut w);
            w.list(self.consent.iter(), |w, proposal| {
                w.digest(proposal);
            });
            w.list(self.followed.iter(), write_roster);
            // The pinned one, which may be newer than that of the bank's own files.
            write_roster(&mut w, &self.roster);
        }
        let checksum = Digest::of(w.so_far());
        w.digest(&checksum);
        Zeroizing::new(w.finish())
    }

    /// The machine that [`Participant::snapshot`] wrote; under a new roster, which may give the bank another position, without the keys
    /// and the round of the old one. Plans are told again by [`Event::TaskKnown`](super::participant::Event).
    ///
    /// # Errors
    /// If the bytes are damaged, belong to another bank, or are not what this version writes for the machine in them.
    pub fn restore(pinned: Pinned, bytes: &[u8]) -> Result<Self, RestoreError> {
        let log_key = pinned.log_key.clone();
        let mut machine = Self::new(pinned)?;
        let mut r = Reader::domain(intact(bytes)?, DOMAIN)?;
        let (key, roster) = (r.array("signing key")?, r.digest("roster")?);
        let own = machine.key.verifying_key();
        if own.0 != key {
            return Err(RestoreError::Other {
                found: hex::encode(key),
                expected: hex::encode(own.0),
            });
        }
        machine.follower = LogFollower::read(&mut r, log_key)?;
        let in_force = r.list(4, "roster in force", read_roster)?.pop();
        machine.epochs = EpochParticipant::read(&mut r)?;
        machine.directories = r
            .list(40, "directories", |r| {
                Ok((Epoch::read(r, "epoch")?, r.digest("directory")?))
            })?
            .into_iter()
            .collect();
        machine.approved = r
            .list(32, "approvals", |r| r.digest("task"))?
            .into_iter()
            .collect();
        machine.progress = r
            .list(100, "progress", |r| {
                let task = r.digest("task")?;
                let (step, state) = (r.u32("step")?, r.digest("state")?);
                Ok((
                    task,
                    Progress {
                        step,
                        state,
                        last_result: r.digest("last result")?,
                    },
                ))
            })?
            .into_iter()
            .collect();
        machine.watch = r.list(12, "watch", Watch::read)?.pop();
        machine.released = Released::read(&mut r)?;
        machine.last_round = Round::read(&mut r, "last round")?;
        machine.derived = r.list(68, "derived", read_signed)?.pop();
        let mut slots = r.list(1, "rounds", |r| ActiveRound::read(r).map(Box::new))?;
        machine.ahead = slots.split_off(slots.len().min(1));
        machine.active = slots.pop();
        let mut own = None;
        if r.left() == 0 {
            machine.chain = RosterChain::at(in_force);
        } else {
            machine.chain = RosterChain::read_from(&mut r, in_force)?;
            machine.consent = r.list(32, "approved proposal", |r| r.digest("proposal"))?.pop();
            machine.followed = r.list(4, "roster before", read_roster)?.pop();
            own = Some(read_roster(&mut r)?);
        }
        let files = (machine.roster.clone(), machine.me);
        if let Some(own) = own {
            if own.hash() != roster {
                return Err(DecodeError::value("pinned roster", "it has another hash").into());
            }
            let me = machine.position_in(&own);
            let me = me.ok_or_else(|| DecodeError::value("pinned roster", "the bank is not in it"))?;
            machine.go_by(own, me)?;
        }
        if r.left() != 0 || *machine.written_under(&roster) != bytes {
            return Err(DecodeError::NotCanonical(r.left()).into());
        }
        // Either the files name the same roster, or a crash came after an approved change and before they named it.
        let is_followed = machine.followed.as_ref() == Some(&files.0);
        if files.0.hash() != roster && !is_followed {
            // The operator has put another one there.
            machine.go_by(files.0, files.1)?;
            machine.forget_epochs();
            machine.followed = None;
            machine.consent = None;
        }
        Ok(machine)
    }
}

/// The bytes before their checksum, SHA-256 over all of them, domain included: a disk that lost a bit must not restore other secrets or
/// forget an answer.
fn intact(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let whole = bytes.split_last_chunk::<32>();
    let whole = whole.filter(|(body, checksum)| Digest::of(body).0 == **checksum);
    whole
        .map(|(body, _)| body)
        .ok_or_else(|| DecodeError::value("checksum", "it is not that of the bytes"))
}

fn write_signed<T: Canonical>(w: &mut Writer, signed: &Signed<T>) {
    w.bytes(&signed.claim().to_bytes());
    signed.signature().write(w);
}

fn read_signed<T: Canonical>(r: &mut Reader<'_>) -> Result<Signed<T>, DecodeError> {
    let body = T::from_bytes(r.bytes("statement")?)?;
    Ok(Signed::assemble(body, Signature::read(r)?))
}

fn write_scalar(w: &mut Writer, scalar: &SecretScalar) {
    w.fixed(scalar.to_secret().expose());
}

fn read_scalar(r: &mut Reader<'_>) -> Result<SecretScalar, DecodeError> {
    SecretScalar::from_canonical(r.array("scalar")?)
        .ok_or_else(|| DecodeError::value("scalar", "not reduced"))
}

fn write_shares(w: &mut Writer, shares: &HeldShares) {
    write_scalar(w, &shares.self_mask);
    write_scalar(w, &shares.recovery);
}

fn read_shares(r: &mut Reader<'_>) -> Result<HeldShares, DecodeError> {
    Ok(HeldShares {
        self_mask: read_scalar(r)?,
        recovery: read_scalar(r)?,
    })
}

fn read_keys(r: &mut Reader<'_>) -> Result<BTreeMap<BankIndex, Secret>, DecodeError> {
    let keys = r.list(34, "round keys", |r| {
        Ok((r.bank("peer")?, Secret::from_bytes(r.array("key")?)))
    })?;
    Ok(keys.into_iter().collect())
}

fn write_digests(w: &mut Writer, digests: impl ExactSizeIterator<Item = (BankIndex, Digest)>) {
    w.list(digests, |w, (bank, digest)| {
        w.bank(bank).digest(&digest);
    });
}

fn read_digests<C: FromIterator<(BankIndex, Digest)>>(r: &mut Reader<'_>) -> Result<C, DecodeError> {
    Ok(
        r.list(34, "digests", |r| Ok((r.bank("bank")?, r.digest("digest")?)))?
            .into_iter()
            .collect(),
    )
}

fn write_banks(w: &mut Writer, banks: &[BankIndex]) {
    w.list(banks.iter(), |w, bank| {
        w.bank(*bank);
    });
}

fn read_banks(r: &mut Reader<'_>) -> Result<Vec<BankIndex>, DecodeError> {
    r.list(2, "banks", |r| r.bank("bank"))
}

/// Messages that the bank may send again, or still has to open, in the form in which they travel.
fn write_message<T: serde::Serialize>(w: &mut Writer, message: &T) {
    w.bytes(&frame::encode(message, MESSAGE_LIMIT).expect("it travelled, or was made, under the same limit"));
}

fn read_message<T: serde::de::DeserializeOwned>(r: &mut Reader<'_>) -> Result<T, DecodeError> {
    frame::decode(r.bytes("message")?, MESSAGE_LIMIT)
        .map_err(|error| DecodeError::value("message", error.to_string()))
}

impl ActiveRound {
    fn write(&self, w: &mut Writer) {
        self.round.write(w);
        write_scalar(w, &self.prepared.self_mask);
        for keys in [&self.prepared.bases, &self.prepared.openers] {
            w.list(keys.iter(), |w, (bank, key)| {
                w.bank(*bank).fixed(key.expose());
            });
        }
        write_shares(w, &self.prepared.own_shares);
        write_message(w, &self.bundle);
        w.list(self.manifest.iter(), |w, manifest| {
            write_digests(w, manifest.iter().map(|(bank, hash)| (*bank, *hash)))
        });
        w.list(self.open.iter(), |w, open| {
            w.bytes(&open.to_bytes());
        });
        w.list(self.deliveries.iter(), |w, deliveries| {
            write_message(w, deliveries)
        });
        w.list(self.held.iter(), |w, (bank, shares)| {
            w.bank(*bank);
            write_shares(w, shares);
        });
        w.list(self.complaints.iter(), |w, banks| write_banks(w, banks));
        w.u8(u8::from(self.computed));
        w.list(self.cohort.iter(), |w, banks| write_banks(w, banks));
        w.list(self.trailer.iter(), write_signed);
        w.list(self.survivors.iter(), |w, list| {
            write_digests(w, list.iter().map(|(bank, hash)| (*bank, *hash)))
        });
        w.list(self.release.iter(), write_signed);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let round = Round::read(r, "round")?;
        let prepared = Prepared {
            self_mask: read_scalar(r)?,
            bases: read_keys(r)?,
            openers: read_keys(r)?,
            own_shares: read_shares(r)?,
        };
        let mut active = Self::new(round, prepared, read_message(r)?);
        active.manifest = r.list(4, "manifest", read_digests)?.pop();
        active.open = r
            .list(4, "open", |r| RoundOpen::from_bytes(r.bytes("round open")?))?
            .pop();
        active.deliveries = r.list(4, "deliveries", read_message)?.pop();
        active.held = r
            .list(66, "held shares", |r| Ok((r.bank("bank")?, read_shares(r)?)))?
            .into_iter()
            .collect();
        active.complaints = r.list(4, "complaints", read_banks)?.pop();
        active.computed = r.u8("computed")? == 1;
        active.cohort = r.list(4, "cohort", read_banks)?.pop();
        active.trailer = r.list(68, "trailer", read_signed)?.pop();
        active.survivors = r.list(4, "survivors", read_digests)?.pop();
        active.release = r.list(68, "release", read_signed)?.pop();
        Ok(active)
    }
}
