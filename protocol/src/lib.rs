//! The Veilsum masking protocol, both sides of it, pure: no clock, socket, file or thread.

pub mod consortium;
pub mod enrolment;
pub mod ids;
pub mod roster;
pub mod wire;
