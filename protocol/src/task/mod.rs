//! The task: what a consortium agrees to train, as one TOML file that each bank's operator approves.
//!
//! A [`Task`] holds the schema of the banks' rows, the model, and how it is trained, added up, encoded and
//! evaluated. [`Task::parse`] proves every range once; nothing later checks them again. Two files that say
//! the same have the same [`Task::canonical_text`], whose SHA-256 ([`Task::hash`]) is the task's name in
//! approvals, in the log and in what the masks are bound to.

mod aggregation_file;
mod canonical;
mod changes;
mod date;
mod definition;
mod describe;
mod early_stopping;
mod early_stopping_file;
mod error;
mod evaluation_file;
mod file;
mod groups;
mod groups_file;
mod importance;
mod model_file;
mod preparation_file;
mod ranges;
mod scale;
mod schema;
mod schema_file;
mod sequence;
mod training;
mod training_file;

pub use changes::{Area, Change, Changes};
pub use date::{Cycle, DateColumn};
pub use definition::{
    Aggregation, Deadlines, Encoding, Evaluation, PreparationSpec, ServerOptimiser, Split, Task, Weighting,
};
pub use early_stopping::{EarlyStopping, Keep};
pub use error::TaskError;
pub use groups::Groups;
pub use importance::ImportanceSpec;
pub use scale::Scale;
pub use schema::{
    CategoryColumn, Column, ColumnEncoding, ColumnKind, ExplainedColumn, ImageColumn, Input, InputKind,
    LabelKind, Merges, NumberColumn, Outside, Schema, TextColumn, Tokeniser, VocabularySpec, WhenMissing,
    WrongMerge,
};
pub use sequence::{Examples, Sequence};
pub use training::{LocalOptimiser, Loss, Schedule, TrainingSpec};

#[cfg(test)]
mod tests;
