//! What an export says of itself, and which record-keeping duty each of its files may serve.

use serde::Serialize;
use serde_json::{Value, json};

/// What the texts name.
pub(super) struct About<'a> {
    pub(super) origin: &'a str,
    pub(super) size: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) rounds: usize,
    pub(super) records: usize,
    pub(super) verdict: &'a str,
    pub(super) notes: &'a [String],
    pub(super) signer: Option<&'a str>,
    pub(super) log_key: &'a str,
    pub(super) texts: bool,
    pub(super) made_at: &'a str,
}

/// A duty with the files that may serve it.
#[derive(Serialize)]
struct Duty {
    source: &'static str,
    topic: &'static str,
    files: &'static [&'static str],
    how: &'static str,
}

const MRM: &str = "SR 26-2 / OCC Bulletin 2026-13, Model Risk Management: Revised Guidance (17 April 2026)";
const ACT: &str = "Regulation (EU) 2024/1689 (AI Act)";

const DUTIES: &[Duty] = &[
    Duty {
        source: MRM,
        topic: "model development and model use",
        files: &["inventory.json", "tasks/", "records/"],
        how: "what was trained on which columns, with which settings; each state of the model with the round that made it",
    },
    Duty {
        source: MRM,
        topic: "model validation and monitoring",
        files: &["metrics.csv", "verify/report.html", "verify/report.json"],
        how: "AUC, KS, log loss and calibration error by step over the held-out rows of the banks in the sum; the outcome of every check of the log",
    },
    Duty {
        source: MRM,
        topic: "governance and controls",
        files: &[
            "approvals.json",
            "rosters/",
            "inventory.json",
            "proofs/",
            "checkpoint",
        ],
        how: "which bank agreed to which task, under which key; that these records stand in the log",
    },
    Duty {
        source: MRM,
        topic: "vendor and other third-party products",
        files: &["software.json", "verify/report.json", "records/"],
        how: "what a bank can check by itself of the coordinator that it does not run",
    },
    Duty {
        source: ACT,
        topic: "Article 12(1): automatic recording of events over the lifetime of the system",
        files: &["records/", "proofs/", "checkpoint"],
        how: "the events of training, each as it was logged, with the proof of its place in a log that only grows",
    },
    Duty {
        source: ACT,
        topic: "Article 12(2)(a): events relevant for identifying situations that may result in a risk or in a substantial modification",
        files: &["inventory.json", "records/", "verify/report.json"],
        how: "each new state of the model; aborted rounds with their reasons; what the checks found",
    },
    Duty {
        source: ACT,
        topic: "Article 12(2)(b): events relevant for facilitating the post-market monitoring (Article 72)",
        files: &["metrics.csv"],
        how: "how good each state was when it was judged",
    },
    Duty {
        source: ACT,
        topic: "Article 12(2)(c): events relevant for monitoring the operation (Article 26(5))",
        files: &["records/", "metrics.csv"],
        how: "the part of it that is training; see what is not here",
    },
    Duty {
        source: ACT,
        topic: "Article 19: keeping of automatically generated logs",
        files: &["MANIFEST.sha256", "MANIFEST.note"],
        how: "whoever keeps this folder can show later that nothing in it was changed",
    },
];

const NOT_HERE: &[&str] = &[
    "Events of use: which applicant got which score, when and by whom. They arise in each bank's own systems, and never reach this log.",
    "A bank's rows, its update, or figures of one bank alone.",
    "Article 12(3) of the AI Act, which is about remote biometric identification.",
    "A judgement whether a duty applies to somebody, or is met. The mapping says where to look, and is no legal advice.",
];

pub(super) fn mapping_json() -> Value {
    json!({ "version": 1, "duties": DUTIES, "not_in_this_export": NOT_HERE })
}

pub(super) fn mapping() -> String {
    let mut text = "# Which file may serve which duty\n\nThe same for machines: `mapping.json`.\n\n\
        SR 26-2 replaced SR 11-7. The agencies name its topics in their press release of 17 April 2026 and in OCC Bulletin 2026-13; it sets no \
        enforceable standard. Articles are those of the AI Act as published in 2024; whether and from when they apply to a system is a question of \
        law that this folder does not answer.\n"
        .to_owned();
    for source in [MRM, ACT] {
        text.push_str(&format!(
            "\n## {source}\n\n| topic | files | what they show |\n| --- | --- | --- |\n"
        ));
        for duty in DUTIES.iter().filter(|duty| duty.source == source) {
            let files: Vec<String> = duty.files.iter().map(|file| format!("`{file}`")).collect();
            text.push_str(&format!(
                "| {} | {} | {} |\n",
                duty.topic,
                files.join(", "),
                duty.how
            ));
        }
    }
    text.push_str("\n## What is not here\n\n");
    for line in NOT_HERE {
        text.push_str(&format!("* {line}\n"));
    }
    text
}

pub(super) fn readme(about: &About<'_>) -> String {
    let signed = match about.signer {
        Some(key) => format!(
            "`MANIFEST.note` signs the list `MANIFEST.sha256` of all files under the auditor's key\n\n    {key}\n\nAsk the auditor by another way \
             whether this key is his: the copy in `AUDITOR.key` proves nothing.\n"
        ),
        None => "**This folder is not signed**: no key was given when it was made. `MANIFEST.sha256` shows damage, and nobody stands for it.\n"
            .to_owned(),
    };
    let texts = if about.texts {
        "each task's text, as the banks approved it (`.toml`, its SHA-256 is the task's hash), and in plain words (`.txt`)"
    } else {
        "missing: no archive was at hand. Banks and the coordinator hold the tasks' texts"
    };
    let notes: String = about.notes.iter().map(|note| format!("* {note}\n")).collect();
    let notes = if notes.is_empty() {
        notes
    } else {
        format!("\nTo know beside it:\n\n{notes}")
    };
    format!(
        "# Records of rounds {first} to {last} of {origin}\n\n\
         Made at {made_at} by veilsum-auditor {version} from the log's head of {size} entries: {records} entries, of {rounds} rounds and of what \
         they rest on (rosters, tasks, approvals, key directories).\n\n\
         The outcome of the audit of the whole log: **{verdict}**.\n{notes}\n\
         ## Files\n\n\
         | file | contents |\n| --- | --- |\n\
         | `records/` | every entry as its bytes (`.bin`), and in lists as JSON, with the names of Veilsum's log format |\n\
         | `proofs/` | for every entry the proof that it stands in the log (C2SP tlog-proof, RFC 6962) |\n\
         | `checkpoint` | the log's signed head (C2SP tlog-checkpoint), under which the proofs hold |\n\
         | `log.key` | the log's key that the auditor had pinned |\n\
         | `rosters/` | who belonged to the consortium, with keys |\n\
         | `approvals.json` | which bank approved which task |\n\
         | `tasks/` | {texts} |\n\
         | `inventory.json` | each task with the states that these rounds made of its model; for a bank's own inventory |\n\
         | `metrics.csv` | figures over all banks by step, one line a result. They are of the state before |\n\
         | `verify/` | the outcome of every check of the whole log, as JSON and as a page |\n\
         | `software.json` | what made this folder |\n\
         | `MAPPING.md`, `mapping.json` | which file may serve which record-keeping duty |\n\
         | `MANIFEST.sha256`, `MANIFEST.note` | all files with their SHA-256, and the signature |\n\n\
         ## How to check it\n\n\
         Damage, with nothing but common tools: `sha256sum -c MANIFEST.sha256`.\n\n\
         Everything, without a network:\n\n\
         \x20   veilsum-auditor export verify . --key '{log_key}'{signed_by}\n\n\
         Take the log's key from a bank, not from this folder.\n\n{signed}\n\
         ## What it does not show\n\n\
         That the entries are all that the log holds of these rounds: for that, verify the log itself. What a bank trained on. Who was asked and \
         declined. No differential privacy is applied, so there is no privacy budget to report.\n",
        first = about.first,
        last = about.last,
        origin = about.origin,
        made_at = about.made_at,
        version = env!("CARGO_PKG_VERSION"),
        size = about.size,
        records = about.records,
        rounds = about.rounds,
        verdict = about.verdict,
        log_key = about.log_key,
        signed_by = about
            .signer
            .map_or(String::new(), |key| format!(" --signed-by '{key}'")),
    )
}
