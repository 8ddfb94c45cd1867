//! The bank's rows, the policy that they pass, and what computes on them.

use std::path::Path;

use veilsum_protocol::task::Schema;

use super::AppError;
use crate::config::Config;
use crate::data::{DataError, DataFiles, Dataset, HoldOut, Room};
use crate::desensitise::PolicySource;
use crate::enrol::init;
use crate::participant::contribution::Source;
use crate::train::{DeviceChoice, Runtime};

/// What `preflight` and the first lines of `run` say of the bank's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFacts {
    /// Rows below the header.
    pub rows: usize,
    /// The rows' labels, in words.
    pub labels: String,
    /// Columns that the model reads.
    pub columns: usize,
}

/// libtorch on the configured device.
///
/// # Errors
/// [`AppError::Runtime`].
pub fn runtime(config: &Config) -> Result<Runtime, AppError> {
    let device: DeviceChoice = config.compute.device.parse()?;
    Ok(Runtime::start(device, config.compute.threads)?)
}

/// Where the bank's policy and its key are.
pub fn policy(config: &Config) -> PolicySource {
    PolicySource {
        policy: config.data.policy.clone(),
        is_named: config.data.policy_is_named,
        key: config.identity.desensitise_key.clone(),
    }
}

/// The bank's own schema file.
///
/// # Errors
/// A file that cannot be read, or has a mistake.
pub fn schema(config: &Config) -> Result<Schema, DataError> {
    let path = &config.data.schema;
    let text = std::fs::read_to_string(path).map_err(|source| DataError::Unreadable {
        file: path.clone(),
        source,
        advice: "put the agreed schema there, or set data.schema in bank.toml and start the daemon again",
    })?;
    Schema::parse(&text).map_err(|source| DataError::Schema {
        file: path.clone(),
        source,
    })
}

/// Where the rows are.
pub fn files(config: &Config) -> DataFiles {
    let labels = &config.data.labels;
    DataFiles {
        file: config.data.file.clone(),
        labels: (labels != Path::new("")).then(|| labels.clone()),
    }
}

/// Where the rows are kept once they are read.
pub fn room(config: &Config) -> Room {
    Room {
        memory_bytes: config.data.memory_bytes,
        folder: config.state.clone(),
    }
}

/// Reads the whole table by the bank's own schema file, under its policy.
///
/// # Errors
/// The first thing that does not fit, with file, line and column.
pub fn data(config: &Config) -> Result<DataFacts, DataError> {
    let schema = schema(config)?;
    let rules = policy(config).rules()?;
    // No task says yet how many rows are held out; every row is checked all the same.
    let hold_out = HoldOut::new([0; 32], 0.0);
    let rows = Dataset::read_files(&files(config), &schema, &hold_out, None, &rules, &room(config))?;
    Ok(DataFacts {
        rows: rows.len(),
        labels: rows.labels_in_words(),
        columns: schema.columns.len(),
    })
}

/// Where the rows are and what computes on them.
///
/// # Errors
/// [`AppError::Key`] if the hold-out salt cannot be read.
pub fn source(config: &Config, runtime: Runtime) -> Result<Source, AppError> {
    Ok(Source {
        files: files(config),
        schema: config.data.schema.clone(),
        policy: policy(config),
        salt: init::read_hold_out_salt(&config.identity.hold_out_salt)?,
        room: room(config),
        runtime,
    })
}
