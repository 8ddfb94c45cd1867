//! What the cohort sent: masked updates, the list of survivors, its certificate, and that shares were released.

use std::collections::{BTreeMap, BTreeSet};

use veilsum_protocol::crypto::signing::VerifyingKey;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::RoundOpen;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::context::Context;
use veilsum_protocol::wire::statement::{SurvivorList, Trailer};

use super::history::RoundHistory;
use super::report::{Check, Ledger, Place, Problems};

/// Checks what follows the cohort of a round, up to the released shares.
pub(crate) fn check(round: &RoundHistory, roster: &Roster, ledger: &mut Ledger) {
    let (Some(open), Some(cohort)) = (&round.open, &round.cohort) else {
        return;
    };
    let context = Context::of(&open.value, &cohort.value);
    masked(round, &cohort.value, context, roster, ledger);
    survivors(round, &open.value, &cohort.value, ledger);
    certificate(round, &open.value, context, roster, ledger);
    releases(round, &open.value, ledger);
}

fn key(roster: &Roster, bank: BankIndex) -> Option<VerifyingKey> {
    roster.bank(bank).map(|entry| VerifyingKey(entry.signing_key))
}

fn masked(
    round: &RoundHistory,
    cohort: &[BankIndex],
    context: Context,
    roster: &Roster,
    ledger: &mut Ledger,
) {
    let mut seen = BTreeSet::new();
    for logged in &round.masked {
        let update = &logged.value;
        let bank = update.bank;
        let mut problems = Problems::new();
        problems.unless(
            cohort.contains(&bank),
            || format!("an update of bank {bank}"),
            || "one of a bank of the cohort".to_owned(),
        );
        problems.unless(
            seen.insert(bank),
            || format!("a second update of bank {bank}"),
            || "one from each bank".to_owned(),
        );
        let trailer = Trailer {
            context: context.digest(),
            bank,
            length: update.length,
            hash: update.hash,
        };
        problems.unless(
            key(roster, bank).is_some_and(|key| key.verifies(&trailer, &update.signature)),
            || format!("a signature that is not bank {bank}'s over this update in this round"),
            || format!("the bank's signature in context {}", context.digest()),
        );
        let place = Place::of(round.round, logged.index);
        ledger.settle(Check::MaskedSignature, place, problems.into_vec());
    }
}

fn survivors(round: &RoundHistory, open: &RoundOpen, cohort: &[BankIndex], ledger: &mut Ledger) {
    let Some(list) = &round.survivors else {
        return;
    };
    let mut problems = Problems::new();
    let arrived: BTreeMap<BankIndex, Digest> = round
        .masked
        .iter()
        .map(|logged| (logged.value.bank, logged.value.hash))
        .collect();
    for (bank, hash) in &list.value {
        problems.unless(
            cohort.contains(bank),
            || format!("survivor {bank}, who is outside the cohort"),
            || "survivors of the cohort".to_owned(),
        );
        let expected = arrived.get(bank);
        problems.unless(
            expected == Some(hash),
            || format!("bank {bank} with update {hash}"),
            || {
                expected.map_or("no update of this bank".to_owned(), |hash| {
                    format!("update {hash}")
                })
            },
        );
    }
    let named: BTreeSet<BankIndex> = list.value.iter().map(|(bank, _)| *bank).collect();
    for bank in arrived.keys().filter(|bank| !named.contains(bank)) {
        problems.unless(
            false,
            || format!("a list without bank {bank}"),
            || "every bank whose update was logged".to_owned(),
        );
    }
    let least = usize::from(open.thresholds.min_survivors);
    problems.unless(
        named.len() >= least,
        || format!("{} survivors", named.len()),
        || format!("at least {least}"),
    );
    let place = Place::of(round.round, list.index);
    ledger.settle(Check::Survivors, place, problems.into_vec());
}

fn certificate(
    round: &RoundHistory,
    open: &RoundOpen,
    context: Context,
    roster: &Roster,
    ledger: &mut Ledger,
) {
    let (Some(certificate), Some(list)) = (&round.certificate, &round.survivors) else {
        return;
    };
    let statement = SurvivorList {
        context: context.digest(),
        survivors: list.hash,
    };
    let mut problems = Problems::new();
    let mut valid = BTreeSet::new();
    for (bank, signature) in &certificate.value {
        let survived = list.value.iter().any(|(survivor, _)| survivor == bank);
        problems.unless(
            survived,
            || format!("a signature of bank {bank}, which is no survivor"),
            || "signatures of survivors".to_owned(),
        );
        let good = key(roster, *bank).is_some_and(|key| key.verifies(&statement, signature));
        problems.unless(
            good,
            || format!("a signature that is not bank {bank}'s over the list of survivors"),
            || format!("one over list {} in context {}", list.hash, context.digest()),
        );
        if survived && good {
            valid.insert(*bank);
        }
    }
    let needed = usize::from(open.thresholds.threshold);
    problems.unless(
        valid.len() >= needed,
        || format!("{} valid signatures of survivors", valid.len()),
        || format!("at least {needed}"),
    );
    let place = Place::of(round.round, certificate.index);
    ledger.settle(Check::Certificate, place, problems.into_vec());
}

fn releases(round: &RoundHistory, open: &RoundOpen, ledger: &mut Ledger) {
    let survivors: BTreeSet<BankIndex> = round
        .survivors
        .iter()
        .flat_map(|list| list.value.iter().map(|(bank, _)| *bank))
        .collect();
    let mut seen = BTreeSet::new();
    for logged in &round.releases {
        let (bank, _) = logged.value;
        let mut problems = Problems::new();
        problems.unless(
            survivors.contains(&bank),
            || format!("shares of bank {bank}"),
            || "shares of a survivor".to_owned(),
        );
        problems.unless(
            seen.insert(bank),
            || format!("a second release of bank {bank}"),
            || "one from each bank".to_owned(),
        );
        let place = Place::of(round.round, logged.index);
        ledger.settle(Check::Releases, place, problems.into_vec());
    }
    if let Some(result) = &round.result {
        let (found, needed) = (seen.len(), usize::from(open.thresholds.threshold));
        let mut problems = Problems::new();
        problems.unless(
            found >= needed,
            || format!("a result after the shares of {found} banks"),
            || format!("those of at least {needed}"),
        );
        let place = Place::of(round.round, result.index);
        ledger.settle(Check::Releases, place, problems.into_vec());
    }
}
