//! The round: what both sides do, as pure steps.

pub mod checks;
pub mod context;
pub mod params;
pub mod prepare;
pub mod recover;
