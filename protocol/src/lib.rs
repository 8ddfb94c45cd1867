//! The Veilsum masking protocol, both sides of it, pure: no clock, socket, file or thread.

pub mod crypto;
pub mod ids;
pub mod secagg;
pub mod wire;
