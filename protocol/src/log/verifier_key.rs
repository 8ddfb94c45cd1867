//! The public keys that others pin to check signed notes (C2SP `signed-note`, Ed25519).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::Digest;

pub(super) const KEY_HASH_BYTES: usize = 4;
const ED25519_TYPE: u8 = 0x01;
const PUBLIC_KEY_BYTES: usize = 32;

/// Why a verifier key was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum VerifierKeyError {
    /// The name is empty, or has white space or a plus sign.
    #[error(
        "key name {found:?}: expected one or more characters, none of them white space, control character or `+`"
    )]
    Name {
        /// The name that was found.
        found: String,
    },
    /// The text is not `name+hash+base64`.
    #[error(
        "verifier key {found:?}: {what}; expected `<name>+<8 hex digits>+<base64 of 01 and an Ed25519 public key>`"
    )]
    Form {
        /// The text that was found.
        found: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Name and public key of a party that signs notes, as `name+hash+base64`: what others pin.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifierKey {
    name: String,
    public_key: [u8; PUBLIC_KEY_BYTES],
}

impl VerifierKey {
    /// The key `public_key` (Ed25519, RFC 8032) under a name that looks like a URL without scheme.
    ///
    /// # Errors
    /// [`VerifierKeyError::Name`] if the name is empty or has white space, a control character or a plus sign.
    pub fn new(name: &str, public_key: [u8; PUBLIC_KEY_BYTES]) -> Result<Self, VerifierKeyError> {
        if !is_key_name(name) {
            return Err(VerifierKeyError::Name {
                found: name.to_owned(),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            public_key,
        })
    }

    /// Name on the signature line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ed25519 public key.
    pub fn public_key(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.public_key
    }

    /// First 4 bytes of `SHA-256(name || 0A || 01 || public key)`: tells keys of one name apart, and proves nothing.
    pub fn key_hash(&self) -> [u8; KEY_HASH_BYTES] {
        hash_of_key(&self.name, ED25519_TYPE, &self.public_key)
    }

    fn typed_key(&self) -> Vec<u8> {
        [&[ED25519_TYPE], &self.public_key[..]].concat()
    }

    /// Whether `signature` is this key's Ed25519 signature over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(self.key_hash()),
            BASE64.encode(self.typed_key())
        )
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        let refuse = |what| VerifierKeyError::Form {
            found: text.to_owned(),
            what,
        };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("it has fewer than three parts"));
        };
        let typed = BASE64
            .decode(key)
            .map_err(|_| refuse("the last part is not base64"))?;
        let public_key = match typed.split_first() {
            Some((&ED25519_TYPE, key)) => key
                .try_into()
                .map_err(|_| refuse("the public key has not 32 bytes"))?,
            _ => return Err(refuse("its signature type is not Ed25519 (01)")),
        };
        let verifier = Self::new(name, public_key)?;
        if hex::encode(verifier.key_hash()) != hash {
            return Err(refuse("its hash is not that of the name and the key"));
        }
        Ok(verifier)
    }
}

impl TryFrom<String> for VerifierKey {
    type Error = VerifierKeyError;

    fn try_from(text: String) -> Result<Self, VerifierKeyError> {
        text.parse()
    }
}

impl From<VerifierKey> for String {
    fn from(key: VerifierKey) -> String {
        key.to_string()
    }
}

/// First 4 bytes of `SHA-256(name || 0A || type || public key)`.
pub(super) fn hash_of_key(name: &str, kind: u8, public_key: &[u8]) -> [u8; KEY_HASH_BYTES] {
    let Digest([a, b, c, d, ..]) = Digest::of(&[name.as_bytes(), b"\n", &[kind], public_key].concat());
    [a, b, c, d]
}

pub(super) fn is_key_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_reads_and_prints_the_same_in_configuration_as_in_text() {
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: VerifierKey = serde_from(text).unwrap();
        assert_eq!(key, text.parse().unwrap());
        assert_eq!(String::from(key), text);
        assert!(serde_from(&text.replace("c7", "c8")).is_err());
    }

    fn serde_from(text: &str) -> Result<VerifierKey, serde::de::value::Error> {
        VerifierKey::deserialize(serde::de::value::StrDeserializer::new(text))
    }

    #[test]
    fn malformed_verifier_keys_are_refused() {
        for (key, what) in [
            ("PeterNeumann", "three parts"),
            ("PeterNeumann+c74f20a3", "three parts"),
            (
                "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                "hash",
            ),
            (
                "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                "hash",
            ),
            (
                "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                "type",
            ),
            (
                "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy1w==",
                "32 bytes",
            ),
            ("PeterNeumann+c74f20a3+!", "base64"),
            (
                "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                "key name",
            ),
            (
                "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                "key name",
            ),
        ] {
            let error = key.parse::<VerifierKey>().unwrap_err().to_string();
            assert!(error.contains(what), "{key}: {error}");
        }
    }
}
