//! An entry as JSON, with the names of docs/log-format.md. Hashes, keys and signatures are lower-case hex.

use serde_json::{Value, json};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::log::entry::{Entry, RoundOpen, RoundResult};
use veilsum_protocol::model::Metrics;
use veilsum_protocol::roster::RosterEntry;

pub(crate) fn kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Roster { .. } => "Roster",
        Entry::Task { .. } => "Task",
        Entry::TaskApproval { .. } => "TaskApproval",
        Entry::KeyDirectory { .. } => "KeyDirectory",
        Entry::PrepareManifest { .. } => "PrepareManifest",
        Entry::RoundOpen(_) => "RoundOpen",
        Entry::Cohort { .. } => "Cohort",
        Entry::Masked { .. } => "Masked",
        Entry::Survivors { .. } => "Survivors",
        Entry::Certificate { .. } => "Certificate",
        Entry::Release { .. } => "Release",
        Entry::Result(_) => "Result",
        Entry::Ack { .. } => "Ack",
        Entry::Abort { .. } => "Abort",
        Entry::RosterProposal { .. } => "RosterProposal",
        Entry::RosterApproval { .. } => "RosterApproval",
        Entry::RosterWithdrawal { .. } => "RosterWithdrawal",
    }
}

fn members(banks: &[RosterEntry]) -> Vec<Value> {
    let member = |bank: &RosterEntry| {
        json!({
            "bank": bank.index.get(),
            "name": bank.name,
            "signing_key": hex::encode(bank.signing_key),
            "witness_key": hex::encode(bank.witness_key),
            "tls_key": bank.tls_key.to_hex(),
        })
    };
    banks.iter().map(member).collect()
}

pub(crate) fn fields(entry: &Entry) -> Value {
    match entry {
        Entry::Roster { consortium, banks } => json!({
            "consortium": consortium,
            "banks": members(banks),
        }),
        Entry::RosterProposal {
            sequence,
            previous,
            banks,
        } => json!({
            "sequence": sequence,
            "previous": previous.to_hex(),
            "banks": members(banks),
        }),
        Entry::RosterApproval {
            proposal,
            bank,
            signature,
        } => {
            json!({ "proposal": proposal.to_hex(), "bank": bank.get(), "signature": hex::encode(signature.0) })
        }
        Entry::RosterWithdrawal { proposal } => json!({ "proposal": proposal.to_hex() }),
        Entry::Task { name, task } => json!({ "name": name, "task": task.to_hex() }),
        Entry::TaskApproval {
            task,
            bank,
            signature,
        } => {
            json!({ "task": task.to_hex(), "bank": bank.get(), "signature": hex::encode(signature.0) })
        }
        Entry::KeyDirectory {
            epoch,
            roster,
            directory,
            first_round,
        } => json!({
            "epoch": epoch.0,
            "roster": roster.to_hex(),
            "directory": directory.to_hex(),
            "first_round": first_round.0,
        }),
        Entry::PrepareManifest {
            epoch,
            round,
            bundles,
        } => json!({
            "epoch": epoch.0,
            "round": round.0,
            "bundles": pairs(bundles, "bundle", |hash| hash.to_hex()),
        }),
        Entry::RoundOpen(open) => opening(open),
        Entry::Cohort { round, banks } => {
            json!({ "round": round.0, "banks": banks.iter().map(|bank| bank.get()).collect::<Vec<_>>() })
        }
        Entry::Masked {
            round,
            bank,
            hash,
            length,
            signature,
        } => json!({
            "round": round.0,
            "bank": bank.get(),
            "hash": hash.to_hex(),
            "length": length,
            "signature": hex::encode(signature.0),
        }),
        Entry::Survivors { round, list } => {
            json!({ "round": round.0, "list": pairs(list, "hash", |hash| hash.to_hex()) })
        }
        Entry::Certificate { round, signatures } => json!({
            "round": round.0,
            "signatures": pairs(signatures, "signature", |signature| hex::encode(signature.0)),
        }),
        Entry::Release { round, bank, body } => {
            json!({ "round": round.0, "bank": bank.get(), "body": body.to_hex() })
        }
        Entry::Result(result) => outcome(result),
        Entry::Ack {
            round,
            bank,
            state,
            signature,
        } => json!({
            "round": round.0,
            "bank": bank.get(),
            "state": state.to_hex(),
            "signature": hex::encode(signature.0),
        }),
        Entry::Abort {
            round,
            reason,
            after_release,
        } => json!({
            "round": round.0,
            "reason": reason.number(),
            "reason_in_words": reason.words(),
            "after_release": after_release,
        }),
    }
}

fn pairs<T>(list: &[(BankIndex, T)], what: &str, text: impl Fn(&T) -> String) -> Vec<Value> {
    list.iter()
        .map(|(bank, value)| json!({ "bank": bank.get(), what: text(value) }))
        .collect()
}

fn opening(open: &RoundOpen) -> Value {
    json!({
        "epoch": open.epoch.0,
        "round": open.round.0,
        "task": open.task.to_hex(),
        "kind": open.kind.name(),
        "step": open.step,
        "attempt": open.attempt,
        "state": open.state.to_hex(),
        "last_result": open.last_result.to_hex(),
        "layout": open.layout.to_hex(),
        "directory": open.directory.to_hex(),
        "manifest": open.manifest.to_hex(),
        "banks": open.thresholds.banks,
        "colluders": open.thresholds.colluders,
        "threshold": open.thresholds.threshold,
        "min_survivors": open.thresholds.min_survivors,
        "digit_bits": open.digit_bits,
        "ring_bits": open.ring_bits,
        "opened_at": open.opened_at.0,
        "ready_until": open.ready_until.0,
    })
}

fn measured(metrics: &Metrics) -> Value {
    let figures = metrics.figures.iter();
    let figures = figures.map(|(figure, value)| (figure.key().to_owned(), json!(value)));
    let rows = std::iter::once(("rows".to_owned(), json!(metrics.rows)));
    Value::Object(rows.chain(figures).collect())
}

fn outcome(result: &RoundResult) -> Value {
    json!({
        "round": result.round.0,
        "open": result.open.to_hex(),
        "kind": result.kind.name(),
        "step": result.step,
        "sum": result.sum.to_hex(),
        "survivors": result.survivors,
        "weight": result.weight,
        "next_state": result.next_state.to_hex(),
        "metrics": result.metrics.as_ref().map(measured),
    })
}
