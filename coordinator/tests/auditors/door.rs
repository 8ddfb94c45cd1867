//! Who is let in.

use std::fs;
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use veilsum_coordinator::enrol::desk::Desk;
use veilsum_coordinator::transport::{Listener, PublicBlobs, Seats, Services, UploadGate};
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};
use veilsum_protocol::wire::stream::{ALPN, CloseCode, Rejected};

use crate::reader::{PATIENCE, Reader, ask, request, tls};
use crate::scene::{Identity, Scene, Serving};

const CHECKPOINT: &str = "/log/checkpoint";

fn status(scene: &Scene, serving: &Serving, identity: &Identity) -> (u16, String) {
    let reply = ask(
        scene,
        serving.address,
        Some(identity),
        &request("GET", CHECKPOINT, &[]),
    )
    .unwrap();
    (reply.status, reply.text())
}

#[test]
fn auditors_and_banks_read_and_nobody_else_gets_through_the_handshake() {
    let scene = Scene::new();
    let serving = scene.serve(|_| {});
    assert_eq!(status(&scene, &serving, &scene.firm).0, 200);
    assert_eq!(status(&scene, &serving, &scene.bank).0, 200);
    // With the same key and name, and all else as it should be.
    let (expired, foreign) = (scene.issued(false, 40), scene.issued(true, 0));
    let early = scene.issued(false, -5);
    for (identity, alert) in [
        (None, "CertificateRequired"),
        (Some(&expired), "CertificateExpired"),
        (Some(&early), "CertificateExpired"),
        (Some(&foreign), ""),
    ] {
        let error = ask(
            &scene,
            serving.address,
            identity,
            &request("GET", CHECKPOINT, &[]),
        )
        .unwrap_err();
        assert!(error.to_string().contains(alert), "{alert}: {error}");
    }
    assert_eq!(status(&scene, &serving, &scene.issued(false, 20)).0, 200);
}

#[test]
fn who_is_taken_off_the_list_reads_nothing_more() {
    let scene = Scene::new();
    let other = scene.auditor("office");
    let serving = scene.serve(|_| {});
    let mut reader = Reader::connect(&scene, serving.address, Some(&scene.firm));
    assert_eq!(reader.get(CHECKPOINT).unwrap().status, 200);
    let consortium = fs::read_to_string(scene.dir().join("consortium.toml")).unwrap();
    let path = scene.dir().join("auditors.toml");
    let list = fs::read_to_string(&path).unwrap();
    let start = list.find("\n[[auditor]]").unwrap();
    let next = list.rfind("\n[[auditor]]").unwrap();
    assert!(list[start..next].contains("\"firm\""));
    fs::write(&path, [&list[..start], &list[next..]].concat()).unwrap();

    // Also over the connection that stands, which ends.
    let refused = reader.get(CHECKPOINT).unwrap();
    assert_eq!(
        (refused.status, refused.header("connection")),
        (403, Some("close"))
    );
    assert!(reader.end().is_empty());
    let (code, text) = status(&scene, &serving, &scene.firm);
    assert_eq!(code, 403);
    assert!(
        text.contains("CN=firm") && text.contains("veilsum-coordinator enrol"),
        "{text}"
    );
    assert_eq!(status(&scene, &serving, &other).0, 200);
    assert_eq!(status(&scene, &serving, &scene.bank).0, 200);
    assert_eq!(
        fs::read_to_string(scene.dir().join("consortium.toml")).unwrap(),
        consortium
    );

    // A list that cannot be read lets no auditor in, and keeps no bank out.
    fs::write(&path, "version = 1\n[[auditor]]\nname = 7\n").unwrap();
    assert_eq!(status(&scene, &serving, &other).0, 503);
    assert_eq!(status(&scene, &serving, &scene.bank).0, 200);
    fs::write(&path, list).unwrap();
    assert_eq!(status(&scene, &serving, &scene.firm).0, 200);
}

struct Nothing;

impl UploadGate for Nothing {
    fn expected(&self, _: BankIndex, _: Round) -> Result<u64, Rejected> {
        Err(Rejected::new(0, "nothing is expected"))
    }
}

impl PublicBlobs for Nothing {
    fn open(&self, _: Digest) -> Option<(fs::File, u64)> {
        None
    }
}

#[tokio::test]
async fn an_auditor_is_no_bank_by_either_way() {
    let scene = Scene::new();
    let identity = scene.server_identity();
    let limits = &scene.config.limits;
    let listener = Listener::bind(
        "127.0.0.1:0".parse().unwrap(),
        &identity,
        limits,
        Desk::new(&scene.dir()),
    )
    .unwrap();
    let address = listener.local_addr().unwrap();
    let services = Services {
        seats: Seats::of((*scene.roster).clone()),
        gate: Arc::new(Nothing),
        blobs: Arc::new(Nothing),
        spool: scene.scratch().join("spool"),
    };
    let (inbound, _told) = mpsc::channel(1);
    let serving =
        tokio::spawn(listener.serve::<ToCoordinator, ToBank>(services, inbound, std::future::pending()));
    let expected = "is not in the roster of demo";

    let config = tls(&scene, Some(&scene.firm), ALPN);
    let connector = TlsConnector::from(Arc::new(config.clone()));
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut stream = connector
        .connect("localhost".try_into().unwrap(), stream)
        .await
        .unwrap();
    let mut said = Vec::new();
    // The connection is cut when all is said; how is of no matter.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("CN=firm") && said.contains(expected), "{said:?}");

    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let quic = QuicClientConfig::try_from(config).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(quic)));
    let connection = endpoint.connect(address, "localhost").unwrap().await.unwrap();
    match timeout(PATIENCE, connection.closed()).await.unwrap() {
        quinn::ConnectionError::ApplicationClosed(closed) => {
            assert_eq!(
                closed.error_code.into_inner(),
                u64::from(CloseCode::NotInRoster.number())
            );
            assert!(String::from_utf8_lossy(&closed.reason).contains(expected));
        }
        other => panic!("{other}"),
    }
    serving.abort();
}
