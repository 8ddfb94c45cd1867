//! Why a model gave a row its score.
//!
//! A model is a function that scores many rows at once ([`Scorer`]); a feature may be several of its inputs ([`Groups`]). [`Background`] makes a
//! [`Game`] of a row: what each set of its features is worth. A caller who masks cells, words or steps himself implements [`Game`] directly.
//!
//! * Attributions that sum to the score: [`Kernel`], [`Permutation`], [`Linear`], [`Integrated`] and [`Expected`] give an [`Attribution`].
//! * Local models: [`Lime`] for rows of a table, texts and sequences.
//! * Over many rows: [`importance()`], [`Dependence`].
//! * For people: [`Notice`] gives reasons in sentences, [`Counterfactual`] the smallest change that another decision needs.
//! * For pages: [`draw`] has pictures of all this, [`report`] a page with them.
//!
//! ```
//! use veilsum_explain::{Background, Groups, Kernel, Rows, Scorer};
//!
//! struct Model;
//!
//! impl Scorer for Model {
//!     type Error = std::convert::Infallible;
//!
//!     fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Self::Error> {
//!         Ok(rows.iter().map(|row| f64::from(row[0] * row[1] + row[2])).collect())
//!     }
//! }
//!
//! // Utilisation, and a category in two columns.
//! let groups = Groups::new(3, vec![("utilisation".to_owned(), vec![0]), ("region".to_owned(), vec![1, 2])])?;
//! let background = Rows::new(3, vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0])?;
//! let game = Background::new(&Model, &[0.5, 1.0, 0.0], &background, &groups)?;
//! let found = Kernel::of_features(groups.len(), 7).explain(&game)?;
//! // The mean score is 0.5 and so is the row's: what one feature added the other took away.
//! assert!(found.exact);
//! assert_eq!(found.attribution.values, [0.375, -0.375]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing here knows a clock, file, thread or libtorch, and what is random repeats by its seed. Everything is derived from rows: no result leaves a
//! bank but by its own decision.

mod attribution;
mod coalition;
mod counterfactual;
mod distribution;
pub mod draw;
mod draws;
mod equations;
mod error;
mod feature;
mod game;
mod gradients;
mod importance;
mod kernel;
mod lime;
mod linear;
mod permutation;
mod reasons;
pub mod report;
mod rows;
mod scorer;

pub use attribution::{Attribution, Sampled};
pub use coalition::{Coalition, Coalitions};
pub use counterfactual::{Change, Counterfactual, Direction, Found, Goal, Moves, Outcome};
pub use distribution::Distribution;
pub use error::{Error, Invalid};
pub use feature::{Feature, Kind, Value};
pub use game::{Background, Game};
pub use gradients::{Expected, Integrated};
pub use importance::{Dependence, importance};
pub use kernel::{Fitted, Kernel};
pub use lime::{Condition, Lime, Local, LocalTable, Masked, Words};
pub use linear::Linear;
pub use permutation::Permutation;
pub use reasons::{Adverse, Notice, Reason, Reasons};
pub use rows::{Groups, Rows};
pub use scorer::{Gradients, Scorer};
