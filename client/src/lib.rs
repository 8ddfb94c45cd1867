//! The bank's daemon: reads its own rows, trains, and contributes masked updates.

pub mod cli;
pub mod config;
pub mod data;
pub mod enrol;
pub mod model;
pub mod train;
