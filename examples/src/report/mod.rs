//! The story of a federated task as one HTML page that needs no network: what federation was worth, how the rounds
//! went, who was there, and what the log proves.
//!
//! [`Report`] is filled by whoever ran the task; [`Report::render`] turns it into the page. Every text from outside
//! is escaped. Colours follow the reader's light or dark setting, and the layout a phone's width.

mod chart;
mod columns;
mod input;
mod page;
mod participation;
mod published;
mod verdict;

pub use chart::ChartError;
pub use input::{Check, Fact, Incident, Report, Role, RoundRow, TableRow};
pub use published::Published;

#[cfg(test)]
mod tests;
