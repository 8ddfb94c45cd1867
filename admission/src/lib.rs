//! The side that asks to be enrolled, for banks, auditors and operators alike: whom to believe before there is a consortium file, one question, one
//! answer, and whether the answer is what was asked for.
//!
//! Blocking and small. A bank brings its own connection, which may go through a proxy, whose words are here as well; for auditors and operators
//! `reader` does the whole. Nothing is asked by `look`: it finds out who stands at an address, and what time that has.

mod ask;
mod fits;
mod frames;
mod given;
pub mod keyfile;
mod look;
mod pin;
pub mod reader;
mod tunnel;

pub use ask::{AskError, Member, Told, ask, renew};
pub use fits::{Fitting, NotFitting, fits};
pub use given::{NotGiven, invitation};
pub use look::{Look, LookProblem, look};
pub use pin::{Dates, Pin};
pub use tunnel::{Credentials, Names, NoTunnel, ProxyCause, answer, request, tunnel};
