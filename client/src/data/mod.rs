//! A bank's rows: from its file, by the agreed schema, to what the trainer and the statistics round need.
//!
//! [`Dataset::read`] checks every cell once and keeps the rows with numbers on `[0, 1]`, in memory as far as the [`Room`] goes and then in a
//! file; [`Dataset::statistics`] gives the bank's part of the statistics round, and [`Dataset::encode`] the model's inputs, once the
//! consortium's moments are known. Errors quote the bank's cells: they are for its own operator alone.

mod asked;
mod asked_file;
mod byte_pairs;
mod cell;
mod dataset;
mod date;
pub(crate) mod decimal;
mod encode;
mod error;
mod files;
mod groups;
mod images;
mod kept_rows;
mod known;
mod lane;
mod layout;
pub(crate) mod moment;
mod open_values;
mod parse;
mod parser;
mod preparation;
mod room;
mod row_file;
mod row_store;
mod row_values;
mod schema;
mod series;
mod source;
mod split;
mod statistics;
mod token;
mod windows;

pub(crate) use asked::Asked;
pub(crate) use asked_file::{AskedFile, Making};
pub(crate) use byte_pairs::{BytePairs, pieces};
pub(crate) use cell::{quoted, trimmed};
pub use dataset::{ColumnValues, Dataset};
pub use encode::{EncodeError, EncodedData};
pub use error::{At, DataError};
pub use files::DataFiles;
use open_values::OpenValues;
pub use room::Room;
pub(crate) use row_values::RowReader;
pub use row_values::{EncodedRows, RowValues};
pub use schema::read_schema;
pub(crate) use source::{Batch, Idx, Row, Short, Table, is_of_images, times};
pub use split::HoldOut;
pub use statistics::Statistics;
pub(crate) use token::count_words;

#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod sequence_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;
