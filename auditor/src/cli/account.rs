//! `show bank` and `show model`: what the log says of one bank, of one model.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::show::untrue;
use super::{Outcome, Problem, Trust, json_line};
use crate::account::{AccountError, tell_bank, tell_model};
use crate::verify::{Audit, AuditError};

#[derive(Debug, Args)]
pub(super) struct Bank {
    /// Its name
    name: String,
    #[command(flatten)]
    of: Log,
}

#[derive(Debug, Args)]
pub(super) struct Model {
    /// Hash of a state or of a task, at least its first 8 hex digits
    hash: String,
    #[command(flatten)]
    of: Log,
}

#[derive(Debug, Args)]
struct Log {
    /// The log's folder, or a mirror of it
    log: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Log {
    fn audit(&self) -> Result<Audit, Problem> {
        let (key, rosters) = self.trust.pins()?;
        Ok(Audit {
            log: self.log.clone(),
            key,
            rosters,
            archive: None,
        })
    }

    fn outcome<T: Serialize>(
        &self,
        told: Result<T, AccountError>,
        holds: impl Fn(&T) -> bool,
        text: impl Fn(&T) -> String,
    ) -> Result<Outcome, Problem> {
        match told {
            Ok(told) => Ok(Outcome {
                holds: holds(&told),
                text: if self.json { json_line(&told)? } else { text(&told) },
            }),
            Err(AccountError::Audit(error @ AuditError::Untrue(_))) => untrue(error.to_string(), self.json),
            Err(error) => Err(Problem::usage(error)),
        }
    }
}

impl Bank {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let told = tell_bank(&self.of.audit()?, &self.name);
        self.of
            .outcome(told, |told| told.standing.holds, |told| told.text())
    }
}

impl Model {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let told = tell_model(&self.of.audit()?, &self.hash);
        self.of
            .outcome(told, |told| told.standing().holds, |told| told.text())
    }
}
