//! What travels between a bank and the coordinator, and how it is laid out in bytes.
//!
//! Two encodings live here and never mix: [`frame`] carries messages and defines nothing that is hashed or signed.

pub mod frame;
pub mod stream;
