use std::io;
use std::path::{Path, PathBuf};

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What was found and expected.
        problem: String,
    },
    /// A program is not where it should be.
    #[error("{}: not found; build it first: cargo build {}-p veilsum-coordinator -p veilsum-client -p veilsum-auditor --bins", path.display(), if path.components().any(|part| part.as_os_str() == "release") { "--release " } else { "" })]
    NoProgram {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A command failed.
    #[error("`{command}` ended with {outcome}:\n{output}")]
    Command {
        /// As it would be typed.
        command: String,
        /// Its exit status.
        outcome: String,
        /// What it printed on standard error.
        output: String,
    },
    /// A daemon ended by itself.
    #[error("{name} has ended by itself ({outcome}); the last lines of {}:\n{output}", log.display())]
    Died {
        /// Whose daemon.
        name: String,
        /// Its exit status.
        outcome: String,
        /// Its trace.
        log: PathBuf,
        /// The trace's end.
        output: String,
    },
    /// Something that was waited for did not come.
    #[error("waited {seconds} s for {what}; the coordinator says: {said}")]
    TooLong {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// Its status line.
        said: String,
    },
    /// Training or scoring in this process failed.
    #[error("{0}")]
    Trial(String),
    /// An argument does not fit.
    #[error("{0}")]
    Usage(String),
}

impl DemoError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    pub(crate) fn content(path: &Path, problem: impl ToString) -> Self {
        Self::Content {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }

    pub(crate) fn trial(error: impl ToString) -> Self {
        Self::Trial(error.to_string())
    }
}
