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
}

#[derive(Debug, Args)]
pub(super) struct Round {
    /// Its number
    number: u64,
    /// The log's folder, or a mirror of it
    log: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        match self {
            Self::Round(round) => round.run(),
        }
    }
}

#[derive(Serialize)]
struct Untrue {
    verifies: bool,
    verdict: String,
}

impl Round {
    fn run(self) -> Result<Outcome, Problem> {
        let (key, rosters) = self.trust.pins()?;
        let audit = Audit {
            log: self.log,
            key,
            rosters,
            archive: None,
        };
        match tell_round(&audit, self.number) {
            Ok(told) => Ok(Outcome {
                holds: told.holds,
                text: text(&told, self.json)?,
            }),
            Err(error @ AuditError::Untrue(_)) => Ok(Outcome {
                holds: false,
                text: if self.json {
                    json_line(&Untrue {
                        verifies: false,
                        verdict: error.to_string(),
                    })?
                } else {
                    format!("{error}\n")
                },
            }),
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
