//! The daemon's loop against a log and a link that the test writes.

#![allow(clippy::unwrap_used)]

mod consents;
mod contributions;
mod following;
mod groups;
mod importances;
mod own_parts;
mod rosters;
mod scene;
mod sequences;
mod texts_and_images;
