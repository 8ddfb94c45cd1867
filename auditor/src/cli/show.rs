//! `show`: tell what the log says.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Outcome, Problem, Trust, json_line};
use crate::verify::{Audit, AuditError, Told, tell_round};

#[derive(Debug, Subcommand)]
pub(super) enum Show {
    /// One round in plain words: who took part, who dropped out, what came of it
    Round(Round),
    /// One bank: its rosters, the tasks that it approved, the rounds in which it took part or did not
    Bank(super::account::Bank),
    /// One state of a model, or a task, by its hash: who made it of what, who agreed, how good it is
    Model(super::account::Model),
}

#[derive(Debug, Args)]
pub(super) struct Round {
    /// Its number
    number: u64,
    /// The log's folder, or a mirror of it
    log: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// The archive with `blobs` and `rounds`: tell whether the round can be replayed
    #[arg(long)]
    archive: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        match self {
            Self::Round(round) => round.run(),
            Self::Bank(bank) => bank.run(),
            Self::Model(model) => model.run(),
        }
    }
}

#[derive(Serialize)]
struct Untrue {
    verifies: bool,
    verdict: String,
}

/// A log that is no true copy is a finding, whatever was asked of it.
pub(super) fn untrue(verdict: String, json: bool) -> Result<Outcome, Problem> {
    Ok(Outcome {
        holds: false,
        text: if json {
            json_line(&Untrue {
                verifies: false,
                verdict,
            })?
        } else {
            format!("{verdict}\n")
        },
    })
}

impl Round {
    fn run(self) -> Result<Outcome, Problem> {
        let (key, rosters) = self.trust.pins()?;
        let audit = Audit {
            log: self.log,
            key,
            rosters,
            archive: self.archive,
        };
        match tell_round(&audit, self.number) {
            Ok(told) => Ok(Outcome {
                holds: told.holds,
                text: text(&told, self.json)?,
            }),
            Err(error @ AuditError::Untrue(_)) => untrue(error.to_string(), self.json),
            Err(error) => Err(Problem::usage(error)),
        }
    }
}

fn text(told: &Told, json: bool) -> Result<String, Problem> {
    if json {
        json_line(told)
    } else {
        Ok(told.text.clone())
    }
}
