//! The entries' canonical form.

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Epoch, Round, Timestamp};
use crate::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use crate::model::{Figure, Metrics};
use crate::roster::RosterEntry;
use crate::round::params::{RoundKind, Thresholds};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

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

fn write_banks(w: &mut Writer, banks: &[RosterEntry]) {
    w.list(banks.iter(), |w, line| {
        w.bank(line.index)
            .text(&line.name)
            .fixed(&line.signing_key)
            .fixed(&line.witness_key)
            .digest(&line.tls_key);
    });
}

fn read_banks(r: &mut Reader<'_>) -> Result<Vec<RosterEntry>, DecodeError> {
    r.list(102, "banks", |r| {
        Ok(RosterEntry {
            index: r.bank("index")?,
            name: r.text("name")?,
            signing_key: r.array("signing key")?,
            witness_key: r.array("witness key")?,
            tls_key: r.digest("TLS key")?,
        })
    })
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
                w.u8(1).text(consortium);
                write_banks(w, banks);
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
            Self::RosterProposal {
                sequence,
                previous,
                banks,
            } => {
                w.u8(15).u64(*sequence).digest(previous);
                write_banks(w, banks);
            }
            Self::RosterApproval {
                proposal,
                bank,
                signature,
            } => {
                w.u8(16).digest(proposal).bank(*bank).fixed(&signature.0);
            }
            Self::RosterWithdrawal { proposal } => {
                w.u8(17).digest(proposal);
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.u8("entry type")? {
            1 => Self::Roster {
                consortium: r.text("consortium")?,
                banks: read_banks(r)?,
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
            15 => Self::RosterProposal {
                sequence: r.u64("sequence")?,
                previous: r.digest("previous roster")?,
                banks: read_banks(r)?,
            },
            16 => Self::RosterApproval {
                proposal: r.digest("proposal")?,
                bank: r.bank("bank")?,
                signature: Signature::read(r)?,
            },
            17 => Self::RosterWithdrawal {
                proposal: r.digest("proposal")?,
            },
            other => return Err(DecodeError::value("entry type", format!("{other} is unknown"))),
        })
    }
}

impl Metrics {
    fn write(&self, w: &mut Writer) {
        w.u64(self.rows);
        w.list(self.figures.iter(), |w, (figure, value)| {
            // An undefined figure is written as NaN, which no defined one is.
            w.u8(figure.number()).f64(value.unwrap_or(f64::NAN));
        });
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rows = r.u64("rows")?;
        let figures = r.list(9, "figures", |r| {
            let number = r.u8("figure")?;
            let figure = Figure::from_number(number)
                .ok_or_else(|| DecodeError::value("figure", format!("{number} is unknown")))?;
            let value = r.f64(figure.key())?;
            Ok((figure, (!value.is_nan()).then_some(value)))
        })?;
        if !figures.is_sorted_by(|(before, _), (after, _)| before < after) {
            return Err(DecodeError::value(
                "figures",
                "they are not in ascending order".to_owned(),
            ));
        }
        Ok(Self { rows, figures })
    }
}

#[cfg(test)]
mod tests;
