//! The daemon's side of the operator's socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use veilsum_protocol::consortium::ConsortiumBank;
use veilsum_protocol::ids::Digest;

use super::{Answer, REQUEST_LIMIT, Request};
use crate::engine::broadcast::Feed;
use crate::engine::driver::Input;
use crate::engine::roster::RosterView;
use crate::engine::status::Status;
use crate::store_copy;

/// The socket's name in the data folder.
pub const SOCKET: &str = "admin.sock";

/// A watcher hears the last status again after so long without another: it sees that the coordinator is still there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Makes an address that lets one browser in to the operator's page, or says why there is none.
pub type Login = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// What answers are made from.
#[derive(Clone)]
pub struct Desk {
    /// The engine's.
    pub inputs: mpsc::Sender<Input>,
    /// Where its status can be watched.
    pub feed: Feed,
    /// Lets a browser in.
    pub login: Login,
    /// The data folder.
    pub data: PathBuf,
}

/// Answers requests until the engine is gone. A socket that a killed daemon left behind is replaced; the store's lock has made sure by
/// then that no other daemon runs here.
///
/// # Errors
/// If the socket cannot be made.
pub fn serve(data: &Path, desk: Desk) -> io::Result<impl Future<Output = ()> + use<>> {
    let path = data.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let desk = desk.clone();
            tokio::spawn(async move {
                if let Err(error) = answer(stream, &desk).await {
                    tracing::debug!("a request of the operator was not answered: {error}");
                }
            });
        }
    })
}

async fn answer(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(REQUEST_LIMIT))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::Watch) => return watch(&mut write, desk).await,
        Ok(request) => handle(request, desk).await.unwrap_or_else(stopping),
        Err(error) => Answer::Refused(format!(
            "the request cannot be read: {error}; use the command line of the same version"
        )),
    };
    say(&mut write, &answer).await?;
    write.shutdown().await
}

async fn say(write: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    write.write_all(&text).await
}

/// Until the watcher or the engine goes. What it does not take in time is left out: it gets the latest.
async fn watch(write: &mut OwnedWriteHalf, desk: &Desk) -> io::Result<()> {
    let mut latest = desk.feed.subscribe();
    let Some(mut status) = ask_status(&desk.inputs).await else {
        return say(write, &stopping()).await;
    };
    // The answer was sent to all who watch as well.
    if let Some(newest) = latest.borrow_and_update().as_deref() {
        status = newest.clone();
    }
    loop {
        say(write, &Answer::Status(Box::new(status.clone()))).await?;
        match timeout(SIGN_OF_LIFE, latest.changed()).await {
            Ok(Err(_)) => return Ok(()),
            Ok(Ok(())) => {
                let newest = latest.borrow_and_update().clone();
                if let Some(newest) = newest {
                    status = Status::clone(&newest);
                }
            }
            Err(_) => match ask_status(&desk.inputs).await {
                Some(newest) => status = newest,
                None => return Ok(()),
            },
        }
    }
}

fn stopping() -> Answer {
    Answer::Refused("the coordinator is stopping".to_owned())
}

/// `None` if the engine is gone.
pub(crate) async fn ask_status(inputs: &mpsc::Sender<Input>) -> Option<Status> {
    ask(inputs, Input::Status).await
}

/// Sends a question with the place for its answer; `None` if the engine is gone.
pub(crate) async fn ask<T>(
    inputs: &mpsc::Sender<Input>,
    question: impl FnOnce(oneshot::Sender<T>) -> Input,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    inputs.send(question(sender)).await.ok()?;
    receiver.await.ok()
}

async fn handle(request: Request, desk: &Desk) -> Option<Answer> {
    let inputs = &desk.inputs;
    Some(match request {
        Request::Status | Request::Watch => Answer::Status(Box::new(ask_status(inputs).await?)),
        Request::CreateTask(text) => task(ask(inputs, |to| Input::CreateTask(text, to)).await?),
        Request::StopTask(name) => task(ask(inputs, |to| Input::StopTask(name, to)).await?),
        Request::PauseTask(name) => task(ask(inputs, |to| Input::PauseTask(name, to)).await?),
        Request::ResumeTask(name) => task(ask(inputs, |to| Input::ResumeTask(name, to)).await?),
        Request::ShowTask(name) => match ask(inputs, |to| Input::ShowTask(name, to)).await? {
            Ok(detail) => Answer::Detail(detail),
            Err(problem) => Answer::Refused(problem),
        },
        Request::Roster => Answer::Roster(Box::new(ask(inputs, Input::Roster).await?)),
        Request::ProposeRoster(add, remove) => {
            let entries: Result<Vec<_>, _> = add.iter().map(ConsortiumBank::entry).collect();
            match entries {
                Ok(add) => roster(ask(inputs, |to| Input::ProposeRoster(add, remove, to)).await?),
                Err(error) => Answer::Refused(error.to_string()),
            }
        }
        Request::WithdrawRoster => roster(ask(inputs, Input::WithdrawRoster).await?),
        Request::Login => match (desk.login)() {
            Ok(link) => Answer::Link(link),
            Err(problem) => Answer::Refused(problem),
        },
        Request::CopyStore => match ask(inputs, Input::View).await? {
            Ok(view) => {
                let data = desk.data.clone();
                let written = spawn_blocking(move || store_copy::write_in(&data, &view))
                    .await
                    .ok()?;
                written.map_or_else(|error| Answer::Refused(error.to_string()), Answer::Copy)
            }
            Err(problem) => Answer::Refused(problem),
        },
        Request::GoOnWithout(names) => match ask(inputs, |to| Input::GoOnWithout(names, to)).await? {
            Ok(waits) => Answer::Waits(waits),
            Err(problem) => Answer::Refused(problem),
        },
    })
}

fn task(said: Result<Digest, String>) -> Answer {
    match said {
        Ok(task) => Answer::Task(task),
        Err(problem) => Answer::Refused(problem),
    }
}

fn roster(said: Result<RosterView, String>) -> Answer {
    match said {
        Ok(view) => Answer::Roster(Box::new(view)),
        Err(problem) => Answer::Refused(problem),
    }
}
