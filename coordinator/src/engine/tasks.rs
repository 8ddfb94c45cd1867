//! The tasks: what was offered, who approved, how far each has come.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;

use super::ports::{Blobs, Fault, Ledger};
use super::status::ResultLine;

/// Whether a task goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "why")]
pub enum TaskStatus {
    /// Steps are left.
    Running,
    /// Steps are left, and no round of it starts until the operator resumes it.
    Paused,
    /// Every step is done.
    Finished,
    /// It was stopped, by the operator or after too many failed attempts.
    Stopped(String),
}

impl TaskStatus {
    /// True if no step follows, whatever the operator does.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Finished | Self::Stopped(_))
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Running => "running".to_owned(),
            Self::Paused => "paused".to_owned(),
            Self::Finished => "finished".to_owned(),
            Self::Stopped(why) => format!("stopped: {why}"),
        }
    }
}

/// What is durable of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Place in the order of creation, from 1.
    pub order: u32,
    /// Its name.
    pub name: String,
    /// SHA-256 of its canonical text, which is a blob.
    pub task: Digest,
    /// Whether it goes on.
    pub status: TaskStatus,
    /// Steps that are done.
    pub step: u32,
    /// Number of steps.
    pub steps: u32,
    /// Failed tries of the current step.
    pub attempt: u32,
    /// Hash of its state, which is a blob.
    pub state: Digest,
    /// Hash of its last `Result` entry; zeros before the first.
    pub last_result: Digest,
    /// Names of the banks that approved: positions change with the roster.
    pub approved: BTreeSet<String>,
    /// Names of the banks for which shares of the current step may have left. It is tried again with exactly these: their banks confirm no
    /// other survivors of the step (C-407).
    pub released_for: Option<Vec<String>>,
}

impl TaskRecord {
    fn key(&self) -> String {
        format!("task/{:08}", self.order)
    }

    /// The record as a store's key and value.
    pub(super) fn put(&self) -> Result<(String, Vec<u8>), Fault> {
        Ok((self.key(), serde_json::to_vec(self).map_err(Fault::new)?))
    }
}

/// A task with everything that is derived from its text.
pub(super) struct LoadedTask {
    /// What is durable.
    pub(super) record: TaskRecord,
    /// Its text.
    pub(super) task: Arc<Task>,
    /// Its steps and layouts.
    pub(super) plan: Arc<Plan>,
    /// Its state.
    pub(super) state: Arc<TaskState>,
    /// Its last published result.
    pub(super) last: Option<ResultLine>,
}

impl LoadedTask {
    /// A task that was just parsed; text and initial state become blobs.
    pub(super) fn create(task: Task, order: u32, blobs: &dyn Blobs) -> Result<Self, Fault> {
        let hash = blobs.put(task.canonical_text().as_bytes())?;
        let state = TaskState::initial(&task);
        let plan = Plan::new(&task);
        let record = TaskRecord {
            order,
            name: task.name.clone(),
            task: hash,
            status: TaskStatus::Running,
            step: 0,
            steps: plan.steps(),
            attempt: 0,
            state: blobs.put(&state.to_bytes())?,
            last_result: Digest([0; 32]),
            approved: BTreeSet::new(),
            released_for: None,
        };
        Ok(Self {
            record,
            task: Arc::new(task),
            plan: Arc::new(plan),
            state: Arc::new(state),
            last: None,
        })
    }

    /// The task of a record, its text and state from their blobs.
    fn load(record: TaskRecord, blobs: &dyn Blobs) -> Result<Self, Fault> {
        let broken = |what: &str| {
            Fault::new(format!(
                "task {}: {what}; restore the data folder from a backup",
                record.name
            ))
        };
        let text = read(blobs, &record.task)?.ok_or_else(|| broken("its text is gone"))?;
        let text = String::from_utf8(text).map_err(|_| broken("its text is not UTF-8"))?;
        let task =
            Task::parse(&text).map_err(|error| broken(&format!("its text cannot be read: {error}")))?;
        let state = read(blobs, &record.state)?.ok_or_else(|| broken("its state is gone"))?;
        let state = TaskState::from_bytes(&state).map_err(|error| broken(&format!("its state: {error}")))?;
        let plan = Plan::new(&task);
        Ok(Self {
            record,
            task: Arc::new(task),
            plan: Arc::new(plan),
            state: Arc::new(state),
            last: None,
        })
    }
}

fn read(blobs: &dyn Blobs, hash: &Digest) -> Result<Option<Vec<u8>>, Fault> {
    use std::io::Read;
    let Some(mut file) = blobs.open(hash)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| Fault::new(format!("blob {hash}: {error}")))?;
    Ok(Some(bytes))
}

/// All tasks, in the order of creation. One runs at a time: the first that is neither over nor paused.
#[derive(Default)]
pub(super) struct TaskBook {
    tasks: Vec<LoadedTask>,
}

impl TaskBook {
    /// From the store.
    pub(super) fn load(ledger: &dyn Ledger, blobs: &dyn Blobs) -> Result<Self, Fault> {
        let mut tasks = Vec::new();
        for (key, value) in ledger.scan("task/")? {
            let record = serde_json::from_slice(&value)
                .map_err(|error| Fault::new(format!("store key {key}: {error}")))?;
            tasks.push(LoadedTask::load(record, blobs)?);
        }
        Ok(Self { tasks })
    }

    /// The next place in the order.
    pub(super) fn next_order(&self) -> u32 {
        self.tasks.last().map_or(1, |task| task.record.order + 1)
    }

    pub(super) fn push(&mut self, task: LoadedTask) {
        self.tasks.push(task);
    }

    pub(super) fn by_hash(&mut self, hash: &Digest) -> Option<&mut LoadedTask> {
        self.tasks.iter_mut().find(|task| task.record.task == *hash)
    }

    /// A task by its name or the start of its hash; the latest, if several have the name.
    pub(super) fn named(&mut self, name: &str) -> Option<&mut LoadedTask> {
        let fits = |task: &&mut LoadedTask| {
            task.record.name == name || (name.len() >= 8 && task.record.task.to_hex().starts_with(name))
        };
        self.tasks.iter_mut().rev().find(fits)
    }

    /// The task whose steps are run.
    pub(super) fn current(&self) -> Option<&LoadedTask> {
        self.tasks
            .iter()
            .find(|task| task.record.status == TaskStatus::Running)
    }

    /// What to say of a name that no task has.
    pub(super) fn unknown(&self, name: &str) -> String {
        let mut known: Vec<&str> = Vec::new();
        for record in self.records() {
            if !known.contains(&record.name.as_str()) {
                known.push(&record.name);
            }
        }
        if known.is_empty() {
            return format!(
                "found no task {name}: there is none yet; `veilsum-coordinator task create` offers one"
            );
        }
        format!("found no task {name}, expected one of: {}", known.join(", "))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &LoadedTask> {
        self.tasks.iter()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &TaskRecord> {
        self.tasks.iter().map(|task| &task.record)
    }
}
