//! The bank's configuration: one TOML file, every key of which can also come from the environment. How it is read is in
//! [`veilsum_settings`].

mod edit;
mod page;
mod schema;
#[cfg(test)]
mod tests;

pub(crate) use edit::set;
pub use page::Page;
pub use schema::{Compute, Config, Data, Identity, Link, LinkTransport, POLICY_FILE, template};
