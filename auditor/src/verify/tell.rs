//! A round in plain words.

use std::fmt::Write as _;

use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::RoundResult;
use veilsum_protocol::roster::Roster;

use super::history::{History, RoundHistory};
use super::report::CheckReport;

/// What the log says of a round: who took part, who dropped out, what was computed and what came of it.
pub(crate) fn round(history: &History, round: &RoundHistory) -> String {
    let roster = history.roster_at(round.begins_at).map(|roster| &roster.value);
    let mut text = format!("Round {}\n", round.round);
    match &round.open {
        None => line(&mut text, "what", "it ended before it was opened"),
        Some(open) => {
            let open = &open.value;
            let offer = history.tasks.iter().find(|offer| offer.value.task == open.task);
            let name = offer.map_or("a task without a name", |offer| offer.value.name.as_str());
            line(&mut text, "task", &format!("{name} ({})", open.task));
            let retry = match open.attempt {
                0 => String::new(),
                tries => format!(", after {tries} failed tries"),
            };
            line(
                &mut text,
                "what",
                &format!("{}, step {}{retry}", open.kind.name(), open.step),
            );
            line(&mut text, "started from", &format!("state {}", open.state));
        }
    }
    participation(&mut text, round, roster);
    match (&round.result, &round.abort) {
        (Some(result), _) => outcome(&mut text, round, &result.value),
        (None, Some(abort)) => {
            let shares = if abort.value.after_release {
                "; shares may have been released, so these updates must not be sent again"
            } else {
                "; no share was released"
            };
            let reason = abort.value.reason.words();
            line(&mut text, "outcome", &format!("aborted: {reason}{shares}"));
        }
        (None, None) => line(
            &mut text,
            "outcome",
            &format!("not over, {}", round.stage.entry_name()),
        ),
    }
    text
}

fn participation(text: &mut String, round: &RoundHistory, roster: Option<&Roster>) {
    let prepared: Vec<BankIndex> = round
        .manifest
        .iter()
        .flat_map(|manifest| manifest.value.bundles.iter().map(|(bank, _)| *bank))
        .collect();
    let cohort: Vec<BankIndex> = round
        .cohort
        .iter()
        .flat_map(|cohort| cohort.value.clone())
        .collect();
    let survivors: Vec<BankIndex> = round
        .survivors
        .iter()
        .flat_map(|list| list.value.iter().map(|(bank, _)| *bank))
        .collect();
    let absent = |all: &[BankIndex], there: &[BankIndex]| -> Vec<BankIndex> {
        all.iter().copied().filter(|bank| !there.contains(bank)).collect()
    };
    let everybody: Vec<BankIndex> = roster
        .iter()
        .flat_map(|roster| roster.banks().iter().map(|entry| entry.index))
        .collect();
    if round.manifest.is_some() {
        banks(text, "not prepared", &absent(&everybody, &prepared), roster);
    }
    if round.cohort.is_some() {
        banks(text, "not ready", &absent(&prepared, &cohort), roster);
    } else {
        banks(text, "prepared", &prepared, roster);
    }
    if round.survivors.is_some() {
        banks(text, "in the sum", &survivors, roster);
        banks(text, "dropped out", &absent(&cohort, &survivors), roster);
    } else {
        banks(text, "took part", &cohort, roster);
    }
    let signers: Vec<BankIndex> = round
        .certificate
        .iter()
        .flat_map(|certificate| certificate.value.iter().map(|(bank, _)| *bank))
        .collect();
    banks(text, "certified by", &signers, roster);
    let released: Vec<BankIndex> = round.releases.iter().map(|release| release.value.0).collect();
    banks(text, "shares from", &released, roster);
}

fn outcome(text: &mut String, round: &RoundHistory, result: &RoundResult) {
    let sum = format!("{} updates, published under {}", result.survivors, result.sum);
    line(text, "sum", &sum);
    if result.weight > 0 {
        line(text, "weight", &result.weight.to_string());
    }
    line(text, "led to", &format!("state {}", result.next_state));
    let agree = |state: &Digest| *state == result.next_state;
    let acks = round.acks.iter().filter(|ack| agree(&ack.value.state)).count();
    line(text, "derived by", &format!("{acks} banks, each for itself"));
    if let Some(metrics) = &result.metrics {
        let figure =
            |figure: Option<f64>| figure.map_or("undefined".to_owned(), |figure| format!("{figure:.4}"));
        line(
            text,
            "metrics",
            &format!(
                "of the model before: {} held-out rows, {} positive, AUC {}, KS {}, log loss {}, calibration error {}",
                metrics.rows,
                metrics.positives,
                figure(metrics.auc),
                figure(metrics.ks),
                figure(metrics.log_loss),
                figure(metrics.calibration_error)
            ),
        );
    }
}

/// What the checks found in that round.
pub(crate) fn findings(checks: &[CheckReport], round: u64) -> String {
    let mut text = String::new();
    for check in checks {
        let here = check
            .findings
            .iter()
            .filter(|finding| finding.place.round == Some(round));
        for finding in here {
            line(&mut text, "FAILED", &format!("{}: {finding}", check.check.name()));
        }
    }
    let elsewhere = checks
        .iter()
        .flat_map(|check| &check.findings)
        .filter(|finding| finding.place.round != Some(round))
        .count();
    if text.is_empty() {
        line(&mut text, "checks", "the log's own checks of this round pass");
    }
    if elsewhere > 0 {
        let words = format!("{elsewhere} findings outside this round; run verify");
        line(&mut text, "beware", &words);
    }
    text
}

fn banks(text: &mut String, label: &str, banks: &[BankIndex], roster: Option<&Roster>) {
    if banks.is_empty() {
        return;
    }
    let name = |bank: &BankIndex| match roster.and_then(|roster| roster.bank(*bank)) {
        Some(entry) => entry.name.clone(),
        None => format!("bank {bank}"),
    };
    let names: Vec<String> = banks.iter().map(name).collect();
    line(text, label, &names.join(", "));
}

fn line(text: &mut String, label: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {label:<13} {value}");
}
