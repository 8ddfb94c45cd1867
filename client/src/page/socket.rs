//! Where `veilsum-client page` asks for a link: a Unix socket in the state folder, which only the daemon's user can open. One connection, one line
//! of JSON.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;

/// The socket's name in the state folder.
pub const SOCKET: &str = "page.sock";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer in bytes.
const ANSWER_LIMIT: u64 = 4096;

/// Makes an address that lets one browser in, or says why there is none.
pub type Login = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// What the daemon answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// The address that lets one browser in, once.
    Link(String),
    /// Why there is none.
    Refused(String),
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("{}: no daemon with a page answers here ({error}); start it with `veilsum-client run`, with page.listen set in bank.toml, such as \"127.0.0.1:7481\"", path.display())]
    NotServed {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It did not answer.
    #[error("{}: the daemon gave no link: {problem}", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
}

/// Answers with links until the runtime ends. A socket that a killed daemon left behind is replaced; the folder's lock has made sure by then that
/// no other daemon runs here.
///
/// # Errors
/// If the socket cannot be made.
pub fn serve(state: &Path, link: Login) -> io::Result<impl Future<Output = ()> + use<>> {
    let path = state.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = link().map_or_else(Answer::Refused, Answer::Link);
            let Ok(mut line) = serde_json::to_vec(&answer) else {
                continue;
            };
            line.push(b'\n');
            tokio::spawn(async move {
                if let Err(error) = stream.write_all(&line).await {
                    tracing::debug!(%error, "a link to the bank's page was not given");
                }
            });
        }
    })
}

/// Asks the daemon of a state folder for a link.
///
/// # Errors
/// [`AskError`].
pub fn ask(state: &Path) -> Result<String, AskError> {
    let path = state.join(SOCKET);
    let stream = StdUnixStream::connect(&path).map_err(|error| AskError::NotServed {
        path: path.clone(),
        error,
    })?;
    let no_answer = |problem: String| AskError::NoAnswer {
        path: path.clone(),
        problem,
    };
    let mut line = String::new();
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| BufReader::new(stream.take(ANSWER_LIMIT)).read_line(&mut line))
        .map_err(|error| no_answer(error.to_string()))?;
    match serde_json::from_str(&line) {
        Ok(Answer::Link(link)) => Ok(link),
        Ok(Answer::Refused(problem)) => Err(no_answer(problem)),
        Err(error) => Err(no_answer(format!(
            "its answer cannot be read: {error}; use the command line of the same version"
        ))),
    }
}
