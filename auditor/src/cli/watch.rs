//! `watch`: mirror and check a served log again and again, and tell what is new in it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::{Deserialize, Serialize};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::roster::Roster;

use super::known::{self, Last, Others};
use super::web::WebArgs;
use super::{Outcome, Problem, Trust};
use crate::durable;
use crate::fetch::Origin;
use crate::mirror::{ArchiveMirror, LogMirror, MirrorError, Mirrored, Weight};
use crate::source::LogReader;
use crate::verify::report::{Check, Finding, Report};
use crate::verify::{Audit, Ending, ToldRound, verify_against};

#[derive(Debug, Args)]
pub(super) struct Watch {
    /// The log: a folder, or an address like https://log.example/log/
    source: String,
    /// Folder of the watch's own: the copy, the checkpoint that was verified last, and evidence
    #[arg(long)]
    state: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// Seconds between two passes; without it there is one pass
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    every: Option<u64>,
    /// Seconds after which a log that has not grown is a finding
    #[arg(long)]
    stale_after: Option<u64>,
    /// The archive with `blobs` and `rounds`, a folder or an address: copied as well, and every masked sum replayed
    #[arg(long)]
    archive: Option<String>,
    #[command(flatten)]
    others: Others,
    #[command(flatten)]
    web: WebArgs,
    /// Print one line of JSON for each event
    #[arg(long)]
    json: bool,
}

/// Something that a reader wants to know.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// A round came to its end.
    Round(&'a ToldRound),
    /// A check failed.
    Finding {
        check: Check,
        #[serde(flatten)]
        finding: &'a Finding,
    },
    /// What is served is no true log that continues the copy, or something is kept as evidence.
    Alert { what: String },
    /// Everything verifies.
    Verified {
        entries: u64,
        entries_before: Option<u64>,
        verdict: String,
    },
    /// The log cannot be reached now.
    Unreachable { reason: String },
    /// The log has not grown for longer than was allowed.
    Stale { entries: u64, seconds: u64 },
}

impl Event<'_> {
    fn words(&self) -> String {
        match self {
            Self::Round(round) => round_words(round),
            Self::Finding { check, finding } => format!("FAILED  {}: {finding}", check.name()),
            Self::Alert { what } => format!("ALERT   {what}"),
            Self::Verified { verdict, .. } => format!("ok      {verdict}"),
            Self::Unreachable { reason } => format!("waiting {reason}"),
            Self::Stale { entries, seconds } => {
                format!("STALE   the log has had {entries} entries for {seconds} s")
            }
        }
    }
}

fn round_words(round: &ToldRound) -> String {
    let banks = |banks: &Option<Vec<String>>| banks.as_deref().unwrap_or_default().join(", ");
    let what = match &round.opening {
        Some(open) => format!(
            "{} {}, step {}",
            open.task_name.as_deref().unwrap_or("a task without a name"),
            open.kind,
            open.step
        ),
        None => "not opened".to_owned(),
    };
    match &round.outcome {
        Ending::Result { survivors, .. } => {
            let dropped = match round.dropped_out.as_deref().unwrap_or_default() {
                [] => String::new(),
                dropped => format!("; dropped out: {}", dropped.join(", ")),
            };
            format!(
                "round   {}: {what}; {survivors} updates of {}{dropped}",
                round.round,
                banks(&round.in_the_sum)
            )
        }
        Ending::Abort {
            reason,
            after_release,
        } => {
            let shares = if *after_release { "; shares may be out" } else { "" };
            format!("abort   {}: {what}; {reason}{shares}", round.round)
        }
        Ending::Running { last_entry } => format!("round   {}: {what}; not over, {last_entry}", round.round),
    }
}

/// When the log was seen to grow.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Grown {
    entries: u64,
    /// Seconds since 1970, by this machine's clock.
    at: u64,
}

/// What came of one pass.
enum Pass {
    Fine,
    Wrong,
    Unreachable(String),
}

/// What stays the same from pass to pass.
struct Setup {
    key: VerifierKey,
    rosters: Vec<Roster>,
    origin: Origin,
    archive: Option<Origin>,
}

impl Watch {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let (key, rosters) = self.trust.pins()?;
        let archive = self.archive.as_ref();
        let setup = Setup {
            key,
            rosters,
            origin: self.web.origin(&self.source, &self.trust)?,
            archive: archive
                .map(|source| self.web.origin(source, &self.trust))
                .transpose()?,
        };
        known::make(&self.state)?;
        loop {
            let pass = self.pass(&setup)?;
            let outcome = |holds| Outcome {
                holds,
                text: String::new(),
            };
            match (pass, self.every) {
                (Pass::Wrong, _) => return Ok(outcome(false)),
                (Pass::Fine, None) => return Ok(outcome(true)),
                (Pass::Unreachable(reason), None) => return Err(Problem::TryAgain(reason)),
                (Pass::Fine | Pass::Unreachable(_), Some(every)) => {
                    thread::sleep(Duration::from_secs(every));
                }
            }
        }
    }

    fn pass(&self, setup: &Setup) -> Result<Pass, Problem> {
        let mut last = Last::open(&self.state.join("last"), &setup.key)?;
        let mirrored = match self.mirror(setup) {
            Ok(mirrored) => mirrored,
            Err(error) => {
                let what = error.to_string();
                return match error.weight() {
                    Weight::Finding => {
                        self.tell(&Event::Alert { what });
                        Ok(Pass::Wrong)
                    }
                    Weight::Usage => Err(Problem::Usage(what)),
                    Weight::Passing => {
                        self.tell(&Event::Unreachable { reason: what.clone() });
                        self.stale(&setup.key, Pass::Unreachable(what))
                    }
                };
            }
        };
        let known = known::known(Some(&last), &self.others)?;
        let nothing_held = known.held.is_empty() && known.receipts.is_empty();
        if last.head() == Some(&mirrored.head) && nothing_held && setup.archive.is_none() {
            return self.stale(&setup.key, Pass::Fine);
        }
        let audit = Audit {
            log: self.log(),
            key: setup.key.clone(),
            rosters: setup.rosters.clone(),
            archive: setup.archive.as_ref().map(|_| self.state.join("archive")),
        };
        let audited = verify_against(&audit, &known, |_| ()).map_err(Problem::usage)?;
        let before = last.head().map(|head| head.checkpoint().size);
        // At the first visit everything is new, and `show` tells it.
        for round in before.iter().flat_map(|before| audited.rounds_since(*before)) {
            self.tell(&Event::Round(&round));
        }
        self.tell_findings(&audited.report);
        for kept in known::keep(&self.state.join("evidence"), &audited) {
            self.tell(&Event::Alert { what: kept });
        }
        if !audited.report.holds() {
            return Ok(Pass::Wrong);
        }
        if last.head() != Some(&mirrored.head) {
            self.tell(&Event::Verified {
                entries: audited.report.entries,
                entries_before: before,
                verdict: audited.report.verdict(),
            });
        }
        last.remember(&audited)?;
        self.stale(&setup.key, Pass::Fine)
    }

    fn log(&self) -> PathBuf {
        self.state.join("log")
    }

    fn mirror(&self, setup: &Setup) -> Result<Mirrored, MirrorError> {
        let folder = self.log();
        let log = LogMirror::new(&setup.origin, &folder, &setup.key)?;
        let Some(origin) = &setup.archive else {
            return log.run(|_| ());
        };
        let folder = &self.state.join("archive");
        // What is missing is told by the checks that need it.
        let (mirrored, _) = log.run_with(&ArchiveMirror { origin, folder }, |_| ())?;
        Ok(mirrored)
    }

    fn tell_findings(&self, report: &Report) {
        for check in &report.checks {
            for finding in &check.findings {
                let check = check.check;
                self.tell(&Event::Finding { check, finding });
            }
        }
    }

    /// Notes when the log grew; a pass that is not wrong is, if the log has not grown for too long.
    fn stale(&self, key: &VerifierKey, pass: Pass) -> Result<Pass, Problem> {
        let Ok(head) = LogReader::head_of(&self.log(), key) else {
            return Ok(pass);
        };
        let entries = head.checkpoint().size;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        let path = self.state.join("grown.json");
        let known: Option<Grown> = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(grown) = known.filter(|grown| grown.entries == entries) else {
            write(&path, &Grown { entries, at: now })?;
            return Ok(pass);
        };
        let seconds = now.saturating_sub(grown.at);
        if self.stale_after.is_some_and(|most| seconds >= most) {
            self.tell(&Event::Stale { entries, seconds });
            return Ok(Pass::Wrong);
        }
        Ok(pass)
    }

    /// One line, at once. A reader that went away does not stop the watch; the exit code still tells the outcome.
    fn tell(&self, event: &Event<'_>) {
        let line = match self.json {
            true => serde_json::to_string(event).unwrap_or_else(|error| error.to_string()),
            false => event.words(),
        };
        let mut out = io::stdout();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

fn write(path: &Path, grown: &Grown) -> Result<(), Problem> {
    let text = serde_json::to_vec(grown).map_err(Problem::usage)?;
    durable::write(path, &text)
        .map_err(|error| Problem::Usage(format!("{}: cannot write: {error}", path.display())))
}
