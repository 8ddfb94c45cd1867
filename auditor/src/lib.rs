//! Reads a published round log and checks it. It trusts nothing but the keys that the auditor pinned.

pub mod source;
