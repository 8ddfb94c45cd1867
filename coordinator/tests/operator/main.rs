//! The operator's commands against a real daemon, and what they say when something is wrong.
#![allow(clippy::unwrap_used, dead_code)]

mod commands;
mod configured;
#[path = "../bad_input/scene.rs"]
mod scene;
mod watched;
