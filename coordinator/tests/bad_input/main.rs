//! What the operator can get wrong, and what the program then says: file, line or key, what was found and what to do, and the exit code.

#![allow(clippy::unwrap_used)]

mod certificate;
mod configuration;
mod enrolment;
mod machine;
mod preflight;
mod scene;
