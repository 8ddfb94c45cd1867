//! The protocol over REST, the page and what belongs to them.

pub(crate) mod answer;
mod infer;
pub(crate) mod metadata;
mod object;
mod openapi;
mod openapi_explain;
mod page;
mod routes;

pub use infer::{Request, WantedOutput, read_request};
