//! The side that asks to be enrolled, for banks and auditors alike: whom to believe before there is a consortium file, one question, one
//! answer, and whether the answer is what was asked for.
//!
//! Blocking and small. Whoever calls it brings the connection: a bank's may go through a proxy.

mod ask;
mod fits;
mod frames;
mod pin;

pub use ask::{AskError, Member, Told, ask, renew};
pub use fits::{Fitting, NotFitting, fits};
pub use pin::Pin;
