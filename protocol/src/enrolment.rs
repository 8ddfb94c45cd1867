//! Requests to be enrolled. A bank's has three public keys, and proof that it holds all private ones; an auditor's or operator's has one.
//!
//! The certificate signing request (PKCS #10, RFC 2986) proves possession of the TLS key by its own signature. The two
//! proof fields do the same for the signing key and the witness key, and each binds the three together, so that nobody enrols with
//! another's key.

mod fingerprint;
mod invitation;
mod messages;
mod reader;
mod renewal;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::roster::{NameError, check_bank_name};
use crate::wire::canonical::Writer;

pub use fingerprint::Fingerprint;
pub use invitation::{INVITATION_LIMIT, Invitation, InvitationError, Party};
pub use messages::{
    ANSWER_LIMIT, ASK_LIMIT, Admission, Answer, Ask, ENROL_ALPN, GREETING_LIMIT, Greeting, Refusal,
    RefusalReason, secret_digest,
};
pub use reader::{ReaderRequest, Request, Role};
pub use renewal::{RENEW_ALPN, RENEWAL_LIMIT, Renewal, renewal_is_due_at};

/// Version of the request's format.
pub const REQUEST_VERSION: u32 = 1;

/// Largest request that is read, in bytes.
pub const REQUEST_LIMIT: usize = 16 << 10;

/// The file `<name>.request.toml`. It holds public keys only and may be mailed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// [`REQUEST_VERSION`].
    pub version: u32,
    /// The name that the bank asks for.
    pub name: String,
    /// Ed25519 public key, 64 hex characters.
    pub signing_public_key: String,
    /// Ed25519 public key for cosignatures under the log's heads, 64 hex characters.
    pub witness_public_key: String,
    /// The signing key's Ed25519 signature over [`proof_message`], 128 hex characters.
    pub proof: String,
    /// The witness key's signature over the same, 128 hex characters.
    pub witness_proof: String,
    /// The certificate signing request, PEM.
    pub csr: String,
}

/// Why a request is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Larger than any honest request.
    #[error("{found} bytes, expected at most {REQUEST_LIMIT}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Not TOML, or a key that is missing or unknown.
    #[error("not an enrolment request: {0}")]
    Toml(String),
    /// Written by another version.
    #[error("version {found}, expected {REQUEST_VERSION}; make the request with the program of this release")]
    Version {
        /// The version found.
        found: u32,
    },
    /// A role that nobody has.
    #[error("role {found:?}, expected \"auditor\" or \"operator\", or no role in a bank's request")]
    Role {
        /// The role found.
        found: String,
    },
    /// The name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A field is not hex of the right length.
    #[error("{field}: expected {expected} hex characters, found {found}")]
    Hex {
        /// The field.
        field: &'static str,
        /// Characters expected.
        expected: usize,
        /// Characters found.
        found: usize,
    },
    /// A key did not sign this name, these keys and this signing request.
    #[error(
        "{proof}: the signature is not by {key} over this name, these keys and csr; the file was changed after \
         `veilsum-client init`, or the keys are not the bank's"
    )]
    Proof {
        /// The field with the signature.
        proof: &'static str,
        /// The field with the key.
        key: &'static str,
    },
}

/// Reads a request of a size that an honest one may have.
fn read<T: DeserializeOwned>(text: &str) -> Result<T, RequestError> {
    if text.len() > REQUEST_LIMIT {
        return Err(RequestError::TooLarge { found: text.len() });
    }
    toml::from_str(text).map_err(|error| RequestError::Toml(error.to_string()))
}

fn check_version(found: u32) -> Result<(), RequestError> {
    if found == REQUEST_VERSION {
        Ok(())
    } else {
        Err(RequestError::Version { found })
    }
}

impl EnrolmentRequest {
    /// Reads and checks everything except what needs the DER of the signing request: see [`Self::verify_proof`].
    ///
    /// # Errors
    /// [`RequestError`] for the first thing that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, RequestError> {
        let request: Self = read(text)?;
        check_version(request.version)?;
        check_bank_name(&request.name)?;
        request.signing_key()?;
        request.witness_key()?;
        from_hex::<64>("proof", &request.proof)?;
        from_hex::<64>("witness_proof", &request.witness_proof)?;
        Ok(request)
    }

    /// The Ed25519 public key.
    ///
    /// # Errors
    /// [`RequestError::Hex`].
    pub fn signing_key(&self) -> Result<[u8; 32], RequestError> {
        from_hex("signing_public_key", &self.signing_public_key)
    }

    /// The Ed25519 public key for cosignatures.
    ///
    /// # Errors
    /// [`RequestError::Hex`].
    pub fn witness_key(&self) -> Result<[u8; 32], RequestError> {
        from_hex("witness_public_key", &self.witness_public_key)
    }

    /// Checks that signing key and witness key each signed this name together with both keys and this signing request.
    ///
    /// `csr_der` is the content of [`Self::csr`]; the caller has decoded the PEM and checks the request's own signature.
    ///
    /// # Errors
    /// [`RequestError::Proof`], or [`RequestError::Hex`] if the request was not read by [`Self::from_toml`].
    pub fn verify_proof(&self, csr_der: &[u8]) -> Result<(), RequestError> {
        let (signing, witness) = (self.signing_key()?, self.witness_key()?);
        let message = proof_message(&self.name, &signing, &witness, csr_der);
        for (key_field, key, proof_field, proof) in [
            ("signing_public_key", signing, "proof", &self.proof),
            (
                "witness_public_key",
                witness,
                "witness_proof",
                &self.witness_proof,
            ),
        ] {
            let signature: [u8; 64] = from_hex(proof_field, proof)?;
            UnparsedPublicKey::new(&ED25519, key)
                .verify(&message, &signature)
                .map_err(|_| RequestError::Proof {
                    proof: proof_field,
                    key: key_field,
                })?;
        }
        Ok(())
    }
}

/// What signing key and witness key sign: `"veilsum/v1/enrolment-request\0"`, the name with a big-endian `u32` length before it, both
/// public keys, and the SHA-256 of the signing request in DER.
pub fn proof_message(name: &str, signing_key: &[u8; 32], witness_key: &[u8; 32], csr_der: &[u8]) -> Vec<u8> {
    Writer::domain("enrolment-request")
        .text(name)
        .fixed(signing_key)
        .fixed(witness_key)
        .digest(&Digest::of(csr_der))
        .finish()
}

fn from_hex<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], RequestError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| RequestError::Hex {
        field,
        expected: 2 * N,
        found: text.chars().count(),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    pub(super) fn request() -> EnrolmentRequest {
        let [signing, witness] =
            [7, 17].map(|seed| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap());
        let public = |key: &Ed25519KeyPair| key.public_key().as_ref().try_into().unwrap();
        let message = proof_message("bank-a", &public(&signing), &public(&witness), b"request");
        EnrolmentRequest {
            version: REQUEST_VERSION,
            name: "bank-a".to_owned(),
            signing_public_key: hex::encode(signing.public_key()),
            witness_public_key: hex::encode(witness.public_key()),
            proof: hex::encode(signing.sign(&message)),
            witness_proof: hex::encode(witness.sign(&message)),
            csr: "PEM".to_owned(),
        }
    }

    fn text(request: &EnrolmentRequest) -> String {
        toml::to_string(request).unwrap()
    }

    #[test]
    fn a_request_is_read_back_and_its_proof_holds() {
        let read = EnrolmentRequest::from_toml(&text(&request())).unwrap();
        assert_eq!(read, request());
        read.verify_proof(b"request").unwrap();
    }

    #[test]
    fn the_signed_bytes_are_laid_out_as_documented() {
        let hash = Digest::of(b"request").0;
        let expected = [
            b"veilsum/v1/enrolment-request\0".as_slice(),
            &[0, 0, 0, 6],
            b"bank-a",
            &[1; 32],
            &[2; 32],
            &hash,
        ]
        .concat();
        assert_eq!(proof_message("bank-a", &[1; 32], &[2; 32], b"request"), expected);
    }

    #[test]
    fn the_proof_binds_name_csr_and_key() {
        let good = request();
        let by_signing_key = Err(RequestError::Proof {
            proof: "proof",
            key: "signing_public_key",
        });
        assert_eq!(good.verify_proof(b"another request"), by_signing_key);
        let renamed = EnrolmentRequest {
            name: "bank-b".to_owned(),
            ..good.clone()
        };
        assert_eq!(renamed.verify_proof(b"request"), by_signing_key);
        let other_key = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        let stolen = EnrolmentRequest {
            signing_public_key: hex::encode(other_key.public_key()),
            ..good.clone()
        };
        assert_eq!(stolen.verify_proof(b"request"), by_signing_key);
        let stolen = EnrolmentRequest {
            witness_public_key: hex::encode(other_key.public_key()),
            ..good.clone()
        };
        assert_eq!(stolen.verify_proof(b"request"), by_signing_key);
        let unproven = EnrolmentRequest {
            witness_proof: good.proof.clone(),
            ..good
        };
        let refused = unproven.verify_proof(b"request").unwrap_err().to_string();
        assert!(
            refused.starts_with("witness_proof") && refused.contains("witness_public_key"),
            "{refused}"
        );
    }

    #[test]
    fn malformed_requests_say_what_is_wrong() {
        let refused = |change: fn(&mut EnrolmentRequest)| {
            let mut changed = request();
            change(&mut changed);
            EnrolmentRequest::from_toml(&text(&changed))
                .unwrap_err()
                .to_string()
        };
        assert!(refused(|it| it.version = 2).contains("version 2, expected 1"));
        assert!(refused(|it| it.name = "../x".to_owned()).contains("../x"));
        assert!(refused(|it| it.proof.truncate(10)).contains("proof: expected 128 hex characters, found 10"));
        assert!(refused(|it| it.csr = "x".repeat(REQUEST_LIMIT)).contains("expected at most"));
        let unknown = format!("extra = 1\n{}", text(&request()));
        assert!(
            EnrolmentRequest::from_toml(&unknown)
                .unwrap_err()
                .to_string()
                .contains("extra")
        );
    }
}
