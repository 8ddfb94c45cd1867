//! The command line's side of the operator's socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Answer, Request, SOCKET};
use crate::engine::status::Status;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take where all of the store is copied first.
const LONG: Duration = Duration::from_secs(3600);

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
    ask_within(data, request, PATIENCE)
}

/// The same where an answer takes as long as all of the store takes to be read.
///
/// # Errors
/// As [`ask`].
pub fn ask_patiently(data: &Path, request: &Request) -> Result<Answer, AskError> {
    ask_within(data, request, LONG)
}

fn ask_within(data: &Path, request: &Request, patience: Duration) -> Result<Answer, AskError> {
    let path = data.join(SOCKET);
    let mut lines = send(&path, request, patience)?;
    let answer = lines.read();
    answer.map_err(|error| no_answer(path, error.to_string()))
}

/// Watches the daemon whose data folder this is.
///
/// # Errors
/// [`AskError::NotRunning`] or [`AskError::NoAnswer`].
pub fn watch(data: &Path) -> Result<Watch, AskError> {
    send(&data.join(SOCKET), &Request::Watch, PATIENCE)
}

/// Lines of the daemon.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    lines: BufReader<UnixStream>,
}

impl Watch {
    /// The next status.
    ///
    /// # Errors
    /// [`AskError::NoAnswer`] when the daemon is gone, silent or stopping.
    pub fn next_status(&mut self) -> Result<Box<Status>, AskError> {
        let problem = match self.read() {
            Ok(Answer::Status(status)) => return Ok(status),
            Ok(Answer::Refused(problem)) => problem,
            Ok(_) => "it answered something else; is it of the same version?".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(no_answer(self.path.clone(), problem))
    }

    fn read(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has hung up"));
        }
        Ok(serde_json::from_str(&line)?)
    }
}

fn no_answer(path: PathBuf, problem: String) -> AskError {
    AskError::NoAnswer { path, problem }
}

fn send(path: &Path, request: &Request, patience: Duration) -> Result<Watch, AskError> {
    let stream = UnixStream::connect(path).map_err(|error| AskError::NotRunning {
        path: path.to_owned(),
        error,
    })?;
    let talk = || -> io::Result<()> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        (&stream).write_all(line.as_bytes())
    };
    talk().map_err(|error| no_answer(path.to_owned(), error.to_string()))?;
    Ok(Watch {
        path: path.to_owned(),
        lines: BufReader::new(stream),
    })
}
