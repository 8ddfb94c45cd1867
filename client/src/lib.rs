//! The bank's side: identity, configuration and the link to the coordinator; the bank's data; and the models that are trained on it.

pub mod cli;
pub mod config;
pub mod data;
pub mod enrol;
pub mod model;
pub mod train;
pub mod transport;
