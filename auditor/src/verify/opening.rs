//! How a round begins: the manifest of what was prepared, the rules under which it is opened, and the cohort.

use veilsum_protocol::ids::Epoch;
use veilsum_protocol::log::entry::RoundOpen;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::secagg::ring::Ring;

use super::history::{History, Logged, RoundHistory};
use super::report::{Check, Ledger, Place, Problems};

/// Checks the openings of the rounds in their order.
#[derive(Default)]
pub(crate) struct Openings {
    last_epoch: Option<Epoch>,
}

impl Openings {
    pub(crate) fn check(
        &mut self,
        history: &History,
        round: &RoundHistory,
        roster: &Logged<Roster>,
        ledger: &mut Ledger,
    ) {
        let Some(open) = &round.open else {
            return;
        };
        manifest(round, open, &roster.value, ledger);
        self.rules(history, round, open, roster, ledger);
        cohort(history, round, &open.value, &roster.value, ledger);
    }

    fn rules(
        &mut self,
        history: &History,
        round: &RoundHistory,
        open: &Logged<RoundOpen>,
        roster: &Logged<Roster>,
        ledger: &mut Ledger,
    ) {
        let (index, open) = (open.index, &open.value);
        let mut problems = Problems::new();
        let banks = u16::try_from(roster.value.banks().len()).unwrap_or(u16::MAX);
        let thresholds = Thresholds::with_most_colluders(banks).ok();
        problems.unless(
            Some(open.thresholds) == thresholds,
            || format!("{:?}", open.thresholds),
            || thresholds.map_or("a roster of 3 to 500 banks".to_owned(), |it| format!("{it:?}")),
        );
        let ring = Ring::for_sum(banks, open.digit_bits).map_or(0, Ring::bits);
        problems.unless(
            ring == open.ring_bits && ring != 0,
            || {
                format!(
                    "digits of {} bits in lanes of {}",
                    open.digit_bits, open.ring_bits
                )
            },
            || format!("lanes of {ring} bits for {banks} banks"),
        );
        let directory = History::last_before(&history.directories, index, |it| it.epoch == open.epoch);
        let directory = directory.map(|logged| &logged.value);
        problems.unless(
            directory.is_some_and(|it| it.directory == open.directory && it.roster == roster.hash),
            || format!("epoch {} with key directory {}", open.epoch, open.directory),
            || "the key directory that was logged for this epoch and roster".to_owned(),
        );
        problems.unless(
            directory.is_none_or(|it| open.round >= it.first_round),
            || format!("round {}", open.round),
            || {
                directory.map_or(String::new(), |it| {
                    format!("at least {}, where the epoch begins", it.first_round)
                })
            },
        );
        problems.unless(
            self.last_epoch.is_none_or(|last| open.epoch >= last),
            || format!("epoch {}", open.epoch),
            || {
                self.last_epoch
                    .map_or(String::new(), |last| format!("at least {last}, which was in use"))
            },
        );
        self.last_epoch = self.last_epoch.max(Some(open.epoch));
        let offered = History::last_before(&history.tasks, index, |offer| offer.task == open.task);
        problems.unless(
            offered.is_some(),
            || format!("task {}", open.task),
            || "a task that was offered before".to_owned(),
        );
        problems.unless(
            open.ready_until >= open.opened_at,
            || format!("a deadline at {}", open.ready_until),
            || format!("one not before {}, when the round was opened", open.opened_at),
        );
        ledger.settle(
            Check::RoundRules,
            Place::of(round.round, index),
            problems.into_vec(),
        );
    }
}

fn manifest(round: &RoundHistory, open: &Logged<RoundOpen>, roster: &Roster, ledger: &mut Ledger) {
    let Some(manifest) = &round.manifest else {
        // That it is missing is a matter of order.
        return;
    };
    let mut problems = Problems::new();
    problems.unless_equal("manifest", open.value.manifest, manifest.hash);
    problems.unless_equal("bundles for epoch", manifest.value.epoch, open.value.epoch);
    for (bank, _) in &manifest.value.bundles {
        problems.unless(
            roster.bank(*bank).is_some(),
            || format!("a bundle of bank {bank}"),
            || "a bank of the roster".to_owned(),
        );
    }
    ledger.settle(
        Check::Manifest,
        Place::of(round.round, manifest.index),
        problems.into_vec(),
    );
}

fn cohort(history: &History, round: &RoundHistory, open: &RoundOpen, roster: &Roster, ledger: &mut Ledger) {
    let (Some(cohort), Some(manifest)) = (&round.cohort, &round.manifest) else {
        return;
    };
    let mut problems = Problems::new();
    let (found, least) = (cohort.value.len(), usize::from(open.thresholds.min_survivors));
    problems.unless(
        found >= least,
        || format!("{found} banks"),
        || format!("at least {least}"),
    );
    for bank in &cohort.value {
        let prepared = manifest
            .value
            .bundles
            .iter()
            .any(|(prepared, _)| prepared == bank);
        problems.unless(
            prepared,
            || format!("bank {bank}, which is not in the manifest"),
            || "banks that prepared the round".to_owned(),
        );
        // Positions are handed out anew with a new roster; the approval must be of the bank that has this one now, wherever it stood.
        let key = roster.bank(*bank).map(|entry| entry.signing_key);
        let approved = history.approvals.iter().any(|logged| {
            let approval = &logged.value;
            logged.index < cohort.index
                && approval.task == open.task
                && key.is_some()
                && history.key_at(logged.index, approval.bank) == key
        });
        problems.unless(
            approved,
            || format!("bank {bank}, whose approval is not in the log"),
            || "banks that approved the task before".to_owned(),
        );
    }
    ledger.settle(
        Check::Cohort,
        Place::of(round.round, cohort.index),
        problems.into_vec(),
    );
}
