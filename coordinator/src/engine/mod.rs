//! The engine: it drives epochs and rounds, and knows the protocol, its own traits, the summation over them, and nothing else.
//!
//! One task owns everything; what happens outside reaches it as an input, one after the other ([`driver`]). The pure machines of the
//! protocol decide, the engine makes their actions true in order: what they commit is durable and in the log before anything
//! is sent; and banks act on it when enough of them have cosigned the log's head (`witnesses`). What a peer sends never stops it; a [`ports::Fault`] of its own disk does, and the next start (`recovery`) goes on from the
//! journal.

mod ahead;
pub mod broadcast;
mod commands;
pub mod consents;
pub mod driver;
mod epochs;
pub mod gate;
pub mod observer;
mod outbox;
pub mod ports;
mod recovery;
pub mod restored;
mod retention;
pub mod roster;
mod rounds;
pub mod sessions;
pub mod status;
pub mod tasks;
pub mod timeline;
mod waiting;
mod witnesses;
