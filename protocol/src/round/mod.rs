//! The round: what both sides do, as pure steps.

pub mod params;
