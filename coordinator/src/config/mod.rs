//! The coordinator's configuration: one TOML file, every key of which can also come from the environment.

mod auditors;
mod effective;
mod enrolment;
mod layers;
mod operator;
mod others;
mod schema;

pub use auditors::Auditors;
pub use effective::{Effective, Source, effective};
pub use enrolment::{Enrolment, Renewal};
pub use layers::ConfigError;
pub use operator::Operator;
pub use schema::{Config, Folders, Identity, Limits, template};
