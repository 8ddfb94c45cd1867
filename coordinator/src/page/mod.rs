//! The operator's page, metrics and health over HTTP, on the loopback interface.
//!
//! * `routes`: every path with the role that it asks for; `guard`: who comes in; `answer`: the way from a request to its answer.
//! * `document`: the page from top to bottom; `now`, `tasks`, `rounds`, `banks`, `roster`, `curves`, `log`: its sections; `confirm`, `create`: what is
//!   asked before anything is done; `events`: the sections again as they change.
//! * `office`: what answers are made from: the engine by its inputs and its feed, the published log by its files.
//!
//! The page is whole without JavaScript. Nothing is fetched from elsewhere: styles and script are files of this program, and the policy
//! forbids everything else, whatever a name in the log may hold. All text goes through maud.
//!
//! hyper serves it, as it serves auditors: one HTTP stack in the program, and the table of routes with their roles is ours to test.

mod answer;
mod banks;
mod body;
mod confirm;
mod create;
mod curves;
mod document;
mod events;
mod guard;
mod log;
mod now;
mod office;
mod roster;
mod rounds;
mod routes;
mod server;
mod task;
mod tasks;
mod words;

pub use office::Office;
pub use routes::{ROUTES, Role, Route};
pub use server::Server;
