//! Models as libtorch computes them, and as files.

mod arrays;
mod chain;
mod cnn;
mod dropout;
mod embedding_bag;
mod few;
mod mlp;
mod network;
mod recurrent;
mod snapshot;
mod text_cnn;
mod transformer;

pub(crate) use dropout::Dropout;
pub(crate) use few::FewRows;
pub(crate) use network::{Network, Parameters, to_i64};
pub use snapshot::{Snapshot, SnapshotError};

#[cfg(test)]
mod tests;
