//! Log and archive over HTTPS (HTTP/1.1 on TLS 1.3, certificates on both sides), read only: for auditors, and for banks that audit.
//!
//! What is served is what the published log consists of and what it names: `/log/checkpoint`, `/log/tile/...`, `/archive/blobs/...` and
//! `/archive/rounds/...`. A path is read into a checkpoint, a [`Tile`](veilsum_protocol::log::Tile), a digest or a number, and the file's
//! name is made from that; text of a peer never becomes a part of a file's name. A blob is served once an entry under the published
//! checkpoint names it (`named.rs`); everything else in the data folder has no path.
//!
//! Nothing that a peer does here reaches the rounds: connections have places, memory and times of their own, and one thread that the
//! engine and the banks' connections do not use.

mod answer;
mod body;
mod door;
mod named;
mod path;
mod server;

pub use server::{Folders, Running, Server};
