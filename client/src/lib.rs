//! The bank's daemon: reads its own rows, trains, and contributes masked updates.

pub mod data;
pub mod model;
pub mod train;
