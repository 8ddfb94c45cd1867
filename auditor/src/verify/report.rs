//! What an audit found: named checks, each with what was looked at and the evidence of every failure.

use std::fmt;

use serde::{Serialize, Serializer};
use veilsum_protocol::ids::Round;

use super::retention::LetGo;

macro_rules! checks {
    ($($name:ident = $word:literal $words:literal;)*) => {
        /// A check of an audit. The name never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $(#[doc = $words] $name),*
        }

        impl Check {
            /// Every check, in the order of a report.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What holds when it passes.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words),* }
            }
        }
    };
}

checks! {
    Log = "log" "the checkpoint is signed by the pinned key and every entry hashes to its root";
    Witnesses = "witnesses" "enough banks have cosigned the checkpoint, and no cosignature is forged";
    GrewOnly = "grew-only" "the log only grew since it was verified last";
    HeldCheckpoints = "held-checkpoints" "the checkpoints that others hold are of this log at their size";
    Receipts = "receipts" "the receipts that banks hold are of entries of this log";
    EntryForm = "entry-form" "every entry is in its one canonical form";
    Roster = "roster" "the rosters are well formed, of this log, and where some were pinned, those or ones to which approved changes lead";
    RosterChange = "roster-change" "every change of the roster was proposed, and approved by the banks that it takes";
    KeyDirectory = "key-directory" "the key directories are of the roster, with growing epochs";
    TaskApproval = "task-approval" "the approvals are signed by their banks, for tasks that were offered";
    RoundOrder = "round-order" "the entries of every round are in order, one round at a time";
    RoundNumbers = "round-numbers" "the round numbers grow and none is used twice";
    Manifest = "manifest" "every round is opened on the logged bundles of banks of the roster";
    RoundRules = "round-rules" "thresholds, widths, epoch and task of every round are those of the roster and the log";
    Cohort = "cohort" "every cohort is large enough, prepared, and approved the task";
    MaskedSignature = "masked-signature" "every masked update is signed by a bank of the cohort for this round alone";
    Survivors = "survivors" "the survivors are those whose updates are logged, and enough";
    Certificate = "certificate" "enough survivors signed the list of survivors before any share was released";
    Releases = "releases" "only survivors released shares, each once, and enough before a result";
    Result = "result" "every result is the one of its round";
    StateChain = "state-chain" "every round starts from the state and the result that the last one left";
    Acks = "acks" "the acknowledgements are signed by their banks and name the published state";
    Abort = "abort" "no abort hides that shares may have been released";
    ArchivedDirectory = "archived-directory" "the key directories in the archive hold every bank's signed keys";
    TaskText = "task-text" "the tasks' texts are in the archive and are those that were approved";
    RoundPlan = "round-plan" "kind, layout and widths of every round are those that its task says";
    ArchivedBundle = "archived-bundle" "the bundles of every cohort are in the archive and are those of the manifest";
    ArchivedMasked = "archived-masked" "the masked updates are in the archive, with the logged hash and length";
    ArchivedSum = "archived-sum" "the published sums are in the archive, with the logged hash";
    ArchivedRelease = "archived-release" "the released shares are in the archive, with the logged hash and of the right kind";
    OneKindOfShare = "one-kind-of-share" "no bank released both kinds of share of one bank";
    MaskedSum = "masked-sum" "the masked updates, added and unmasked again, give the published sum";
    DerivedState = "derived-state" "the sums give the published states, weights and metrics";
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Where in the log something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Index of the entry, from 0.
    pub entry: Option<u64>,
    /// The round.
    pub round: Option<u64>,
}

impl Place {
    /// An entry outside the rounds.
    pub(crate) fn entry(entry: u64) -> Self {
        Self {
            entry: Some(entry),
            round: None,
        }
    }

    /// An entry of a round.
    pub(crate) fn of(round: Round, entry: u64) -> Self {
        Self {
            entry: Some(entry),
            round: Some(round.0),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.entry, self.round) {
            (Some(entry), Some(round)) => write!(f, "entry {entry}, round {round}"),
            (Some(entry), None) => write!(f, "entry {entry}"),
            (None, Some(round)) => write!(f, "round {round}"),
            (None, None) => f.write_str("the log"),
        }
    }
}

/// A check failed here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: found {}, expected {}",
            self.place, self.found, self.expected
        )
    }
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Which.
    pub check: Check,
    /// Things that were looked at.
    pub checked: u64,
    /// Every failure.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// `ok`, `FAILED`, or `-` when there was nothing to look at.
    pub fn status(&self) -> &'static str {
        match (self.findings.len(), self.checked) {
            (0, 0) => "-",
            (0, _) => "ok",
            _ => "FAILED",
        }
    }
}

/// The outcome of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Entries of the log.
    pub entries: u64,
    /// Banks of the last roster.
    pub banks: usize,
    /// Rounds with a result.
    pub rounds: usize,
    /// Rounds that ended without one.
    pub aborted: usize,
    /// Rounds whose sum was computed again, if an archive was at hand.
    pub replayed: Option<usize>,
    /// What the tasks have let go of: those rounds cannot be replayed any more.
    pub let_go: Vec<LetGo>,
    /// Every check that was made.
    pub checks: Vec<CheckReport>,
    /// What the reader should know beside the checks.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether every check passed.
    pub fn holds(&self) -> bool {
        self.findings() == 0
    }

    /// Number of failures.
    pub fn findings(&self) -> usize {
        self.checks.iter().map(|check| check.findings.len()).sum()
    }

    /// The checks that failed.
    pub fn failed(&self) -> Vec<Check> {
        let failed = self.checks.iter().filter(|check| !check.findings.is_empty());
        failed.map(|check| check.check).collect()
    }

    /// Sums that cannot be replayed because their tasks have let go of what they were made of.
    pub fn sums_let_go(&self) -> usize {
        self.let_go.iter().map(|task| task.sums).sum()
    }

    /// The outcome in one line.
    pub fn verdict(&self) -> String {
        let aborted = match self.aborted {
            0 => String::new(),
            aborted => format!(" and {aborted} aborted"),
        };
        let counts = format!(
            "{}{aborted}, {}, {}",
            counted(self.rounds, "round", "rounds"),
            counted(self.banks, "bank", "banks"),
            counted(self.entries, "entry", "entries")
        );
        match (self.findings(), self.replayed) {
            (0, Some(replayed)) if replayed == self.rounds => {
                format!("the log and the replay of every masked sum verify: {counts}")
            }
            (0, Some(replayed)) => {
                let gone = match self.sums_let_go() {
                    0 => String::new(),
                    gone => format!("; replay is no longer possible for {gone}, as their tasks say"),
                };
                format!("the log verifies, with {replayed} of its sums replayed{gone}: {counts}")
            }
            (0, None) => format!("the log verifies: {counts}; without an archive no sum was replayed"),
            (findings, _) => format!(
                "the log does NOT verify: {} in {}; {counts}",
                counted(findings, "finding", "findings"),
                counted(self.failed().len(), "check", "checks")
            ),
        }
    }
}

fn counted<N: fmt::Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    let word = if count == N::from(1) { one } else { many };
    format!("{count} {word}")
}

/// Collects the outcomes while the checks run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    checks: Vec<CheckReport>,
    pub(crate) notes: Vec<String>,
}

impl Ledger {
    /// The checks among [`Check::ALL`] that `wanted` picks will be in the report, in that order.
    pub(crate) fn new(wanted: impl Fn(Check) -> bool) -> Self {
        let checks = Check::ALL.iter().copied().filter(|check| wanted(*check));
        Self {
            checks: checks
                .map(|check| CheckReport {
                    check,
                    checked: 0,
                    findings: Vec::new(),
                })
                .collect(),
            notes: Vec::new(),
        }
    }

    /// A ledger of the same checks, in which nothing stands yet.
    pub(crate) fn blank(&self) -> Self {
        Self::new(|check| self.checks.iter().any(|report| report.check == check))
    }

    /// Takes over what stands in another ledger, behind what stands here.
    pub(crate) fn absorb(&mut self, other: Self) {
        for theirs in other.checks {
            if let Some(own) = self.of(theirs.check) {
                own.checked += theirs.checked;
                own.findings.extend(theirs.findings);
            }
        }
        self.notes.extend(other.notes);
    }

    fn of(&mut self, check: Check) -> Option<&mut CheckReport> {
        self.checks.iter_mut().find(|report| report.check == check)
    }

    /// Something more was looked at, and held.
    pub(crate) fn pass(&mut self, check: Check) {
        if let Some(report) = self.of(check) {
            report.checked += 1;
        }
    }

    /// Something more was looked at, and did not hold.
    pub(crate) fn fail(
        &mut self,
        check: Check,
        place: Place,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let finding = Finding {
            place,
            found: found.into(),
            expected: expected.into(),
        };
        if let Some(report) = self.of(check) {
            report.checked += 1;
            report.findings.push(finding);
        }
    }

    /// One thing, with every way in which it did not hold; without any, it passed.
    pub(crate) fn settle(&mut self, check: Check, place: Place, problems: Vec<(String, String)>) -> bool {
        let good = problems.is_empty();
        if let Some(report) = self.of(check) {
            report.checked += 1;
            let findings = problems.into_iter().map(|(found, expected)| Finding {
                place,
                found,
                expected,
            });
            report.findings.extend(findings);
        }
        good
    }

    /// The outcomes so far.
    pub(crate) fn finish(self) -> (Vec<CheckReport>, Vec<String>) {
        (self.checks, self.notes)
    }
}

/// Collects in what ways one thing does not hold.
#[derive(Default)]
pub(crate) struct Problems(Vec<(String, String)>);

impl Problems {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Unless `good`, a problem. The texts are made only then.
    pub(crate) fn unless(
        &mut self,
        good: bool,
        found: impl FnOnce() -> String,
        expected: impl FnOnce() -> String,
    ) {
        if !good {
            self.0.push((found(), expected()));
        }
    }

    /// Unless both are equal, a problem.
    pub(crate) fn unless_equal<T: PartialEq + fmt::Display>(&mut self, what: &str, found: T, expected: T) {
        let good = found == expected;
        self.unless(good, || format!("{what} {found}"), || expected.to_string());
    }

    pub(crate) fn into_vec(self) -> Vec<(String, String)> {
        self.0
    }
}
