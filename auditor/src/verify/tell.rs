//! A round in plain words, and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::model::Metrics;
use veilsum_protocol::roster::Roster;

use super::history::History;
use super::record::{Opened, RoundRecord};
use super::report::CheckReport;
use super::told_archive::{Replay, ToldArchive};

/// What the log says of a round: who took part, who dropped out, what was computed and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToldRound {
    /// Its number.
    pub round: u64,
    /// What it was opened for; none if it ended before.
    pub opening: Option<Opening>,
    /// Banks of the roster that did not prepare; none before the manifest.
    pub not_prepared: Option<Vec<String>>,
    /// Banks that prepared; none before the manifest.
    pub prepared: Option<Vec<String>>,
    /// Banks that prepared and are not in the cohort; none before the cohort.
    pub not_ready: Option<Vec<String>>,
    /// The cohort; none before it.
    pub cohort: Option<Vec<String>>,
    /// The survivors; none before their list.
    pub in_the_sum: Option<Vec<String>>,
    /// Banks of the cohort that did not survive; none before the survivors.
    pub dropped_out: Option<Vec<String>>,
    /// Banks that signed the list of survivors.
    pub certified_by: Vec<String>,
    /// Banks that released shares.
    pub shares_from: Vec<String>,
    /// What came of it.
    pub outcome: Ending,
    /// What the archive holds of it, if one was looked at and something hangs on that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<ToldArchive>,
}

/// What a round was opened for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Opening {
    /// The task's name, if the log offered it.
    pub task_name: Option<String>,
    /// The task's hash.
    pub task: String,
    /// statistics, train or evaluate.
    pub kind: &'static str,
    /// The task's step.
    pub step: u32,
    /// Failed tries of this step before.
    pub attempt: u32,
    /// Hash of the state that it started from.
    pub state: String,
}

/// What came of a round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "came_to", rename_all = "snake_case")]
pub enum Ending {
    /// A sum was published.
    Result {
        /// Updates in the sum.
        survivors: u16,
        /// Hash of the sum.
        sum: String,
        /// Weight of the sum; 0 unless the round trained.
        weight: u64,
        /// Hash of the state that it led to.
        next_state: String,
        /// Banks that derived that state themselves.
        derived_by: usize,
        /// Figures of the model before, over all banks.
        metrics: Option<Figures>,
    },
    /// It was aborted.
    Abort {
        /// Why.
        reason: &'static str,
        /// Whether shares may have been released.
        after_release: bool,
    },
    /// It is not over.
    Running {
        /// Kind of its last entry.
        last_entry: &'static str,
    },
}

/// Figures of a model; none where a figure is not defined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Rows that were scored.
    pub rows: u64,
    /// By [`veilsum_protocol::model::Figure::key`].
    #[serde(flatten)]
    pub figures: BTreeMap<&'static str, Option<f64>>,
    #[serde(skip)]
    words: String,
}

/// What the log says of a round.
pub(crate) fn round(history: &History, round: &RoundRecord) -> ToldRound {
    let roster = history.roster_at(round.begins_at).map(|roster| &roster.value);
    let (manifest, cohort) = (round.prepared.as_deref(), round.cohort.as_deref());
    let survivors = round.survivors.as_deref();
    let everybody: Vec<BankIndex> = roster
        .iter()
        .flat_map(|roster| roster.banks().iter().map(|entry| entry.index))
        .collect();
    // Those of `all` that are not there, once it is known who is.
    let absent = |all: Option<&[BankIndex]>, there: Option<&[BankIndex]>| {
        let there = there?;
        let absent = all.into_iter().flatten().copied();
        Some(names(absent.filter(|bank| !there.contains(bank)), roster))
    };
    let present = |banks: Option<&[BankIndex]>| Some(names(banks?.iter().copied(), roster));
    ToldRound {
        round: round.round.0,
        opening: round.open.as_ref().map(|open| opening(history, open)),
        not_prepared: absent(Some(&everybody), manifest),
        prepared: present(manifest),
        not_ready: absent(manifest, cohort),
        cohort: present(cohort),
        in_the_sum: present(survivors),
        dropped_out: absent(cohort, survivors),
        certified_by: names(round.signers.iter().copied(), roster),
        shares_from: names(round.releasers.iter().copied(), roster),
        outcome: ending(round),
        archive: None,
    }
}

fn opening(history: &History, open: &Opened) -> Opening {
    let offer = history.tasks.iter().find(|offer| offer.value.task == open.task);
    Opening {
        task_name: offer.map(|offer| offer.value.name.clone()),
        task: open.task.to_hex(),
        kind: open.kind.name(),
        step: open.step,
        attempt: open.attempt,
        state: open.state.to_hex(),
    }
}

fn ending(round: &RoundRecord) -> Ending {
    match (&round.result, &round.abort) {
        (Some(result), _) => Ending::Result {
            survivors: result.survivors,
            sum: result.sum.to_hex(),
            weight: result.weight,
            next_state: result.next_state.to_hex(),
            derived_by: round.acks.iter().filter(|ack| ack.agrees).count(),
            metrics: result.metrics.as_ref().map(Figures::from),
        },
        (None, Some(abort)) => Ending::Abort {
            reason: abort.reason.words(),
            after_release: abort.after_release,
        },
        (None, None) => Ending::Running {
            last_entry: round.stage.entry_name(),
        },
    }
}

fn names(banks: impl Iterator<Item = BankIndex>, roster: Option<&Roster>) -> Vec<String> {
    let name = |bank: BankIndex| match roster.and_then(|roster| roster.bank(bank)) {
        Some(entry) => entry.name.clone(),
        None => format!("bank {bank}"),
    };
    banks.map(name).collect()
}

impl ToldRound {
    /// Whether the archive lacks files that it should hold.
    pub(crate) fn lacks_files(&self) -> bool {
        let archive = self.archive.as_ref();
        archive.is_some_and(|archive| archive.replay == Replay::FilesMissing)
    }

    /// Several lines for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("Round {}\n", self.round);
        match &self.opening {
            None => line(&mut text, "what", "it ended before it was opened"),
            Some(open) => {
                let name = open.task_name.as_deref().unwrap_or("a task without a name");
                line(&mut text, "task", &format!("{name} ({})", open.task));
                let retry = match open.attempt {
                    0 => String::new(),
                    tries => format!(", after {tries} failed tries"),
                };
                line(
                    &mut text,
                    "what",
                    &format!("{}, step {}{retry}", open.kind, open.step),
                );
                line(&mut text, "started from", &format!("state {}", open.state));
            }
        }
        let banks = |text: &mut String, label: &str, banks: Option<&Vec<String>>| {
            if let Some(banks) = banks.filter(|banks| !banks.is_empty()) {
                line(text, label, &banks.join(", "));
            }
        };
        banks(&mut text, "not prepared", self.not_prepared.as_ref());
        if self.cohort.is_some() {
            banks(&mut text, "not ready", self.not_ready.as_ref());
        } else {
            banks(&mut text, "prepared", self.prepared.as_ref());
        }
        if self.in_the_sum.is_some() {
            banks(&mut text, "in the sum", self.in_the_sum.as_ref());
            banks(&mut text, "dropped out", self.dropped_out.as_ref());
        } else {
            banks(&mut text, "took part", self.cohort.as_ref());
        }
        banks(&mut text, "certified by", Some(&self.certified_by));
        banks(&mut text, "shares from", Some(&self.shares_from));
        self.outcome.tell(&mut text);
        if let Some(archive) = &self.archive {
            line(&mut text, "archive", &archive.words());
        }
        text
    }
}

impl Ending {
    fn tell(&self, text: &mut String) {
        match self {
            Self::Result {
                survivors,
                sum,
                weight,
                next_state,
                derived_by,
                metrics,
            } => {
                line(
                    text,
                    "sum",
                    &format!("{survivors} updates, published under {sum}"),
                );
                if *weight > 0 {
                    line(text, "weight", &weight.to_string());
                }
                line(text, "led to", &format!("state {next_state}"));
                line(
                    text,
                    "derived by",
                    &format!("{derived_by} banks, each for itself"),
                );
                if let Some(metrics) = metrics {
                    line(
                        text,
                        "metrics",
                        &format!("of the model before: {}", metrics.words()),
                    );
                }
            }
            Self::Abort {
                reason,
                after_release,
            } => {
                let shares = if *after_release {
                    "; shares may have been released, so these updates must not be sent again"
                } else {
                    "; no share was released"
                };
                line(text, "outcome", &format!("aborted: {reason}{shares}"));
            }
            Self::Running { last_entry } => line(text, "outcome", &format!("not over, {last_entry}")),
        }
    }
}

impl From<&Metrics> for Figures {
    fn from(metrics: &Metrics) -> Self {
        Self {
            rows: metrics.rows,
            figures: metrics
                .figures
                .iter()
                .map(|(figure, value)| (figure.key(), *value))
                .collect(),
            words: metrics.words(),
        }
    }
}

impl Figures {
    /// In one line.
    pub(crate) fn words(&self) -> String {
        format!("{} held-out rows, {}", self.rows, self.words)
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

fn line(text: &mut String, label: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {label:<13} {value}");
}
