//! The bank's daemon: its identity, its link to the coordinator, and its part in each round.

pub mod cli;
pub mod config;
pub mod enrol;
