//! How the consortium stands, once.

use std::path::Path;

use veilsum_protocol::model::Figure;

use super::{Failure, load, print, task, unexpected};
use crate::admin::{self, Answer, Request};
use crate::engine::consents::refusals_in_words;
use crate::engine::status::{BankStatus, ResultLine, Status, TaskLine};
use veilsum_page::words::span;

/// A certificate that is valid for fewer days is told.
const SOON_DAYS: i64 = 30;

pub(super) fn execute(dir: &Path, json: bool) -> Result<(), Failure> {
    let status = ask(dir)?;
    print(json, &status, || describe(&status))
}

pub(super) fn ask(dir: &Path) -> Result<Box<Status>, Failure> {
    match admin::ask(&load(dir)?.folders.data, &Request::Status)? {
        Answer::Status(status) => Ok(status),
        other => Err(unexpected(other)),
    }
}

/// The status for people.
fn describe(status: &Status) -> String {
    let mut lines = vec![format!("{}: {}", status.consortium, status.waiting_for)];
    lines.extend(status.banks.iter().filter_map(|bank| {
        let [before, now] = bank.two_places.as_ref()?;
        Some(format!(
            "  {} CONNECTS FROM TWO PLACES, {before} and {now}: two daemons run with its identity; tell the bank to stop one",
            bank.name
        ))
    }));
    lines.extend(status.banks.iter().filter_map(|bank| {
        let days = certificate_days(bank, status.at)?;
        let words = if days < 0 {
            "has expired: no connection of the bank is accepted".to_owned()
        } else {
            format!("is valid for {days} more days")
        };
        Some(format!(
            "  the certificate of {} {words}; `veilsum-coordinator renewals` says what it waits for",
            bank.name
        ))
    }));
    lines.extend(status.banks.iter().map(|bank| {
        let software = bank.software.as_deref().unwrap_or("");
        let line = format!("  {:<24} {:<18} {software}", bank.name, presence(bank, status.at));
        line.trim_end().to_owned()
    }));
    if let Some(round) = &status.round {
        lines.push(format!(
            "round {}: {} of task {}, phase {}, {} banks heard from{}",
            round.round,
            round.kind,
            round.task,
            round.phase,
            round.heard_from,
            round
                .seconds_left
                .map_or(String::new(), |left| format!(", {left} s left"))
        ));
    }
    for line in &status.tasks {
        let approved = if line.approved.is_empty() {
            "nobody yet".to_owned()
        } else {
            line.approved.join(", ")
        };
        lines.push(format!(
            "task {}: step {} of {}, {}; approved by {approved}{}",
            line.name,
            line.step,
            line.steps,
            task::standing(line),
            others(line)
        ));
    }
    lines.extend(status.proposal.as_ref().map(|proposal| {
        let refused = match &proposal.refused[..] {
            [] => String::new(),
            refused => format!("; refused by {}", refused.join(", ")),
        };
        format!("roster: {}{refused}", proposal.waits_for)
    }));
    if let Some(result) = &status.last_result {
        lines.push(format!("last result: {}", result_words(result)));
    }
    let epoch = status.epoch.map_or("none".to_owned(), |epoch| epoch.to_string());
    lines.push(format!(
        "key epoch {epoch}; log: {} entries, {} of them published with {} cosignatures",
        status.log_size, status.published, status.cosignatures
    ));
    lines.join("\n")
}

/// Who refuses a task, and who has said nothing of it yet.
fn others(task: &TaskLine) -> String {
    let mut parts = Vec::new();
    if !task.refused.is_empty() {
        parts.push(refusals_in_words(&task.refused));
    }
    if !task.silent.is_empty() && !task.status.is_over() {
        parts.push(format!("nothing said yet by {}", task.silent.join(", ")));
    }
    if task.out_of_reach {
        parts.push("no round of it can begin as long as so many refuse it".to_owned());
    }
    parts.iter().map(|part| format!("; {part}")).collect()
}

/// Days that a bank's certificate is still valid, if that is worth a word: a daemon renews by itself long before.
fn certificate_days(bank: &BankStatus, now: u64) -> Option<i64> {
    let now = i64::try_from(now / 1000).unwrap_or(i64::MAX);
    let days = bank.certificate_until?.saturating_sub(now).div_euclid(86_400);
    (days < SOON_DAYS).then_some(days)
}

/// Whether a bank is there, and since when it is not.
pub(super) fn presence(bank: &BankStatus, now: u64) -> String {
    match bank.away_since {
        _ if bank.connected => "connected".to_owned(),
        Some(since) => format!("away for {}", span(now.saturating_sub(since) / 1000)),
        None => "away".to_owned(),
    }
}

/// A result in one line.
pub(super) fn result_words(result: &ResultLine) -> String {
    let figure = |(key, value): (&String, &Option<f64>)| {
        let title = Figure::from_key(key).map_or_else(|| key.clone(), |figure| figure.title().to_owned());
        let value = value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        format!(", {title} {value}")
    };
    format!(
        "round {} ({}), {} banks in the sum{}",
        result.round,
        result.kind,
        result.survivors,
        result.figures.iter().map(figure).collect::<String>()
    )
}
