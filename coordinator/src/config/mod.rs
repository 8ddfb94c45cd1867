//! The coordinator's configuration: one TOML file, every key of which can also come from the environment.

mod auditors;
mod layers;
mod schema;

pub use auditors::Auditors;
pub use layers::ConfigError;
pub use schema::{Config, Folders, Identity, Limits, template};
