//! Callers that are known by their certificates: a real server, and an application's own TLS.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};

use crate::http::{Served, proven};
use crate::scene::{PATIENCE, Scene, eventually, has};

const ROWS: &str = r#"{"inputs":[{"name":"income","datatype":"FP64","shape":[1],"data":[120]},{"name":"home","datatype":"BYTES","shape":[1],"data":["rent"]}]}"#;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Side {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn issued(by: &Authority, name: &str) -> Side {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, by).unwrap();
    Side { certificate, key }
}

impl Side {
    fn write(&self, folder: &Path) {
        fs::write(folder.join("serve.crt.pem"), self.certificate.pem()).unwrap();
        let key = folder.join("serve.key.pem");
        fs::write(&key, self.key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// The status and the whole answer to an application that trusts `trusted` and shows itself as `side`; why there is none, if it is hung up on.
fn asked(
    served: &Served,
    trusted: &Authority,
    side: Option<&Side>,
    request: &str,
) -> Result<(u16, String), String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let config = match side {
        None => config.with_no_client_auth(),
        Some(side) => {
            let chain: Vec<CertificateDer<'static>> = vec![side.certificate.der().clone()];
            let key = PrivatePkcs8KeyDer::from(side.key.serialize_der());
            config.with_client_auth_cert(chain, key.into()).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(&served.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let mut answer = String::new();
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|error| error.to_string())?;
    let status = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap();
    Ok((status, answer))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: scores.bank.example\r\nConnection: close\r\n\r\n")
}

fn infer() -> String {
    format!(
        "POST /v2/models/tiny/infer HTTP/1.1\r\nHost: scores.bank.example\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{ROWS}",
        ROWS.len()
    )
}

#[test]
fn an_application_is_known_by_its_certificate() {
    let scene = Scene::enrolled(1, 60);
    scene.run();
    proven(&scene, 3);
    scene.finish();
    let bank = scene.folder("bank-1");
    let (own, callers, foreign) = (authority(), authority(), authority());
    issued(&own, "serve").write(&bank);
    fs::write(bank.join("callers-ca.pem"), callers.pem()).unwrap();
    let settings = |names: &str| {
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndecisions = {{ folder = \"decisions\" }}\n[tls]\ncertificate = \"serve.crt.pem\"\nkey = \"serve.key.pem\"\ncallers_ca = \"callers-ca.pem\"\ncallers = [{names}]\n"
        );
        fs::write(bank.join("serve.toml"), text).unwrap();
    };
    settings("\"risk\", \"sales\"");

    // A key that others may read is none.
    fs::set_permissions(bank.join("serve.key.pem"), fs::Permissions::from_mode(0o640)).unwrap();
    has(
        &scene.client(&["serve", "--dir", "bank-1"], 2),
        &["serve.key.pem", "mode 0640", "chmod 600"],
    );
    fs::set_permissions(bank.join("serve.key.pem"), fs::Permissions::from_mode(0o600)).unwrap();

    let served = Served::start(&scene, "bank-1");
    served.says("models are served at https://");
    served.says("is in service");
    let (risk, other) = (issued(&callers, "risk"), issued(&callers, "other"));
    let (status, answer) = asked(&served, &own, Some(&risk), &infer()).unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"probability\""), "{answer}");
    let status =
        |side: Option<&Side>| asked(&served, &own, side, &get("/v2/models/tiny")).map(|(status, _)| status);
    assert_eq!(status(Some(&risk)), Ok(200));
    // Of the right authority, and not in the list.
    assert_eq!(status(Some(&other)), Ok(403));
    let (none, words) = asked(&served, &own, None, &infer()).unwrap();
    assert_eq!(none, 401);
    assert!(words.contains("found no certificate"), "{words}");
    // By the name of a caller and another authority; and without TLS at all.
    let forged = status(Some(&issued(&foreign, "risk"))).unwrap_err();
    assert!(forged.contains("alert"), "{forged}");
    let mut plain = TcpStream::connect(&served.address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(get("/v2").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // It may be reset as well.
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP"), "{}", bytes.escape_ascii());

    // A name is taken out, and another certificate in, while it runs.
    settings("\"other\"");
    eventually("the list of callers", || {
        (status(Some(&risk)) == Ok(403) && status(Some(&other)) == Ok(200)).then_some(())
    });
    let next = authority();
    issued(&next, "serve").write(&bank);
    eventually("the new certificate", || {
        asked(&served, &next, Some(&other), &get("/v2")).ok()
    });
    assert!(
        status(Some(&other)).is_err(),
        "the certificate before is shown no more"
    );
    // Half of a pair is told, and the one before stays.
    fs::write(
        bank.join("serve.crt.pem"),
        issued(&own, "serve").certificate.pem(),
    )
    .unwrap();
    served.says("found a key that is not that of the certificate");
    let (alive, _) = asked(&served, &next, Some(&other), &get("/v2")).unwrap();
    assert_eq!(alive, 200);
    assert_eq!(served.stop(), Some(0));

    // The one score that was given was given to this caller.
    let listed = scene.output(
        &scene.programs.client,
        &["decisions", "list", "--dir", "bank-1", "--json"],
    );
    let listed = String::from_utf8(listed.stdout).unwrap();
    let decisions: Vec<serde_json::Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(decisions.len(), 1, "{listed}");
    assert_eq!(decisions[0]["caller"], "risk");
}
