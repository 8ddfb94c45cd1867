//! The operator's daemon: enrolment of banks, and the coordinator of their rounds. It is trusted for availability alone.

pub mod cli;
pub mod config;
pub mod enrol;
pub mod transport;
