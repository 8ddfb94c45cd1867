//! The bank's configuration: one TOML file, every key of which can also come from the environment.

mod layers;
mod schema;

pub use layers::ConfigError;
pub use schema::{Compute, Config, Data, Identity, Link, LinkTransport, template};
