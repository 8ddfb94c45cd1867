//! How a bank's model does in service: its decision log beside the bank's own table. Nothing of it leaves the bank.
//!
//! Both sides are read by one code: what stands in the log goes through the bank's policy, the schema's reader and the precision that a row is kept in,
//! as the rows of the table did, so that no difference between two readers is taken for drift.

mod current;
mod groups;
mod outcomes;
mod reference;
mod watched;

pub use outcomes::{Outcomes, OutcomesError};
pub use watched::{Found, MonitorError, Wishes, limits, look};

#[cfg(test)]
mod tests;
