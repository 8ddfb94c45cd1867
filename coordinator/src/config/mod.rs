//! The coordinator's configuration: one TOML file, every key of which can also come from the environment. How it is read is in
//! [`veilsum_settings`].

mod auditors;
mod enrolment;
mod operator;
mod schema;
#[cfg(test)]
mod tests;

pub use auditors::Auditors;
pub use enrolment::{Enrolment, Renewal};
pub use operator::Operator;
pub use schema::{Config, Folders, Identity, Limits, template};
