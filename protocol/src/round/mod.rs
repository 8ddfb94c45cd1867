//! The round: what both sides do, as pure steps.
//!
//! [`participant`] is the bank's machine, [`coordinator`] the coordinator's. Neither knows a clock, a socket or a file: time and
//! randomness are arguments, effects are values in the order in which they must become true.

pub mod active;
pub mod ahead;
pub mod checks;
pub mod context;
pub mod coordinator;
pub mod params;
pub mod participant;
pub mod prepare;
pub mod record;
pub mod recover;
mod released;
mod snapshot;
mod watch;

pub use snapshot::RestoreError;
