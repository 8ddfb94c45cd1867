//! Daemons that are struck in the middle of a system call, at each durable write, rename and message in turn, and started again.
//!
//! `strace` injects a signal, so that the call is made and nothing after it, or an error, so that it is not. It counts the calls of every
//! thread by itself. With `VEILSUM_EVERY_CALL=1` every number is struck up to the last that a thread makes, else a selection.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod failing;
mod killed;
mod scene;
