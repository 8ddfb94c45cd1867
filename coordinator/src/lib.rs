//! The operator's daemon: enrolment of banks, the log, and the engine of their rounds. It is trusted for availability alone.

pub mod admin;
pub mod aggregate;
pub mod app;
pub mod atomic_file;
pub mod backup;
pub mod cli;
pub mod config;
pub mod curves;
pub mod engine;
pub mod enrol;
mod formation;
pub mod history;
pub mod https;
pub mod ledger;
pub mod log;
pub mod membership;
pub mod metrics;
mod operator;
mod own_certificate;
pub mod page;
mod preflight;
mod remedy;
mod side_by_side;
pub mod store;
pub mod store_copy;
pub mod transport;
