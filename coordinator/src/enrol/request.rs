//! Verification of the enrolment requests of banks, auditors and operators.

use rcgen::{
    CertificateSigningRequestParams, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKey, PublicKeyData as _,
    SanType,
};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use veilsum_protocol::enrolment::{EnrolmentRequest, Fingerprint, Party, ReaderRequest, Request, Role};
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::roster::RosterEntry;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// A bank's request whose sender holds all private keys.
pub struct VerifiedBank {
    /// The name it asks for.
    pub name: String,
    /// Ed25519 public key.
    pub signing_key: [u8; 32],
    /// Ed25519 public key for cosignatures.
    pub witness_key: [u8; 32],
    /// The key of the TLS certificate to issue.
    pub tls: TlsKey,
}

/// An auditor's or operator's request whose sender holds the private key.
pub struct VerifiedReader {
    /// What it asks to be.
    pub role: Role,
    /// The name it asks for.
    pub name: String,
    /// The key of the TLS certificate to issue.
    pub tls: TlsKey,
}

/// A public key that signed its own request.
pub struct TlsKey {
    /// The key.
    pub public: PublicKey,
    /// SHA-256 of its SubjectPublicKeyInfo in DER.
    pub hash: Digest,
}

/// A request of which everything was checked.
pub enum Verified {
    /// Of a bank.
    Bank(VerifiedBank),
    /// Of an auditor or operator.
    Reader(VerifiedReader),
}

impl VerifiedBank {
    /// The bank at a position of a roster.
    pub fn at(&self, index: BankIndex) -> RosterEntry {
        RosterEntry {
            index,
            name: self.name.clone(),
            signing_key: self.signing_key,
            witness_key: self.witness_key,
            tls_key: self.tls.hash,
        }
    }
}

impl Verified {
    /// What asks.
    pub fn party(&self) -> Party {
        match self {
            Self::Bank(_) => Party::Bank,
            Self::Reader(reader) => reader.role.party(),
        }
    }

    /// The name it asks for.
    pub fn name(&self) -> &str {
        match self {
            Self::Bank(bank) => &bank.name,
            Self::Reader(reader) => &reader.name,
        }
    }

    /// SHA-256 of the TLS key's SubjectPublicKeyInfo in DER.
    pub fn tls_key(&self) -> Digest {
        match self {
            Self::Bank(bank) => bank.tls.hash,
            Self::Reader(reader) => reader.tls.hash,
        }
    }

    /// What both sides compare.
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Bank(bank) => {
                Fingerprint::of_bank(&bank.name, &bank.tls.hash, &bank.signing_key, &bank.witness_key)
            }
            Self::Reader(reader) => Fingerprint::of_reader(reader.role, &reader.name, &reader.tls.hash),
        }
    }

    /// Whether the other has one of these keys, for whatever purpose.
    pub fn shares_a_key(&self, other: &Self) -> bool {
        let statements = |verified: &Self| match verified {
            Self::Bank(bank) => vec![bank.signing_key, bank.witness_key],
            Self::Reader(_) => Vec::new(),
        };
        let theirs = statements(other);
        self.tls_key() == other.tls_key() || statements(self).iter().any(|key| theirs.contains(key))
    }
}

/// Checks the text of a request: its form, the signing request's own signature, the kind of its key, and what binds key and name.
///
/// # Errors
/// What was found and what was expected, in words.
pub fn verify(text: &str) -> Result<Verified, String> {
    match Request::from_toml(text).map_err(|error| error.to_string())? {
        Request::Bank(request) => verify_bank(request).map(Verified::Bank),
        Request::Reader(request) => verify_reader(request).map(Verified::Reader),
    }
}

fn verify_bank(request: EnrolmentRequest) -> Result<VerifiedBank, String> {
    let der = csr_der(&request.csr)?;
    request.verify_proof(&der).map_err(|error| error.to_string())?;
    let (tls, _) = tls_key(&der)?;
    Ok(VerifiedBank {
        signing_key: request.signing_key().map_err(|error| error.to_string())?,
        witness_key: request.witness_key().map_err(|error| error.to_string())?,
        name: request.name,
        tls,
    })
}

fn verify_reader(request: ReaderRequest) -> Result<VerifiedReader, String> {
    let (tls, names) = tls_key(&csr_der(&request.csr)?)?;
    let role = request.role;
    let expected = format!("{}.{}", request.name, role.domain());
    match names.as_slice() {
        [SanType::DnsName(name)] if name.as_str() == expected => Ok(VerifiedReader {
            role,
            name: request.name,
            tls,
        }),
        other => Err(format!(
            "csr: it asks for {other:?}, expected the one name {expected}; the file was changed after it was made, or is not an {role}'s"
        )),
    }
}

fn csr_der(pem: &str) -> Result<CertificateSigningRequestDer<'static>, String> {
    CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| format!("csr: no certificate signing request in PEM: {error}"))
}

/// The key of a signing request, and the names that it asks for.
fn tls_key(der: &CertificateSigningRequestDer<'static>) -> Result<(TlsKey, Vec<SanType>), String> {
    // Attributes are read by a library that knows few of them. Names are looked at, and none is ever granted for being asked for.
    let parsed = CertificateSigningRequestParams::from_der(der).map_err(|error| format!("csr: {error}"))?;
    let algorithm = parsed.public_key.algorithm();
    if *algorithm != PKCS_ECDSA_P256_SHA256 && *algorithm != PKCS_ED25519 {
        return Err("csr: expected an ECDSA P-256 or an Ed25519 key".to_owned());
    }
    let (rest, raw) = X509CertificationRequest::from_der(der).map_err(|error| format!("csr: {error}"))?;
    let spki = parsed.public_key.subject_public_key_info();
    // The algorithm above is the signature's; a P-384 key can sign with SHA-256 too, and would be issued as P-256.
    if !rest.is_empty() || raw.certification_request_info.subject_pki.raw != spki {
        return Err(
            "csr: expected an ECDSA P-256 or an Ed25519 key, and nothing after the request".to_owned(),
        );
    }
    let key = TlsKey {
        hash: Digest::of(&spki),
        public: parsed.public_key,
    };
    Ok((key, parsed.params.subject_alt_names))
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

    /// A request as an auditor or operator makes it.
    pub(crate) fn reader_request(role: Role, name: &str, key: &KeyPair) -> ReaderRequest {
        let params = CertificateParams::new([format!("{name}.{}", role.domain())]).unwrap();
        ReaderRequest {
            version: REQUEST_VERSION,
            role,
            name: name.to_owned(),
            csr: params.serialize_request(key).unwrap().pem().unwrap(),
        }
    }

    #[test]
    fn an_honest_request_is_accepted() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let hash = Digest::of(&key.subject_public_key_info());
            match verify(&toml::to_string(&request("bank-a", &key, 1)).unwrap()).unwrap() {
                Verified::Bank(bank) => assert_eq!((bank.name.as_str(), bank.tls.hash), ("bank-a", hash)),
                Verified::Reader(_) => panic!("a bank's request"),
            }
            for role in Role::ALL {
                match verify(&toml::to_string(&reader_request(role, "firm", &key)).unwrap()).unwrap() {
                    Verified::Reader(firm) => {
                        assert_eq!(
                            (firm.role, firm.name.as_str(), firm.tls.hash),
                            (role, "firm", hash)
                        );
                    }
                    Verified::Bank(_) => panic!("a request of one key"),
                }
            }
        }
    }

    #[test]
    fn an_auditor_must_have_signed_for_its_own_name_and_role() {
        let key = KeyPair::generate().unwrap();
        let good = reader_request(Role::Auditor, "firm", &key);
        let refused = |changed: &ReaderRequest| {
            let error = verify(&toml::to_string(changed).unwrap()).err().unwrap();
            assert!(error.starts_with("csr: "), "{error}");
            error
        };
        let renamed = ReaderRequest {
            name: "other".to_owned(),
            ..good.clone()
        };
        assert!(refused(&renamed).contains("expected the one name other.auditor.veilsum"));
        // Nor is an auditor an operator.
        let risen = ReaderRequest {
            role: Role::Operator,
            ..good.clone()
        };
        assert!(refused(&risen).contains("expected the one name firm.operator.veilsum"));
        // A bank's signing request is public. It makes nobody an auditor.
        let banks = ReaderRequest {
            csr: request("firm", &key, 1).csr,
            ..good.clone()
        };
        refused(&banks);
        let two = ["firm.auditor.veilsum", "fl.example.org"].map(str::to_owned);
        let more = ReaderRequest {
            csr: CertificateParams::new(two)
                .unwrap()
                .serialize_request(&key)
                .unwrap()
                .pem()
                .unwrap(),
            ..good.clone()
        };
        refused(&more);
        let none = ReaderRequest {
            csr: "PEM".to_owned(),
            ..good
        };
        refused(&none);
        let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        assert!(refused(&reader_request(Role::Auditor, "firm", &p384)).contains("P-256"));
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
