//! What travels between a bank and the coordinator, and how it is laid out in bytes.
//!
//! Two encodings live here and never mix: [`frame`] carries messages and defines nothing that is hashed or signed;
//! [`canonical`] is the one byte form of everything that is. [`statement`] and [`refusal`] are what banks sign.

pub mod canonical;
pub mod frame;
pub mod message;
pub mod outbound;
pub mod refusal;
pub mod signed;
pub mod statement;
pub mod stream;
