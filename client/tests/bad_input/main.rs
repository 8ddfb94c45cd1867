//! What an operator can get wrong, and what the program then says: file, line or key, what was found and expected, and the exit code.

#![allow(clippy::unwrap_used)]

mod configured;
mod data;
mod identifiers;
mod identity;
mod images;
mod scene;
mod tasks;
