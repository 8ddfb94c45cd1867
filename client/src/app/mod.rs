//! A bank put together from its folder, and the daemon that runs on it.
//!
//! * [`config`] reads its configuration, [`consortium`] and [`identity`] who it is and among whom.
//! * [`data`], [`source`] and what they are made of: its rows and what computes on them.
//! * [`link_options`], [`renewal`] and [`proxy`]: how it reaches the coordinator.
//! * [`run`] is the daemon.

mod daemon;
mod error;
mod identity;
mod link;
mod rows;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use veilsum_protocol::ids::Timestamp;

use crate::config::Config;
use crate::enrol::init;

pub use daemon::run;
pub use error::AppError;
pub use identity::{BankIdentity, consortium, consortium_if_any, ed25519, identity, no_consortium};
pub use link::{link_options, proxy, renewal};
pub use rows::{DataFacts, data, files, policy, room, runtime, schema, source};

/// Name and version of this program.
pub const SOFTWARE: &str = concat!("veilsum-client ", env!("CARGO_PKG_VERSION"));

/// The configuration of the folder, under the environment.
///
/// # Errors
/// [`AppError::Config`].
pub fn config(dir: &Path) -> Result<Config, AppError> {
    Ok(Config::load(&dir.join(init::CONFIG_FILE), std::env::vars_os())?)
}

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_secs()))
}

/// A day for people, of Unix seconds.
pub fn date(at: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(at)
        .map_or(format!("Unix time {at}"), |at| at.date().to_string())
}
