//! The bank's configuration: one TOML file, every key of which can also come from the environment.

mod edit;
mod effective;
mod layers;
mod others;
mod page;
mod schema;

pub(crate) use edit::set;
pub use effective::{Effective, Source, effective};
pub use layers::ConfigError;
pub(crate) use layers::{parse, read_text};
pub use page::Page;
pub use schema::{Compute, Config, Data, Identity, Link, LinkTransport, POLICY_FILE, template};
