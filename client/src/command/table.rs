//! `schema infer` and `data profile`: what a bank's own table looks like. Everything stays on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::Failure;
use crate::survey::{Profile, Survey, draft, page};

/// A draft of a schema, and where it was written.
#[derive(Debug, Serialize)]
pub(crate) struct Drafted {
    schema: String,
    written: Option<PathBuf>,
}

impl Drafted {
    /// The draft itself, or where it is.
    pub(crate) fn text(&self) -> String {
        match &self.written {
            None => self.schema.trim_end().to_owned(),
            Some(path) => format!(
                "wrote {}; read it through, agree on it with the other banks, and name it in data.schema of bank.toml",
                path.display()
            ),
        }
    }
}

/// Makes a draft of a schema for a table.
pub(crate) fn infer(file: &Path, label: Option<&str>, out: Option<&Path>) -> Result<Drafted, Failure> {
    let survey = Survey::read(file).map_err(Failure::usage)?;
    let schema = draft(&survey, label).map_err(Failure::usage)?;
    if let Some(out) = out {
        write_new(out, &schema)?;
    }
    Ok(Drafted {
        schema,
        written: out.map(Path::to_owned),
    })
}

/// Looks at a table, and writes a page about it where one is wanted.
pub(crate) fn profile(file: &Path, html: Option<&Path>) -> Result<Profile, Failure> {
    let survey = Survey::read(file).map_err(Failure::usage)?;
    let profile = Profile::of(&survey);
    if let Some(html) = html {
        fs::write(html, page(&profile)).map_err(|error| cannot_write(html, &error))?;
    }
    Ok(profile)
}

/// A schema that was agreed on is not written over by a draft.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let made = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    made.map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "{}: cannot be written: {error}; name a new file in a folder that you can write",
        path.display()
    ))
}
