//! What travels, and the canonical form of what is signed.

pub mod canonical;
