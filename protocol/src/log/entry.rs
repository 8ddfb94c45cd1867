//! The entries of the log: what happened, as digests and signatures, never blobs.

use serde::{Deserialize, Serialize};

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest, Epoch, Round, Timestamp};
use crate::model::Metrics;
use crate::roster::{Roster, RosterEntry};
use crate::round::params::{RoundKind, Thresholds};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

/// The round is open: what is computed, from what, under which rules. Part of the round's context, so a bank that holds
/// another one makes masks that do not cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundOpen {
    /// Key epoch.
    pub epoch: Epoch,
    /// Number of the round.
    pub round: Round,
    /// Hash of the task.
    pub task: Digest,
    /// What is computed.
    pub kind: RoundKind,
    /// Step of the task, from 0.
    pub step: u32,
    /// Tries of this step before this one.
    pub attempt: u32,
    /// Hash of the task state that every bank derived.
    pub state: Digest,
    /// Hash of the last `Result` entry of the task; zeros before the first.
    pub last_result: Digest,
    /// Hash of the layout of the contributions.
    pub layout: Digest,
    /// Hash of the key directory of the epoch.
    pub directory: Digest,
    /// Hash of the `PrepareManifest` entry.
    pub manifest: Digest,
    /// The consortium's thresholds.
    pub thresholds: Thresholds,
    /// `p`, bits of a digit.
    pub digit_bits: u8,
    /// `b`, bits of a lane of the ring.
    pub ring_bits: u8,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Until when the coordinator waits for banks to be ready.
    pub ready_until: Timestamp,
}

/// The published outcome of a round.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundResult {
    /// The round.
    pub round: Round,
    /// Hash of its `RoundOpen` entry.
    pub open: Digest,
    /// What was computed.
    pub kind: RoundKind,
    /// Step of the task.
    pub step: u32,
    /// Hash of the blob of summed lanes.
    pub sum: Digest,
    /// Number of survivors in the sum.
    pub survivors: u16,
    /// Sum of the weights; 0 when the kind has none.
    pub weight: u64,
    /// Hash of the state that follows.
    pub next_state: Digest,
    /// The consortium's metrics of the state before; none in a statistics round.
    pub metrics: Option<Metrics>,
}

/// Why a round ended without a result. The numbers are part of the log's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum AbortReason {
    /// Too few banks prepared in time.
    TooFewPrepared,
    /// Too few banks were ready in time.
    TooFewReady,
    /// Too few updates arrived in time.
    TooFewUpdates,
    /// Too few banks signed the list of survivors.
    TooFewConfirmations,
    /// Too few banks released shares.
    TooFewShares,
    /// The shares do not give the secrets that were committed to.
    BadShares,
    /// The sum is not one of honest contributions.
    BadSum,
    /// The operator stopped the task.
    Stopped,
    /// The coordinator could not go on after a restart.
    Restarted,
}

impl AbortReason {
    const ALL: [Self; 9] = [
        Self::TooFewPrepared,
        Self::TooFewReady,
        Self::TooFewUpdates,
        Self::TooFewConfirmations,
        Self::TooFewShares,
        Self::BadShares,
        Self::BadSum,
        Self::Stopped,
        Self::Restarted,
    ];

    /// Its number, from 1.
    pub fn number(self) -> u8 {
        let at = Self::ALL.iter().position(|reason| *reason == self);
        // ALL names every variant and has fewer than 255.
        at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::TooFewPrepared => "too few banks prepared in time",
            Self::TooFewReady => "too few banks were ready in time",
            Self::TooFewUpdates => "too few updates arrived in time",
            Self::TooFewConfirmations => "too few banks signed the list of survivors",
            Self::TooFewShares => "too few banks released their shares",
            Self::BadShares => "the shares do not give the committed secrets",
            Self::BadSum => "the sum is not one of honest contributions",
            Self::Stopped => "the task was stopped",
            Self::Restarted => "the coordinator could not go on after a restart",
        }
    }
}

impl TryFrom<u8> for AbortReason {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::from_number(number).ok_or_else(|| format!("abort reason {number} is unknown"))
    }
}

impl From<AbortReason> for u8 {
    fn from(reason: AbortReason) -> u8 {
        reason.number()
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The banks of the consortium from here on.
    Roster {
        /// The consortium's name.
        consortium: String,
        /// Every bank, by position.
        banks: Vec<RosterEntry>,
    },
    /// A task was offered.
    Task {
        /// Its name.
        name: String,
        /// SHA-256 of its canonical text.
        task: Digest,
    },
    /// A bank's operator approved a task.
    TaskApproval {
        /// The task.
        task: Digest,
        /// The bank.
        bank: BankIndex,
        /// Over [`Approval`](crate::wire::statement::Approval).
        signature: Signature,
    },
    /// The keys of an epoch.
    KeyDirectory {
        /// The epoch.
        epoch: Epoch,
        /// Hash of the roster entry.
        roster: Digest,
        /// Hash of the directory.
        directory: Digest,
        /// First round of the epoch.
        first_round: Round,
    },
    /// Who prepared a round, with what.
    PrepareManifest {
        /// The epoch.
        epoch: Epoch,
        /// The round.
        round: Round,
        /// Hash of every bundle, by position.
        bundles: Vec<(BankIndex, Digest)>,
    },
    /// A round begins.
    RoundOpen(RoundOpen),
    /// Who takes part (`U2`).
    Cohort {
        /// The round.
        round: Round,
        /// The banks, by position.
        banks: Vec<BankIndex>,
    },
    /// A masked update arrived.
    Masked {
        /// The round.
        round: Round,
        /// The bank.
        bank: BankIndex,
        /// SHA-256 of the packed vector.
        hash: Digest,
        /// Its length in bytes.
        length: u64,
        /// Over [`Trailer`](crate::wire::statement::Trailer).
        signature: Signature,
    },
    /// Whose updates are summed (`U3`).
    Survivors {
        /// The round.
        round: Round,
        /// Bank and hash of its update, by position.
        list: Vec<(BankIndex, Digest)>,
    },
    /// Enough survivors signed that list.
    Certificate {
        /// The round.
        round: Round,
        /// Over [`SurvivorList`](crate::wire::statement::SurvivorList), by position.
        signatures: Vec<(BankIndex, Signature)>,
    },
    /// A bank released its shares.
    Release {
        /// The round.
        round: Round,
        /// The bank.
        bank: BankIndex,
        /// Hash of the signed body.
        body: Digest,
    },
    /// The sum is published.
    Result(RoundResult),
    /// A bank derived the same state.
    Ack {
        /// The round.
        round: Round,
        /// The bank.
        bank: BankIndex,
        /// Hash of the state that the bank derived.
        state: Digest,
        /// Over [`Derived`](crate::wire::statement::Derived).
        signature: Signature,
    },
    /// The round ended without a result.
    Abort {
        /// The round.
        round: Round,
        /// Why.
        reason: AbortReason,
        /// True if shares may have left a bank: the same updates must not be sent again.
        after_release: bool,
    },
}

impl From<&Roster> for Entry {
    fn from(roster: &Roster) -> Self {
        Self::Roster {
            consortium: roster.consortium().to_owned(),
            banks: roster.banks().to_vec(),
        }
    }
}

impl Roster {
    /// Hash of the roster's log entry: what a bank pins.
    pub fn hash(&self) -> Digest {
        Entry::from(self).hash()
    }
}

impl Entry {
    /// The round that the entry belongs to, if to any.
    pub fn round(&self) -> Option<Round> {
        match self {
            Self::Roster { .. }
            | Self::Task { .. }
            | Self::TaskApproval { .. }
            | Self::KeyDirectory { .. } => None,
            Self::PrepareManifest { round, .. }
            | Self::Cohort { round, .. }
            | Self::Masked { round, .. }
            | Self::Survivors { round, .. }
            | Self::Certificate { round, .. }
            | Self::Release { round, .. }
            | Self::Ack { round, .. }
            | Self::Abort { round, .. } => Some(*round),
            Self::RoundOpen(open) => Some(open.round),
            Self::Result(result) => Some(result.round),
        }
    }

    /// True if banks need the whole entry to take part; the others travel to them as leaf hashes.
    pub fn concerns_banks(&self) -> bool {
        !matches!(
            self,
            Self::Masked { .. } | Self::Release { .. } | Self::Ack { .. } | Self::TaskApproval { .. }
        )
    }
}

fn write_pairs<T>(writer: &mut Writer, pairs: &[(BankIndex, T)], each: impl Fn(&mut Writer, &T)) {
    writer.list(pairs.iter(), |w, (bank, value)| {
        w.bank(*bank);
        each(w, value);
    });
}

fn read_pairs<T>(
    r: &mut Reader<'_>,
    item_bytes: usize,
    what: &'static str,
    each: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<(BankIndex, T)>, DecodeError> {
    let pairs = r.list(2 + item_bytes, what, |r| Ok((r.bank(what)?, each(r)?)))?;
    if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(DecodeError::value(
            what,
            "banks are not in order, or one is named twice",
        ));
    }
    Ok(pairs)
}

impl Canonical for RoundOpen {
    const KIND: &'static str = "round-open";

    fn write(&self, w: &mut Writer) {
        self.epoch.write(w);
        self.round.write(w);
        w.digest(&self.task);
        self.kind.write(w);
        w.u32(self.step).u32(self.attempt);
        for digest in [
            &self.state,
            &self.last_result,
            &self.layout,
            &self.directory,
            &self.manifest,
        ] {
            w.digest(digest);
        }
        Thresholds::write(&self.thresholds, w);
        w.u8(self.digit_bits).u8(self.ring_bits);
        self.opened_at.write(w);
        self.ready_until.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch::read(r, "epoch")?,
            round: Round::read(r, "round")?,
            task: r.digest("task")?,
            kind: RoundKind::read(r)?,
            step: r.u32("step")?,
            attempt: r.u32("attempt")?,
            state: r.digest("state")?,
            last_result: r.digest("last result")?,
            layout: r.digest("layout")?,
            directory: r.digest("directory")?,
            manifest: r.digest("manifest")?,
            thresholds: Thresholds::read(r)?,
            digit_bits: r.u8("digit bits")?,
            ring_bits: r.u8("ring bits")?,
            opened_at: Timestamp::read(r, "opened at")?,
            ready_until: Timestamp::read(r, "ready until")?,
        })
    }
}

impl Canonical for RoundResult {
    const KIND: &'static str = "round-result";

    fn write(&self, w: &mut Writer) {
        self.round.write(w);
        w.digest(&self.open);
        self.kind.write(w);
        w.u32(self.step)
            .digest(&self.sum)
            .u16(self.survivors)
            .u64(self.weight)
            .digest(&self.next_state);
        match &self.metrics {
            None => {
                w.u8(0);
            }
            Some(metrics) => {
                w.u8(1);
                metrics.write(w);
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            round: Round::read(r, "round")?,
            open: r.digest("open")?,
            kind: RoundKind::read(r)?,
            step: r.u32("step")?,
            sum: r.digest("sum")?,
            survivors: r.u16("survivors")?,
            weight: r.u64("weight")?,
            next_state: r.digest("next state")?,
            metrics: match r.u8("metrics")? {
                0 => None,
                1 => Some(Metrics::read(r)?),
                other => {
                    return Err(DecodeError::value(
                        "metrics",
                        format!("{other} is neither 0 nor 1"),
                    ));
                }
            },
        })
    }
}

impl Canonical for Entry {
    const KIND: &'static str = "log-entry";

    fn write(&self, w: &mut Writer) {
        match self {
            Self::Roster { consortium, banks } => {
                w.u8(1).text(consortium).list(banks.iter(), |w, line| {
                    w.bank(line.index)
                        .text(&line.name)
                        .fixed(&line.signing_key)
                        .digest(&line.tls_key);
                });
            }
            Self::Task { name, task } => {
                w.u8(2).text(name).digest(task);
            }
            Self::TaskApproval {
                task,
                bank,
                signature,
            } => {
                w.u8(3).digest(task).bank(*bank).fixed(&signature.0);
            }
            Self::KeyDirectory {
                epoch,
                roster,
                directory,
                first_round,
            } => {
                w.u8(4);
                epoch.write(w);
                w.digest(roster).digest(directory);
                first_round.write(w);
            }
            Self::PrepareManifest {
                epoch,
                round,
                bundles,
            } => {
                w.u8(5);
                epoch.write(w);
                round.write(w);
                write_pairs(w, bundles, |w, digest| {
                    w.digest(digest);
                });
            }
            Self::RoundOpen(open) => {
                w.u8(6);
                Canonical::write(open, w);
            }
            Self::Cohort { round, banks } => {
                w.u8(7);
                round.write(w);
                w.list(banks.iter(), |w, bank| {
                    w.bank(*bank);
                });
            }
            Self::Masked {
                round,
                bank,
                hash,
                length,
                signature,
            } => {
                w.u8(8);
                round.write(w);
                w.bank(*bank).digest(hash).u64(*length).fixed(&signature.0);
            }
            Self::Survivors { round, list } => {
                w.u8(9);
                round.write(w);
                write_pairs(w, list, |w, digest| {
                    w.digest(digest);
                });
            }
            Self::Certificate { round, signatures } => {
                w.u8(10);
                round.write(w);
                write_pairs(w, signatures, |w, signature| signature.write(w));
            }
            Self::Release { round, bank, body } => {
                w.u8(11);
                round.write(w);
                w.bank(*bank).digest(body);
            }
            Self::Result(result) => {
                w.u8(12);
                Canonical::write(result, w);
            }
            Self::Ack {
                round,
                bank,
                state,
                signature,
            } => {
                w.u8(13);
                round.write(w);
                w.bank(*bank).digest(state).fixed(&signature.0);
            }
            Self::Abort {
                round,
                reason,
                after_release,
            } => {
                w.u8(14);
                round.write(w);
                w.u8(reason.number()).u8(u8::from(*after_release));
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.u8("entry type")? {
            1 => Self::Roster {
                consortium: r.text("consortium")?,
                banks: r.list(70, "banks", |r| {
                    Ok(RosterEntry {
                        index: r.bank("index")?,
                        name: r.text("name")?,
                        signing_key: r.array("signing key")?,
                        tls_key: r.digest("TLS key")?,
                    })
                })?,
            },
            2 => Self::Task {
                name: r.text("name")?,
                task: r.digest("task")?,
            },
            3 => Self::TaskApproval {
                task: r.digest("task")?,
                bank: r.bank("bank")?,
                signature: Signature::read(r)?,
            },
            4 => Self::KeyDirectory {
                epoch: Epoch::read(r, "epoch")?,
                roster: r.digest("roster")?,
                directory: r.digest("directory")?,
                first_round: Round::read(r, "first round")?,
            },
            5 => Self::PrepareManifest {
                epoch: Epoch::read(r, "epoch")?,
                round: Round::read(r, "round")?,
                bundles: read_pairs(r, 32, "bundles", |r| r.digest("bundle"))?,
            },
            6 => Self::RoundOpen(Canonical::read(r)?),
            7 => Self::Cohort {
                round: Round::read(r, "round")?,
                banks: {
                    let banks = r.list(2, "cohort", |r| r.bank("bank"))?;
                    if !banks.is_sorted_by(|a, b| a < b) {
                        return Err(DecodeError::value(
                            "cohort",
                            "banks are not in order, or one is named twice",
                        ));
                    }
                    banks
                },
            },
            8 => Self::Masked {
                round: Round::read(r, "round")?,
                bank: r.bank("bank")?,
                hash: r.digest("hash")?,
                length: r.u64("length")?,
                signature: Signature::read(r)?,
            },
            9 => Self::Survivors {
                round: Round::read(r, "round")?,
                list: read_pairs(r, 32, "survivors", |r| r.digest("update"))?,
            },
            10 => Self::Certificate {
                round: Round::read(r, "round")?,
                signatures: read_pairs(r, 64, "certificate", Signature::read)?,
            },
            11 => Self::Release {
                round: Round::read(r, "round")?,
                bank: r.bank("bank")?,
                body: r.digest("body")?,
            },
            12 => Self::Result(Canonical::read(r)?),
            13 => Self::Ack {
                round: Round::read(r, "round")?,
                bank: r.bank("bank")?,
                state: r.digest("state")?,
                signature: Signature::read(r)?,
            },
            14 => Self::Abort {
                round: Round::read(r, "round")?,
                reason: {
                    let number = r.u8("reason")?;
                    AbortReason::from_number(number)
                        .ok_or_else(|| DecodeError::value("reason", format!("{number} is unknown")))?
                },
                after_release: match r.u8("after release")? {
                    0 => false,
                    1 => true,
                    other => {
                        return Err(DecodeError::value(
                            "after release",
                            format!("{other} is neither 0 nor 1"),
                        ));
                    }
                },
            },
            other => return Err(DecodeError::value("entry type", format!("{other} is unknown"))),
        })
    }
}

impl Metrics {
    fn write(&self, w: &mut Writer) {
        w.u64(self.rows).u64(self.positives);
        for figure in [self.auc, self.ks, self.log_loss, self.calibration_error] {
            // An undefined figure is written as NaN, which no defined one is.
            w.f64(figure.unwrap_or(f64::NAN));
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (rows, positives) = (r.u64("rows")?, r.u64("positives")?);
        let mut figure = |what| r.f64(what).map(|figure| (!figure.is_nan()).then_some(figure));
        Ok(Self {
            rows,
            positives,
            auc: figure("AUC")?,
            ks: figure("KS")?,
            log_loss: figure("log loss")?,
            calibration_error: figure("calibration error")?,
        })
    }
}
