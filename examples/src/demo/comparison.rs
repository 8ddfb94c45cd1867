//! What the federated model is compared with, and its own way round by round.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use veilsum_client::data::{Dataset, HoldOut};
use veilsum_client::enrol::init::read_hold_out_salt;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{Target, Vocabularies};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::task::{LabelKind, Task};
use veilsum_protocol::wire::canonical::Canonical as _;

use super::DemoError;
use super::consortium::Member;
use super::history::RoundEnd;
use super::known::found;
use super::show::Options;
use super::trial::{Plan, TestFold, Trial, each_for_itself, pooled, read_rows};
use super::verdict::Played;
use crate::example::Rival;
use crate::files::TableFiles;
use crate::score::{Score, judge};

/// How often the unmasked federation is trained, each time with another order of the rows.
pub(super) const UNMASKED_RUNS: u64 = 3;

/// Models that were trained in this process.
#[derive(Default)]
pub(super) struct Trials {
    pub(super) alone: Vec<Trial>,
    /// None where nothing is compared.
    pub(super) pooled: Option<Trial>,
    pub(super) unmasked: Vec<Trial>,
    /// Of other tasks on the same rows, with their names.
    pub(super) rivals: Vec<(&'static str, Trial)>,
}

/// Every bank's table as a task reads it, with the very rows held out that the bank's daemon holds out where the split is the same.
pub(super) fn bank_tables(
    played: &Played<'_>,
    task: &Task,
    found: Option<&Vocabularies>,
) -> Result<Vec<Dataset>, DemoError> {
    let read = |bank: &Member| -> Result<Dataset, DemoError> {
        let folder = played.consortium.bank_folder(&bank.name);
        let salt = read_hold_out_salt(&folder.join("identity/hold-out.salt")).map_err(DemoError::trial)?;
        let (rows, labels) = bank.files_in(&folder);
        let hold_out = HoldOut::of(salt, &task.evaluation.split);
        read_rows(task, &TableFiles { rows, labels }, &hold_out, found)
    };
    played.supply.banks.iter().map(read).collect()
}

/// Another task on the same rows, as it is compared with.
struct OtherTask {
    name: &'static str,
    task: Task,
    banks: Vec<Dataset>,
    test: TestFold,
}

fn other_tasks(played: &Played<'_>) -> Result<Vec<OtherTask>, DemoError> {
    let mut others = Vec::new();
    for rival in &played.supply.rivals {
        let Rival::Task { name, task, origin } = rival else {
            continue;
        };
        let task = Task::parse(task).map_err(|error| DemoError::content(Path::new(origin), error))?;
        let unread = bank_tables(played, &task, None)?;
        let found = found(&task, &unread)?;
        let banks = match &found {
            None => unread,
            Some(found) => bank_tables(played, &task, Some(found))?,
        };
        others.push(OtherTask {
            name,
            banks,
            test: TestFold::read(&task, &played.supply.test, found.as_ref())?,
            task,
        });
    }
    Ok(others)
}

/// What the rules without a model are worth, with their names.
pub(super) fn rules(played: &Played<'_>, labels: &[f64]) -> Result<Vec<(&'static str, Score)>, DemoError> {
    let LabelKind::Number(scale) = &played.supply.task.schema.label_kind else {
        return Ok(Vec::new());
    };
    let unit = |value: &f64| {
        scale
            .scale
            .unit(value.clamp(scale.min, scale.max), scale.min, scale.max)
    };
    let mut scores = Vec::new();
    for rival in &played.supply.rivals {
        if let Rival::Rule { name, predictions } = rival {
            let predictions: Vec<f64> = predictions.iter().map(unit).collect();
            let score = judge(Target::Number, &predictions, labels).map_err(DemoError::trial)?;
            scores.push((*name, score));
        }
    }
    Ok(scores)
}

type Job<'a> = Box<dyn FnOnce() -> Result<Trial, DemoError> + Send + 'a>;

/// The longest first, as many at once as there are cores.
pub(super) fn train_trials(
    played: &Played<'_>,
    banks: &[Dataset],
    test: &TestFold,
    options: &Options,
) -> Result<Trials, DemoError> {
    if options.federated_only {
        return Ok(Trials::default());
    }
    let plan = Plan {
        task: &played.supply.task,
        test,
        seed: options.seed,
        runtime: played.runtime,
        told: &|_, _| (),
    };
    let all: Vec<&Dataset> = banks.iter().collect();
    let together = &all;
    let others = other_tasks(played)?;
    let mut jobs: Vec<Job<'_>> = vec![Box::new(move || pooled(plan, together))];
    for other in &others {
        let plan = Plan {
            task: &other.task,
            test: &other.test,
            ..plan
        };
        jobs.push(Box::new(move || {
            pooled(plan, &other.banks.iter().collect::<Vec<_>>())
        }));
    }
    let unmasked = if options.compare_unmasked {
        UNMASKED_RUNS
    } else {
        0
    };
    for run in 0..unmasked {
        let plan = Plan {
            seed: plan.seed + run,
            ..plan
        };
        jobs.push(Box::new(move || each_for_itself(plan, together)));
    }
    for bank in banks {
        jobs.push(Box::new(move || each_for_itself(plan, &[bank])));
    }
    let mut trials = in_parallel(jobs)?.into_iter();
    let pooled = trials.next();
    let rivals = others
        .iter()
        .map(|other| other.name)
        .zip(trials.by_ref())
        .collect();
    let unmasked = trials
        .by_ref()
        .take(usize::try_from(unmasked).unwrap_or(0))
        .collect();
    Ok(Trials {
        alone: trials.collect(),
        pooled,
        unmasked,
        rivals,
    })
}

const POISONED: &str = "a thread that trains has panicked";

/// What the jobs give, in their order.
fn in_parallel(jobs: Vec<Job<'_>>) -> Result<Vec<Trial>, DemoError> {
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().map_or(None, |mut queue| queue.next());
                    let Some((place, job)) = next else { return };
                    let trial = job();
                    if let Ok(mut done) = done.lock() {
                        done.push((place, trial));
                    }
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .map_err(|_| DemoError::Trial(POISONED.to_owned()))?;
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, trial)| trial).collect()
}

/// Each round's number with the score of the model that it made, from the coordinator's archive. None of a task whose banks keep parameters
/// to themselves: what is archived is no model that could be used.
pub(super) fn federated_curve(played: &Played<'_>, test: &TestFold) -> Result<Vec<(u64, Score)>, DemoError> {
    let task = &played.supply.task;
    let mut curve = Vec::new();
    if !task.shared().is_all() {
        return Ok(curve);
    }
    // What is known of the columns does not change in training.
    let data = test.encoded(task, &played.known)?;
    for story in played
        .history
        .rounds()
        .filter(|story| story.kind == RoundKind::Train)
    {
        let Some(RoundEnd::Published { next_state, .. }) = &story.end else {
            continue;
        };
        let state = archived_state(&played.consortium.archive(), next_state)?;
        curve.push((
            story.round,
            test.judge(task, &data, &state.parameters, played.runtime)?,
        ));
    }
    Ok(curve)
}

/// A state from the coordinator's archive, by its hash.
pub(super) fn archived_state(archive: &Path, hash: &Digest) -> Result<TaskState, DemoError> {
    let name = hash.to_hex();
    let path: PathBuf = archive
        .join("blobs")
        .join(name.get(..2).unwrap_or_default())
        .join(&name);
    let bytes = fs::read(&path).map_err(DemoError::file(&path))?;
    if Digest::of(&bytes) != *hash {
        return Err(DemoError::content(
            &path,
            "found contents with another SHA-256, expected that of the name",
        ));
    }
    TaskState::from_bytes(&bytes).map_err(|error| DemoError::content(&path, error))
}
