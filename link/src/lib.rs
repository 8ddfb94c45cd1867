//! Byte streams between a bank and the coordinator, over either of two ways: QUIC (RFC 9000), or TLS 1.3 on TCP.
//!
//! Both ways carry the same frames under the same certificates, so whoever uses a stream never asks which way it goes. On TCP each
//! stream is a TLS connection of its own, and [`tcp`] adds what QUIC has and a TCP stream lacks: an end of one direction that is told
//! from a cut, a close with a code and a reason, and signs of life.

mod connection;
mod record;
pub mod socket;
mod streams;
pub mod tcp;

pub use connection::{Connection, End, Transport};
pub use streams::{RecvHalf, SendHalf, StreamError};
