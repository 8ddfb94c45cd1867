//! The process that serves: settings, callers, the newest model of each task, and a graceful end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use veilsum_admission::keyfile::{self, KeyFileError};
use veilsum_protocol::ids::Digest;
use veilsum_serving::decisions::Key;
use veilsum_serving::{Callers, DecisionLog, Keys, Server, Serving, Settings};
use zeroize::Zeroizing;

use super::shelf::{Shelf, ShelfError};
use crate::app::{self, AppError};
use crate::train::Runtime;

/// The settings, in the bank's folder; all have defaults.
const SETTINGS_FILE: &str = "serve.toml";

/// The key of the decision log, hex, mode 0600.
const DECISIONS_KEY: &str = "identity/decisions.key";

/// Between two looks whether a round has led to another model.
const LOOK: Duration = Duration::from_secs(1);

/// Why nothing is served any more, or was served at all.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The bank's folder.
    #[error(transparent)]
    Folder(#[from] AppError),
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

/// Serves the models of a bank's folder until SIGTERM or Ctrl-C. `say` tells a person what goes on.
///
/// # Errors
/// [`ServeError`]; what happens to a single model or request ends nothing.
pub fn run(dir: &Path, say: &(dyn Fn(&str) + Sync)) -> Result<(), ServeError> {
    let shelf = Shelf::open(dir)?;
    let settings = settings(dir)?;
    let runtime = app::runtime(shelf.config())?;
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(ServeError::System)?;
    tokio.block_on(serve(dir, shelf, settings, runtime, say))
}

/// What `serve.toml` sets; the defaults where there is none.
fn settings(dir: &Path) -> Result<Settings, ServeError> {
    let path = dir.join(SETTINGS_FILE);
    let wrong = |problem: String| ServeError::Content {
        path: path.clone(),
        problem,
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let mut settings: Settings = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let problems = settings.problems();
    if !problems.is_empty() {
        return Err(wrong(problems.join("; ")));
    }
    // Paths are taken from the file's own folder.
    if let Some(keys) = &mut settings.keys {
        *keys = dir.join(&keys);
    }
    if let Some(decisions) = &mut settings.decisions {
        decisions.folder = dir.join(&decisions.folder);
    }
    Ok(settings)
}

async fn serve(
    dir: &Path,
    shelf: Shelf,
    settings: Settings,
    runtime: Runtime,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(), ServeError> {
    let callers = Callers::new(keys(&settings)?, settings.quota);
    let decisions = decisions(dir, &settings)?;
    let serving = Serving::new(settings, callers, decisions).map_err(|problem| ServeError::Content {
        path: dir.join(SETTINGS_FILE),
        problem,
    })?;
    let server = Server::bind(&serving, None).map_err(ServeError::System)?;
    let rest = server.rest_addr().map_err(ServeError::System)?;
    say(&format!(
        "models are served at http://{rest}/v2 by the Open Inference Protocol v2; the page is http://{rest}/, the description http://{rest}/openapi.json"
    ));
    if let Some(grpc) = server.grpc_addr().map_err(ServeError::System)? {
        say(&format!("and at {grpc} over gRPC"));
    }
    let (stop, mut stopping) = watch::channel(false);
    let shelf = Arc::new(shelf);
    let mut known = Known::default();
    known.look(&shelf, runtime, &serving, say).await?;
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
                known.look(&shelf, runtime, &serving, say).await?;
                continue;
            }
        };
        say("stopping: answers that are under way are finished");
        serving.take(false);
    }
}

/// The models that were looked at.
#[derive(Default)]
struct Known {
    /// The state of each task's model that is served.
    taken: BTreeMap<String, Digest>,
    /// What was said of one that is not, so that it is said once.
    told: BTreeMap<String, String>,
}

impl Known {
    /// Publishes what is new. A model that cannot be served is told; the one before it stays in service.
    async fn look(
        &mut self,
        shelf: &Arc<Shelf>,
        runtime: Runtime,
        serving: &Serving,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<(), ServeError> {
        let reading = Arc::clone(shelf);
        let latest = spawn_blocking(move || reading.latest()).await;
        let latest = latest.map_err(|error| ServeError::System(std::io::Error::other(error)))?;
        let latest = match latest {
            Ok(latest) => latest,
            // The daemon replaces its files while it runs: the next look finds them.
            Err(problem) => {
                self.tell("", problem.to_string(), say);
                return Ok(());
            }
        };
        for found in latest {
            let name = found.task.name.clone();
            if self.taken.get(&name) == Some(&found.state) {
                continue;
            }
            let (state, version) = (found.state, found.version());
            let making = Arc::clone(shelf);
            let made = spawn_blocking(move || making.model(&found, runtime)).await;
            let made = made.map_err(|error| ServeError::System(std::io::Error::other(error)))?;
            let published = made
                .map_err(|problem| problem.to_string())
                .and_then(|model| serving.registry().publish(Arc::new(model)).map_err(|no| no.words));
            match published {
                Ok(()) => {
                    say(&format!("model {name}: version {version} is in service"));
                    self.taken.insert(name, state);
                }
                Err(problem) => self.tell(&name, problem, say),
            }
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

fn keys(settings: &Settings) -> Result<Option<Keys>, ServeError> {
    let Some(path) = &settings.keys else {
        return Ok(None);
    };
    let wrong = |problem: String| ServeError::Content {
        path: path.clone(),
        problem,
    };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Keys::read(&text).map(Some).map_err(wrong)
}

/// The decision log under a key of the bank's own, which is made if there is none.
fn decisions(dir: &Path, settings: &Settings) -> Result<Option<DecisionLog>, ServeError> {
    let Some(wanted) = &settings.decisions else {
        return Ok(None);
    };
    let path = dir.join(DECISIONS_KEY);
    if !path.exists() {
        let mut bytes = Zeroizing::new([0; 32]);
        let random = SystemRandom::new().fill(bytes.as_mut());
        random.map_err(|_| {
            ServeError::System(std::io::Error::other("the operating system gave no randomness"))
        })?;
        let text = Zeroizing::new(hex::encode(*bytes) + "\n");
        keyfile::write_private(&path, text.as_bytes())?;
    }
    let text = keyfile::read_private(&path)?;
    let bytes = std::str::from_utf8(&text).ok().and_then(|text| {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut())
            .ok()
            .map(|()| bytes)
    });
    let bytes = bytes.ok_or_else(|| ServeError::Content {
        path: path.clone(),
        problem: "found no 32 bytes in hex, expected the key of the decision log; without it what was written cannot be read. Put it back, or move the log and this file away to begin another".to_owned(),
    })?;
    DecisionLog::open(wanted, Key::new(&bytes))
        .map(Some)
        .map_err(ServeError::System)
}
