//! `config check`: the configuration as it holds, and what is wrong with it.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use veilsum_admission::keyfile;
use veilsum_settings::{Effective, effective, in_one_text, listing};

use crate::app;
use crate::config::{Config, Identity};
use crate::enrol::init::{self, CONFIG_FILE};
use crate::enrol::inspect;

/// The variable that goes before `link.proxy_password_file`.
const PROXY_PASSWORD: &str = "VEILSUM_PROXY_PASSWORD";

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every key with its value and where that comes from, and say everything that is wrong at once
    ///
    /// The consortium file, keys, certificate, schema and policy are looked at as well. Of a key only the path of its file is shown. The table is
    /// looked at by `preflight` and `data check`. A bank that is in no roster yet has no consortium file: that is said, and is no mistake.
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
    /// What is not there yet, and no mistake.
    remarks: Vec<String>,
    #[serde(skip)]
    path: PathBuf,
}

/// Looks at the configuration of a folder.
pub(crate) fn check(dir: &Path) -> Checked {
    let path = dir.join(CONFIG_FILE);
    let (values, mut problems) = effective::<Config>(&path, std::env::vars_os());
    let mut remarks = Vec::new();
    if problems.is_empty() {
        match Config::load(&path, std::env::vars_os()) {
            Ok(config) => (problems, remarks) = files(&config),
            Err(error) => problems.push(error.to_string()),
        }
    }
    Checked {
        values,
        proxy_password_in_environment: std::env::var_os(PROXY_PASSWORD).is_some(),
        problems,
        remarks,
        path,
    }
}

/// Everything in the files that the configuration names with which the daemon would not start, or not read its table; and what is to come yet.
fn files(config: &Config) -> (Vec<String>, Vec<String>) {
    let (mut problems, mut remarks) = (Vec::new(), Vec::new());
    let mut note = |problem: Option<String>| problems.extend(problem);
    match app::consortium_if_any(config) {
        Err(error) => note(Some(error.to_string())),
        Ok(Some((consortium, roster))) => {
            let identity = app::identity(config, &consortium, &roster);
            note(identity.err().map(|error| error.to_string()));
        }
        Ok(None) => {
            remarks.push(format!(
                "{}. Until then it is not known whether the certificate is of this consortium's authority, and whether the keys are those of the roster",
                app::no_consortium(config)
            ));
            alone(&config.identity, &mut note);
        }
    }
    let salt = init::read_hold_out_salt(&config.identity.hold_out_salt);
    note(salt.err().map(|error| error.to_string()));
    note(app::proxy(&config.link).err().map(|error| error.to_string()));
    note(app::schema(config).err().map(|error| error.to_string()));
    note(app::policy(config).rules().err().map(|error| error.to_string()));
    (problems, remarks)
}

/// What can be said of certificate and keys without a roster.
fn alone(identity: &Identity, note: &mut impl FnMut(Option<String>)) {
    let path = &identity.certificate;
    let certificate = std::fs::read(path)
        .map_err(|error| {
            format!(
                "{error}; `veilsum-client enrol` brings it, or put the certificate of the admission there"
            )
        })
        .and_then(|pem| inspect::in_time(&inspect::facts(&pem)?, app::now()));
    note(
        certificate
            .err()
            .map(|problem| format!("{}: {problem}", path.display())),
    );
    note(
        keyfile::read_pkcs8(&identity.key)
            .err()
            .map(|error| error.to_string()),
    );
    for key in [&identity.signing_key, &identity.witness_key] {
        note(app::ed25519(key).err().map(|error| error.to_string()));
    }
}

impl Checked {
    /// A line for each key, and what is to come yet.
    pub(crate) fn text(&self) -> String {
        let password = [("(the proxy's password, hidden)", PROXY_PASSWORD)];
        let more = if self.proxy_password_in_environment {
            &password[..]
        } else {
            &[]
        };
        let mut text = listing(&self.path, &self.values, more);
        for remark in &self.remarks {
            text.push_str("\n\n");
            text.push_str(remark);
        }
        text
    }

    /// Everything that is wrong, in one text; `None` if nothing is.
    pub(crate) fn problems(&self) -> Option<String> {
        in_one_text(&self.problems)
    }
}
