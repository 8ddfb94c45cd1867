//! Secure aggregation of one vector per bank.
//!
//! A bank's contribution is a flat vector of *digits*, integers of `p` bits ([`quantise`]). It adds one keystream for
//! itself and one for every peer ([`mask`]), modulo `2^b`, and packs the lanes into `b` bits each ([`pack`]). The
//! coordinator adds what arrives ([`accumulate`]); the pair masks cancel, and [`unmask`] takes off the rest with the secrets that
//! the survivors' Shamir shares ([`shamir`]) give back.
//!
//! Bonawitz et al. 2017, "Practical Secure Aggregation for Privacy-Preserving Machine Learning".

pub mod accumulate;
pub mod layout;
pub mod mask;
pub mod pack;
pub mod quantise;
pub mod ring;
mod rounding;
pub mod shamir;
pub mod unmask;
