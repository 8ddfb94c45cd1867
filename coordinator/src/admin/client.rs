//! The command line's side of the operator's socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Answer, Request, SOCKET};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("{}: no coordinator answers here ({error}); start it with `veilsum-coordinator run`", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It did not answer.
    #[error("{}: the coordinator did not answer: {problem}", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
}

/// Asks the daemon whose data folder this is.
///
/// # Errors
/// [`AskError::NotRunning`] or [`AskError::NoAnswer`].
pub fn ask(data: &Path, request: &Request) -> Result<Answer, AskError> {
    let path = data.join(SOCKET);
    let stream = UnixStream::connect(&path).map_err(|error| AskError::NotRunning {
        path: path.clone(),
        error,
    })?;
    let talk = || -> io::Result<Answer> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        (&stream).write_all(line.as_bytes())?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    };
    talk().map_err(|error| AskError::NoAnswer {
        path,
        problem: error.to_string(),
    })
}
