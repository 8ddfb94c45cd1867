use serde::Deserialize;

/// Rows that are parts of sequences: those of one key, in the order of time.
///
/// A row is then judged by itself and by the rows of its group before it. The key groups rows inside the bank and is given
/// to no model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sequence {
    /// The column whose equal cells make a group. It is nothing else.
    pub key: String,
    /// The column that orders a group's rows: one of the schema's numbers or dates, or one that is no input.
    pub time: String,
    /// Rows that an example has at most: itself and the last ones before it.
    pub steps: usize,
    /// Which rows are examples.
    pub examples: Examples,
}

/// Which rows of a group have a label that is learned and judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Examples {
    /// Each with its own.
    #[default]
    Every,
    /// The last one alone.
    Last,
}
