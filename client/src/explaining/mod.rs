//! Why a model gave a row its score: Shapley values over the columns of the bank's table, against rows of the bank's own, which never leave.

mod explainer;
mod features;

pub use explainer::{ExplainError, Explained, Explainer, Moved, RowExplained, Wishes};
