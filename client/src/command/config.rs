//! `config check`: the configuration as it holds, and what is wrong with it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use veilsum_settings::{Effective, effective, in_one_text, listing};

use crate::app;
use crate::config::Config;
use crate::enrol::init::CONFIG_FILE;

/// The variable that goes before `link.proxy_password_file`.
const PROXY_PASSWORD: &str = "VEILSUM_PROXY_PASSWORD";

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every key with its value and where that comes from, and say everything that is wrong at once
    ///
    /// The consortium file, keys, certificate, schema and policy are looked at as well. Of a key only the path of its file is shown. The table is
    /// looked at by `preflight` and `data check`.
    Check {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

/// What holds, and what is wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    values: Vec<Effective>,
    /// Whether a password for the proxy is in the environment. It is not shown.
    proxy_password_in_environment: bool,
    problems: Vec<String>,
    #[serde(skip)]
    path: PathBuf,
}

/// Looks at the configuration of a folder.
pub(crate) fn check(dir: &Path) -> Checked {
    let path = dir.join(CONFIG_FILE);
    let (values, mut problems) = effective::<Config>(&path, std::env::vars_os());
    if problems.is_empty() {
        match Config::load(&path, std::env::vars_os()) {
            Ok(config) => problems = app::problems(&config),
            Err(error) => problems.push(error.to_string()),
        }
    }
    Checked {
        values,
        proxy_password_in_environment: std::env::var_os(PROXY_PASSWORD).is_some(),
        problems,
        path,
    }
}

impl Checked {
    /// A line for each key.
    pub(crate) fn text(&self) -> String {
        let password = [("(the proxy's password, hidden)", PROXY_PASSWORD)];
        let more = if self.proxy_password_in_environment {
            &password[..]
        } else {
            &[]
        };
        listing(&self.path, &self.values, more)
    }

    /// Everything that is wrong, in one text; `None` if nothing is.
    pub(crate) fn problems(&self) -> Option<String> {
        in_one_text(&self.problems)
    }
}
