//! Auditors at the coordinator's door: a real listener over loopback, a log and an archive as rounds leave them.
#![allow(clippy::unwrap_used)]

mod curl;
mod daemon;
mod door;
mod limits;
mod paths;
mod reader;
mod scene;
