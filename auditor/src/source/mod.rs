//! Reads a log from a mirror of its folder, and believes none of it until it hashes to the signed root.
//!
//! * `tree`: from the signed root down, so that every file is judged by itself and only hashes of 256 entries each are held.
//! * `folder`: the files of a mirror, and a reader that goes through the log bundle by bundle.

mod error;
mod folder;
pub(crate) mod tree;

#[cfg(test)]
mod tests;

pub use error::SourceError;
pub(crate) use folder::{Folder, read_at_most, tile_limit};
pub use folder::{LogReader, MirrorSource, VerifiedLog};
pub use tree::Untrue;

/// Name of the signed head in a log's folder.
pub const CHECKPOINT_FILE: &str = "checkpoint";
