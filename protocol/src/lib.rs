//! The Veilsum masking protocol, both sides of it, pure: no clock, socket, file or thread.

pub mod consortium;
pub mod crypto;
pub mod enrolment;
pub mod epoch;
pub mod ids;
pub mod log;
pub mod model;
pub mod roster;
pub mod roster_change;
pub mod round;
pub mod secagg;
pub mod task;
pub mod wire;
