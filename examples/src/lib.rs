//! Runnable scenarios for a newcomer.

pub mod loans;
pub mod report;
pub mod score;
pub mod table;
