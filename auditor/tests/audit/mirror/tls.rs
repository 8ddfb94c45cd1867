//! Certificates on both sides.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{is, log_of};
use crate::program::with_key;
use crate::served::Server;

/// An authority with a server and a reader.
struct Authority {
    pem: String,
    config: Arc<ServerConfig>,
    reader: (String, String),
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (pem, root) = (certificate.pem(), certificate.der().clone());
        let issuer = Issuer::new(params, key);
        let issue = |name: &str, usage| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, server_key) = issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let (reader, reader_key) = issue("auditor", ExtendedKeyUsagePurpose::ClientAuth);
        let mut roots = RootCertStore::empty();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![server.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
            )
            .unwrap();
        Self {
            pem,
            config: Arc::new(config),
            reader: (reader.pem(), reader_key.serialize_pem()),
        }
    }
}

#[test]
fn a_server_and_a_reader_of_one_authority_know_each_other() {
    let (ours, other) = (Authority::new(), Authority::new());
    let world = log_of(300);
    let (served, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    world.write(served.path());
    let server = Server::start(served.path(), Some(Arc::clone(&ours.config)));
    let url = server.url("log/");
    for (name, contents) in [
        ("ca.pem", &ours.pem),
        ("cert.pem", &ours.reader.0),
        ("key.pem", &ours.reader.1),
        ("other-ca.pem", &other.pem),
        ("other-cert.pem", &other.reader.0),
        ("other-key.pem", &other.reader.1),
    ] {
        let path = here.path().join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let mirror = |ca: &str, cert: &str, key: &str| {
        let tls = ["--tls-ca", ca, "--tls-cert", cert, "--tls-key", key];
        let arguments = [&["mirror", &url, "copy", "--tries", "1"], &tls[..]].concat();
        with_key(&world, here.path(), &arguments)
    };
    is(
        &mirror("ca.pem", "cert.pem", "key.pem"),
        2,
        "key.pem: mode 0644 lets others at this private key, expected 0600 or 0400; run: chmod 600",
    );
    for key in ["key.pem", "other-key.pem"] {
        fs::set_permissions(here.path().join(key), fs::Permissions::from_mode(0o600)).unwrap();
    }
    is(
        &mirror("other-ca.pem", "cert.pem", "key.pem"),
        2,
        "no TLS connection: invalid peer certificate",
    );
    is(
        &mirror("ca.pem", "other-cert.pem", "other-key.pem"),
        2,
        "no TLS connection",
    );
    is(
        &mirror("ca.pem", "cert.pem", "other-key.pem"),
        2,
        "expected the certificate that was issued for the key",
    );
    is(
        &mirror("key.pem", "cert.pem", "key.pem"),
        2,
        "found no certificate",
    );
    is(
        &mirror("ca.pem", "cert.pem", "nowhere.pem"),
        2,
        "nowhere.pem: No such file or directory",
    );
    let alone = ["mirror", &url, "copy", "--tls-ca", "ca.pem", "--tries", "1"];
    is(&with_key(&world, here.path(), &alone), 2, "no TLS connection");
    assert!(!here.path().join("copy/checkpoint").exists());
    is(
        &mirror("ca.pem", "cert.pem", "key.pem"),
        0,
        "the log is copied: 300 entries",
    );
}
