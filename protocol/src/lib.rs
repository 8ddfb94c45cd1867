//! The Veilsum masking protocol, both sides of it, pure: no clock, socket, file or thread.

pub mod ids;
pub mod model;
pub mod task;
