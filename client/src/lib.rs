//! The bank's daemon: its identity, its rows, its training, its link to the coordinator, and its part in each round.

pub mod app;
pub mod backup;
pub mod cli;
mod command;
pub mod config;
pub mod consent;
pub mod data;
pub mod desensitise;
mod distinct;
pub mod egress;
pub mod enrol;
pub mod explaining;
pub mod export;
mod metrics;
pub mod model;
pub mod page;
pub mod participant;
mod peer_text;
mod preflight;
mod remedy;
pub mod renewal;
pub mod scoring;
pub mod serving;
mod survey;
pub mod train;
pub mod transport;
