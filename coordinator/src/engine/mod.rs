//! The engine that drives rounds, and the traits through which it sees the world.

pub mod ports;
