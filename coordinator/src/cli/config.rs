//! The configuration as it holds, and what is wrong with it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{Failure, print};
use crate::app;
use crate::config::{Config, Effective, Source, effective};
use crate::enrol::init;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every key with its value and where that comes from, and say everything that is wrong at once
    ///
    /// Keys, certificates and the consortium file are looked at as well. Of a key only the path of its file is shown.
    Check {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
}

pub(super) fn execute(command: &ConfigCommand, json: bool) -> Result<(), Failure> {
    let ConfigCommand::Check { dir } = command;
    let path = init::Folder::at(dir).config();
    let (values, mut problems) = effective(&path, std::env::vars_os());
    if problems.is_empty() {
        match Config::load(&path, std::env::vars_os()) {
            Ok(config) => problems = app::problems(&config),
            Err(error) => problems.push(error.to_string()),
        }
    }
    print(json, &json!({ "values": values, "problems": problems }), || {
        lines(&path, &values).join("\n")
    })?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(told(&problems)))
}

fn told(problems: &[String]) -> String {
    match problems {
        [one] => one.clone(),
        several => format!("{} problems:\n- {}", several.len(), several.join("\n- ")),
    }
}

fn lines(path: &Path, values: &[Effective]) -> Vec<String> {
    let text = |one: &Effective| format!("{} = {}", one.key, one.value);
    let width = values
        .iter()
        .map(|one| text(one).chars().count())
        .max()
        .unwrap_or(0);
    let line = |one: &Effective| {
        let source = match &one.source {
            Source::Default => "default".to_owned(),
            Source::File => path.display().to_string(),
            Source::Environment(name) => name.clone(),
        };
        format!("{:width$}  # {source}", text(one))
    };
    values.iter().map(line).collect()
}
