//! Runnable scenarios for a newcomer.

pub mod arithmetic;
pub mod bench;
mod calendar;
pub mod demo;
pub mod documents;
mod draw;
pub mod example;
pub mod files;
pub mod fraud;
pub mod lies;
pub mod load;
pub mod loans;
pub mod market;
pub mod messages;
pub mod report;
pub mod score;
pub mod table;
