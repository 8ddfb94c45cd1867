//! The commands of the bank's operator.

pub(crate) mod backup;
pub(crate) mod columns;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod decisions;
pub(crate) mod enrol;
pub(crate) mod explain;
pub(crate) mod merges;
pub(crate) mod model;
pub(crate) mod monitor;
pub(crate) mod page;
pub(crate) mod preflight;
pub(crate) mod roster;
pub(crate) mod score;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod task;
pub(crate) mod watch;
