//! `schema infer` and `data profile`: what a bank's own table or images look like. Everything stays on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::Failure;
use crate::data::is_of_images;
use crate::survey::{Images, Profile, Survey, draft, page};

/// What a file holds.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Profiled {
    Table(Profile),
    Images(Images),
}

impl Profiled {
    /// Some lines for each column, or for all images.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Table(profile) => profile.text(),
            Self::Images(images) => images.text(),
        }
    }
}

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

/// Looks at a table, and writes a page about it where one is wanted; or at images and their labels.
pub(crate) fn profile(file: &Path, labels: Option<&Path>, html: Option<&Path>) -> Result<Profiled, Failure> {
    if is_of_images(file) {
        if html.is_some() {
            return Err(Failure::usage(format!(
                "{}: found an IDX file, expected a table for --html; leave --html out: images have no columns to draw",
                file.display()
            )));
        }
        return Images::read(file, labels)
            .map(Profiled::Images)
            .map_err(Failure::usage);
    }
    if let Some(labels) = labels {
        return Err(Failure::usage(format!(
            "{}: found --labels {} beside a table, expected it beside an IDX file of images; leave it out",
            file.display(),
            labels.display()
        )));
    }
    let survey = Survey::read(file).map_err(Failure::usage)?;
    let profile = Profile::of(&survey);
    if let Some(html) = html {
        fs::write(html, page(&profile)).map_err(|error| cannot_write(html, &error))?;
    }
    Ok(Profiled::Table(profile))
}

/// A schema that was agreed on is not written over by a draft.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
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
