//! Why a model gave a row its score: amounts for the columns of the bank's table, or for the words of a text, against rows of the bank's own, which
//! never leave.

mod amounts;
mod error;
mod explainer;
mod features;
mod grounds;
mod importance;
mod otherwise;
mod output;
mod page;

#[cfg(test)]
mod tests;

pub use error::ExplainError;
pub use explainer::{Explainer, RowExplained};
pub use grounds::{Grounds, spread};
pub use importance::importance;
