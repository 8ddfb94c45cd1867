//! What the federated model is compared with, and its own way round by round.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use veilsum_client::data::{Dataset, HoldOut};
use veilsum_client::desensitise::Rules;
use veilsum_client::enrol::init::read_hold_out_salt;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::wire::canonical::Canonical as _;

use super::DemoError;
use super::history::RoundEnd;
use super::show::Options;
use super::trial::{TestFold, Trial, each_for_itself, pooled};
use super::verdict::Played;
use crate::score::Score;

/// How often the unmasked federation is trained, each time with another order of the rows.
pub(super) const UNMASKED_RUNS: u64 = 3;

/// Models that were trained in this process.
pub(super) struct Trials {
    pub(super) alone: Vec<Trial>,
    pub(super) pooled: Trial,
    pub(super) unmasked: Vec<Trial>,
}

/// Every bank's table, with the very rows held out that its daemon holds out.
pub(super) fn bank_tables(played: &Played<'_>) -> Result<Vec<Dataset>, DemoError> {
    let task = &played.supply.task;
    let read = |name: &str| -> Result<Dataset, DemoError> {
        let folder = played.consortium.bank_folder(name);
        let salt = read_hold_out_salt(&folder.join("identity/hold-out.salt")).map_err(DemoError::trial)?;
        let hold_out = HoldOut::of(salt, &task.evaluation.split);
        Dataset::read(&folder.join("data.csv"), &task.schema, &hold_out, &Rules::none())
            .map_err(DemoError::trial)
    };
    played.supply.banks.iter().map(|bank| read(&bank.name)).collect()
}

type Job<'a> = Box<dyn FnOnce() -> Result<Trial, DemoError> + Send + 'a>;

/// The longest first, as many at once as there are cores.
pub(super) fn train_trials(
    played: &Played<'_>,
    banks: &[Dataset],
    test: &TestFold,
    options: &Options,
) -> Result<Trials, DemoError> {
    let (task, runtime, seed) = (&played.supply.task, played.runtime, options.seed);
    let all: Vec<&Dataset> = banks.iter().collect();
    let together = &all;
    let mut jobs: Vec<Job<'_>> = vec![Box::new(move || pooled(task, together, test, seed, runtime))];
    let unmasked = if options.compare_unmasked {
        UNMASKED_RUNS
    } else {
        0
    };
    for run in 0..unmasked {
        jobs.push(Box::new(move || {
            each_for_itself(task, together, test, seed + run, runtime)
        }));
    }
    for bank in banks {
        jobs.push(Box::new(move || {
            each_for_itself(task, &[bank], test, seed, runtime)
        }));
    }
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let poisoned = "a thread that trains has panicked";
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
        .map_err(|_| DemoError::Trial(poisoned.to_owned()))?;
    done.sort_by_key(|(place, _)| *place);
    let mut trials = done
        .into_iter()
        .map(|(_, trial)| trial)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    let missing = || DemoError::Trial(poisoned.to_owned());
    let pooled = trials.next().ok_or_else(missing)?;
    let unmasked = trials
        .by_ref()
        .take(usize::try_from(unmasked).unwrap_or(0))
        .collect();
    Ok(Trials {
        alone: trials.collect(),
        pooled,
        unmasked,
    })
}

/// Each round's number with the score of the model that it made, from the coordinator's archive.
pub(super) fn federated_curve(played: &Played<'_>, test: &TestFold) -> Result<Vec<(u64, Score)>, DemoError> {
    let task = &played.supply.task;
    let mut curve = Vec::new();
    for story in played
        .history
        .rounds()
        .filter(|story| story.kind == RoundKind::Train)
    {
        let Some(RoundEnd::Published { next_state, .. }) = &story.end else {
            continue;
        };
        let state = archived_state(&played.consortium.archive(), next_state)?;
        let Some(moments) = &state.moments else { continue };
        curve.push((
            story.round,
            test.judge(task, moments, &state.parameters, played.runtime)?,
        ));
    }
    Ok(curve)
}

fn archived_state(archive: &Path, hash: &Digest) -> Result<TaskState, DemoError> {
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
