//! Canonical forms: how a value, the fields that the documents give it, and its bytes stand in a file.
//!
//! `fields` is written from `docs/protocol.md`, not from the code: a list of `[type, value]`, where `repeat` is a byte and how often,
//! and `form` a whole canonical form behind its length.

use std::fmt::Debug;

use serde_json::{Value, json};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::wire::canonical::{Canonical, DecodeError};

use crate::frozen::shown;

/// A value, which must come back from its bytes.
pub fn good<T: Canonical + PartialEq + Debug>(name: &str, value: &T, fields: &Value) -> Value {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value), "{name}");
    assert_eq!(value.hash(), Digest::of(&bytes), "{name}");
    json!({ "name": name, "kind": T::KIND, "fields": fields, "form": shown(&bytes) })
}

/// Bytes that must be refused, and the step that must refuse them.
pub fn bad<T: Canonical + Debug>(name: &str, bytes: &[u8], fails: &str) -> Value {
    assert_eq!(step(&T::from_bytes(bytes).unwrap_err()), fails, "{name}");
    json!({ "name": name, "kind": T::KIND, "form": shown(bytes), "fails": fails })
}

fn step(error: &DecodeError) -> String {
    match error {
        DecodeError::Domain { .. } => "domain".to_owned(),
        DecodeError::Short { what, .. } => format!("short: {what}"),
        DecodeError::Value { what, .. } => format!("value: {what}"),
        DecodeError::NotCanonical(left) => format!("not canonical, {left} left over"),
    }
}

/// `bytes` with `put` at `at`; counted from the end when negative.
pub fn with(bytes: &[u8], at: isize, put: &[u8]) -> Vec<u8> {
    let at = if at < 0 {
        bytes.len() - at.unsigned_abs()
    } else {
        at.unsigned_abs()
    };
    let mut out = bytes.to_vec();
    out[at..at + put.len()].copy_from_slice(put);
    out
}

/// The fields of one value and then of another.
pub fn joined(parts: &[&Value]) -> Value {
    parts
        .iter()
        .flat_map(|part| part.as_array().unwrap())
        .cloned()
        .collect()
}
