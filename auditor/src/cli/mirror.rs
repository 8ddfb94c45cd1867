//! `mirror`: copy a served log, and the files that it names.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::web::WebArgs;
use super::{Outcome, Problem, Trust, json_line, progress};
use crate::mirror::{ArchiveMirror, LogMirror, MirrorError, Weight};

#[derive(Debug, Args)]
pub(super) struct Mirror {
    /// The log: a folder, or an address like https://log.example/log/
    source: String,
    /// The copy's folder; made if it is missing
    folder: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// The archive with `blobs` and `rounds`: a folder, or an address
    #[arg(long, requires = "archive_to")]
    archive: Option<String>,
    /// The archive's copy; made if it is missing
    #[arg(long, requires = "archive")]
    archive_to: Option<PathBuf>,
    #[command(flatten)]
    web: WebArgs,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Serialize)]
struct Done {
    /// Whether what was served is a true log that continues the copy, with all files that it names.
    verifies: bool,
    verdict: String,
    entries: Option<u64>,
    entries_before: Option<u64>,
    files_fetched: u64,
    /// Files that the log names and the archive does not have.
    missing: Vec<String>,
    /// Rounds of the archive that were not asked for: their tasks keep them no longer.
    rounds_let_go: usize,
}

impl Done {
    fn failed(error: &MirrorError) -> Self {
        Self {
            verifies: false,
            verdict: error.to_string(),
            entries: None,
            entries_before: None,
            files_fetched: 0,
            missing: Vec::new(),
            rounds_let_go: 0,
        }
    }
}

impl Mirror {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let done = match self.copy()? {
            Ok(done) => done,
            Err(error) => match error.weight() {
                Weight::Finding => Done::failed(&error),
                Weight::Passing => return Err(Problem::TryAgain(error.to_string())),
                Weight::Usage => return Err(Problem::usage(error)),
            },
        };
        let text = if self.json {
            json_line(&done)?
        } else {
            let missing = done.missing.iter().map(|file| format!("missing {file}\n"));
            missing.collect::<String>() + &done.verdict + "\n"
        };
        Ok(Outcome {
            holds: done.verifies,
            text,
        })
    }

    fn copy(&self) -> Result<Result<Done, MirrorError>, Problem> {
        let (key, _) = self.trust.pins()?;
        let origin = self.web.origin(&self.source, &self.trust)?;
        let archive = match (&self.archive, &self.archive_to) {
            (Some(source), Some(folder)) => Some((self.web.origin(source, &self.trust)?, folder)),
            _ => None,
        };
        let copy = || {
            let mut show = progress::show_mirror();
            let log = LogMirror::new(&origin, &self.folder, &key)?;
            let (mirrored, archived) = match &archive {
                Some((origin, folder)) => {
                    let archive = ArchiveMirror { origin, folder };
                    let (mirrored, archived) = log.run_with(&archive, &mut show)?;
                    (mirrored, Some(archived))
                }
                None => (log.run(&mut show)?, None),
            };
            let size = mirrored.head.checkpoint().size;
            let before = mirrored.before.map(|before| before.checkpoint().size);
            let mut done = Done {
                verifies: true,
                verdict: match before {
                    Some(before) if before == size => format!("the copy is up to date: {size} entries"),
                    Some(before) => format!("the log continues the copy: {size} entries after {before}"),
                    None => format!("the log is copied: {size} entries"),
                },
                entries: Some(size),
                entries_before: before,
                files_fetched: mirrored.fetched,
                missing: Vec::new(),
                rounds_let_go: 0,
            };
            if let Some(archived) = archived {
                done.files_fetched += archived.fetched;
                done.verdict += &format!(
                    "; {} files of the archive fetched, {} were there",
                    archived.fetched, archived.kept
                );
                if archived.expired > 0 {
                    done.verdict += &format!(
                        "; {} rounds are not in it any more, as their tasks say: no replay is possible for them",
                        archived.expired
                    );
                }
                done.rounds_let_go = archived.expired;
                done.missing = archived.missing;
                if !done.missing.is_empty() {
                    done.verifies = false;
                    done.verdict += &format!("; {} that the log names are MISSING", done.missing.len());
                }
            }
            Ok(done)
        };
        Ok(copy())
    }
}
