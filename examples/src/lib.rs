//! Runnable scenarios for a newcomer.

pub mod arithmetic;
pub mod bench;
pub mod demo;
pub mod lies;
pub mod load;
pub mod loans;
pub mod report;
pub mod score;
pub mod table;
