//! The bank's page, metrics and health over HTTP, on the loopback interface.
//!
//! * `routes`: every path with the role that it asks for; `site`: what is answered on it. Who comes in, and all that is the same for the
//!   operator's page, is in the crate `veilsum-page`.
//! * `document`: the page from top to bottom; `now`, `tasks`, `rounds`, `scores`, `left`, `data`: its sections; `task`: one task; `decide`: what is
//!   asked before it is approved or refused.
//! * `office`: what answers are made from: the daemon's status as it changes, its account of what left, its files; `profiler`: the bank's table,
//!   looked at beside the rounds; `socket`: where `veilsum-client page` asks for a link.
//!
//! Nothing that is shown here is ever sent to the coordinator: no module of this folder has a way to the link. A word on a task is written where the
//! commands write it, by `consent`, and the daemon's loop takes it up from there as it takes up theirs.

mod data;
mod decide;
mod document;
mod left;
mod now;
mod office;
mod policy;
mod profiler;
mod rounds;
mod routes;
mod scores;
mod site;
pub mod socket;
mod task;
mod tasks;

pub use office::{Office, Parts};
pub use routes::{Act, ROUTES};
pub use veilsum_page::{Role, Server};

#[cfg(test)]
mod tests;
