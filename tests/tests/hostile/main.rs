//! Real daemons, and peers that mean harm or leak nothing: what a coordinator survives while its consortium trains, and what never leaves
//! a bank.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod account;
mod attacks;
mod canary;
mod dumps;
mod handshakes;
mod memory;
mod needles;
mod policy;
mod replays;
mod scene;
mod secrets;
mod streams;
mod tap;
