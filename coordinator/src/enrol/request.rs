//! Verification of a bank's enrolment request.

use rcgen::{
    CertificateSigningRequestParams, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKey, PublicKeyData as _,
};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use veilsum_protocol::enrolment::EnrolmentRequest;
use veilsum_protocol::ids::Digest;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// A request whose sender holds all private keys.
pub struct VerifiedRequest {
    /// The name it asks for.
    pub name: String,
    /// Ed25519 public key.
    pub signing_key: [u8; 32],
    /// Ed25519 public key for cosignatures.
    pub witness_key: [u8; 32],
    /// Public key of the TLS certificate to issue.
    pub public_key: PublicKey,
    /// SHA-256 of that key's SubjectPublicKeyInfo in DER.
    pub tls_key: Digest,
}

/// Checks the text of a request: its form, the signing request's own signature, the kind of its key, and the proofs by
/// signing key and witness key.
///
/// # Errors
/// What was found and what was expected, in words.
pub fn verify(text: &str) -> Result<VerifiedRequest, String> {
    let request = EnrolmentRequest::from_toml(text).map_err(|error| error.to_string())?;
    let der = CertificateSigningRequestDer::from_pem_slice(request.csr.as_bytes())
        .map_err(|error| format!("csr: no certificate signing request in PEM: {error}"))?;
    request.verify_proof(&der).map_err(|error| error.to_string())?;
    // Attributes are read by a library that knows few of them. A client writes none, and none is ever granted.
    let parsed = CertificateSigningRequestParams::from_der(&der).map_err(|error| format!("csr: {error}"))?;
    let algorithm = parsed.public_key.algorithm();
    if *algorithm != PKCS_ECDSA_P256_SHA256 && *algorithm != PKCS_ED25519 {
        return Err("csr: expected an ECDSA P-256 or an Ed25519 key".to_owned());
    }
    let (rest, raw) = X509CertificationRequest::from_der(&der).map_err(|error| format!("csr: {error}"))?;
    let spki = parsed.public_key.subject_public_key_info();
    // The algorithm above is the signature's; a P-384 key can sign with SHA-256 too, and would be issued as P-256.
    if !rest.is_empty() || raw.certification_request_info.subject_pki.raw != spki {
        return Err(
            "csr: expected an ECDSA P-256 or an Ed25519 key, and nothing after the request".to_owned(),
        );
    }
    Ok(VerifiedRequest {
        signing_key: request.signing_key().map_err(|error| error.to_string())?,
        witness_key: request.witness_key().map_err(|error| error.to_string())?,
        name: request.name,
        tls_key: Digest::of(&spki),
        public_key: parsed.public_key,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use veilsum_protocol::enrolment::{REQUEST_VERSION, proof_message};

    use super::*;

    /// A request as a bank makes it, with a signing key from `seed`.
    pub(crate) fn request(name: &str, key: &KeyPair, seed: u8) -> EnrolmentRequest {
        let csr = CertificateParams::default().serialize_request(key).unwrap();
        let mut request = EnrolmentRequest {
            version: REQUEST_VERSION,
            name: name.to_owned(),
            signing_public_key: String::new(),
            witness_public_key: String::new(),
            proof: String::new(),
            witness_proof: String::new(),
            csr: csr.pem().unwrap(),
        };
        prove(&mut request, seed, csr.der());
        request
    }

    /// Puts in keys from `seed` and their proofs over `csr`.
    fn prove(request: &mut EnrolmentRequest, seed: u8, csr: &[u8]) {
        let [signing, witness] =
            [seed, seed + 128].map(|seed| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap());
        let public = |key: &Ed25519KeyPair| key.public_key().as_ref().try_into().unwrap();
        let message = proof_message(&request.name, &public(&signing), &public(&witness), csr);
        request.signing_public_key = hex::encode(signing.public_key());
        request.witness_public_key = hex::encode(witness.public_key());
        request.proof = hex::encode(signing.sign(&message));
        request.witness_proof = hex::encode(witness.sign(&message));
    }

    #[test]
    fn an_honest_request_is_accepted() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let verified = verify(&toml::to_string(&request("bank-a", &key, 1)).unwrap()).unwrap();
            assert_eq!(verified.name, "bank-a");
            assert_eq!(verified.tls_key, Digest::of(&key.subject_public_key_info()));
        }
    }

    #[test]
    fn a_request_that_was_put_together_from_two_is_refused() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut mixed = request("bank-a", &key, 1);
        mixed.csr = request("bank-a", &other, 1).csr;
        let error = verify(&toml::to_string(&mixed).unwrap()).err().unwrap();
        assert!(error.starts_with("proof"), "{error}");
    }

    #[test]
    fn a_signing_request_with_a_broken_signature_is_refused() {
        let key = KeyPair::generate().unwrap();
        let mut der = CertificateParams::default()
            .serialize_request(&key)
            .unwrap()
            .der()
            .to_vec();
        *der.last_mut().unwrap() ^= 1;
        let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
        let mut broken = request("bank-a", &key, 1);
        broken.csr =
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n");
        prove(&mut broken, 1, &der);
        let error = verify(&toml::to_string(&broken).unwrap()).err().unwrap();
        assert!(error.starts_with("csr"), "{error}");
    }

    #[test]
    fn other_kinds_of_keys_are_refused() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let error = verify(&toml::to_string(&request("bank-a", &key, 1)).unwrap())
            .err()
            .unwrap();
        assert!(error.contains("P-256"), "{error}");
    }
}
