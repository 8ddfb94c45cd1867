//! A bank's rows: from its CSV, by the agreed schema, to what the trainer and the statistics round need.
//!
//! [`Dataset::read`] checks every cell once and keeps the rows with numbers on `[0, 1]`; [`Dataset::statistics`]
//! gives the bank's part of the statistics round, and [`Dataset::encode`] the model's inputs, once the
//! consortium's moments are known. Errors quote the bank's cells: they are for its own operator alone.

pub(crate) mod csv;
mod dataset;
mod encode;
mod error;
mod schema;
mod split;
mod statistics;

pub use dataset::Dataset;
pub use encode::{EncodeError, EncodedData};
pub use error::DataError;
pub use schema::read_schema;
pub use split::HoldOut;
pub use statistics::Statistics;

#[cfg(test)]
mod tests;
