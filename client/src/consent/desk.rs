//! Where the bank's operator looks at tasks and decides on them, whether the daemon runs or not.

use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::params::{ThresholdError, Thresholds};
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::refusal::RefusalReason;

use serde::Serialize;

use super::shown::{Earlier, Offered, Shown};
use super::verdict::Verdict;
use crate::app::{self, AppError};
use crate::config::Config;
use crate::data::{DataError, read_schema};
use crate::desensitise::{Policy, PolicySource};
use crate::participant::{Decision, FileError, FolderLock, Home, Status, Tasks, TasksError};

/// Why a task cannot be shown or decided on.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The bank's folder.
    #[error(transparent)]
    App(#[from] AppError),
    /// No such task, or its text is damaged.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// The bank's own schema is not that of the task.
    #[error(transparent)]
    Schema(#[from] DataError),
    /// The roster.
    #[error(transparent)]
    Roster(#[from] ThresholdError),
    /// The task is beyond the bank's policy.
    #[error(
        "task {name} cannot be approved: by its policy this bank refuses it.\n{}\nThe coordinator hears that it is refused, and of why nothing but {reason:?}. To take part change {file} first",
        lines.join("\n")
    )]
    Beyond {
        /// The task's name.
        name: String,
        /// Each limit with what was found and what is expected.
        lines: Vec<String>,
        /// What others are told.
        reason: &'static str,
        /// The policy file.
        file: String,
    },
    /// The policy cannot be read.
    #[error("task {name} cannot be approved before the bank's policy can be read: {problem}")]
    Policy {
        /// The task's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// What the operator looked at is not what is there now.
    #[error(
        "task {name} has changed since it was shown: another version was offered, the policy is another, or a word was said elsewhere. Nothing was decided; look again"
    )]
    Changed {
        /// The task's name.
        name: String,
    },
}

impl From<FileError> for ConsentError {
    fn from(error: FileError) -> Self {
        Self::App(error.into())
    }
}

impl ConsentError {
    /// True if the bank's operator has to correct the command or the configuration, rather than to decide.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::App(error) => error.is_usage(),
            Self::Tasks(TasksError::Unknown { .. } | TasksError::Ambiguous { .. }) => true,
            Self::Schema(_) | Self::Roster(_) | Self::Policy { .. } => true,
            Self::Tasks(_) | Self::Beyond { .. } | Self::Changed { .. } => false,
        }
    }
}

/// What came of a decision.
#[derive(Clone, Debug, Serialize)]
pub struct Decided {
    /// The task's name.
    pub name: String,
    /// Its hash.
    pub task: String,
    /// Yes or no.
    pub decision: Decision,
    /// What others hear of why, of a no.
    pub reason: Option<RefusalReason>,
    /// True if an approval of this bank stands in the log for good.
    pub signed: bool,
    /// True if a daemon is there to see it at once.
    pub daemon_runs: bool,
}

impl Decided {
    /// A line for people.
    pub fn text(&self) -> String {
        let then = if self.daemon_runs {
            "the daemon takes it up within a second"
        } else {
            "the daemon takes it up when it is started"
        };
        let Self { name, task, .. } = self;
        let why = match self.reason {
            None | Some(RefusalReason::Operator) => String::new(),
            Some(reason) => format!(". Others hear of why: {}", reason.words()),
        };
        match (self.decision, self.signed) {
            (Decision::Approved, _) => format!("task {name} ({task}) is approved; {then}"),
            (Decision::Refused, false) => {
                format!("task {name} ({task}) is refused; {then}{why}. It can be approved later")
            }
            (Decision::Refused, true) => format!(
                "task {name} ({task}) is refused; {then}{why}. The approval before stands in the log for good; from now on this bank sits out every round of the task that begins. One that is open ends as usual. `veilsum-client task approve {name}` takes part again"
            ),
        }
    }
}

/// The tasks of a bank's folder, with its policy.
pub struct Consent {
    config: Config,
    policy: PolicySource,
    tasks: Tasks,
    status: Status,
    /// Those of the roster; `None` where there is none yet.
    thresholds: Option<Thresholds>,
}

impl Consent {
    /// As the folder's files and the daemon's last words have it.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn open(config: Config) -> Result<Self, ConsentError> {
        let (_, roster) = app::consortium(&config)?;
        Self::of(config, Some(&roster))
    }

    /// The same for a look alone, also at a bank that is in no roster yet: without one no task is judged, and none can be approved.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn look(config: Config) -> Result<Self, ConsentError> {
        let pinned = app::consortium_if_any(&config)?;
        Self::of(config, pinned.as_ref().map(|(_, roster)| roster))
    }

    fn of(config: Config, roster: Option<&Roster>) -> Result<Self, ConsentError> {
        let banks = roster.map(|roster| u16::try_from(roster.banks().len()).unwrap_or(u16::MAX));
        Ok(Self {
            policy: app::policy(&config),
            tasks: Home::tasks(&config.state)?,
            status: Status::read(&Home::status(&config.state))?.unwrap_or_default(),
            thresholds: banks.map(Thresholds::with_most_colluders).transpose()?,
            config,
        })
    }

    /// What brings the roster that there is not yet, in words; `None` where there is one.
    pub fn waits_for(&self) -> Option<String> {
        self.thresholds
            .is_none()
            .then(|| app::no_consortium(&self.config))
    }

    /// What the consortium has offered so far, by name.
    ///
    /// # Errors
    /// If a text cannot be read.
    pub fn list(&self) -> Result<Vec<Offered>, ConsentError> {
        let policy = self.policy.policy();
        let tasks = self.tasks.offered()?;
        tasks
            .iter()
            .map(|task| self.offered(task, &self.verdict(&policy, task)))
            .collect()
    }

    /// All that there is to decide on of a task, by its name or the start of its hash.
    ///
    /// # Errors
    /// If there is no such task.
    pub fn show(&self, wanted: &str) -> Result<Shown, ConsentError> {
        self.shown(&self.tasks.find(wanted)?)
    }

    fn shown(&self, task: &Task) -> Result<Shown, ConsentError> {
        let verdict = self.verdict(&self.policy.policy(), task);
        let earlier = self.tasks.earlier(task)?.map(|(earlier, approved)| {
            let changes = task.changes_since(&earlier);
            Earlier {
                approved,
                reads_the_same: changes.reads_the_same(),
                changes,
            }
        });
        Ok(Shown {
            offered: self.offered(task, &verdict)?,
            description: task.describe(),
            verdict,
            earlier,
            later: self.tasks.later(task)?.map(|later| later.hash().to_hex()),
        })
    }

    /// What is asked before a task is approved.
    ///
    /// # Errors
    /// If there is no such task, the bank's policy refuses it, or its schema is another than the task's.
    pub fn may_approve(&self, wanted: &str) -> Result<Shown, ConsentError> {
        let task = self.tasks.find(wanted)?;
        let shown = self.shown(&task)?;
        let name = task.name.clone();
        if let Some(problem) = shown.verdict.problem {
            return Err(ConsentError::Policy { name, problem });
        }
        if let Some(reason) = shown.verdict.reason() {
            return Err(ConsentError::Beyond {
                name,
                lines: shown.verdict.breaches.iter().map(super::Breach::words).collect(),
                reason: reason.words(),
                file: self.policy.policy.display().to_string(),
            });
        }
        read_schema(&self.config.data.schema, &task.schema)?;
        Ok(shown)
    }

    /// The operator's yes. `seen` is the mark of what it was said to, where the operator looked first.
    ///
    /// # Errors
    /// As [`Consent::may_approve`]; [`ConsentError::Changed`] if it is said for the first time and `seen` is not what there is; or if the disk does
    /// not take it.
    pub fn approve(&self, wanted: &str, seen: Option<&str>) -> Result<Decided, ConsentError> {
        let shown = self.may_approve(wanted)?;
        let task = self.tasks.find(&shown.offered.task)?;
        if shown.offered.decision != Some(Decision::Approved) {
            unchanged(&shown, seen)?;
        }
        self.tasks.approve(&task)?;
        Ok(self.decided(&task, Decision::Approved, None))
    }

    /// The operator's no, with what others hear of why. `seen` as for [`Consent::approve`].
    ///
    /// # Errors
    /// If there is no such task, [`ConsentError::Changed`] as for [`Consent::approve`], or if the disk does not take it.
    pub fn refuse(
        &self,
        wanted: &str,
        reason: RefusalReason,
        seen: Option<&str>,
    ) -> Result<Decided, ConsentError> {
        let task = self.tasks.find(wanted)?;
        let shown = self.shown(&task)?;
        if shown.offered.reason != Some(reason) {
            unchanged(&shown, seen)?;
        }
        self.tasks.refuse(&task, reason)?;
        Ok(self.decided(&task, Decision::Refused, Some(reason)))
    }

    fn decided(&self, task: &Task, decision: Decision, reason: Option<RefusalReason>) -> Decided {
        Decided {
            name: task.name.clone(),
            task: task.hash().to_hex(),
            decision,
            reason,
            signed: self.is_signed(&task.hash().to_hex()),
            daemon_runs: FolderLock::is_taken(&self.config.state),
        }
    }

    fn is_signed(&self, task: &str) -> bool {
        let known = self.status.tasks.iter().find(|known| known.task == task);
        known.is_some_and(|known| known.approved)
    }

    fn verdict(&self, policy: &Result<Policy, DataError>, task: &Task) -> Verdict {
        match (policy, self.thresholds) {
            (Ok(policy), Some(thresholds)) => Verdict::of(policy, task, &Plan::new(task), thresholds),
            (Ok(_), None) => Verdict::unknown(app::no_consortium(&self.config)),
            (Err(error), _) => Verdict::unknown(error),
        }
    }

    fn offered(&self, task: &Task, verdict: &Verdict) -> Result<Offered, ConsentError> {
        let hash = task.hash();
        let known = self.status.tasks.iter().find(|known| known.task == hash.to_hex());
        Ok(Offered {
            name: task.name.clone(),
            decision: self.tasks.decision(&hash)?,
            reason: self.tasks.refusal(&hash)?,
            signed: self.is_signed(&hash.to_hex()),
            allowed: verdict.allows(),
            unjudged: verdict.problem.is_some(),
            rounds: task.rounds,
            step: known.map(|known| known.step),
            steps: known.map(|known| known.steps),
            task: hash.to_hex(),
        })
    }
}

/// Whether a decision on `seen` is one on what there is.
fn unchanged(shown: &Shown, seen: Option<&str>) -> Result<(), ConsentError> {
    match seen {
        Some(seen) if seen != shown.mark() => Err(ConsentError::Changed {
            name: shown.offered.name.clone(),
        }),
        _ => Ok(()),
    }
}
