//! Files that follow from the records alone. Who checks an export makes them again and compares: none of them has to be believed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::{Entry, RoundOpen, RoundResult};
use veilsum_protocol::model::Figure;
use veilsum_protocol::roster::RosterEntry;

use super::Record;
use crate::entry_json;

/// The files by their paths.
pub(super) fn files(records: &[Record]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut files = BTreeMap::new();
    let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in records {
        let list = match record.entry.round() {
            Some(round) => format!("records/round-{round}.json"),
            None => "records/members.json".to_owned(),
        };
        lists.entry(list).or_default().push(json!({
            "index": record.index,
            "file": record.path(),
            "proof": record.proof_path(),
            "sha256": Digest::of(&record.bytes).to_hex(),
            "type": entry_json::kind(&record.entry),
            "fields": entry_json::fields(&record.entry),
        }));
        if let Entry::Roster { .. } = &record.entry {
            let path = format!("rosters/{}.json", Digest::of(&record.bytes).to_hex());
            let roster = json!({ "entry": record.index, "roster": entry_json::fields(&record.entry) });
            files.insert(path, pretty(&roster)?);
        }
    }
    for (path, list) in lists {
        files.insert(path, pretty(&Value::Array(list))?);
    }
    files.insert("approvals.json".to_owned(), pretty(&approvals(records))?);
    files.insert("inventory.json".to_owned(), pretty(&inventory(records))?);
    files.insert("metrics.csv".to_owned(), metrics(records)?);
    Ok(files)
}

pub(super) fn pretty(value: &Value) -> Result<Vec<u8>, String> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| error.to_string())?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The banks of the roster that was in force at an entry.
fn roster_at(records: &[Record], index: u64) -> &[RosterEntry] {
    let rosters = records.iter().rev().filter(|record| record.index < index);
    let mut banks = rosters.filter_map(|record| match &record.entry {
        Entry::Roster { banks, .. } => Some(banks.as_slice()),
        _ => None,
    });
    banks.next().unwrap_or_default()
}

fn bank_name(records: &[Record], index: u64, bank: BankIndex) -> Option<&str> {
    let banks = roster_at(records, index).iter();
    banks
        .filter(|entry| entry.index == bank)
        .map(|entry| entry.name.as_str())
        .next()
}

fn approvals(records: &[Record]) -> Value {
    let names = task_names(records);
    let list = records.iter().filter_map(|record| match &record.entry {
        Entry::TaskApproval {
            task,
            bank,
            signature,
        } => Some(json!({
            "entry": record.index,
            "task": task.to_hex(),
            "task_name": names.get(task),
            "bank": bank.get(),
            "bank_name": bank_name(records, record.index, *bank),
            "signature": hex::encode(signature.0),
        })),
        _ => None,
    });
    Value::Array(list.collect())
}

fn task_names(records: &[Record]) -> BTreeMap<Digest, &str> {
    let mut names = BTreeMap::new();
    for record in records {
        if let Entry::Task { name, task } = &record.entry {
            names.entry(*task).or_insert(name.as_str());
        }
    }
    names
}

/// Rounds with their openings, in order.
fn openings(records: &[Record]) -> impl Iterator<Item = (u64, &RoundOpen)> {
    records.iter().filter_map(|record| match &record.entry {
        Entry::RoundOpen(open) => Some((record.index, open)),
        _ => None,
    })
}

/// Results by round, so that many rounds are not sought one by one.
fn results(records: &[Record]) -> BTreeMap<u64, &RoundResult> {
    let mut results = BTreeMap::new();
    for record in records {
        if let Entry::Result(result) = &record.entry {
            results.entry(result.round.0).or_insert(result);
        }
    }
    results
}

/// Each task with the states that these rounds made of it.
fn inventory(records: &[Record]) -> Value {
    let (names, results) = (task_names(records), results(records));
    let mut tasks: BTreeMap<Digest, Vec<Value>> = names.keys().map(|task| (*task, Vec::new())).collect();
    for (_, open) in openings(records) {
        if let Some(result) = results.get(&open.round.0) {
            tasks.entry(open.task).or_default().push(json!({
                "round": open.round.0,
                "kind": open.kind.name(),
                "step": open.step,
                "state_before": open.state.to_hex(),
                "state_after": result.next_state.to_hex(),
                "sum": result.sum.to_hex(),
                "updates_in_the_sum": result.survivors,
                "weight": result.weight,
            }));
        }
    }
    let approved = |task: &Digest| {
        let banks = records.iter().filter_map(|record| match &record.entry {
            Entry::TaskApproval {
                task: approved, bank, ..
            } if approved == task => bank_name(records, record.index, *bank),
            _ => None,
        });
        banks.collect::<BTreeSet<_>>()
    };
    let list = tasks.iter().map(|(task, states)| {
        json!({
            "task": task.to_hex(),
            "name": names.get(task),
            "approved_by": approved(task),
            "states": states,
            "differential_privacy": "none: no budget is spent, and no epsilon can be given",
        })
    });
    Value::Array(list.collect())
}

/// Before the figures, which are by their keys.
const COLUMNS: [&str; 10] = [
    "task",
    "task_name",
    "round",
    "kind",
    "step",
    "attempt",
    "opened_at",
    "updates_in_the_sum",
    "weight",
    "rows",
];
/// Behind the figures.
const LAST_COLUMNS: [&str; 2] = ["state_before", "state_after"];

/// One line for each result. The figures are of the state before.
fn metrics(records: &[Record]) -> Result<Vec<u8>, String> {
    let (names, results) = (task_names(records), results(records));
    let mut out = csv::Writer::from_writer(Vec::new());
    let figures = Figure::ALL.into_iter().map(Figure::key);
    out.write_record(COLUMNS.into_iter().chain(figures).chain(LAST_COLUMNS))
        .map_err(|error| error.to_string())?;
    for (_, open) in openings(records) {
        let Some(result) = results.get(&open.round.0) else {
            continue;
        };
        let metrics = result.metrics.as_ref();
        let mut line = vec![
            open.task.to_hex(),
            plain(names.get(&open.task).copied().unwrap_or_default()),
            open.round.0.to_string(),
            open.kind.name().to_owned(),
            open.step.to_string(),
            open.attempt.to_string(),
            open.opened_at.0.to_string(),
            result.survivors.to_string(),
            result.weight.to_string(),
            metrics.map_or(String::new(), |metrics| metrics.rows.to_string()),
        ];
        line.extend(Figure::ALL.into_iter().map(|figure| {
            let value = metrics.and_then(|metrics| metrics.figure(figure));
            value.map_or(String::new(), |value| value.to_string())
        }));
        line.extend([open.state.to_hex(), result.next_state.to_hex()]);
        out.write_record(line).map_err(|error| error.to_string())?;
    }
    out.into_inner().map_err(|error| error.to_string())
}

/// A name that no spreadsheet takes for a formula.
fn plain(name: &str) -> String {
    if name.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{name}")
    } else {
        name.to_owned()
    }
}
