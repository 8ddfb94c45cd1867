//! A whole consortium on one machine: a coordinator and its banks as real processes over loopback, made by the very
//! commands that their operators use.
//!
//! * [`consortium`] enrols, starts, kills and stops them; whole-system tests use it too.
//! * [`history`] reads what happened from the log.
//! * [`supply`] makes the banks' data up, [`deal`] deals out one table to them.
//! * [`trial`] trains in this process what the federated model is compared with, by what [`known`] works out of the columns.
//! * [`show`] plays the demo from its start to the verdict.

mod comparison;
pub mod consortium;
pub mod deal;
mod error;
pub(crate) mod folder;
pub mod history;
pub mod known;
mod narrator;
mod office;
mod outage;
mod page;
mod process;
mod programs;
mod published;
pub mod show;
pub mod supply;
mod tamper;
mod told;
pub mod trial;
mod unmasked;
mod verdict;

pub use error::DemoError;
pub use narrator::Narrator;
pub use process::Keeper;
pub use programs::Programs;
