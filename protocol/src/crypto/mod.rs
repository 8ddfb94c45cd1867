//! Primitives, each behind a type that can be used in one way only.
//!
//! | need | from |
//! | --- | --- |
//! | pair key agreement | [`agreement`]: X25519 and ML-KEM-768, always both |
//! | signatures | [`signing`]: Ed25519 over canonical forms |
//! | sealed messages | [`aead`]: AES-256-GCM, one derived key per message |
//! | key derivation | [`kdf`]: HKDF-SHA-256 |
//! | mask stream | [`prg`]: AES-256 in counter mode |
//! | secrets | [`secret`]: redacted, never copied, wiped |
//! | randomness | [`entropy`]: an argument, so that rounds can be simulated |

pub mod aead;
pub mod agreement;
pub mod entropy;
pub mod kdf;
pub mod prg;
pub mod secret;
pub mod signing;
