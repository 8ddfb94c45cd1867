//! Where the bank's policy and key are, and reading them.

use std::path::PathBuf;

use veilsum_settings::{ConfigError, Program, read_text};

use super::key::DesensitiseKey;
use super::policy::Policy;
use super::rules::Rules;
use crate::data::DataError;
use crate::enrol::{EnrolError, init};

/// The files of the bank's desensitisation. They are read anew for every order of work, so that a changed policy counts at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// `policy.toml`.
    pub policy: PathBuf,
    /// Whether `bank.toml` names the file, so that a lost one is not taken for a bank without rules.
    pub is_named: bool,
    /// The key for pseudonyms and shifts.
    pub key: PathBuf,
}

impl PolicySource {
    /// The rules as they stand now.
    ///
    /// # Errors
    /// A policy that cannot be read or has a mistake, or a key that its rules need and that cannot be read.
    pub fn rules(&self) -> Result<Rules, DataError> {
        let policy = self.policy()?;
        let key = if policy.needs_key() {
            Some(self.key()?)
        } else {
            None
        };
        Ok(Rules::new(self.policy.clone(), policy, key))
    }

    /// The policy as it stands now.
    ///
    /// # Errors
    /// A policy that cannot be read or has a mistake.
    pub fn policy(&self) -> Result<Policy, DataError> {
        Ok(match self.text()? {
            Some(text) => Policy::parse(&self.policy, &text)?,
            None => Policy::none(),
        })
    }

    /// Its text; `None` for a bank without one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn text(&self) -> Result<Option<String>, DataError> {
        match read_text(Program::Client, &self.policy) {
            Ok(text) => Ok(Some(text)),
            Err(ConfigError::File { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
                if self.is_named {
                    return Err(self.wrong(
                        "is not there, though data.policy in bank.toml names it; put it back, or write an empty file for no rules".to_owned(),
                    ));
                }
                Ok(None)
            }
            Err(other) => Err(other.into()),
        }
    }

    fn key(&self) -> Result<DesensitiseKey, DataError> {
        match init::read_desensitise_key(&self.key) {
            Ok(key) => Ok(DesensitiseKey::new(key)),
            Err(EnrolError::File { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = self.key.display();
                Err(self.wrong(format!(
                    "rules \"hash\" and \"shift_dates\" need the key {key}, which is not there; make one, once: (umask 077; openssl rand -hex 32 > '{key}')"
                )))
            }
            Err(other) => Err(DataError::Key(other)),
        }
    }

    fn wrong(&self, problem: String) -> DataError {
        DataError::Policy(ConfigError::Content {
            path: self.policy.clone(),
            problem,
        })
    }
}
