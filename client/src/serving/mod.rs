//! `veilsum-client serve`: the models that the consortium's rounds led to, for the bank's own applications, in a process of its own beside the daemon.
//! It reads what the daemon keeps and changes nothing of it; nothing of it leaves the bank.
//!
//! [`Shelf`] finds the models and what proves them, [`Column`]s are what a request has to hold, and [`run`] keeps the newest of each task in service.

mod answer;
mod answer_table;
mod asking;
mod certificates;
mod column;
pub(crate) mod decision_key;
mod grounds;
mod kept;
mod key_file;
mod score_file;
mod served;
mod service;
mod shelf;
mod steering;

pub(crate) use answer::{Answer, CLASS, PREDICTION, PROBABILITIES, PROBABILITY};
pub(crate) use asking::Asking;
pub use column::Column;
pub(crate) use column::text_of;
pub use score_file::{ScoreFileError, score_file};
pub use served::ServedModel;
pub use service::{ServeError, run};
pub use shelf::{Found, Listed, Shelf, ShelfError};
pub(crate) use steering::Steering;
