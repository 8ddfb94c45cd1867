//! A digest in a TOML file: 64 hex characters.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};
use veilsum_protocol::ids::Digest;

pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&digest.to_hex())
}

pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    Digest::from_hex(&text)
        .ok_or_else(|| D::Error::custom(format!("found {text:?}, expected 64 hex characters")))
}
