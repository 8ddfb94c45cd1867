//! The daemon's side of the operator's socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use veilsum_protocol::consortium::ConsortiumBank;

use super::{Answer, REQUEST_LIMIT, Request};
use crate::engine::driver::Input;
use crate::engine::roster::RosterView;

/// The socket's name in the data folder.
pub const SOCKET: &str = "admin.sock";

/// Answers requests until the engine is gone. A socket that a killed daemon left behind is replaced; the store's lock has made sure by
/// then that no other daemon runs here.
///
/// # Errors
/// If the socket cannot be made.
pub fn serve(data: &Path, inputs: mpsc::Sender<Input>) -> io::Result<impl Future<Output = ()> + use<>> {
    let path = data.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let inputs = inputs.clone();
            tokio::spawn(async move {
                if let Err(error) = answer(stream, inputs).await {
                    tracing::debug!("a request of the operator was not answered: {error}");
                }
            });
        }
    })
}

async fn answer(stream: UnixStream, inputs: mpsc::Sender<Input>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(REQUEST_LIMIT))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => handle(request, &inputs).await,
        Err(error) => Answer::Refused(format!(
            "the request cannot be read: {error}; use the command line of the same version"
        )),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    write.write_all(&text).await?;
    write.shutdown().await
}

async fn handle(request: Request, inputs: &mpsc::Sender<Input>) -> Answer {
    let stopping = || Answer::Refused("the coordinator is stopping".to_owned());
    match request {
        Request::Status => {
            let (sender, receiver) = oneshot::channel();
            let sent = inputs.send(Input::Status(sender)).await;
            match (sent, receiver.await) {
                (Ok(()), Ok(status)) => Answer::Status(Box::new(status)),
                _ => stopping(),
            }
        }
        Request::Roster => {
            let (sender, receiver) = oneshot::channel();
            let sent = inputs.send(Input::Roster(sender)).await;
            match (sent, receiver.await) {
                (Ok(()), Ok(view)) => Answer::Roster(Box::new(view)),
                _ => stopping(),
            }
        }
        Request::ProposeRoster(add, remove) => {
            let entries: Result<Vec<_>, _> = add.iter().map(ConsortiumBank::entry).collect();
            let add = match entries {
                Ok(add) => add,
                Err(error) => return Answer::Refused(error.to_string()),
            };
            let (sender, receiver) = oneshot::channel();
            let sent = inputs.send(Input::ProposeRoster(add, remove, sender)).await;
            roster_answer(sent.is_ok(), receiver)
                .await
                .unwrap_or_else(stopping)
        }
        Request::WithdrawRoster => {
            let (sender, receiver) = oneshot::channel();
            let sent = inputs.send(Input::WithdrawRoster(sender)).await;
            roster_answer(sent.is_ok(), receiver)
                .await
                .unwrap_or_else(stopping)
        }
        Request::CreateTask(text) => {
            let (sender, receiver) = oneshot::channel();
            let sent = inputs.send(Input::CreateTask(text, sender)).await;
            task_answer(sent.is_ok(), receiver).await.unwrap_or_else(stopping)
        }
        Request::StopTask(name) => {
            let (sender, receiver) = oneshot::channel();
            let sent = inputs.send(Input::StopTask(name, sender)).await;
            task_answer(sent.is_ok(), receiver).await.unwrap_or_else(stopping)
        }
    }
}

async fn roster_answer(
    sent: bool,
    receiver: oneshot::Receiver<Result<RosterView, String>>,
) -> Option<Answer> {
    if !sent {
        return None;
    }
    Some(match receiver.await.ok()? {
        Ok(view) => Answer::Roster(Box::new(view)),
        Err(problem) => Answer::Refused(problem),
    })
}

async fn task_answer(
    sent: bool,
    receiver: oneshot::Receiver<Result<veilsum_protocol::ids::Digest, String>>,
) -> Option<Answer> {
    if !sent {
        return None;
    }
    Some(match receiver.await.ok()? {
        Ok(task) => Answer::Task(task),
        Err(problem) => Answer::Refused(problem),
    })
}
