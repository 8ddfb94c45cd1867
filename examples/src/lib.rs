//! Runnable scenarios for a newcomer.

pub mod loans;
pub mod score;
