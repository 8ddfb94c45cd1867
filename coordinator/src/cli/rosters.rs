//! `roster show | propose | withdraw`, and admission of banks once there is a log.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_protocol::consortium::{Consortium, ConsortiumBank};
use veilsum_protocol::ids::BankIndex;

use super::{Failure, enrolled, load, print, unexpected};
use crate::admin::{self, Answer, Request};
use crate::engine::roster::{ProposalView, RosterView};
use crate::enrol::admitted::{self, Admitted, Waiting};
use crate::enrol::init::{CONSORTIUM_FILE, Folder};
use crate::enrol::roster::EnrolReport;

#[derive(Debug, Subcommand)]
pub(super) enum RosterCommand {
    /// Show the banks, the change that is proposed and what it waits for, and who could be added
    Show {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
    /// Propose a roster to the banks: it is in force when every bank that stays has approved it
    Propose {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// A bank that `enrol` admitted
        #[arg(long = "add", value_name = "NAME", required_unless_present = "remove")]
        add: Vec<String>,
        /// A bank of the roster
        #[arg(long = "remove", value_name = "NAME")]
        remove: Vec<String>,
    },
    /// Withdraw the proposed change
    Withdraw {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
}

pub(super) fn run(command: &RosterCommand, json: bool) -> Result<(), Failure> {
    match command {
        RosterCommand::Show { dir } => {
            let view = ask(dir, &Request::Roster)?;
            let admitted = Admitted::load(&Folder::at(dir).admitted())?;
            let in_roster = |name: &str| view.banks.iter().any(|bank| bank.name == name);
            let admitted = admitted.list().iter().map(|bank| bank.name.clone());
            let shown = Shown {
                admitted: admitted.filter(|name| !in_roster(name)).collect(),
                view,
            };
            print(json, &shown, || shown.text())
        }
        RosterCommand::Propose { dir, add, remove } => propose(dir, add, remove, json),
        RosterCommand::Withdraw { dir } => {
            let view = ask(dir, &Request::WithdrawRoster)?;
            print(json, &view, || {
                "the proposal is withdrawn; what banks approved of it counts for nothing".to_owned()
            })
        }
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    view: RosterView,
    /// Banks that could be added.
    admitted: Vec<String>,
}

impl Shown {
    fn text(&self) -> String {
        let view = &self.view;
        let mut lines = vec![format!(
            "{}: {} banks, roster {}",
            view.consortium,
            view.banks.len(),
            view.roster
        )];
        lines.extend(
            view.banks
                .iter()
                .map(|bank| format!("  {:<28} {}", bank.name, bank.fingerprint)),
        );
        if !self.admitted.is_empty() {
            lines.push(format!(
                "admitted and not in the roster: {}",
                self.admitted.join(", ")
            ));
        }
        match &view.proposal {
            None => lines.push("no change is proposed".to_owned()),
            Some(proposal) => lines.push(change(proposal)),
        }
        lines.join("\n")
    }
}

fn change(proposal: &ProposalView) -> String {
    let list = |names: &[String]| match names {
        [] => "nobody yet".to_owned(),
        names => names.join(", "),
    };
    let mut lines = vec![proposal.waits_for.clone(), proposal.text.trim_end().to_owned()];
    lines.push(format!("approved by: {}", list(&proposal.approved)));
    if !proposal.refused.is_empty() {
        lines.push(format!("refused by: {}", list(&proposal.refused)));
    }
    lines.join("\n")
}

fn propose(dir: &Path, add: &[String], remove: &[String], json: bool) -> Result<(), Failure> {
    let folder = Folder::at(dir);
    let path = load(dir)?.identity.consortium;
    let admitted = Admitted::load(&folder.admitted())?;
    let mut joining: Vec<ConsortiumBank> = Vec::new();
    for (name, position) in add.iter().zip(1..) {
        let (Some(bank), Some(index)) = (admitted.named(name), BankIndex::new(position)) else {
            let known: Vec<&str> = admitted.list().iter().map(|bank| bank.name.as_str()).collect();
            return Err(Failure::usage(format!(
                "bank {name:?} is not admitted ({}); invite it first, or enrol its request: veilsum-coordinator invite --dir '{}' {name}",
                if known.is_empty() {
                    "nobody is".to_owned()
                } else {
                    format!("admitted: {}", known.join(", "))
                },
                dir.display()
            )));
        };
        joining.push(bank.at(index));
    }
    let view = ask(dir, &Request::ProposeRoster(joining, remove.to_vec()))?;
    let Some(proposal) = &view.proposal else {
        return Err(Failure::finding(
            "the coordinator proposed nothing; is it of the same version?",
        ));
    };
    // What a bank that joins compares, and pins.
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure::finding(format!("{}: {error}", path.display())))?;
    let (consortium, _) = Consortium::from_toml(&text)
        .map_err(|error| Failure::finding(format!("{}: {error}", path.display())))?;
    let proposed = Consortium {
        banks: proposal.banks.clone(),
        ..consortium
    };
    let text = proposed.to_toml().map_err(Failure::finding)?;
    for name in add {
        let admission = folder.admission(name);
        fs::create_dir_all(&admission)
            .map_err(|error| Failure::finding(format!("{}: {error}", admission.display())))?;
        keyfile::replace(&admission.join(CONSORTIUM_FILE), text.as_bytes())?;
    }
    print(json, &view, || {
        let mut lines = vec![change(proposal)];
        lines.push("next: each bank that stays runs `veilsum-client roster approve`".to_owned());
        lines.extend(add.iter().map(|name| {
            let admission = folder.admission(name);
            format!(
                "next: {name} fetches its consortium.toml with `enrol`, or is handed {}; it compares the roster and starts its daemon",
                admission.display()
            )
        }));
        lines.join("\n")
    })
}

fn ask(dir: &Path, request: &Request) -> Result<RosterView, Failure> {
    match admin::ask(&load(dir)?.folders.data, request)? {
        Answer::Roster(view) => Ok(*view),
        other => Err(unexpected(other)),
    }
}

/// True once the coordinator has run: the roster is in its log then.
pub(super) fn has_log(dir: &Path) -> bool {
    load(dir).is_ok_and(|config| config.folders.data.join("store").exists())
}

#[derive(Debug, Serialize)]
struct Admissions {
    #[serde(flatten)]
    report: EnrolReport,
    /// New banks, which wait for a proposal.
    waiting: Vec<Waiting>,
}

pub(super) fn admit(
    dir: &Path,
    requests: &[PathBuf],
    days: u32,
    now: OffsetDateTime,
    json: bool,
) -> Result<(), Failure> {
    let (report, waiting) = admitted::admit(dir, requests, days, now)?;
    let admissions = Admissions { report, waiting };
    print(json, &admissions, || {
        let mut lines = enrolled(&admissions.report);
        lines.extend(admissions.waiting.iter().map(|bank| {
            format!(
                "admitted {}, fingerprint {}: it is in no roster yet\nnext: veilsum-coordinator roster propose --dir '{}' --add {}",
                bank.name,
                bank.fingerprint,
                dir.display(),
                bank.name
            )
        }));
        lines.push(format!("roster of {} banks, unchanged", admissions.report.banks));
        lines.join("\n")
    })
}
