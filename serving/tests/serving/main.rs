//! The server over real sockets, with a linear model.
#![allow(clippy::unwrap_used, reason = "tests")]

mod batching;
mod callers;
mod codec;
mod decisions;
mod errors;
mod explained;
mod grpc;
mod lone;
mod openapi;
mod pages;
mod scores;
mod toy;
mod versions;
mod wire;
