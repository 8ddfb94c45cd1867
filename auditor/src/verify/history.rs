//! The log's entries sorted by what they belong to, with the order in which they may come.

use std::collections::BTreeSet;

use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::log::RosterChain;
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use veilsum_protocol::log::roster_chain::Step;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::canonical::Canonical;

use super::outcome;
use super::record::RoundRecord;
use super::report::{Check, Ledger, Place};

/// Something that an entry says, with where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Logged<T> {
    /// Index of the entry.
    pub(crate) index: u64,
    /// SHA-256 of the entry, by which other entries name it.
    pub(crate) hash: Digest,
    /// What it says.
    pub(crate) value: T,
}

#[derive(Clone, Debug)]
pub(crate) struct TaskOffer {
    pub(crate) name: String,
    pub(crate) task: Digest,
}

#[derive(Clone, Debug)]
pub(crate) struct ApprovalEntry {
    pub(crate) task: Digest,
    pub(crate) bank: BankIndex,
    pub(crate) signature: Signature,
}

#[derive(Clone, Debug)]
pub(crate) struct DirectoryEntry {
    pub(crate) epoch: Epoch,
    pub(crate) roster: Digest,
    pub(crate) directory: Digest,
    pub(crate) first_round: Round,
}

#[derive(Clone, Debug)]
pub(crate) struct ManifestEntry {
    pub(crate) epoch: Epoch,
    pub(crate) bundles: Vec<(BankIndex, Digest)>,
}

#[derive(Clone, Debug)]
pub(crate) struct MaskedEntry {
    pub(crate) bank: BankIndex,
    pub(crate) hash: Digest,
    pub(crate) length: u64,
    pub(crate) signature: Signature,
}

#[derive(Clone, Debug)]
pub(crate) struct AckEntry {
    pub(crate) bank: BankIndex,
    pub(crate) state: Digest,
    pub(crate) signature: Signature,
}

#[derive(Clone, Debug)]
pub(crate) struct AbortEntry {
    pub(crate) reason: AbortReason,
    pub(crate) after_release: bool,
}

/// How far a round has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Begun,
    Manifest,
    Open,
    Cohort,
    Masked,
    Survivors,
    Certificate,
    Release,
    Result,
    Ack,
    Aborted,
}

impl Stage {
    fn of(entry: &Entry) -> Option<Self> {
        Some(match entry {
            Entry::Roster { .. }
            | Entry::Task { .. }
            | Entry::TaskApproval { .. }
            | Entry::KeyDirectory { .. }
            | Entry::RosterProposal { .. }
            | Entry::RosterApproval { .. }
            | Entry::RosterWithdrawal { .. } => return None,
            Entry::PrepareManifest { .. } => Self::Manifest,
            Entry::RoundOpen(_) => Self::Open,
            Entry::Cohort { .. } => Self::Cohort,
            Entry::Masked { .. } => Self::Masked,
            Entry::Survivors { .. } => Self::Survivors,
            Entry::Certificate { .. } => Self::Certificate,
            Entry::Release { .. } => Self::Release,
            Entry::Result(_) => Self::Result,
            Entry::Ack { .. } => Self::Ack,
            Entry::Abort { .. } => Self::Aborted,
        })
    }

    /// Name of the entry that brings a round here.
    pub(crate) fn entry_name(self) -> &'static str {
        match self {
            Self::Begun => "nothing",
            Self::Manifest => "PrepareManifest",
            Self::Open => "RoundOpen",
            Self::Cohort => "Cohort",
            Self::Masked => "Masked",
            Self::Survivors => "Survivors",
            Self::Certificate => "Certificate",
            Self::Release => "Release",
            Self::Result => "Result",
            Self::Ack => "Ack",
            Self::Aborted => "Abort",
        }
    }

    fn may_follow(self, last: Self) -> bool {
        let repeats = matches!(self, Self::Masked | Self::Release | Self::Ack) && self == last;
        let next = match last {
            Self::Begun => self == Self::Manifest,
            Self::Manifest => self == Self::Open,
            Self::Open => self == Self::Cohort,
            Self::Cohort => self == Self::Masked,
            Self::Masked => self == Self::Survivors,
            Self::Survivors => self == Self::Certificate,
            Self::Certificate => self == Self::Release,
            Self::Release => self == Self::Result,
            Self::Result => self == Self::Ack,
            Self::Ack | Self::Aborted => false,
        };
        repeats || next || (self == Self::Aborted && last < Self::Result)
    }

    /// What may come now, for messages.
    fn expectation(self) -> &'static str {
        match self {
            Self::Begun => "PrepareManifest or Abort",
            Self::Manifest => "RoundOpen or Abort",
            Self::Open => "Cohort or Abort",
            Self::Cohort => "Masked or Abort",
            Self::Masked => "Masked, Survivors or Abort",
            Self::Survivors => "Certificate or Abort",
            Self::Certificate => "Release or Abort",
            Self::Release => "Release, Result or Abort",
            Self::Result | Self::Ack => "Ack or the next round",
            Self::Aborted => "the next round: this one was aborted",
        }
    }
}

/// Everything that the log says of one round. Of an entry that may be there once, the first one counts.
#[derive(Clone, Debug)]
pub(crate) struct RoundHistory {
    pub(crate) round: Round,
    /// Index of its first entry.
    pub(crate) begins_at: u64,
    pub(crate) stage: Stage,
    pub(crate) manifest: Option<Logged<ManifestEntry>>,
    pub(crate) open: Option<Logged<RoundOpen>>,
    pub(crate) cohort: Option<Logged<Vec<BankIndex>>>,
    pub(crate) masked: Vec<Logged<MaskedEntry>>,
    pub(crate) survivors: Option<Logged<Vec<(BankIndex, Digest)>>>,
    pub(crate) certificate: Option<Logged<Vec<(BankIndex, Signature)>>>,
    pub(crate) releases: Vec<Logged<(BankIndex, Digest)>>,
    pub(crate) result: Option<Logged<RoundResult>>,
    pub(crate) acks: Vec<Logged<AckEntry>>,
    pub(crate) abort: Option<Logged<AbortEntry>>,
}

impl RoundHistory {
    fn new(round: Round, begins_at: u64) -> Self {
        Self {
            round,
            begins_at,
            stage: Stage::Begun,
            manifest: None,
            open: None,
            cohort: None,
            masked: Vec::new(),
            survivors: None,
            certificate: None,
            releases: Vec::new(),
            result: None,
            acks: Vec::new(),
            abort: None,
        }
    }

    /// Takes an entry in. What of a kind that may be there once is there already stays as it is.
    fn take(&mut self, index: u64, hash: Digest, entry: Entry) {
        fn logged<T>(index: u64, hash: Digest, value: T) -> Logged<T> {
            Logged { index, hash, value }
        }
        fn once<T>(slot: &mut Option<Logged<T>>, new: Logged<T>) {
            if slot.is_none() {
                *slot = Some(new);
            }
        }
        match entry {
            Entry::PrepareManifest { epoch, bundles, .. } => once(
                &mut self.manifest,
                logged(index, hash, ManifestEntry { epoch, bundles }),
            ),
            Entry::RoundOpen(open) => once(&mut self.open, logged(index, hash, open)),
            Entry::Cohort { banks, .. } => once(&mut self.cohort, logged(index, hash, banks)),
            Entry::Masked {
                bank,
                hash: vector,
                length,
                signature,
                ..
            } => self.masked.push(logged(
                index,
                hash,
                MaskedEntry {
                    bank,
                    hash: vector,
                    length,
                    signature,
                },
            )),
            Entry::Survivors { list, .. } => once(&mut self.survivors, logged(index, hash, list)),
            Entry::Certificate { signatures, .. } => {
                once(&mut self.certificate, logged(index, hash, signatures));
            }
            Entry::Release { bank, body, .. } => self.releases.push(logged(index, hash, (bank, body))),
            Entry::Result(result) => once(&mut self.result, logged(index, hash, result)),
            Entry::Ack {
                bank,
                state,
                signature,
                ..
            } => self.acks.push(logged(
                index,
                hash,
                AckEntry {
                    bank,
                    state,
                    signature,
                },
            )),
            Entry::Abort {
                reason,
                after_release,
                ..
            } => once(
                &mut self.abort,
                logged(
                    index,
                    hash,
                    AbortEntry {
                        reason,
                        after_release,
                    },
                ),
            ),
            Entry::Roster { .. }
            | Entry::Task { .. }
            | Entry::TaskApproval { .. }
            | Entry::KeyDirectory { .. }
            | Entry::RosterProposal { .. }
            | Entry::RosterApproval { .. }
            | Entry::RosterWithdrawal { .. } => {}
        }
    }
}

/// The log, sorted, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) rosters: Vec<Logged<Roster>>,
    /// What was proposed and approved of the next one.
    chain: RosterChain,
    /// Indices of the rosters that the banks of the one before have approved.
    pub(crate) approved_rosters: BTreeSet<u64>,
    pub(crate) tasks: Vec<Logged<TaskOffer>>,
    pub(crate) approvals: Vec<Logged<ApprovalEntry>>,
    pub(crate) directories: Vec<Logged<DirectoryEntry>>,
    /// The rounds that are checked, in the order of their first entries.
    pub(crate) rounds: Vec<RoundRecord>,
    /// Those behind them, of which the checks are still to come.
    unchecked: Vec<RoundHistory>,
    /// Entries since the unchecked rounds were taken last.
    waiting: u64,
    greatest: Option<Round>,
    /// How many were read.
    entries: u64,
}

impl History {
    /// Takes the next entry in. What is not in order is told to `ledger` and left out.
    pub(crate) fn read(&mut self, bytes: &[u8], ledger: &mut Ledger) {
        let index = self.entries;
        self.entries += 1;
        self.waiting += 1;
        match Entry::from_bytes(bytes) {
            Ok(entry) => {
                ledger.pass(Check::EntryForm);
                self.entry(index, Digest::of(bytes), entry, ledger);
            }
            Err(error) => ledger.fail(
                Check::EntryForm,
                Place::entry(index),
                format!("{} bytes that cannot be read: {error}", bytes.len()),
                "an entry in its canonical form",
            ),
        }
    }

    fn entry(&mut self, index: u64, hash: Digest, entry: Entry, ledger: &mut Ledger) {
        self.roster_step(index, &entry, ledger);
        match entry {
            Entry::Roster { consortium, banks } => match Roster::new(consortium, banks) {
                Ok(roster) => self.rosters.push(Logged {
                    index,
                    hash,
                    value: roster,
                }),
                Err(error) => ledger.fail(
                    Check::Roster,
                    Place::entry(index),
                    error.to_string(),
                    "a roster of 3 to 500 banks with names and keys of their own",
                ),
            },
            Entry::Task { name, task } => self.tasks.push(Logged {
                index,
                hash,
                value: TaskOffer { name, task },
            }),
            Entry::TaskApproval {
                task,
                bank,
                signature,
            } => self.approvals.push(Logged {
                index,
                hash,
                value: ApprovalEntry {
                    task,
                    bank,
                    signature,
                },
            }),
            Entry::KeyDirectory {
                epoch,
                roster,
                directory,
                first_round,
            } => self.directories.push(Logged {
                index,
                hash,
                value: DirectoryEntry {
                    epoch,
                    roster,
                    directory,
                    first_round,
                },
            }),
            Entry::RosterProposal { .. } | Entry::RosterApproval { .. } | Entry::RosterWithdrawal { .. } => {}
            entry => self.round_entry(index, hash, entry, ledger),
        }
    }

    /// What the entry does to the roster, if anything.
    fn roster_step(&mut self, index: u64, entry: &Entry, ledger: &mut Ledger) {
        let place = Place::entry(index);
        match self.chain.read(entry) {
            Step::None | Step::First => {}
            Step::Proposed | Step::Approved(_) | Step::Withdrawn(_) => ledger.pass(Check::RosterChange),
            Step::Changed(_) => {
                self.approved_rosters.insert(index);
                ledger.pass(Check::RosterChange);
            }
            Step::Unapproved(_, why) => ledger.fail(
                Check::RosterChange,
                place,
                format!("another roster: {why}"),
                "the proposed one, approved by every bank that stays and by enough of the roster before",
            ),
            Step::Refused(why) => ledger.fail(
                Check::RosterChange,
                place,
                why,
                "a proposal, approval or withdrawal that counts",
            ),
        }
    }

    fn round_entry(&mut self, index: u64, hash: Digest, entry: Entry, ledger: &mut Ledger) {
        let (Some(round), Some(stage)) = (entry.round(), Stage::of(&entry)) else {
            return;
        };
        let place = Place::of(round, index);
        let current = self
            .unchecked
            .last()
            .map(|current| (current.round, current.stage));
        let greatest = self.greatest;
        // A manifest always begins a round, so that a round that is run again is seen as one and checked like any other.
        let begins = current.is_none_or(|(open, _)| open != round)
            && (greatest.is_none_or(|greatest| round > greatest) || stage <= Stage::Open)
            || stage == Stage::Manifest;
        if begins {
            if let Some((before, last)) = current.filter(|(_, last)| *last < Stage::Result) {
                ledger.fail(
                    Check::RoundOrder,
                    place,
                    format!(
                        "{} while round {before} has neither result nor abort",
                        stage.entry_name()
                    ),
                    format!("{} of round {before}", last.expectation()),
                );
            }
            match greatest {
                Some(greatest) if round <= greatest => ledger.fail(
                    Check::RoundNumbers,
                    place,
                    format!("round {round} begins after round {greatest}"),
                    format!("a number above {greatest}"),
                ),
                _ => ledger.pass(Check::RoundNumbers),
            }
            self.greatest = greatest.max(Some(round));
            self.unchecked.push(RoundHistory::new(round, index));
        } else if current.is_none_or(|(open, _)| open != round) {
            self.stray(index, hash, entry, stage, ledger);
            return;
        }
        let Some(current) = self.unchecked.last_mut() else {
            return;
        };
        if stage.may_follow(current.stage) {
            ledger.pass(Check::RoundOrder);
        } else {
            ledger.fail(
                Check::RoundOrder,
                place,
                format!("{} after {}", stage.entry_name(), current.stage.entry_name()),
                current.stage.expectation(),
            );
        }
        current.stage = current.stage.max(stage);
        current.take(index, hash, entry);
    }

    /// An entry of a round that is not the last one. A bank may acknowledge late; nothing else may come.
    fn stray(&mut self, index: u64, hash: Digest, entry: Entry, stage: Stage, ledger: &mut Ledger) {
        let round = entry.round().unwrap_or(Round(0));
        let mut unchecked = self.unchecked.iter_mut().rev();
        if let (Stage::Ack, Some(published)) = (
            stage,
            unchecked.find(|known| known.round == round && known.result.is_some()),
        ) {
            ledger.pass(Check::RoundOrder);
            published.take(index, hash, entry);
            return;
        }
        let mut rounds = self.rounds.iter_mut().rev();
        let published = rounds.find(|known| known.round == round && known.result.is_some());
        let rosters = self.rosters.as_slice();
        match (published, entry) {
            (
                Some(published),
                Entry::Ack {
                    bank,
                    state,
                    signature,
                    ..
                },
            ) => {
                ledger.pass(Check::RoundOrder);
                let roster = last_at(rosters, published.begins_at);
                let value = AckEntry {
                    bank,
                    state,
                    signature,
                };
                outcome::late_ack(published, roster, &Logged { index, hash, value }, ledger);
            }
            _ => ledger.fail(
                Check::RoundOrder,
                Place::of(round, index),
                format!("{} of a round that is over or never began", stage.entry_name()),
                "an entry of the last round, or a late Ack of one with a result",
            ),
        }
    }

    /// Entries that were read since rounds were taken last: a measure of what they hold in memory.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// The rounds that are still to be checked, but for the last one, which may go on.
    pub(crate) fn take_rounds(&mut self) -> Vec<RoundHistory> {
        self.waiting = 0;
        let last = self.unchecked.pop();
        let rounds = std::mem::take(&mut self.unchecked);
        self.unchecked.extend(last);
        rounds
    }

    /// The last round, when the log is read.
    pub(crate) fn take_last(&mut self) -> Vec<RoundHistory> {
        std::mem::take(&mut self.unchecked)
    }

    /// The roster that was in force at an entry.
    pub(crate) fn roster_at(&self, index: u64) -> Option<&Logged<Roster>> {
        last_at(&self.rosters, index)
    }

    /// The signing key that a position had at an entry.
    pub(crate) fn key_at(&self, index: u64, bank: BankIndex) -> Option<[u8; 32]> {
        let roster = self.roster_at(index)?;
        roster.value.bank(bank).map(|entry| entry.signing_key)
    }

    /// The last of `items` before an entry that `wanted` picks.
    pub(crate) fn last_before<T>(
        items: &[Logged<T>],
        index: u64,
        wanted: impl Fn(&T) -> bool,
    ) -> Option<&Logged<T>> {
        items
            .iter()
            .rev()
            .find(|item| item.index < index && wanted(&item.value))
    }
}

fn last_at(rosters: &[Logged<Roster>], index: u64) -> Option<&Logged<Roster>> {
    rosters.iter().rev().find(|roster| roster.index < index)
}
