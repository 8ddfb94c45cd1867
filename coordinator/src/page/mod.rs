//! The operator's page, metrics and health over HTTP, on the loopback interface.
//!
//! * `routes`: every path with the role that it asks for; `answer`: what is answered on it. Who comes in, and all that is the same for the bank's
//!   page, is in the crate `veilsum-page`.
//! * `document`: the page from top to bottom; `now`, `tasks`, `rounds`, `banks`, `roster`, `curves`, `log`: its sections; `confirm`, `create`: what is
//!   asked before anything is done.
//! * `door`: the same page by TLS, for operators on other machines.
//! * `office`: what answers are made from: the engine by its inputs and its feed, the published log by its files.
//!
//! hyper serves it, as it serves auditors: one HTTP stack in the program, and the table of routes with their roles is ours to test.

mod answer;
mod banks;
mod confirm;
mod create;
mod curves;
mod document;
mod door;
mod log;
mod now;
mod office;
mod roster;
mod rounds;
mod routes;
mod task;
mod tasks;

pub use door::{Door, LINK_ALPN, Operators, PAGE_ALPN};
pub use office::Office;
pub use routes::{Act, ROUTES};
pub use veilsum_page::{Role, Server};
