//! The configuration as it holds, and what is wrong with it.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use veilsum_settings::{effective, in_one_text, listing};

use super::{Failure, print};
use crate::app;
use crate::config::Config;
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
    let (values, mut problems) = effective::<Config>(&path, std::env::vars_os());
    if problems.is_empty() {
        match Config::load(&path, std::env::vars_os()) {
            Ok(config) => problems = app::problems(&config),
            Err(error) => problems.push(error.to_string()),
        }
    }
    print(json, &json!({ "values": values, "problems": problems }), || {
        listing(&path, &values, &[])
    })?;
    match in_one_text(&problems) {
        None => Ok(()),
        Some(problems) => Err(Failure::usage(problems)),
    }
}
