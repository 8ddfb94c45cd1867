//! The process that serves: settings, callers, the newest model of each task, and a graceful end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use veilsum_admission::keyfile::KeyFileError;
use veilsum_protocol::ids::Digest;
use veilsum_serving::{Callers, DecisionLog, Server, Serving, Settings};

use super::certificates::Certificates;
use super::decision_key;
use super::grounds::AllGrounds;
use super::kept::{KEPT, Kept};
use super::key_file::KeyFile;
use super::shelf::{Found, Shelf, ShelfError};
use super::steering::{Steering, order};
use crate::app::{self, AppError};
use crate::train::Runtime;

/// Between two looks whether a round has led to another model.
const LOOK: Duration = Duration::from_secs(1);

/// Under this name is told what is wrong with the file of settings.
const STEERING: &str = "serve.toml";
/// Likewise of the file of keys.
const KEYS: &str = "keys";
/// Likewise of the files for TLS.
const CERTIFICATES: &str = "tls";

/// Why nothing is served any more, or was served at all.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The bank's folder.
    #[error(transparent)]
    Folder(Box<AppError>),
    /// Its models.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// A private file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A file of settings or of callers' keys.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The addresses, or the decision log.
    #[error("{0}")]
    System(std::io::Error),
}

impl From<AppError> for ServeError {
    fn from(error: AppError) -> Self {
        Self::Folder(Box::new(error))
    }
}

/// Serves the models of a bank's folder until SIGTERM or Ctrl-C. `say` tells a person what goes on.
///
/// # Errors
/// [`ServeError`]; what happens to a single model or request ends nothing.
pub fn run(dir: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<(), ServeError> {
    let shelf = Shelf::open(dir)?;
    let (steering, settings) = Steering::read(dir)?;
    let runtime = app::runtime(shelf.config())?;
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServeError::System)?;
    tokio.block_on(serve(dir, shelf, (steering, settings), runtime, say))
}

async fn serve(
    dir: &Path,
    shelf: Shelf,
    (mut steering, settings): (Steering, Settings),
    runtime: Runtime,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(), ServeError> {
    let (key_file, keys) = KeyFile::read(&settings)?;
    let source = app::source(shelf.config(), runtime)?;
    let grounds = Arc::new(AllGrounds::new(source, settings.explaining.background));
    let callers = Callers::new(keys, settings.quota);
    let decisions = decisions(dir, &settings)?;
    let serving = Serving::new(settings, callers, decisions).map_err(|problem| ServeError::Content {
        path: steering.path().to_owned(),
        problem,
    })?;
    let (certificates, tls) = serving
        .settings()
        .tls
        .clone()
        .map(Certificates::read)
        .transpose()?
        .unzip();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = Server::bind(&serving, tls).map_err(ServeError::System)?;
    let rest = server.rest_addr().map_err(ServeError::System)?;
    say(&format!(
        "models are served at {scheme}://{rest}/v2 by the Open Inference Protocol v2; the page is {scheme}://{rest}/, the description {scheme}://{rest}/openapi.json"
    ));
    if let Some(grpc) = server.grpc_addr().map_err(ServeError::System)? {
        say(&format!("and at {grpc} over gRPC"));
    }
    let (stop, mut stopping) = watch::channel(false);
    let mut known = Known {
        shelf: Arc::new(shelf),
        kept: Arc::new(Kept::of(dir)),
        key_file,
        certificates,
        grounds,
        runtime,
        taken: BTreeMap::new(),
        told: BTreeMap::new(),
    };
    known.look(&serving, &mut steering, say).await?;
    serving.take(true);
    if known.taken.is_empty() {
        say("there is no model yet: the first comes when the statistics round of an approved task is done");
    }
    let mut served = std::pin::pin!(server.serve(async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    }));
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::System)?;
    loop {
        tokio::select! {
            ended = &mut served => return ended.map_err(ServeError::System),
            _ = terminate.recv() => stop.send_replace(true),
            ended = tokio::signal::ctrl_c() => {
                ended.map_err(ServeError::System)?;
                stop.send_replace(true)
            }
            () = sleep(LOOK), if !*stop.borrow() => {
                known.look(&serving, &mut steering, say).await?;
                continue;
            }
        };
        say("stopping: answers that are under way are finished");
        serving.take(false);
    }
}

/// The models that were looked at.
struct Known {
    shelf: Arc<Shelf>,
    kept: Arc<Kept>,
    key_file: Option<KeyFile>,
    certificates: Option<Certificates>,
    grounds: Arc<AllGrounds>,
    runtime: Runtime,
    /// The state of each task's model that is served, by the task's name.
    taken: BTreeMap<String, Digest>,
    /// What was said of one that is not, so that it is said once.
    told: BTreeMap<String, String>,
}

impl Known {
    /// Publishes what is new, and lets those versions answer that are wanted. A model that cannot be served is told; the one before it stays in service.
    async fn look(
        &mut self,
        serving: &Serving,
        steering: &mut Steering,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<(), ServeError> {
        let shelf = Arc::clone(&self.shelf);
        match beside(move || shelf.latest()).await? {
            Ok(latest) => {
                for found in latest {
                    if self.taken.get(&found.task.name) != Some(&found.state) {
                        self.take(found, serving, say).await?;
                    }
                }
            }
            // The daemon replaces its files while it runs: the next look finds them.
            Err(problem) => self.tell("", problem.to_string(), say),
        }
        let keys = self.key_file.as_mut().map(|file| file.again(serving.callers()));
        match keys {
            None | Some(Ok(())) => drop(self.told.remove(KEYS)),
            Some(Err(problem)) => self.tell(KEYS, problem, say),
        }
        match self.certificates.as_mut().map(Certificates::again) {
            None | Some(Ok(())) => drop(self.told.remove(CERTIFICATES)),
            Some(Err(problem)) => self.tell(CERTIFICATES, problem, say),
        }
        let again = steering.again();
        if let Some(certificates) = &self.certificates {
            certificates.let_in(steering.tls());
        }
        match again.and_then(|()| steering.apply(serving.registry())) {
            Ok(()) => drop(self.told.remove(STEERING)),
            Err(problem) => self.tell(STEERING, problem, say),
        }
        Ok(())
    }

    async fn take(
        &mut self,
        found: Found,
        serving: &Serving,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<(), ServeError> {
        let (name, version, state) = (found.task.name.clone(), found.version(), found.state);
        let (shelf, kept, runtime) = (Arc::clone(&self.shelf), Arc::clone(&self.kept), self.runtime);
        let grounds = Arc::clone(&self.grounds);
        let is_first = !self.taken.contains_key(&name);
        let made = beside(move || {
            let mut earlier = Vec::new();
            for version in kept.versions(&found.task).unwrap_or_default() {
                // One that cannot be served any more is none to go back to.
                let model = (is_first && version != found.version())
                    .then(|| shelf.kept(&kept, &found.task, &version, runtime))
                    .and_then(Result::ok)
                    .flatten();
                earlier.extend(model.map(|(model, state)| model.explained(grounds.why(&found.task, &state))));
            }
            let (model, state) = shelf.model(&found, runtime)?;
            kept.keep(&found, &state)?;
            Ok::<_, ShelfError>((earlier, model.explained(grounds.why(&found.task, &state))))
        });
        let published = made
            .await?
            .map_err(|problem| problem.to_string())
            .and_then(|(earlier, model)| {
                let registry = serving.registry();
                for model in earlier {
                    registry.add(Arc::new(model)).map_err(|no| no.words)?;
                }
                registry.publish(Arc::new(model)).map_err(|no| no.words)
            });
        match published {
            Ok(()) => {
                say(&format!("model {name}: version {version} is in service"));
                forget(serving, &name);
                self.taken.insert(name, state);
            }
            Err(problem) => self.tell(&name, problem, say),
        }
        Ok(())
    }

    fn tell(&mut self, name: &str, problem: String, say: &(dyn Fn(&str) + Sync)) {
        if self.told.get(name) != Some(&problem) {
            say(&problem);
            self.told.insert(name.to_owned(), problem);
        }
    }
}

/// Takes the oldest versions out that nobody wants.
fn forget(serving: &Serving, name: &str) {
    let standings = serving.registry().standings();
    let Some(standing) = standings.iter().find(|standing| standing.name == name) else {
        return;
    };
    let mut versions: Vec<&str> = standing.cards.iter().map(|card| card.version.as_str()).collect();
    versions.sort_by_key(|version| order(version));
    for old in versions.iter().rev().skip(KEPT) {
        // One that is pinned, shadows or has a share stays.
        let _ = serving.registry().remove(name, old);
    }
}

/// Runs on a thread that may wait for disk and libtorch.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServeError> {
    let worked = spawn_blocking(work).await;
    worked.map_err(|error| ServeError::System(std::io::Error::other(error)))
}

/// The decision log under a key of the bank's own, which is made if there is none.
fn decisions(dir: &Path, settings: &Settings) -> Result<Option<DecisionLog>, ServeError> {
    let Some(wanted) = &settings.decisions else {
        return Ok(None);
    };
    decision_key::make(dir)?;
    DecisionLog::open(wanted, decision_key::read(dir)?)
        .map(Some)
        .map_err(ServeError::System)
}
