//! Which models there are, and whether they may be served.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;

use super::ServedModel;
use super::kept::Kept;
use crate::app::{self, AppError};
use crate::config::Config;
use crate::data::DataError;
use crate::participant::{FileError, Home, StateError, TasksError};
use crate::scoring::{Provenance, ProvenanceError, Scorer, ScorerError};
use crate::train::Runtime;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// Configuration or consortium file.
    #[error(transparent)]
    Folder(Box<AppError>),
    /// The daemon's files.
    #[error(transparent)]
    File(#[from] FileError),
    /// The tasks' texts.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// A state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The bank's policy.
    #[error(transparent)]
    Policy(Box<DataError>),
    /// The daemon has not run here yet.
    #[error(
        "{folder}: there is no state of a daemon here yet; run `veilsum-client run` with this folder, and models come with the rounds"
    )]
    NoState {
        /// Where the state would be.
        folder: String,
    },
    /// The log does not prove the model.
    #[error(
        "the model of task {task} is not served, explained or exported: {error}. To use models that the log does not prove, say why in policy.toml: [serving] with unproven_models = \"the reason\""
    )]
    Unproven {
        /// The task's name.
        task: String,
        /// What is missing or wrong.
        error: Arc<ProvenanceError>,
    },
    /// The model cannot score.
    #[error("the model of task {task} cannot be served: {error}")]
    Scorer {
        /// The task's name.
        task: String,
        /// Why.
        error: Box<ScorerError>,
    },
}

impl From<AppError> for ShelfError {
    fn from(error: AppError) -> Self {
        Self::Folder(Box::new(error))
    }
}

impl From<DataError> for ShelfError {
    fn from(error: DataError) -> Self {
        Self::Policy(Box::new(error))
    }
}

impl ShelfError {
    fn of_scorer(task: &Task, error: ScorerError) -> Self {
        Self::Scorer {
            task: task.name.clone(),
            error: Box::new(error),
        }
    }
}

/// The latest state of a task.
#[derive(Debug)]
pub struct Found {
    /// The task.
    pub task: Task,
    /// Steps of it that are done.
    pub step: u32,
    /// Hash of the state.
    pub state: Digest,
    /// What the log proves of it.
    pub proven: Result<Provenance, Arc<ProvenanceError>>,
}

/// A model in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Name of the task, by which the model is asked for.
    pub name: String,
    /// Hash of the task, hex.
    pub task_sha256: String,
    /// Steps that are done.
    pub step: u32,
    /// Hash of the state that holds the model, hex.
    pub state_sha256: String,
    /// Its place in the log.
    pub proven: Option<Provenance>,
    /// Why it is not proven.
    pub problem: Option<String>,
}

/// A bank's models, as its daemon keeps them.
pub struct Shelf {
    config: Config,
    /// What proves a state stays true; what has no proof yet is looked for each time.
    proven: Mutex<BTreeMap<Digest, Provenance>>,
}

impl Shelf {
    /// Of the bank's folder.
    ///
    /// # Errors
    /// What in it cannot be used.
    pub fn open(dir: &Path) -> Result<Self, ShelfError> {
        let config = app::config(dir)?;
        if !config.state.is_dir() {
            return Err(ShelfError::NoState {
                folder: config.state.display().to_string(),
            });
        }
        app::consortium(&config)?;
        Ok(Self {
            config,
            proven: Mutex::default(),
        })
    }

    /// The bank's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The latest state of each task that has one, in the order of their names; of tasks of one name the one that was proven last. What is proven is
    /// proven by the roster that is in force now.
    ///
    /// # Errors
    /// If the daemon's files cannot be read.
    pub fn latest(&self) -> Result<Vec<Found>, ShelfError> {
        let (tasks, states) = (
            Home::tasks(&self.config.state)?,
            Home::states(&self.config.state)?,
        );
        let mut before = std::mem::take(&mut *self.proven.lock().unwrap_or_else(PoisonError::into_inner));
        let (mut all, mut known): (Vec<Found>, _) = (Vec::new(), BTreeMap::new());
        for task in tasks.offered()? {
            let Some((step, state)) = states.latest(&task.hash())? else {
                continue;
            };
            let proven = match before.remove(&state) {
                Some(proof) => Ok(proof),
                None => self.proof(&Home::receipts(&self.config.state), &state)?,
            };
            if let Ok(proof) = &proven {
                known.insert(state, proof.clone());
            }
            let found = Found {
                task,
                step,
                state,
                proven,
            };
            let round = |found: &Found| found.proven.as_ref().ok().map(|proven| proven.round);
            match all.iter_mut().find(|other| other.task.name == found.task.name) {
                Some(other) if round(other) < round(&found) => *other = found,
                Some(_) => {}
                None => all.push(found),
            }
        }
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(all)
    }

    /// What proves a state, by the receipts in this folder. The daemon replaces the roster while this runs, so its file is read anew.
    fn proof(
        &self,
        receipts: &Path,
        state: &Digest,
    ) -> Result<Result<Provenance, Arc<ProvenanceError>>, ShelfError> {
        let (consortium, roster) = app::consortium(&self.config)?;
        Ok(Provenance::find(receipts, state, &consortium, &roster).map_err(Arc::new))
    }

    /// The latest state of the task with this name, or whose hash begins so; another task of its name may be in service.
    ///
    /// # Errors
    /// If there is none or several, or the daemon's files cannot be read.
    pub fn find(&self, wanted: &str) -> Result<Option<Found>, ShelfError> {
        let task = Home::tasks(&self.config.state)?.find(wanted)?;
        let Some((step, state)) = Home::states(&self.config.state)?.latest(&task.hash())? else {
            return Ok(None);
        };
        let proven = self.proof(&Home::receipts(&self.config.state), &state)?;
        Ok(Some(Found {
            task,
            step,
            state,
            proven,
        }))
    }

    /// A model that can be asked, if the log proves it or the bank's policy takes it without, with the state that holds it.
    ///
    /// # Errors
    /// [`ShelfError::Unproven`], or what keeps it from scoring.
    pub fn model(&self, found: &Found, runtime: Runtime) -> Result<(ServedModel, TaskState), ShelfError> {
        let (scorer, state) = self.scorer(found, runtime)?;
        Ok((served(found, scorer)?, state))
    }

    /// The same as a scorer.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub fn scorer(&self, found: &Found, runtime: Runtime) -> Result<(Scorer, TaskState), ShelfError> {
        let state = Home::states(&self.config.state)?.load(&found.task.hash(), found.step, &found.state)?;
        Ok((self.of_state(found, &state, runtime)?, state))
    }

    /// A version that was in service before: the same checks, with what is kept of it.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub(super) fn kept(
        &self,
        kept: &Kept,
        task: &Task,
        version: &str,
        runtime: Runtime,
    ) -> Result<Option<(ServedModel, TaskState)>, ShelfError> {
        let Some((found, state)) = self.found_in(kept, task, version)? else {
            return Ok(None);
        };
        let scorer = self.of_state(&found, &state, runtime)?;
        Ok(Some((served(&found, scorer)?, state)))
    }

    /// A version of a task's model, with the state that holds it: the latest, or one of those that `serve` keeps in the bank's folder `dir`. `None` if it is
    /// none of them.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub fn version(
        &self,
        dir: &Path,
        latest: &Found,
        version: &str,
        runtime: Runtime,
    ) -> Result<Option<(Scorer, TaskState)>, ShelfError> {
        if latest.version() == version {
            return self.scorer(latest, runtime).map(Some);
        }
        if !self
            .kept_versions(dir, &latest.task)?
            .iter()
            .any(|other| other == version)
        {
            return Ok(None);
        }
        let found = self.kept_scorer(dir, &latest.task, version, runtime)?;
        Ok(found.map(|(_, scorer, state)| (scorer, state)))
    }

    /// The versions of a task that were in service, the oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn kept_versions(&self, dir: &Path, task: &Task) -> Result<Vec<String>, ShelfError> {
        Ok(Kept::of(dir).versions(task)?)
    }

    /// One of these versions as a scorer, with the checks of [`model`](Self::model) and the state that holds it; `dir` is the bank's folder.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub fn kept_scorer(
        &self,
        dir: &Path,
        task: &Task,
        version: &str,
        runtime: Runtime,
    ) -> Result<Option<(Found, Scorer, TaskState)>, ShelfError> {
        let Some((found, state)) = self.found_in(&Kept::of(dir), task, version)? else {
            return Ok(None);
        };
        let scorer = self.of_state(&found, &state, runtime)?;
        Ok(Some((found, scorer, state)))
    }

    /// Why the bank takes models that the log does not prove, if its policy says so.
    ///
    /// # Errors
    /// If the policy cannot be read.
    pub fn unproven_reason(&self) -> Result<Option<String>, ShelfError> {
        let rules = app::policy(&self.config).rules()?;
        Ok(rules.policy().unproven_models.clone())
    }

    fn found_in(
        &self,
        kept: &Kept,
        task: &Task,
        version: &str,
    ) -> Result<Option<(Found, TaskState)>, ShelfError> {
        let Some((state, hash, place)) = kept.load(task, version)? else {
            return Ok(None);
        };
        let proven = self.proof(&place, &hash)?;
        let found = Found {
            task: task.clone(),
            step: state.step,
            state: hash,
            proven,
        };
        // Under the round of its own proof alone.
        Ok((found.version() == version).then_some((found, state)))
    }

    fn of_state(&self, found: &Found, state: &TaskState, runtime: Runtime) -> Result<Scorer, ShelfError> {
        let rules = app::policy(&self.config).rules()?;
        if let (Err(error), None) = (&found.proven, &rules.policy().unproven_models) {
            return Err(ShelfError::Unproven {
                task: found.task.name.clone(),
                error: Arc::clone(error),
            });
        }
        let personal = Home::personal(&self.config.state, &found.task, state);
        let personal = personal.as_ref().map(|values| values.as_slice());
        let scorer = Scorer::new(&found.task, state, personal, rules, runtime);
        scorer.map_err(|error| ShelfError::of_scorer(&found.task, error))
    }
}

fn served(found: &Found, scorer: Scorer) -> Result<ServedModel, ShelfError> {
    let model = ServedModel::new(&found.task, found.version(), found.proven.as_ref().ok(), scorer);
    model
        .warm_up()
        .map_err(|error| ShelfError::of_scorer(&found.task, error))?;
    Ok(model)
}

impl Found {
    /// The version by which the model is asked for: the round that led to it, or the step where no round is proven.
    pub fn version(&self) -> String {
        match &self.proven {
            Ok(proven) => proven.round.to_string(),
            Err(_) => format!("step-{}", self.step),
        }
    }

    /// For a list.
    pub fn listed(&self) -> Listed {
        Listed {
            name: self.task.name.clone(),
            task_sha256: self.task.hash().to_hex(),
            step: self.step,
            state_sha256: self.state.to_hex(),
            proven: self.proven.as_ref().ok().cloned(),
            problem: self.proven.as_ref().err().map(ToString::to_string),
        }
    }
}
