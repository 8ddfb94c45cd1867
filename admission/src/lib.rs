//! The side that asks to be enrolled, for banks, auditors and operators alike: whom to believe before there is a consortium file, one question, one
//! answer, and whether the answer is what was asked for.
//!
//! Blocking and small. Whoever calls it brings the connection: a bank's may go through a proxy.

mod ask;
mod fits;
mod frames;
mod pin;
pub mod reader;

pub use ask::{AskError, Told, ask};
pub use fits::{Fitting, NotFitting, fits};
pub use pin::Pin;
